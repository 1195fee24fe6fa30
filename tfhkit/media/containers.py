"""Files opened for FFmpeg by their exact name, with the fault in one line where that fails."""

import os
from pathlib import Path

import av
from av.container import InputContainer

from tfhkit.errors import InputError


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
        return av.open(name, metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(
            path,
            f"is not a {kind} that can be read, or is broken or truncated",
            "check that it plays; copy or export it again",
        ) from error


def picture_tracks(container: InputContainer) -> list:
    """The video streams, without the still picture that music files carry as one."""
    cover = av.stream.Disposition.attached_pic
    tracks = [stream for stream in container.streams.video if not stream.disposition & cover]
    for stream in tracks:
        stream.thread_type = "AUTO"
    return tracks
