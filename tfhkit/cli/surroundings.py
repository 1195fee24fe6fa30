"""What the kit needs of a process's environment, put right where it is missing."""

import os
import stat
import sys
import tempfile
from argparse import Namespace
from pathlib import Path

from tfhkit.errors import InputError, TfhkitError

CACHES = ("TFHKIT_CACHE", Path(".cache") / "tfhkit")  # as in `assets.cache_dir`


def provide_streams() -> None:
    """Send what is printed to the null device, where the shell has closed a stream (`2>&-`).

    Otherwise a file that is opened later gets the stream's number, and with it all that libraries
    and other processes print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it has the lowest free one
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))


def check_folder() -> None:
    """Refuse a current folder that was deleted: libraries that look for it fail one by one.

    Raises:
        TfhkitError: it no longer exists.
    """
    try:
        os.getcwd()
    except FileNotFoundError:
        fault = "the current folder no longer exists; cd to another one"
        raise TfhkitError(fault) from None


def expand_home(options: Namespace) -> None:
    """Replace "~" and "~user" at the start of the arguments, which a shell leaves in quotes.

    Args:
        options: the arguments of a command, changed in place.
    Raises:
        InputError: there is no such user, and no file of that very name.
    """
    for name, value in vars(options).items():
        if isinstance(value, str):
            setattr(options, name, _expanded(value))
        elif isinstance(value, list):
            setattr(options, name, [_expanded(v) if isinstance(v, str) else v for v in value])


def _expanded(text):
    path = os.path.expanduser(text)
    if not path.startswith("~"):
        return path
    if os.path.lexists(path):
        return os.path.abspath(path)
    user = path[1:].split("/")[0]
    raise InputError(text, f"there is no user {user} on this machine", "give a full path")


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
