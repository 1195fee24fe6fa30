"""How good refined frames are: a clip's held-out part, compared with baselines."""

import time
from dataclasses import dataclass, replace

import numpy as np

from tfhkit.background.images import Coarse
from tfhkit.errors import InputError
from tfhkit.evaluate.frames import SCORES, judge_frames, nearest_frames, paired_interval
from tfhkit.evaluate.inference import peak_memory_gb, whole_step
from tfhkit.refine import RunOptions, refine
from tfhkit.refine.personal import (
    PersonalFrames,
    personal_config,
    personal_frames,
    train_personal_refiner,
)
from tfhkit.talk import draw, draw_own, drive, learn_mapping

ANSWERS = ("refined", "unrefined", "nearest_frame")


@dataclass(frozen=True, eq=False)
class Material:
    """What the refiner of a clip is trained on, and evaluated on with true coefficients.

    Args:
        own: PersonalFrames to train on.
        judged: Coarse of the held-out frames, with real; none of them is in `own`.
    """

    own: PersonalFrames
    judged: Coarse

    @property
    def region(self):
        """(M, S, S) bool, where the held-out composites differ from the frames."""
        return self.judged.changed > 0


def refine_material(person, encoder="auto", arcface_file=None, seed=0, progress=None):
    """Renderings, real frames and identity features of a clip's two parts.

    Args:
        person: Person, trained or not; frames without a face are left out.
        encoder, arcface_file: see `identity_features`.
        seed: see `training_images`. progress: called as progress(done, total, text).
    Returns:
        Material.
    Raises:
        InputError: a part has fewer than three frames with a face.
    """
    for name, part in (("to learn from", person.train), ("held out", person.held)):
        n_faces = int((~person.fit.gap[part]).sum())
        if n_faces < 3:
            fault = f"{n_faces} of the frames {name} show a face"
            raise InputError("clip", fault, "take a longer clip")
    train, judged = (draw_own(person, part, seed, progress) for part in (person.train, person.held))
    return Material(personal_frames(person.fit, train, encoder, arcface_file, progress), judged)


def evaluate_refine(
    person, mapping, train, general=None, device="auto", seed=0, deep=True, progress=None
):
    """Learn from a clip's first frames, synthesise the rest, and compare with the real frames.

    Args:
        person: Person who has only been fitted: clip, fit, settings and the two parts.
        mapping: MotionWeights, general, from sound to motion.
        train: TrainConfig of the refiner's personal training.
        general: Refiner to start from, or None: random weights.
        device: of the refiner. seed: random seed. deep: as in `judge_frames`.
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
        InputError, ShapeError: as the parts.
    """
    fit = person.fit
    material = refine_material(person, seed=seed, progress=progress)
    config = personal_config(person.settings, material.own)
    began = time.perf_counter()
    run = RunOptions(device, progress=progress)
    refiner, history = train_personal_refiner(material.own, config, train, general, seed, run)
    train_seconds = time.perf_counter() - began
    judged = material.judged
    own_mapping = learn_mapping(person, mapping, seed, progress=progress)
    images = {"true": judged}
    images |= predicted_images(replace(person, mapping=own_mapping), judged.frames, progress)
    answers = {
        name: {
            "refined": refine(refiner, content.render, judged.times, progress=progress)[0],
            "unrefined": content.render,
            "nearest_frame": material.own.coarse.real[
                nearest_frames(material.own.coarse.render, content.render)
            ],
        }
        for name, content in images.items()
    }
    scores = {
        name: judge_frames(
            judged.real,
            answers[name],
            np.maximum(judged.changed, content.changed) > 0,
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
    shown = fit.coefficients[judged.frames]
    seconds, parts = whole_step(refiner, person.model, shown, shown, judged.real, judged.times)
    result |= {
        "psnr_gain_db": float(np.mean(each[0] - each[1])),
        "psnr_gain_db_interval": paired_interval(*each, judged.times, seed),
        "train_frames": len(material.own.coarse),
        "held_frames": len(judged),
        "frames_without_face": history["n_skipped"],
        "from_general": general is not None,
        "steps": history["trained_steps"],
        "train_seconds": train_seconds,
        "fps": 1 / seconds,
        "fps_parts_ms": parts,
        "peak_memory_gb": peak_memory_gb(),
    }
    return result, material, answers


def predicted_images(person, frames, progress=None):
    """Composites of motion that was predicted from the clip's sound.

    Args:
        person: Person with the personal mapping. frames: (M,) held-out frame numbers.
        progress: called as progress(done, total, text).
    Returns:
        dict: "predicted", and "predicted_expression" with the true pose and background: Coarse.
    """
    fit = person.fit
    motion = drive(person, person.clip.audio, fit.times[frames])
    true_pose = replace(motion, pose=fit.coefficients.pose[frames], source_index=frames)
    return {
        "predicted": draw(person, motion, progress=progress),
        "predicted_expression": draw(person, true_pose, progress=progress),
    }
