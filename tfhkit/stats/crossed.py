"""Means and correlations of votes, with intervals by a bootstrap over voters and clips at once.

Votes of one voter are alike, and so are votes on one clip. A bootstrap over single votes takes
them for independent, and its intervals are too narrow.
"""

import numpy as np
from jaxtyping import Float, Int, Real

from tfhkit.errors import InputError, check_shape
from tfhkit.stats.bootstrap import LEVELS


def crossed_weights(
    n_voters: int, n_clips: int, n: int = 1000, seed: int = 0
) -> tuple[Int[np.ndarray, "n V"], Int[np.ndarray, "n C"]]:
    """How often each voter and each clip is drawn; a vote's weight is the product of the two.

    Args:
        n_voters, n_clips: numbers of voters and clips. A factor with one level is always drawn.
        n: number of draws.
        seed: random seed.
    Returns:
        (n, V) and (n, C) int64; every row sums to V, or C.
    Source: the pigeonhole bootstrap, Owen 2007. Its intervals are slightly too wide for many
        voters and clips, and too narrow for fewer than about ten.
    """
    rng = np.random.default_rng(seed)
    voters, clips = (
        rng.multinomial(size, np.full(size, 1 / size), n) for size in (n_voters, n_clips)
    )
    return voters, clips


def crossed_mean_interval(
    votes: Real[np.ndarray, "V C"], n: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """(low, high), 95 %, of the mean over all votes.

    Args:
        votes: (V, C) of V voters on C clips, NaN where there is none; 0 and 1 give a share.
        n: number of draws.
        seed: random seed.
    Returns:
        The interval; NaN for a single voter on a single clip.
    """
    check_shape("votes", votes, ("V", "C"))
    if votes.size < 2:
        return np.nan, np.nan
    there = np.isfinite(votes)
    voters, clips = crossed_weights(len(votes), votes.shape[1], n, seed)
    number = np.einsum("dc,dc->d", voters @ there, clips)
    sums = np.einsum("dc,dc->d", voters @ np.where(there, votes, 0), clips)
    low, high = np.percentile(sums[number > 0] / number[number > 0], LEVELS)
    return float(low), float(high)


def crossed_correlation(
    votes: Real[np.ndarray, "V C"], scores: Float[np.ndarray, "C"], n: int = 1000, seed: int = 0
) -> dict[str, tuple[float, float, float]]:
    """Pearson correlation of a clip's score with its votes, with intervals.

    Args:
        votes: (V, C) ratings of V voters on C clips, NaN where there is none.
        scores: (C,) score of each clip, such as HS.
        n: number of draws.
        seed: random seed.
    Returns:
        "means" (a clip's mean rating) and "votes" (single ratings): (r, low, high), 95 %.
    Raises:
        ShapeError. InputError: fewer than four clips with votes, or nothing varies.
    """
    check_shape("votes", votes, ("V", "C"))
    check_shape("scores", scores, (votes.shape[1],))
    rated = np.isfinite(votes).any(0) & np.isfinite(scores)
    votes, scores = votes[:, rated], scores[rated]
    if votes.shape[1] < 4:
        raise InputError("votes", f"are on {votes.shape[1]} clips", "r needs four clips or more")
    if np.ptp(scores) == 0 or np.nanmax(votes) == np.nanmin(votes):
        raise InputError("votes", "or scores do not vary", "r needs clips that differ")
    scores = scores - scores.mean()  # sums of small differences lose digits
    votes = votes - np.nanmean(votes)
    ones = tuple(np.ones((1, size)) for size in votes.shape)
    point, draws = (
        _correlations(votes, scores, *w)
        for w in (ones, crossed_weights(len(votes), votes.shape[1], n, seed))
    )
    found = {}
    for name, r in draws.items():
        low, high = np.percentile(r[np.isfinite(r)], LEVELS)
        found[name] = (float(point[name][0]), float(low), float(high))
    return found


def _correlations(votes, scores, voters, clips):
    """Correlations (D,) of means and of single votes under D rows of weights."""
    there, filled = np.isfinite(votes), np.nan_to_num(votes)
    number, sums, squares = (voters @ part for part in (there, filled, filled**2))  # (D, C)
    means = sums / np.maximum(number, 1e-12)
    seen = clips * (number > 0)
    return {
        "means": _pearson(seen, seen * means, seen * means**2, scores),
        "votes": _pearson(clips * number, clips * sums, clips * squares, scores),
    }


def _pearson(number, sums, squares, scores):
    """r (D,) from a clip's number of values, their sum and sum of squares (D, C)."""
    n = number.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean_x, mean_y = number @ scores / n, sums.sum(1) / n
        var_x, var_y = number @ scores**2 / n - mean_x**2, squares.sum(1) / n - mean_y**2
        r = (sums @ scores / n - mean_x * mean_y) / np.sqrt(var_x * var_y)
    return np.where((var_x > 1e-12) & (var_y > 1e-12), r, np.nan)
