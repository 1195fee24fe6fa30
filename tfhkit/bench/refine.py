"""The refiner: the time of each part of a training step and of inference."""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch

from tfhkit.bench import Row
from tfhkit.coefficients import neutral
from tfhkit.device import auto_precision, autocast_for, choose_device
from tfhkit.evaluate.inference import whole_step
from tfhkit.face import load_model
from tfhkit.refine.config import train_config
from tfhkit.refine.data import PairedFrames, TrainingFrames, draw_batch, training_frames
from tfhkit.refine.nets import build_nets
from tfhkit.refine.refiner import Refiner, RefinerConfig, refiner_config
from tfhkit.refine.training_steps import gan_step, memory_step

N_FRAMES = 32
# the three parts of a training step, and its update without two of the terms
PARTS = ("batch", "memory", "update", "without_gan", "without_features")

Result = TypeVar("Result")


def bench_refine(
    sizes: tuple[str, ...] = ("small",),
    precisions: tuple[str, ...] | None = None,
    batch: int = 4,
    repeats: int = 5,
    device: str = "auto",
) -> list[Row]:
    """Time the parts of a training step, and of inference from coefficients to refined crops.

    Args:
        sizes: names of generators.
        precisions: "float32", "bfloat16" or both; None is float32 and what "auto" means here.
        batch: frames in a training step.
        repeats: measurements; their median counts.
        device: "auto", "cpu" or "cuda".
    Returns:
        first the rows of training: what, parameters_m (millions), batch_ms, memory_ms, update_ms
        (discriminator and generator), without_gan_ms and without_features_ms (the same without a
        discriminator, and without the perceptual term), step_ms (the sum of the first three),
        ratio (step of float32 over this row's step); then
        the rows of inference: what, the parts of `whole_step` in ms per frame, step_ms, fps,
        ratio.
    """
    place = choose_device(device)
    precisions = precisions or tuple(dict.fromkeys(("float32", auto_precision(place))))
    training: list[Row] = []
    inference: list[Row] = []
    for size in sizes:
        for precision in precisions:
            refiner, row = _training(size, precision, batch, repeats, place)
            training.append(row)
            inference.append(_inference(refiner, size, precision, repeats))
        for rows in (training, inference):
            own = rows[-len(precisions) :]
            base = next((r["step_ms"] for r in own if "float32" in r["what"]), None)
            for row in own:
                row["ratio"] = None if base is None else base / row["step_ms"]
    return training + inference


def _training(
    size: str, precision: str, batch: int, repeats: int, device: torch.device
) -> tuple[Refiner, Row]:
    """A refiner after a few steps, and its row of the table."""
    torch.manual_seed(0)
    config, train = refiner_config(size), train_config(size, batch=batch)
    data = _random_frames(config, device)
    nets = build_nets(config, train, None, device)
    pool5 = torch.randn(N_FRAMES, config.memory.feature_dim, device=device)
    noise, autocast = torch.Generator(), autocast_for(precision, device)
    parts: dict[str, list[float]] = {name: [] for name in PARTS}

    def timed(name: str, function: Callable[..., Result], *args: Any) -> Result:
        start = time.perf_counter()
        result = function(*args)
        if device.type == "cuda":
            torch.cuda.synchronize()
        parts[name].append(1000 * (time.perf_counter() - start))
        return result

    for number in range(repeats + 1):  # the first one warms up
        picked, frames = timed("batch", draw_batch, data, train, 0, number)
        timed("memory", memory_step, nets, pool5, data, picked, noise)
        step = partial(gan_step, nets, frames, data.identity[picked], autocast=autocast)
        timed("update", step, train.losses)
        timed("without_gan", step, replace(train.losses, gan_weight=0.0))
        timed("without_features", step, replace(train.losses, perceptual=0.0))
    row: Row = {
        "what": f"training, {size}, {precision}, batch {batch}",
        "parameters_m": sum(p.numel() for p in nets.refiner.generator.parameters()) / 1e6,
    }
    row |= {f"{name}_ms": float(np.median(spent_ms[1:])) for name, spent_ms in parts.items()}
    row["step_ms"] = sum(row[f"{name}_ms"] for name in PARTS[:3])
    return nets.refiner.eval(), row


def _random_frames(config: RefinerConfig, device: torch.device) -> TrainingFrames:
    """Noise in the shapes of a clip's training frames."""
    rng = np.random.default_rng(0)
    side, dim = config.generator.size_px, config.memory.value_dim
    pictures = rng.integers(0, 256, (N_FRAMES, side, side, 3), dtype=np.uint8)
    identity = rng.normal(size=(N_FRAMES, dim)).astype(np.float32)
    identity /= np.linalg.norm(identity, axis=1, keepdims=True)
    return training_frames(PairedFrames(pictures, pictures, identity), config, device)


def _inference(refiner: Refiner, size: str, precision: str, repeats: int) -> Row:
    """The row of the whole step for a head that turns in front of grey."""
    side, model, head = refiner.config.generator.size_px, load_model(), neutral(N_FRAMES)
    angles = np.zeros((N_FRAMES, 3), np.float32)
    angles[:, 1] = np.linspace(-0.3, 0.3, N_FRAMES)
    turning = head.with_motion(head.exp, np.concatenate([angles, head.trans], 1))
    backgrounds = np.full((N_FRAMES, side, side, 3), 128, np.uint8)
    found = [
        whole_step(refiner, model, turning, turning, backgrounds, precision=precision)
        for _ in range(min(repeats, 3))
    ]
    parts = {f"{k}_ms": float(np.median([p[k] for _, p in found])) for k in found[0][1]}
    seconds = float(np.median([seconds for seconds, _ in found]))
    row = {"what": f"inference, {size}, {precision}", **parts}
    return row | {"step_ms": 1000 * seconds, "fps": 1 / seconds}
