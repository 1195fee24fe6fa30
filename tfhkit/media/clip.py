"""A video clip: true frame times, frames by index, and the sound on the same clock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, UInt8

from tfhkit.errors import InputError
from tfhkit.media.containers import PictureTrack, open_container, picture_tracks, taken_track
from tfhkit.media.files import sha256_of
from tfhkit.media.reader import PLAIN, Coding, FrameReader
from tfhkit.media.scan import refuse_truncated, scan
from tfhkit.media.sound import SR_HZ, decode_audio, refuse_silence
from tfhkit.media.stamps import SoundClock, find_joins, joined
from tfhkit.media.tracks import SoundTrack, choose_track

MIN_SECONDS = 4.0  # below that, nothing can be learned and held out from a clip
MIN_FPS = 8.0  # fluent speech has four syllables a second, and each opens and closes the mouth


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
        pts: (T,) int64, the frames' stamps in the file (`stamps.joined` where they jump).
        sound: the sound track that was taken and its mix; None: the file has no sound.
        coding: where the stamps jump, and how colours are coded.
        pictures: the picture track that was taken.
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
    sound: SoundTrack | None = None
    coding: Coding = PLAIN
    pictures: PictureTrack | None = None

    def __len__(self) -> int:
        return len(self.times)

    @property
    def duration_s(self) -> float:
        """From the first frame's start to the last frame's end."""
        return float(self.times[-1] + 1.0 / self.fps)

    @property
    def asked_track(self) -> int | None:
        """The number of the sound track that was asked for; None where it was chosen."""
        return self.sound.number if self.sound and self.sound.asked else None

    def reader(self, cache: int = 8) -> FrameReader:
        """Random access: `with clip.reader() as frames: frames[i]` gives (H, W, 3) uint8 RGB."""
        assert self.pts is not None, "`open_clip` gives them"
        return FrameReader(self.path, self.pts, self.height, self.width, cache, self.coding)

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
    """The first so many frames of a Clip with the sound until their end; None takes all."""
    if frames is None or frames >= len(clip):
        return clip
    pts = None if clip.pts is None else clip.pts[:frames]
    heard = clip.audio[: round(clip.times[frames] * clip.sr_hz)]
    return replace(clip, times=clip.times[:frames], pts=pts, audio=heard)


def open_clip(
    path: str | Path, min_seconds: float = MIN_SECONDS, need_sound: bool = True,
    audio_track: int | None = None,
) -> Clip:  # fmt: skip
    """Open a video of any frame rate, constant or not.

    Args:
        path: a video file with a sound track.
        min_seconds: refuse what is shorter.
        need_sound: refuse clips in which no speech can be heard and seen: without sound or with
            silent sound (else they get zeros), or with fewer than MIN_FPS frames per second.
        audio_track: number of the sound track, from 1; None takes the default one, or one with
            speech.
    Returns:
        Clip.
    Raises:
        InputError: missing file, no video, truncated, no sound, silent, too short, no stamps,
            stamps that jump without reason, too few frames per second, colours that would come
            out wrong.
    """
    path = Path(path)
    with open_container(path, "video file") as container:
        videos = picture_tracks(container)
        if not videos:
            raise InputError(path, "is not a video (it has no picture track)", "give a video file")
        if container.format.name == "webp_pipe":
            remedy = "convert an animated one, e.g. magick in.webp out.mp4"
            raise InputError(path, "is a WebP picture, not a video", remedy)
        pictures, found = taken_track(videos), scan(container, videos[0], path)
        has_sound = bool(container.streams.audio)
    if audio_track is not None and not has_sound:
        raise InputError(path, "has no sound track", "leave out the track's number")
    survey, track = choose_track(path, audio_track) if has_sound else (None, None)
    joins = find_joins(path, found.stamps, found.unit_s, survey.spans if survey else [])
    pts = joined(found.stamps, joins)
    times = (pts - pts[0]) * found.unit_s
    duration_s = times[-1] + found.step_s
    if not joins:
        refuse_truncated(path, found)
    if duration_s < min_seconds:
        raise InputError(
            path,
            f"is {duration_s:.1f} s long, at least {min_seconds:g} s are needed",
            "give a longer clip (8 s or more work well)",
        )
    if need_sound and 1.0 / found.step_s < MIN_FPS:
        fault = f"shows {1.0 / found.step_s:.1f} frames per second, too few to see speech"
        raise InputError(path, fault, f"give a clip with {MIN_FPS:g} or more (25 work well)")
    n_samples = round(duration_s * SR_HZ)
    audio = _sound_of(path, survey, found, pts, joins) if survey else np.zeros(0, np.float32)
    if need_sound and audio.size == 0:
        raise InputError(path, "has no sound track", "give a clip with the speaker's sound")
    audio = np.pad(audio[:n_samples], (0, max(0, n_samples - audio.size)))
    if need_sound:
        refuse_silence(path, audio)
    coding = Coding(joins, found.colours, found.woven)
    size = found.height, found.width, 1.0 / found.step_s
    return Clip(path, sha256_of(path), times, *size, audio, SR_HZ, pts, track, coding, pictures)


def _sound_of(path, survey, found, pts, joins):
    """The samples from the first frame on; those that end up outside of the pictures refused."""
    start_s, end_s = pts[0] * found.unit_s, pts[-1] * found.unit_s + found.step_s
    shifts_s = tuple(join.shift * found.unit_s for join in joins)
    begins_s = survey.spans[0].start_s if survey.spans else start_s
    if begins_s >= end_s:
        fault = f"its sound begins at {begins_s - start_s:.1f} s, after the end of its pictures"
        raise InputError(path, fault, "shift the sound, e.g. ffmpeg -itsoffset -SECONDS -i in ...")
    clock = SoundClock(path, shifts_s, end_s)
    return decode_audio(path, survey, SR_HZ, clock, start_s)[0]
