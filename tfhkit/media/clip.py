"""A video clip: true frame times, frames by index, and the sound on the same clock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import av
import numpy as np
from jaxtyping import Float, Int, UInt8

from tfhkit.errors import InputError
from tfhkit.media.files import sha256_of
from tfhkit.media.reader import FrameReader, display_size, frames_in_order, picture_tracks
from tfhkit.media.sound import SR_HZ, decode_audio, open_container, refuse_silence

MIN_SECONDS = 4.0  # below that, nothing can be learned and held out from a clip


@runtime_checkable
class FrameStream(Protocol):
    """Anything that gives frames one after the other, as a Clip does."""

    def iter_frames(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        """Frames start .. stop - 1."""
        ...


@runtime_checkable
class FrameSource(FrameStream, Protocol):
    """What a fit reads: a Clip, or a stand-in for one."""

    @property
    def path(self) -> str | Path:
        """Where it came from, for messages."""
        ...

    @property
    def times(self) -> Float[np.ndarray, "T"]:
        """Seconds of every frame."""
        ...


@dataclass(frozen=True, eq=False)
class Clip:
    """A video file that was decoded once to learn its times; pictures stay in the file.

    Args:
        path: the video file.
        sha256: of the file.
        times: (T,) float64, seconds of every frame from the first frame on, strictly increasing.
        height, width: of a frame as displayed (rotation and pixel shape are applied).
        fps: frames per second by the median step; nothing may assume that steps are equal.
        audio: (N,) float32 mono; audio[0] is heard at time 0 and the last sample at the end of
            the last frame.
        sr_hz: rate of `audio`.
        pts: (T,) int64, the frames' stamps in the file.
    """

    path: Path
    sha256: str
    times: Float[np.ndarray, "T"]
    height: int
    width: int
    fps: float
    audio: Float[np.ndarray, "N"]
    sr_hz: int = SR_HZ
    pts: Int[np.ndarray, "T"] | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def duration_s(self) -> float:
        """From the first frame's start to the last frame's end."""
        return float(self.times[-1] + 1.0 / self.fps)

    def reader(self, cache: int = 8) -> FrameReader:
        """Random access: `with clip.reader() as frames: frames[i]` gives (H, W, 3) uint8 RGB."""
        assert self.pts is not None, "`open_clip` gives them"
        return FrameReader(self.path, self.pts, self.height, self.width, cache)

    def iter_frames(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        """Frames start .. stop - 1 one after the other, (H, W, 3) uint8 RGB; flat memory."""
        stop = len(self) if stop is None else min(stop, len(self))
        with self.reader(cache=0) as frames:
            for index in range(start, stop):
                yield frames[index]


def frames_at(
    clip: FrameStream, indices: Iterable[int] | Int[np.ndarray, "n"]
) -> Iterator[tuple[int, UInt8[np.ndarray, "H W 3"]]]:
    """Yield (index, frame) for some frames of a clip, each once, in order, decoded in one pass."""
    wanted = {int(i) for i in indices}
    for index, frame in enumerate(clip.iter_frames(0, max(wanted) + 1)):
        if index in wanted:
            yield index, frame


def first_frames(clip: Clip, frames: int | None = None) -> Clip:
    """The first so many frames of a Clip (its sound stays whole); None takes all."""
    if frames is None or frames >= len(clip):
        return clip
    pts = None if clip.pts is None else clip.pts[:frames]
    return replace(clip, times=clip.times[:frames], pts=pts)


def open_clip(path: str | Path, min_seconds: float = MIN_SECONDS, need_sound: bool = True) -> Clip:
    """Open a video of any frame rate, constant or not.

    Args:
        path: a video file with a sound track.
        min_seconds: refuse what is shorter.
        need_sound: refuse clips without sound or with silent sound; else they get zeros.
    Returns:
        Clip.
    Raises:
        InputError: missing file, no video, truncated, no sound, silent, too short, no stamps.
    """
    path = Path(path)
    container = open_container(path, "video file")
    with container:
        videos = picture_tracks(container)
        if not videos:
            raise InputError(path, "is not a video (it has no picture track)", "give a video file")
        pts, height, width, step = _scan(container, videos[0], path)
        unit = float(videos[0].time_base)
        claimed_frames = videos[0].frames
        claimed_s = container.duration / av.time_base if container.duration else 0.0
        has_sound = bool(container.streams.audio)
    times = (pts - pts[0]) * unit
    fps = 1.0 / step
    duration_s = times[-1] + step

    audio, sound_end_s = np.zeros(0, np.float32), 0.0
    if has_sound:
        with open_container(path, "video file") as container:
            audio, sound_end_s = decode_audio(container, path, SR_HZ, start_s=pts[0] * unit)
    # on the container's clock, whose zero the header's length counts from
    end_s = max(pts[-1] * unit + step, sound_end_s) - min(0.0, pts[0] * unit)
    _refuse_truncated(path, len(pts), claimed_frames, end_s, claimed_s)
    if duration_s < min_seconds:
        raise InputError(
            path,
            f"is {duration_s:.1f} s long, at least {min_seconds:g} s are needed",
            "give a longer clip (8 s or more work well)",
        )
    if need_sound and audio.size == 0:
        raise InputError(path, "has no sound track", "give a clip with the speaker's sound")
    n_samples = round(duration_s * SR_HZ)
    audio = np.pad(audio[:n_samples], (0, max(0, n_samples - audio.size)))
    if need_sound:
        refuse_silence(path, audio)
    return Clip(path, sha256_of(path), times, height, width, fps, audio, SR_HZ, pts)


def _scan(container, stream, path):
    """Decode all frames for their stamps: pts (T,), height, width, median step in seconds."""
    pts = []
    height = width = None
    try:
        for frame in frames_in_order(container, stream):
            if frame.pts is None:
                raise InputError(
                    path,
                    f"frame {len(pts)} has no time stamp",
                    "convert the file to .mp4 first, e.g. ffmpeg -i in -c:v libx264 out.mp4",
                )
            if height is None:
                height, width = display_size(frame, stream)
            pts.append(frame.pts)
    except av.error.FFmpegError as error:
        raise InputError(
            path,
            f"its pictures cannot be decoded after frame {len(pts)} ({error.strerror})",
            "the file is broken or truncated; copy or export it again",
        ) from error
    if len(pts) < 2:
        raise InputError(path, f"is not a video ({len(pts)} pictures)", "give a video file")
    pts = np.array(pts, np.int64)
    return pts, height, width, float(np.median(np.diff(pts)) * stream.time_base)


def _refuse_truncated(path, n_frames, claimed_frames, end_s, claimed_s):
    """Compare what was decoded with what the file's header promises."""
    missing_frames = claimed_frames - n_frames
    missing_s = claimed_s - end_s
    if missing_frames > max(5, 0.03 * claimed_frames) or missing_s > max(0.5, 0.05 * claimed_s):
        raise InputError(
            path,
            f"is truncated: {end_s:.1f} s ({n_frames} frames) can be read of {claimed_s:.1f} s",
            "copy or download the file again, or export the part that is whole",
        )
