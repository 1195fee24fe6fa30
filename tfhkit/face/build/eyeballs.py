"""Replaces MakeHuman's coarse eyeballs by ones with rings at pupil and iris (build time only)."""

from dataclasses import replace

import numpy as np
from scipy import sparse

from tfhkit.face.build.head_shapes import Cage
from tfhkit.face.subdivide import catmull_clark

# Degrees from the optical axis; dense where pupil and iris end. The back is never seen.
RINGS_DEG = (4.0, 7.0, 8.5, 10.5, 15.0, 20.0, 23.0, 25.0, 27.5, 35.0, 48.0, 65.0, 85.0, 110.0)
N_MERIDIANS = 24
PUPIL_DEG, IRIS_DEG = 8.2, 24.6
UV_CENTRES = {"left_eye": (0.955, 0.045), "right_eye": (0.865, 0.045)}


def _eye_quads(first):
    """Quads of one eyeball whose vertices start at `first`: pole, then rings outwards."""
    ring = lambda k, j: first + 1 + k * N_MERIDIANS + j % N_MERIDIANS  # noqa: E731
    quads = [(first, ring(0, j), ring(0, j + 1), ring(0, j + 2)) for j in range(0, N_MERIDIANS, 2)]
    for k in range(len(RINGS_DEG) - 1):
        for j in range(N_MERIDIANS):
            quads.append((ring(k, j), ring(k + 1, j), ring(k + 1, j + 1), ring(k, j + 1)))
    return np.array(quads)


def _directions():
    """Unit vectors (n, 3) of an eyeball's vertices about +z, counter-clockwise rings."""
    angle = 2 * np.pi * np.arange(N_MERIDIANS) / N_MERIDIANS
    rows = [np.array([[0.0, 0.0, 1.0]])]
    for ring in np.radians(RINGS_DEG):
        x, y = np.sin(ring) * np.cos(angle), np.sin(ring) * np.sin(angle)
        rows.append(np.stack([x, y, np.full_like(x, np.cos(ring))], -1))
    return np.concatenate(rows)


def finer_eyes(cage: Cage) -> tuple[Cage, sparse.csr_matrix]:
    """Cage with new eyeballs, and the matrix that carries any old vertices over to it.

    A new vertex follows the old eyeball's affine motion, so identity shapes and gaze carry over.

    Returns:
        cage: Cage; transfer: CSR (V_new, V_old), rows of eyeballs sum to 1.
    """
    n_old = len(cage.keep)
    body = np.flatnonzero(~np.isin(cage.part, ("left_eye", "right_eye")))
    index = np.full(n_old, -1)
    index[body] = np.arange(len(body))
    body_quad = (index[cage.quads] >= 0).all(1)

    old_left = np.flatnonzero(cage.part == "left_eye")
    operator, _ = catmull_clark(cage.quads, n_old)
    surface = (operator @ cage.verts)[operator @ (cage.part == "left_eye").astype(float) > 0.5]
    middle = (surface.max(0) + surface.min(0)) / 2
    centre = np.array([*middle[:2], surface[:, 2].min() + np.ptp(surface[:, 0]) / 2])
    surface = surface - centre
    radius = np.linalg.norm(surface, axis=1)
    angle = np.degrees(np.arccos(surface[:, 2] / radius))
    steps = np.array([0.0, *RINGS_DEG])
    profile = [np.average(radius, weights=np.exp(-(((angle - s) / 9) ** 2))) for s in steps]
    directions = _directions()
    at = np.degrees(np.arccos(np.clip(directions[:, 2], -1, 1)))
    left = centre + directions * np.interp(at, steps, profile)[:, None]
    n_eye = len(left)

    homogeneous = lambda points: np.column_stack([points, np.ones(len(points))])  # noqa: E731
    affine = homogeneous(left) @ np.linalg.pinv(homogeneous(cage.verts[old_left]))
    old_right = cage.mirror[old_left]
    rows = sparse.coo_matrix(
        (np.ones(len(body)), (np.arange(len(body)), body)), shape=(len(body) + 2 * n_eye, n_old)
    ).tolil()
    first_left, first_right = len(body), len(body) + n_eye
    rows[np.ix_(np.arange(first_left, first_right), old_left)] = affine
    rows[np.ix_(np.arange(first_right, first_right + n_eye), old_right)] = affine
    transfer = rows.tocsr()

    left_quads = _eye_quads(first_left)
    right_quads = _eye_quads(first_right)[:, ::-1]
    uv_corners = [cage.uv_corners[body_quad]]
    for name, quads, first, side in (
        ("left_eye", left_quads, first_left, 1), ("right_eye", right_quads, first_right, -1)
    ):  # fmt: skip
        flat = directions[:, :2] / (1.02 + directions[:, 2:]) * 0.03 * [side, 1]
        uv_corners.append(np.array(UV_CENTRES[name]) + flat[quads - first])
    eye = np.arange(n_eye)
    new = replace(
        cage,
        keep=np.concatenate([cage.keep[body], np.full(2 * n_eye, -1)]),
        quads=np.concatenate([index[cage.quads[body_quad]], left_quads, right_quads]),
        uv_corners=np.concatenate(uv_corners),
        part=np.concatenate([cage.part[body], ["left_eye"] * n_eye, ["right_eye"] * n_eye]),
        mirror=np.concatenate([index[cage.mirror[body]], first_right + eye, first_left + eye]),
        verts=transfer @ cage.verts,
    )
    return new, transfer
