"""Pairs of frames that sound alike: their distances, and the sums that correlations are made of."""

from collections.abc import Sequence
from typing import no_type_check

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.spatial.distance import cdist

from tfhkit.jit import compiled

_CHUNK = 256  # anchors at a time: memory grows with T, not with T squared


def pair_distances(
    features: Float[np.ndarray, "T D"],
    angles_rad: Float[np.ndarray, "T A"],
    times: Float[np.ndarray, "T"],
    radius: float = 0.5,
    min_gap_s: float = 0.0,
) -> tuple[
    Int[np.ndarray, "P"], Int[np.ndarray, "P"], Float[np.ndarray, "P"], Float[np.ndarray, "P"]
]:
    """The pairs themselves, for a scatter plot or to listen to.

    Returns:
        anchor, neighbour: (P,) frame numbers.
        sound: (P,) distance of the features; pose_deg: (P,) distance of the angles in degrees.
    """
    features, angles = np.asarray(features, np.float64), np.degrees(angles_rad)
    near, sound = neighbours_of(features, np.asarray(times), slice(None), radius, min_gap_s)
    anchor, neighbour = np.nonzero(near)
    pose_deg = np.linalg.norm(angles[anchor] - angles[neighbour], axis=1)
    return anchor, neighbour, sound[anchor, neighbour], pose_deg


def neighbours_of(
    features: Float[np.ndarray, "T D"],
    times: Float[np.ndarray, "T"],
    part: slice | np.ndarray,
    radius: float,
    min_gap_s: float,
) -> tuple[Bool[np.ndarray, "C T"], Float[np.ndarray, "C T"]]:
    """Which frames are neighbours of the anchors in `part`: (C, T) bool, and all distances."""
    distance = cdist(features[part], features)
    near = distance <= radius * np.linalg.norm(features[part], axis=1)[:, None]
    apart = np.abs(times[part, None] - times)
    period = times[-1] - times[0] + np.median(np.diff(times))
    near &= np.minimum(apart, period - apart) >= min_gap_s
    rows = np.arange(len(times))[part]
    near[np.arange(len(rows)), rows] = False
    return near, distance


def pair_sums(
    features: Float[np.ndarray, "T D"],
    poses: Sequence[Float[np.ndarray, "T A"]],
    times: Float[np.ndarray, "T"],
    radius: float,
    min_gap_s: float,
    min_neighbours: int,
    weights: Real[np.ndarray, "B T"],
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Sums over each anchor's neighbours: n, x, xx, y, yy, xy (x: sound, y: pose distance).

    Returns:
        tracks: the six, each (S, T) or (T,), for each track of `poses`, unweighted.
        draws: the six, each (B, T), for the first track with each row of `weights`.
    """
    n_frames = len(times)
    moved = np.stack(poses, -1).astype(np.float64)
    drawn = np.ascontiguousarray(np.transpose(weights), np.float64)
    heard = np.zeros((3, n_frames))
    seen = np.zeros((3, n_frames, len(poses)))
    draws = np.zeros((6, n_frames, len(weights)))
    for start in range(0, n_frames, _CHUNK):
        part = slice(start, min(start + _CHUNK, n_frames))
        near, x = neighbours_of(features, times, part, radius, min_gap_s)
        near &= (near.sum(1) >= min_neighbours)[:, None]
        _add_pairs(near, x, moved, drawn, start, heard, seen, draws)
    return [*heard, *seen.transpose(0, 2, 1)], list(draws.transpose(0, 2, 1))


@compiled
@no_type_check
def _add_pairs(near, x, poses, weights, start, heard, seen, draws):
    """Add the pairs in near (C, T) to the sums of their anchors; row 0 is the anchor `start`.

    x: (C, T). poses: (T, A, S). weights: (T, B). heard: (3, T), n, x and xx. seen: (3, T, S), y,
    yy and xy of each track. draws: (6, T, B), all six of the first track, weighted.
    """
    n_frames, n_axes, n_tracks = poses.shape
    square = np.empty(n_tracks)
    for row in range(near.shape[0]):
        i = start + row
        for j in range(n_frames):
            if not near[row, j]:
                continue
            sound = x[row, j]
            heard[0, i] += 1.0
            heard[1, i] += sound
            heard[2, i] += sound * sound
            square[:] = 0.0
            for axis in range(n_axes):
                for s in range(n_tracks):
                    step = poses[i, axis, s] - poses[j, axis, s]
                    square[s] += step * step
            for s in range(n_tracks):
                y = np.sqrt(square[s])
                seen[0, i, s] += y
                seen[1, i, s] += square[s]
                seen[2, i, s] += sound * y
            first = np.sqrt(square[0])
            for b in range(weights.shape[1]):
                w = weights[j, b]
                draws[0, i, b] += w
                draws[1, i, b] += w * sound
                draws[2, i, b] += w * sound * sound
                draws[3, i, b] += w * first
                draws[4, i, b] += w * square[0]
                draws[5, i, b] += w * sound * first


def pooled(sums: Sequence[np.ndarray], weights: np.ndarray | None = None) -> Float[np.ndarray, "S"]:
    """One correlation over all pairs, (S,), from sums of (S, T)."""
    if weights is None:
        return _pearson(*[value.sum(-1) for value in sums])
    return _pearson(*[(weights * value).sum(-1) for value in sums])


def per_anchor(
    sums: Sequence[np.ndarray], weights: np.ndarray | None = None
) -> Float[np.ndarray, "S"]:
    """Mean of the anchors' own correlations, (S,), over those that have one."""
    r = _pearson(*sums)
    counts = np.isfinite(r) * (1.0 if weights is None else weights)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (np.nan_to_num(r) * counts).sum(-1) / counts.sum(-1)


def _pearson(n, x, xx, y, yy, xy):
    """Correlation from sums; NaN where one side does not vary."""
    var_x, var_y = n * xx - x * x, n * yy - y * y
    varies = (var_x > 1e-9 * n * xx) & (var_y > 1e-9 * n * yy)
    scale = np.sqrt(np.where(varies, var_x * var_y, np.nan))
    return (n * xy - x * y) / scale
