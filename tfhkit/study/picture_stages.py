"""A study's stages with pictures: refined frames, ablations, lengths, few frames, one frame."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tfhkit.camera import CROP_PX
from tfhkit.errors import InputError
from tfhkit.evaluate.ablations import FULL, general_only, run_ablations
from tfhkit.evaluate.frames import score_frames
from tfhkit.evaluate.motion import compare_lips
from tfhkit.evaluate.refine import Material, answers_to, predicted_images
from tfhkit.evaluate.written import score_written
from tfhkit.media import frames_at
from tfhkit.metrics.baselines import HALVES
from tfhkit.motion import predict_motion
from tfhkit.motion.general import general_mapping
from tfhkit.refine import refine
from tfhkit.refine.general import general_refiner
from tfhkit.refine.personal import personal_config, personal_frames
from tfhkit.render import choose_albedo_frame, detailed_albedo
from tfhkit.study.motion_stages import LIP_MM, LIP_R
from tfhkit.study.work import ClipWork, Row, between, row
from tfhkit.talk import draw_own, learn_mapping

SCORES = {
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "perceptual": "perceptual distance",
    "lmd": "mouth distance, share of the eyes'",
    "detail_mouth": "detail of the mouth",
    "identity_similarity": "likeness of the person, cosine",
}
HEARD = ", lips from sound"  # what the mouth's pictures are made from; else from the real lips
METHODS = {"refined": "ours", "unrefined": "rendering", "nearest_frame": "nearest frame"}
LENGTHS = (100, 200, 300, 500, 800)  # App. B
FEW = (1, 10, 30)
GENERAL = "general mapping"
LEAST_HEARD_S = 2.0  # that a mapping is learned from
DETAILED, LOW = "detailed albedo", "low-frequency albedo"
Pictures = UInt8[np.ndarray, "M S S 3"]


def judge_frames(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """Refined held-out frames compared with the real ones, the rendering and the nearest frame."""
    person, material = work.looked_at(work.learned), work.material
    content = {"true": material.held_out}
    content |= predicted_images(person, material.held_out.frames, work.progress)
    rows: list[Row] = []
    for kind in ("true", "predicted_expression"):
        answers = answers_to(person.trained(), material, content[kind], work.progress)
        named = {METHODS[name]: answers[name] for name in METHODS}
        mark = "" if kind == "true" else HEARD
        changed = np.maximum(material.held_out.changed, content[kind].changed) > 0
        rows += _scored(work, material, named, changed, mark)
    return rows, {"train_frames": len(material.own.coarse), "held_frames": len(material.held_out)}


def judge_written(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """The video of the held-out sound, looked at as any video (Sec. 4)."""
    person = work.looked_at(work.learned)
    found = score_written(person, seed=work.settings.seed, progress=work.progress)
    natural, numbers = found.naturalness, found.summary()
    rows = [row("naturalness", "ours", natural.mean, **between(natural.interval))]
    rows.append(row("naturalness", HALVES, natural.spread))
    for name, part in natural.parts.items():
        rows.append(row(f"{name}, closeness", "ours", part.closeness, **between(part.interval)))
        rows.append(row(f"{name}, closeness", HALVES, part.spread))
    rows.append(row("HS of the written video", "ours", numbers["hs_written"]))
    rows.append(row("HS of the written video", "real, found twice", numbers["hs_repeated"]))
    for name in ("frame_wise", "aligned"):
        rows.append(row("mouth distance, eyes' distances", name, getattr(found.lmd_mouth, name)))
    return rows, numbers


def ablate(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """Sec. 4.2: the refiner without each of its parts, with the same training."""
    material, sizes = work.material, work.settings.of_profile
    config, train = personal_config(sizes, material.own), work.training(material)
    if not work.settings.refine_steps:
        train = replace(train, steps=sizes.ablation_steps, budget_s=None)
    general = general_refiner(sizes.refine_size)
    found = run_ablations(
        material, config, train, general, None, work.settings.seed, work.device, work.progress
    )
    rows = []
    for each in found:
        rows.append(row("PSNR, dB", each.ablation.name, each.psnr))
        rows.append(row("SSIM", each.ablation.name, each.ssim))
        rows.append(row("flicker", each.ablation.name, each.flicker_ratio))
        if each.ablation.name != FULL:
            change = row("PSNR minus full model, dB", each.ablation.name, each.change)
            rows.append(change | between(each.interval))
    return rows, {"steps": train.steps}


def judge_lengths(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """App. B: pictures and lips after learning from more and more frames before the same end."""
    held_from = int(0.75 * len(work.clip))
    lengths = [n for n in LENGTHS if n <= held_from]
    rows, about = _after(work, [(n, f"N = {n}", None) for n in lengths], held_from)
    return rows + _lips_after(work, lengths, held_from), about


def _lips_after(work, lengths, held_from):
    """Rows of the held-out lips: from the general mapping, and learned from N frames."""
    fit, audio, seed = work.fit, work.clip.audio, work.settings.seed
    rows: list[Row] = []
    heard = [n for n in lengths if n * np.median(np.diff(fit.times)) >= LEAST_HEARD_S]
    for n in (0, *heard):
        person = work.person_of(n, held_from)
        mapping = learn_mapping(person, None, seed, progress=work.progress) if n else None
        moved = predict_motion(mapping or general_mapping(), audio, fit.times)[0]
        parts = (exp[held_from:] for exp in (moved, fit.coefficients.exp))
        r, error_mm = compare_lips(person.model, fit.coefficients.id[0], *parts)
        method = f"N = {n}" if n else GENERAL
        rows += [row(LIP_R, method, float(r)), row(LIP_MM, method, float(error_mm))]
    return rows


def few_label(n: int, albedo: str) -> str:
    """What a training on few frames is called in the tables."""
    return f"{n} {'frame' if n == 1 else 'frames'}, {albedo}"


def judge_few(work: ClipWork) -> tuple[list[Row], dict[str, Any]]:
    """1, 10 and 30 frames with the texture of the model, and with the detailed albedo of one."""
    held_from = int(0.75 * len(work.clip))
    kinds = [(n, few_label(n, name), name) for n in FEW for name in (LOW, DETAILED)]
    return _after(work, kinds, held_from)


def _after(work, kinds, held_from):
    """Rows for trainings on some frames before the held-out part: (frames, method, albedo)."""
    rows: list[Row] = []
    for k, (n, method, kind) in enumerate(kinds):
        person = work.looked_at(work.person_of(n, held_from))
        albedo = _detailed(work, person) if kind == DETAILED else None
        own, held_out = (
            draw_own(person, part, work.settings.seed, albedo=albedo)
            for part in (person.train, person.held)
        )
        frames = personal_frames(work.fit, own, recipe=work.settings.recipe)
        material = Material(frames, held_out)
        refiner = _general(work, material) if n == 1 else work.refiner_of(material)
        answers = {method: refine(refiner, held_out.render, held_out.times)[0]}
        if kind is None and k == 0:
            answers |= {METHODS["unrefined"]: held_out.render}
        rows += _scored(work, material, answers, material.region, "")
        if work.progress:
            work.progress(k + 1, len(kinds), "trainings")
    return rows, {"held_from": held_from}


def _general(work, material):
    """The general refiner as it is: one frame is too few for a training."""
    sizes = work.settings.of_profile
    general = general_refiner(sizes.refine_size)
    if general is None:
        fault = f"one frame needs general weights of size {sizes.refine_size!r}"
        remedy = f"train them with `tfhkit pretrain refiner --size {sizes.refine_size}`"
        raise InputError("few-frames", fault, remedy)
    return general_only(general, personal_config(sizes, material.own)).to(work.device)


def _detailed(work, person):
    """The albedo of the frame of the training part that shows the face best (Sec. 3.3.1)."""
    part = work.fit.coefficients[person.train]
    best = choose_albedo_frame(part)
    _, frame = next(frames_at(work.clip, np.array([person.train.start + best])))
    return detailed_albedo(person.model, part[best : best + 1], work.fit.crop.image(frame, CROP_PX))


def _scored(
    work: ClipWork,
    material: Material,
    answers: Mapping[str, Pictures],
    region: np.ndarray,
    mark: str,
) -> list[Row]:
    """Rows of SCORES for answers to the held-out frames."""
    found = score_frames(
        material.real, answers, region, find_faces=True, progress=work.progress, device=work.device
    )
    rows = []
    for name, scores in found.items():
        for score, measure in SCORES.items():
            if scores.get(score) is not None:
                rows.append(row(measure + mark, name, scores[score]))
    return rows
