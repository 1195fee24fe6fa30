"""One process at a time writes into a folder: locks that end with the process that holds them.

A lock is the kernel's (`flock`), so one that a killed process held is free at once, and so it is
on NFS, whose server frees the locks of a machine that is gone. Two cases need more: a disk that
knows no locks, and one whose locks do not reach other machines. There the holder gives a sign of
life, a new time on its lock file, and who wants the folder waits for the next sign.
"""

import atexit
import contextlib
import errno
import fcntl
import json
import os
import re
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError

LOCK = ".lock"
HELD = "TFHKIT_HELD"  # for processes that the holder starts: {folder: token} as JSON
BEAT_S, WATCH_S = 2.0, 9.0  # a sign of life, and how long one is waited for
ORPHANS_S = 8.0  # a killed holder's kernels notice it and end within this time
GLANCE_S = 0.3  # somebody may only look whether the lock is held
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL}
_LEFTOVER = re.compile(r"\.(tfhkit-|.+\.)[0-9a-f]{8}(\.\w+)?")  # see `atomic_path` and `Watch`
_mine: dict[Path, bool] = {}  # folders of this process, and whether it was the first

Holder = dict[str, Any]  # since: Unix time
_HOLDER = {"token": str, "pid": int, "machine": str, "host": str, "doing": str, "since": float}


def try_lock(path: str | Path, shared: bool = False) -> int | None:
    """Lock a file, which is made: its descriptor, or None if another process holds it.

    The lock ends when the descriptor is closed, here and in processes that inherited it.

    Raises:
        OSError: the file cannot be made, or its disk knows no locks.
    """
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    except OSError:
        os.close(file)
        raise
    return file


@contextlib.contextmanager
def hold(folder: str | Path, doing: str) -> Iterator[None]:
    """Keep a folder, which is made, for this process and those that it starts, in this block.

    Args:
        folder: the folder; one that this process or one above it holds is free to it.
        doing: who holds it, for the message to others: "tfhkit run".
    Raises:
        InputError: another process holds it, or it cannot be written.
    """
    place = _resolved(folder)
    if place in _mine:
        yield
        return
    made: list[Path] = []
    try:
        if place.is_file():
            raise InputError(folder, "is a file", "name a directory")
        made = [path for path in (place, *place.parents) if not path.exists()]
        place.mkdir(parents=True, exist_ok=True)
        joined = _join(place)
        file, token = joined or _take(folder, place, doing)
    except OSError as error:
        _remove_empty(made)
        fault = f"cannot be written ({error.strerror or error})"
        raise InputError(folder, fault, "choose a folder that you may write to") from None
    os.environ[HELD] = json.dumps({**_held_above(), str(place): token})
    _mine[place] = joined is None
    stop = threading.Event()
    if joined is None:
        threading.Thread(target=_live, args=(place / LOCK, stop), daemon=True).start()
    try:
        yield
    finally:
        stop.set()
        del _mine[place]
        if joined is None:
            rest = {name: token for name, token in _held_above().items() if name != str(place)}
            os.environ[HELD] = json.dumps(rest)
            _forget(place / LOCK, file)
            _remove_empty(made)
        os.close(file)


def hold_until_exit(folder: str | Path, doing: str) -> None:
    """`hold` a folder for as long as this process lives."""
    if _resolved(folder) not in _mine:
        stack = contextlib.ExitStack()
        stack.enter_context(hold(folder, doing))
        atexit.register(stack.close)


def check_free(folder: str | Path) -> None:
    """Raise if a process that lives holds a folder, and neither is nor started this process.

    Raises:
        InputError: says which one.
    """
    place = _resolved(folder)
    holder = _holder(place / LOCK)
    if holder is None or place in _mine or not _lives(holder):
        return
    if _held_above().get(str(place)) == holder["token"]:
        return
    with contextlib.suppress(OSError):
        file = _locked(place / LOCK, GLANCE_S)
        if file is None:
            raise _refusal(folder, holder)
        os.close(file)


def remove_leftovers(folder: str | Path, files: Iterable[Path]) -> None:
    """Remove the temporary files that killed processes left (see `atomic_path`).

    Args:
        folder: a folder that is held; nothing is done unless this process is the first to hold it.
        files: files below it; those that are not temporary stay.
    """
    if _mine[Path(folder).resolve()]:
        for path in files:
            if _LEFTOVER.fullmatch(path.name) and path.is_file():
                path.unlink(missing_ok=True)


def end_with_parent() -> None:
    """Interrupt this process when the one that started it is gone: nobody waits for it then."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=watch, daemon=True).start()


def _resolved(folder: str | Path) -> Path:
    """A folder's absolute path without symbolic links."""
    try:
        return Path(folder).resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        remedy = "check its symbolic links, or name another folder"
        raise InputError(folder, f"cannot be followed ({error})", remedy) from None


def _take(folder: str | Path, place: Path, doing: str) -> tuple[int, str]:
    """Take a folder's lock: its descriptor and token."""
    path = place / LOCK
    try:
        file = _locked(path, ORPHANS_S)
        known = True
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        file, known = os.open(path, os.O_RDWR | os.O_CREAT, 0o644), False
    if file is None:
        raise _refusal(folder, _holder(path))
    try:
        before = _holder(path)
        far = before is not None and before["machine"] != _machine()
        if before is not None and (far or not known) and _gives_sign(path):
            raise _refusal(folder, before)
        token = uuid.uuid4().hex
        mine = {"token": token, "pid": os.getpid(), "machine": _machine(),
                "host": socket.gethostname(), "doing": doing, "since": time.time()}  # fmt: skip
        os.ftruncate(file, 0)
        os.pwrite(file, json.dumps(mine).encode(), 0)
        if known:  # shared from here on, with the processes that this one starts
            fcntl.flock(file, fcntl.LOCK_SH)
        else:
            time.sleep(GLANCE_S)
        holder = _holder(path)
        if holder is None or holder["token"] != token:  # two at once: the later one has it
            raise _refusal(folder, holder)
    except BaseException as error:
        if not isinstance(error, InputError):  # a full disk: nobody has it
            _forget(path, file)
        os.close(file)
        raise
    return file, token


def _locked(path: Path, orphans_s: float) -> int | None:
    """The exclusively locked file, or None if a process holds it.

    Processes that outlived a killed holder are waited for.
    """
    began = time.monotonic()
    while True:
        file = try_lock(path)
        if file is not None:
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.stat(path), os.fstat(file)):
                    return file
            os.close(file)  # its holder removed it meanwhile
            continue
        if time.monotonic() - began > (GLANCE_S if _lives(_holder(path)) else orphans_s):
            return None
        time.sleep(0.05)


def _join(place: Path) -> tuple[int, str] | None:
    """Share a folder that a process above this one holds: the descriptor and token; else None."""
    token = _held_above().get(str(place))
    path = place / LOCK
    holder = _holder(path) if token else None
    if token is None or holder is None or holder["token"] != token:
        return None
    try:
        file = try_lock(path, shared=True)
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        file = os.open(path, os.O_RDWR)
    return None if file is None else (file, token)


def _held_above() -> dict[str, str]:
    """Folders that processes above this one hold, with their tokens."""
    try:
        held = json.loads(os.environ.get(HELD) or "{}")
    except ValueError:
        return {}
    pairs = held.items() if isinstance(held, dict) else ()
    return {name: token for name, token in pairs if isinstance(token, str)}


def _holder(path: Path) -> Holder | None:
    """Who wrote a lock file; None if it is empty or gone, or says something else."""
    try:
        holder = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    known = isinstance(holder, dict) and all(
        isinstance(holder.get(name), kind) for name, kind in _HOLDER.items()
    )
    return holder if known else None


def _lives(holder: Holder | None) -> bool:
    """Whether a holder's process is there, as far as this machine knows."""
    if holder is None or holder["machine"] != _machine():
        return True
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _machine() -> str:
    """A name of the running kernel, which containers share and a restart changes."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return socket.gethostname()


def _gives_sign(path: Path) -> bool:
    """Whether the holder of a lock file touches it within the time of some beats."""
    until = time.monotonic() + WATCH_S
    first = _touched(path)
    while time.monotonic() < until:
        time.sleep(0.2)
        if _touched(path) != first:
            return True
    return False


def _touched(path: Path) -> int:
    """Time of the last change; the file is opened, as NFS then asks its server."""
    with open(path, "rb") as file:
        return os.fstat(file.fileno()).st_mtime_ns


def _live(path: Path, stop: threading.Event) -> None:
    """Give signs of life until the folder is released."""
    while not stop.wait(BEAT_S):
        with contextlib.suppress(OSError):
            os.utime(path)


def _refusal(folder: str | Path, holder: Holder | None) -> InputError:
    if holder is None:
        return InputError(folder, "is in use by another process", "wait for it, or name another")
    since = time.strftime("%H:%M", time.localtime(holder["since"]))
    by = f"{holder['doing']} (process {holder['pid']} on {holder['host']}, since {since})"
    return InputError(folder, f"is in use by {by}", "wait for it, or name another folder")


def _forget(path: Path, file: int) -> None:
    """Remove a lock file, if it is still the one that was locked."""
    with contextlib.suppress(OSError):
        if os.path.samestat(os.stat(path), os.fstat(file)):
            path.unlink()


def _remove_empty(folders: list[Path]) -> None:
    """Remove folders that were made, innermost first, as far as they are empty."""
    with contextlib.suppress(OSError):
        for folder in folders:
            folder.rmdir()
