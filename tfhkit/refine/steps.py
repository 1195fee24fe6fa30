"""One step of the memory, and one of discriminator and generator (Eq. 4, footnote 5)."""

import torch

from tfhkit.refine.losses import discriminator_loss, generator_loss


def memory_step(refiner, pool5, data, picked, optimiser, seed, step):
    """Threshold triplet loss on the queries, then the update of the tables."""
    if refiner.config.identity != "memory":
        return {}
    memory, value = refiner.memory, data.identity[picked]
    loss = memory.triplet_loss(memory.query(pool5[picked]), value)
    if loss.requires_grad and float(loss.detach()) > 0:
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
    noise = torch.Generator().manual_seed(mixed_seed(seed, step))
    memory.update(memory.query(pool5[picked]), value, data.frames[picked], noise)
    return {"triplet": loss.detach()}


def gan_step(refiner, judge, batch, identity, optimisers, losses, use_gan, autocast):
    """One step of D, then one of G, on the same refined frames."""
    window, real, weight = batch
    window = window.contiguous(memory_format=torch.channels_last)
    with autocast():
        refined, attention, _ = refiner.generator(window, identity)
    parts, fake_logits = {}, None
    if use_gan:
        with autocast():
            real_logits, fake_logits = judge(window, real), judge(window, refined.detach())
        loss = discriminator_loss(real_logits, fake_logits)
        optimisers["opt_d"].zero_grad(set_to_none=True)
        loss.backward()
        optimisers["opt_d"].step()
        parts["discriminator"] = loss.detach()
        judge.requires_grad_(False)
        with autocast():
            fake_logits = judge(window, refined)
    loss, named = generator_loss(refined, attention, real, losses, weight, fake_logits)
    optimisers["opt_g"].zero_grad(set_to_none=True)
    loss.backward()
    optimisers["opt_g"].step()
    judge.requires_grad_(True)
    return parts | named


def identity_for(refiner, true_features):
    """What the generator gets in training: the true features, or an ablation's stand-in."""
    if refiner.config.identity == "mean":
        return refiner.mean_identity.expand_as(true_features)
    return true_features


def mixed_seed(seed, step):
    """A seed of its own for every step."""
    return (seed * 1_000_003 + step) % 2**31
