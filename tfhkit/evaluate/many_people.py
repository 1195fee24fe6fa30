"""Does the memory earn its place? One refiner for many people (Sec. 3.4), judged on virtual ones.

The paper's memory serves a network that many people share: it should tell the generator whose face
it draws. So one network is trained on many virtual people, and judged on frames of them that it has
not seen, and on people that it has not seen.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from tfhkit.errors import ParameterError
from tfhkit.metrics import perceptual_distance, psnr, ssim
from tfhkit.progress import Progress
from tfhkit.refine import (
    Refiner,
    RunOptions,
    TrainConfig,
    refiner_config,
    train_config,
    train_refiner,
)
from tfhkit.stats import mean_interval
from tfhkit.virtual.pairs import STRETCH, Pairs, make_pairs
from tfhkit.virtual.pretrain.refiner import paired_frames, refine_pairs
from tfhkit.virtual.pretrain.speakers import HELD_OUT_SEED

SCORES = {"psnr": psnr, "ssim": ssim, "perceptual": perceptual_distance}
BASELINE = "mean identity"
TRAIN_STRETCHES = 2  # of each known person; one more is held out
N_STEPS = 1500
CHUNK = 40  # stretches that are scored at once


@dataclass(frozen=True)
class Variant:
    """One way of telling the generator who is drawn.

    Args:
        name: of the row.
        identity, spatial: of `RefinerConfig`; with the same values, the same network is used.
        truth: whether it is given the true identity feature of the very frame: an oracle.
    """

    name: str
    identity: str
    spatial: str
    truth: bool = False


VARIANTS = (
    Variant("memory, ImageNet keys", "memory", "lite0"),
    Variant("true identity (oracle)", "memory", "lite0", truth=True),
    Variant("memory, random keys", "memory", "random"),
    Variant(BASELINE, "mean", "random"),
    Variant("no identity", "none", "random"),
)


def evaluate_many_people(
    n_known: int = 32,
    n_unknown: int = 16,
    size: str = "small",
    train: TrainConfig | None = None,
    seed: int = 0,
    folder: Path | str | None = None,
    variants: Sequence[Variant] = VARIANTS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Train one refiner for many virtual people, with and without the memory, and score it.

    Args:
        n_known: people in the training. n_unknown: further people, for the scores only.
        size: of the generator. train: the training, the same for every variant.
        seed: random seed of people and trainings.
        folder: keeps the films, so that stopped work resumes.
        variants: what is compared; BASELINE must be one of them.
        progress: called as progress(done, total, text).
    Returns:
        known, unknown: numbers of people; steps; many_people: rows of people ("known" or
        "unknown"), name, psnr, ssim and perceptual (inside the changed region), change (of the
        PSNR from the mean identity's, dB, mean over people), low and high (95 % over people).
    Raises:
        ParameterError: fewer than two people of a kind.
    """
    for name, count in (("n_known", n_known), ("n_unknown", n_unknown)):
        if count < 2:
            raise ParameterError(name, f"is {count}", "give 2 or more")
    train = train or many_people_train(size)
    size_px = refiner_config(size).generator.size_px
    film = partial(make_pairs, size_px=size_px, progress=progress, folder=folder)
    first = 1 + 1000 * seed
    known = film(n_known, TRAIN_STRETCHES + 1, seed=first)
    unknown = film(n_unknown, 1, seed=HELD_OUT_SEED + first)
    held = np.arange(len(known)) % ((TRAIN_STRETCHES + 1) * STRETCH) >= TRAIN_STRETCHES * STRETCH
    asked = {"known": _take(known, held), "unknown": unknown}
    nets: dict[tuple[str, str], Refiner] = {}
    scores: dict[str, dict[str, dict[str, Float[np.ndarray, P]]]] = {"known": {}, "unknown": {}}
    for variant in variants:
        key = variant.identity, variant.spatial
        if key not in nets:
            nets[key] = _trained(_take(known, ~held), size, variant, train, seed, progress)
        for people, pairs in asked.items():
            scores[people][variant.name] = _score(nets[key], pairs, variant.truth)
    rows = [
        {"people": people, "name": name, **_row(each, of_people[BASELINE])}
        for people, of_people in scores.items()
        for name, each in of_people.items()
    ]
    return {"known": n_known, "unknown": n_unknown, "steps": train.steps, "many_people": rows}


def many_people_train(size: str = "small", steps: int | None = None) -> TrainConfig:
    """How each variant is trained: several people in a batch, without the terms for detail."""
    how = train_config(size, steps=steps or N_STEPS, batch=4, lr=1e-3, layers_lr=0.0)
    return replace(how, losses=how.losses.without_detail())


def _take(pairs: Pairs, rows: Bool[np.ndarray, "N"]) -> Pairs:
    """Some of the frames."""
    return replace(pairs, **{name: part[rows] for name, part in vars(pairs).items()})


def _trained(pairs, size, variant, train, seed, progress):
    """The refiner of one variant.

    It paints the whole frame: from random weights, attention would keep the renderings everywhere.
    """
    config = refiner_config(
        size, identity=variant.identity, spatial=variant.spatial, attention=False
    )
    run = RunOptions(progress=progress)
    return train_refiner(paired_frames(pairs), config, train, seed=seed, run=run)[0]


def _score(refiner, pairs, truth) -> dict[str, Float[np.ndarray, "P"]]:
    """Each score of each person, mean over the person's frames."""
    answers = refine_pairs(refiner, pairs, truth)
    region = pairs.changed > 0
    found: dict[str, list[Float[np.ndarray, n]]] = {name: [] for name in SCORES}
    for start in range(0, len(pairs), CHUNK * STRETCH):
        part = slice(start, start + CHUNK * STRETCH)
        for name, score in SCORES.items():
            how = {"device": refiner.device} if name == "perceptual" else {}
            values = score(pairs.reals[part], answers[part], region[part], **how)
            found[name].append(np.asarray(values))
    people, row = np.unique(pairs.speaker, return_inverse=True)
    each = {name: np.concatenate(part) for name, part in found.items()}
    return {
        name: np.bincount(row, values) / np.bincount(row, minlength=len(people))
        for name, values in each.items()
    }


def _row(scores, baseline) -> dict[str, float | None]:
    """Means over people, and how far the PSNR lies from the baseline's."""
    change = scores["psnr"] - baseline["psnr"]
    low, high = mean_interval(change, np.arange(len(change)))  # a block is one person
    means = {name: float(values.mean()) for name, values in scores.items()}
    return {**means, "change": float(change.mean()), "low": low, "high": high}
