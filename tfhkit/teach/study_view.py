"""Linked plots of a study of many clips: choose a clip, an axis and a lag; save what is shown."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from tfhkit.audio import feature_vectors, mfcc_windows
from tfhkit.errors import ParameterError
from tfhkit.media import write_table
from tfhkit.palette import BLUE, GREY, ORANGE, RED
from tfhkit.pipeline.front_end import is_live
from tfhkit.pipeline.places import base_dir
from tfhkit.progress import Progress
from tfhkit.stats import CorrelationReport, PairSettings, pair_correlation
from tfhkit.study.motion_stages import (
    HEAD,
    MIN_GAP_S,
    PAIRS,
    VOICE,
    correlation_rows,
    lagged_head,
)
from tfhkit.study.results import Study, read_study
from tfhkit.study.settings import StudySettings
from tfhkit.study.tables import summarise
from tfhkit.study.work import COLUMNS, Row
from tfhkit.teach.display import show_widget
from tfhkit.teach.hover import static_html

STATIC = Path(__file__).parent / "static"
Tracks = tuple[Float[np.ndarray, "N"], Float[np.ndarray, "T"], Float[np.ndarray, "T 3"]]
COLOURS = (BLUE, RED, GREY)  # of VOICE, and of the strongest other sound
MOST_CLIPS = 60  # that a picture shows


@dataclass(frozen=True)
class Choice:
    """What is chosen in the linked plots.

    Args:
        measure: one of `measures_of`; "" takes the first.
        clip: name of a clip; "" takes the one with the largest value.
        axis: pitch, yaw or roll.
        lag_s: seconds; positive: the head comes after the sound.
    """

    measure: str = ""
    clip: str = ""
    axis: str = "pitch"
    lag_s: float = 0.0


@dataclass(frozen=True)
class Measure:
    """One measure over clips.

    Args:
        rows: clip -> its row, of those with a value. summary: see `tables.summarise`.
    """

    rows: Mapping[str, Row] = field(repr=False)
    summary: Mapping[str, Any]


def open_study(place: str) -> Study:
    """A study by its folder or its `study.json`, from the current folder, else from the kit's.

    Raises:
        InputError: it is neither.
    """
    given = Path(place).expanduser()
    known = (folder / given for folder in (Path.cwd(), base_dir()))
    return read_study(next((path for path in known if path.exists()), given))


def small_study(
    clips: Mapping[str, Tracks], settings: StudySettings, progress: Progress | None = None
) -> Study:
    """The correlations of some clips as a study, without files and without the other variants.

    Args:
        clips: name -> sound (16 kHz), frame times, and pitch, yaw, roll in radians.
        settings: of its null distributions.
        progress: called as progress(done, total, text).
    """
    rows, about = [], {}
    for done, (name, tracks) in enumerate(clips.items(), 1):
        lagged = lagged_head(*tracks, settings)
        found, more = correlation_rows(_two(*tracks, settings), lagged, settings.n_null)
        whole = [{"clip": name, "stage": "correlation", **one} for one in found]
        rows += [{column: one.get(column) for column in COLUMNS} for one in whole]
        about[name] = {"correlation": more}
        if progress:
            progress(done, len(clips), "clips of a small study")
    return Study("small", settings, rows, summarise(rows), [], about, {n: {} for n in clips})


def _two(audio, times, angles_rad, settings):
    """App. A as stated, and without temporal neighbours."""
    features = feature_vectors(mfcc_windows(audio, times, preemphasis=0, lifter=0))
    n = settings.n_null
    both = (
        PairSettings(min_gap_s=gap, n_null=n, n_bootstrap=n, seed=settings.seed)
        for gap in (0.0, MIN_GAP_S)
    )
    return CorrelationReport(
        *(pair_correlation(features, angles_rad, times, how) for how in both), variants=()
    )


def measures_of(study: Study) -> dict[str, Measure]:
    """The measures of a study by name, the stated correlation first."""
    found: dict[str, Measure] = {}
    for line in study.summary:
        key = line["stage"], line["measure"], line["method"]
        rows = {one["clip"]: one for one in study.rows
                if (one["stage"], one["measure"], one["method"]) == key
                and one["value"] is not None}  # fmt: skip
        if rows:
            apart = "" if key[2] == "clip" else f", {key[2]}"
            found[f"{key[1]}{apart}"] = Measure(rows, line)
    return dict(sorted(found.items(), key=lambda item: item[0] != PAIRS))


def curves_of(study: Study, clip: str, axis: str) -> dict[str, list[float]]:
    """Correlation of an angle with each sound over lags; none where the study has no curves."""
    return _lags(study, clip).get("curves", {}).get(axis, {})


def _lags(study, clip):
    return study.about.get(clip, {}).get("correlation", {}).get("lags", {})


def _checked(study: Study, choice: Choice) -> Choice:
    """The choice with its defaults filled in."""
    measures = measures_of(study)
    if not measures:
        remedy = "run its stages to the end"
        raise ParameterError("study", f"{study.name} has no numbers", remedy)
    measure = choice.measure or next(iter(measures))
    if measure not in measures:
        fault = f"there is no {measure!r}"
        raise ParameterError("measure", fault, f"choose among {', '.join(measures)}")
    if choice.axis not in HEAD:
        raise ParameterError("axis", f"unknown {choice.axis!r}", "choose pitch, yaw or roll")
    rows = measures[measure].rows
    clip = choice.clip or max(rows, key=lambda name: rows[name]["value"])
    if clip not in study.clips:
        fault = f"there is no {clip!r}"
        raise ParameterError("clip", fault, f"choose among {', '.join(study.clips)}")
    return Choice(measure, clip, choice.axis, choice.lag_s)


def shown_rows(study: Study, choice: Choice) -> list[dict[str, Any]]:
    """What the plots show, one row per clip: the measure, and the correlations at the chosen lag.

    Returns:
        Dicts of clip, measure, value, low, high, p, n, axis, lag_s (of the frame that is nearest
        to the chosen one), chance_95, and r with each sound of VOICE; None where unknown.
    """
    choice = _checked(study, choice)
    rows = measures_of(study)[choice.measure].rows
    shown = []
    for clip in study.clips:
        one, lags = rows.get(clip, {}), _lags(study, clip)
        line: dict[str, Any] = {"clip": clip, "measure": choice.measure}
        line |= {name: one.get(name) for name in ("value", "low", "high", "p", "n")}
        line |= {"axis": choice.axis, "lag_s": None, "chance_95": lags.get("chance_95")}
        curves, k = curves_of(study, clip, choice.axis), 0
        if curves:
            k = int(np.abs(np.array(lags["lags_s"]) - choice.lag_s).argmin())
            line["lag_s"] = lags["lags_s"][k]
        line |= {f"r, {sound}": curves[sound][k] if curves else None for sound in VOICE}
        shown.append(line)
    return shown


def show_study(study: Study, choice: Choice = Choice(), save: str | Path | None = None) -> None:
    """Show the linked plots of a study; headless, a picture of what is chosen.

    In a live front end a click on a clip or on a lag chooses it, and a button saves the rows that
    are shown.

    Args:
        study: from `read_study` or `small_study`.
        choice: what is chosen at the beginning.
        save: a `.csv` file for the rows that are shown at the beginning; None writes none.
    Raises:
        ParameterError: the study has no numbers, or not what is chosen.
    """
    choice = _checked(study, choice)
    if save is not None:
        write_table(save, shown_rows(study, choice))
    alt = _described(study, choice)
    widget = _widget_class()(study=_for_widget(study, choice), alt=alt) if is_live() else None
    show_widget(widget, static_html(draw_study(study, choice), alt), alt)


def _described(study: Study, choice: Choice) -> str:
    line = measures_of(study)[choice.measure].summary
    mean = f"mean {line['mean']:.2f}, {line['min']:.2f} to {line['max']:.2f}"
    return (
        f"{choice.measure} of {line['clips']} clips, {mean}; next to it the correlations of the "
        f"head's {choice.axis} with the voice at a lag of {choice.lag_s:+.2f} s, and those of "
        f"{choice.clip} at every lag."
    )


def draw_study(study: Study, choice: Choice = Choice()) -> Figure:
    """The linked plots as a picture.

    Args: as for `show_study`.
    """
    import matplotlib.pyplot as plt

    choice = _checked(study, choice)
    rows = [one for one in shown_rows(study, choice) if one["value"] is not None]
    rows = sorted(rows, key=lambda one: one["value"])[-MOST_CLIPS:]
    height = max(3.2, 1.2 + 0.22 * len(rows))
    figure = plt.figure(figsize=(10, height), dpi=85, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.5))
    _draw_values(left, rows, measures_of(study)[choice.measure].summary, choice)
    _draw_at_lag(middle, rows, choice)
    _draw_curves(right, study, choice)
    for axis in (left, middle):
        for y, one in enumerate(rows, 1):
            if one["clip"] == choice.clip:
                axis.axhspan(y - 0.45, y + 0.45, color=ORANGE, alpha=0.25, lw=0)
        axis.set_ylim(-0.8, len(rows) + 0.8)
        axis.axvline(0, color="0.8", lw=0.8, zorder=0)
    return figure


def _draw_values(axis, rows, summary, choice):
    """The measure of each clip with its interval, and the mean over clips."""
    for y, one in enumerate(rows, 1):
        if one["low"] is not None and one["high"] is not None:
            axis.plot([one["low"], one["high"]], [y, y], color=BLUE, lw=1.6, alpha=0.5)
        axis.plot(one["value"], y, "o", color=BLUE, ms=5)
    if summary["low"] is not None:
        axis.plot([summary["low"], summary["high"]], [0, 0], color="k", lw=2)
    axis.plot(summary["mean"], 0, "D", color="k", ms=6)
    names = [one["clip"] for one in rows]
    axis.set_yticks(range(len(rows) + 1), ["mean", *names], fontsize=8)
    pooled = "" if summary["p"] is None else f", pooled p = {summary['p']:.2g}"
    axis.set_title(f"mean {summary['mean']:.2f}{pooled}", fontsize=9)
    axis.set_xlabel(choice.measure)


def _draw_at_lag(axis, rows, choice):
    """The correlations of each clip at the chosen lag, and their means."""
    for sound, colour in zip(VOICE, COLOURS):
        known = [(one[f"r, {sound}"], y) for y, one in enumerate(rows, 1)
                 if one[f"r, {sound}"] is not None]  # fmt: skip
        if known:
            axis.plot(*np.transpose(known), "o", color=colour, ms=5, label=sound)
            axis.plot(np.mean([r for r, _ in known]), 0, "D", color=colour, ms=6)
    axis.set_yticks([])
    axis.set_title(f"head {choice.axis}, lag {choice.lag_s:+.2f} s", fontsize=9)
    axis.set_xlabel("correlation at this lag")


def _draw_curves(axis, study, choice):
    """The chosen clip's correlation over lags, with the band of its surrogate tracks."""
    lags = _lags(study, choice.clip)
    axis.set_title(f"{choice.clip}: head {choice.axis}", fontsize=9)
    if not lags:
        axis.set_axis_off()
        axis.text(0.5, 0.5, "this study holds no curves over lags", ha="center")
        return
    chance = lags["chance_95"]
    axis.axhspan(-chance, chance, color="0.93", zorder=0, label="95 % of largest by chance")
    axis.axvline(choice.lag_s, color=ORANGE, lw=2)
    curves = curves_of(study, choice.clip, choice.axis)
    for (sound, r), colour in zip(curves.items(), COLOURS):
        mean = _mean_curve(study, sound, choice)
        axis.plot(lags["lags_s"], r, color=colour, lw=1.6, label=sound)
        if sound in VOICE and mean is not None:
            axis.plot(lags["lags_s"], mean, ":", color=colour, lw=1.6, label=f"{sound}, mean")
    axis.axhline(0, color="0.8", lw=0.8)
    axis.set(xlabel="lag (s), positive: the head comes after the sound", ylabel="correlation")
    axis.legend(frameon=False, fontsize=7, ncols=2, loc="upper left", bbox_to_anchor=(0, -0.22))


def _mean_curve(study, sound, choice):
    """The mean over clips, at the lags of the chosen one; None for a single clip."""
    at = _lags(study, choice.clip)["lags_s"]
    every = []
    for clip in study.clips:
        r = curves_of(study, clip, choice.axis).get(sound)
        if r:
            every.append(np.interp(at, _lags(study, clip)["lags_s"], r, np.nan, np.nan))
    return np.mean(every, axis=0) if len(every) > 1 else None


def _for_widget(study: Study, choice: Choice) -> dict[str, Any]:
    """The front end's data; its kernel is not asked again."""
    measures = [
        {
            "name": name,
            "rows": {clip: [one[key] for key in ("value", "low", "high", "p", "n")]
                     for clip, one in measure.rows.items()},
            "summary": [measure.summary[key] for key in ("mean", "low", "high", "p")],
        }
        for name, measure in measures_of(study).items()
    ]  # fmt: skip
    return {
        "name": study.name,
        "clips": list(study.clips),
        "measures": measures,
        "lags": {clip: _lags(study, clip) for clip in study.clips},
        "voice": list(VOICE),
        "axes": list(HEAD),
        "colours": list(COLOURS),
        "mark": ORANGE,
        "choice": {"measure": choice.measure, "clip": choice.clip, "axis": choice.axis,
                   "lag_s": choice.lag_s},
    }  # fmt: skip


@cache
def _widget_class():
    """The widget; made when it is first needed, since anywidget is slow to import."""
    import anywidget
    import traitlets

    class StudyPlots(anywidget.AnyWidget):
        """The plots and their data."""

        _esm, _css = STATIC / "study_view.js", STATIC / "study_view.css"
        study = traitlets.Dict().tag(sync=True)
        alt = traitlets.Unicode().tag(sync=True)

    return StudyPlots
