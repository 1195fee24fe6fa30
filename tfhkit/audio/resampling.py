"""Null distributions for time series: circular shifts, random phases, block bootstrap, p-values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Complex, Float, Int, Real

from tfhkit.errors import InputError, ParameterError


def circular_shifts(
    times: Real[np.ndarray, "T"], n: int = 200, min_shift_s: float = 1.0, seed: int = 0
) -> Int[np.ndarray, "K"]:
    """Frame counts by which a track may be shifted against the sound to break their dependence.

    Each shifted track is the real one, with its own speed and range; only its alignment in time is
    gone (except for one seam). Shifts shorter than `min_shift_s`, in both directions, are left out.

    Args:
        times: (T,) seconds.
        n: how many at most; all that exist when there are fewer.
    Returns:
        (K,) int64, each in 1 .. T - 1, without repetition.
    Raises:
        InputError: the track is too short for any such shift.
    """
    n_frames, step_s = len(times), frame_step(times)
    least = max(1, int(np.ceil(min_shift_s / step_s)))
    allowed = np.arange(least, n_frames - least + 1)
    if not len(allowed):
        raise InputError(
            "times",
            f"{n_frames * step_s:.2f} s are too short for shifts of {min_shift_s} s",
            "use a longer clip or a smaller min_shift_s",
        )
    picked = np.random.default_rng(seed).permutation(allowed)[:n]
    return np.sort(picked)


def phase_randomised(
    series: Float[np.ndarray, "T C"], n: int = 200, seed: int = 0
) -> Float[np.ndarray, "n T C"]:
    """Tracks with the power spectrum of `series` and random phases.

    All channels get the same random phases, so the correlations between the channels stay.

    Args:
        series: (T, C).
    Returns:
        (n, T, C) float64.
    Source: Prichard & Theiler 1994.
    """
    spectrum = np.fft.rfft(series, axis=0) * random_phases(len(series), n, seed)[..., None]
    return np.fft.irfft(spectrum, n=len(series), axis=1)


def random_phases(n_frames: int, n: int = 200, seed: int = 0) -> Complex[np.ndarray, "n K"]:
    """Factors (n, n_frames // 2 + 1) of modulus 1 for the spectra of surrogate tracks."""
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, (n, n_frames // 2 + 1))
    phases[:, 0] = 0  # the mean stays
    if n_frames % 2 == 0:
        phases[:, -1] = 0  # the highest frequency is real
    return np.exp(1j * phases)


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


def frame_step(times: Real[np.ndarray, "T"]) -> float:
    """Median time from frame to frame in seconds."""
    if len(times) < 2:
        raise InputError("times", f"has {len(times)} frames", "give at least two frames")
    step_s = float(np.median(np.diff(times)))
    if not step_s > 0:
        raise InputError("times", "do not increase", "give the frames in their order, in seconds")
    return step_s
