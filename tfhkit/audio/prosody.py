"""Loudness and pitch of a voice at frame times: what head motion is said to follow."""

from dataclasses import dataclass

import librosa
import numpy as np
from jaxtyping import Bool, Float

from tfhkit.audio.mfcc import HOP_LENGTH, SR_HZ, checked_audio, checked_times

WINDOW_S = 0.05  # sound around a frame's time that its loudness is taken from
_PIECE_S = 30  # pitch is tracked in pieces, so that memory stays flat


@dataclass(frozen=True)
class Prosody:
    """One row per frame.

    Args:
        energy_db: (T,) loudness, dB relative to full scale, not below -80.
        pitch_st: (T,) fundamental frequency in semitones around the clip's median; straight
            lines across unvoiced stretches; zeros where nothing is voiced.
        voiced: (T,) bool, whether the frame itself is voiced.
        median_hz: the clip's median fundamental frequency; NaN where nothing is voiced.
    """

    energy_db: Float[np.ndarray, "T"]
    pitch_st: Float[np.ndarray, "T"]
    voiced: Bool[np.ndarray, "T"]
    median_hz: float


def prosody(
    audio: np.ndarray,
    times: np.ndarray,
    sr_hz: int = SR_HZ,
    fmin_hz: float = 60.0,
    fmax_hz: float = 450.0,
) -> Prosody:
    """Loudness and pitch at frame times.

    Args:
        audio: (N,) float, mono; audio[0] is at time 0.
        times: (T,) seconds.
        sr_hz: sample rate of `audio`.
        fmin_hz, fmax_hz: search range of the voice's fundamental.
    Returns:
        Prosody.
    Raises:
        InputError: NaN, silent or empty sound, or most frames are beyond the end of the sound.
    Source: pitch by probabilistic YIN (Mauch & Dixon 2014), librosa's implementation.
    """
    audio = checked_audio(audio, sr_hz, allow_silent=False)
    times = checked_times(times, len(audio) / SR_HZ)
    energy_db = loudness_db(audio, times)
    f0_hz, voiced = _track_pitch(audio, fmin_hz, fmax_hz)
    track_s = np.arange(len(f0_hz)) * HOP_LENGTH / SR_HZ
    nearest = np.clip(np.round(times / (HOP_LENGTH / SR_HZ)).astype(int), 0, len(f0_hz) - 1)
    if not voiced.any():
        silent = np.zeros(len(times))
        return Prosody(energy_db.astype(np.float32), silent.astype(np.float32), silent > 0, np.nan)
    median_hz = float(np.median(f0_hz[voiced]))
    semitones = 12 * np.log2(f0_hz[voiced] / median_hz)
    pitch_st = np.interp(times, track_s[voiced], semitones)
    return Prosody(
        energy_db.astype(np.float32), pitch_st.astype(np.float32), voiced[nearest], median_hz
    )


def loudness_db(
    audio: Float[np.ndarray, "N"], times: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "T"]:
    """Loudness at frame times, dB relative to full scale, not below -80.

    Args:
        audio: (N,) float, mono, 16 kHz; audio[0] is at time 0. times: (T,) seconds.
    """
    energy = np.concatenate([[0.0], np.cumsum(audio.astype(np.float64) ** 2)])
    half = int(WINDOW_S * SR_HZ / 2)
    centre = np.round(times * SR_HZ).astype(np.int64)
    first, last = (np.clip(centre + side, 0, len(audio)) for side in (-half, half))
    return 10 * np.log10(np.maximum((energy[last] - energy[first]) / (2 * half), 1e-8))


def _track_pitch(audio, fmin_hz, fmax_hz):
    """Fundamental frequency (n,) in Hz and voicing (n,), row k at k * 10 ms."""
    piece = _PIECE_S * SR_HZ
    f0_hz, voiced = [], []
    for start in range(0, len(audio), piece):
        part = audio[start : start + piece]
        f0, is_voiced, _ = librosa.pyin(
            np.pad(part, (0, max(0, 1024 - len(part)))),
            fmin=fmin_hz,
            fmax=fmax_hz,
            sr=SR_HZ,
            frame_length=1024,
            hop_length=HOP_LENGTH,
            resolution=0.25,
            fill_na=fmin_hz,
        )
        rows = -(-len(part) // HOP_LENGTH)
        f0_hz.append(f0[:rows])
        voiced.append(is_voiced[:rows])
    return np.concatenate(f0_hz), np.concatenate(voiced)
