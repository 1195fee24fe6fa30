"""How good refined frames are: a clip's held-out part, compared with baselines."""

import time
from dataclasses import dataclass
from functools import partial

import numpy as np

from tfhkit.background import match_background
from tfhkit.background.images import driven_images, training_images
from tfhkit.errors import InputError
from tfhkit.evaluate.frames import SCORES, judge_frames, nearest_frames, paired_interval
from tfhkit.evaluate.inference import peak_memory_gb, whole_step
from tfhkit.evaluate.motion import learning_track, split
from tfhkit.motion import TrainSettings, predict_motion, train_personal
from tfhkit.refine import (
    identity_features,
    refine,
    refiner_config,
    region_weight,
    start_from,
    train_refiner,
)

ANSWERS = ("refined", "unrefined", "nearest_frame")


@dataclass(frozen=True)
class Material:
    """What the refiner of a clip is trained on, and evaluated on with true coefficients.

    Args:
        train: dict of `training_images`: render, real, changed, frames.
        points_px: (N, 68, 2) landmarks of the training crops.
        identity: IdentityFeatures of the training frames.
        judged: dict of `training_images` of the held-out frames; none of them is in train.
        region: (M, S, S) bool, where the held-out composites differ from the frames.
        times: (M,) seconds of the held-out frames.
    """

    train: dict
    points_px: np.ndarray
    identity: object
    judged: dict
    region: np.ndarray
    times: np.ndarray


def refine_material(
    clip, fit, model, size_px, known, held, encoder="auto", arcface_file=None, seed=0, progress=None
):
    """Renderings, real frames and identity features of a clip's two parts.

    Args:
        clip: Clip. fit: its Fit. model: MorphableModel of the fit. size_px: side of the crops.
        known, held: slices of the frames to learn from and of the held-out ones; frames without a
            face are left out.
        encoder, arcface_file: see `identity_features`.
        seed: see `training_images`. progress: called as progress(done, total, text).
    Returns:
        Material.
    Raises:
        InputError: a part has fewer than three frames with a face.
    """
    frames = [np.flatnonzero(~fit.gap[part]) + part.start for part in (known, held)]
    for name, part in zip(("to learn from", "held out"), frames):
        if len(part) < 3:
            fault = f"{len(part)} of the frames {name} show a face"
            raise InputError("clip", fault, "take a longer clip")
    train, judged = (
        training_images(clip, fit, model, size_px, part, seed=seed, progress=progress)
        for part in frames
    )
    points = fit.crop.to_crop(fit.landmarks_px[train["frames"]]) * size_px / 224
    identity = identity_features(
        train["real"],
        points.astype(np.float32),
        encoder,
        arcface_file,
        every=max(1, len(points) // 60),  # 60 ms each: interpolated in between
        progress=progress,
    )
    region = judged["changed"] > 0
    return Material(train, points, identity, judged, region, fit.times[judged["frames"]])


def evaluate_refine(
    clip,
    fit,
    mapping,
    model,
    train,
    size="small",
    general=None,
    n_train=300,
    slots=64,
    motion=None,
    encoder="auto",
    arcface_file=None,
    device="auto",
    seed=0,
    deep=True,
    progress=None,
):
    """Learn from a clip's first frames, synthesise the rest, and compare with the real frames.

    Args:
        clip: Clip with sound. fit: its Fit. model: MorphableModel of the fit.
        mapping: MotionWeights, general, from sound to motion.
        train: TrainConfig of the personal training.
        size: of the generator. general: Refiner to start from, or None: random weights.
        n_train: frames to learn from; the rest is held out.
        slots: of the memory. motion: TrainSettings of the mapping's fine-tuning.
        encoder, arcface_file: see `identity_features`. device: of the refiner.
        seed: random seed. deep: as in `judge_frames`.
        progress: called as progress(done, total, text).
    Returns:
        (numbers, Material, dict of the answers' frames by coefficients and name). The numbers are
        a dict: for each score of `judge_frames` a dict answer -> coefficients -> number, with
        answers refined, unrefined (the composite) and nearest_frame (the real training frame
        whose composite is nearest), and coefficients

        - true: as fitted to the held-out frames, so only the refinement is evaluated;
        - predicted: expression and pose from the sound, over matched backgrounds. The head then
          stands elsewhere than it did: PSNR and SSIM say little there, lips and identity do;
        - predicted_expression: the predicted expression with the true pose and background;

        psnr_gain_db and psnr_gain_db_interval (95 %) of refined over unrefined, true
        coefficients; train_frames, held_frames, frames_without_face, train_seconds, steps, fps,
        fps_parts_ms (see `whole_step`), peak_memory_gb, from_general.
    Raises:
        ParameterError: n_train leaves too little to learn from, or to judge by; see `split`.
        InputError, ShapeError: as the parts.
    """
    known, held = split(fit, n_train)
    config = refiner_config(size, slots=slots)
    size_px = config.generator.size_px
    material = refine_material(
        clip, fit, model, size_px, known, held, encoder, arcface_file, seed, progress
    )
    config = refiner_config(size, material.identity.encoder.name, slots=slots)
    began = time.perf_counter()
    refiner, history = train_on(material, config, train, general, seed, device, progress)
    train_seconds = time.perf_counter() - began
    images = {"true": material.judged}
    images |= predicted_images(
        clip, fit, mapping, model, size_px, known, material.judged["frames"], motion, seed, progress
    )
    answers = {
        name: {
            "refined": refine(refiner, content["render"], material.times, progress=progress)[0],
            "unrefined": content["render"],
            "nearest_frame": material.train["real"][
                nearest_frames(material.train["render"], content["render"])
            ],
        }
        for name, content in images.items()
    }
    scores = {
        name: judge_frames(
            material.judged["real"],
            answers[name],
            np.maximum(material.judged["changed"], content["changed"]) > 0,
            aligned=name != "predicted",
            deep=deep,
            progress=progress,
        )
        for name, content in images.items()
    }
    result = {
        score: {a: {name: scores[name][a][score] for name in scores} for a in ANSWERS}
        for score in SCORES
        if score in scores["true"]["refined"]
    }
    each = [scores["true"][answer]["psnr_frames"] for answer in ("refined", "unrefined")]
    seconds, parts = whole_step(
        refiner,
        model,
        fit.coefficients[material.judged["frames"]],
        fit.coefficients[material.judged["frames"]],
        material.judged["real"],
        material.times,
    )
    result |= {
        "psnr_gain_db": float(np.mean(each[0] - each[1])),
        "psnr_gain_db_interval": paired_interval(*each, material.times, seed),
        "train_frames": len(material.train["frames"]),
        "held_frames": len(material.times),
        "frames_without_face": history["n_skipped"],
        "from_general": general is not None,
        "steps": history["trained_steps"],
        "train_seconds": train_seconds,
        "fps": 1 / seconds,
        "fps_parts_ms": parts,
        "peak_memory_gb": peak_memory_gb(),
    }
    return result, material, answers


def train_on(material, config, train, general=None, seed=0, device="auto", progress=None):
    """Train a person's refiner on a Material: (refiner, history), see `train_refiner`.

    Args:
        material: Material. config: RefinerConfig. train: TrainConfig.
        general: Refiner whose weights are the start, see `start_from`; None starts from random
            weights.
        seed, device, progress: as in `train_refiner`.
    """
    own = material.train
    return train_refiner(
        own["render"],
        own["real"],
        material.identity.features,
        config,
        train,
        frames=own["frames"],
        weight=region_weight(own["changed"], material.points_px),
        start=None if general is None else start_from(general, config, seed),
        seed=seed,
        device=device,
        progress=progress,
    )


def predicted_images(
    clip, fit, mapping, model, size_px, known, frames, settings=None, seed=0, progress=None
):
    """Composites of motion that was predicted from sound: notebooks 03 and 04 in brief.

    Args:
        clip, fit, mapping, model, size_px: as in `evaluate_refine`. known: slice of frames.
        frames: (M,) held-out frame numbers.
        settings: TrainSettings of the mapping's fine-tuning.
    Returns:
        dict: "predicted", "predicted_expression" -> dict as of `driven_images`.
    """
    settings, times = settings or TrainSettings(seed=seed), fit.times[frames]
    track, _ = learning_track(fit, clip.audio, mapping, model, known)
    weights, _ = train_personal(track, mapping, settings, model=model, progress=progress)
    exp = predict_motion(weights, clip.audio, fit.times)[0][frames]
    _, pose = predict_motion(weights, clip.audio, times)
    match = match_background(pose, fit.coefficients[known].pose, times, fit.times[known])
    draw = partial(driven_images, clip, fit, model, exp, size_px=size_px, progress=progress)
    return {
        "predicted": draw(match.pose, match.source_index + known.start),
        "predicted_expression": draw(fit.coefficients.pose[frames], frames),
    }
