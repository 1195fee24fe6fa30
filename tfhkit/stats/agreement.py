"""Agreement between raters: Krippendorff's alpha, with missing ratings and with an interval."""

import numpy as np
from jaxtyping import Real

from tfhkit.errors import ParameterError, check_shape
from tfhkit.stats.bootstrap import LEVELS
from tfhkit.stats.crossed import crossed_weights

MEASURES = ("nominal", "ordinal", "interval")


def krippendorff_alpha(
    ratings: Real[np.ndarray, "R U"],
    measure: str = "nominal",
    rater_weights: Real[np.ndarray, "R"] | None = None,
    unit_weights: Real[np.ndarray, "U"] | None = None,
) -> float:
    """How far raters agree beyond chance: 1 always, 0 as by chance, below 0 less than by chance.

    A unit with fewer than two ratings says nothing and is left out.

    Args:
        ratings: (R, U) of R raters on U units; NaN where a rater gave none. Nominal categories
            are any numbers.
        measure: "nominal" (two ratings agree or not), "ordinal" (ranks) or "interval" (numbers).
        rater_weights: (R,) how often a bootstrap drew each rater. Two copies of one rater are
            no pair, since people agree with themselves.
        unit_weights: (U,) how often it drew each unit.
    Returns:
        alpha; NaN if no unit has two ratings, or all of them are the same.
    Raises:
        ShapeError. ParameterError: unknown measure.
    Source: Krippendorff 2011, Computing Krippendorff's alpha-reliability. Without weights it is
        equal; with whole weights, pairs of a rater with their own copy are not counted.
    """
    check_shape("ratings", ratings, ("R", "U"))
    if measure not in MEASURES:
        raise ParameterError("measure", f"unknown {measure!r}", f"choose one of {MEASURES}")
    chosen, values = _one_hot(ratings)
    n_raters, n_units = ratings.shape
    raters = np.ones((1, n_raters)) if rater_weights is None else rater_weights[None]
    units = np.ones((1, n_units)) if unit_weights is None else unit_weights[None]
    return float(_alphas(chosen, values, measure, raters, units)[0])


def alpha_interval(
    ratings: Real[np.ndarray, "R U"], measure: str = "nominal", n: int = 500, seed: int = 0
) -> tuple[float, float]:
    """(low, high), 95 %, of Krippendorff's alpha by a bootstrap over raters and units.

    Args:
        ratings, measure: as in `krippendorff_alpha`.
        n: number of draws; those in which alpha is undefined are left out.
        seed: random seed.
    Returns:
        The interval; NaN if there are fewer than two raters or fewer than two units with two
        ratings, or if no draw defines alpha.
    """
    rated_twice = np.isfinite(ratings).sum(0) >= 2
    if len(ratings) < 2 or rated_twice.sum() < 2:
        return np.nan, np.nan
    chosen, values = _one_hot(ratings)
    weights = crossed_weights(len(ratings), ratings.shape[1], n, seed)
    alphas = _alphas(chosen, values, measure, *weights)
    alphas = alphas[np.isfinite(alphas)]
    if not len(alphas):
        return np.nan, np.nan
    low, high = np.percentile(alphas, LEVELS)
    return float(low), float(high)


def _one_hot(ratings):
    """(R, U, V) which of V values each rating is, and the sorted values (V,)."""
    values = np.unique(ratings[np.isfinite(ratings)])
    return (ratings[:, :, None] == values).astype(float), values.astype(float)


def _alphas(chosen, values, measure, raters, units):
    """(D,) alpha under D rows of weights of raters (D, R) and units (D, U)."""
    if len(values) < 2:
        return np.full(len(raters), np.nan)
    counts = np.einsum("dr,ruv->duv", raters, chosen)
    own = np.einsum("dr,ruv->duv", raters**2, chosen)  # pairs of a rater with themselves
    total = counts.sum(-1)
    pairs = total**2 - own.sum(-1)
    scale = np.where(pairs > 0, total / np.maximum(pairs, 1e-12), 0) * units
    observed = np.einsum("du,duv,duw->dvw", scale, counts, counts)
    diagonal = np.arange(len(values))
    observed[:, diagonal, diagonal] -= np.einsum("du,duv->dv", scale, own)
    sizes = observed.sum(-1)
    n = sizes.sum(-1)
    expected = sizes[:, :, None] * sizes[:, None]
    expected[:, diagonal, diagonal] -= sizes
    apart = _distances(sizes, values, measure)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = (observed * apart).sum((1, 2))
        chance = (expected * apart).sum((1, 2)) / (n - 1)
        return np.where(chance > 0, 1 - seen / chance, np.nan)


def _distances(sizes, values, measure):
    """(D, V, V) squared distances of the values; ordinal ones depend on their counts (D, V)."""
    if measure == "nominal":
        return np.broadcast_to(1.0 - np.eye(len(values)), (len(sizes), *2 * values.shape))
    if measure == "interval":
        apart = np.broadcast_to(values, sizes.shape)
    else:
        apart = np.cumsum(sizes, -1) - sizes / 2  # mean ranks
    return (apart[:, :, None] - apart[:, None]) ** 2
