"""How well faces are fitted: virtual heads against their truth, a clip against its landmarks."""

import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tfhkit.errors import ParameterError
from tfhkit.evaluate.heads import eye_errors, head_errors, make_head_clip, read_truth
from tfhkit.face import MorphableModel, load_model
from tfhkit.fit import fit_clip
from tfhkit.landmarks import detect
from tfhkit.media import Clip, open_clip
from tfhkit.progress import Progress
from tfhkit.virtual.workers import in_workers

_KEYS = ("pose_error_deg", "lip_error_mm", "shape_error_mm")


def evaluate_heads(
    n_heads: int = 20,
    n_frames: int = 20,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Fit virtual heads from their video alone and compare with the truth.

    Each head is another person in another light, who talks and turns by up to 30 degrees; its
    landmarks are detected. The crop is the one in which the truth holds, since another one would
    have another camera, and so other angles.

    Args:
        n_heads: number of heads. n_frames: number of frames of each.
        seed: random seed of the first head.
        workers: number of processes; 1 stays in this one.
        progress: called as progress(done, total, text).
    Returns:
        heads, frames; pose_error_deg (mean absolute error of pitch, yaw, roll), lip_error_mm and
        shape_error_mm (rms), lid_r_of_a_head and gaze_error_deg, see `eye_errors`, each the mean
        over the heads; lid_r, the correlation of the lids' opening over the frames of all heads,
        each head's mean taken away, so that a head counts as much as its lids move; blink_f1, of
        the frames with closed eyes; and landmarks_only, the first three from the landmarks alone.
    Raises:
        ParameterError: fewer than one head, or too few frames to fit.
    """
    if n_heads < 1:
        raise ParameterError("--heads", f"{n_heads} are too few", "take 1 or more")
    if n_frames < 4:
        raise ParameterError("frames", f"{n_frames} are too few", "take 4 or more")
    jobs = [(seed + k, n_frames) for k in range(n_heads)]
    rows: list[list[dict]] = [[] for _ in jobs]
    for done, (k, row) in enumerate(in_workers(_one_head, jobs, workers), 1):
        rows[k] = row
        if progress:
            progress(done, n_heads, "fitting virtual heads")
    landmarks, pixels = ({key: _mean(row[k][key] for row in rows) for key in _KEYS} for k in (0, 1))
    lids = np.concatenate([row[1]["lids"] - row[1]["lids"].mean(1)[:, None] for row in rows], 1)
    eyes = {
        "lid_r": float(np.corrcoef(lids)[0, 1]),
        "lid_r_of_a_head": _mean(row[1]["lid_r"] for row in rows),
        "gaze_error_deg": _mean(row[1]["gaze_error_deg"] for row in rows),
    }
    both, ours, real = np.sum([row[1]["blink_counts"] for row in rows], 0)
    blinks = {"blink_f1": float(2 * both / max(2 * both + ours + real, 1))}
    return {
        "heads": n_heads, "frames": n_frames, **pixels, **eyes, **blinks,
        "landmarks_only": landmarks,
    }  # fmt: skip


def evaluate_clip(
    clip: Clip, model: MorphableModel | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Fit a clip, and report its errors and how long it takes.

    Args:
        clip: what is fitted.
        model: what is fitted to it; the open model by default.
        progress: called as progress(done, total, text).
    Returns:
        clip_frames, nme_inner_pct, nme_mouth_pct, photometric_l1, jitter_deg, id_rms,
        exp_rms, seconds (landmarks and fit); photometric_l1_landmarks and jitter_deg_landmarks.
    """
    model = model or load_model()
    began = time.perf_counter()
    fit = fit_clip(clip, detect(clip, progress=progress), model, progress=progress)
    seconds = time.perf_counter() - began
    names = ["nme_inner_pct", "nme_mouth_pct", "photometric_l1", "photometric_l1_landmarks"]
    names += ["jitter_deg", "jitter_deg_landmarks", "id_rms", "exp_rms"]
    return {"clip_frames": len(fit), **{n: fit.report[n] for n in names}, "seconds": seconds}


def _one_head(seed, n_frames):
    """Errors of one head: by its landmarks alone, and with its pixels."""
    model = load_model()
    with tempfile.TemporaryDirectory() as folder:
        path, truth_path = make_head_clip(Path(folder) / "head.mp4", seed, n_frames, model)
        clip = open_clip(path, min_seconds=0, need_sound=False)
        truth, crop = read_truth(truth_path)
        landmarks = detect(clip)
        fits = [
            fit_clip(clip, landmarks, model, crop=crop, **kind)
            for kind in ({"photometric": None}, {})
        ]
    return [
        head_errors(model, fit.coefficients, truth) | eye_errors(model, fit.coefficients, truth)
        for fit in fits
    ]


def _mean(values):
    return np.mean(list(values), 0).tolist()
