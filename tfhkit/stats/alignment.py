"""Alignment in time of two sequences by soft dynamic time warping (soft-DTW)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Real

from tfhkit.errors import ParameterError, check_shape
from tfhkit.maths import frame_step

REACH_S = 0.2  # how far apart in time two frames may be that are compared
SOFTNESS = 0.01  # gamma as a share of the mean cost within reach


@dataclass(frozen=True, eq=False)
class SoftAlignment:
    """What `soft_dtw` returns.

    Args:
        cost: the soft minimum over all paths of the sum of costs along a path.
        visits: (T, U) share of the paths that pass through each pair, weighted by exp(-cost /
            gamma); it is the gradient of `cost` with respect to the pairs' costs.
    """

    cost: float
    visits: Float[np.ndarray, "T U"]


def soft_dtw(pair_cost: Float[np.ndarray, "..."], gamma: float) -> SoftAlignment:
    """Soft dynamic time warping: every monotonic path of pairs from first to last counts.

    With r(i, j) the cost of the paths that end in the pair (i, j):

        r(i, j) = c(i, j) + softmin(r(i-1, j-1), r(i-1, j), r(i, j-1)),
        softmin(a) = -gamma log(sum(exp(-a / gamma)))

    Args:
        pair_cost: (T, U) cost of comparing frame i of one sequence with frame j of the other;
            infinite for pairs that are not allowed.
        gamma: softness, in the costs' unit; 0 is plain DTW: the best path alone.
    Returns:
        SoftAlignment.
    Raises:
        ShapeError: not (T, U). ParameterError: a negative gamma, or no path is allowed.
    Source: Cuturi & Blondel 2017, Algorithms 1 and 2.
    """
    check_shape("pair_cost", pair_cost, ("T", "U"))
    if gamma < 0:
        raise ParameterError("gamma", f"is {gamma}", "give 0 or more")
    n, m = pair_cost.shape
    reached = np.full((n + 1, m + 1), np.inf)
    reached[0, 0] = 0.0
    cells = np.argwhere(np.isfinite(pair_cost)).tolist()
    before = np.zeros((n, m, 3))  # share of the paths to a pair by the step that led there
    for i, j in cells:
        options = np.array([reached[i, j], reached[i, j + 1], reached[i + 1, j]])
        best = options.min()
        if best == np.inf:
            continue
        share = np.exp((best - options) / gamma) if gamma else np.eye(3)[options.argmin()]
        total = share.sum()
        before[i, j] = share / total
        reached[i + 1, j + 1] = pair_cost[i, j] + best - gamma * np.log(total)
    if not np.isfinite(reached[n, m]):
        raise ParameterError("pair_cost", "allows no path from first to last", "allow more pairs")
    visits = np.zeros((n + 1, m + 1))
    visits[n, m] = 1.0
    for i, j in reversed(cells):
        here = visits[i + 1, j + 1] * before[i, j]
        visits[i, j] += here[0]
        visits[i, j + 1] += here[1]
        visits[i + 1, j] += here[2]
    return SoftAlignment(float(reached[n, m]), visits[1:, 1:])


@dataclass(frozen=True)
class AlignedDistance:
    """A distance of two sequences, frame by frame and after alignment.

    Args:
        frame_wise: mean distance of frames of the same time.
        aligned: mean distance of the pairs that the alignment visits.
        later_s: how much later, on average, the second sequence does the same.
    """

    frame_wise: float
    aligned: float
    later_s: float


def pairs_in_reach(
    times: Real[np.ndarray, "T"], other_times: Real[np.ndarray, "U"], reach_s: float = REACH_S
) -> Bool[np.ndarray, "T U"]:
    """Which pairs of frames are at most `reach_s` apart, or a frame where frames are rare."""
    step_s = max(frame_step(times), frame_step(other_times))
    apart = np.abs(np.asarray(other_times)[None] - np.asarray(times)[:, None])
    return apart <= max(reach_s, step_s) + 1e-6


def aligned_distance(
    distance: Float[np.ndarray, "..."],
    times: Real[np.ndarray, "T"],
    other_times: Real[np.ndarray, "U"],
    reach_s: float = REACH_S,
    softness: float = SOFTNESS,
) -> AlignedDistance:
    """Mean distance of two sequences after soft-DTW alignment, and of frames of the same time.

    Frame by frame, a mouth that does the right thing 0.05 s late counts as wrong. Aligned, only
    what it does counts, in its order. The reach is bounded, since a mouth that is
    half a second late *is* wrong. A detour from equal times adds a pair to the path and so its
    cost: sequences that are far apart at every time stay as they are.

    Args:
        distance: (T, U) of every pair of frames; only pairs in reach are looked at.
        times, other_times: (T,), (U,) seconds on one clock. Frames with no frame of the other
            sequence at their time, as where a face was not found, are left out.
        reach_s: largest difference in time of two frames that are compared.
        softness: gamma of `soft_dtw` as a share of the mean distance within reach.
    Returns:
        AlignedDistance.
    Raises:
        ShapeError: not (T, U). ParameterError: they have no frame in common.
    Source: the idea of Zhang et al. 2026 (arXiv 2606.01031), who put soft-DTW into known metrics of
        talking heads. Here the value is the mean along the alignment: it keeps the distance's
        unit, so that it can be compared with the frame-wise value.
    """
    check_shape("distance", distance, (len(times), len(other_times)))
    both = pairs_in_reach(times, other_times, 0.0)
    rows, columns = np.flatnonzero(both.any(1)), np.flatnonzero(both.any(0))
    if not len(rows):
        remedy = "give two videos of the same sound, on one clock"
        raise ParameterError("times", "have no frame in common", remedy)
    near = pairs_in_reach(times, other_times, reach_s)
    near, distance = near[np.ix_(rows, columns)], distance[np.ix_(rows, columns)]
    later_s = np.asarray(other_times)[None, columns] - np.asarray(times)[rows, None]
    gamma = softness * float(distance[near].mean())
    visits = soft_dtw(np.where(near, distance, np.inf), gamma).visits
    weights = visits[near] / visits[near].sum()
    nearest = np.abs(later_s).argmin(1)
    return AlignedDistance(
        frame_wise=float(distance[np.arange(len(rows)), nearest].mean()),
        aligned=float(weights @ distance[near]),
        later_s=float(weights @ later_s[near]),
    )
