"""`tfhkit hs`: compare how two heads move (Eq. 6), with baselines; also of many pairs."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfhkit.cli.over_clips import reason_of, show_over, summary_over
from tfhkit.cli.parser import Outcome, seed_number
from tfhkit.errors import InputError, ParameterError

TEXT = "compare how two heads move (Eq. 6), with baselines"
MOST_BINS = 10_000
LEAST_FPS, MOST_FPS = 1.0, 1000.0
LEAST_PAIRS = 5  # whose differences all have one sign give p = 1/32


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "tracks",
        nargs="+",
        metavar="A B",
        help="the real motion, then the one to compare with it: each a fit (.npz), coefficients "
        "(.mat), a table (.csv: time,pitch,yaw,roll in degrees), a video, or a part of its "
        'frames: "FILE[300:]"; of several pairs it prints a row each, and what they have in common',
    )
    command.add_argument(
        "--training",
        action="append",
        metavar="C",
        help="the training part of the same person's motion; of several pairs one for each, in "
        "their order: --training C1 --training C2",
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
    tracks, training = options.tracks, options.training or []
    if len(tracks) % 2:
        fault = f"{len(tracks)} are named, an odd number"
        raise ParameterError("A B", fault, "name pairs: a real track, then the generated one")
    pairs = list(zip(tracks[::2], tracks[1::2]))
    if len(training) not in (0, len(pairs)):
        fault = f"{len(training)} are named, for {len(pairs)} pairs"
        raise ParameterError("--training", fault, "give one for each pair, in their order")
    learned = training or [None] * len(pairs)
    how = options.span, options.bins, options.fps, options.seed
    if len(pairs) == 1:
        return compare_heads(*pairs[0], learned[0], *how), show
    return compare_pairs(pairs, learned, *how), show_pairs


def compare_pairs(
    pairs: Sequence[tuple[str, str]],
    training: Sequence[str | None],
    span: str = "real",
    n_bins: int = 64,
    fps: float = 25.0,
    seed: int = 0,
) -> dict[str, Any]:
    """HS of several pairs of tracks, what they have in common, and whether motion beats stillness.

    Args:
        pairs: the real and the generated track of each.
        training: the training part of each, or None for all.
        span, n_bins, fps, seed: as for `compare_heads`.
    Returns:
        rows (one per pair: its files, hs with its interval, hs of a still head at the training
        part's mean, or at the real mean without training parts, and the difference), summary (see
        `summary_over`), above (number of pairs that score higher than the still head), p_wilcoxon
        (one-sided signed-rank test of the differences; None for too few pairs), notes, failures
        (pair and reason), and exit_code 1 where a pair failed.
    Raises:
        ParameterError: span, n_bins or fps is out of range.
    """
    from tfhkit.pipeline.tables import rounded

    _check_numbers(span, n_bins, fps)
    rows, failures = [], []
    for (real, generated), learned in zip(pairs, training):
        try:
            found = compare_heads(real, generated, learned, span, n_bins, fps, seed)
        except Exception as error:  # of one pair; the others can be compared all the same
            pair = f"{real} and {generated}"
            failures.append({"pair": pair, "reason": reason_of(error)})
            continue
        still = found["hs_frozen" if learned is None else "hs_frozen_training"]
        low, high = found["hs_interval"]
        numbers = {"hs": found["hs"], "low": low, "high": high}
        numbers |= {"still": still, "above_still": found["hs"] - still}
        rows.append({"real": real, "generated": generated, **numbers})
    still = "still head at the " + ("real mean" if training[0] is None else "training mean")
    differences = [row["above_still"] for row in rows]
    p = _signed_rank(differences)
    above = sum(one > 0 for one in differences)
    measures = {"HS": "hs", f"HS of a {still}": "still", "HS minus that": "above_still"}
    return rounded(
        {
            "rows": rows,
            "summary": summary_over(rows, {name: (key, None) for name, key in measures.items()}),
            "above": above,
            "p_wilcoxon": p,
            "notes": [_said(above, len(rows), still, p)] if rows else [],
            "failures": failures,
            "exit_code": 1 if failures else 0,
        }
    )


def _signed_rank(differences):
    """One-sided p-value of differences above 0; None where even the best case is above 0.05."""
    from scipy.stats import wilcoxon

    moved = [one for one in differences if one != 0]
    if len(moved) < LEAST_PAIRS:
        return None
    return float(wilcoxon(moved, alternative="greater").pvalue)


def _said(above, n_pairs, still, p):
    """The pooled test in a sentence."""
    said = f"HS is above that of a {still} in {above} of {n_pairs} pairs; "
    if p is None:
        return f"{said}too few pairs for a test (the signed-rank test needs {LEAST_PAIRS})"
    return f"{said}Wilcoxon signed-rank test, one-sided: p = {p:.3g}"


def show_pairs(result: dict[str, Any]) -> str:
    """The result of `compare_pairs` as text: a row per pair, what they share, the pooled test."""
    return show_over(result, "pair")


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

    divisor = _check_numbers(span, n_bins, fps)
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


def _check_numbers(span: str, n_bins: int, fps: float) -> str | float:
    """The divisor of W1; what no pair could be compared with is refused."""
    divisor = _span(span)
    if not n_bins >= 2:
        raise ParameterError("--bins", f"{n_bins} are too few", "take 2 or more")
    if n_bins > MOST_BINS:
        raise ParameterError("--bins", f"{n_bins} are too many", f"take {MOST_BINS} or fewer")
    if not LEAST_FPS <= fps <= MOST_FPS:
        remedy = f"give {LEAST_FPS:g} to {MOST_FPS:g} frames per second"
        raise ParameterError("--fps", f"is {fps:g}", remedy)
    return divisor


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
