"""Correlation of head motion with the sound at many lags, corrected for multiple testing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.signal import detrend

from tfhkit.errors import InputError, check_shape
from tfhkit.maths import frame_step
from tfhkit.stats.bootstrap import LEVELS, block_weights, weighted_correlation
from tfhkit.stats.significance import p_value
from tfhkit.stats.surrogates import random_phases


@dataclass(frozen=True)
class LaggedCorrelation:
    """A sounds x M motions x L lags; a positive lag: the head comes after the sound.

    Args:
        sound_names, motion_names: what the first two axes hold.
        lags_s: (L,) seconds.
        r: (A, M, L) Pearson correlations.
        best_lag_s, best_r: (A, M), where |r| is largest.
        interval: (A, M, 2), 95 % block bootstrap of r at that lag (not of the search for it).
        null_mean, null_std: (A, M) of max over lags |r| in surrogate tracks.
        p_single: (A, M) p-value of max over lags |r|, corrected for the lags alone.
        p_corrected: (A, M) the same, corrected for all pairs as well (family-wise).
        n_frames: length of the series.
        chance_95: |r| that the largest of all A x M x L exceeds in 5 % of surrogate tracks.
    """

    sound_names: tuple[str, ...]
    motion_names: tuple[str, ...]
    lags_s: Float[np.ndarray, "L"]
    r: Float[np.ndarray, "A M L"]
    best_lag_s: Float[np.ndarray, "A M"]
    best_r: Float[np.ndarray, "A M"]
    interval: Float[np.ndarray, "A M 2"]
    null_mean: Float[np.ndarray, "A M"]
    null_std: Float[np.ndarray, "A M"]
    p_single: Float[np.ndarray, "A M"]
    p_corrected: Float[np.ndarray, "A M"]
    n_frames: int
    chance_95: float

    def rows(self) -> list[dict[str, Any]]:
        """One dict per pair of series, at its best lag; see `tfhkit.stats.tidy_rows`."""
        return [
            {
                "analysis": "lags",
                "estimate": "best lag",
                "sound": sound,
                "motion": motion,
                "lag_s": float(self.best_lag_s[a, m]),
                "r": float(self.best_r[a, m]),
                "low": float(self.interval[a, m, 0]),
                "high": float(self.interval[a, m, 1]),
                "null_mean": float(self.null_mean[a, m]),
                "null_std": float(self.null_std[a, m]),
                "p": float(self.p_single[a, m]),
                "p_corrected": float(self.p_corrected[a, m]),
                "n": self.n_frames,
            }
            for a, sound in enumerate(self.sound_names)
            for m, motion in enumerate(self.motion_names)
        ]


def lagged_correlation(
    sounds: Mapping[str, Float[np.ndarray, "T"]],
    motions: Mapping[str, Float[np.ndarray, "T"]],
    times: Float[np.ndarray, "T"],
    max_lag_s: float = 1.0,
    n_null: int = 200,
    n_bootstrap: int = 200,
    block_s: float = 1.0,
    seed: int = 0,
) -> LaggedCorrelation:
    """Pearson correlation of each sound with each motion, the motion moved by each lag.

    Linear trends are removed first, and a lagged track is a circularly shifted one, so that no
    frame is lost. The largest |r| over lags alone, or over all pairs too, is compared with the
    largest of tracks whose phases are random. All motions of a surrogate track get the same phases,
    so the correlations between them stay. Circular shifts, the null of the pair estimates, would
    reject too often: a maximum over many lags leaves few independent shifts (docs/findings.md).

    Args:
        sounds, motions: dicts of name -> (T,) series at the frame times.
        times: (T,) seconds, even steps.
        max_lag_s: largest lag to either side.
        n_null: number of surrogate tracks. n_bootstrap: draws for the intervals; 0 for none.
        block_s: see `tfhkit.stats.block_weights`.
        seed: of both.
    Returns:
        LaggedCorrelation.
    Raises:
        InputError: shorter than four times the longest lag, or a series with NaN.
    Source: phases at random, Prichard & Theiler 1994; family-wise by the maximum, Westfall &
        Young 1993.
    """
    step_s, n_frames = frame_step(times), len(times)
    x, y = (_standardised(series, n_frames) for series in (sounds, motions))
    reach = round(max_lag_s / step_s)
    if n_frames < max(4 * reach, 8):
        raise InputError(
            "times",
            f"{n_frames * step_s:.1f} s are too short for lags of {max_lag_s} s",
            "use a clip of four times that, or a smaller max_lag_s",
        )
    lags = np.arange(-reach, reach + 1)
    # r[a, m, k] = mean over t of x[a, t] y[m, t + k], as a sum over frequencies.
    x_spectra, y_spectra = np.fft.rfft(x) / n_frames, np.fft.rfft(y) / n_frames
    twice = np.full(x_spectra.shape[1], 2.0)
    twice[0] = 1
    twice[-1] = 1 if n_frames % 2 == 0 else 2
    turn = np.exp(2j * np.pi * np.outer(lags, np.arange(len(twice))) / n_frames) * twice
    phases = random_phases(n_frames, n_null, seed).T
    r = np.empty((len(x), len(y), len(lags)))
    null = np.empty((len(x), len(y), n_null))
    for a, spectrum in enumerate(x_spectra):
        parts = (np.conj(spectrum) * y_spectra)[:, None] * turn
        r[a] = parts.real.sum(-1)
        chance = parts.real @ phases.real - parts.imag @ phases.imag
        null[a] = np.abs(chance).max(1)
    best = np.abs(r).argmax(-1)
    best_r = np.take_along_axis(r, best[..., None], -1)[..., 0]
    family = null.max(axis=(0, 1))
    weights = block_weights(times, n_bootstrap, block_s, seed)
    interval = np.array(
        [
            [_interval(xa, np.roll(ym, -lags[best[a, m]]), weights) for m, ym in enumerate(y)]
            for a, xa in enumerate(x)
        ]
    )
    return LaggedCorrelation(
        sound_names=tuple(sounds),
        motion_names=tuple(motions),
        lags_s=lags * step_s,
        r=r,
        best_lag_s=lags[best] * step_s,
        best_r=best_r,
        interval=interval,
        null_mean=null.mean(-1),
        null_std=null.std(-1),
        p_single=p_value(np.abs(best_r), null),
        p_corrected=p_value(np.abs(best_r), family),
        n_frames=n_frames,
        chance_95=float(np.quantile(family, 0.95)),
    )


def _standardised(series, n_frames):
    """(A, T): no trend, zero mean, unit variance; zeros for a constant series."""
    rows = []
    for name, values in series.items():
        values = np.asarray(check_shape(name, np.asarray(values), (n_frames,)), np.float64)
        if not np.isfinite(values).all():
            raise InputError(name, "contains NaN", "interpolate or leave out those frames")
        scale = max(np.abs(values).max(), 1e-12)
        values = detrend(values / scale)
        rows.append(values / values.std() if values.std() > 1e-9 else np.zeros(n_frames))
    return np.array(rows)


def _interval(x, y, weights):
    """95 % percentiles of the weighted correlation of x and y over the rows of `weights`."""
    if not (len(weights) and x.any() and y.any()):
        return (np.nan, np.nan)
    return np.percentile(weighted_correlation(x, y, weights), LEVELS)
