"""A study's stage for Table 2: one frame speaks by the general mapping and refiner (Ours-G)."""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.background.images import Look, driven_images, open_backdrops
from tfhkit.camera import CROP_PX
from tfhkit.errors import InputError
from tfhkit.face import load_model
from tfhkit.fit import Fit, fit_clip
from tfhkit.fit.image import Still
from tfhkit.landmarks import detect
from tfhkit.media import first_frames
from tfhkit.metrics import psnr, psnr_published, resize_published, ssim
from tfhkit.metrics.landmarks import detect_crops, lmd
from tfhkit.motion import predict_motion
from tfhkit.motion.general import general_mapping
from tfhkit.person import Motion
from tfhkit.refine import refine
from tfhkit.refine.general import general_refiner
from tfhkit.render import detailed_albedo
from tfhkit.study.motion_stages import FROZEN_MOUTH
from tfhkit.study.work import ClipWork, Row, row

JUDGED_PX = 256  # side of the crops in which the evaluation of ATVG measures the mouth
MOST_FRAMES = 100
OURS_G, UNREFINED = "Ours-G", "Ours-G, not refined"
COPIED = "copied frame"
LMD_MEAN, LMD_SUM = "LMD, px, mean of 20 points", "LMD, px, sum of 20 points"
Pictures = UInt8[np.ndarray, "T S S 3"]


def judge_one_frame(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """Table 2: the first frame and the sound give the clip; every later frame is compared.

    Nothing but the first frame is known of the person: face model, light, detailed albedo and
    background are its own. Mouth and head's turns come from the general mapping.
    """
    clip, n = work.clip, min(len(work.clip), MOST_FRAMES)
    first = next(clip.iter_frames())
    model = load_model()
    picture = Still(clip.path, first, clip.times[:1])
    seen = detect(first_frames(clip, n), progress=work.progress)  # whose face it is, of several
    face = seen.first(1)
    fit = fit_clip(picture, face, model, texture_frames=1, photometric=None)
    size = work.settings.of_profile.refine_size
    refiner = general_refiner(size)
    if refiner is None:
        remedy = f"train one with `tfhkit pretrain refiner --size {size}`, or use profile quick"
        raise InputError("one-frame", f"there is no general refiner of size {size!r}", remedy)
    refiner = refiner.to(work.device)
    size_px = refiner.config.generator.size_px
    times = clip.times[:n]
    albedo = detailed_albedo(model, fit.coefficients[:1], fit.crop.image(first, CROP_PX))
    behind = open_backdrops(picture, fit, model, np.array([0]), size_px)

    def drawn(motion: Motion) -> Pictures:
        return driven_images(behind, fit, model, motion, Look(albedo)).render

    spoken, still = _motions(fit, clip.audio, times)
    renders = drawn(spoken)
    answers = {
        OURS_G: refine(refiner, renders, times)[0],
        UNREFINED: renders,
        FROZEN_MOUTH: refine(refiner, drawn(still), times)[0],
        COPIED: np.repeat(fit.crop.image(first, size_px)[None], n, 0),
    }
    reals = np.stack([fit.crop.image(f, size_px) for f in clip.iter_frames(0, n)])
    later = {name: pictures[1:] for name, pictures in answers.items()}  # the first one is known
    return _scored(reals[1:], later, work.progress), {"frames": n - 1, "size_px": size_px}


def _motions(
    fit: Fit, audio: Float[np.ndarray, "N"], times: Float[np.ndarray, "T"]
) -> tuple[Motion, Motion]:
    """What is said, and the same head with the first frame's mouth.

    The general mapping knows the mean of many mouths: this one moves as theirs do, around the
    first frame's.
    """
    exp, pose = predict_motion(general_mapping(), audio, times)
    exp = fit.coefficients.exp[:1] + exp - exp.mean(0)
    own = fit.coefficients.pose[0]
    turned = np.repeat(own[None], len(times), 0)
    turned[:, :3] += pose[:, :3] - pose[:1, :3]
    held = np.repeat(fit.coefficients.exp[:1], len(times), 0)
    source = np.zeros(len(times), np.int64)
    spoken, still = (Motion(times, mouth, turned, turned, source) for mouth in (exp, held))
    return spoken, still


def _scored(reals, answers, progress) -> list[Row]:
    """PSNR and SSIM of the whole crops, LMD in crops of JUDGED_PX."""
    size = (JUDGED_PX, JUDGED_PX)

    def points(pictures: Pictures) -> Float[np.ndarray, "T 68 2"]:
        large = [cv2.resize(p, size, interpolation=cv2.INTER_CUBIC) for p in pictures]
        return detect_crops(np.stack(large), progress=progress)

    rows, real = [], points(reals)
    for name, pictures in answers.items():
        small = resize_published(reals), resize_published(pictures)
        for measure, values in (
            ("PSNR, dB", psnr(reals, pictures)),
            ("SSIM", ssim(reals, pictures)),
            ("PSNR as published, dB", psnr_published(reals, pictures)),
            ("SSIM as published", ssim(*small, window="box")),
        ):
            rows.append(row(measure, name, float(np.mean(values))))
        found = points(pictures)
        if np.isfinite(real[:, 0, 0] + found[:, 0, 0]).any():
            mean = float(np.nanmean(lmd(real, found)))
            n = int(np.isfinite(found[:, 0, 0]).sum())
            rows.append(row(LMD_MEAN, name, mean, n=n))
            rows.append(row(LMD_SUM, name, 20 * mean, n=n))
    return rows
