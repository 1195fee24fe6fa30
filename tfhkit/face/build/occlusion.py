"""Ambient occlusion of a mesh by depth maps from many sides (build time only)."""

from typing import no_type_check

import numba
import numpy as np
from jaxtyping import Float, Int


@numba.njit(cache=False)
@no_type_check
def _depth_map(points, faces, size):
    depth = np.full((size, size), -1e9)
    for f in range(len(faces)):
        a, b, c = points[faces[f, 0]], points[faces[f, 1]], points[faces[f, 2]]
        area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
        if abs(area) < 1e-12:
            continue
        x0 = max(int(min(a[0], b[0], c[0])), 0)
        x1 = min(int(max(a[0], b[0], c[0])) + 1, size - 1)
        y0 = max(int(min(a[1], b[1], c[1])), 0)
        y1 = min(int(max(a[1], b[1], c[1])) + 1, size - 1)
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                px, py = x + 0.5, y + 0.5
                u = ((b[0] - px) * (c[1] - py) - (b[1] - py) * (c[0] - px)) / area
                v = ((c[0] - px) * (a[1] - py) - (c[1] - py) * (a[0] - px)) / area
                if u < 0 or v < 0 or u + v > 1:
                    continue
                z = u * a[2] + v * b[2] + (1 - u - v) * c[2]
                if z > depth[y, x]:
                    depth[y, x] = z
    return depth


def open_sky(
    verts: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    n_directions: int = 160,
    size: int = 400,
    bias: float = 0.03,
) -> Float[np.ndarray, "V"]:
    """Share of the cosine-weighted sky that each vertex sees, (V,) in [0, 1].

    Args:
        verts: (V, 3) dm; normals: (V, 3); faces: (F, 3).
        n_directions: points of a Fibonacci sphere.
        size: side of the depth maps in pixels.
        bias: dm a vertex may lie behind the depth map and still be seen.
    """
    k = np.arange(n_directions) + 0.5
    z = 1 - 2 * k / n_directions
    turn = np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - z * z)
    seen, total = np.zeros(len(verts)), np.full(len(verts), 1e-9)
    reach = np.abs(verts).max() * 1.8
    for direction in np.stack([ring * np.cos(turn), ring * np.sin(turn), z], -1):
        side = np.cross(direction, [0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0, 0])
        side /= np.linalg.norm(side)
        up = np.cross(side, direction)
        points = verts @ np.stack([side, up, direction], 1)
        points[:, :2] = (points[:, :2] / reach + 0.5) * size
        depth = _depth_map(points, faces, size)
        column, row = np.clip(points[:, :2].astype(int), 0, size - 1).T
        weight = np.maximum(normals @ direction, 0)
        total += weight
        seen += weight * (points[:, 2] > depth[row, column] - bias)
    return seen / total
