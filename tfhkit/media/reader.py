"""Frames of a video by index: seek, decode forward, keep the last few."""

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av import VideoFrame
from av.video.stream import VideoStream
from jaxtyping import Int, UInt8

from tfhkit.errors import InputError
from tfhkit.media.colour import SDR, Colours, rgb
from tfhkit.media.containers import ffmpeg_name, picture_tracks
from tfhkit.media.fields import one_field
from tfhkit.media.stamps import BACK_S, Join
from tfhkit.media.turning import Matrix, display_matrix, is_sideways, turned

SEEK_AHEAD = 48  # decoding that many frames is about as quick as a seek
STEPS_BACK_S = (0.0, 2.0, 10.0)  # where a seek lands too late, seek to earlier points
PASSED_BYTES = 100e6  # of decoded frames that are kept on the way to a wanted one


@dataclass(frozen=True)
class Coding:
    """How the pictures of a file have to be read.

    Args:
        joins: where its time stamps jump.
        colours: of its frames.
        woven: whether each of them is two half pictures, see `tfhkit.media.fields`.
    """

    joins: tuple[Join, ...] = ()
    colours: Colours = SDR
    woven: bool = False


PLAIN = Coding()


def frames_in_order(frames: Iterable[VideoFrame], stream: VideoStream) -> Iterator[VideoFrame]:
    """Decoded frames; those that repeat a stamp or are late are dropped everywhere.

    Stamps increase from frame to frame, but for the jumps that `stamps.find_joins` finds.
    """
    last, back = None, round(BACK_S / float(stream.time_base or 1))
    for frame in frames:
        if last is not None and frame.pts is not None and 0 <= last - frame.pts <= back:
            continue
        last = frame.pts
        yield frame


def display_size(frame: VideoFrame, stream: VideoStream) -> tuple[int, int]:
    """(height, width) as displayed: pixel shape and rotation applied."""
    aspect = stream.sample_aspect_ratio
    width = round(frame.width * float(aspect)) if aspect else frame.width
    sideways = is_sideways(display_matrix(frame))
    return (width, frame.height) if sideways else (frame.height, width)


def picture(
    frame: VideoFrame, height: int, width: int, coding: Coding = PLAIN,
    matrix: Matrix | None = None,
) -> UInt8[np.ndarray, "H W 3"]:  # fmt: skip
    """The frame as (height, width, 3) uint8 RGB, turned as its display matrix says.

    A frame that is asked for its matrix is freed by the garbage collector alone, so many frames of
    one file are better given the matrix of the first.
    """
    matrix = matrix or display_matrix(frame)
    stored = (width, height) if is_sideways(matrix) else (height, width)
    pixels = rgb(frame, *stored, coding.colours)
    if coding.woven and frame.height == len(pixels):
        pixels = one_field(pixels)
    return turned(pixels, matrix)


class FrameReader:
    """Random access to the frames of a video; close it, or use it in a `with`.

    Args:
        path: the video file.
        pts: (T,) int64 stamps of its frames, as `open_clip` found them.
        height, width: of a displayed frame.
        cache: number of frames that are kept.
        coding: as `open_clip` found it.
    """

    def __init__(
        self, path: str | Path, pts: Int[np.ndarray, "T"], height: int, width: int,
        cache: int = 8, coding: Coding = PLAIN,
    ) -> None:  # fmt: skip
        self.path, self.pts, self.height, self.width = path, pts, height, width
        self._coding = coding
        self._size = cache
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()
        self._container = None
        self._frames, self._next = iter(()), None  # decoded frames; index of the next one
        self._matrix: Matrix | None = None
        # a clip that plays backwards asks for just these next, and a seek decodes them all again
        n_passed = int(PASSED_BYTES / (1.5 * height * width)) if cache else 0
        self._passed: deque = deque(maxlen=min(2 * SEEK_AHEAD, n_passed))

    def __len__(self) -> int:
        return len(self.pts)

    def __enter__(self) -> "FrameReader":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        if self._container is not None:
            self._frames.close()
            self._container.close()
        self._container, self._next = None, None
        self._kept.clear()
        self._passed.clear()

    def __getitem__(self, index: int | np.integer) -> UInt8[np.ndarray, "H W 3"]:
        """Frame `index` (negative counts from the end), (H, W, 3) uint8 RGB."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {len(self)}")
        index = int(index) % len(self)
        if index in self._kept:
            self._kept.move_to_end(index)
            return self._kept[index].copy()
        frame = self._decode(index)
        self._matrix = self._matrix or display_matrix(frame)
        image = picture(frame, self.height, self.width, self._coding, self._matrix)
        if self._size:
            self._kept[index] = image.copy()
            if len(self._kept) > self._size:
                self._kept.popitem(last=False)
        return image

    def _decode(self, index):
        """The decoded frame whose stamp is pts[index]."""
        for frame in self._passed:
            if frame.pts == self.pts[index]:
                return frame
        near = len(self) if self._coding.joins else SEEK_AHEAD
        if self._next is not None and 0 <= index - self._next <= near:
            found = self._forward(index)
            if found is not None:
                return found
        for pts in self._starts(index):
            self._restart(pts)
            found = self._forward(index)
            if found is not None:
                return found
        raise InputError(
            self.path,
            f"frame {index} cannot be decoded again",
            "the file changed or is broken; convert it again, e.g. ffmpeg -i in out.mp4",
        )

    def _starts(self, index):
        """Stamps to seek to, nearest first; the last one is the file's start."""
        if self._coding.joins or (self._container is None and index <= SEEK_AHEAD):
            return [self.pts[0]]  # no seek is sure to land right where stamps jump
        if self._container is None:
            self._open()
        unit = float(self._stream.time_base)
        steps = [self.pts[index] - round(back / unit) for back in STEPS_BACK_S]
        return [pts for pts in steps if pts > self.pts[0]] + [self.pts[0]]

    def _open(self):
        self._container = av.open(ffmpeg_name(self.path), metadata_errors="replace")
        self._stream = picture_tracks(self._container)[0]

    def _restart(self, pts):
        """Begin decoding at the key frame at or before `pts`."""
        fresh = self._container is None
        if fresh:
            self._open()
        if pts > self.pts[0]:
            self._container.seek(int(pts), stream=self._stream, backward=True)
        elif not fresh:
            # not every demuxer can seek to its start, but every file can be opened again
            self._container.close()
            self._open()
        self._frames = frames_in_order(self._container.decode(self._stream), self._stream)
        if self._coding.joins:
            self._frames = _on_one_clock(self._frames, self._coding.joins)

    def _forward(self, index):
        """Decode up to `index`; None where decoding starts behind it or never meets it."""
        target = self.pts[index]
        try:
            for frame in self._frames:
                if frame.pts is None or frame.pts > target:
                    break
                self._passed.append(frame)
                if frame.pts == target:
                    self._next = index + 1
                    return frame
        except av.error.FFmpegError:
            pass  # the caller tries from an earlier point, then reports
        self._next = None
        return None


def _on_one_clock(frames, joins):
    """All frames of a file, their stamps without the jumps."""
    shifts, shift = {join.index: join.shift for join in joins}, 0
    for index, frame in enumerate(frames):
        shift = shifts.get(index, shift)
        frame.pts += shift
        yield frame
