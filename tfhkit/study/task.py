"""The task of a study: one clip passes its stages; each is kept, and none is repeated."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfhkit.cluster import tell
from tfhkit.errors import InputError, TfhkitError
from tfhkit.media import open_clip, sha256_of, write_json
from tfhkit.media.files import disk_fault
from tfhkit.media.locks import hold, remove_leftovers
from tfhkit.study import motion_stages, picture_stages
from tfhkit.study.clips import StudyClip
from tfhkit.study.one_frame import judge_one_frame
from tfhkit.study.people import make_person_clip
from tfhkit.study.results import FAILURE, read_json
from tfhkit.study.settings import StudySettings
from tfhkit.study.work import ClipWork

CLIP = "clip.json"
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

    def failure(self) -> dict[str, Any] | None:
        """Why the clip failed, unless that was in a stage that is not asked for now."""
        failure = read_json(self.own_folder / FAILURE)
        asked = failure is not None and failure["stage"] in (None, *self.stages)
        return failure if asked else None

    def missing(self) -> list[str]:
        """Stages that are not finished; none for a clip that was refused for good."""
        failure = self.failure()
        if failure and failure["refused"]:
            return []
        return [s for s in self.stages if not (self.own_folder / f"{s}.json").is_file()]


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
        watch = Watch(task.clip.name, time.monotonic() + task.limit_s, task.limit_s)
        try:
            work = _begin(task, watch)
            for stage in task.missing():
                watch.enter(stage)
                began = time.monotonic()
                rows, about = MEASURES[stage](work)
                content = {"rows": rows, "about": about, "seconds": time.monotonic() - began}
                write_json(task.own_folder / f"{stage}.json", content)
            if task.failure():
                (task.own_folder / FAILURE).unlink()
        except Exception as error:
            _note(task, stage, error)


def _note(task, stage, error):
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
    write_json(task.own_folder / FAILURE, content)


def _begin(task: ClipTask, watch: Watch) -> ClipWork:
    """The opened clip; a virtual person's is made first."""
    clip, truth = task.clip, None
    path = clip.path
    if path is None:
        path = task.folder / VIRTUAL / f"{clip.name}.mp4"
        if not path.is_file():
            watch.enter("filming")
        make_person_clip(path, clip.number, clip.seconds, watch)
        truth = path.with_suffix(".truth.npz")
    mine: dict[str, Any] = {
        "clip": path.name,
        "sha256": sha256_of(path),
        "settings": asdict(task.settings),
    }
    mine |= {"coefficients": clip.coefficients and str(clip.coefficients)}
    found = read_json(task.own_folder / CLIP)
    if found is not None and found != mine:
        fault = "is not the file that was measured before under this name"
        remedy = f"delete {task.own_folder}, or give the study another folder"
        raise InputError(path, fault, remedy)
    write_json(task.own_folder / CLIP, mine)
    how = task.settings, task.device, clip.coefficients, truth, watch
    return ClipWork(open_clip(path), task.own_folder, *how)
