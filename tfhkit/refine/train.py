"""Training of the memory-augmented GAN (Eq. 4 and 5): one loop, from top to bottom."""

import copy
import time
from dataclasses import asdict

import numpy as np
import torch

from tfhkit.errors import ParameterError, check_shape
from tfhkit.refine.config import TrainConfig
from tfhkit.refine.data import batch_rows, make_batch, training_frames
from tfhkit.refine.device import autocast_for, train_device
from tfhkit.refine.discriminator import PatchDiscriminator
from tfhkit.refine.predict import refine
from tfhkit.refine.refiner import Refiner
from tfhkit.refine.spatial import pool5_features
from tfhkit.refine.steps import gan_step, identity_for, memory_step, mixed_seed
from tfhkit.weights import fingerprint, load_checkpoint, save_checkpoint


def train_refiner(
    renders,
    reals,
    identity,
    config,
    train=None,
    frames=None,
    weight=None,
    validation=None,
    start=None,
    seed=0,
    checkpoint=None,
    device="auto",
    progress=None,
    watch=None,
):
    """Train generator, discriminator and memory on paired frames of one clip.

    Order of a step, as in footnote 5 and the published code: the memory's loss, its update,
    then the discriminator, then the generator with the true identity feature.

    Args:
        renders, reals: (N, S, S, 3) uint8, composited renderings and real frames in time order.
        identity: (N, D) unit identity features of the real frames; a row of zeros marks a
            frame without a face, which is not trained on.
        config: RefinerConfig.
        train: TrainConfig.
        frames: (N,) frame numbers; windows do not reach across jumps.
        weight: (N, S, S) weight of the pixels in the L1 term, any scale; an extra, see
            `region_weight`.
        validation: (renders, reals, mask) of held-out frames, mask (M, S, S) bool or None;
            judged, never trained on.
        start: a Refiner of the same configuration to go on from; `start_from` makes one of the
            general mapping's. The memory's input and the mean identity are taken from the frames.
        seed: random seed of the weights, the batches and the memory.
        checkpoint: file for the training's state; a matching one is continued.
        device: "auto", "cpu" or "cuda".
        progress: callable(done, total, text).
        watch: callable(history so far: dict with "steps" and "validation"), called at each entry.
    Returns:
        refiner in eval mode, and the history: dict with "steps" (list of dicts with step and
        losses), "validation" (list of dicts with step and psnr_db), "seconds",
        "n_skipped" (frames without a face), "spatial", "resumed_from".
    Raises:
        ShapeError, InputError, ParameterError: see `training_frames`, `load_checkpoint`.
    """
    train = train or TrainConfig()
    device = train_device(device)
    data = training_frames(renders, reals, identity, config, frames, weight, device)
    autocast = autocast_for(train.precision, device)
    cpu_rng = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with cpu_rng:
        torch.manual_seed(seed)
        refiner = copy.deepcopy(start) if start is not None else Refiner(config)
        if refiner.config != config:
            fault = "has another configuration"
            raise ParameterError("start", fault, "give start.config as config")
        refiner = refiner.to(device, memory_format=torch.channels_last).train()
        judge = PatchDiscriminator(
            config.generator.window, train.disc_channels, unshuffle=train.disc_unshuffle
        ).to(device, memory_format=torch.channels_last)
        refiner.mean_identity.copy_(data.identity[data.usable].mean(0))
        pool5 = _pool5_of(refiner, renders, progress).to(device)
        refiner.memory.fit_input(pool5[data.usable])
        modules = {"refiner": refiner, "judge": judge}
        optimisers = {
            name: torch.optim.Adam(module.parameters(), rate, (0.5, 0.999))
            for name, module, rate in (
                ("opt_g", refiner.generator, train.lr),
                ("opt_d", judge, train.disc_lr),
                ("opt_m", refiner.memory.fc, train.lr),
            )
        }
        unlike = ("budget_s", "checkpoint_s", "log_every", "validate_every")
        own = {k: v for k, v in asdict(train).items() if k not in unlike}
        mark = fingerprint(
            data.renders,
            data.reals,
            data.identity,
            data.frames,
            own,
            asdict(config),
            seed,
            *([] if data.weight is None else [data.weight]),
            *([] if start is None else start.state_dict().values()),
        )
        state = load_checkpoint(checkpoint, modules, optimisers, mark) or {
            "fingerprint": mark,
            "step": 0,
            "seconds": 0.0,
            "steps": [],
            "validation": [],
        }
        first = state["step"]
        clock, saved, before = time.monotonic(), time.monotonic(), state["seconds"]
        for step in range(first, train.steps):
            done = _progress(train, step, state["seconds"])
            if done >= 1:
                break
            _set_rates(optimisers, train, done)
            torch.manual_seed(mixed_seed(seed, step))  # dropout; a step depends on its number alone
            rng = np.random.default_rng([seed, 1, step])
            picked = torch.as_tensor(
                batch_rows(len(data.usable), train.batch, step, seed), device=device
            )
            picked = data.usable[picked]
            parts = memory_step(refiner, pool5, data, picked, optimisers["opt_m"], seed, step)
            shift = tuple(int(s) for s in rng.integers(-train.shift_px, train.shift_px + 1, 2))
            flip = bool(train.flip and rng.random() < 0.5)
            use_gan = train.losses.gan_weight > 0 and done >= train.gan_from
            parts |= gan_step(
                refiner,
                judge,
                make_batch(data, picked, shift, flip),
                identity_for(refiner, data.identity[picked]),
                optimisers,
                train.losses,
                use_gan,
                autocast,
            )
            state["step"] = step + 1
            state["seconds"] = before + time.monotonic() - clock
            if step % train.log_every == 0 or step + 1 == train.steps:
                losses = {k: round(float(v), 6) for k, v in parts.items()}
                state["steps"].append({"step": step + 1} | losses)
                if watch:
                    watch(state)
            if (step + 1) % train.validate_every == 0:
                _validate(refiner, validation, state)
            if checkpoint is not None and time.monotonic() - saved > train.checkpoint_s:
                save_checkpoint(checkpoint, modules, optimisers, state)
                saved = time.monotonic()
            if progress:
                progress(step + 1, train.steps, f"refiner, L1 {float(parts['l1']):.4f}")
        _validate(refiner, validation, state)
        if watch:
            watch(state)
        if checkpoint is not None and state["step"] > first:
            save_checkpoint(checkpoint, modules, optimisers, state)
    history = {key: state[key] for key in ("steps", "validation", "seconds")}
    history |= {
        "n_skipped": len(data.renders) - len(data.usable),
        "resumed_from": first,
        "spatial": refiner.config.spatial,
        "trained_steps": state["step"],
    }
    return refiner.eval(), history


def _validate(refiner, validation, state):
    """Add the PSNR of held-out frames to the history, once for a step."""
    judged = state["validation"] and state["validation"][-1]["step"] == state["step"]
    if validation is None or judged:
        return
    quality = validation_psnr(refiner, *validation)
    refiner.train()
    state["validation"].append({"step": state["step"], "psnr_db": quality})


def _pool5_of(refiner, renders, progress):
    """Pool5 of every rendering, once: the ResNet18 is frozen."""
    if refiner.config.identity != "memory":
        return torch.zeros(len(renders), 512)
    if progress:
        progress(0, 1, f"spatial features (ResNet18, {refiner.config.spatial} weights)")
    return pool5_features(refiner.resnet, renders)


def _progress(train, step, seconds):
    """Share of the training that is done, by steps or by the budget of time.

    The clock counts from a tenth of the budget on: by then a machine that is fast enough is ahead
    of it, however slow its first steps were, and the result depends on the steps alone.
    """
    by_time = 0.0 if train.budget_s is None else seconds / train.budget_s
    return max(step / train.steps, by_time if by_time > 0.1 else 0.0)


def _set_rates(optimisers, train, done):
    share = 0.5 * (1 + np.cos(np.pi * done)) if train.decay else 1.0
    for name, optimiser in optimisers.items():
        for group in optimiser.param_groups:
            group["lr"] = share * (train.disc_lr if name == "opt_d" else train.lr)


@torch.no_grad()
def validation_psnr(refiner, renders, reals, mask=None):
    """PSNR in dB of refined held-out frames, inside `mask` (M, S, S) where given."""
    refined, _ = refine(refiner, renders)
    check_shape("reals", reals, refined.shape)
    error = (refined.astype(np.float32) - reals.astype(np.float32)) ** 2
    if mask is not None:
        error = error[np.asarray(mask) > 0]
    return float(10 * np.log10(255**2 / max(float(error.mean()), 1e-9)))
