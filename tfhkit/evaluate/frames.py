"""Scores of generated frames against the real ones, and the baselines to beat."""

import warnings
from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Int, Shaped, UInt8

from tfhkit.assets import present
from tfhkit.errors import KitWarning, check_shape
from tfhkit.landmarks.regions import feature_masks
from tfhkit.metrics import (
    detail_ratio,
    detect_crops,
    flicker_ratio,
    identity_similarity,
    lmd,
    lpips,
    lpips_available,
    motion_between,
    perceptual_available,
    perceptual_distance,
    psnr,
    ssim,
)
from tfhkit.progress import Progress

SCORES = ("psnr", "ssim", "lmd", "lmd_not_found", "identity_similarity", "perceptual", "lpips",
          "flicker_ratio", "flicker_ratio_warped",
          "detail", "detail_eyes", "detail_mouth")  # fmt: skip
JUDGED_PX = 256  # crops are enlarged to this for the landmarks, which come in whole pixels
N_DEEP, N_IDENTITY = 48, 16  # frames whose landmarks are found; those of them that are encoded
_THUMBNAIL_PX = 32
_NO_FACES = dict.fromkeys(
    ("lmd", "lmd_not_found", "identity_similarity", "detail_eyes", "detail_mouth")
)


def nearest_frames(
    train_renders: UInt8[np.ndarray, "N S S 3"], asked_renders: UInt8[np.ndarray, "..."]
) -> Int[np.ndarray, "M"]:
    """For each queried rendering, the row of the most similar training rendering.

    Its real frame is the output of a network that only memorises.

    Args:
        train_renders: of the training. asked_renders: (M, S, S, 3), the queries.
    """
    check_shape("asked_renders", asked_renders, ("M", *train_renders.shape[1:]))
    side = min(_THUMBNAIL_PX, train_renders.shape[1])
    known, asked = (
        np.stack([cv2.resize(p, (side, side), interpolation=cv2.INTER_AREA) for p in pictures])
        .reshape(len(pictures), -1)
        .astype(np.float64)
        for pictures in (train_renders, asked_renders)
    )
    # |a - k|^2 without the |a|^2 that all have in common
    return ((known**2).sum(1) - 2 * asked @ known.T).argmin(1)


def score_frames(
    real: UInt8[np.ndarray, "..."],
    answers: Mapping[str, UInt8[np.ndarray, "..."]],
    region: Shaped[np.ndarray, "..."],
    aligned: bool = True,
    find_faces: bool = False,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
) -> dict[str, dict[str, Any]]:
    """Score several answers to the same frames.

    Args:
        real: (T, S, S, 3), T >= 3, in time order.
        answers: frames of the same shape, by name.
        region: (T, S, S), where to look (true or non-zero).
        aligned: whether the heads are meant to be where the real one is.
        find_faces: also find landmarks and encode faces, about 20 and 60 ms per frame; for at most
            N_DEEP and N_IDENTITY frames, evenly spread. Their scores are None, with a warning,
            where dlib's landmarks are not installed.
        progress: called as progress(done, total, text).
        device: where the networks run that compare the looks.
    Returns:
        For each name a dict:
        psnr: dB, mean over the frames, inside the region. psnr_frames: (T,), of each frame.
        ssim: mean over the frames, inside the region.
        flicker_ratio: second differences over time, divided by those of the real clip.
        flicker_ratio_warped: the same along the real clip's motion; None if not `aligned`.
        detail: `detail_ratio` inside the region.
        With find_faces:
        lmd: distance of the 20 mouth points, centres aligned, as a share of the distance between
            the outer eye corners. The points are detected in the real frames too, in crops enlarged
            to JUDGED_PX. None where no frame has both faces.
        detail_eyes, detail_mouth: `detail_ratio` there; None where the eyes and mouth of no real
            frame are known, or if not `aligned`.
        lmd_not_found: share of frames in which at least one of the two faces was not found.
        identity_similarity: cosine; None where no frame has both faces.
        perceptual: distance by EfficientNet-Lite1, inside the region; only where its file can be
            had.
        lpips: inside the region; only where its weights are installed.
    Raises:
        ShapeError: sizes differ. InputError: as in the metrics.
    """
    check_shape("real", real, ("T", "S", "S", 3))
    check_shape("region", region, real.shape[:3])
    motion = motion_between(real) if aligned else None
    faces = _Faces(real, progress) if find_faces and _landmarks_are_there() else None
    scores: dict[str, dict[str, Any]] = {}
    for k, (name, answer) in enumerate(answers.items()):
        each = np.asarray(psnr(real, answer, region))
        scores[name] = {
            "psnr": float(each.mean()),
            "psnr_frames": each,
            "ssim": float(np.mean(ssim(real, answer, region))),
            "flicker_ratio": flicker_ratio(real, answer, region),
            "flicker_ratio_warped": flicker_ratio(real, answer, region, motion)
            if aligned
            else None,
            "detail": detail_ratio(real, answer, region),
        }
        if find_faces:
            scores[name] |= dict(_NO_FACES) if faces is None else faces.compare(answer, aligned)
            if perceptual_available():
                distance = perceptual_distance(real, answer, region, device=device)
                scores[name]["perceptual"] = float(distance.mean())
            if lpips_available():
                distance = lpips(real, answer, region, device=device)
                scores[name]["lpips"] = float(distance.mean())
        if progress:
            progress(k + 1, len(answers), "scoring")
    return scores


def _landmarks_are_there():
    """Whether faces can be found; a warning where dlib's landmarks are not installed."""
    there = present("dlib_landmarks")
    if not there:
        warnings.warn(
            "dlib's landmarks are not installed: faces are not scored", KitWarning, stacklevel=3
        )
    return there


class _Faces:
    """The real frames' faces, to compare answers with."""

    def __init__(self, real, progress):
        self.chosen = np.unique(np.linspace(0, len(real) - 1, N_DEEP).astype(int))
        self.progress = progress
        self.real = self._enlarge(real)
        self.points = detect_crops(self.real, progress=self.progress)
        self.parts = feature_masks(self.points, JUDGED_PX, margin_px=4)

    def _enlarge(self, frames):
        size = (JUDGED_PX, JUDGED_PX)
        large = [cv2.resize(frames[i], size, interpolation=cv2.INTER_CUBIC) for i in self.chosen]
        return np.stack(large)

    def compare(self, answer, aligned):
        large = self._enlarge(answer)
        points = detect_crops(large, progress=self.progress)
        both = np.isfinite(self.points).all((1, 2)) & np.isfinite(points).all((1, 2))
        scores = {"lmd": None, "lmd_not_found": float(1 - both.mean()), "identity_similarity": None}
        for part, mask in self.parts.items():
            known = aligned and mask.any()
            scores[f"detail_{part}"] = detail_ratio(self.real, large, mask) if known else None
        if not both.any():
            return scores
        distance = lmd(self.points[both], points[both], unit="interocular")
        few = np.flatnonzero(both)
        few = few[np.unique(np.linspace(0, len(few) - 1, N_IDENTITY).astype(int))]
        cosine = identity_similarity(
            self.real[few], large[few], self.points[few], points[few], progress=self.progress
        )
        return scores | {
            "lmd": float(distance.mean()),
            "identity_similarity": float(cosine.mean()),
        }
