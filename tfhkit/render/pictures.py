"""Meshes that show parts of a picture, laid over other pictures (no gradients)."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import no_type_check

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from tfhkit.camera import Camera
from tfhkit.jit import compiled
from tfhkit.render.fragments import rasterize


@dataclass(frozen=True, eq=False)
class Layers:
    """Parts of a mesh, drawn one by one behind what hides them.

    Args:
        of_face: to which part each triangle belongs, from 0.
        shown: what each part shows: premultiplied RGB in [0, 255], and opacity.
        painted: where the mesh shows its own colours instead of the picture's, in [0, 1].
    """

    of_face: Int[np.ndarray, "F"]
    shown: Float[np.ndarray, "B L S S 4"]
    painted: Float[np.ndarray, "B S S"]

    @classmethod
    def empty(
        cls, of_face: Int[np.ndarray, "F"], n_frames: int, size_px: int, n_layers: int
    ) -> "Layers":
        """Layers to be filled by `draw_pictures`."""
        shape = n_frames, n_layers, size_px, size_px, 4
        painted = np.zeros((n_frames, size_px, size_px), np.float32)
        return cls(of_face, np.zeros(shape, np.float32), painted)


def draw_pictures(
    verts_world: Float[Tensor, "B V 3"],
    paint: Float[np.ndarray, "#B V 8"],
    faces: Int[Tensor, "F 3"],
    picture: UInt8[np.ndarray, "H W 3"],
    camera: Camera,
    under: Float[np.ndarray, "B S S 3"],
    supersample: int = 1,
    layers: Layers | None = None,
) -> Float[np.ndarray, "B S S 3"]:
    """Draw meshes that show parts of a picture over other pictures.

    Args:
        verts_world: (B, V, 3) float32 tensor. faces: (F, 3) tensor.
        paint: (B, V, 8) float32 array, or (1, V, 8) for all frames: x d, y d, d, where (x, y) are
            the pixels of `picture` (pixel centres at +0.5) that a vertex shows and d its distance
            from the camera when that was taken, so that a mesh in that very pose gives the
            picture back; the picture's share, the opacity, and an RGB in [0, 255] for the rest.
        picture: (H, W, 3) uint8. camera: Camera.
        under: (B, S, S, 3) float32 in [0, 255], what the mesh is laid over.
        supersample: points per pixel along each axis.
        layers: filled with what parts of the mesh show.
    Returns:
        (B, S, S, 3) float32 array in [0, 255].
    """
    fine = camera.at(camera.size_px * supersample)
    fragments = rasterize(verts_world, faces, fine)
    ids = fragments.pix_to_face[..., 0].cpu().numpy()
    bary = fragments.bary_coords[..., 0, :].cpu().numpy()
    corners, out = faces.cpu().numpy().astype(np.int32), np.array(under, np.float32)
    if layers is None:
        layers = Layers.empty(np.zeros(len(corners), int), len(out), 1, 0)
    layer = layers.of_face.astype(np.int32)
    layers.shown[:], layers.painted[:] = 0, 0

    def draw(frame):
        colours = paint[frame % len(paint)]
        seen, results = (
            (ids[frame], bary[frame]),
            (out[frame], layers.shown[frame], layers.painted[frame]),
        )
        _lay_over(frame, seen, (corners, layer), colours, picture, supersample, results)

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        list(pool.map(draw, range(len(out))))
    return out


@compiled
@no_type_check
def _lay_over(frame, fragments, mesh, paint, picture, samples, results):
    """One frame of `draw_pictures`: `out` (S, S, 3) holds what lies under it."""
    (ids, bary), (faces, layer), (out, parts, painted) = fragments, mesh, results
    height, width = picture.shape[0], picture.shape[1]
    total, p, one = np.empty(3), np.empty(8), 1.0 / (samples * samples)
    for row in range(out.shape[0]):
        for column in range(out.shape[1]):
            covered = 0.0
            total[:] = 0.0
            for y in range(row * samples, (row + 1) * samples):
                for x in range(column * samples, (column + 1) * samples):
                    if ids[y, x] < 0:
                        continue
                    f = ids[y, x] - frame * faces.shape[0]
                    a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
                    u, v, w = bary[y, x, 0], bary[y, x, 1], bary[y, x, 2]
                    for k in range(8):
                        p[k] = u * paint[a, k] + v * paint[b, k] + w * paint[c, k]
                    # where the ray met the surface when the picture was taken
                    s = min(max(p[0] / p[2] - 0.5, 0.0), width - 1.001)
                    t = min(max(p[1] / p[2] - 0.5, 0.0), height - 1.001)
                    i, j = int(t), int(s)
                    s, t = s - j, t - i
                    for k in range(3):
                        above = (1 - s) * picture[i, j, k] + s * picture[i, j + 1, k]
                        below = (1 - s) * picture[i + 1, j, k] + s * picture[i + 1, j + 1, k]
                        seen = (1 - t) * above + t * below
                        colour = p[4] * (p[3] * seen + (1 - p[3]) * p[5 + k])
                        total[k] += colour
                        if parts.shape[0] > 0:
                            parts[layer[f], row, column, k] += colour * one
                    covered += p[4]
                    if parts.shape[0] > 0:
                        parts[layer[f], row, column, 3] += p[4] * one
                        painted[row, column] += p[4] * (1 - p[3]) * one
            rest = 1.0 - covered * one
            for k in range(3):
                out[row, column, k] = rest * out[row, column, k] + total[k] * one
