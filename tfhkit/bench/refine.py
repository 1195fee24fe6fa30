"""The refiner: the time of each part of a training step and of inference."""

import time
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tfhkit.bench import Row
from tfhkit.coefficients import neutral
from tfhkit.evaluate.inference import whole_step
from tfhkit.face import load_model
from tfhkit.refine.data import (
    PairedFrames,
    TrainingFrames,
    batch_rows,
    make_batch,
    training_frames,
)
from tfhkit.refine.device import auto_precision, train_device
from tfhkit.refine.discriminator import PatchDiscriminator
from tfhkit.refine.losses import LossWeights, discriminator_loss, generator_loss
from tfhkit.refine.memory import Memory
from tfhkit.refine.refiner import Refiner, RefinerConfig, refiner_config

N_FRAMES = 32
PARTS = ("batch", "memory", "generator", "discriminator", "update")  # of a training step

Result = TypeVar("Result")
Net = TypeVar("Net", bound=torch.nn.Module)


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
        first the rows of training: what, parameters_m (millions), batch_ms, memory_ms,
        generator_ms (forward), discriminator_ms (its step), update_ms (generator's losses,
        backward, Adam), step_ms (their sum), ratio (step of float32 over this row's step); then
        the rows of inference: what, the parts of `whole_step` in ms per frame, step_ms, fps,
        ratio.
    """
    place = train_device(device)
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
    config = refiner_config(size)
    data = _random_frames(config, device)
    refiner = _channels_last(Refiner(config), device)
    small = {"channels": 32, "unshuffle": 2} if size == "small" else {}
    discriminator = _channels_last(PatchDiscriminator(**small), device)
    opt_g = torch.optim.Adam(refiner.generator.parameters(), 1e-4)
    opt_d = torch.optim.Adam(discriminator.parameters(), 1e-4)
    parts: dict[str, list[float]] = {name: [] for name in PARTS}

    def timed(name: str, function: Callable[[], Result]) -> Result:
        start = time.perf_counter()
        result = function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        parts[name].append(1000 * (time.perf_counter() - start))
        return result

    def autocast() -> torch.autocast:
        return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")

    def step(number: int) -> None:
        picked = torch.as_tensor(batch_rows(N_FRAMES, batch, number, 0), device=device)
        window, real, _ = timed("batch", lambda: make_batch(data, picked))
        window = window.contiguous(memory_format=torch.channels_last)
        pool5 = torch.randn(batch, config.memory.feature_dim, device=device)
        timed("memory", lambda: _memory_step(refiner.memory, pool5, data.identity[picked]))
        with autocast():
            refined, attention, _ = timed(
                "generator", lambda: refiner.generator(window, data.identity[picked])
            )

        def discriminator_step() -> None:
            with autocast():
                real_logits = discriminator(window, real)
                fake_logits = discriminator(window, refined.detach())
                loss = discriminator_loss(real_logits, fake_logits)
            opt_d.zero_grad(set_to_none=True)
            loss.backward()
            opt_d.step()

        def update() -> None:
            with autocast():
                fake = discriminator(window, refined)
            loss, _ = generator_loss(refined, attention, real, LossWeights(), None, fake)
            opt_g.zero_grad(set_to_none=True)
            loss.backward()
            opt_g.step()

        timed("discriminator", discriminator_step)
        timed("update", update)

    for number in range(repeats + 1):
        step(number)
    what = f"training, {size}, {precision}, batch {batch}"
    return refiner.eval(), _training_row(what, refiner, parts)


def _channels_last(net: Net, device: torch.device) -> Net:
    # torch's annotations of `Module.to` lack memory_format
    return net.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]


def _random_frames(config: RefinerConfig, device: torch.device) -> TrainingFrames:
    """Noise in the shapes of a clip's training frames."""
    rng = np.random.default_rng(0)
    side, dim = config.generator.size_px, config.memory.value_dim
    pictures = rng.integers(0, 256, (N_FRAMES, side, side, 3), dtype=np.uint8)
    identity = rng.normal(size=(N_FRAMES, dim)).astype(np.float32)
    identity /= np.linalg.norm(identity, axis=1, keepdims=True)
    return training_frames(PairedFrames(pictures, pictures, identity), config, device)


def _training_row(what: str, refiner: Refiner, parts: dict[str, list[float]]) -> Row:
    """Medians over the steps; the first one warms up and is left out."""
    row: Row = {
        "what": what,
        "parameters_m": sum(p.numel() for p in refiner.generator.parameters()) / 1e6,
    }
    row |= {f"{name}_ms": float(np.median(spent_ms[1:])) for name, spent_ms in parts.items()}
    return row | {"step_ms": sum(row[f"{name}_ms"] for name in parts)}


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


def _memory_step(
    memory: Memory, pool5: Float[Tensor, "B C"], value: Float[Tensor, "B D"]
) -> None:
    loss = memory.triplet_loss(memory.query(pool5), value)
    if loss.requires_grad:
        loss.backward()
    memory.update(memory.query(pool5), value)
