"""Pairs of frames that sound alike: their distances, and the sums that correlations are made of."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, Real
from scipy.spatial.distance import cdist

_CHUNK = 256  # anchors at a time: memory grows with T, not with T squared
_SPARSE = 0.15  # share of pairs below which a list of them is faster than the matrix


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
    n_frames, n_tracks = len(times), len(poses)
    tracks: list[np.ndarray] = [np.zeros(n_frames) for _ in range(3)]
    tracks += [np.zeros((n_tracks, n_frames)) for _ in range(3)]
    draws = [np.zeros((len(weights), n_frames)) for _ in range(6)]
    for start in range(0, n_frames, _CHUNK):
        part = slice(start, min(start + _CHUNK, n_frames))
        near, x = neighbours_of(features, times, part, radius, min_gap_s)
        near &= (near.sum(1) >= min_neighbours)[:, None]
        mask, mask_x = near.astype(np.float64), near * x
        for total, value in zip(tracks[:3], (mask, mask_x, mask_x * x)):
            total[part] = value.sum(1)
        y = cdist(poses[0][part], poses[0])
        terms = (mask, mask_x, mask_x * x, mask * y, mask * y * y, mask_x * y)
        for total, value in zip(draws, terms):
            total[:, part] = weights @ value.T
        anchor, other = np.nonzero(near)
        sparse, heard = len(anchor) < _SPARSE * near.size, x[anchor, other]
        for track, pose in enumerate(poses):
            if sparse:
                seen = np.sqrt(((pose[part][anchor] - pose[other]) ** 2).sum(1))
                values = (seen, seen * seen, heard * seen)
                rows = [np.bincount(anchor, value, len(near)) for value in values]
            else:
                y = cdist(pose[part], pose)
                values = ((mask, y), (mask * y, y), (mask_x, y))
                rows = [np.einsum("ij,ij->i", *pair) for pair in values]
            for total, value in zip(tracks[3:], rows):
                total[track, part] = value
    return tracks, draws


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
