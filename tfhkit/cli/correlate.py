"""`tfhkit correlate`: correlate sound and head pose (App. A)."""

import math
from pathlib import Path

from tfhkit.errors import InputError, ParameterError

TEXT = "correlate sound and head pose (App. A)"


def add_arguments(command):
    """The options of this command."""
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
    command.add_argument("--seed", type=int, default=0, metavar="N", help="random seed")


def call(options):
    """Run the command: its result, and the function that shows it."""
    result = correlate_file(
        options.clip,
        options.output,
        options.fit,
        options.frames,
        options.radius,
        options.min_gap,
        options.max_lag,
        options.axis,
        options.nulls,
        options.seed,
    )
    return result, show


AXES = ("pitch", "yaw", "roll")
MIN_FRAMES, MIN_SECONDS = 50, 4.0


def correlate_file(
    clip="sample",
    output=None,
    fit=None,
    frames=None,
    radius=0.5,
    min_gap_s=1.0,
    max_lag_s=1.0,
    axis="all",
    n_null=200,
    seed=0,
):
    """Correlate sound and head pose of a clip (App. A), with null distributions.

    Args:
        clip: a video file, or "sample".
        output: where to write the tidy table (.csv), see `tfhkit.stats.tidy_rows`; or None.
        fit: a Fit of the whole clip (.npz, of `tfhkit fit -o`); None fits the clip.
        frames: take the first N only.
        radius, min_gap_s: see `tfhkit.stats.pair_correlation`.
        max_lag_s: of the lagged correlations; an eighth of the clip where that is less.
        axis: "all", "pitch", "yaw" or "roll": of the pose, for the pairs.
        n_null: surrogate tracks in each null distribution, and draws of the bootstrap.
        seed: random seed of both.
    Returns:
        dict: clip, frames, seconds, the numbers of `CorrelationReport.summary` (`p_value` is that
        of the estimate without temporal neighbours, against circularly shifted tracks),
        estimates_found (pairs at p_corrected < 0.05), lagged_found (likewise), lagged_chance_95,
        rows (the tidy table, all pairs, and the ten strongest lagged ones; the file has them all).
        What is unknown (an estimate without pairs) is None.
    Raises:
        InputError: the clip is silent or too short; `output` is no .csv file or cannot be written.
        ParameterError: an option out of range, or a fit of another clip.
    """
    from tfhkit.audio import correlate, mfcc_windows, motion_series, prosody, sound_series
    from tfhkit.media import check_writable, write_table
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import rounded
    from tfhkit.stats import PairSettings, lagged_correlation, tidy_rows

    _check(frames, axis, n_null, max_lag_s, radius, min_gap_s, seed)
    if output is not None:
        check_writable(output, ".csv")
    audio, times, angles = _pose(clip, fit, frames)
    chosen = angles if axis == "all" else angles[:, [AXES.index(axis)]]
    options = {"n_null": n_null, "n_bootstrap": n_null, "seed": seed}
    report = correlate(
        audio,
        chosen,
        times,
        settings=PairSettings(radius=radius, min_gap_s=min_gap_s, **options),
        motion="pitch, yaw, roll" if axis == "all" else axis,
        progress=terminal_progress(),
    )
    lagged = lagged_correlation(
        sound_series(mfcc_windows(audio, times), prosody(audio, times)),
        motion_series(angles, times),
        times,
        max_lag_s=min(max_lag_s, float(times[-1] - times[0]) / 8),
        **options,
    )
    rows = tidy_rows(report, lagged)
    if output is not None:
        write_table(output, rows)
    pairs = [row for row in rows if row["analysis"] == "pairs"]
    lags = sorted(lagged.rows(), key=lambda row: (row["p_corrected"], -abs(row["r"])))
    order = {(row["sound"], row["motion"]): k for k, row in enumerate(lags)}
    strongest = [row for row in rows if row["analysis"] == "lags"]
    strongest.sort(key=lambda row: order[row["sound"], row["motion"]])
    result = {"clip": str(clip), "frames": len(times)}
    result |= {"seconds": float(times[-1] - times[0]), **report.summary()}
    result |= {"estimates_found": sum(row["p_corrected"] < 0.05 for row in pairs)}
    result |= {"lagged_found": int((lagged.p_corrected < 0.05).sum())}
    result |= {"lagged_best_r": lags[0]["r"], "lagged_best_lag_s": lags[0]["lag_s"]}
    result |= {"lagged_best": f"{lags[0]['sound']} and {lags[0]['motion']}"}
    result |= {"lagged_p_corrected": lags[0]["p_corrected"]}
    result |= {"lagged_chance_95": lagged.chance_95, "rows": pairs + strongest[:10]}
    return rounded(result)


def show(result):
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


def _check(frames, axis, n_null, max_lag_s, radius, min_gap_s, seed):
    if axis not in ("all", *AXES):
        raise ParameterError("--axis", f"unknown {axis!r}", "choose all, pitch, yaw or roll")
    if frames is not None and frames < MIN_FRAMES:
        raise ParameterError("--frames", f"{frames} are too few", f"take {MIN_FRAMES} or more")
    if seed < 0:
        raise ParameterError("--seed", f"is {seed}", "give 0 or more")
    if n_null < 19:
        fault = f"{n_null} surrogate tracks cannot give p = 0.05"
        raise ParameterError("--nulls", fault, "take 19 or more")
    for name, value in (("--max-lag", max_lag_s), ("--min-gap", min_gap_s)):
        if not 0 <= value < math.inf:
            raise ParameterError(name, f"is {value}", "give 0 or more seconds")
    if not 0 < radius < math.inf:
        raise ParameterError("--radius", f"is {radius}", "give more than 0; the paper's is 0.5")


def _pose(clip, fit, frames):
    """Sound (N,), times (T,) and angles (T, 3) of a clip, from a fit or fitted now."""
    from tfhkit.audio.mfcc import SR_HZ, checked_audio
    from tfhkit.media import first_frames, open_clip
    from tfhkit.pipeline.fits import fit_for
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.step import resolve

    opened = open_clip(resolve("clip", str(clip), Path.cwd()))
    # What would be refused later is refused before the minutes of a fit.
    checked_audio(opened.audio, SR_HZ, allow_silent=False)
    times = first_frames(opened, frames).times
    if len(times) < MIN_FRAMES or times[-1] - times[0] < MIN_SECONDS:
        span_s = times[-1] - times[0] if len(times) else 0.0
        fault = f"{len(times)} frames ({span_s:.1f} s) are too few to correlate"
        raise InputError(clip, fault, f"use {MIN_FRAMES} frames and {MIN_SECONDS} s or more")
    made = fit_for(opened, fit, frames, terminal_progress())
    angles = made.coefficients.angles[: len(times)].astype(float)
    heard = opened.audio[: int((times[-1] + 1) * SR_HZ)]  # windows reach beyond the last frame
    return heard, made.times[: len(times)], angles
