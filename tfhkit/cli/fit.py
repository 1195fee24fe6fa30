"""`tfhkit fit`: fit the face model to a clip."""

import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from tfhkit.cli.parser import TRACK_HELP, Outcome
from tfhkit.errors import ParameterError

TEXT = "fit the face model to a clip"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument("clip", metavar="CLIP", help='a video, or "sample"')
    command.add_argument(
        "-o", "--output", metavar="FILE", help="write the fit (.npz), or its coefficients (.mat)"
    )
    command.add_argument(
        "--report", metavar="FILE", help="draw the fit, before and after, on a page (.png or .pdf)"
    )
    command.add_argument("--audio-track", type=int, metavar="N", help=TRACK_HELP)
    command.add_argument("--frames", type=int, metavar="N", help="the first N frames only")
    command.add_argument("--landmarks", default="auto", help="auto, mesh, face-alignment or dlib")
    command.add_argument("--model", default="open", help="face model: open, bfm09 or ict")
    command.add_argument("--model-path", default="", metavar="P", help="its file or folder")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.pipeline.tables import table

    result = fit_file(
        options.clip,
        options.output,
        options.frames,
        options.landmarks,
        options.model,
        options.model_path,
        options.report,
        options.audio_track,
    )
    return result, table


# the numbers of a fit's report that `tfhkit fit` prints
REPORTED = (
    "nme_inner_pct",
    "nme_mouth_pct",
    "photometric_l1",
    "photometric_l1_landmarks",
    "jitter_deg",
    "jitter_deg_landmarks",
    "sigma_deg",
    "yaw_deg",
    "pitch_deg",
    "roll_deg",
    "id_rms",
    "exp_rms",
    "worst_frames",
    "unsure_frames",
)


def fit_file(
    path: Path | str,
    output: Path | str | None = None,
    frames: int | None = None,
    landmarks: str = "auto",
    model: str = "open",
    model_path: str = "",
    report: Path | str | None = None,
    audio_track: int | None = None,
) -> dict[str, Any]:
    """Fit a face model to a clip.

    Args:
        path: a video file, or "sample".
        output: file for the fit (.npz), or for its coefficients (.mat, key `coeff`); None writes
            nothing.
        frames: take the first N frames only.
        landmarks: name of the backend.
        model, model_path: see `tfhkit.face.load_model`.
        report: file for a drawing of the fit (.png or .pdf), see `tfhkit.fit.report_plots`; None
            draws nothing.
        audio_track: number of the clip's sound track, from 1; None chooses.
    Returns:
        clip, frames, seconds (of landmarks and fit), the numbers of `fit_report` and `fit_clip`
        that REPORTED names, landmark_backend, model.
    """
    from tfhkit.coefficients import write_mat
    from tfhkit.face import load_model
    from tfhkit.fit import fit_clip
    from tfhkit.landmarks import detect
    from tfhkit.media import atomic_path, check_writable
    from tfhkit.pipeline.advice import say_advice
    from tfhkit.pipeline.clip_fit import open_frames
    from tfhkit.pipeline.places import resolve_model
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import rounded

    _refuse_path("--output", output, (".npz", ".mat"))
    _refuse_path("--report", report, (".png", ".pdf"))
    model_file = resolve_model(model_path)
    face = load_model(model, model_file)
    clip = open_frames(path, frames, audio_track)
    output = check_writable(output, ".npz", ".mat", model=model_file) if output else None
    report = check_writable(report, ".png", ".pdf") if report else None
    began = time.perf_counter()
    points = detect(clip, landmarks, progress=terminal_progress())
    fit = fit_clip(clip, points, face, progress=terminal_progress())
    seconds = time.perf_counter() - began
    say_advice(clip, fit)
    if output and output.suffix == ".mat":
        with atomic_path(output) as temporary:
            write_mat(temporary, fit.coefficients)
    elif output:
        fit.save(output)
    if report:
        with atomic_path(report) as picture:
            _draw(clip, points, fit, face, picture)
    return {
        "clip": str(path),
        "frames": len(clip),
        "seconds": round(seconds, 1),
        **{name: rounded(fit.report[name]) for name in REPORTED},
        "landmark_backend": points.backend,
        "model": face.name,
    }


def _draw(clip, points, fit, face, picture):
    """Draw a fit, and the fit to landmarks alone for comparison."""
    from tfhkit.fit import fit_clip
    from tfhkit.fit.report_plots import show_fit

    by_landmarks = fit_clip(clip, points, face, photometric=None, crop=fit.crop)
    show_fit(clip, by_landmarks, fit, face).savefig(picture)


def _refuse_path(option: str, path: Path | str | None, suffixes: tuple[str, ...]) -> None:
    """Raise for a path that cannot become a file of one of these kinds; None is accepted."""
    if path and Path(path).suffix not in suffixes:
        fault = f"{path} is neither {' nor '.join(suffixes)}"
        raise ParameterError(option, fault, "name one of them")
    if path and Path(path).is_dir():
        raise ParameterError(option, f"{path} is a folder", "name a file")
