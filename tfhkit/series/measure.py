"""What `tfhkit fit`, `tfhkit evaluate` and `tfhkit bench` do."""

import contextlib
import dataclasses
import importlib
import pkgutil
import sys
import time
from pathlib import Path

from tfhkit.errors import ParameterError

# of a fit's report, what `tfhkit fit` prints
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
    path, output=None, frames=None, landmarks="auto", model="open", model_path="", report=None
):
    """Fit a face model to a clip.

    Args:
        path: a video file, or "sample". output: where to write the Fit (.npz), or its coefficients
            (.mat, key `coeff`); None writes nothing.
        frames: take the first so many frames only. landmarks: the backend's name.
        model, model_path: see `tfhkit.face.load_model`.
        report: where to draw the fit (.png or .pdf), see `tfhkit.fit.report_plots`; or None.
    Returns:
        dict: clip, frames, seconds (of landmarks and fit), of `fit_report` and `fit_clip` the
        numbers that REPORTED names, landmark_backend, model.
    """
    from tfhkit.coefficients import write_mat
    from tfhkit.face import load_model
    from tfhkit.fit import fit_clip
    from tfhkit.landmarks import detect
    from tfhkit.media import atomic_path
    from tfhkit.series.places import resolve_model

    _refuse_path("--output", output, (".npz", ".mat"))
    _refuse_path("--report", report, (".png", ".pdf"))
    model = load_model(model, resolve_model(model_path))
    clip = _first_frames(path, frames)
    # Opened first: a folder that cannot be written is known before the minutes of a fit.
    with atomic_path(report) if report else contextlib.nullcontext() as picture:
        began = time.perf_counter()
        points = detect(clip, landmarks, progress=terminal_progress())
        fit = fit_clip(clip, points, model, progress=terminal_progress())
        seconds = time.perf_counter() - began
        if output and Path(output).suffix == ".mat":
            write_mat(output, fit.coefficients)
        elif output:
            fit.save(output)
        if report:
            from tfhkit.fit.report_plots import show_fit

            by_landmarks = fit_clip(clip, points, model, photometric=None, crop=fit.crop)
            show_fit(clip, by_landmarks, fit, model).savefig(picture)
    return {
        "clip": str(path),
        "frames": len(clip),
        "seconds": round(seconds, 1),
        **{name: _rounded(fit.report[name]) for name in REPORTED},
        "landmark_backend": points.backend,
        "model": model.name,
    }


def evaluate_face(clip=None, frames=300, heads=20):
    """Judge the fitting of faces; see `tfhkit.evaluate.face`.

    Args:
        clip: a video file to fit, too, or None. frames: its first so many.
        heads: virtual heads.
    Returns:
        dict of `evaluate_heads` and, with a clip, of `evaluate_clip`.
    """
    from tfhkit.evaluate.face import evaluate_clip, evaluate_heads

    opened = None if clip is None else _first_frames(clip, frames)
    result = evaluate_heads(heads, progress=terminal_progress())
    if opened is not None:
        result |= {"clip": str(clip), **evaluate_clip(opened, progress=terminal_progress())}
    return {name: _rounded(value) for name, value in result.items()}


def evaluate_motion(clip=None, frames=300, speakers=24, fit=None, curve=False, seed=0):
    """Judge the mapping from sound to motion; see `tfhkit.evaluate.motion`.

    Args:
        clip: a video file, or "sample" (also None). frames: its first so many are learned from;
            of a shorter clip its first three quarters.
        speakers: virtual speakers that the general mapping has not met; 0 for none.
        fit: a Fit of the whole clip (.npz, of `tfhkit fit -o`); None fits the clip.
        curve: measure what the general mapping is worth by numbers of frames, too.
        seed: of everything random.
    Returns:
        dict of `evaluate_clip`, `evaluate_speakers`, seconds; with curve, a list of rows.
    """
    from tfhkit.evaluate.motion import evaluate_clip, evaluate_curve, evaluate_speakers
    from tfhkit.face import load_model
    from tfhkit.fit import Fit, fit_clip
    from tfhkit.landmarks import detect
    from tfhkit.media import open_clip
    from tfhkit.motion import TrainSettings
    from tfhkit.series.context import resolve
    from tfhkit.series.general import general_weights

    if speakers < 0:
        raise ParameterError("--speakers", f"{speakers} are too few", "take 0 or more")
    began, progress = time.perf_counter(), terminal_progress()
    path = resolve("clip", str(clip or "sample"), Path.cwd())
    opened = open_clip(path)
    if fit is None:
        made = fit_clip(opened, detect(opened, progress=progress), progress=progress)
    else:
        made = Fit.load(fit)
        if len(made) != len(opened):
            fault = f"has {len(made)} frames, the clip {len(opened)}"
            raise ParameterError(f"--fit {fit}", fault, "give the fit of the whole clip")
    model = made.load_model()
    general = general_weights(model=model)
    n_train, settings = min(frames, int(0.75 * len(made))), TrainSettings(seed=seed)
    common = (made, opened.audio, general, model)
    result = {"clip": str(clip or "sample")}
    result |= evaluate_clip(*common, n_train, settings, seed, progress)
    if speakers:
        result |= evaluate_speakers(general_weights(), load_model(), speakers, progress=progress)
    if curve:
        rows = evaluate_curve(*common, n_train, settings=settings, progress=progress)
        result["curve"] = rows
    result["seconds"] = time.perf_counter() - began
    return {name: _rounded(value) for name, value in result.items()}


def _first_frames(path, frames):
    """A clip, or the first so many frames of it."""
    from tfhkit.media import open_clip
    from tfhkit.series.context import resolve

    if frames is not None and frames < 10:
        raise ParameterError("--frames", f"{frames} are too few", "take 10 or more")
    clip = open_clip(resolve("clip", str(path), Path.cwd()), need_sound=False)
    if frames is None:
        return clip
    return dataclasses.replace(clip, times=clip.times[:frames], pts=clip.pts[:frames])


def _refuse_path(option, path, suffixes):
    """Raise for a path that cannot become a file of one of two kinds; None will do."""
    if path and Path(path).suffix not in suffixes:
        fault = f"{path} is neither {' nor '.join(suffixes)}"
        raise ParameterError(option, fault, "name one of them")
    if path and Path(path).is_dir():
        raise ParameterError(option, f"{path} is a folder", "name a file")


def _rounded(value):
    """Floats at four digits behind the point, also inside lists and dicts."""
    if isinstance(value, dict):
        return {name: _rounded(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def run_benchmarks(names=()):
    """Run benchmarks by name: `tfhkit/bench/NAME.py` has a function `bench_NAME`.

    Returns:
        dict of name -> list of rows (dicts).
    """
    import tfhkit.bench

    known = sorted(module.name for module in pkgutil.iter_modules(tfhkit.bench.__path__))
    for name in names:
        if name not in known:
            raise ParameterError(f"bench {name}", "there is no such one", f"choose of {known}")
    result = {}
    for name in names or known:
        function = getattr(importlib.import_module(f"tfhkit.bench.{name}"), f"bench_{name}")
        rows = function()
        result[name] = rows if isinstance(rows, list) else [rows]
    return result


def terminal_progress():
    """A callable (done, total, text): one moving line on a terminal, silent elsewhere."""
    if not sys.stderr.isatty():
        return None
    last = [0.0]

    def progress(done, total, text=""):
        now = time.monotonic()
        if done >= total:
            sys.stderr.write("\r\033[K")
        elif now - last[0] > 0.1:
            last[0] = now
            sys.stderr.write(f"\r\033[K{text} {done}/{total}")
        sys.stderr.flush()

    return progress
