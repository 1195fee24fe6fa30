"""A study from beginning to end: clips to workers, results to tables; what is finished is kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from tfhkit.cluster import TOPIC, Workers, connect, spread
from tfhkit.errors import InputError, ParameterError
from tfhkit.media import write_json, write_table
from tfhkit.media.locks import hold
from tfhkit.progress import Progress
from tfhkit.study.clips import StudyClip
from tfhkit.study.report import write_report
from tfhkit.study.results import (
    CLIP,
    FAILURE,
    FILE,
    FORMAT,
    Study,
    read_index,
    read_json,
    read_study,
)
from tfhkit.study.settings import StudySettings
from tfhkit.study.task import ClipTask, measure_clip
from tfhkit.study.work import COLUMNS

TABLE, REPORT = "study.csv", "study.html"


@dataclass(frozen=True)
class StudyRun:
    """How a study is run; nothing of this changes what is measured.

    Args:
        workers: where clips are measured. device: of each worker.
        limit_s: seconds that one clip may take.
        progress: called as progress(done, total, text).
    """

    workers: Workers = Workers()
    device: str = "cpu"
    limit_s: float = 3600.0
    progress: Progress | None = None

    def __post_init__(self) -> None:
        if not self.limit_s > 0:
            raise ParameterError("--time-limit", f"is {self.limit_s / 60:g}", "give minutes")


def run_study(
    clips: Sequence[StudyClip],
    folder: str | Path,
    stages: Sequence[str],
    settings: StudySettings,
    run: StudyRun,
) -> Study:
    """Measure clips, and write `study.csv`, `study.json` and `study.html`.

    Each clip has a folder of its own with what its stages found. Clips and stages that are there
    are not repeated, so that a study that was stopped resumes, and one that grows computes what is
    new. A clip that fails is listed with its reason. One that ran out of time, or whose worker
    died, is tried again by the next call; one that was refused only where its file changed. A file
    that is not the one that was measured under its name is refused.

    Args:
        clips: as from `find_clips`.
        folder: of the study.
        stages: as from `asked_stages`.
        settings: how each clip is measured.
        run: where, and for how long.
    Returns:
        Study, of all clips that the folder has.
    Raises:
        InputError: the folder holds something else, or a study with other settings; no scheduler
            answers; the disk is full.
    """
    folder = Path(folder).expanduser()
    with _opened(folder, settings):
        tasks = [
            ClipTask(clip, folder.absolute(), tuple(stages), settings, run.device, run.limit_s)
            for clip in clips
        ]
        to_do = [task for task in tasks if task.needs_work()]
        done = len(tasks) - len(to_do)
        if to_do:
            with connect(run.workers) as client:
                _measure(client, to_do, done, run.progress)
        study = read_study(folder)
        write_table(folder / TABLE, study.rows or [dict.fromkeys(COLUMNS)])
        _write_index(folder, settings, study)
        write_report(study, folder / REPORT)
        return study


def _measure(client, tasks: Sequence[ClipTask], done: int, progress: Progress | None) -> None:
    """Send the tasks to the workers, and say how far they are."""
    total = done + len(tasks)

    def hear(event: tuple[float, str]) -> None:
        if progress:
            progress(done, total, f"clips ({event[1]})")

    client.subscribe_topic(TOPIC, hear)
    try:
        for number, result in spread(client, measure_clip, [(task,) for task in tasks]):
            done += 1
            if isinstance(result, InputError):  # of the disk, or of another study here
                raise result
            if isinstance(result, Exception):
                failure = {"stage": None, "reason": str(result), "refused": False}
                write_json(tasks[number].own_folder / FAILURE, failure)
            if progress:
                progress(done, total, "clips")
    finally:
        client.unsubscribe_topic(TOPIC)


@contextmanager
def _opened(folder: Path, settings: StudySettings) -> Iterator[None]:
    """Hold the study's folder; its settings are those that it began with."""
    with hold(folder, "tfhkit study"):
        mine = asdict(settings)
        if (folder / FILE).exists():
            kept = [asdict(read_index(folder / FILE)[1])]
        else:  # it was deleted, or nothing has begun
            kept = [clip["settings"] for path in folder.glob(f"clips/*/{CLIP}")
                    if (clip := read_json(path, ["settings"]))]  # fmt: skip
            if not kept and any(not path.name.startswith(".") for path in folder.iterdir()):
                raise InputError(folder, "holds something else already", "name another folder")
        for theirs in kept:
            if theirs != mine:
                apart = [f"{k} {v} (here {mine.get(k)})" for k, v in theirs.items()
                         if mine.get(k) != v]  # fmt: skip
                fault = f"holds a study with other settings: {', '.join(apart)}"
                raise InputError(folder, fault, "use the same settings, or name another folder")
        if not (folder / FILE).exists():
            write_json(folder / FILE, {"format": FORMAT, "settings": mine})
        yield


def _write_index(folder: Path, settings: StudySettings, study: Study) -> None:
    content = {
        "format": FORMAT,
        "settings": asdict(settings),
        "clips": list(study.clips),
        "failures": study.failures,
        "summary": study.summary,
        "rows": study.rows,
        "about": study.about,
        "seconds": study.seconds,
    }
    write_json(folder / FILE, content)
