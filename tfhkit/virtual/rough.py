"""Recordings as people make them: compressed, with music or other voices, and little treble."""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import uniform_filter1d
from scipy.signal import fftconvolve, firwin2

from tfhkit.virtual.channel import SR_HZ, coloured_noise, microphone, room


def record_roughly(
    audio: Float[np.ndarray, "N"], rng: np.random.Generator
) -> Float[np.ndarray, "N"]:
    """A random recording of a clean voice, rougher than `record`.

    Args:
        audio: sound at 16 kHz.
        rng: source of all that is random.
    Returns:
        float32, not delayed; its peak lies between 0.1 and 0.9.
    """
    voice = np.asarray(audio, np.float32)
    if rng.random() < 0.4:
        voice = compress(voice, rng)
    wet = microphone(room(voice, rng), rng)
    level, kind = float(wet.std()) + 1e-6, rng.random()
    if kind < 0.15:
        noise = babble(wet, rng)
    elif kind < 0.3:
        noise = music(len(wet), rng)
    else:
        noise = coloured_noise(len(wet), rng)
    hiss = coloured_noise(len(wet), rng)
    wet = wet + level * (noise * _gain(rng.uniform(8, 45)) + hiss * _gain(rng.uniform(30, 55)))
    if rng.random() < 0.5:
        wet = lowpass(wet, rng)
    return (wet * rng.uniform(0.1, 0.9) / np.abs(wet).max()).astype(np.float32)


def compress(audio: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N"]:
    """Automatic gain: quiet parts become louder, down to a threshold."""
    window = int(rng.uniform(0.02, 0.2) * SR_HZ)
    level = np.sqrt(uniform_filter1d(audio**2, window).clip(0)) + 1e-4 * np.abs(audio).max() + 1e-9
    loud = np.percentile(level, 90)
    quietest = loud * _gain(rng.uniform(15, 40))
    return audio * (np.maximum(level, quietest) / loud) ** -rng.uniform(0.2, 0.7)


def lowpass(audio: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N"]:
    """The band limit of a codec or of a telephone."""
    edge_hz = rng.uniform(3000, 7200)
    at = [0, 60, 0.92 * edge_hz, 1.08 * edge_hz, SR_HZ / 2]
    gain = [1, 1, 1, _gain(rng.uniform(20, 60)), _gain(rng.uniform(30, 70))]
    return fftconvolve(audio, firwin2(255, at, gain, fs=SR_HZ).astype(np.float32), mode="same")


def babble(audio: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N"]:
    """Other people in the room, of unit power: the voice itself, shifted, mostly backwards."""
    total = np.zeros(len(audio))
    for _ in range(rng.integers(2, 6)):
        other = audio[::-1] if rng.random() < 0.7 else audio
        total += np.roll(other, rng.integers(len(audio))) * rng.uniform(0.5, 1)
    return total / (total.std() + 1e-9)


def music(n: int, rng: np.random.Generator) -> Float[np.ndarray, "n"]:
    """Three parts of plucked notes in one beat, of unit power."""
    beat = int(rng.uniform(0.25, 0.8) * SR_HZ)
    envelope = np.exp(-(np.arange(n) % beat) / SR_HZ / rng.uniform(0.2, 1.0))
    total = np.zeros(n)
    for _ in range(3):
        semitones = np.repeat(rng.integers(-12, 13, n // beat + 1), beat)[:n]
        phase = 2 * np.pi * np.cumsum(220 * 2 ** (semitones / 12)) / SR_HZ
        dark = rng.uniform(0.8, 2)
        total += sum(np.sin(k * phase) / k**dark for k in range(1, 6)) * envelope
    return total / (total.std() + 1e-9)


def _gain(below_db: float) -> float:
    return float(10 ** (-below_db / 20))
