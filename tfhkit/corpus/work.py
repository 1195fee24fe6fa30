"""Preparing a folder of LRW's clips: one Dask task is one shard; what is finished stays."""

import csv
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfhkit.cluster import LostTask, Workers, connect, spread
from tfhkit.corpus.clip import ClipSettings, PreparedClip, prepare_clip
from tfhkit.corpus.layout import LAYOUT, LrwChoice
from tfhkit.corpus.plan import (
    MANIFEST,
    Plan,
    make_plan,
    read_plan,
    shard_names,
    shard_path,
    shard_starts,
)
from tfhkit.corpus.shards import read_info, write_shard
from tfhkit.errors import AssetError, InputError, ParameterError, TfhkitError
from tfhkit.media import atomic_path
from tfhkit.progress import Progress


@dataclass(frozen=True)
class Counts:
    """What a shard, or all of them, came to.

    Args:
        clips: clips that can be used.
        skipped: clips that were left out.
        seconds: how long one core worked on both.
    """

    clips: int = 0
    skipped: int = 0
    seconds: float = 0.0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.clips + other.clips, self.skipped + other.skipped, self.seconds + other.seconds
        )


def prepare_lrw(
    folder: str | Path,
    out: str | Path,
    choice: LrwChoice,
    settings: ClipSettings,
    shard: int = 100,
    workers: Workers | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Prepare LRW's clips for the general trainings, on the cores of one machine or of many.

    A call that was stopped resumes: a shard is written whole or not at all, and one that is there
    is not made again. Memory does not grow with the number of clips.

    Args:
        folder: LRW's, see `open_layout`. Workers on other machines need it, and `out`, under the
            same names.
        out: folder of the shards; `skipped.csv` there lists what was left out, and why.
        choice: which clips.
        settings: what is kept of each.
        shard: clips in a shard.
        workers: where the tasks run; None takes the cores of this machine.
        progress: called as progress(done, total, text) after each shard.
    Returns:
        folder, clips, skipped, shards, seconds, clips_per_second_and_core (of the shards that this
        call made; None where all were there), bytes_per_clip.
    Raises:
        InputError: no clips, other settings than before, a full disk, no workers; none of the
            clips can be used. LostTask: shards whose workers died again and again.
    """
    began, out = time.monotonic(), Path(out).absolute()
    root, plan = make_plan(folder, out, choice, settings, shard)
    done, jobs = Counts(), []
    for number, start in enumerate(shard_starts(out, plan)):
        counts = _counts(shard_path(out, number))
        done += counts or Counts()
        if counts is None:
            jobs.append((str(root), str(out), number, start))
    made = _make_shards(jobs, plan, done, workers or Workers(), progress)
    skipped = _list_skipped(out, plan)
    if not (done + made).clips:
        name, reason = skipped
        fault = f"none of its {plan.n_clips} clips can be used; {name} {reason}"
        remedy = f"see {out / 'skipped.csv'}; {LAYOUT} must be clips of a face with its sound"
        raise InputError(root, fault, remedy)
    size = sum(path.stat().st_size for path in (out / "shards").iterdir())
    tried = made.clips + made.skipped
    return {
        "folder": str(out),
        "clips": (done + made).clips,
        "skipped": (done + made).skipped,
        "shards": plan.n_shards,
        "seconds": round(time.monotonic() - began, 1),
        "clips_per_second_and_core": round(tried / made.seconds, 4) if made.seconds else None,
        "bytes_per_clip": round(size / (done + made).clips),
    }


def make_shard(root: str, out: str, number: int, start: int) -> Counts:
    """The task: prepare a shard's clips and write them, unless that is done.

    Args:
        root: the folder below which the clips lie.
        out: the folder of the shards.
        number: the shard's.
        start: see `shard_starts`.
    Raises:
        InputError: a folder is not there, or the disk is full. ParameterError, AssetError,
            MissingBackend: the installation is at fault.
    """
    for place in (Path(root), Path(out) / MANIFEST):
        if not place.exists():
            fault = "is not there for a worker"
            raise InputError(place, fault, "give folders that all machines have under this name")
    path, plan = shard_path(Path(out), number), read_plan(Path(out))
    if found := _counts(path):
        return found
    began, clips, skipped = time.monotonic(), {}, {}
    strange: list[Exception] = []
    names = shard_names(Path(out), plan, start)
    for name in names:
        result = _tried(Path(root) / name, plan.clip, strange)
        if isinstance(result, PreparedClip):
            clips[name] = result
        else:
            skipped[name] = result
    if len(strange) == len(names):  # not one clip's fault
        raise strange[0]
    seconds = time.monotonic() - began
    write_shard(path, clips, skipped, seconds)
    return Counts(len(clips), len(skipped), seconds)


def _tried(path: Path, settings: ClipSettings, strange: list[Exception]) -> PreparedClip | str:
    """A prepared clip, or why there is none; what nobody foresaw is added to `strange`."""
    try:
        return prepare_clip(path, settings)
    except (ParameterError, AssetError):  # of the call or the installation, not of the clip
        raise
    except InputError as error:
        return error.fault
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"
    except (TfhkitError, MemoryError):
        raise
    except Exception as error:
        strange.append(error)
        return f"unexpected {type(error).__name__}: {error}"


def _make_shards(
    jobs: list[tuple], plan: Plan, done: Counts, workers: Workers, progress: Progress | None
) -> Counts:
    """Run the tasks; what they came to."""
    made, lost = Counts(), []
    if not jobs:
        return made
    with connect(workers) as client:
        for job, result in spread(client, make_shard, jobs):
            if isinstance(result, LostTask):
                lost.append((jobs[job][2], result))
                continue
            if isinstance(result, Exception):
                raise result
            made += result
            if progress:
                both = done + made
                text = f"LRW, {both.skipped} skipped" if both.skipped else "LRW"
                progress(both.clips + both.skipped, plan.n_clips, text)
    if lost:
        number, error = lost[0]
        raise LostTask(f"{len(lost)} of {plan.n_shards} shards are missing, e.g. {number}: {error}")
    return made


def _counts(path: Path) -> Counts | None:
    """What a shard came to; None where it is not there or not whole."""
    info = read_info(path)
    return None if info is None else Counts(len(info), len(info.skipped), info.seconds)


def _list_skipped(out: Path, plan: Plan) -> tuple[str, str]:
    """Write `skipped.csv`; returns its first row, or two empty texts."""
    first = "", ""
    with atomic_path(out / "skipped.csv") as temporary:
        with open(temporary, "w", newline="", encoding="utf-8", errors="replace") as file:
            table = csv.writer(file)
            table.writerow(("file", "reason"))
            for number in range(plan.n_shards):
                info = read_info(shard_path(out, number))
                for row in () if info is None else info.skipped:
                    table.writerow(row)
                    first = first if first[0] else row
    return first
