"""Vertices that each jaw landmark may slide to when the head turns."""

import numpy as np
from jaxtyping import Bool, Float, Int

N_CANDIDATES = 12


def contour_candidates(
    verts: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    landmark_ids: Int[np.ndarray, "68"],
    allowed: Bool[np.ndarray, "V"],
) -> Int[np.ndarray, "17 K"]:
    """Paths over the cheeks and under the jaw, from the front to the back.

    The silhouette that trackers mark as jaw moves over the face as the head turns: to the cheek on
    the far side, to the ear on the near side. The path of a landmark lies in the plane of the
    viewing axis and the landmark's direction from the face's middle.

    Args:
        verts, normals: (V, 3) of the neutral mean face.
        landmark_ids: (68,) int.
        allowed: (V,) bool, outer skin without ears.
    Returns:
        (17, 12) int64; each row holds its own landmark.
    """
    ids = np.asarray(landmark_ids)[:17]
    skin = np.flatnonzero(allowed)
    points = verts[skin]
    table = np.zeros((17, N_CANDIDATES), np.int64)
    for j, own in enumerate(ids):
        at = verts[own]
        radius = np.linalg.norm(at[:2])
        ray = at[:2] / radius
        along = points[:, :2] @ ray
        across = np.abs(points[:, :2] @ np.array([-ray[1], ray[0]]))
        outward = normals[skin, :2] @ ray
        ok = (along > (0.5 + 0.35 * abs(ray[1])) * radius) & (outward > 0.05)
        ok &= (points[:, 2] > at[2] - 0.35) & (points[:, 2] < at[2] + 0.5)
        depths = np.linspace(at[2] + 0.38, at[2] - 0.28, N_CANDIDATES)
        cost = 2 * across[:, None] + 0.7 * np.abs(points[:, 2:] - depths) + 10.0 * ~ok[:, None]
        table[j] = skin[cost.argmin(0)]
        table[j, np.argmin(np.abs(depths - at[2]))] = own
    return table
