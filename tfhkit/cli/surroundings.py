"""What the kit needs of a process's environment, put right where it is missing."""

import os
import stat
import sys
import tempfile
from pathlib import Path

CACHES = ("TFHKIT_CACHE", Path(".cache") / "tfhkit")  # as in `assets.cache_dir`


def restart_in_utf8(arguments: list[str]) -> None:
    """Start this command again in Python's UTF-8 mode, where its locale knows only ASCII.

    Otherwise a file whose name has an accent could be found but neither named nor written down.
    Does not return if it starts again; the process stays the same.

    Args:
        arguments: those of the command `tfhkit`.
    """
    if sys.getfilesystemencoding().lower() not in ("utf-8", "utf8"):
        os.environ["PYTHONUTF8"] = "1"  # for kernels and other processes below this one
        module = [sys.executable, "-X", "utf8", "-m", "tfhkit.cli"]
        os.execv(sys.executable, [*module, *arguments])


def provide_home() -> None:
    """Name a private temporary folder as HOME, where there is no home or it is read-only.

    Jupyter, IPython, matplotlib and numba write there. What was fetched into the cache of a
    read-only home is still read.
    """
    try:
        home = Path.home()
    except RuntimeError:  # no HOME, and the user has no entry in the system's list
        home = Path(os.devnull)
    if home.is_dir() and os.access(home, os.W_OK | os.X_OK):
        return
    variable, place = CACHES
    if (home / place).is_dir():
        os.environ.setdefault(variable, str(home / place))
    os.environ["HOME"] = str(private_folder())


def private_folder() -> Path:
    """A temporary folder of this user, the same one each time, that others cannot read."""
    path = Path(tempfile.gettempdir()) / f"tfhkit-home-{os.getuid()}"
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
            return path
    except OSError:
        pass
    return Path(tempfile.mkdtemp(prefix="tfhkit-home-"))  # somebody else made that name
