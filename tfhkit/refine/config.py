"""How a refiner is trained: what its weights do not need afterwards."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, UInt8

from tfhkit.errors import ParameterError
from tfhkit.progress import Progress
from tfhkit.recipes import chosen
from tfhkit.refine.losses import LossWeights

# held-out renderings, real frames, and where they are compared (None: everywhere)
HeldOut = tuple[
    UInt8[np.ndarray, "M S S 3"], UInt8[np.ndarray, "M S S 3"], Bool[np.ndarray, "M S S"] | None
]


@dataclass(frozen=True)
class TrainConfig:
    """How a refiner is trained; not needed to use it.

    Args:
        steps: number of batches.
        batch: frames in a batch; 1 in the published code.
        lr: Adam's learning rate of generator and memory, betas (0.5, 0.999). The published
            fine-tuning uses a constant 1e-4 over 17,880 steps; a short training needs more.
        layers_lr: learning rate of Muon, which moves the weights of the generator's convolutions;
            0 leaves them to Adam.
        disc_lr: learning rate of the discriminator; 1e-3 is too large for it.
        decay: let the learning rates fall to 0 along a half cosine.
        warm_up: steps over which they rise at first; Adam's first steps are long ones.
        losses: weights and forms of the terms of Eq. 4.
        detail_from: share of the training after which the GAN and the contrast term start; 0 in
            the paper. Earlier, the discriminator would only learn to recognise the coarse
            rendering, and a colour that is still wrong would be no detail worth having: from random
            weights, the network then keeps the rendering everywhere (A = 1).
        disc_channels, disc_unshuffle: size of the discriminator; 64 and 1 in the paper.
        shift_px: largest random shift of a batch, pixels; 0 is off. The published code crops
            256 of 286 px instead, which is a shift of up to 15 px.
        flip: mirror batches at random.
        precision: "float32", "bfloat16" or "auto" (bfloat16 where the processor has it).
        budget_s: stop after this many seconds of training, including earlier runs of the same
            checkpoint; None is no limit. If the steps would take longer, the learning rates fall
            with the time that is spent, so the result depends on the machine's speed.
        checkpoint_s: seconds between checkpoints.
        log_every: steps between entries of the history.
        validate_every: steps between evaluations of held-out frames.
    """

    steps: int = 1000
    batch: int = 4
    lr: float = 1e-3
    layers_lr: float = 0.0
    disc_lr: float = 4e-4
    decay: bool = True
    warm_up: int = 50
    losses: LossWeights = field(default_factory=LossWeights)
    detail_from: float = 0.3
    disc_channels: int = 32
    disc_unshuffle: int = 2
    shift_px: int = 12
    flip: bool = False
    precision: str = "auto"
    budget_s: float | None = None
    checkpoint_s: float = 20.0
    log_every: int = 10
    validate_every: int = 200

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "log_every", "validate_every"):
            if getattr(self, name) < 1:
                raise ParameterError(name, f"is {getattr(self, name)}", "give 1 or more")


@dataclass(frozen=True, eq=False)
class RunOptions:
    """Where a training runs, what it keeps and reports; none of this changes what is learned.

    Args:
        device: "auto", "cpu", "cuda" or a torch device.
        checkpoint: file for the state of the training, which is resumed from there if data and
            settings are the same.
        progress: called as progress(done, total, text).
        held_out: frames whose PSNR goes into the history; they are never trained on.
        watch: called with the history so far ("steps" and "validation") at each new entry.
    """

    device: str | torch.device = "auto"
    checkpoint: str | Path | None = None
    progress: Progress | None = None
    held_out: HeldOut | None = None
    watch: Callable[[dict[str, Any]], None] | None = None


SIZE_DEFAULTS: dict[str, dict[str, Any]] = {
    "small": {"lr": 2e-3, "layers_lr": 0.02},
    "medium": {"lr": 5e-4, "disc_channels": 64},
    "paper": {"lr": 2e-4, "disc_lr": 2e-4, "batch": 1, "disc_channels": 64, "disc_unshuffle": 1},
}


def train_config(size: str = "small", recipe: str = "ours", **changes: Any) -> TrainConfig:
    """The training that goes with a named size of generator, for a recipe.

    Args:
        size: one of SIZE_DEFAULTS.
        recipe: see `tfhkit.recipes`.
        changes: fields of `TrainConfig` that differ from it.
    Raises:
        ParameterError: an unknown size or recipe.
    """
    if size not in SIZE_DEFAULTS:
        known = f"use one of {list(SIZE_DEFAULTS)}"
        raise ParameterError("size", f"unknown generator {size!r}", known)
    how = {**SIZE_DEFAULTS[size], **chosen(recipe, "training")}
    return TrainConfig(**{**how, "losses": LossWeights(**chosen(recipe, "losses")), **changes})
