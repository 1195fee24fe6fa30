"""Sound in and out: anything that FFmpeg decodes to mono float32 at 16 kHz, and WAV files."""

import wave
from pathlib import Path

import av
import numpy as np
import soxr
from av.container import InputContainer
from jaxtyping import Float

from tfhkit.errors import InputError, check_shape
from tfhkit.media.files import atomic_path

SR_HZ = 16_000
SILENT_PEAK = 1e-3  # -60 dB of full scale: below any recording of a voice
GAP_S = 0.02  # time stamps are trusted over the sample count from this deviation on
INT_SCALE = {"u1": 128.0, "i2": 32768.0, "i4": 2147483648.0, "i8": 9223372036854775808.0}


def read_audio(
    path: str | Path, sr_hz: int = SR_HZ, silent_ok: bool = False
) -> Float[np.ndarray, "N"]:
    """Read a sound file, or the sound of a video.

    Args:
        path: WAV (8, 16, 24, 32 bit or float, any rate, any channels), FLAC, MP3, a video, ...
        sr_hz: rate of the result.
        silent_ok: give silent sound back instead of refusing it.
    Returns:
        (N,) float32 in [-1, 1], the mean of the channels.
    Raises:
        InputError: no such file, not a sound file, no sound track, empty, silent.
    """
    path = Path(path)
    container = open_container(path, "sound file")
    with container:
        if not container.streams.audio:
            raise InputError(path, "has no sound track", "give a file with sound")
        audio, _ = decode_audio(container, path, sr_hz)
    if audio.size == 0:
        raise InputError(path, "has no sound samples (it is empty)", "give a file with speech")
    if not silent_ok:
        refuse_silence(path, audio)
    return audio


def refuse_silence(path: str | Path, audio: Float[np.ndarray, "N"]) -> None:
    """Raise InputError where the loudest sample is below -60 dB of full scale."""
    peak = float(np.abs(audio).max(initial=0.0))
    if peak < SILENT_PEAK:
        level = "digital silence" if peak == 0 else f"peak {20 * np.log10(peak):.0f} dB"
        raise InputError(path, f"its sound is silent ({level})", "give a recording with speech")


def open_container(path: Path, kind: str) -> InputContainer:
    """Open with PyAV; name the fault in one line where that fails."""
    if not path.exists():
        raise InputError(path, "no such file", "check the path")
    if not path.is_file():
        raise InputError(path, "is not a file", f"give a {kind}")
    if path.stat().st_size == 0:
        raise InputError(path, f"is not a {kind} (the file is empty)", f"give a {kind}")
    try:
        return av.open(str(path))
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(
            path,
            f"is not a {kind} that can be read, or is broken or truncated",
            "check that it plays; copy or export it again",
        ) from error


def decode_audio(
    container: InputContainer, path: str | Path, sr_hz: int, start_s: float | None = None
) -> tuple[Float[np.ndarray, "N"], float]:
    """Decode the first sound track of an open container.

    Samples are placed by their time stamps: holes in the track become silence, overlaps are cut.

    Args:
        container: open PyAV container at its start.
        path: for messages.
        sr_hz: rate of the result.
        start_s: stamp, in seconds of the container's clock, that becomes sample 0; None: the
            track's own start.
    Returns:
        (N,) float32 mono and the end of the track in seconds of the container's clock.
    Raises:
        InputError: the track cannot be decoded.
    """
    stream = container.streams.audio[0]
    rate, resampler, pieces = 0, None, []
    origin_s, written = 0.0, 0
    try:
        for frame in container.decode(stream):
            mono = _mono(frame)
            if resampler is None:
                rate = frame.sample_rate
                resampler = soxr.ResampleStream(rate, sr_hz, 1, dtype="float32", quality="HQ")
                origin_s = frame.time or 0.0
            if frame.sample_rate != rate:
                mono = soxr.resample(mono, frame.sample_rate, rate)
            if frame.time is not None:
                ahead = round((float(frame.time) - origin_s) * rate) - written
                if ahead > GAP_S * rate:
                    mono = np.concatenate([np.zeros(ahead, np.float32), mono])
                elif ahead < -GAP_S * rate:
                    mono = mono[-ahead:]
            written += mono.size
            pieces.append(resampler.resample_chunk(mono))
    except av.error.FFmpegError as error:
        raise InputError(
            path,
            f"its sound cannot be decoded after {written / (rate or 1):.2f} s ({error.strerror})",
            "the file is broken or truncated; copy or export it again",
        ) from error
    if resampler is None or not written:
        return np.zeros(0, np.float32), 0.0
    pieces.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    audio = np.clip(np.concatenate(pieces), -1.0, 1.0)
    if start_s is not None:
        lead = round((origin_s - start_s) * sr_hz)
        audio = np.concatenate([np.zeros(lead, np.float32), audio]) if lead > 0 else audio[-lead:]
    return np.ascontiguousarray(audio), origin_s + written / rate


def _mono(frame):
    """(n,) float32 in [-1, 1]: mean of the channels of one decoded block."""
    block = frame.to_ndarray()
    if not frame.format.is_planar:
        block = block.reshape(-1, len(frame.layout.channels)).T
    kind = block.dtype.str[1:]
    samples = block.astype(np.float32)
    if kind == "u1":
        samples -= 128.0
    return samples.mean(axis=0, dtype=np.float32) / np.float32(INT_SCALE.get(kind, 1.0))


def write_wav(path: str | Path, audio: Float[np.ndarray, "..."], sr_hz: int = SR_HZ) -> None:
    """Write mono 16-bit PCM.

    Args:
        path: the file; its folder is made.
        audio: (N,) float in [-1, 1]; what is louder is clipped.
        sr_hz: sampling rate.
    """
    audio = np.asarray(audio)
    check_shape("audio", audio, ("N",))
    samples = np.round(np.clip(audio, -1.0, 1.0) * 32767).astype("<i2")
    with atomic_path(path) as temporary, wave.open(str(temporary), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(int(sr_hz))
        out.writeframes(samples.tobytes())
