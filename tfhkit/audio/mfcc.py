"""Windows of the sound at frame times: MFCCs (Sec. 3.2), and the mel bands they come from."""

from functools import lru_cache

import librosa
import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.fft import dct

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.media.mix import swing

SR_HZ = 16000
WINDOW = 400  # 25 ms
HOP_LENGTH = 160  # 10 ms
N_FFT = 512
N_MELS = 26
N_MFCC = 13  # c0 .. c12; c0 is dropped from the windows
LIFTER = 22
PREEMPHASIS = 0.97
N_ROWS = 28  # rows of a window, 10 ms apart: 0.295 s of sound
# Power of a mel band below which nothing is heard: the rounding noise of 16-bit sound. Digital
# silence and the empty upper bands of 8 kHz sound become constants instead of rounding errors.
FLOOR = 1e-10
RANGE_DB = 35.0  # of `band_windows`: what is quieter, relative to the loud parts, is silence
_CHUNK = 256  # frames at a time: the spectra stay under 30 MB for any length


def mfcc_windows(
    audio: np.ndarray,
    times: ArrayLike,
    sr_hz: int = SR_HZ,
    allow_silent: bool = False,
    preemphasis: float = PREEMPHASIS,
    lifter: float = LIFTER,
) -> Float[np.ndarray, "T 28 12"]:
    """One 28 x 12 window of MFCCs per frame, centred on the frame's time.

    Row k of the window of a frame at time t is analysed from the 25 ms around
    t + (k - 13.5) * 10 ms, so the window covers t - 147.5 ms to t + 147.5 ms. The samples are cut
    at the frame's own time, whatever the frame rate: nothing is resampled to a 10 ms grid.
    Beyond both ends of the sound there is silence (zeros), as in the published code; an entirely
    silent row is all zeros, because c0, which alone holds the level, is left out.

    Args:
        audio: (N,) float, mono, in [-1, 1]; audio[0] is at time 0.
        times: (T,) frame times in seconds, in any order.
        sr_hz: sample rate of `audio`; other than 16,000 is resampled.
        allow_silent: do not refuse sound that is silent from end to end.
        preemphasis: 0.97 as published; 0 leaves the voice's own tilt, as librosa does.
        lifter: 22 as published, which weighs the higher coefficients up to 12 times; 0 for none.
    Returns:
        (T, 28, 12) float32, coefficients c1 to c12.
    Raises:
        ShapeError: `audio` or `times` is not one-dimensional.
        InputError: NaN, silent or empty sound, or most frames are beyond the end of the sound.
    Source: paper Sec. 3.2; rows and padding as published, but centred on the frame's time (the
        published window is centred 27.5 ms later, and assumes 25 frames per second).
    """
    audio = checked_audio(audio, sr_hz, allow_silent)
    times = checked_times(times, len(audio) / SR_HZ)
    out = np.empty((len(times), N_ROWS, N_MFCC - 1), np.float32)
    for part, log_mel in _log_mel_pieces(audio, times, preemphasis):
        out[part] = _cepstra(log_mel, lifter)[..., 1:]
    return out


def band_windows(
    audio: np.ndarray, times: ArrayLike, sr_hz: int = SR_HZ, allow_silent: bool = False
) -> Float[np.ndarray, "T 14 26"]:
    """The mel bands of every second row of `mfcc_windows`, loudness included.

    These are the levels that the cosine transform makes cepstra of. What is more than RANGE_DB
    below the loud parts of this sound counts as silence, and the levels are relative to those
    parts, so a louder recording of the same voice gives the same windows.

    Args:
        audio, times, sr_hz, allow_silent: as for `mfcc_windows`.
    Returns:
        natural logarithms of power.
    Raises:
        as `mfcc_windows`.
    """
    audio = checked_audio(audio, sr_hz, allow_silent)
    times = checked_times(times, len(audio) / SR_HZ)
    out = np.empty((len(times), N_ROWS // 2, N_MELS), np.float32)
    for part, log_mel in _log_mel_pieces(audio, times):
        out[part] = np.swapaxes(log_mel, -1, -2)[:, ::2]
    if not len(out):
        return out
    power = np.exp(out)
    loud = np.percentile(power.mean(-1), 95)
    return np.log(power / loud + 10 ** (-RANGE_DB / 10)).astype(np.float32)


def _log_mel_pieces(audio, times, preemphasis=PREEMPHASIS):
    """Yield (slice of the frames, (n, 26, 28) log-mel rows of their windows)."""
    rows_s = (np.arange(N_ROWS) - (N_ROWS - 1) / 2) * HOP_LENGTH / SR_HZ
    first = np.round((times + rows_s[0]) * SR_HZ).astype(np.int64) - WINDOW // 2
    length = (N_ROWS - 1) * HOP_LENGTH + WINDOW
    for start in range(0, len(times), _CHUNK):
        part = slice(start, start + _CHUNK)
        # One sample more on the left, so that pre-emphasis sees the sample before.
        index = first[part, None] - 1 + np.arange(length + 1)
        inside = (index >= 0) & (index < len(audio))
        sound = np.where(inside, audio[np.clip(index, 0, len(audio) - 1)], 0)
        yield part, _log_mel(sound[:, 1:] - np.float32(preemphasis) * sound[:, :-1])


@lru_cache
def mel_filters() -> Float[np.ndarray, "26 257"]:
    """Triangles that are even on the mel scale, their corners rounded down to FFT bins.

    Returns:
        (26, 257) float32.
    Source: HTK's mel formula; corners as in `python_speech_features`, which is why they differ
        from librosa's, whose corners lie between bins.
    """
    mel = np.linspace(0, 2595 * np.log10(1 + SR_HZ / 2 / 700), N_MELS + 2)
    corners = np.floor((N_FFT + 1) * 700 * (10 ** (mel / 2595) - 1) / SR_HZ)
    bins = np.arange(N_FFT // 2 + 1)
    left, centre, right = (corners[i : i + N_MELS, None] for i in range(3))
    rising, falling = (bins - left) / (centre - left), (right - bins) / (right - centre)
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)


def _log_mel(emphasised):
    """Pre-emphasised sound (..., (n - 1) * 160 + 400) to log-mel rows (..., 26, n)."""
    # librosa centres the 400 samples in the FFT's 512; the power does not depend on where they lie.
    margin = (N_FFT - WINDOW) // 2
    padded = np.pad(emphasised, [(0, 0)] * (emphasised.ndim - 1) + [(margin, margin)])
    spectrum = librosa.stft(
        padded, n_fft=N_FFT, hop_length=HOP_LENGTH, win_length=WINDOW, window="boxcar", center=False
    )
    power = (spectrum.real**2 + spectrum.imag**2) / N_FFT
    return np.log(np.maximum(mel_filters() @ power, FLOOR))


def _cepstra(log_mel, lifter=LIFTER):
    """Log-mel rows (..., 26, n) to cepstra (..., n, 13)."""
    cepstra = dct(log_mel, type=2, norm="ortho", axis=-2)[..., :N_MFCC, :]
    cepstra = np.swapaxes(cepstra, -1, -2)
    if not lifter:
        return cepstra
    lift = 1 + lifter / 2 * np.sin(np.pi * np.arange(N_MFCC) / lifter)
    return cepstra * lift.astype(np.float32)


def checked_audio(audio: np.ndarray, sr_hz: int, allow_silent: bool) -> Float[np.ndarray, "N"]:
    """Mono float32 at 16 kHz, or an InputError that says what is wrong with it."""
    audio = check_shape("audio", np.asarray(audio, np.float32), ("N",))
    if not sr_hz > 0:
        raise ParameterError("sr_hz", f"must be positive, got {sr_hz}", "give the rate in Hz")
    if not len(audio):
        raise InputError("audio", "has no samples", "give sound of at least one frame's length")
    broken = len(audio) - np.count_nonzero(np.isfinite(audio))
    if broken:
        raise InputError("audio", f"{broken} samples are NaN or infinite", "repair the recording")
    if not allow_silent and swing(audio, sr_hz) < 1e-5:
        raise InputError("audio", "is silent from end to end", "check the recording's channel")
    if sr_hz != SR_HZ:
        audio = librosa.resample(audio, orig_sr=sr_hz, target_sr=SR_HZ)
    return audio


def checked_times(times: ArrayLike, duration_s: float) -> Float[np.ndarray, "T"]:
    """Times (T,) float64, or an InputError when they do not belong to the sound."""
    checked = check_shape("times", np.asarray(times, np.float64), ("T",))
    if not np.isfinite(checked).all():
        raise InputError("times", "some frame times are NaN", "give every frame a time in seconds")
    beyond = np.count_nonzero((checked > duration_s) | (checked < 0))
    if len(checked) and beyond > len(checked) / 2:
        raise InputError(
            "times",
            f"{beyond} of {len(checked)} frames are beyond the {duration_s:.2f} s of sound",
            "give times in seconds on the sound's clock",
        )
    return checked
