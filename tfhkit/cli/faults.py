"""What the system says of a file that it does not read or write, as one line for the user."""

import errno
import os
from pathlib import Path

MOST_SHOWN = 60  # characters of a name that is too long
MOST_BYTES = 255  # of one name in a path, on nearly every file system
REFUSED = {
    errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.EIO, errno.EROFS,
    errno.ENOSPC, errno.EDQUOT, errno.EFBIG,
}  # fmt: skip


def file_fault(error: Exception) -> str | None:
    """One line for an error that the system raised about a file that the user named.

    Args:
        error: any exception.
    Returns:
        The file, the fault and the remedy; None for any other error. A missing file is one of
        those: each command says itself what it looked for.
    """
    if not isinstance(error, OSError) or not isinstance(error.filename, (str, Path)):
        return None
    if error.errno == errno.ENAMETOOLONG:
        return _too_long(str(error.filename))
    if error.errno in REFUSED:
        said = f"cannot be read or written ({os.strerror(error.errno)})"
        return f"{error.filename}: {said}; check the path, its permissions and the disk"
    return None


def _too_long(path):
    """The line for a path with a name that is too long, or that is too long as a whole."""
    longest = max(Path(path).parts, key=lambda part: len(os.fsencode(part)))
    is_name = len(os.fsencode(longest)) > MOST_BYTES
    what, shown = ("name", longest) if is_name else ("path", path)
    short = shown if len(shown) <= MOST_SHOWN else f"{shown[: MOST_SHOWN - 3]}..."
    return f"{short}: the {what} is too long; give a shorter one"
