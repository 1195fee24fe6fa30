"""One pass over a file's packets: stamps of the frames, sizes, colours, and what is missing."""

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
from tfhkit.media.fields import FieldMeter
from tfhkit.media.reader import display_size, frames_in_order

MEASURED_EVERY = 12  # frames whose brightness (HDR) and fields are measured
REMEDY = "copy or download the file again, or export the part that is whole"
MOST_STRETCH = 1.05  # pictures of another shape than the first would be distorted
MOST_DELAY = 16  # frames that a decoder holds back, by which it knows of later ones


@dataclass(frozen=True, eq=False)
class Scan:
    """What the pictures of a file are, and what its header promises.

    Args:
        stamps: (T,) int64 of the frames. unit_s: seconds of one unit. step_s: usual step.
        height, width: of a frame as displayed.
        colours: of the frames. woven: whether they are interlaced.
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
    woven: bool
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
        InputError: no stamps, fewer than two frames, a broken file, frames of several shapes,
            colours that would come out wrong.
    """
    tally = _Tally()
    stamps: list[int] = []
    size, colours, meter, fields = (0, 0), SDR, None, FieldMeter()
    shape = _Shape(path, stream.codec_context)
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
            shape.check(frame, len(stamps))
            if len(stamps) % MEASURED_EVERY == 0:
                fields.add(frame)
                if meter:
                    meter.add(frame)
            stamps.append(frame.pts)
    except av.error.FFmpegError as error:
        raise InputError(
            path,
            f"its pictures cannot be decoded after frame {len(stamps)} ({error.strerror})",
            "the file is broken or truncated; copy or export it again",
        ) from error
    if len(stamps) < 2:
        pictures = "1 picture" if stamps else "0 pictures"
        raise InputError(path, f"is not a video ({pictures})", "give a video file")
    shape.end()
    pts = np.array(stamps, np.int64)
    unit_s = float(stream.time_base or 1)
    step_s = float(np.median(np.diff(pts)) * stream.time_base)
    colours = meter.measured() if meter else colours
    claims = _claims(container, stream, tally, pts[0] * unit_s)
    return Scan(pts, unit_s, step_s, *size, colours, fields.woven, *claims)


class _Shape:
    """Refuses pictures that are displayed in another shape than the first one.

    All frames are scaled to the first one's size, which keeps their proportions or does not. The
    decoder tells the shape of the pixels as it was coded last, which may be that of frames to
    come. A frame that only seems to change is therefore judged after them.
    """

    def __init__(self, path, context):
        self._path, self._context = path, context
        self._first, self._size = 0.0, (0, 0)
        self._doubt = None  # the first such frame, and its displayed size

    def check(self, frame, index):
        """Look at the next frame."""
        size = frame.width, frame.height
        resized, self._size = size != self._size, size
        width = frame.width * float(self._context.sample_aspect_ratio or 1)
        self._first = self._first or width / frame.height
        alike = 1 / MOST_STRETCH < width / frame.height / self._first < MOST_STRETCH
        if resized:  # the pixels' shape was that of this frame
            self._doubt = None
        if not alike and self._doubt is None:
            self._doubt = index, round(width), frame.height
        if self._doubt and (resized or index - self._doubt[0] >= MOST_DELAY):
            self.end()

    def end(self):
        """No frame follows: what is in doubt is a change."""
        if self._doubt:
            index, width, height = self._doubt
            fault = f"its pictures change their shape at frame {index} (to {width} x {height}"
            remedy = "cut it there, and give one of the parts"
            raise InputError(self._path, f"{fault} pixels)", remedy)


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
    if container.format.name == "avi" and stream.frames:
        # Its header counts dropped frames, too, which are empty: only those at the end are missing.
        # FFmpeg shortens the length of a truncated file, but not their number.
        claimed_s, read_s = float(stream.frames * stream.time_base), tally.pictures_end_s
        missing = min(missing, round((claimed_s - read_s) / stream.time_base))
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
    if too_few or too_short(found.claimed_s, found.read_s, 1.5 * found.step_s):
        raise truncated(path, found.claimed_s, found.read_s, f" ({len(found.stamps)} frames)")


def too_short(claimed_s: float, read_s: float, allowed_s: float = 0.5) -> bool:
    """Whether more is missing than headers get wrong."""
    return bool(claimed_s - read_s > max(0.5, 0.05 * claimed_s, allowed_s))


def truncated(path: Path, claimed_s: float, read_s: float, frames: str = "") -> InputError:
    """The error for a file that ends early; `frames` is put in behind the seconds read."""
    fault = f"is truncated: {read_s:.1f} s{frames} can be read of {claimed_s:.1f} s"
    return InputError(path, fault, REMEDY)
