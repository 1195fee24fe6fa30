"""The mouth in pauses: breathing in before speech, which one can hear, and waiting."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.signal import butter, sosfilt

from tfhkit.maths import smooth
from tfhkit.virtual.style import PersonalStyle
from tfhkit.virtual.voice import SILENCE, Phoneme

_LEAST_PAUSE_S = 0.22
_EDGE_S = 0.08  # in which the mouth leaves the last sound
_FALL_S = 0.10  # until the next sound has taken over the mouth
_AUDIBLE = 0.7  # share of the breaths that a microphone hears


@dataclass(frozen=True)
class Breath:
    """One breath, and the opening of the mouth that goes with it.

    Args:
        start_s: when the mouth begins to open.
        peak_s: when it is widest.
        end_s: when it is closed again, or held by the next sound.
        depth: how far it opens, in units of the jaw gesture; an open vowel is 1.
        level_db: loudness relative to the voice's loud parts; None where nothing is heard.
    """

    start_s: float
    peak_s: float
    end_s: float
    depth: float
    level_db: float | None


def breaths(
    phonemes: Sequence[Phoneme], style: PersonalStyle, seed: int | tuple[int, ...]
) -> tuple[Breath, ...]:
    """When a person breathes in, the same for the same seed.

    People draw breath in most pauses, with the lips apart. The mouth is widest just before they
    go on speaking. Some people hardly open the mouth; `style.breath` says how far this one does.
    """
    rng = np.random.default_rng(seed)
    found: list[Breath] = []
    for phoneme in phonemes:
        length_s = phoneme.end_s - phoneme.start_s
        taken, depth, loud, late, level_db = rng.random(5)  # drawn for each pause, used or not
        if phoneme.name != SILENCE or length_s < _LEAST_PAUSE_S or phoneme is phonemes[-1]:
            continue
        if taken > 0.3 + 0.7 * style.breath:
            continue
        found.append(
            Breath(
                start_s=phoneme.start_s + (0.1 + 0.4 * late) * length_s,
                peak_s=phoneme.end_s - 0.04,
                end_s=phoneme.end_s + _FALL_S,
                depth=style.breath * (0.4 + 0.8 * depth) * min(1.0, length_s / 0.35),
                level_db=-40 + 20 * level_db if loud < _AUDIBLE else None,
            )
        )
    return tuple(found)


def breath_track(events: Sequence[Breath], times: Float[np.ndarray, "G"]) -> Float[np.ndarray, "G"]:
    """How far breathing opens the mouth, in units of the jaw gesture."""
    track = np.zeros(len(times))
    for breath in events:
        up = ((times - breath.start_s) / (breath.peak_s - breath.start_s)).clip(0, 1)
        down = ((times - breath.peak_s) / (breath.end_s - breath.peak_s)).clip(0, 1)
        shape = (1 - np.cos(np.pi * up)) / 2 * (1 + np.cos(np.pi * down)) / 2
        track = np.maximum(track, breath.depth * shape)
    return track


def pause_track(
    phonemes: Sequence[Phoneme], times: Float[np.ndarray, "G"]
) -> Float[np.ndarray, "G"]:
    """1 in pauses and 0 in speech, with smooth edges."""
    track = np.zeros(len(times))
    for phoneme in phonemes:
        if phoneme.name == SILENCE and phoneme.end_s - phoneme.start_s > 2 * _EDGE_S:
            outside = np.maximum(phoneme.start_s + _EDGE_S - times, times - phoneme.end_s)
            track = np.maximum(track, 1 - smooth((outside / _EDGE_S + 0.5).clip(0, 1)))
    return track


def breathe(
    audio: Float[np.ndarray, "N"],
    events: Sequence[Breath],
    seed: int | tuple[int, ...],
    sr_hz: int = 16000,
) -> Float[np.ndarray, "N"]:
    """Add the sound of the breaths to a voice: the noise of air through an open mouth."""
    rng = np.random.default_rng(seed)
    loud = np.sqrt(np.mean(np.square(audio, dtype=np.float64))) * 2
    out = np.array(audio, np.float32)
    for breath in events:
        low_hz = rng.uniform(300, 900)
        band = butter(2, (low_hz, rng.uniform(3, 6) * low_hz), "band", fs=sr_hz, output="sos")
        a, b = int(breath.start_s * sr_hz), min(int(breath.peak_s * sr_hz), len(out))
        if breath.level_db is None or b - a < 16:
            continue
        air = sosfilt(band, rng.standard_normal(b - a)) * np.hanning(b - a)
        out[a:b] += air * (loud * 10 ** (breath.level_db / 20) / (air.std() + 1e-9))
    return out.clip(-1, 1)
