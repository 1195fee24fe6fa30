"""Block bootstrap of time series, and the 95 % intervals that come from it."""

import numpy as np
from jaxtyping import Float, Int, Real

from tfhkit.errors import ParameterError
from tfhkit.maths import frame_step

LEVELS = (2.5, 97.5)  # percent: the ends of every interval of the kit


def block_weights(
    times: Real[np.ndarray, "T"], n: int = 200, block_s: float = 1.0, seed: int = 0
) -> Int[np.ndarray, "n T"]:
    """How often each frame is drawn by a block bootstrap, which keeps neighbours together.

    Args:
        times: (T,) seconds.
        n: number of draws.
        block_s: length of a block; it should be longer than the track's memory. On 12 s the
            intervals are too narrow with any length (docs/findings.md); trust the p-values first.
    Returns:
        (n, T) int64; every row sums to T.
    Source: circular block bootstrap, Politis & Romano 1992.
    """
    if not block_s > 0:
        raise ParameterError("block_s", f"must be positive, got {block_s}", "give seconds")
    n_frames = len(times)
    block = int(np.clip(round(block_s / frame_step(times)), 1, n_frames))
    n_blocks = -(-n_frames // block)
    starts = np.random.default_rng(seed).integers(0, n_frames, (n, n_blocks, 1))
    index = (starts + np.arange(block)).reshape(n, n_blocks * block)[:, :n_frames] % n_frames
    flat = (index + n_frames * np.arange(n)[:, None]).ravel()
    return np.bincount(flat, minlength=n * n_frames).reshape(n, n_frames)


def mean_interval(
    values: Float[np.ndarray, "T"],
    times: Real[np.ndarray, "T"],
    n: int = 1000,
    block_s: float = 1.0,
    seed: int = 0,
) -> tuple[float, float]:
    """(low, high), 95 %, of the mean of a series, such as the difference of two paired scores."""
    means = block_weights(times, n, block_s, seed) / len(times) @ values
    low, high = np.percentile(means, LEVELS)
    return float(low), float(high)


def correlation_interval(
    a: Float[np.ndarray, "T"],
    b: Float[np.ndarray, "T"],
    times: Real[np.ndarray, "T"],
    n: int = 1000,
    block_s: float = 1.0,
    seed: int = 0,
) -> tuple[float, float]:
    """(low, high), 95 %, of the correlation of two series of the same frames."""
    weights = block_weights(times, n, block_s, seed)
    a, b = ((x - x.mean()) / max(x.std(), 1e-12) for x in (a, b))  # sums of small units lose digits
    low, high = np.percentile(weighted_correlation(a, b, weights), LEVELS)
    return float(low), float(high)


def weighted_correlation(
    a: Float[np.ndarray, "T"], b: Float[np.ndarray, "T"], weights: Real[np.ndarray, "n T"]
) -> Float[np.ndarray, "n"]:
    """Pearson correlation of two series under each row of weights, from their weighted sums."""
    n = weights.sum(1)
    mean_a, mean_b = weights @ a / n, weights @ b / n
    var_a, var_b = weights @ a**2 / n - mean_a**2, weights @ b**2 / n - mean_b**2
    return (weights @ (a * b) / n - mean_a * mean_b) / np.sqrt(np.maximum(var_a * var_b, 1e-12))
