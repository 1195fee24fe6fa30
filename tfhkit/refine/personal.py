"""The personal refiner (Sec. 3.4): the general one, fine-tuned on the frames of one clip."""

from dataclasses import dataclass

import numpy as np

from tfhkit.background.images import Coarse
from tfhkit.profiles import Settings
from tfhkit.refine.config import TrainConfig
from tfhkit.refine.data import region_weight
from tfhkit.refine.identity import IdentityFeatures, identity_features
from tfhkit.refine.refiner import RefinerConfig, refiner_config
from tfhkit.refine.start import start_from
from tfhkit.refine.train import train_refiner

N_ENCODED = 60  # frames whose identity is computed, 60 ms each; interpolated in between


@dataclass(frozen=True, eq=False)
class PersonalFrames:
    """What a person's refiner is trained on.

    Args:
        coarse: Coarse of the training frames, with real.
        points_px: (N, 68, 2) float32 landmarks in pixels of the crops.
        identity: IdentityFeatures of the real frames.
    """

    coarse: Coarse
    points_px: np.ndarray
    identity: IdentityFeatures

    @property
    def weight(self):
        """(N, S, S) weight of the pixels in the L1 term, see `region_weight`."""
        return region_weight(self.coarse.changed, self.points_px)


def points_in_crop(fit, frames, size_px):
    """Landmarks (N, 68, 2) float32 of a clip's frames, in pixels of crops of a size."""
    return (fit.crop.to_crop(fit.landmarks_px[frames]) * size_px / 224).astype(np.float32)


def personal_frames(fit, coarse, encoder="auto", arcface_file=None, progress=None):
    """Landmarks and identity features that belong to a person's training images.

    Args:
        fit: Fit of the clip. coarse: Coarse of `training_images`.
        encoder, arcface_file: see `identity_features`.
        progress: called as progress(done, total, text).
    Returns:
        PersonalFrames.
    """
    points = points_in_crop(fit, coarse.frames, coarse.render.shape[1])
    every = max(1, len(points) // N_ENCODED)
    identity = identity_features(
        coarse.real, points, encoder, arcface_file, every=every, progress=progress
    )
    return PersonalFrames(coarse, points, identity)


def personal_config(settings: Settings, own: PersonalFrames) -> RefinerConfig:
    """The configuration of a profile's refiner for these frames.

    Args:
        settings: Settings of the profile. own: PersonalFrames, for the name of their encoder.
    """
    return refiner_config(
        settings.refine_size,
        own.identity.encoder.name,
        slots=settings.memory_slots,
        size_px=settings.refine_px,
    )


def train_personal_refiner(
    own: PersonalFrames,
    config: RefinerConfig,
    train: TrainConfig,
    general=None,
    seed=0,
    **options,
):
    """Train a person's refiner.

    Args:
        own: PersonalFrames. config: RefinerConfig. train: TrainConfig.
        general: Refiner whose weights are the start, see `start_from`; None: random weights.
        seed: random seed. options: device, progress, checkpoint, validation and watch of
            `train_refiner`.
    Returns:
        Refiner and history, as from `train_refiner`.
    """
    return train_refiner(
        own.coarse.render,
        own.coarse.real,
        own.identity.features,
        config,
        train,
        frames=own.coarse.frames,
        weight=own.weight,
        start=None if general is None else start_from(general, config, seed),
        seed=seed,
        **options,
    )
