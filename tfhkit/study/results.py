"""What a study knows of its clips: read from its folder, as far as it is finished."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError, ParameterError
from tfhkit.study.motion_stages import OTHERS, OURS, RIGHT
from tfhkit.study.settings import STAGES, StudySettings
from tfhkit.study.tables import summarise
from tfhkit.study.tracks import HeadTracks, cross_scores, wins_over_others
from tfhkit.study.work import COLUMNS, Row

FORMAT = "tfhkit study 1"
FILE, CLIP, FAILURE = "study.json", "clip.json", "failure.json"
FAILED = ("stage", "reason", "refused")
SUMMARY = "stage measure method clips mean low high min max p".split()
_MAKE = "make one in a folder of its own with `tfhkit study CLIPS... -o DIR`"
_RESTORE = "put a copy of the file back"


@dataclass(frozen=True, eq=False)
class Study:
    """What is known of many clips.

    Args:
        name: of its folder or file.
        settings: how each clip was measured.
        rows: one per clip and measure, see `work.COLUMNS`.
        summary: over clips, see `summarise`.
        failures: clip, stage and reason of each clip that failed.
        about: clip -> stage -> what else the stage said.
        seconds: clip -> stage -> how long it took.
    """

    name: str
    settings: StudySettings
    rows: list[Row]
    summary: list[dict[str, Any]]
    failures: list[dict[str, Any]]
    about: dict[str, dict[str, Any]]
    seconds: dict[str, dict[str, float]]

    @property
    def clips(self) -> tuple[str, ...]:
        """Names of the clips that were measured, in order."""
        return tuple(self.about)


def read_study(place: str | Path) -> Study:
    """A study, as far as it is finished.

    Args:
        place: its folder, or a `study.json` that was kept elsewhere.
    Raises:
        InputError: it is neither, or is damaged.
    """
    place = Path(place)
    if not place.is_dir():
        return _kept_elsewhere(place)
    if not (place / FILE).exists():
        raise InputError(place, "is not a study", _MAKE)
    settings = read_index(place / FILE)[1]
    rows: list[Row] = []
    failures, about, seconds = [], {}, {}
    for own in sorted(path for path in (place / "clips").glob("*") if path.is_dir()):
        found, failure = _stages_of(own), read_failure(own)
        if failure:
            failures.append({"clip": own.name, **{name: failure[name] for name in FAILED}})
        if found:
            about[own.name] = {stage: part["about"] for stage, part in found.items()}
            seconds[own.name] = {stage: part["seconds"] for stage, part in found.items()}
        for stage, part in found.items():
            rows += [_in_order(own.name, stage, one) for one in part["rows"]]
    rows += _across(place, tuple(about))
    return Study(place.name, settings, rows, summarise(rows), failures, about, seconds)


def read_index(path: Path) -> tuple[dict[str, Any], StudySettings]:
    """A study's file and its settings.

    Args:
        path: the `study.json`, which may have another name.
    Raises:
        InputError: it cannot be read, is no study, or one of another version of the kit; its
            settings are not those of a study.
    """
    index = read_json(path)
    if index is None and path.name == FILE and path.exists():
        remedy = "put a copy back, or delete it and run the study again: finished stages are kept"
        raise InputError(path, "cannot be read, or is damaged", remedy)
    said = str((index or {}).get("format"))
    if index is None or said != FORMAT:
        other = said.startswith(FORMAT.rstrip("0123456789"))
        fault = "is a study of another version of the kit" if other else "is not a study"
        raise InputError(path, fault, _MAKE)
    found, usual = index.get("settings"), asdict(StudySettings())
    if not isinstance(found, dict) or _types(found) != _types(usual):
        fault = "its settings are not those of a study"
        raise InputError(path, f"{fault}: {', '.join(usual)}", _RESTORE)
    try:
        return index, StudySettings(**found)
    except ParameterError as error:
        fault = f"its setting {error.where} {error.fault}"
        raise InputError(path, fault, _RESTORE) from error


def read_stage(folder: Path, stage: str) -> dict[str, Any] | None:
    """What a stage found of a clip: rows, about, seconds; None where it is not finished.

    Args:
        folder: of the clip. stage: a name of STAGES.
    """
    return read_json(folder / f"{stage}.json", ("rows", "about", "seconds"))


def read_failure(folder: Path) -> dict[str, Any] | None:
    """Why a clip failed: stage, reason, refused, identity; None where it did not."""
    return read_json(folder / FAILURE, FAILED)


def read_json(path: Path, names: Sequence[str] = ()) -> dict[str, Any] | None:
    """A JSON file's object; None where it is not there, cannot be read, or lacks one of `names`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.keys() >= set(names) else None


def _kept_elsewhere(path: Path) -> Study:
    """A study of a `study.json` alone: its tables are in it."""
    index, settings = read_index(path)
    for name, columns in (("rows", COLUMNS), ("summary", SUMMARY), ("failures", ("clip", *FAILED))):
        lines = index.get(name)
        if not isinstance(lines, list) or not all(
            isinstance(line, dict) and line.keys() >= set(columns) for line in lines
        ):
            fault = f"has no table {name!r} with the columns {', '.join(columns)}"
            raise InputError(path, fault, _RESTORE)
    for name in ("about", "seconds"):
        if not isinstance(index.get(name), dict):
            raise InputError(path, f"has no {name!r} of its clips", _RESTORE)
    names = "rows", "summary", "failures", "about", "seconds"
    return Study(path.stem, settings, *(index[name] for name in names))


def _types(values: dict[str, Any]) -> dict[str, type]:
    return {name: type(value) for name, value in values.items()}


def _stages_of(place: Path) -> dict[str, dict[str, Any]]:
    found = {stage: read_stage(place, stage) for stage in STAGES}
    return {stage: part for stage, part in found.items() if part is not None}


def _in_order(clip: str, stage: str, one: Row) -> Row:
    whole = {"clip": clip, "stage": stage, **one}
    return {name: whole.get(name) for name in COLUMNS}


def _across(folder: Path, clips: Sequence[str]) -> list[Row]:
    """What only several clips can say: does HS tell the right person from another one?"""
    places = {clip: folder / "clips" / clip / "heads.npz" for clip in clips}
    places = {clip: path for clip, path in places.items() if path.is_file()}
    if len(places) < 2:
        return []
    tracks = [HeadTracks.load(path) for path in places.values()]
    rows: list[Row] = []
    for centred in (False, True):
        scores = cross_scores(tracks, centred)
        wins = wins_over_others(scores)
        mark = ", each around its own mean" if centred else ""
        for k, clip in enumerate(places):
            others = [scores[k, j] for j in range(len(tracks)) if j != k]
            if not centred:
                mean = {"measure": "HS", "method": OTHERS, "value": sum(others) / len(others)}
                rows.append(_in_order(clip, "head-pose", mean))
            right = {"measure": f"{RIGHT}{mark}", "method": OURS,
                     "value": float(wins[k])}  # fmt: skip
            rows.append(_in_order(clip, "head-pose", right))
    return rows
