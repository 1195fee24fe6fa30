"""Training of the memory-augmented GAN (Eq. 4 and 5): one loop, from top to bottom."""

import time
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from tfhkit.device import autocast_for, choose_device, explain_full_memory, fast_convolutions
from tfhkit.errors import check_shape
from tfhkit.metrics.image import decibel
from tfhkit.progress import Progress
from tfhkit.refine.config import HeldOut, RunOptions, TrainConfig
from tfhkit.refine.data import (
    FrameBlocks,
    PairedFrames,
    TrainingFrames,
    draw_batch,
    training_frames,
)
from tfhkit.refine.nets import Nets, build_nets
from tfhkit.refine.predict import refine
from tfhkit.refine.refiner import Refiner, RefinerConfig
from tfhkit.refine.spatial import ENCODERS
from tfhkit.refine.training_steps import Losses, gan_step, identity_for, memory_step, mixed_seed
from tfhkit.threads import SharedCores
from tfhkit.weights import checkpoint_spacing, fingerprint, load_checkpoint, save_checkpoint

# what a checkpoint keeps: fingerprint, step, seconds, and the entries of the history
State = dict[str, Any]


@explain_full_memory("training the refiner")
def train_refiner(
    pairs: PairedFrames | FrameBlocks, config: RefinerConfig, train: TrainConfig,
    start: Refiner | None = None, seed: int = 0, run: RunOptions | None = None,
) -> tuple[Refiner, dict[str, Any]]:  # fmt: skip
    """Train generator, discriminator and memory on paired frames of one clip.

    Order of a step, as in footnote 5 and the published code: the memory's loss, its update,
    then the discriminator, then the generator with the true identity feature.

    Args:
        pairs: training frames, or blocks of them, of which one is in memory at a time.
        config: architecture. train: settings of the training.
        start: initial weights, of the same architecture; `start_from` makes them of the general
            refiner. The memory's input and the mean identity are taken from the pairs, or from the
            first block.
        seed: random seed of the weights, the batches and the memory.
        run: device, checkpoint, held-out frames, progress.
    Returns:
        refiner in eval mode, and the history: "steps" (dicts with step and losses), "validation"
        (dicts with step and psnr_db), "seconds", "trained_steps", "resumed_from" (a step),
        "n_skipped" (frames without a face), "spatial" (the encoder behind the keys).
    Raises:
        ShapeError, InputError, ParameterError: see `training_frames`, `load_checkpoint`.
    """
    run = run or RunOptions()
    device = choose_device(run.device)
    blocks = _blocks(pairs, train)
    data = training_frames(blocks.read(0), config, device)
    autocast = autocast_for(train.precision, device)
    own_rng = torch.random.fork_rng(devices=[device] if device.type == "cuda" else [])
    with own_rng, fast_convolutions(device), SharedCores(device) as cores:
        torch.manual_seed(seed)
        nets = build_nets(config, train, start, device)
        pool5 = _features_of(nets.refiner, data, run.progress)
        _fit_to_frames(nets.refiner, data, pool5)
        state = _first_state(nets, (data, blocks.mark), train, start, seed, run)
        block = 0
        due = Checkpoints(nets, train, state)
        first = state["step"]
        clock = time.monotonic() - state["seconds"]
        for step in range(first, train.steps):
            done = _share_done(train, step, state["seconds"])
            if done >= 1:
                break
            cores.next_step()
            if step // blocks.steps != block:
                block = step // blocks.steps
                del data, pool5  # two might not fit
                data = training_frames(blocks.read(block), config, device)
                pool5 = _features_of(nets.refiner, data, run.progress)
            nets.set_rates(train, share_of_rate(train, step, done))
            torch.manual_seed(mixed_seed(seed, step))  # dropout; a step depends on its number alone
            noise = torch.Generator().manual_seed(mixed_seed(seed, step))
            picked, batch = draw_batch(data, train, seed, step)
            losses = memory_step(nets, pool5, data, picked, noise)
            identity = identity_for(nets.refiner, data.identity[picked])
            terms = train.losses if done >= train.detail_from else train.losses.without_detail()
            losses |= gan_step(nets, batch, identity, terms, autocast)
            state["step"], state["seconds"] = step + 1, time.monotonic() - clock
            _record(nets.refiner, losses, state, train, run)
            if run.checkpoint is not None and due.now(state):
                save_checkpoint(run.checkpoint, nets.modules, nets.optimisers, state)
            if run.progress:
                run.progress(step + 1, train.steps, f"refiner, L1 {state['steps'][-1]['l1']:.4f}")
        _validate(nets.refiner, run.held_out, state)
        if run.watch:
            run.watch(state)
        if run.checkpoint is not None and state["step"] > first:
            save_checkpoint(run.checkpoint, nets.modules, nets.optimisers, state)
    return nets.refiner.eval(), _history(nets.refiner, data, first, state)


def _blocks(pairs: PairedFrames | FrameBlocks, train: TrainConfig) -> FrameBlocks:
    """Frames as blocks: those in memory are one for the whole training."""
    if isinstance(pairs, FrameBlocks):
        return pairs
    return FrameBlocks(lambda _: pairs, train.steps, "")


def _features_of(
    refiner: Refiner, data: TrainingFrames, progress: Progress | None
) -> Float[Tensor, "N _"]:
    """Spatial features of the renderings; the encoder is frozen, so they are computed once."""
    if refiner.config.identity != "memory":
        return torch.zeros(
            len(data.renders), refiner.config.memory.feature_dim, device=refiner.device
        )
    if progress:
        progress(0, 1, f"spatial features ({ENCODERS[refiner.config.spatial].shown})")
    return refiner.spatial_features(data.renders.cpu().numpy())


def _fit_to_frames(refiner: Refiner, data: TrainingFrames, pool5: Float[Tensor, "N _"]) -> None:
    """Take mean identity and the memory's input from the frames."""
    refiner.mean_identity.copy_(data.identity[data.usable].mean(0))
    refiner.memory.fit_input(pool5[data.usable])


def _first_state(
    nets: Nets,
    source: tuple[TrainingFrames, str],
    train: TrainConfig,
    start: Refiner | None,
    seed: int,
    run: RunOptions,
) -> State:
    """The state of a checkpoint of the same training, which is loaded, or that before step 0.

    `source` is the first block and the mark of all.
    """
    data, blocks_mark = source
    unlike = ("budget_s", "checkpoint_s", "log_every", "validate_every")
    mark = fingerprint(
        data.renders,
        data.reals,
        data.identity,
        data.frames,
        {k: v for k, v in asdict(train).items() if k not in unlike},
        asdict(nets.refiner.config),
        seed,
        *([] if data.weight is None else [data.weight]),
        *([blocks_mark] if blocks_mark else []),
        *([] if start is None else start.state_dict().values()),
    )
    found = load_checkpoint(run.checkpoint, nets.modules, nets.optimisers, mark)
    fresh = {"fingerprint": mark, "step": 0, "seconds": 0.0, "steps": [], "validation": []}
    return found or fresh


class Checkpoints:
    """When the state of a training is saved: not too often, and not too many bytes in all."""

    def __init__(self, nets: Nets, train: TrainConfig, state: State) -> None:
        self.steps = checkpoint_spacing(train.steps, nets.modules, nets.optimisers)
        self.seconds, self.total = train.checkpoint_s, train.steps
        self.last = state["step"], state["seconds"]

    def now(self, state: State) -> bool:
        """Whether it is saved after this step; the end of a training saves its own."""
        step, seconds = state["step"] - self.last[0], state["seconds"] - self.last[1]
        if step < self.steps or seconds <= self.seconds or state["step"] >= self.total:
            return False
        self.last = state["step"], state["seconds"]
        return True


def _share_done(train: TrainConfig, step: int, seconds: float) -> float:
    """Share of the training that is done, by steps or by the budget of time.

    The time counts only from a tenth of the budget on: by then a machine that is fast enough has
    done a larger share of its steps, however slow the first ones were, and the result depends on
    the steps alone.
    """
    by_time = 0.0 if train.budget_s is None else seconds / train.budget_s
    return max(step / train.steps, by_time if by_time > 0.1 else 0.0)


def share_of_rate(train: TrainConfig, step: int, done: float) -> float:
    """The learning rates of a step as a share of those of the configuration."""
    rise = min(1.0, (step + 1) / train.warm_up) if train.warm_up else 1.0
    return rise * (0.5 * (1 + np.cos(np.pi * done)) if train.decay else 1.0)


def _record(
    refiner: Refiner, losses: Losses, state: State, train: TrainConfig, run: RunOptions
) -> None:
    """Add to the history what is due after a step."""
    step = state["step"]
    if (step - 1) % train.log_every == 0 or step == train.steps:
        values = torch.stack([loss.float() for loss in losses.values()]).tolist()
        rounded = {name: round(value, 6) for name, value in zip(losses, values)}
        state["steps"].append({"step": step} | rounded)
        if run.watch:
            run.watch(state)
    if step % train.validate_every == 0:
        _validate(refiner, run.held_out, state)


def _validate(refiner: Refiner, held_out: HeldOut | None, state: State) -> None:
    """Add the PSNR of held-out frames to the history, once for a step."""
    done = state["validation"] and state["validation"][-1]["step"] == state["step"]
    if held_out is None or done:
        return
    quality = validation_psnr(refiner, *held_out)
    refiner.train()
    state["validation"].append({"step": state["step"], "psnr_db": quality})


def validation_psnr(
    refiner: Refiner,
    renders: UInt8[np.ndarray, "M S S 3"],
    reals: UInt8[np.ndarray, "_ _ _ 3"],
    mask: Bool[np.ndarray, "M S S"] | None = None,
) -> float:
    """PSNR in dB of refined held-out frames, inside the mask where one is given."""
    refined, _ = refine(refiner, renders)
    check_shape("reals", reals, refined.shape)
    error = (refined.astype(np.float32) - reals.astype(np.float32)) ** 2
    if mask is not None:
        error = error[mask]
    return float(decibel(max(float(error.mean()), 1e-9)))


def _history(refiner: Refiner, data: TrainingFrames, first: int, state: State) -> dict[str, Any]:
    """The history that `train_refiner` returns."""
    return {
        "steps": state["steps"],
        "validation": state["validation"],
        "seconds": state["seconds"],
        "n_skipped": len(data.renders) - len(data.usable),
        "resumed_from": first,
        "spatial": refiner.config.spatial,
        "trained_steps": state["step"],
    }
