"""Tiny videos for pages: films cut, put on one clock, made small, and encoded in memory."""

import io
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.errors import InputError, ShapeError, check_shape
from tfhkit.media import (
    SR_HZ,
    SYNTHETIC_COMMENT,
    draw_mark,
    ffmpeg_name,
    jpeg_bytes,
    open_clip,
    video_metadata,
    write_video,
)

# what a notebook gives as a film, see `film_from`; anything else is refused in words
GivenFilm = str | Path | Sequence[Any] | np.ndarray
SOUND_BITS = 48_000  # bits a second; half of those in a result
QUALITIES = (23, 26, 29, 32)  # x264's CRF, tried in this order until the clips are small enough
SIZES = (1.0, 0.85, 0.7, 0.5)  # shares of the height; all qualities are tried at each
RECORDED_COMMENT = "Made smaller by tfhkit; otherwise as recorded."
SAME_MOMENT_S = 5e-4
LEGIBLE = 0.69  # a mark that shrinks further is drawn again
POSTER_QUALITY = 75


@dataclass(frozen=True)
class Film:
    """Pictures on a clock, with or without sound.

    Args:
        frames: RGB, two or more.
        times: seconds, increasing; the first is 0.
        audio: mono in [-1, 1], 16 kHz, sample 0 at the first frame; None is no sound.
        synthetic: whether the kit made it; then it carries the mark.
        mark: size of the mark in the frames, as a share of the size that `draw_mark` gives it; 0 is
            no mark.
    """

    frames: UInt8[np.ndarray, "T H W 3"]
    times: Float[np.ndarray, "T"]
    audio: Float[np.ndarray, "N"] | None = None
    synthetic: bool = True
    mark: float = 0.0

    @property
    def end_s(self) -> float:
        """When the last frame ends."""
        return float(self.times[-1] + np.median(np.diff(self.times)))


@dataclass(frozen=True)
class Embedded:
    """A film as a page carries it.

    Args:
        title: its caption.
        video: an MP4 file (H.264, AAC).
        poster: its first frame, a JPEG file.
        height, width: size of the video, px.
        sound: whether it has sound.
        shown_px: its width on a page; more than `width` if the video had to become small.
    """

    title: str
    video: bytes
    poster: bytes
    height: int
    width: int
    sound: bool
    shown_px: int


def film_from(
    given: GivenFilm,
    title: str,
    recorded: bool = False,
    seconds: float | None = None,
    height_px: int | None = None,
) -> Film:
    """Read what a notebook gives as a film.

    Args:
        given: path of a video, or (path, start in seconds), or (frames, times or frames per
            second), or (frames, times or frames per second, audio). Frames are (T, H, W, 3) uint8.
        title: what it is called in messages.
        recorded: whether the given frames are a recording, which gets no mark. For a file the
            metadata say whether the kit made it.
        seconds: length that is kept; None keeps all.
        height_px: height to which a file's frames are reduced while they are read.
    Raises:
        InputError: no such file, not a video, fewer than two frames, or not a film at all.
        ShapeError: frames, times and audio that do not fit each other.
    """
    if isinstance(given, (str, Path)):
        given = (given, 0.0)
    if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
        fault = f"film {title!r} is {type(given).__name__}"
        raise InputError("play", fault, "give a path, or (frames, times or fps[, audio])")
    if isinstance(given[0], (str, Path)):
        return _film_of_file(Path(given[0]), given[1], seconds, height_px)
    frames, times, audio = (*given, None)[:3]
    frames = np.asarray(frames)
    check_shape(title, frames, ("T", "H", "W", 3))
    if frames.dtype != np.uint8:
        raise ShapeError(f"{title}: expected frames of uint8, got {frames.dtype}")
    if np.ndim(times) == 0:
        times = np.arange(len(frames)) / times
    times = np.asarray(times, np.float64)
    check_shape(f"{title}, times", times, (len(frames),))
    if audio is not None:
        audio = np.asarray(audio)
        check_shape(f"{title}, audio", audio, ("N",))
    if (np.diff(times) <= 0).any():
        raise ShapeError(f"{title}: times must increase from frame to frame")
    kept = _first_seconds(times, seconds, title)
    return Film(frames[kept], times[kept] - times[0], audio, synthetic=not recorded)


def _film_of_file(path, start_s, seconds, height_px):
    clip = open_clip(path, min_seconds=0, need_sound=False)
    start = int(np.searchsorted(clip.times, start_s - SAME_MOMENT_S))
    kept = _first_seconds(clip.times[start:], seconds, path)
    size = _size(clip.height, clip.width, height_px or clip.height)
    frames = [_resized(f, size) for f in clip.iter_frames(start, start + kept.stop)]
    times = clip.times[start : start + kept.stop]
    audio = clip.audio[round(SR_HZ * times[0]) :] if clip.audio.any() else None
    synthetic = video_metadata(path).get("comment") == SYNTHETIC_COMMENT
    mark = synthetic * size[1] / clip.height  # it shrinks with the picture
    return Film(np.stack(frames), times - times[0], audio, synthetic, mark)


def _size(height, width, height_px):
    """(width, height), both even, at most `height_px` high."""
    scale = min(1.0, height_px / height)
    return tuple(max(2, 2 * round(scale * side / 2)) for side in (width, height))


def _resized(frame, size):
    if frame.shape[1::-1] == size:
        return frame
    return cv2.resize(frame, size, interpolation=cv2.INTER_AREA)


def _first_seconds(times, seconds, title):
    count = len(times) if seconds is None else int((times - times[:1] < seconds).sum())
    if count < 2:
        raise InputError(
            title, f"has {count} frame{'s' * (count != 1)} to show", "give two frames or more"
        )
    return slice(0, count)


def in_step(films: Sequence[Film]) -> list[Film]:
    """Put films on one clock: each moment at which one of them changes is a frame of all.

    A film that ends before the others stays on its last frame, without sound.
    """
    moments = np.sort(np.concatenate([film.times for film in films]))
    times = moments[np.append(True, np.diff(moments) > SAME_MOMENT_S)]
    together = []
    for film in films:
        on_screen = np.searchsorted(film.times, times + SAME_MOMENT_S, side="right") - 1
        audio = film.audio if film.audio is None else film.audio[: round(SR_HZ * film.end_s)]
        together.append(Film(film.frames[on_screen], times, audio, film.synthetic, film.mark))
    return together


def embed(films: Mapping[str, Film], height_px: int, max_bytes: float) -> list[Embedded]:
    """Encode films that are in step, so that together they are small enough.

    Args:
        films: films by title.
        height_px: taller films are made smaller, no film larger.
        max_bytes: limit of all videos and posters together.
    Raises:
        InputError: they do not fit even at the lowest quality.
    """
    shown = {
        title: _size(film.frames.shape[1], film.frames.shape[2], height_px)[0]
        for title, film in films.items()
    }
    for share in SIZES:
        small = {title: _smaller(film, share * height_px) for title, film in films.items()}
        for quality in QUALITIES:
            clips = [_encode(title, film, quality, shown[title]) for title, film in small.items()]
            size = sum(len(clip.video) + len(clip.poster) for clip in clips)
            if size <= max_bytes:
                return clips
    fault = f"the videos take {size / 1000:.0f} kB at the coarsest, and have {max_bytes / 1000:.0f}"
    raise InputError("play", fault, "show fewer seconds or films, or raise max_kb")


def _smaller(film, height_px):
    """A film of at most this height and with even sides; what the kit made carries its mark."""
    height, width = film.frames.shape[1:3]
    size = _size(height, width, height_px)
    frames, mark = [_resized(frame, size) for frame in film.frames], film.mark * size[1] / height
    if film.synthetic and mark < LEGIBLE:
        if mark:
            frames = [_wipe_corner(frame) for frame in frames]
        frames, mark = [draw_mark(frame) for frame in frames], 1.0
    return Film(np.stack(frames), film.times, film.audio, film.synthetic, mark)


def _wipe_corner(frame):
    """A copy in which the old mark, too small to read, is blurred; the new one is drawn over it."""
    frame = frame.copy()
    corner = frame[-20:, -84:]
    corner[:] = cv2.blur(corner, (31, 15))
    return frame


def _encode(title, film, quality, shown_px):
    """An Embedded of a film, written by the kit's writer at this CRF."""
    comment = SYNTHETIC_COMMENT if film.synthetic else RECORDED_COMMENT
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        write_video(path, film.frames, film.times, visible_mark=False, comment=comment,
                    quality=quality)  # fmt: skip
        video = _with_sound(path, film, comment)
    poster = jpeg_bytes(film.frames[0], quality=POSTER_QUALITY)
    sides = film.frames.shape[1:3]
    return Embedded(title, video, poster, *sides, film.audio is not None, shown_px)


def _with_sound(path, film, comment):
    """Bytes of a silent MP4 file with the film's sound added, coarser than in a result."""
    if film.audio is None:
        return path.read_bytes()
    file = io.BytesIO()
    n_samples = round(SR_HZ * film.end_s)
    audio = np.clip(np.asarray(film.audio[:n_samples], np.float32), -1, 1)
    audio = np.pad(audio, (0, n_samples - len(audio)))
    with av.open(ffmpeg_name(path)) as silent, av.open(file, "w", format="mp4") as out:
        out.metadata.update({"comment": comment})
        video = out.add_stream_from_template(silent.streams.video[0])
        sound = out.add_stream("aac", rate=SR_HZ, layout="mono")
        sound.bit_rate = SOUND_BITS
        for packet in silent.demux(silent.streams.video[0]):
            if packet.dts is not None:
                packet.stream = video
                out.mux(packet)
        block = av.AudioFrame.from_ndarray(audio[None], format="fltp", layout="mono")
        block.sample_rate, block.pts, block.time_base = SR_HZ, 0, Fraction(1, SR_HZ)
        out.mux(sound.encode(block))
        out.mux(sound.encode())
    return file.getvalue()
