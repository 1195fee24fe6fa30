"""What a speech recogniser hears: the states of Moonshine's encoder at given times.

A recogniser has listened to thousands of hours of speech, so its states tell sounds apart whoever
speaks and through whatever microphone, which no cepstra do. Not in the paper.

Source: Jeffries et al. 2024, "Moonshine"; its tiny English model, MIT licence.
"""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from tfhkit.assets import cache_dir, fetch, offline, present
from tfhkit.audio.mfcc import RANGE_DB, SR_HZ, checked_audio, checked_times
from tfhkit.errors import AssetError, MissingBackend

WIDTH = 288  # numbers of a state
STRIDE = 384  # samples from one state to the next: 24 ms
FIRST = 447  # the sample on which the first state is centred: three convolutions before it
PIECE_S, MARGIN_S = 8.0, 4.0  # what the encoder hears at a time, and what it hears around that
SILENCE_S = 0.5  # before the sound, and after it
LOUD_RMS = 0.1  # of the loud parts, however loud the recording is


def why_missing() -> str:
    """Why the recogniser cannot be used, or an empty text; a file that is absent is fetched.

    A process that could not fetch it does not try again.
    """
    return _why_missing(cache_dir(), offline(), present("speech_encoder"))


@cache
def _why_missing(place: Path, without_network: bool, there: bool) -> str:
    """The answer in these surroundings."""
    try:
        _encoder()
    except (MissingBackend, AssetError) as error:
        return str(error)
    return ""


def recogniser_states(
    audio: Float[np.ndarray, "N"],
    times: ArrayLike,
    sr_hz: int = SR_HZ,
    allow_silent: bool = False,
) -> Float[np.ndarray, "T 288"]:
    """The encoder's states, interpolated to times.

    The sound is brought to one loudness first, so a louder recording gives the same states. Long
    sound is heard in pieces that overlap, which keeps the memory flat. A state depends on seconds
    around it, and on where the pieces are cut, which the first time decides.

    Args:
        audio: mono; audio[0] is at time 0. times: seconds, in any order.
        sr_hz: sample rate of `audio`. allow_silent: as for `mfcc_windows`.
    Returns:
        float32; beyond both ends of the sound there is half a second of silence, whose last
        state goes on.
    Raises:
        MissingBackend: onnxruntime is not installed. AssetError: no encoder in the cache, and no
        network. Else as `mfcc_windows`.
    """
    audio = checked_audio(audio, sr_hz, allow_silent)
    at = checked_times(times, len(audio) / SR_HZ)
    out = np.empty((len(at), WIDTH), np.float32)
    if not len(at):
        return out
    audio = audio - audio.mean()
    audio *= np.float32(LOUD_RMS / max(_loud_rms(audio), 1e-4))
    at = np.clip(at, -SILENCE_S, len(audio) / SR_HZ + SILENCE_S)
    piece = np.floor((at - at.min()) / PIECE_S)
    for number in np.unique(piece):
        part = piece == number
        out[part] = _states_between(audio, at.min() + number * PIECE_S, at[part])
    return out


def _loud_rms(audio):
    """The level that 19 of 20 pieces of 25 ms stay below, of those that are no silence."""
    size = SR_HZ // 40
    whole = np.pad(audio, (0, -len(audio) % size)).reshape(-1, size)
    power = (whole.astype(np.float64) ** 2).mean(1)
    return float(np.sqrt(np.percentile(power[power >= power.max() * 10 ** (-RANGE_DB / 10)], 95)))


def _states_between(audio, start_s, times):
    """States at times of one piece, which begins at `start_s`."""
    first = round((start_s - MARGIN_S) * SR_HZ)
    last = first + round((PIECE_S + 2 * MARGIN_S) * SR_HZ)
    # The silence around a sound changes all its states, so there is little of it. The states stay
    # where they are with regard to the times.
    silence = round(SILENCE_S * SR_HZ)
    first += STRIDE * max(0, -(-(-silence - first) // STRIDE))
    index = np.arange(first, min(last, len(audio) + silence))
    inside = (index >= 0) & (index < len(audio))
    heard = np.where(inside, audio[np.clip(index, 0, len(audio) - 1)], 0).astype(np.float32)
    given = {"input_values": heard[None], "attention_mask": np.ones((1, len(heard)), np.int64)}
    states = _encoder().run(None, given)[0][0]
    at = (index[0] + FIRST + STRIDE * np.arange(len(states))) / SR_HZ
    return np.stack([np.interp(times, at, state) for state in states.T], 1)


def _encoder() -> Any:
    """The open encoder."""
    try:
        import onnxruntime  # noqa: F401
    except ImportError as error:
        remedy = f"pip install onnxruntime (it says: {error})"
        raise MissingBackend("recogniser", "moonshine", remedy) from error
    return _open(fetch("speech_encoder"))


@cache
def _open(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # seconds of sound take milliseconds, and cores are shared
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
