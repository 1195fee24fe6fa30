"""p-values against null distributions, and their correction for multiple testing."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float


def p_value(observed: float | Float[np.ndarray, "..."], null: Float[np.ndarray, "... K"]) -> Any:
    """Share of null values that are at least as large; never 0, because the observed one counts.

    Args:
        observed: a number, or an array that broadcasts against `null`'s leading axes.
        null: (..., K) values under the null hypothesis; NaNs are left out.
    Returns:
        (1 + number of null >= observed) / (1 + K), one-sided.
    """
    null = np.asarray(null, np.float64)
    at_least = (null >= np.asarray(observed)[..., None]).sum(-1)
    return (1 + at_least) / (1 + np.isfinite(null).sum(-1))


def corrected_p_values(
    observed: Float[np.ndarray, "E"] | Sequence[float],
    nulls: Float[np.ndarray, "E K"] | Sequence[Float[np.ndarray, "K"]],
) -> Float[np.ndarray, "E"]:
    """One-sided p-values of several estimates, corrected for multiple testing.

    Each estimate is standardised by its own null distribution (mean 0, deviation 1; the
    observed one counts among them), and compared with the largest of all estimates in each
    surrogate track. Estimates that agree thus cost no more than one of them.

    Args:
        observed: (E,) estimates; NaN where there is none.
        nulls: (E, K) their values in the same K surrogate tracks; K may be 0.
    Returns:
        (E,) p-values; NaN without an estimate or without surrogate tracks.
    Source: single-step max-T, Westfall & Young 1993.
    """
    values = np.column_stack([observed, np.asarray(nulls, np.float64)])
    p, known = np.full(len(values), np.nan), np.isfinite(values[:, 0])
    if values.shape[1] < 2 or not known.any():
        return p
    values = values[known]
    spread = np.maximum(np.nanstd(values, axis=1, keepdims=True), 1e-12)
    z = (values - np.nanmean(values, axis=1, keepdims=True)) / spread
    largest = np.fmax.reduce(z[:, 1:], axis=0)
    p[known] = p_value(z[:, 0], largest)
    return p
