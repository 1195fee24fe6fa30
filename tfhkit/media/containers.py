"""Files opened for FFmpeg by their exact name, with the fault in one line where that fails."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
from av.container import InputContainer

from tfhkit.errors import InputError

LISTS = ("hls", "concat", "dash")  # formats that name files, which a hash would not cover
STILL_SHARE = 0.1  # of the fullest picture track's frames; a track with fewer is no video
COUNTED_FRAMES = 250  # of the fullest track, where the header does not say how many there are


def ffmpeg_name(path: str | Path) -> str:
    """The name under which FFmpeg opens just this file.

    FFmpeg takes what stands before a colon for a protocol, as in "2024-11-14T22:57.mp4"; behind
    "file:" it reads a name as it is.

    Raises:
        InputError: a name that is not UTF-8, which FFmpeg's interface cannot pass on.
    """
    name = str(path)
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise InputError(shown, "its name is not valid UTF-8", "rename it") from error
    return f"file:{name}"


def open_container(path: Path, kind: str) -> InputContainer:
    """Open with PyAV; name the fault in one line where that fails."""
    name = ffmpeg_name(path)
    try:
        size = path.stat().st_size
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(path, "no such file", "check the path") from error
    except (OSError, ValueError) as error:  # too long, not readable, or with a null character
        said = getattr(error, "strerror", None) or error
        raise InputError(path, f"cannot be opened ({said})", "check the path") from error
    if not path.is_file():
        raise InputError(path, "is not a file", f"give a {kind}")
    if size == 0:
        raise InputError(path, f"is not a {kind} (the file is empty)", f"give a {kind}")
    try:
        container = av.open(name, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(
            path,
            f"is not a {kind} that can be read, or is broken or truncated",
            "check that it plays; copy or export it again",
        ) from error
    if container.format.name in LISTS:
        container.close()
        raise InputError(path, f"is a list of other files, not a {kind}", "join them into one file")
    return container


@dataclass(frozen=True)
class PictureTrack:
    """Which pictures of a file were taken.

    Args:
        number: of the track, from 1. count: number of picture tracks.
        names: of all tracks, such as "2 (1280 x 720)".
        reason: why this track: "the only one", "default", "no other is larger", or which ones
            before it were left.
    """

    number: int
    count: int
    names: tuple[str, ...]
    reason: str


def picture_tracks(container: InputContainer) -> list:
    """The video streams, the one to take first: the default one, else the largest.

    Tracks with hardly any frames come last. The still picture that music files carry as a track
    is left out.
    """
    cover = av.stream.Disposition.attached_pic
    tracks = [stream for stream in container.streams.video if not stream.disposition & cover]
    for stream in tracks:
        stream.thread_type = "AUTO"
    stills = _stills(container, tracks) if len(tracks) > 1 else set()
    return sorted(tracks, key=lambda stream: (stream.index in stills, *_rank(stream)))


def _stills(container, tracks):
    """Indices of the tracks with hardly any frames beside one with many."""
    counts = {stream.index: stream.frames for stream in tracks}
    if not all(counts.values()) and container.file is None:
        counts = _counted(container.name, counts)
    return {index for index, n in counts.items() if n < STILL_SHARE * max(counts.values())}


def _counted(name, indices):
    """Number of packets of each of these tracks, at the beginning of a file; index -> number."""
    counts = dict.fromkeys(indices, 0)
    with av.open(name, metadata_errors="replace") as container, suppress(av.error.FFmpegError):
        for packet in container.demux([container.streams[index] for index in indices]):
            counts[packet.stream.index] += packet.size > 0
            if max(counts.values()) >= COUNTED_FRAMES:
                break
    return counts


def taken_track(tracks: list) -> PictureTrack:
    """The first of `picture_tracks`, described."""
    taken, stored = tracks[0], sorted(tracks, key=lambda stream: stream.index)
    names = tuple(f"{n} ({one.width} x {one.height})" for n, one in enumerate(stored, 1))
    marked = _default(taken) and not all(map(_default, tracks))
    reason = "default" if marked else "no other is larger"
    reason = reason if len(tracks) > 1 else "the only one"
    left = [n for n, one in enumerate(stored, 1) if _rank(one) < _rank(taken)]
    reason = "; ".join(f"{n} has hardly any pictures" for n in left) or reason
    return PictureTrack(stored.index(taken) + 1, len(tracks), names, reason)


def _rank(stream):
    """Sorts the default track first, then the largest."""
    return not _default(stream), -stream.width * stream.height


def _default(stream):
    return bool(stream.disposition & av.stream.Disposition.default)
