"""A speech as the chain takes it: a file or samples, checked before minutes are spent on it."""

from pathlib import Path

import numpy as np
from jaxtyping import Float

from tfhkit.audio.mfcc import checked_audio
from tfhkit.errors import InputError, ParameterError
from tfhkit.media import SR_HZ, read_audio
from tfhkit.media.tracks import MOST_PEAK

LEAST_S = 0.5


def read_samples(
    sound: str | Path | np.ndarray | list, audio_track: int | None = None
) -> Float[np.ndarray, "N"]:
    """The samples of a sound at 16 kHz, whatever is heard in it.

    Args:
        sound: a sound file, a video with sound, or (N,) float samples in [-1, 1] at 16 kHz.
        audio_track: number of a file's sound track, from 1; None chooses.
    Raises:
        InputError: a file that cannot be read, or is silent.
        ParameterError: samples that are integers, or far above 1.
    """
    if isinstance(sound, (str, Path)):
        return read_audio(sound, audio_track=audio_track)
    samples = np.asarray(sound)
    needed, remedy = (
        "floats in [-1, 1] are needed",
        "divide 16-bit samples by 32768, or give the file",
    )
    if samples.dtype.kind != "f":
        raise ParameterError("audio", f"holds {samples.dtype} samples, {needed}", remedy)
    peak = float(np.abs(samples).max(initial=0.0))
    if MOST_PEAK < peak < np.inf:
        raise ParameterError("audio", f"holds samples up to {peak:.3g}, {needed}", remedy)
    return samples


def read_speech(
    sound: str | Path | np.ndarray | list, audio_track: int | None = None
) -> Float[np.ndarray, "N"]:
    """The samples of a speech that a head is to be driven by, mono float32 at 16 kHz.

    Args:
        sound, audio_track: as in `read_samples`.
    Raises:
        InputError: it cannot be read, is silent, or is shorter than half a second.
        ParameterError: samples that are integers, or far above 1.
    """
    samples = read_samples(sound, audio_track)
    name = str(sound) if isinstance(sound, (str, Path)) else "audio"
    try:
        samples = checked_audio(samples, SR_HZ, allow_silent=False)
    except InputError as error:
        raise InputError(name, error.fault, error.remedy) from error
    if len(samples) < SR_HZ * LEAST_S:
        fault = f"is {len(samples) / SR_HZ:.1f} s long, at least {LEAST_S:g} s are needed"
        raise InputError(name, fault, "give a longer sound")
    return samples
