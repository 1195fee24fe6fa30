"""Who speaks, and how late the sound is: how much of a mouth's motion the sound explains."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d

HOP_S = 0.02  # the grid on which lips and sound are compared
WINDOW_S = 0.04  # of sound, in each row
N_BANDS = 10
LOW_HZ, HIGH_HZ = 100, 7000
RANGE_DB = 50.0  # below the loud parts; what is quieter is silence
SLOW_S = 0.5  # slower changes say nothing about speech: a raised head, a louder sentence
QUICK_S = 0.04  # quicker ones are the tracker's noise
FOLDS, BUFFER_S = 5, 0.3  # a part that is predicted is so far from those that are learned from
RIDGE = 0.1
LAGS_S = tuple(round(0.02 * k, 2) for k in range(-25, 26))
CHOICE_LAGS_S = tuple(round(0.04 * k, 2) for k in range(-5, 11))
LIPS_LEAD_S = 0.04  # what `measure_lag` finds where picture and sound are in step
LEAST_S = 2.0  # of frames with a face; below, nothing can be said
# On seven real clips with their own sound r was 0.22 to 0.51 above the rest and the interval at
# most 0.08 s wide; with another sound 0.01 to 0.15 above it, and mostly wider than 0.3 s.
STANDS_OUT, SURE_S, ASIDE_S = 0.18, 0.16, 0.16
SURE_SIGMAS = 2.5  # and r must be that high, or it may be chance in a short clip
SYLLABLE_S = 0.25  # so long apart, two moments of speech are independent
DRAWS = 200  # of the bootstrap, in stretches of a second


@dataclass(frozen=True)
class LipLag:
    """How much later the sound comes than the lips.

    Args:
        lag_s: where lips and sound agree best; people's lips lead by about 0.04 s.
        r: correlation of the lip opening with what the sound predicts, at that lag.
        r_low, r_high: 95 % interval of r, from the same draws.
        rest_r: the largest one more than 0.16 s away from it.
        low_s, high_s: 95 % interval of lag_s, from bootstrap draws of stretches of the clip.
        sure: whether the peak stands out, so that lag_s may be acted upon.
        related: whether r is higher than chance makes it in a clip of this length.
        lags_s, curve_r: every candidate, and the correlation there.
    """

    lag_s: float
    r: float
    r_low: float
    r_high: float
    rest_r: float
    low_s: float
    high_s: float
    sure: bool
    related: bool
    lags_s: Float[np.ndarray, "n_lags"]
    curve_r: Float[np.ndarray, "n_lags"]


def mouth_opening(points_px: Float[np.ndarray, "T 68 2"]) -> Float[np.ndarray, "T"]:
    """Distance of the inner lips as a share of the face's height (nose bridge to chin)."""
    points = np.asarray(points_px, np.float64)
    height = np.linalg.norm(points[:, 27] - points[:, 8], axis=-1)
    return np.linalg.norm(points[:, 62] - points[:, 66], axis=-1) / np.median(height)


def sound_bands(
    audio: Float[np.ndarray, "N"], sr_hz: int, times: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "T bands"]:
    """Level of the sound in some bands of frequency around each time, dB.

    Args:
        audio: sample 0 at time 0; silence before and after it.
        sr_hz: sample rate.
        times: seconds.
    """
    size = round(WINDOW_S * sr_hz)
    padded = np.pad(np.asarray(audio, np.float32), size)
    start = np.clip(np.round(times * sr_hz).astype(int) + size // 2, 0, len(padded) - size)
    window = np.hanning(size).astype(np.float32)
    edges = np.geomspace(LOW_HZ, HIGH_HZ, N_BANDS + 1)
    bins = np.searchsorted(np.fft.rfftfreq(size, 1 / sr_hz), edges)
    power = np.empty((len(times), N_BANDS))
    for first in range(0, len(times), 2000):  # so that memory stays flat
        part = slice(first, first + 2000)
        pieces = padded[start[part, None] + np.arange(size)] * window
        spectrum = np.abs(np.fft.rfft(pieces, axis=1)) ** 2
        for band, (low, high) in enumerate(zip(bins[:-1], bins[1:])):
            power[part, band] = spectrum[:, low:high].sum(1)
    level = 10 * np.log10(power + 1e-10)
    return np.maximum(level, np.quantile(level, 0.95) - RANGE_DB)


def speech_agreement(
    opening: Float[np.ndarray, "T"],
    times: Float[np.ndarray, "T"],
    audio: Float[np.ndarray, "N"],
    sr_hz: int,
    lags_s: Sequence[float] = LAGS_S,
) -> Float[np.ndarray, "n_lags"]:
    """Correlation of a lip opening with its prediction from the sound, at every lag.

    The sound's bands predict the opening by ridge regression. What is predicted is never learned
    from (cross-validation over fifths of the clip), so a face that moves in another rhythm gets
    about 0. The mere loudness would do for some voices, but not for those whose open vowels are
    no louder than others.

    Args:
        opening: see `mouth_opening`, at times with a face.
        times: seconds, increasing.
        audio, sr_hz: the clip's sound; sample 0 at time 0.
        lags_s: seconds by which the sound is later.
    Returns:
        one r for each lag; zeros where the lips do not move or the clip is too short.
    """
    predicted, seen = _predictions(opening, times, audio, sr_hz, lags_s)
    return np.array([_correlation(row, seen) for row in predicted])


def measure_lag(
    opening: Float[np.ndarray, "T"],
    times: Float[np.ndarray, "T"],
    audio: Float[np.ndarray, "N"],
    sr_hz: int,
    gap: Bool[np.ndarray, "T"] | None = None,
    seed: int = 0,
) -> LipLag:
    """How late the sound of a clip is, and how sure that is.

    Args:
        opening: how far the speaker's lips are apart, in any unit. times: seconds.
        audio, sr_hz: the sound; sample 0 at time 0.
        gap: frames without a face.
        seed: of the bootstrap.
    """
    known = np.ones(len(times), bool) if gap is None else ~gap
    predicted, seen = _predictions(opening[known], times[known], audio, sr_hz, LAGS_S)
    lags = np.array(LAGS_S)
    block = round(1.0 / HOP_S)
    n_blocks = max(1, len(seen) // block)
    rng = np.random.default_rng(seed)
    shares = np.full(n_blocks, 1 / n_blocks)
    draws = np.r_[np.ones((1, n_blocks)), rng.multinomial(n_blocks, shares, DRAWS)]
    weights = np.repeat(draws, block, axis=1)[:, : len(seen)]
    curves = _weighted(predicted[:, : weights.shape[1]], seen[: weights.shape[1]], weights)
    peaks = lags[[_peak(curve) for curve in curves]]
    curve, best = curves[0], _peak(curves[0])
    away = curve[np.abs(lags - lags[best]) > ASIDE_S]
    low, high = np.percentile(peaks[1:], [2.5, 97.5])
    r, rest = float(curve[best]), float(away.max())
    r_low, r_high = np.percentile(curves[1:, best], [2.5, 97.5])
    related = r > SURE_SIGMAS * r_sigma(len(seen) * HOP_S)
    sure = bool(high - low < SURE_S and r - rest > STANDS_OUT and related)
    ends = float(r_low), float(r_high), rest, float(low), float(high)
    return LipLag(float(lags[best]), r, *ends, sure, bool(related), lags, curve)


def r_sigma(seconds: float) -> float:
    """Standard deviation of the correlation of a mouth with another's voice, about."""
    return float(np.sqrt(SYLLABLE_S / max(seconds, 1.0)))


def _predictions(opening, times, audio, sr_hz, lags_s):
    """What the sound predicts at every lag (n_lags, n), and the lip opening (n,), on the grid."""
    if len(times) < 10 or times[-1] - times[0] < LEAST_S:
        return np.zeros((len(lags_s), 1)), np.zeros(1)
    grid = np.arange(times[0], times[-1], HOP_S)
    seen = _band_passed(np.interp(grid, times, opening)[:, None])[:, 0]
    reach = round(max(abs(lag) for lag in lags_s) / HOP_S)
    wide = times[0] + HOP_S * np.arange(-reach, len(grid) + reach)
    sound = _band_passed(sound_bands(audio, sr_hz, wide))
    predicted = []
    for lag in lags_s:
        first = reach + round(lag / HOP_S)
        predicted.append(_cross_predicted(sound[first : first + len(grid)], seen))
    return np.array(predicted), seen


def _band_passed(rows):
    """Rows of the grid without what is slower than SLOW_S or quicker than QUICK_S."""
    quick = gaussian_filter1d(rows, QUICK_S / HOP_S, axis=0)
    return quick - gaussian_filter1d(rows, SLOW_S / HOP_S, axis=0)


def _cross_predicted(x, y):
    """(n,) y from x by ridge regression, each fifth from the others."""
    x = (x - x.mean(0)) / (x.std(0) + 1e-6)
    edges = np.linspace(0, len(y), FOLDS + 1).astype(int)
    buffer = round(BUFFER_S / HOP_S)
    predicted = np.zeros(len(y))
    for first, stop in zip(edges[:-1], edges[1:]):
        learn = np.ones(len(y), bool)
        learn[max(0, first - buffer) : stop + buffer] = False
        a, b = x[learn] - x[learn].mean(0), y[learn] - y[learn].mean()
        normal = a.T @ a + RIDGE * len(a) * np.eye(x.shape[1])
        weights = np.linalg.solve(normal, a.T @ b)
        predicted[first:stop] = (x[first:stop] - x[learn].mean(0)) @ weights
    return predicted


def _correlation(a, b):
    """Pearson's r; 0 where one of the two is constant."""
    return float(_weighted(a[None], b, np.ones((1, len(b))))[0, 0])


def _weighted(predicted, seen, weights):
    """(D, n_lags) correlations of every prediction with what was seen, by D rows of weights."""
    weights = weights / weights.sum(1, keepdims=True)
    mean_x, mean_y = weights @ predicted.T, (weights @ seen)[:, None]
    cov = weights @ (predicted * seen).T - mean_x * mean_y
    var_x = weights @ (predicted**2).T - mean_x**2
    var_y = (weights @ seen**2)[:, None] - mean_y**2
    scale = np.sqrt(np.maximum(var_x * var_y, 0))
    return np.where(scale > 1e-12, cov / np.maximum(scale, 1e-12), 0.0)


def _peak(curve):
    """Index of the top of a curve, smoothed over three lags: its middle is surer than its tip."""
    return int(np.convolve(np.pad(curve, 1, mode="edge"), np.ones(3) / 3, "valid").argmax())
