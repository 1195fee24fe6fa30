"""A run of the series in the background; it outlives the notebook or page that started it.

There is one job at a time for all notebooks and pages of the kit. The job's process holds a lock
on `runs/.job.lock` for as long as it lives, so that nobody has to guess from a process number
whether it still runs; `runs/.job.json` describes the job.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError, ParameterError
from tfhkit.media import atomic_path
from tfhkit.media.locks import HELD, check_free, try_lock
from tfhkit.pipeline import places
from tfhkit.pipeline.owner import check_owner
from tfhkit.pipeline.progress import counted, in_words
from tfhkit.pipeline.step import resolve
from tfhkit.pipeline.watch import last_line
from tfhkit.profiles import settings_of

LOCK, RECORD = ".job.lock", ".job.json"
PROGRESS, LOG = "progress.jsonl", "run.log"  # in the run directory
NEEDED_MB = 500  # free space on the disk before a run begins
_PATIENCE_S = (15.0, 5.0)  # after an interrupt, and after a request to end
_HIDDEN = ("JPY_", "VOILA_", "TFHKIT_LIVE", "TFHKIT_PROGRESS", "MPLBACKEND", "SCRIPT_NAME",
           HELD)  # fmt: skip
# kept, so that Python does not warn about processes that still run
_children: list[subprocess.Popen] = []

Record = dict[str, Any]  # see `job_state`


def runs_dir() -> Path:
    """The folder of the run directories: TFHKIT_RUNS, else `runs/` of the kit."""
    return Path(os.environ.get("TFHKIT_RUNS") or places.base_dir() / "runs")


def suggest_name(clip: Path | str, speech: Path | str = "sentence") -> str:
    """A name for the run of a clip and a voice, made of their files' names."""
    parts = [Path(str(given)).stem for given in (clip, speech) if given != "sentence"]
    parts = [re.sub(r"-[0-9a-f]{8}$", "", part) for part in parts]  # what makes uploads unique
    words = re.sub(r"[^a-z0-9]+", "-", "-".join(parts).lower()).strip("-")
    return words[:40].strip("-") or "run"


def check_name(name: str | None) -> None:
    """Raise for a name that cannot be a run's.

    Raises:
        ParameterError: other characters than letters, digits, - and _, or a reserved name.
    """
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,59}", name or ""):
        fault = f"{name!r} is not one" if name else "is empty"
        raise ParameterError("name", fault, "use up to 60 letters, digits, - and _")
    if name in places.RESERVED:
        raise ParameterError("name", f"{name!r} is the folder of uploads", "choose another one")


def start_job(
    name: str, clip: Path | str = "sample", speech: Path | str = "sentence", profile: str = "quick"
) -> None:
    """Start `tfhkit run` in a process of its own that nobody waits for.

    Args:
        name: name of the run directory in `runs/`; steps that it holds already are kept.
        clip, speech, profile: as in `RunInputs`.
    Raises:
        ParameterError: the name cannot be used, or the profile is unknown.
        InputError: another job is at work, a file is missing, the folder belongs to another clip or
            another process uses it, or its disk is full.
    """
    check_name(name)
    settings_of(profile)
    for what, given in (("clip", clip), ("speech", speech)):
        if given not in ("sample", "sentence"):
            places.resolve_input(given, what)
    runs = runs_dir()
    check_owner(runs / name, resolve("clip", clip, runs / name))
    out = places.resolve_out(runs / name)
    free_mb = shutil.disk_usage(out).free / 1e6
    if free_mb < NEEDED_MB:
        fault = f"its disk has {free_mb:.0f} MB left, a run needs {NEEDED_MB} MB"
        raise InputError(places.shown(out), fault, "free some space")
    lock = _take(runs)
    try:
        check_free(out)
        record = {"name": name, "out": str(out), "clip": str(clip), "speech": str(speech),
                  "profile": profile, "began": time.time(), "pid": 0}  # fmt: skip
        (out / PROGRESS).unlink(missing_ok=True)
        _write(runs, record)
        with open(out / LOG, "wb") as log:
            child = subprocess.Popen(
                _command(record),
                cwd=places.base_dir(),
                env=job_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],
            )
        _children.append(child)
        _write(runs, record | {"pid": child.pid})
    except OSError as error:
        fault = f"the run cannot be started ({error.strerror or error})"
        raise InputError(places.shown(out), fault, "free some space, or check its rights") from None
    finally:
        os.close(lock)


def job_environment() -> dict[str, str]:
    """The environment without the variables of a notebook's or a page's kernel."""
    return {k: v for k, v in os.environ.items() if not k.startswith(_HIDDEN)}


def _command(record: Record) -> list[str]:
    given = {"clip": record["clip"], "speech": record["speech"], "profile": record["profile"],
             "out": record["out"], "progress": str(Path(record["out"]) / PROGRESS)}  # fmt: skip
    options = [part for what, value in given.items() for part in (f"--{what}", value)]
    return [sys.executable, "-m", "tfhkit.cli", "run", *options]


def _take(runs: Path) -> int:
    """Take the lock: its file descriptor. Raises InputError if a job holds it."""
    for _ in range(5):
        lock = try_lock(runs / LOCK)
        if lock is not None:
            return lock
        time.sleep(0.05)  # it may be a page that only looks whether a job is there
    raise InputError(*_refusal(job_state()))


def _refusal(state: Record | None) -> tuple[str, str, str]:
    name = state["name"] if state else "a run"
    began = time.strftime("%H:%M", time.localtime(state["began"])) if state else "a moment ago"
    fault = f"is at work since {began}"
    if state and state["share"]:
        fault += f" and {100 * state['share']:.0f} % done, about {in_words(state['left_s'])} left"
    return name, fault, "one run at a time: wait for it, or stop it"


def _held(runs: Path) -> bool:
    """Whether a job's process is alive."""
    if not (runs / LOCK).exists():
        return False
    try:
        lock = try_lock(runs / LOCK)
    except OSError:
        return False
    if lock is not None:
        os.close(lock)
    return lock is None


def _write(runs: Path, record: Record) -> None:
    with atomic_path(runs / RECORD) as temporary:
        Path(temporary).write_text(json.dumps(record, indent=1))


def _record(runs: Path) -> Record | None:
    try:
        return json.loads((runs / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def job_state() -> Record | None:
    """The latest job, whoever started it, or None if there was none.

    Returns:
        name, out, clip, speech, profile, began (Unix time), pid; state ("running", "stopping",
        "finished", "failed", "stopped" or "died"); words (the state as text); share, left_s,
        elapsed_s, step, index, steps, done, total, text (see `Course.line`); report and videos of
        a finished run.
    """
    _children[:] = [child for child in _children if child.poll() is None]
    runs = runs_dir()
    alive = _held(runs)  # asked first: a job that ends meanwhile has written its last line
    record = _record(runs)
    if record is None:
        return None
    line = last_line(Path(record["out"]) / PROGRESS) or {}
    state = {"share": 0.0, "left_s": 0.0, "elapsed_s": 0.0, "step": None, "index": 0, "steps": 0,
             "done": 0, "total": 0, "text": "", "state": "running", **line, **record}  # fmt: skip
    if alive:
        state["state"] = "stopping" if record.get("stopped") else "running"
    elif line.get("state", "running") == "running":
        state["state"] = "stopped" if record.get("stopped") else "died"
    state["words"] = _words(state)
    return state


def _words(state: Record) -> str:
    """What happened, and what to do."""
    resume = "what was finished is kept, and resumed from there"
    if state["state"] == "failed":
        return state["text"]
    if state["state"] == "stopped":
        return f"stopped; {resume}"
    if state["state"] == "stopping":
        return "stopping"
    if state["state"] == "died":
        said = _last_words(Path(state["out"]) / LOG)
        return f"its process ended without a word{said}; {resume}"
    if state["state"] == "finished":
        return f"finished in {in_words(state['elapsed_s'])}"
    if not state["step"]:
        return "starting"
    total = state["total"]
    doing = counted(state["text"], state["done"], total) if total else ""
    parts = [f"step {state['index']} of {state['steps']}: {state['step']}", doing]
    return ", ".join(part for part in parts if part)


def _last_words(log: Path) -> str:
    """The last line of a log, if there is one."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    return f" ({said[-1][:200]})" if said else ""


def stop_job(patience_s: tuple[float, float] = _PATIENCE_S) -> threading.Thread | None:
    """Stop the job with three signals, each stronger than the last. Returns at once.

    The steps that were finished are kept.

    Args:
        patience_s: seconds to wait after SIGINT, and after SIGTERM, before the next signal.
    Returns:
        A thread that ends with the job; None if no job is running.
    """
    runs = runs_dir()
    record = _record(runs)
    if record is None or not record["pid"] or not _held(runs):
        return None
    _write(runs, record | {"stopped": time.time()})
    ending = threading.Thread(target=_end, args=(runs, record["pid"], patience_s), daemon=True)
    ending.start()
    return ending


def _end(runs: Path, pid: int, patience_s: tuple[float, float]) -> None:
    for force, seconds in zip((signal.SIGINT, signal.SIGTERM, signal.SIGKILL), (*patience_s, 5.0)):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, force)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not _held(runs):
                return
            time.sleep(0.1)
