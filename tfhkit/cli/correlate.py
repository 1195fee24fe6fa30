"""`tfhkit correlate`: correlate sound and head pose (App. A), of one clip or of many."""

import math
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfhkit.cli.over_clips import known, reason_of, show_over, summary_over
from tfhkit.cli.parser import TRACK_HELP, Outcome, seed_number
from tfhkit.errors import InputError, ParameterError

TEXT = "correlate sound and head pose (App. A)"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "clips",
        nargs="*",
        default=["sample"],
        metavar="CLIP",
        help='a video, or "sample"; of several, of folders, patterns, lists and "virtual:15" it '
        "prints a row each, and what they have in common",
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE.csv",
        help="write all estimates, with their settings, as a table",
    )
    command.add_argument(
        "--fit", metavar="FILE", help="the fit of the whole clip, written by fit -o (one clip only)"
    )
    command.add_argument(
        "--coefficients", metavar="FILE.mat", help="or another tracker's coefficients of the clip"
    )
    command.add_argument("--audio-track", type=int, metavar="N", help=TRACK_HELP)
    command.add_argument("--frames", type=int, metavar="N", help="the first N frames only")
    command.add_argument(
        "--radius",
        type=float,
        default=0.5,
        metavar="R",
        help="radius of the neighbourhood, as a share of |s|",
    )
    command.add_argument(
        "--min-gap",
        type=float,
        default=1.0,
        metavar="S",
        help="least time between the two frames of a pair, in seconds",
    )
    command.add_argument(
        "--max-lag",
        type=float,
        default=1.0,
        metavar="S",
        help="largest lag between head and voice, in seconds",
    )
    command.add_argument("--axis", default="all", help="angle to compare: all, pitch, yaw or roll")
    command.add_argument(
        "--nulls",
        type=int,
        default=200,
        metavar="N",
        help="surrogate tracks in each null distribution",
    )
    command.add_argument("--seed", type=seed_number, default=0, metavar="N", help="random seed")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    settings = CorrelateSettings(
        radius=options.radius,
        min_gap_s=options.min_gap,
        max_lag_s=options.max_lag,
        axis=options.axis,
        n_null=options.nulls,
        seed=options.seed,
    )
    more = options.frames, settings, options.audio_track
    if not _is_one(options.clips):
        for name in ("fit", "coefficients"):
            if (file := getattr(options, name)) is not None:
                fault = f"{file} belongs to one clip"
                raise ParameterError(f"--{name}", fault, "name one clip, or leave it out")
        return correlate_clips(options.clips, options.output, *more), show_clips
    files = options.clips[0], options.output, options.fit
    return correlate_file(*files, *more, options.coefficients), show


def _is_one(sources: list[str]) -> bool:
    """Whether one video is named, not a folder, a list, a pattern or virtual people."""
    path = Path(sources[0]).expanduser()
    is_video = path.is_file() and path.suffix.lower() not in (".txt", ".list")
    return len(sources) == 1 and (sources[0] == "sample" or is_video)


AXES = ("pitch", "yaw", "roll")
MIN_FRAMES, MIN_SECONDS = 50, 4.0
MEASURES = {
    "r as stated (App. A)": ("r_stated", "p_stated"),
    "r without temporal neighbours": ("r_apart", "p_apart"),
    "lagged, largest |r|": ("abs_r_lagged", "p_lagged"),
}
POOLED = (
    "Means and their 95 % intervals (bootstrap, three clips or more) are over clips; the pooled p "
    "combines the clips' p-values (Fisher)."
)


@dataclass(frozen=True)
class CorrelateSettings:
    """Settings of `correlate_file`.

    Args:
        radius, min_gap_s: see `tfhkit.audio.PairSettings`.
        max_lag_s: largest lag of the lagged correlations; at most an eighth of the clip is used.
        axis: "all", "pitch", "yaw" or "roll": the angles whose pairs are compared.
        n_null: surrogate tracks in each null distribution, and draws of the bootstrap.
        seed: random seed of both.
    Raises:
        ParameterError: a value out of range.
    """

    radius: float = 0.5
    min_gap_s: float = 1.0
    max_lag_s: float = 1.0
    axis: str = "all"
    n_null: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        if self.axis not in ("all", *AXES):
            fault = f"unknown {self.axis!r}"
            raise ParameterError("--axis", fault, "choose all, pitch, yaw or roll")
        if self.n_null < 19:
            fault = f"{self.n_null} surrogate tracks cannot give p = 0.05"
            raise ParameterError("--nulls", fault, "take 19 or more")
        for name, value in (("--max-lag", self.max_lag_s), ("--min-gap", self.min_gap_s)):
            if not 0 <= value < math.inf:
                raise ParameterError(name, f"is {value}", "give 0 or more seconds")
        if not 0 < self.radius < math.inf:
            remedy = "give more than 0; the paper's is 0.5"
            raise ParameterError("--radius", f"is {self.radius}", remedy)


def correlate_file(
    clip: Path | str,
    output: Path | str | None = None,
    fit: Path | str | None = None,
    frames: int | None = None,
    settings: CorrelateSettings | None = None,
    audio_track: int | None = None,
    coefficients: Path | str | None = None,
) -> dict[str, Any]:
    """Correlate sound and head pose of a clip (App. A), with null distributions.

    Args:
        clip: a video file, or "sample".
        output: the table to write (.csv), see `tfhkit.stats.tidy_rows`; None writes nothing.
        fit: a fit of the whole clip written by `tfhkit fit -o` (.npz); None fits the clip.
        frames: take the first N only.
        settings: None for the defaults.
        audio_track: number of the clip's sound track, from 1; None chooses.
        coefficients: another tracker's `.mat` of the clip, whose angles are taken instead of a fit;
            its face model is not needed.
    Returns:
        clip, frames, seconds, the numbers of `CorrelationReport.summary` (`p_value` is that of the
        estimate without temporal neighbours, against circularly shifted tracks), estimates_found
        (pairs at p_corrected < 0.05), lagged_found (likewise), lagged_chance_95, rows (the tidy
        table: all pairs, and the ten strongest lagged estimates; the file has them all).
        An unknown number, such as an estimate without pairs, is None.
    Raises:
        InputError: the clip is silent or too short; `output` is not a .csv file or cannot be
            written.
        ParameterError: too few frames, a fit of another clip, or both a fit and coefficients.
    """
    from tfhkit.media import write_table
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import rounded
    from tfhkit.stats import tidy_rows

    output = _checked(output, frames)
    if fit is not None and coefficients is not None:
        raise ParameterError("--coefficients", "is given beside --fit", "give one of them")
    files = fit, coefficients
    settings, progress = settings or CorrelateSettings(), terminal_progress()
    audio, times, angles = _pose(clip, files, frames, audio_track, progress)
    report, lagged = _estimates(audio, times, angles, settings, progress)
    rows = tidy_rows(report, lagged)
    if output is not None:
        write_table(output, rows)
    result = {"clip": str(clip), "frames": len(times), "seconds": float(times[-1] - times[0])}
    return rounded(result | report.summary() | _found(lagged, rows))


def correlate_clips(
    sources: Sequence[str],
    output: Path | str | None = None,
    frames: int | None = None,
    settings: CorrelateSettings | None = None,
    audio_track: int | None = None,
) -> dict[str, Any]:
    """Correlate sound and head pose of many clips, and say what they have in common.

    Args:
        sources: see `tfhkit.study.clips.find_clips`.
        output: the table to write (.csv), as in `correlate_file`, with the clip in front.
        frames, settings, audio_track: as for `correlate_file`.
    Returns:
        rows (one per clip: r as stated and its p-value, r without temporal neighbours and its
        p-value, the lagged correlation with the largest |r|, its sound, motion, lag and corrected
        p-value), summary (see `summary_over`), notes, failures (clip and reason), and exit_code 1
        where a clip failed.
    Raises:
        InputError: no such clip; `output` is not a .csv file or cannot be written.
        ParameterError: too few frames, or two clips of one name.
    """
    from tfhkit.media import write_table
    from tfhkit.pipeline.tables import rounded
    from tfhkit.stats import tidy_rows
    from tfhkit.study.clips import find_clips

    output, settings = _checked(output, frames), settings or CorrelateSettings()
    rows, estimates, failures = [], [], []
    for clip in find_clips(sources):
        try:
            report, lagged, n_frames = _estimates_of(clip, frames, settings, audio_track)
            rows.append(_row_of(clip.name, n_frames, report, lagged))
        except Exception as error:  # of one clip; the others are still worth their time
            failures.append({"clip": clip.name, "reason": reason_of(error)})
        else:
            estimates += [{"clip": clip.name, **one} for one in tidy_rows(report, lagged)]
    if output is not None and estimates:
        write_table(output, estimates)
    result = {
        "rows": rows,
        "summary": summary_over(rows, MEASURES),
        "notes": [POOLED] if rows else [],
    }
    return rounded(result | {"failures": failures, "exit_code": 1 if failures else 0})


def _checked(output, frames):
    """The table's path; too few frames and a bad name are refused before the minutes of a fit."""
    from tfhkit.media import check_writable

    if frames is not None and frames < MIN_FRAMES:
        raise ParameterError("--frames", f"{frames} are too few", f"take {MIN_FRAMES} or more")
    return None if output is None else check_writable(output, ".csv")


def _estimates_of(clip, frames, settings, audio_track):
    """CorrelationReport, LaggedCorrelation and number of frames of a StudyClip."""
    from tempfile import TemporaryDirectory

    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.study.people import make_person_clip

    show_done = terminal_progress()

    def progress(done: int, total: int, text: str = "") -> None:
        show_done(done, total, f"{clip.name}: {text}")

    with TemporaryDirectory() as folder:
        path = clip.path or make_person_clip(
            Path(folder) / f"{clip.name}.mp4", clip.number, clip.seconds, progress
        )
        heard = _pose(path, (None, None), frames, audio_track, progress)
    return *_estimates(*heard, settings, progress), len(heard[1])


def _row_of(name, n_frames, report, lagged):
    """The numbers of one clip, in its line of the table."""
    stated, apart = report.paper, report.no_neighbours
    best = max(lagged.rows(), key=lambda row: abs(row["r"]))
    return {
        "clip": name,
        "frames": n_frames,
        "r_stated": known(stated.r),
        "p_stated": known(stated.p_shift),
        "r_apart": known(apart.r),
        "p_apart": known(apart.p_shift),
        "r_lagged": best["r"],
        "lag_s": best["lag_s"],
        "p_lagged": best["p_corrected"],
        "lagged": f"{best['sound']} and {best['motion']}",
        "abs_r_lagged": abs(best["r"]),
    }


def _estimates(audio, times, angles, settings, progress):
    """CorrelationReport of the pairs, and LaggedCorrelation, of a clip's sound and pose."""
    from tfhkit.audio import correlate, correlate_lags
    from tfhkit.stats import PairSettings

    every = settings.axis == "all"
    draws = {"n_null": settings.n_null, "n_bootstrap": settings.n_null, "seed": settings.seed}
    report = correlate(
        audio,
        angles if every else angles[:, [AXES.index(settings.axis)]],
        times,
        settings=PairSettings(radius=settings.radius, min_gap_s=settings.min_gap_s, **draws),
        motion="pitch, yaw, roll" if every else settings.axis,
        progress=progress,
    )
    lagged = correlate_lags(audio, angles, times, settings.max_lag_s, **draws)
    return report, lagged


def _found(lagged, rows):
    """What was found significant, the best lag, and the rows to show."""
    pairs = [row for row in rows if row["analysis"] == "pairs"]
    lags = sorted(lagged.rows(), key=lambda row: (row["p_corrected"], -abs(row["r"])))
    order = {(row["sound"], row["motion"]): k for k, row in enumerate(lags)}
    strongest = [row for row in rows if row["analysis"] == "lags"]
    strongest.sort(key=lambda row: order[row["sound"], row["motion"]])
    best = lags[0]
    return {
        "estimates_found": sum(row["p_corrected"] < 0.05 for row in pairs),
        "lagged_found": int((lagged.p_corrected < 0.05).sum()),
        "lagged_best_r": best["r"],
        "lagged_best_lag_s": best["lag_s"],
        "lagged_best": f"{best['sound']} and {best['motion']}",
        "lagged_p_corrected": best["p_corrected"],
        "lagged_chance_95": lagged.chance_95,
        "rows": pairs + strongest[:10],
    }


def show(result: dict[str, Any]) -> str:
    """The result of `correlate_file` as text: the numbers, the estimates, the strongest lags."""
    from tfhkit.pipeline.tables import rows_table, table

    numbers = {name: value for name, value in result.items() if name != "rows"}
    columns = {
        "pairs": "estimate sound feature pooling min_gap_s n r null_mean null_std p p_corrected",
        "lags": "sound motion lag_s r low high p p_corrected",
    }
    parts = [table(numbers)]
    for analysis, names in columns.items():
        rows = [row for row in result["rows"] if row["analysis"] == analysis]
        parts.append(rows_table([{name: row[name] for name in names.split()} for row in rows]))
    return "\n\n".join(parts)


def show_clips(result: dict[str, Any]) -> str:
    """The result of `correlate_clips` as text: a row per clip, what they share, what failed."""
    columns = "clip frames r_stated p_stated r_apart p_apart r_lagged lag_s p_lagged lagged".split()
    rows = [{name: row[name] for name in columns} for row in result["rows"]]
    return show_over(result | {"rows": rows}, "clip")


def _pose(clip, files, frames, audio_track, progress):
    """Sound (N,), times (T,) and angles (T, 3) of a clip.

    `files` are its fit and another tracker's coefficients, or None: then it is fitted now.
    """
    from tfhkit.audio.mfcc import SR_HZ, checked_audio
    from tfhkit.media import first_frames, open_clip
    from tfhkit.pipeline.clip_fit import fit_for, track_for
    from tfhkit.pipeline.step import resolve

    opened = open_clip(resolve("clip", str(clip), Path.cwd()), audio_track=audio_track)
    # What would be refused later is refused before the minutes of a fit.
    checked_audio(opened.audio, SR_HZ, allow_silent=False)
    times = first_frames(opened, frames).times
    if len(times) < MIN_FRAMES or times[-1] - times[0] < MIN_SECONDS:
        span_s = times[-1] - times[0] if len(times) else 0.0
        fault = f"{len(times)} frames ({span_s:.1f} s) are too few to correlate"
        raise InputError(clip, fault, f"use {MIN_FRAMES} frames and {MIN_SECONDS} s or more")
    heard = opened.audio[: int((times[-1] + 1) * SR_HZ)]  # windows reach beyond the last frame
    fit, coefficients = files
    if coefficients is not None:
        return heard, times, track_for(opened, coefficients, frames).angles_rad
    made = fit_for(opened, fit, frames, progress)
    angles = made.coefficients.angles[: len(times)].astype(float)
    return heard, made.times[: len(times)], angles
