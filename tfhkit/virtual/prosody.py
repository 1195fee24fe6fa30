"""Pitch and loudness of a voice on a fine time grid: what drives jaw, brows and head."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import binary_opening, gaussian_filter1d, median_filter

GRID_HZ = 100.0  # motion is made on this grid and then resampled to the frame times
_FRAME_S, _N_FFT = 0.04, 2048


@dataclass(frozen=True)
class Prosody:
    """Prosody on a grid of `GRID_HZ`.

    Args:
        times: seconds.
        pitch_st: semitones above the voice's median, interpolated where unvoiced, fading to 0
            in pauses.
        voiced: whether the voice has a pitch there.
        energy_db: dB relative to full scale, not below -80.
        loudness: 0 (silence) to 1 (the loud parts).
    """

    times: Float[np.ndarray, "G"]
    pitch_st: Float[np.ndarray, "G"]
    voiced: Bool[np.ndarray, "G"]
    energy_db: Float[np.ndarray, "G"]
    loudness: Float[np.ndarray, "G"]


def grid_times(duration_s: float) -> Float[np.ndarray, "G"]:
    """Times of the grid that covers `duration_s`."""
    return np.arange(int(np.ceil(duration_s * GRID_HZ)) + 1) / GRID_HZ


def prosody(audio: Float[np.ndarray, "N"], sr_hz: int = 16000) -> Prosody:
    """Pitch by autocorrelation and loudness of a mono voice.

    Args:
        audio: mono sound.
        sr_hz: its sample rate.
    Source: autocorrelation divided by that of the window (Boersma 1993), 70 to 400 Hz.
    """
    times = grid_times(len(audio) / sr_hz)
    n_frame = int(_FRAME_S * sr_hz)
    padded = np.pad(np.asarray(audio, np.float32), n_frame)
    starts = np.round(times * sr_hz).astype(int) + n_frame // 2
    window = np.hanning(n_frame + 1)[:-1].astype(np.float32)
    low, high = int(sr_hz / 400), int(sr_hz / 70)
    own = np.fft.irfft(np.abs(np.fft.rfft(window, _N_FFT)) ** 2)[: high + 2]
    pitch_hz, power, clear = (np.zeros(len(times), np.float32) for _ in range(3))
    for first in range(0, len(times), 4000):  # blocks keep memory flat on long tracks
        part = slice(first, first + 4000)
        frames = padded[
            np.minimum(starts[part], len(padded) - n_frame)[:, None] + np.arange(n_frame)
        ]
        power[part] = (frames**2).mean(1)
        frames = (frames - frames.mean(1, keepdims=True)) * window
        auto = np.fft.irfft(np.abs(np.fft.rfft(frames, _N_FFT)) ** 2)[:, : high + 2]
        auto = auto / (auto[:, :1] + 1e-9) / (own / own[0])
        # a small penalty on long lags; without it the octave below would often be chosen
        lag = np.arange(high + 2)
        scored = auto - 0.08 * np.log2(np.maximum(lag, 1) / low)
        best = scored[:, low : high + 1].argmax(1) + low
        row = np.arange(len(best))
        a, b, c = auto[row, best - 1], auto[row, best], auto[row, best + 1]
        shift = 0.5 * (a - c) / np.where(np.abs(a - 2 * b + c) < 1e-6, 1, a - 2 * b + c)
        pitch_hz[part] = sr_hz / (best + shift.clip(-0.5, 0.5))
        clear[part] = b
    energy_db = 10 * np.log10(np.maximum(power, 1e-8))
    loud_db = np.percentile(energy_db, 95)
    voiced = (clear > 0.6) & (energy_db > loud_db - 30)
    voiced = binary_opening(voiced, np.ones(5))  # stretches shorter than 50 ms are chance
    loudness = ((energy_db - (loud_db - 32)) / 32).clip(0, 1) * (loud_db > -60)
    pitch_st = _bridge(pitch_hz, voiced, loudness > 0.05)
    return Prosody(times, pitch_st, voiced, energy_db, loudness.astype(np.float32))


def _bridge(
    pitch_hz: Float[np.ndarray, "G"], voiced: Bool[np.ndarray, "G"], speech: Bool[np.ndarray, "G"]
) -> Float[np.ndarray, "G"]:
    """Semitones around the median; straight lines across unvoiced parts, 0 in long pauses."""
    if voiced.sum() < 5:
        return np.zeros(len(pitch_hz), np.float32)
    index = np.arange(len(pitch_hz))
    semitones = 12 * np.log2(pitch_hz)
    semitones = median_filter(semitones[voiced], 7, mode="nearest")
    semitones = (semitones - np.median(semitones)).clip(-12, 12)
    bridged = np.interp(index, index[voiced], semitones)
    presence = gaussian_filter1d(speech.astype(np.float32), 0.08 * GRID_HZ)
    return (gaussian_filter1d(bridged, 0.02 * GRID_HZ) * presence).astype(np.float32)
