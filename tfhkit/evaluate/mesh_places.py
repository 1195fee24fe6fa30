"""Builds assets/mesh_places.npz: where the points of MediaPipe's mesh lie on the open model.

python -m tfhkit.evaluate.mesh_places [--heads 10] [--out assets/mesh_places.npz]
    [--picture docs/mesh_places.png]

Virtual heads of known shape are rendered in many expressions and poses, and the mesh is found on
the pictures. Each of its points lies on a pixel, whose triangle and barycentric coordinates are
known; the same place on the mean head is one vote. The geometric median over all heads is the
point's place, the median distance from it its spread.
"""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.camera import CROP_PX, DISTANCE, Camera, project, rotation_from_angles
from tfhkit.evaluate.heads import make_head_clip, read_truth
from tfhkit.face import MorphableModel, load_model
from tfhkit.fit.mesh_places import mesh_places, nearest_on_surface, read_places
from tfhkit.landmarks import detect
from tfhkit.landmarks.mesh_nets import N_MESH
from tfhkit.media import open_clip
from tfhkit.render import rasterize
from tfhkit.render.plots import clay, portraits
from tfhkit.render.shading import posed_verts

FIRST_SEED, FRAMES = 1000, 12
HEIGHT_PX, WIDTH_PX = 720, 960
PICTURE_PX = 560
OFF_THE_FACE = 0.01  # dm; so far from the face's surface a point is not used
ZOOM = 3  # pixels of the rasterised truth to one of the crop
LEAST_FACING = 0.35  # cosine of the angle to the camera; more grazing votes are not steady


def votes(seed: int, model: MorphableModel) -> Iterator[Float[np.ndarray, "468 3"]]:
    """For each frame of a virtual head, where the mesh's points lie on the mean shape, dm.

    Points that miss the head, or whose triangle is seen at a grazing angle, are NaN.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "head.mp4"
        path, truth = make_head_clip(file, seed, FRAMES, model, HEIGHT_PX, WIDTH_PX)
        clip = open_clip(path, min_seconds=0, need_sound=False)
        coefficients, crop = read_truth(truth)
        dense_px = detect(clip, "mesh").dense_px
    assert dense_px is not None
    camera = Camera(ZOOM * CROP_PX)
    verts = posed_verts(model, coefficients.map(torch.as_tensor))
    fragments = rasterize(verts, model.faces, camera)
    pixels = np.floor(ZOOM * crop.to_crop(dense_px[:, :N_MESH])).astype(int)
    for frame, (x, y) in enumerate(pixels.transpose(0, 2, 1)):
        inside = (np.minimum(x, y) >= 0) & (np.maximum(x, y) < camera.size_px)
        row, column = y.clip(0, camera.size_px - 1), x.clip(0, camera.size_px - 1)
        packed = fragments.pix_to_face[frame, row, column, 0]
        corners = model.faces[packed.clamp_min(0) % len(model.faces)]
        bary = fragments.bary_coords[frame, row, column, 0]
        place = (model.mean_shape[corners] * bary[..., None]).sum(1).numpy()
        shown = inside & (packed >= 0).numpy() & (_facing(verts[frame][corners]) > LEAST_FACING)
        yield np.where(shown[:, None], place, np.nan)


def _facing(triangles):
    """Cosines (n,) between the triangles' normals and the directions to the camera."""
    a, b, c = triangles.unbind(1)
    normal = torch.nn.functional.normalize(torch.linalg.cross(b - a, c - a), dim=-1)
    towards = torch.tensor([0.0, 0.0, DISTANCE]) - triangles.mean(1)
    return (normal * torch.nn.functional.normalize(towards, dim=-1)).sum(-1).numpy()


def average(
    places: Float[np.ndarray, "n P 3"], steps: int = 50
) -> tuple[Float[np.ndarray, "P 3"], Float[np.ndarray, "P"]]:
    """The geometric median of each point's votes, and the median distance from it, dm."""
    middle = np.nanmedian(places, 0)
    for _ in range(steps):  # Weiszfeld's iteration
        weight = 1 / np.maximum(np.linalg.norm(places - middle, axis=-1), 1e-3)
        weight[np.isnan(weight)] = 0
        middle = np.nansum(weight[..., None] * places, 0) / weight.sum(0)[:, None]
    return middle, np.nanmedian(np.linalg.norm(places - middle, axis=-1), 0)


def draw(model: MorphableModel, path: Path) -> None:
    """Write a picture of the mean head with the points, ringed where the fit uses them."""
    from matplotlib.figure import Figure

    asset, used = read_places(), mesh_places(model).points
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    axes, camera = figure.subplots(1, 2), Camera(PICTURE_PX)
    for axis, yaw_deg in zip(axes, (0, 40)):
        angles = torch.tensor([[0.0, np.radians(yaw_deg), 0.0]]).float()
        axis.imshow(portraits(model, PICTURE_PX, clay(model), angles=angles)[0])
        turned = torch.from_numpy(asset["places"]) @ rotation_from_angles(angles)[0].T
        px = project(turned, camera)[0].numpy() - 0.5
        dots = axis.scatter(*px.T, c=100 * asset["spread"], s=7, vmin=0, vmax=6, cmap="viridis")
        axis.scatter(*px[used].T, s=40, facecolors="none", edgecolors="black", linewidths=0.8)
        axis.set_axis_off()
    label = "median distance of the votes (mm)"
    figure.colorbar(dots, ax=axes, label=label, shrink=0.7, extend="max")
    figure.savefig(path, dpi=90)


def write(
    out: Path, places: Float[np.ndarray, "n 468 3"], n_heads: int, model: MorphableModel
) -> None:
    """Write the asset, and its card with the hash next to it."""
    middle, spread = average(places)
    verts, bary = nearest_on_surface(model, middle)
    there = (model.mean_shape[verts].double() * bary[..., None]).sum(1).numpy()
    spread[np.linalg.norm(there - middle, axis=1) > OFF_THE_FACE] = np.inf
    np.savez_compressed(
        out,
        places=middle.astype(np.float32),
        spread=spread.astype(np.float32),
        landmarks=model.mean_shape[model.landmark_ids].numpy(),
    )
    card = {
        "what": "places of MediaPipe's mesh points on the open model's mean shape, dm",
        "made_by": "python -m tfhkit.evaluate.mesh_places",
        "heads": n_heads,
        "votes": len(places),
        "median_spread_mm": round(100 * float(np.median(spread[np.isfinite(spread)])), 2),
        "sha256": hashlib.sha256(out.read_bytes()).hexdigest(),
        "licence": "CC0",
    }
    out.with_suffix(".json").write_text(json.dumps(card, indent=2) + "\n")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--heads", type=int, default=10, help="number of virtual heads")
    parser.add_argument("--out", type=Path, default=Path("assets/mesh_places.npz"))
    parser.add_argument("--picture", type=Path, help="a PNG of the points on the mean head")
    options = parser.parse_args()
    model = load_model()
    rows = []
    for seed in range(FIRST_SEED, FIRST_SEED + options.heads):
        rows += list(votes(seed, model))
        print(f"head {seed - FIRST_SEED + 1} of {options.heads}", flush=True)
    write(options.out, np.array(rows), options.heads, model)
    if options.picture:
        draw(model, options.picture)


if __name__ == "__main__":
    main()
