"""The personal refiner (Sec. 3.4): the general one, fine-tuned on the frames of one clip."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from tfhkit.background.images import Coarse
from tfhkit.fit import Fit
from tfhkit.landmarks.identity import IdentityFeatures, identity_features
from tfhkit.profiles import Settings
from tfhkit.progress import Progress
from tfhkit.recipes import chosen
from tfhkit.refine.config import RunOptions, TrainConfig, train_config
from tfhkit.refine.data import PairedFrames, region_weight
from tfhkit.refine.initialise import start_from
from tfhkit.refine.refiner import Refiner, RefinerConfig, refiner_config
from tfhkit.refine.train import train_refiner

N_ENCODED = 60  # frames whose identity is computed, 60 ms each; interpolated in between


@dataclass(frozen=True, eq=False)
class PersonalFrames:
    """What a person's refiner is trained on.

    Args:
        coarse: the training images, with real.
        points_px: landmarks in pixels of the crops.
        identity: identity features of the real frames.
        regions: whether face, eyes and mouth weigh more in the L1 term.
    """

    coarse: Coarse
    points_px: Float[np.ndarray, "N 68 2"]
    identity: IdentityFeatures
    regions: bool = True

    @property
    def pairs(self) -> PairedFrames:
        """The arrays of the training."""
        assert self.coarse.real is not None, "`training_images` gives it"
        weight = region_weight(self.coarse.changed, self.points_px) if self.regions else None
        identity, frames = self.identity.features, self.coarse.frames
        return PairedFrames(self.coarse.render, self.coarse.real, identity, frames, weight)


def points_in_crop(
    fit: Fit, frames: Int[np.ndarray, "N"], size_px: int
) -> Float[np.ndarray, "N 68 2"]:
    """Landmarks of a clip's frames, in pixels of crops of a size."""
    return (fit.crop.to_crop(fit.landmarks_px[frames]) * size_px / 224).astype(np.float32)


def personal_frames(
    fit: Fit,
    coarse: Coarse,
    encoder: str = "auto",
    arcface_file: str | Path | None = None,
    recipe: str = "ours",
    progress: Progress | None = None,
) -> PersonalFrames:
    """Landmarks and identity features that belong to a person's training images.

    Args:
        fit: fit of the clip.
        coarse: from `training_images`.
        encoder, arcface_file: see `identity_features`.
        recipe: see `tfhkit.recipes`.
        progress: called as progress(done, total, text).
    """
    assert coarse.real is not None, "`training_images` gives it"
    points = points_in_crop(fit, coarse.frames, coarse.render.shape[1])
    every = max(1, len(points) // N_ENCODED)
    identity = identity_features(
        coarse.real, points, encoder, arcface_file, every=every, progress=progress
    )
    return PersonalFrames(coarse, points, identity, chosen(recipe, "frames")["regions"])


def personal_config(settings: Settings, own: PersonalFrames, **changes: Any) -> RefinerConfig:
    """The configuration of a profile's refiner for these frames.

    Args:
        settings: numbers of the profile, and the recipe.
        own: the training frames, for the name of their encoder.
        changes: arguments of `refiner_config` that differ from it.
    """
    how = {"slots": settings.memory_slots, "size_px": settings.refine_px}
    how |= chosen(settings.recipe, "refiner")
    return refiner_config(settings.refine_size, own.identity.encoder.name, **{**how, **changes})


def personal_training(
    settings: Settings, n_frames: int, steps: int = 0, **changes: Any
) -> TrainConfig:
    """How a profile's refiner is trained on a person's frames.

    Args:
        settings: numbers of the profile, and the recipe.
        n_frames: frames to learn from.
        steps: number of steps, however long they take; 0 takes those of the profile, as many as
            its epochs need for these frames, and its limit of minutes.
        changes: fields of `TrainConfig` that differ from it.
    """
    passes = math.ceil(settings.refine_epochs * n_frames / settings.refine_batch)
    usual = min(max(passes, settings.refine_fewest_steps), settings.refine_most_steps)
    how = {"steps": steps or usual, "batch": settings.refine_batch}
    how |= {"budget_s": None if steps else 60 * settings.refine_minutes} | changes
    return train_config(settings.refine_size, settings.recipe, **how)


def train_personal_refiner(
    own: PersonalFrames,
    config: RefinerConfig,
    train: TrainConfig,
    general: Refiner | None = None,
    seed: int = 0,
    run: RunOptions | None = None,
) -> tuple[Refiner, dict[str, Any]]:
    """Train a person's refiner.

    Args:
        own: the person's training frames.
        config: architecture.
        train: settings of the training.
        general: refiner whose weights are the start, see `start_from`; None: random weights.
        seed: random seed.
        run: device, checkpoint, held-out frames, progress.
    Returns:
        the refiner in eval mode, and the history, as from `train_refiner`.
    """
    start = None if general is None else start_from(general, config, seed)
    return train_refiner(own.pairs, config, train, start, seed, run)
