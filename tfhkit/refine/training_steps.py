"""One step of the memory, and one of discriminator and generator (Eq. 4, footnote 5)."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tfhkit.refine.data import Batch, TrainingFrames
from tfhkit.refine.losses import LossWeights, discriminator_loss, generator_loss
from tfhkit.refine.nets import Nets
from tfhkit.refine.refiner import Refiner

Losses = dict[str, Float[Tensor, ""]]  # by name, detached


def memory_step(
    nets: Nets,
    pool5: Float[Tensor, "N _"],
    data: TrainingFrames,
    picked: Int[Tensor, "B"],
    noise: torch.Generator,
) -> Losses:
    """Threshold triplet loss on the queries, then the update of the tables.

    Args:
        nets: the nets of the training.
        pool5: spatial features of all renderings.
        data: the training frames.
        picked: rows of the batch.
        noise: random numbers for the ages of the slots.
    """
    if nets.refiner.config.identity != "memory":
        return {}
    memory, value = nets.refiner.memory, data.identity[picked]
    loss = memory.triplet_loss(memory.query(pool5[picked]), value)
    nets.step_memory(loss)
    memory.update(memory.query(pool5[picked]), value, data.frames[picked], noise)
    return {"triplet": loss.detach()}


def gan_step(
    nets: Nets,
    batch: Batch,
    identity: Float[Tensor, "B D"],
    losses: LossWeights,
    autocast: Callable[[], AbstractContextManager],
) -> Losses:
    """One step of D, then one of G, on the same refined frames.

    Args:
        nets: the nets of the training.
        batch: from `make_batch`.
        identity: what the generator gets, see `identity_for`.
        losses: weights of the terms; without a GAN term, D takes no step.
        autocast: see `autocast_for`.
    """
    window, real, weight = batch
    window = window.contiguous(memory_format=torch.channels_last)
    discriminator = nets.discriminator
    with autocast():
        refined, attention, _ = nets.refiner.generator(window, identity)
    parts: Losses = {}
    fake_logits = None
    if losses.gan_weight > 0:
        with autocast():
            real_logits = discriminator(window, real)
            fake_logits = discriminator(window, refined.detach())
        loss = discriminator_loss(real_logits, fake_logits)
        nets.opt_d.zero_grad(set_to_none=True)
        loss.backward()
        nets.opt_d.step()
        parts["discriminator"] = loss.detach()
        discriminator.requires_grad_(False)
        with autocast():
            fake_logits = discriminator(window, refined)
    terms = losses, weight, fake_logits, nets.features
    loss, named = generator_loss(refined, attention, real, *terms)
    nets.step_generator(loss)
    discriminator.requires_grad_(True)
    return parts | named


def identity_for(refiner: Refiner, true_features: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """What the generator gets in training: the true features, or their mean in the ablation."""
    if refiner.config.identity == "mean":
        return refiner.mean_identity.expand_as(true_features)
    return true_features


def mixed_seed(seed: int, step: int) -> int:
    """A seed of its own for every step."""
    return (seed * 1_000_003 + step) % 2**31
