"""Surrogate tracks for null distributions: circular shifts and random phases."""

import numpy as np
from jaxtyping import Complex, Float, Int, Real

from tfhkit.errors import InputError
from tfhkit.maths import frame_step


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
