"""How good refined frames are: a clip's held-out part, compared with baselines."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int, UInt8

from tfhkit.background.images import Coarse
from tfhkit.errors import InputError
from tfhkit.evaluate.frames import SCORES, nearest_frames, score_frames
from tfhkit.evaluate.inference import peak_memory_gb, whole_step
from tfhkit.motion import MotionWeights
from tfhkit.person import Person
from tfhkit.progress import Progress
from tfhkit.refine import Refiner, RunOptions, TrainConfig, refine
from tfhkit.refine.personal import (
    PersonalFrames,
    personal_config,
    personal_frames,
    train_personal_refiner,
)
from tfhkit.stats import mean_interval
from tfhkit.talk import draw, draw_own, drive, learn_mapping

ANSWERS = ("refined", "unrefined", "nearest_frame")
# frames by kind of coefficients and name of the answer
Answers = Mapping[str, Mapping[str, UInt8[np.ndarray, "M S S 3"]]]


@dataclass(frozen=True, eq=False)
class Material:
    """What the refiner of a clip is trained on, and what it is evaluated on.

    Args:
        own: the frames to train on.
        held_out: the held-out frames, real and rendered with their true coefficients;
            none of them is in `own`.
    """

    own: PersonalFrames
    held_out: Coarse

    @property
    def region(self) -> Bool[np.ndarray, "M S S"]:
        """Where the held-out composites differ from the frames."""
        return self.held_out.changed > 0

    @property
    def real(self) -> UInt8[np.ndarray, "M S S 3"]:
        """The real held-out frames."""
        assert self.held_out.real is not None, "`refine_material` gives them"
        return self.held_out.real


def refine_material(
    person: Person,
    encoder: str = "auto",
    arcface_file: str | Path | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Material:
    """Renderings, real frames and identity features of a clip's two parts.

    Args:
        person: trained or not; frames without a face are left out.
        encoder, arcface_file: see `identity_features`.
        seed: see `training_images`.
        progress: called as progress(done, total, text).
    Raises:
        InputError: a part has fewer than three frames with a face.
    """
    for name, part in (("to learn from", person.train), ("held out", person.held)):
        n_faces = int((~person.fit.gap[part]).sum())
        if n_faces < 3:
            fault = f"{n_faces} of the frames {name} show a face"
            raise InputError("clip", fault, "take a longer clip")
    parts = person.train, person.held
    train, held_out = (draw_own(person, part, seed, progress) for part in parts)
    how = encoder, arcface_file, person.settings.recipe, progress
    return Material(personal_frames(person.fit, train, *how), held_out)


def evaluate_refine(
    person: Person,
    mapping: MotionWeights,
    train: TrainConfig,
    general: Refiner | None = None,
    seed: int = 0,
    find_faces: bool = True,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], Material, Answers]:
    """Learn from a clip's first frames, synthesise the rest, and compare with the real frames.

    Args:
        person: only fitted so far: clip, fit, settings, device and the two parts.
        mapping: the general mapping from sound to motion.
        train: the refiner's personal training.
        general: where that training starts; None: random weights.
        seed: random seed. find_faces: as in `score_frames`.
        progress: called as progress(done, total, text).
    Returns:
        Numbers, the material, and the frames of all answers. The numbers are the scores of
        `score_answers`; psnr_gain_db and psnr_gain_db_interval (95 %) of refined over unrefined,
        true coefficients; train_frames, held_frames, frames_without_face, train_seconds, steps,
        fps, fps_parts_ms (see `whole_step`), peak_memory_gb, from_general.
    Raises:
        InputError, ShapeError: as in the parts.
    """
    material = refine_material(person, seed=seed, progress=progress)
    config = personal_config(person.settings, material.own)
    began = time.perf_counter()
    run = RunOptions(person.device, progress=progress)
    refiner, history = train_personal_refiner(material.own, config, train, general, seed, run)
    train_seconds = time.perf_counter() - began
    held_out = material.held_out
    own_mapping = learn_mapping(person, mapping, seed, progress=progress)
    images = {"true": held_out}
    images |= predicted_images(replace(person, mapping=own_mapping), held_out.frames, progress)
    answers = {
        kind: answers_to(refiner, material, content, progress) for kind, content in images.items()
    }
    scores = score_answers(material, images, answers, find_faces, progress, person.device)
    after, before = (scores["psnr_frames"][name]["true"] for name in ("refined", "unrefined"))
    shown = person.fit.coefficients[held_out.frames]
    seconds, parts = whole_step(refiner, person.model, shown, shown, material.real, held_out.times)
    numbers = {name: scores[name] for name in SCORES if name in scores} | {
        "psnr_gain_db": float(np.mean(after - before)),
        "psnr_gain_db_interval": mean_interval(after - before, held_out.times, seed=seed),
        "train_frames": len(material.own.coarse),
        "held_frames": len(held_out),
        "frames_without_face": history["n_skipped"],
        "from_general": general is not None,
        "steps": history["trained_steps"],
        "train_seconds": train_seconds,
        "fps": 1 / seconds,
        "fps_parts_ms": parts,
        "peak_memory_gb": peak_memory_gb(),
    }
    return numbers, material, answers


def answers_to(
    refiner: Refiner, material: Material, content: Coarse, progress: Progress | None = None
) -> dict[str, UInt8[np.ndarray, "M S S 3"]]:
    """Frames for the same moments, by ANSWERS: refined, and two baselines.

    Args:
        refiner: trained on the material.
        material: its real training frames are those of nearest_frame.
        content: renderings of the held-out frames.
        progress: called as progress(done, total, text).
    Returns:
        refined; unrefined, the composite; nearest_frame, the real training frame whose composite is
        nearest.
    """
    known = material.own.coarse
    assert known.real is not None, "`refine_material` gives them"
    refined, _ = refine(refiner, content.render, material.held_out.times, progress=progress)
    nearest = known.real[nearest_frames(known.render, content.render)]
    return {"refined": refined, "unrefined": content.render, "nearest_frame": nearest}


def score_answers(
    material: Material,
    images: Mapping[str, Coarse],
    answers: Answers,
    find_faces: bool = True,
    progress: Progress | None = None,
    device: str | torch.device = "cpu",
) -> dict[str, dict[str, dict[str, Any]]]:
    """Scores of all answers against the real held-out frames.

    Args:
        material: with the real frames.
        images: renderings by kind of coefficients:

            - true: as fitted to the held-out frames, so only the refinement is evaluated;
            - predicted: expression and pose from the sound, over matched backgrounds. The head then
              stands elsewhere than it did: PSNR and SSIM say little there, lips and identity do;
            - predicted_expression: the predicted expression with the true pose and background.
        answers: frames by kind of coefficients and name.
        find_faces, device: as in `score_frames`.
        progress: called as progress(done, total, text).
    Returns:
        For each score of `score_frames` a dict answer -> coefficients -> number.
    """
    held_out = material.held_out
    scores = {
        kind: score_frames(
            material.real,
            answers[kind],
            np.maximum(held_out.changed, content.changed) > 0,
            aligned=kind != "predicted",
            find_faces=find_faces,
            progress=progress,
            device=device,
        )
        for kind, content in images.items()
    }
    names = scores["true"]["refined"]
    return {
        name: {answer: {kind: scores[kind][answer][name] for kind in scores} for answer in ANSWERS}
        for name in names
    }


def predicted_images(
    person: Person, frames: Int[np.ndarray, "M"], progress: Progress | None = None
) -> dict[str, Coarse]:
    """Composites of motion that was predicted from the clip's sound.

    Args:
        person: with the personal mapping. frames: numbers of the held-out frames.
        progress: called as progress(done, total, text).
    Returns:
        "predicted", and "predicted_expression" with the true pose and background.
    """
    fit = person.fit
    motion = drive(person, person.clip.audio, fit.times[frames])
    true_pose = replace(motion, pose=fit.coefficients.pose[frames], source_index=frames)
    return {
        "predicted": draw(person, motion, progress=progress),
        "predicted_expression": draw(person, true_pose, progress=progress),
    }
