"""The task of a study: one clip passes its stages; each is kept, and none is repeated."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfhkit.cluster import tell
from tfhkit.errors import InputError, TfhkitError
from tfhkit.media import open_clip, write_json
from tfhkit.media.files import disk_fault
from tfhkit.media.locks import LOCK, hold, remove_leftovers
from tfhkit.study import motion_stages, picture_stages
from tfhkit.study.clips import StudyClip
from tfhkit.study.identity import Identity, identify, other_than
from tfhkit.study.one_frame import judge_one_frame
from tfhkit.study.people import make_person_clip
from tfhkit.study.results import CLIP, FAILURE, read_failure, read_json, read_stage
from tfhkit.study.settings import STAGES, StudySettings
from tfhkit.study.work import ClipWork

VIRTUAL = "virtual"  # folder of the clips of virtual people
TOLD_EVERY_S = 10.0
MEASURES = {
    "doctor": motion_stages.examine,
    "correlation": motion_stages.correlate_clip,
    "mapping": motion_stages.judge_mapping,
    "head-pose": motion_stages.judge_heads,
    "refinement": picture_stages.judge_frames,
    "naturalness": picture_stages.judge_written,
    "ablations": picture_stages.ablate,
    "length": picture_stages.judge_lengths,
    "few-frames": picture_stages.judge_few,
    "one-frame": judge_one_frame,
}


@dataclass(frozen=True)
class ClipTask:
    """What a worker is told about a clip.

    Args:
        clip: the clip. folder: of the study.
        stages: names of the stages that are asked for, in order.
        settings: of the study.
        device: where it runs. limit_s: seconds after which it is stopped.
    """

    clip: StudyClip
    folder: Path
    stages: tuple[str, ...]
    settings: StudySettings
    device: str = "cpu"
    limit_s: float = 3600.0

    @property
    def own_folder(self) -> Path:
        """The clip's folder in the study."""
        return self.folder / "clips" / self.clip.name

    @property
    def video(self) -> Path:
        """The clip's file; a virtual person's is made by the study."""
        return self.clip.path or self.folder / VIRTUAL / f"{self.clip.name}.mp4"

    def failure(self) -> dict[str, Any] | None:
        """Why the clip failed, unless that was in a stage that is not asked for now."""
        failure = read_failure(self.own_folder)
        asked = failure is not None and failure["stage"] in (None, *self.stages)
        return failure if asked else None

    def missing(self) -> list[str]:
        """Stages that are not finished."""
        return [stage for stage in self.stages if read_stage(self.own_folder, stage) is None]

    def identity(self) -> Identity:
        """What the clip is measured from; see `identify`."""
        known: dict[str, str] = {}
        for kept in (_measured(self), _refused(self)):
            known |= (kept or {}).get("stamps", {})
        return identify(self.video, self.clip.coefficients, self.settings, known)

    def needs_work(self) -> bool:
        """Whether a stage is missing, or the files are others than those that were looked at.

        A clip that was refused is looked at again only where its files changed. What was read for
        this is kept, so that the next call need not read it again.
        """
        failure, missing = self.failure(), self.missing()
        # what was finished before the refusal may be damaged since
        refused = failure and failure["refused"] and failure["stage"] in (None, *missing[:1])
        if not refused and (failure or missing):
            return True
        if self.clip.path is None and not self.video.is_file():
            return False  # it was removed, and would be filmed again as it was
        before = _refused(self) if refused else _measured(self)
        try:
            now = self.identity()
        except InputError:
            return True  # the worker says why
        if before is None or other_than(before, now):
            return True
        if not refused and before != now:
            write_json(self.own_folder / CLIP, now)
        return False


class TimeLimit(TfhkitError):
    """A clip took longer than it was given."""


class Watch:
    """The progress callable of a task: tells the client, and ends what takes too long.

    Args:
        name: of the clip.
        deadline: on the monotonic clock, seconds.
        limit_s: seconds that the clip was given, for the message.
    """

    def __init__(self, name: str, deadline: float, limit_s: float) -> None:
        self.name, self.deadline, self.limit_s = name, deadline, limit_s
        self.stage, self.told = "", 0.0

    def enter(self, stage: str) -> None:
        """Say which stage begins."""
        self.stage, self.told = stage, time.monotonic()
        tell(f"{self.name}: {stage}")

    def __call__(self, done: int, total: int, text: str = "") -> None:
        """Called as any progress; raises TimeLimit when the time is over."""
        now = time.monotonic()
        if now > self.deadline:
            fault = f"took longer than {self.limit_s / 60:g} min (at: {text} {done} of {total})"
            raise TimeLimit(f"{fault}; give more with --time-limit, or trim the clip")
        if now > self.told + TOLD_EVERY_S:
            self.told = now
            tell(f"{self.name}: {self.stage}, {text} {done} of {total}")


def measure_clip(task: ClipTask) -> None:
    """Pass a clip through its missing stages, and leave `STAGE.json` for each, or `failure.json`.

    Args:
        task: the clip and what is asked.
    Raises:
        InputError: the disk is full, or another process works on the clip.
    """
    with hold(task.own_folder, "tfhkit study"):
        remove_leftovers(task.own_folder, task.own_folder.rglob(".tfhkit-*"))
        stage: str | None = None
        identity: Identity | None = None
        watch = Watch(task.clip.name, time.monotonic() + task.limit_s, task.limit_s)
        try:
            truth = _film(task, watch)
            identity = task.identity()
            work = _begin(task, identity, truth, watch)
            for stage in task.missing():
                watch.enter(stage)
                began = time.monotonic()
                rows, about = MEASURES[stage](work)
                content = {"rows": rows, "about": about, "seconds": time.monotonic() - began}
                write_json(task.own_folder / f"{stage}.json", content)
            if task.failure():
                (task.own_folder / FAILURE).unlink()
        except Exception as error:
            _note(task, stage, identity, error)


def _measured(task: ClipTask) -> Identity | None:
    """What the clip's finished stages were measured from."""
    return read_json(task.own_folder / CLIP)


def _refused(task: ClipTask) -> Identity | None:
    """What was refused; None where nothing was, or nobody knows."""
    return (read_failure(task.own_folder) or {}).get("identity")


def _note(task, stage, identity, error):
    """Write down why a clip failed; a fault of the disk ends the study instead."""
    fault = disk_fault(error) or disk_fault(error.__cause__ or error)
    if fault is not None:
        where = getattr(error, "where", task.own_folder)
        remedy = "free some space, and run the same command again; what is finished is kept"
        raise InputError(where, f"cannot be written ({fault})", remedy) from error
    known = isinstance(error, TfhkitError)
    text = str(error) if known else f"unexpected {type(error).__name__}: {error}"
    refused = isinstance(error, InputError)  # the same file would be refused again
    content = {"stage": stage, "reason": " ".join(text.split()), "refused": refused}
    write_json(task.own_folder / FAILURE, {**content, "identity": identity})


def _film(task: ClipTask, watch: Watch) -> Path | None:
    """Make a virtual person's clip where it is not there: its truth; None for a real clip."""
    if task.clip.path is not None:
        return None
    if not task.video.is_file():
        watch.enter("filming")
    make_person_clip(task.video, task.clip.number, task.clip.seconds, watch)
    return task.video.with_suffix(".truth.npz")


def _begin(task: ClipTask, identity: Identity, truth: Path | None, watch: Watch) -> ClipWork:
    """The opened clip, which is the one whose finished stages are there."""
    before = _measured(task)
    fault = other_than(before, identity) if before else None
    if fault and any(read_stage(task.own_folder, stage) for stage in STAGES):
        remedy = f"delete {task.own_folder}, or give the study another folder"
        raise InputError(task.video, fault, remedy)
    if fault:
        _forget(task.own_folder)
    write_json(task.own_folder / CLIP, identity)
    how = task.settings, task.device, task.clip.coefficients, truth, watch
    return ClipWork(open_clip(task.video), task.own_folder, *how)


def _forget(folder: Path) -> None:
    """Remove what was begun with another file; the lock stays."""
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != LOCK:
            path.unlink()
