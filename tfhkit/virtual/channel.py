"""What a recording does to a voice: room, microphone, noise; a corpus must not be too clean."""

import numpy as np
from jaxtyping import Float
from scipy.fft import next_fast_len
from scipy.signal import fftconvolve, firwin2

SR_HZ = 16000


def record(audio: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N"]:
    """A random recording of a clean voice.

    Args:
        audio: sound at 16 kHz.
        rng: source of the random room, microphone and noise.
    Returns:
        float32, not delayed; its peak lies between 0.1 and 0.9.
    """
    wet = room(np.asarray(audio, np.float32), rng)
    wet = microphone(wet, rng)
    speech = np.sqrt(np.mean(wet**2)) + 1e-6
    noise = coloured_noise(len(wet), rng)
    snr_db = rng.uniform(18, 50)
    wet = wet + noise * speech * 10 ** (-snr_db / 20)
    return (wet * rng.uniform(0.1, 0.9) / np.abs(wet).max()).astype(np.float32)


def room(audio: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N"]:
    """A few early reflections and a short exponential tail."""
    if rng.random() < 0.3:
        return audio
    rt60_s = rng.uniform(0.1, 0.5)
    n = int(rt60_s * SR_HZ)
    tail = rng.normal(size=n) * 10 ** (-3 * np.arange(n) / n)
    tail[: int(0.002 * SR_HZ)] = 0
    tail *= rng.uniform(0.05, 0.5) / np.sqrt((tail**2).sum())
    tail[0] = 1.0
    return fftconvolve(audio, tail.astype(np.float32))[: len(audio)]


def microphone(audio: Float[np.ndarray, "N"], rng: np.random.Generator) -> Float[np.ndarray, "N"]:
    """A smooth random frequency response: tilt, ripples, and the limits of the band."""
    at = np.array([0, 60, 150, 300, 700, 1500, 3000, 5000, 7000, 8000.0])
    gain_db = rng.normal(0, 3, len(at)) + rng.normal(0, 3) * np.log2(np.maximum(at, 60) / 1000)
    gain_db[0] -= 30
    if rng.random() < 0.3:  # a codec or a cheap microphone
        gain_db[-2:] -= 25
    response = firwin2(255, at, 10 ** (gain_db / 20), fs=2 * SR_HZ / 2)
    return fftconvolve(audio, response.astype(np.float32), mode="same")


def coloured_noise(n: int, rng: np.random.Generator) -> Float[np.ndarray, "n"]:
    """Noise of unit power whose spectrum falls by 0 to 9 dB an octave."""
    size = next_fast_len(n, real=True)  # a prime length costs seconds
    spectrum = np.fft.rfft(rng.normal(size=size))
    f = np.maximum(np.arange(len(spectrum)) / len(spectrum), 50 / (SR_HZ / 2))
    noise = np.fft.irfft(spectrum * f ** -rng.uniform(0, 1.5), size)[:n]
    return noise / np.sqrt(np.mean(noise**2))
