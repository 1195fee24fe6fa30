"""What a study knows of its clips: read from its folder, as far as it is finished."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError
from tfhkit.study.motion_stages import OTHERS, OURS, RIGHT
from tfhkit.study.settings import STAGES, StudySettings
from tfhkit.study.tables import summarise
from tfhkit.study.tracks import HeadTracks, cross_scores, wins_over_others
from tfhkit.study.work import COLUMNS, Row

FORMAT = "tfhkit study 1"
FILE, FAILURE = "study.json", "failure.json"


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
        InputError: it is neither.
    """
    place = Path(place)
    index = read_json(place / FILE if place.is_dir() else place)
    if index is None or index.get("format") != FORMAT:
        fault = "is not a study" if index is None else "is a study of another version of the kit"
        raise InputError(place, fault, "make one with `tfhkit study CLIPS... -o DIR`")
    settings = StudySettings(**index["settings"])
    if not place.is_dir():
        names = "rows", "summary", "failures", "about", "seconds"
        return Study(place.stem, settings, *(index[name] for name in names))
    rows: list[Row] = []
    failures, about, seconds = [], {}, {}
    for own in sorted(path for path in (place / "clips").glob("*") if path.is_dir()):
        found, failure = _stages_of(own), read_json(own / FAILURE)
        if failure:
            failures.append({"clip": own.name, **failure})
        if found:
            about[own.name] = {stage: part["about"] for stage, part in found.items()}
            seconds[own.name] = {stage: part["seconds"] for stage, part in found.items()}
        for stage, part in found.items():
            rows += [_in_order(own.name, stage, one) for one in part["rows"]]
    rows += _across(place, tuple(about))
    return Study(place.name, settings, rows, summarise(rows), failures, about, seconds)


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON file's content; None where it is not there, or cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _stages_of(place: Path) -> dict[str, dict[str, Any]]:
    found = {stage: read_json(place / f"{stage}.json") for stage in STAGES}
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
