"""`tfhkit correlate`: correlate sound and head pose (App. A)."""

import math
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tfhkit.cli.parser import TRACK_HELP, Outcome, seed_number
from tfhkit.errors import InputError, ParameterError

TEXT = "correlate sound and head pose (App. A)"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "clip", nargs="?", default="sample", metavar="CLIP", help='a video, or "sample"'
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE.csv",
        help="write all estimates, with their settings, as a table",
    )
    command.add_argument(
        "--fit", metavar="FILE", help="the fit of the whole clip, written by fit -o"
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
    files = options.clip, options.output, options.fit
    rest = options.audio_track, options.coefficients
    result = correlate_file(*files, options.frames, settings, *rest)
    return result, show


AXES = ("pitch", "yaw", "roll")
MIN_FRAMES, MIN_SECONDS = 50, 4.0


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
    from tfhkit.media import check_writable, write_table
    from tfhkit.pipeline.tables import rounded
    from tfhkit.stats import tidy_rows

    if frames is not None and frames < MIN_FRAMES:
        raise ParameterError("--frames", f"{frames} are too few", f"take {MIN_FRAMES} or more")
    if output is not None:
        output = check_writable(output, ".csv")
    if fit is not None and coefficients is not None:
        raise ParameterError("--coefficients", "is given beside --fit", "give one of them")
    audio, times, angles = _pose(clip, fit, coefficients, frames, audio_track)
    report, lagged = _estimates(audio, times, angles, settings or CorrelateSettings())
    rows = tidy_rows(report, lagged)
    if output is not None:
        write_table(output, rows)
    result = {"clip": str(clip), "frames": len(times), "seconds": float(times[-1] - times[0])}
    return rounded(result | report.summary() | _found(lagged, rows))


def _estimates(audio, times, angles, settings):
    """CorrelationReport of the pairs, and LaggedCorrelation, of a clip's sound and pose."""
    from tfhkit.audio import correlate, mfcc_windows, motion_series, prosody, sound_series
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.stats import PairSettings, lagged_correlation

    every = settings.axis == "all"
    draws = {"n_null": settings.n_null, "n_bootstrap": settings.n_null, "seed": settings.seed}
    report = correlate(
        audio,
        angles if every else angles[:, [AXES.index(settings.axis)]],
        times,
        settings=PairSettings(radius=settings.radius, min_gap_s=settings.min_gap_s, **draws),
        motion="pitch, yaw, roll" if every else settings.axis,
        progress=terminal_progress(),
    )
    lagged = lagged_correlation(
        sound_series(mfcc_windows(audio, times), prosody(audio, times)),
        motion_series(angles, times),
        times,
        max_lag_s=min(settings.max_lag_s, float(times[-1] - times[0]) / 8),
        **draws,
    )
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


def _pose(clip, fit, coefficients, frames, audio_track):
    """Sound (N,), times (T,) and angles (T, 3) of a clip, from a file or fitted now."""
    from tfhkit.audio.mfcc import SR_HZ, checked_audio
    from tfhkit.media import first_frames, open_clip
    from tfhkit.pipeline.clip_fit import fit_for, track_for
    from tfhkit.pipeline.progress import terminal_progress
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
    if coefficients is not None:
        return heard, times, track_for(opened, coefficients, frames).angles_rad
    made = fit_for(opened, fit, frames, terminal_progress())
    angles = made.coefficients.angles[: len(times)].astype(float)
    return heard, made.times[: len(times)], angles
