"""`tfhkit hs`: compare how two heads move (Eq. 6), with baselines."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from tfhkit.cli.parser import Outcome, seed_number
from tfhkit.errors import InputError, ParameterError

TEXT = "compare how two heads move (Eq. 6), with baselines"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "real",
        metavar="A",
        help="the real motion: a fit (.npz), coefficients (.mat), a table "
        "(.csv: time,pitch,yaw,roll in degrees), a video, or a part of its "
        'frames: "FILE[300:]"',
    )
    command.add_argument(
        "generated", metavar="B", help="the motion to compare with it, in any of these forms"
    )
    command.add_argument(
        "--training", metavar="C", help="the training part of the same person's motion"
    )
    command.add_argument(
        "--span", default="real", metavar="S", help="divisor of W1: real, real95, both, or degrees"
    )
    command.add_argument("--bins", type=int, default=64, metavar="N", help="bins of the histograms")
    command.add_argument(
        "--fps", type=float, default=25.0, metavar="R", help="frames per second of a .mat file"
    )
    command.add_argument(
        "--seed", type=seed_number, default=0, metavar="N", help="random seed of the bootstrap"
    )


def call(options: Namespace) -> Outcome:
    """Run the command."""
    result = compare_heads(
        options.real,
        options.generated,
        options.training,
        options.span,
        options.bins,
        options.fps,
        options.seed,
    )
    return result, show


def compare_heads(
    real: str,
    generated: str,
    training: str | None = None,
    span: str = "real",
    n_bins: int = 64,
    fps: float = 25.0,
    seed: int = 0,
) -> dict[str, Any]:
    """HS of two tracks, compared with its baselines; see `tfhkit.metrics.head_pose_report`.

    Args:
        real, generated: a fit (.npz), coefficients (.mat), a table (.csv), or a video (or
            "sample"), which is then fitted; "FILE[300:]" takes a part of its frames.
        training: the real motion that was used for training, in the same form; or None.
        span: "real", "real95", "both", or a number of degrees as text.
        n_bins: number of bins of the histograms.
        fps: frames per second of a .mat file.
        seed: random seed of the bootstrap and the shuffled track.
    Returns:
        real, generated, training (the files), the numbers of `HeadPoseReport.summary`, span,
        n_bins, and tracks (one dict per baseline).
    Raises:
        InputError: a file is not a pose file, has too few frames, or has an entry that is not a
            number.
        ParameterError: span, n_bins or fps is out of range.
    """
    from tfhkit.metrics import HsSettings, head_pose_report

    divisor = _span(span)
    if not n_bins >= 2:
        raise ParameterError("--bins", f"{n_bins} are too few", "take 2 or more")
    if not fps > 0:
        raise ParameterError("--fps", f"is {fps}", "give frames a second")
    whole: dict[str, Any] = {}
    first, second = (_track(text, fps, whole) for text in (real, generated))
    learned = None if training is None else _track(training, fps, whole)
    report = head_pose_report(
        first.angles_rad,
        second.angles_rad,
        first.times,
        second.times,
        training_rad=None if learned is None else learned.angles_rad,
        settings=HsSettings(span=divisor, n_bins=n_bins, seed=seed),
    )
    files = {"real": str(real), "generated": str(generated)}
    files |= {} if training is None else {"training": str(training)}
    numbers = report.summary() | {"span": divisor, "n_bins": n_bins, "tracks": list(report.rows)}
    return files | numbers


def show(result: dict[str, Any]) -> str:
    """The result of `compare_heads` as text: numbers, then a table of tracks."""
    from tfhkit.pipeline.tables import rows_table, table

    numbers = {name: value for name, value in result.items() if name != "tracks"}
    return f"{table(numbers)}\n\n{rows_table(result['tracks'])}"


def _track(text, fps, whole):
    """PoseTrack of a file or of a part of it; `whole` keeps the files that were read."""
    from tfhkit.metrics.baselines import MIN_FRAMES
    from tfhkit.metrics.tracks import SUFFIXES, read_track, split_part

    path, frames = split_part(text)
    if path not in whole:
        is_file = Path(path).suffix.lower() in SUFFIXES
        whole[path] = read_track(path, fps) if is_file else _fitted(path)
    track = whole[path].part(frames)
    if len(track) < MIN_FRAMES:
        fault = f"{len(track)} of {len(whole[path])} frames are too few"
        raise InputError(text, fault, f"give {MIN_FRAMES} or more")
    return track


def _fitted(path):
    """The head's track in a video."""
    from tfhkit.media import open_clip
    from tfhkit.metrics.tracks import SUFFIXES, PoseTrack
    from tfhkit.pipeline.clip_fit import fit_for
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.step import resolve

    video = resolve("clip", path, Path.cwd())
    try:
        clip = open_clip(video, min_seconds=0.5, need_sound=False)
    except InputError as error:
        fault = f"{error.fault} (a pose file ends in {', '.join(SUFFIXES)})"
        raise InputError(path, fault, error.remedy) from error
    fit = fit_for(clip, progress=terminal_progress())
    return PoseTrack(path, fit.coefficients.angles.astype(float), fit.times)


def _span(span: str) -> str | float:
    if span in ("real", "real95", "both"):
        return span
    try:
        degrees = float(span)
    except ValueError:
        degrees = 0.0
    if not 0 < degrees < float("inf"):
        remedy = "choose real, real95, both or degrees above 0"
        raise ParameterError("--span", f"unknown {span!r}", remedy)
    return degrees
