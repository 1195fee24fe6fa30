"""Uncertainty of HS: intervals from a block bootstrap of both tracks' cumulative histograms."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Real
from scipy.stats import norm, t

from tfhkit.maths import frame_step
from tfhkit.metrics.head_pose import N_BINS
from tfhkit.stats import LEVELS, block_weights

MIN_BLOCKS = 4


@dataclass(frozen=True)
class HsSettings:
    """How HS is counted, and how its intervals are drawn.

    Args:
        span, n_bins: as in `head_pose_score`.
        n_draws: draws of the bootstrap.
        block_s: length of its blocks; at most a quarter of a track is taken.
        seed: of the draws.
    """

    span: str | float = "real"
    n_bins: int | None = N_BINS
    n_draws: int = 200
    block_s: float = 2.0
    seed: int = 0


AS_STATED = HsSettings()


def hs_intervals(
    real_deg: Float[np.ndarray, "T 3"],
    generated_deg: Float[np.ndarray, "U 3"],
    real_times: Real[np.ndarray, "T"],
    generated_times: Real[np.ndarray, "U"],
    span_deg: Float[np.ndarray, "3"],
    stills_deg: Sequence[Float[np.ndarray, "3"] | None] = (),
    settings: HsSettings = AS_STATED,
) -> tuple[tuple[float, float], tuple[tuple[float, float], ...]]:
    """95 % intervals of HS, and of HS above that of still heads, from the same draws.

    What they cover: the HS that the same two ways of moving would reach over so long a time that
    chance plays no part, divided by the span of the clip at hand. Short tracks of *equal* habits
    have W1 > 0 by chance, so HS lies below that value, and an interval of HS's own spread misses
    it. Let d be the difference of the two cumulative histograms, and z what a draw adds to it:

    - W1 = area of |d| rises to first order by the area of sign(d) z: the interval's lower end;
    - by the triangle inequality, W1 over a long time is at least W1 less the area of |z|: the
      upper end, which so reaches 1 for tracks that may be of one person.

    Few blocks spread too little; z is widened for that as in Student's t. Where two
    tracks move almost alike the interval is conservative (docs/findings.md).

    Args:
        real_deg, generated_deg: (T, 3), (U, 3). real_times, generated_times: (T,), (U,) seconds.
        span_deg: (3,) what W1 is divided by.
        stills_deg: still heads' poses, each (3,); None for the real track's own mean, which is
            found anew for each draw.
        settings: HsSettings; its span is not used, and n_bins of None gives very fine ones.
    Returns:
        (low, high) of HS, and a tuple of (low, high) of HS - HS(still), one for each still head.
    """
    weights, widen = [], 1.0
    for k, times in enumerate((real_times, generated_times)):
        length_s = len(times) * frame_step(times)
        block = min(settings.block_s, length_s / MIN_BLOCKS)
        draws = block_weights(times, settings.n_draws, block, settings.seed + k)
        weights.append(np.vstack([np.ones(len(times)), draws]) / len(times))
        widen = max(widen, _widening(length_s / block))
    n_bins = settings.n_bins or 1024
    w1, along, chance = [np.array(x) for x in zip(*(
        _deviations(real_deg[:, k], generated_deg[:, k], weights, n_bins) for k in range(3)
    ))]  # fmt: skip

    def score(w1_deg):
        return 1 - np.minimum(1, w1_deg / span_deg[:, None]).mean(0)

    first = w1[:, None]
    low, high = score(first - widen * along), score(first - widen * chance)
    value = score(first)[0]
    interval = _ends(low, high, value, (0.0, 1.0))
    above = []
    for still in stills_deg:
        away = _w1_of_still(real_deg, weights[0], still)
        base = score(away[:, :1] - widen * (away[:, 1:] - away[:, :1]))
        gain = value - score(away[:, :1])[0]
        above.append(_ends(low - base, high - base, gain, (-1.0, 1.0)))
    return interval, tuple(above)


def _ends(low, high, value, limits):
    """Percentiles of two sets of draws, around the value itself."""
    ends = min(value, np.percentile(low, LEVELS[0])), max(value, np.percentile(high, LEVELS[1]))
    return tuple(float(np.clip(end, *limits)) for end in ends)


def _widening(n_blocks):
    """By how much a bootstrap of few blocks is too narrow; overlapping ones count half more."""
    student = t.ppf(LEVELS[1] / 100, 1.5 * n_blocks - 1) / norm.ppf(LEVELS[1] / 100)
    return student / np.sqrt(1 - 1 / n_blocks)


def _deviations(real, generated, weights, n_bins):
    """W1 of two samples, and of each draw the area of sign(d) z and of |z|: float, (n,), (n,).

    Where d is 0, any z makes W1 larger; what is taken off for it is then -|z|.
    """
    low, high = min(real.min(), generated.min()), max(real.max(), generated.max())
    width = max(high - low, 1e-9) / n_bins
    cumulative = []
    for sample, share in zip((real, generated), weights):
        place = np.minimum(((sample - low) / width).astype(int), n_bins - 1)
        counts = np.zeros((len(sample), n_bins))
        counts[np.arange(len(sample)), place] = 1
        cumulative.append(np.cumsum(share @ counts, axis=1))
    d = cumulative[0] - cumulative[1]
    z = d[1:] - d[0]
    along = np.where(np.abs(d[0]) < 1e-9, -np.abs(z), np.sign(d[0]) * z)
    areas = np.abs(d[0]).sum(), along.sum(1), np.abs(z).sum(1)
    return [area * width for area in areas]


def _w1_of_still(real_deg, share, still):
    """W1 between the real track, drawn anew, and a still head: (3, 1 + n), mean |angle - pose|."""
    poses = share @ real_deg if still is None else np.broadcast_to(still, (len(share), 3))
    away = [[row @ np.abs(real_deg[:, k] - pose[k]) for row, pose in zip(share, poses)]
            for k in range(3)]  # fmt: skip
    return np.array(away)
