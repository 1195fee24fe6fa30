"""Cross-validated fine-tuning: one network for each fold, trained side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.device import explain_full_memory
from tfhkit.face.model import MorphableModel
from tfhkit.motion.batches import learn_mask
from tfhkit.motion.data import MotionTrack
from tfhkit.motion.known import TrainingSet
from tfhkit.motion.model import MotionNet, MotionWeights, copy_net
from tfhkit.motion.predict import predict_windows
from tfhkit.motion.train import (
    TrainSettings,
    adam,
    initial_net,
    train_epoch,
    training_mark,
    training_set,
    validation_loss,
)
from tfhkit.progress import Progress
from tfhkit.weights import checkpoint_spacing, fingerprint, load_checkpoint, save_checkpoint


@explain_full_memory("training the mapping")
def train_folds(
    track: MotionTrack, general: MotionWeights, settings: TrainSettings,
    model: MorphableModel | None = None, checkpoint: str | Path | None = None,
    progress: Progress | None = None, device: str | torch.device = "cpu",
) -> tuple[list[MotionNet], dict[str, Any]]:  # fmt: skip
    """Fine-tune one network for each fold, all for the same number of epochs.

    Args: as for `train_personal`; `general` has the person's statistics.
    Returns:
        the networks of the epoch with the lowest mean validation loss (epoch 0 is the start), on
        the CPU, and the state: best_epoch, best_loss and the histories.
    """
    parts = [settings.fold(k, settings.folds) for k in range(settings.folds)]
    nets = [initial_net(general, part.seed).to(device) for part in parts]
    best = [copy_net(net) for net in nets]
    known = [training_set([track], part, general, general.norm, model, device) for part in parts]
    optimisers = [adam(net, part) for net, part in zip(nets, parts)]
    saved = (
        {f"{name}{k}": net for name, kept in (("net", nets), ("best", best))
         for k, net in enumerate(kept)},
        {f"adam{k}": optimiser for k, optimiser in enumerate(optimisers)},
    )  # fmt: skip
    state = first_folds_state(nets, known, parts)
    state = load_checkpoint(checkpoint, *saved, state["fingerprint"]) or state
    spacing = checkpoint_spacing(settings.epochs, *saved)
    while state["epoch"] < min(settings.epochs, state["best_epoch"] + settings.patience):
        epoch = state["epoch"] = state["epoch"] + 1
        for k, part in enumerate(parts):
            terms = train_epoch(nets[k], optimisers[k], known[k], part, epoch, fine_tuning=True)
            terms["validation"] = validation_loss(nets[k], known[k], part)
            state["histories"][k].append({"epoch": epoch, **terms})
        loss = float(np.mean([fold[-1]["validation"] for fold in state["histories"]]))
        if loss < state["best_loss"]:
            state.update(best_loss=loss, best_epoch=epoch)
            for kept, net in zip(best, nets):
                kept.load_state_dict(net.state_dict())
        if checkpoint is not None and epoch % spacing == 0:
            save_checkpoint(checkpoint, *saved, state)
        if progress:
            progress(epoch, settings.epochs, f"motion: validation {loss:.3f}")
    return [net.to("cpu").eval() for net in best], state


def first_folds_state(
    nets: Sequence[MotionNet], known: Sequence[TrainingSet], parts: Sequence[TrainSettings]
) -> dict[str, Any]:
    """The state before the first epoch, with the fingerprint of the training."""
    losses = [validation_loss(net, data, part) for net, data, part in zip(nets, known, parts)]
    marks = [training_mark(net, data, part) for net, data, part in zip(nets, known, parts)]
    return {
        "fingerprint": fingerprint(marks),
        "epoch": 0,
        "histories": [[{"epoch": 0, "validation": loss}] for loss in losses],
        "best_loss": float(np.mean(losses)),
        "best_epoch": 0,
    }


def held_out_motion(
    track: MotionTrack, weights: MotionWeights, nets: Sequence[MotionNet]
) -> Float[np.ndarray, "T 64"]:
    """Expression of every part of a track by the network that has not learned from it.

    `weights` gives the statistics.
    """
    out = np.empty_like(track.exp)
    for k, net in enumerate(nets):
        exp, _ = predict_windows(replace(weights, net=net), track.windows)
        part = ~learn_mask(len(track), 1 / len(nets), (k + 1) / len(nets))
        out[part] = exp[part]
    return out


def average(nets: Sequence[MotionNet]) -> MotionNet:
    """One network with the mean of the weights of several that started from the same weights."""
    net = copy_net(nets[0])
    mean, states = net.state_dict(), [other.state_dict() for other in nets]
    for name, value in mean.items():
        if value.is_floating_point():
            mean[name] = torch.stack([state[name].to(value) for state in states]).mean(0)
    net.load_state_dict(mean)
    return net.eval()
