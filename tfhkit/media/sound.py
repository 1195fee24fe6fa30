"""Sound in and out: anything that FFmpeg decodes to mono float32 at 16 kHz, and WAV files."""

import wave
from pathlib import Path

import numpy as np
import soxr
from jaxtyping import Float

from tfhkit.errors import InputError, check_shape
from tfhkit.media.containers import open_container
from tfhkit.media.files import atomic_path
from tfhkit.media.mix import swing
from tfhkit.media.stamps import SoundClock
from tfhkit.media.tracks import SILENT_PEAK, Survey, channels_of, choose_track, decoded_sound
from tfhkit.media.whole import refuse_truncated_sound

SR_HZ = 16_000
GAP_S = 0.02  # time stamps are trusted over the sample count from this deviation on


def read_audio(
    path: str | Path, sr_hz: int = SR_HZ, silent_ok: bool = False, audio_track: int | None = None
) -> Float[np.ndarray, "N"]:
    """Read a sound file, or the sound of a video.

    Args:
        path: WAV (8, 16, 24, 32 bit or float, any rate, any channels), FLAC, MP3, a video, ...
        sr_hz: rate of the result.
        silent_ok: give silent sound back instead of refusing it.
        audio_track: number of the sound track, from 1; None takes the default one, or one with
            speech (`tracks.choose_track`).
    Returns:
        (N,) float32 in [-1, 1], the mean of the channels, or the channel that carries the speech
        where the mean does not (`mix.choose_channel`).
    Raises:
        InputError: no such file, not a sound file, no sound track, empty, truncated, silent,
            samples that are no numbers or far above full scale, too low a sampling rate.
    """
    path = Path(path)
    with open_container(path, "sound file") as container:
        if not container.streams.audio:
            raise InputError(path, "has no sound track", "give a file with sound")
    found, _ = choose_track(path, audio_track)
    audio, _ = decode_audio(path, found, sr_hz, SoundClock(path))
    if audio.size == 0:
        raise InputError(path, "has no sound samples (it is empty)", "give a file with speech")
    refuse_truncated_sound(path, found.index)
    if not silent_ok:
        refuse_silence(path, audio, sr_hz)
    return audio


def refuse_silence(path: str | Path, audio: Float[np.ndarray, "N"], sr_hz: int = SR_HZ) -> None:
    """Raise InputError where nothing is louder than -60 dB of full scale but a constant offset."""
    if swing(audio, sr_hz) < SILENT_PEAK:
        peak = float(np.abs(audio).max(initial=0.0))
        level = "digital silence" if peak == 0 else f"peak {20 * np.log10(peak):.0f} dB"
        level = level if peak < SILENT_PEAK else f"a constant offset of {np.median(audio):.2g}"
        raise InputError(path, f"its sound is silent ({level})", "give a recording with speech")


def decode_audio(
    path: Path, found: Survey, sr_hz: int, clock: SoundClock, start_s: float | None = None
) -> tuple[Float[np.ndarray, "N"], float]:
    """Decode a sound track.

    Samples are placed by their time stamps: holes in the track become silence, overlaps are cut.

    Args:
        path: the file.
        found: which track, and which of its channels.
        sr_hz: rate of the result.
        clock: joins the stamps where they jump.
        start_s: stamp, in seconds of the container's clock, that becomes sample 0; None: the
            track's own start.
    Returns:
        (N,) float32 mono and the end of the track in seconds of the container's clock.
    Raises:
        InputError: the track cannot be decoded, or its stamps jump without reason.
    """
    rate, resampler, pieces = 0, None, []
    origin_s, written = 0.0, 0
    with open_container(path, "sound file") as container:
        stream = container.streams.audio[found.index]
        for frame in decoded_sound(container, stream, path):
            mono = _mono(frame, found.channel)
            if resampler is None:
                rate = frame.sample_rate
                resampler = soxr.ResampleStream(rate, sr_hz, 1, dtype="float32", quality="HQ")
                origin_s = frame.time or 0.0
            if frame.sample_rate != rate:
                mono = soxr.resample(mono, frame.sample_rate, rate)
            if frame.time is not None:
                end_s = origin_s + written / rate
                heard_s = clock.place(float(frame.time), mono.size / rate, end_s)
                ahead = round((heard_s - origin_s) * rate) - written
                gap = 0 if clock.moved else GAP_S * rate
                if ahead > gap:
                    mono = np.concatenate([np.zeros(ahead, np.float32), mono])
                elif ahead < -gap:
                    mono = mono[-ahead:]
            written += mono.size
            for at in range(0, mono.size, rate):  # soxr crashes on minutes at once
                pieces.append(resampler.resample_chunk(mono[at : at + rate]))
    if resampler is None or not written:
        return np.zeros(0, np.float32), 0.0
    pieces.append(resampler.resample_chunk(np.zeros(0, np.float32), last=True))
    audio = np.concatenate(pieces)
    np.clip(audio, -1.0, 1.0, out=audio)
    if start_s is not None:
        lead = round((origin_s - start_s) * sr_hz)
        audio = np.concatenate([np.zeros(lead, np.float32), audio]) if lead > 0 else audio[-lead:]
    return np.ascontiguousarray(audio), origin_s + written / rate


def _mono(frame, channel):
    """(n,) float32 in [-1, 1]: the chosen channel of one decoded block, or the mean."""
    samples = channels_of(frame)
    taken = channel[len(samples)]
    return samples.mean(axis=0, dtype=np.float32) if taken is None else samples[taken]


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
