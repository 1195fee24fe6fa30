"""One pass over a file's packets: stamps of the frames, sizes, colours, and what is missing."""

import struct
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.video.stream import VideoStream
from jaxtyping import Int

from tfhkit.errors import InputError
from tfhkit.media.colour import SDR, BrightMeter, Colours, colours_of
from tfhkit.media.containers import open_container
from tfhkit.media.reader import display_size, frames_in_order

MEASURED_EVERY = 12  # frames of an HDR clip whose brightness is measured
# Formats whose header counts the length; for others FFmpeg guesses it from the bit rate, or takes
# it from the last packet.
COUNTED = {"matroska", "webm", "mov", "mp4", "flac"}
ENDLESS = 0x7FFF0000  # bytes of a WAV's chunk: programs that write to a pipe promise that or more


@dataclass(frozen=True, eq=False)
class Scan:
    """What the pictures of a file are, and what its header promises.

    Args:
        stamps: (T,) int64 of the frames. unit_s: seconds of one unit. step_s: usual step.
        height, width: of a frame as displayed.
        colours: of the frames.
        claimed_frames: number of frames by the header; 0 where it does not say.
        n_missing: those of them that are not there.
        claimed_s, read_s: length of the pictures by the header, and as far as packets go; where
            the header gives none for the pictures alone, of the whole file.
    """

    stamps: Int[np.ndarray, "T"]
    unit_s: float
    step_s: float
    height: int
    width: int
    colours: Colours
    claimed_frames: int
    n_missing: int
    claimed_s: float
    read_s: float


@dataclass
class _Tally:
    """Counts of the packets that were read, and where the last ones end, in seconds."""

    discarded: int = 0
    decoded: int = 0
    pictures_end_s: float = 0.0
    file_end_s: float = 0.0


def scan(container: InputContainer, stream: VideoStream, path: Path) -> Scan:
    """Decode all frames for their stamps; flat memory.

    Raises:
        InputError: no stamps, fewer than two frames, a broken file, colours that would come out
            wrong.
    """
    tally = _Tally()
    stamps: list[int] = []
    size, colours, meter = (0, 0), SDR, None
    try:
        for frame in frames_in_order(_decoded(container, stream, tally), stream):
            if frame.pts is None:
                raise InputError(
                    path,
                    f"frame {len(stamps)} has no time stamp",
                    "convert the file to .mp4 first, e.g. ffmpeg -i in -c:v libx264 out.mp4",
                )
            if not stamps:
                size = display_size(frame, stream)
                colours = colours_of(path, stream.codec_context)
                meter = BrightMeter(colours) if colours.hdr else None
            if meter and len(stamps) % MEASURED_EVERY == 0:
                meter.add(frame)
            stamps.append(frame.pts)
    except av.error.FFmpegError as error:
        raise InputError(
            path,
            f"its pictures cannot be decoded after frame {len(stamps)} ({error.strerror})",
            "the file is broken or truncated; copy or export it again",
        ) from error
    if len(stamps) < 2:
        raise InputError(path, f"is not a video ({len(stamps)} pictures)", "give a video file")
    pts = np.array(stamps, np.int64)
    unit_s = float(stream.time_base or 1)
    step_s = float(np.median(np.diff(pts)) * stream.time_base)
    colours = meter.measured() if meter else colours
    claims = _claims(container, stream, tally, pts[0] * unit_s)
    return Scan(pts, unit_s, step_s, *size, colours, *claims)


def _decoded(container, stream, tally):
    """The frames of the stream; packets of all streams are looked at."""
    for packet in container.demux():
        at = packet.dts if packet.pts is None else packet.pts
        own = packet.stream.index == stream.index
        if packet.size and at is not None and not packet.is_discard:
            end_s = float((at + (packet.duration or 0)) * packet.time_base)
            tally.file_end_s = max(tally.file_end_s, end_s)
            if own:
                tally.pictures_end_s = max(tally.pictures_end_s, end_s)
        if own:
            tally.discarded += packet.is_discard
            for frame in packet.decode():
                tally.decoded += 1
                yield frame


def _claims(container, stream, tally, start_s):
    """Frames the header counts, how many of them are missing, seconds it gives, seconds read.

    Frames that an edit list leaves out are in the file and are not shown. Subtitles or a second
    sound may be longer than the pictures, so the pictures' own length is asked for first.
    """
    # on the container's clock, whose zero the header's length counts from
    before_s = min(0.0, start_s)
    claimed_s = container.duration / av.time_base if container.duration else 0.0
    read_s = tally.file_end_s - before_s
    tagged_s = _seconds(stream.metadata.get("DURATION", ""))
    if stream.duration:
        claimed_s, read_s = (
            float(stream.duration * stream.time_base),
            tally.pictures_end_s - start_s,
        )
    elif 0 < tagged_s <= claimed_s:
        claimed_s, read_s = tagged_s, tally.pictures_end_s - before_s
    missing = stream.frames - tally.discarded - tally.decoded if stream.frames else 0
    return stream.frames, missing, claimed_s, read_s


def _seconds(clock):
    """Of Matroska's "00:00:09.023000000"; 0 where it is none."""
    try:
        hours, minutes, seconds = clock.split(":")
        return float(3600 * int(hours) + 60 * int(minutes) + Fraction(seconds))
    except ValueError:
        return 0.0


def refuse_truncated(path: Path, found: Scan) -> None:
    """Compare what was decoded with what the file's header promises."""
    too_few = found.n_missing > max(5, 0.03 * found.claimed_frames)
    # the last frame may have no duration
    if too_few or _too_short(found.claimed_s, found.read_s, 1.5 * found.step_s):
        raise _truncated(path, found.claimed_s, found.read_s, f" ({len(found.stamps)} frames)")


def refuse_truncated_sound(path: Path, index: int) -> None:
    """Compare a sound track's packets with what the file's header promises.

    Args:
        path: the file. index: of the track among the sound tracks, from 0.
    Raises:
        InputError: it is certain that sound is missing.
    """
    with open_container(path, "sound file") as container:
        stream = container.streams.audio[index]
        if container.format.name == "wav" and container.duration:
            read_s = container.duration / av.time_base
            claimed_s = read_s / _share_of_wav(path)
        elif COUNTED & set(container.format.name.split(",")):
            lengths = _lengths(container, stream)
            claimed_s, read_s = min(lengths, key=lambda pair: pair[0] - pair[1])
        else:
            return
    if _too_short(claimed_s, read_s):
        raise _truncated(path, claimed_s, read_s)


def _lengths(container, stream):
    """Seconds by the header and seconds read: of the file, and of the track where it is known.

    FFmpeg takes the file's length for that of a track that begins late, so neither is sure alone.
    """
    starts_s, own_end_s, file_end_s = [], 0.0, 0.0
    for packet in container.demux():
        at = packet.dts if packet.pts is None else packet.pts
        if packet.size and at is not None:
            end_s = float((at + (packet.duration or 0)) * packet.time_base)
            file_end_s = max(file_end_s, end_s)
            if packet.stream.index == stream.index:
                starts_s.append(float(at * packet.time_base))
                own_end_s = max(own_end_s, end_s)
    start_s = min(starts_s, default=0.0)
    yield (container.duration or 0) / av.time_base, file_end_s - min(0.0, start_s)
    if stream.duration:
        yield float(stream.duration * stream.time_base), own_end_s - start_s


def _share_of_wav(path):
    """How much of the samples that a WAV file's header promises is there; 1 if that is unsure."""
    length = path.stat().st_size
    with path.open("rb") as file:
        name, size = struct.unpack("<4sI", file.read(8))
        if name != b"RIFF" or not length < size + 8 < ENDLESS:
            return 1.0
        file.seek(12)
        while name != b"data":
            header = file.read(8)
            if len(header) < 8:
                return 1.0
            name, size = struct.unpack("<4sI", header)
            begin = file.tell()
            file.seek(size + size % 2, 1)
    return (length - begin) / size if length - begin < size < ENDLESS else 1.0


def _too_short(claimed_s, read_s, allowed_s=0.5):
    return claimed_s - read_s > max(0.5, 0.05 * claimed_s, allowed_s)


def _truncated(path, claimed_s, read_s, frames=""):
    return InputError(
        path,
        f"is truncated: {read_s:.1f} s{frames} can be read of {claimed_s:.1f} s",
        "copy or download the file again, or export the part that is whole",
    )
