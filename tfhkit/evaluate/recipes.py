"""One clip learned under each recipe, and the held-out part judged alike."""

import time
from dataclasses import replace
from typing import Any

import numpy as np

from tfhkit.device import Device
from tfhkit.evaluate.frames import score_frames
from tfhkit.evaluate.motion import compare_lips
from tfhkit.evaluate.written import learn_from_fit
from tfhkit.fit import Fit
from tfhkit.media import Clip
from tfhkit.metrics import HsSettings, head_pose_report
from tfhkit.person import Person
from tfhkit.profiles import Settings
from tfhkit.progress import Progress
from tfhkit.recipes import RECIPES
from tfhkit.stats import mean_interval
from tfhkit.talk import draw_own, drive, refine

PICTURES = ("psnr", "ssim", "perceptual", "lmd", "flicker_ratio", "detail", "identity_similarity")


def evaluate_recipes(
    clip: Clip,
    fit: Fit,
    settings: Settings,
    seed: int = 0,
    device: Device = "auto",
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Learn a clip's first frames under each recipe, and score the held-out ones.

    Args:
        clip: Clip. fit: of the whole clip.
        settings: of the profile; its recipe is replaced by each of RECIPES.
        seed: random seed.
        device: where each person lives, see `choose_device`.
        progress: called as progress(done, total, text).
    Returns:
        a row for each recipe, and one ("rendering") for the rendering that nothing refined:

        - lip_corr, lip_mm: correlation of the lip opening, and mean distance of the 20 mouth
          points, of the motion that `drive` gives for the held-out sound;
        - hs, hs_interval: of the head's angles in that motion, before it is adjusted to the
          background;
        - the scores PICTURES of `score_frames`, of held-out frames drawn with their true
          coefficients;
        - gain_db_interval: 95 % interval of the PSNR's gain over the rendering;
        - kept: mean attention where the rendering changed the frame;
        - seconds: what the two trainings took.
    """
    rows: list[dict[str, Any]] = []
    for recipe in RECIPES:
        began = time.perf_counter()
        how = replace(settings, recipe=recipe)
        person = learn_from_fit(clip, fit, how, seed, device, progress)
        seconds = time.perf_counter() - began
        pictures = picture_scores(person, progress)
        if not rows:
            rows.append({"recipe": "rendering", **pictures["rendering"]})
        rows.append(
            {"recipe": recipe, **motion_scores(person, seed), **pictures["refined"]}
            | {"seconds": seconds}
        )
    columns = {name: None for row in reversed(rows) for name in row}
    return [columns | row for row in rows]


def motion_scores(person: Person, seed: int = 0) -> dict[str, Any]:
    """Lips and head of the held-out part, from its sound."""
    fit, held = person.fit, person.held
    motion = drive(person, person.clip.audio, fit.times[held], seed=seed)
    seen = ~fit.gap[held]
    true = fit.coefficients[held]
    own = person.model, fit.coefficients.id[0]
    r, mm = compare_lips(*own, motion.exp[seen], true.exp[seen])
    heads = true.angles.astype(np.float64), motion.predicted_pose[:, :3].astype(np.float64)
    report = head_pose_report(*heads, fit.times[held], settings=HsSettings(seed=seed))
    head = {"hs": report.score.hs, "hs_interval": list(report.interval)}
    return {"lip_corr": float(r), "lip_mm": float(mm), **head}


def picture_scores(person: Person, progress: Progress | None = None) -> dict[str, dict[str, Any]]:
    """Held-out frames with their true coefficients: scores of "rendering" and "refined"."""
    coarse = draw_own(person, person.held)
    real, region = np.asarray(coarse.real), coarse.changed > 0
    refined = refine(person, coarse)
    answers = {"rendering": coarse.render, "refined": refined.pictures}
    scores = score_frames(real, answers, region, True, True, progress, person.device)
    gain = scores["refined"]["psnr_frames"] - scores["rendering"]["psnr_frames"]
    numbers = {
        name: {k: value[k] for k in PICTURES if k in value} for name, value in scores.items()
    }
    numbers["refined"]["gain_db_interval"] = list(mean_interval(gain, coarse.times))
    numbers["refined"]["kept"] = float(refined.attention[region].mean() / 255)
    return numbers
