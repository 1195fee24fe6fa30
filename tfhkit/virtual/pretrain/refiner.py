"""Training of the general refiner (Sec. 3.4) on pairs of virtual speakers."""

import time
from pathlib import Path

import numpy as np

from tfhkit.errors import ParameterError
from tfhkit.metrics import psnr, ssim
from tfhkit.refine import (
    LossWeights,
    PairedFrames,
    RunOptions,
    refine,
    refiner_config,
    region_weight,
    save_refiner,
    train_config,
    train_refiner,
)
from tfhkit.virtual.pairs import STRETCH, make_pairs
from tfhkit.virtual.pretrain.speakers import HELD_OUT_SEED


def train_general_refiner(
    path,
    size="small",
    n_speakers=320,
    stretches=2,
    held_out=24,
    steps=12000,
    batch=4,
    slots=256,
    seed=0,
    workers=2,
    device="auto",
    progress=None,
):
    """Train the general refiner on pairs of virtual speakers and write it with its card.

    Args:
        path: .safetensors to write; the card goes into the .json next to it. What a stopped
            training leaves in the folder next to it is resumed.
        size: see `tfhkit.refine.SIZES`.
        n_speakers, stretches: the pairs, see `make_pairs`. held_out: speakers for the scores only.
        steps, batch: of training. slots: of the memory.
        seed: random seed. workers: processes that film. device: see `RunOptions`.
        progress: called as progress(done, total, text).
    Returns:
        Refiner.
    Raises:
        ParameterError: no speakers, or an unknown size.
    """
    if n_speakers < 1 or held_out < 1:
        raise ParameterError(
            "n_speakers", "give at least one to train on, and one to hold out", "give 1"
        )
    path, began = Path(path), time.monotonic()
    config = refiner_config(size, slots=slots, spatial="random")
    work = path.with_suffix(".work")
    common = {"workers": workers, "progress": progress, "folder": work}
    size_px = config.generator.size_px
    pairs = make_pairs(n_speakers, stretches, size_px, 1 + 1000 * seed, **common)
    others = make_pairs(held_out, stretches, size_px, HELD_OUT_SEED, **common)
    how = train_config(
        size,
        steps=steps,
        batch=batch,
        flip=True,
        gan_from=0.5,
        losses=LossWeights(gradient=50.0),
        log_every=50,
        validate_every=steps,
    )
    weight = region_weight(pairs.changed, pairs.landmarks_px)
    shown = PairedFrames(pairs.renders, pairs.reals, pairs.identity, pairs.frames, weight)
    run = RunOptions(device, work / "training.safetensors", progress)
    refiner, history = train_refiner(shown, config, how, seed=seed, run=run)
    card = {
        "what": "general mapping from coarse renderings to frames",
        "data": f"{n_speakers} virtual speakers, {stretches} x {STRETCH} frames each: coarse "
        "renderings with a fit's errors, detailed frames; no pictures of people",
        "command": f"tfhkit pretrain refiner --size {size} --speakers "
        f"{n_speakers} --stretches {stretches} --steps {steps} --batch {batch} --seed {seed}",
        "parameters": sum(p.numel() for p in refiner.generator.parameters()),
        "seed": seed,
        "train_minutes": round(history["seconds"] / 60, 1),
        "total_minutes": round((time.monotonic() - began) / 60, 1),
        "device": str(device),
        "scores": pair_scores(refiner, others),
        "held_out": f"{held_out} virtual speakers that were not in training",
        "licence": "CC0",
    }
    save_refiner(refiner, path, card, half=True)
    for file in (*work.glob("*.npz"), work / "training.safetensors"):
        file.unlink(missing_ok=True)
    work.rmdir()
    return refiner


def pair_scores(refiner, pairs):
    """How close a refiner brings coarse renderings of virtual speakers to their frames.

    Args:
        refiner: Refiner. pairs: Pairs.
    Returns:
        dict: psnr_db and ssim inside what the rendering changed, each also for the rendering
        itself (_unrefined).
    """
    starts = np.flatnonzero(np.diff(pairs.frames, prepend=-2) > 1)
    answers = {"": np.empty_like(pairs.reals), "_unrefined": pairs.renders}
    for part in (slice(start, start + STRETCH) for start in starts):
        answers[""][part] = refine(refiner, pairs.renders[part])[0]
    region = pairs.changed > 0
    scores = {}
    for name, score in (("psnr_db", psnr), ("ssim", ssim)):
        for suffix, answer in answers.items():
            mean = float(np.mean(score(pairs.reals, answer, region)))
            scores[name + suffix] = round(mean, 3)
    return scores
