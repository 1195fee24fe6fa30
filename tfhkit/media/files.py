"""Files that are written whole or not at all, and their hashes."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tfhkit.errors import InputError
from tfhkit.media.containers import ffmpeg_name


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path next to `path`; rename it on success, remove it on failure.

    The temporary name has the same suffix (NumPy and the video muxer look at it) and lies in
    the same folder (a rename across file systems would not be atomic). It is short: a name as long
    as a file system allows leaves no room for more. Missing folders are made.

    Args:
        path: the file to write.
    Yields:
        Path to write to.
    Raises:
        InputError: the folder cannot be made or written.
    """
    path = Path(path)
    temporary = path.with_name(f".tfhkit-{uuid.uuid4().hex[:8]}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise InputError(
            path,
            f"cannot be written ({getattr(error, 'strerror', None) or error})",
            "choose an output folder that you may write to",
        ) from error
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(path: str | Path, suffix: str) -> Path:
    """A path that a long computation will write to, tried before it begins.

    Args:
        path: the file to write. suffix: the one that it must have, such as ".mp4".
    Returns:
        Path.
    Raises:
        InputError: another suffix, a folder, a name that the file system or FFmpeg does not take,
            or a folder that cannot be written to.
    """
    path = Path(path).expanduser()
    ffmpeg_name(path)
    if path.suffix.lower() != suffix:
        raise InputError(path, f"is not named {suffix}", f"name a file that ends in {suffix}")
    try:
        there = path.stat() is not None
    except (FileNotFoundError, NotADirectoryError):
        there = False
    except (OSError, ValueError) as error:  # a name that is too long
        said = getattr(error, "strerror", None) or error
        raise InputError(path, f"cannot be written ({said})", "choose another name") from error
    if path.is_dir():
        raise InputError(path, "is a folder", f"name a file that ends in {suffix}")
    probe = path.with_name(f".tfhkit-{uuid.uuid4().hex[:8]}") if there else path
    try:
        with atomic_path(probe):
            pass
    except InputError as error:
        raise InputError(path, error.fault, error.remedy) from error
    probe.unlink()
    return path


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file as 64 hexadecimal digits.

    Raises:
        InputError: there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no such file", "check the path")
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
