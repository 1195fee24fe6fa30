"""Files that are written whole or not at all, and their hashes."""

import errno
import hashlib
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tfhkit.errors import InputError
from tfhkit.media.containers import ffmpeg_name

# A disk that is full or over its quota, a file over its limit, a disk that fails or became
# read-only: said in one line, wherever it happens while a file is written.
_DISK_FAULTS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Give a temporary path next to `path`; rename it on success, remove it on failure.

    The temporary name has the same suffix (NumPy and the video muxer look at it) and lies in
    the same folder (a rename across file systems would not be atomic). It is short: a name as long
    as a file system allows leaves no room for more. Missing folders are made, and removed again on
    failure.

    Args:
        path: the file to write.
    Yields:
        Path to write to.
    Raises:
        InputError: the folder cannot be made or written, or its disk is full.
    """
    path = Path(path)
    temporary = path.with_name(f".tfhkit-{uuid.uuid4().hex[:8]}{path.suffix}")
    made = [folder for folder in path.parents if not folder.exists()]
    written = False
    try:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.touch()
        except (OSError, ValueError) as error:  # ValueError: a null character in the name
            raise InputError(
                path,
                f"cannot be written ({getattr(error, 'strerror', None) or error})",
                "choose an output folder that you may write to",
            ) from error
        mode = temporary.stat().st_mode
        yield temporary
        temporary.chmod(mode)  # some libraries write files that only their owner may read
        os.replace(temporary, path)
        written = True
    except Exception as error:
        reason = disk_fault(error)
        if reason is None:
            raise
        remedy = "free some space, or choose another disk, and run it again"
        raise InputError(path, f"cannot be written ({reason})", remedy) from error
    finally:
        with suppress(OSError):  # its name may be too long for the disk
            temporary.unlink(missing_ok=True)
        with suppress(OSError):  # somebody else may have put something there
            for folder in () if written else made:
                folder.rmdir()


def disk_fault(error: Exception) -> str | None:
    """What the disk did, such as "No space left on device", for an error of a disk, else None.

    safetensors raises an error of its own, with the system's text and number in it.
    """
    number = error.errno if isinstance(error, OSError) else None
    found = re.search(r"\(os error (\d+)\)", str(error))
    number = int(found[1]) if found else number
    return os.strerror(number) if number in _DISK_FAULTS else None


def check_writable(path: str | Path, *suffixes: str, **inputs: str | Path | None) -> Path:
    """A path that a long computation will write to, tried before it begins.

    Args:
        path: the file to write. suffixes: those that it may have, such as ".mp4".
        inputs: what a file is for the computation -> the file, which must not be overwritten.
    Returns:
        Path.
    Raises:
        InputError: another suffix, an input, a folder, a name that the file system or FFmpeg does
            not take, or a folder that cannot be written to. What was made for the try is removed.
    """
    path, named = Path(path).expanduser(), " or ".join(suffixes)
    ffmpeg_name(path)
    if path.suffix.lower() not in suffixes:
        raise InputError(path, f"is not named {named}", f"name a file that ends in {named}")
    for what, given in inputs.items():
        if given is not None and _is_same(path, given):
            raise InputError(path, f"is the {what} itself", "name another output")
    try:
        with atomic_path(path):
            _try_name(path, named)
            raise _Tried
    except _Tried:
        return path


def _is_same(first, second):
    return all(map(os.path.exists, (first, second))) and os.path.samefile(first, second)


def _try_name(path, named):
    """Refuse a folder, and a name that the disk does not take; the temporary one is shorter."""
    try:
        if path.is_dir():
            raise InputError(path, "is a folder", f"name a file that ends in {named}")
        if not path.exists():
            path.touch()
            path.unlink()
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise InputError(path, f"cannot be written ({said})", "choose another name") from error


class _Tried(Exception):
    """Ends the try of `check_writable`, so that nothing is renamed and nothing stays."""


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
