"""The refiner: where a training step's time goes, and inference, per size and precision."""

import time

import numpy as np
import torch

from tfhkit.refine.data import batch_rows, make_batch, training_frames
from tfhkit.refine.device import auto_precision, train_device
from tfhkit.refine.discriminator import PatchDiscriminator
from tfhkit.refine.losses import LossWeights, discriminator_loss, generator_loss
from tfhkit.refine.predict import refine
from tfhkit.refine.refiner import Refiner, refiner_config

N_FRAMES = 32


def bench_refine(sizes=("small",), precisions=None, batch=4, repeats=5, device="auto"):
    """Time the parts of a training step and of inference on random pictures.

    Args:
        sizes: names of generators.
        precisions: of "float32" and "bfloat16"; None is float32 and what "auto" means here.
        batch: frames in a training step.
        repeats: measurements, of which the median is taken.
        device: "auto", "cpu" or "cuda".
    Returns:
        list of dict: what, parameters_m (millions), batch_ms, memory_ms, generator_ms (forward),
        discriminator_ms (its step), update_ms (generator's losses, backward, Adam), step_ms (their
        sum), infer_ms (per frame, memory look-up included), infer_fps, ratio (step of float32
        over this row's step).
    """
    device = train_device(device)
    precisions = precisions or tuple(dict.fromkeys(("float32", auto_precision(device))))
    rows = []
    for size in sizes:
        float32_ms = None
        for precision in precisions:
            row = _measure(size, precision, batch, repeats, device)
            float32_ms = row["step_ms"] if precision == "float32" else float32_ms
            row["ratio"] = None if float32_ms is None else float32_ms / row["step_ms"]
            rows.append(row)
    return rows


def _measure(size, precision, batch, repeats, device):
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    config = refiner_config(size)
    side, dim = config.generator.size_px, config.memory.value_dim
    pictures = rng.integers(0, 256, (N_FRAMES, side, side, 3), dtype=np.uint8)
    identity = rng.normal(size=(N_FRAMES, dim)).astype(np.float32)
    identity /= np.linalg.norm(identity, axis=1, keepdims=True)
    refiner = Refiner(config).to(device, memory_format=torch.channels_last)
    small = {"channels": 32, "unshuffle": 2} if size == "small" else {}
    judge = PatchDiscriminator(**small).to(device, memory_format=torch.channels_last)
    data = training_frames(pictures, pictures, identity, config, device=device)
    opt_g = torch.optim.Adam(refiner.generator.parameters(), 1e-4)
    opt_d = torch.optim.Adam(judge.parameters(), 1e-4)
    parts = {}

    def timed(name, function):
        start = time.perf_counter()
        result = function()
        if device.type == "cuda":
            torch.cuda.synchronize()
        parts.setdefault(name, []).append(1000 * (time.perf_counter() - start))
        return result

    def autocast():
        return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")

    def step(number):
        picked = torch.as_tensor(batch_rows(N_FRAMES, batch, number, 0), device=device)
        window, real, _ = timed("batch", lambda: make_batch(data, picked))
        window = window.contiguous(memory_format=torch.channels_last)
        pool5 = torch.randn(batch, 512, device=device)
        timed("memory", lambda: _memory_step(refiner.memory, pool5, data.identity[picked]))
        with autocast():
            refined, attention, _ = timed(
                "generator", lambda: refiner.generator(window, data.identity[picked])
            )

        def judge_step():
            with autocast():
                loss = discriminator_loss(judge(window, real), judge(window, refined.detach()))
            opt_d.zero_grad(set_to_none=True)
            loss.backward()
            opt_d.step()

        def update():
            with autocast():
                fake = judge(window, refined)
            loss, _ = generator_loss(refined, attention, real, LossWeights(), None, fake)
            opt_g.zero_grad(set_to_none=True)
            loss.backward()
            opt_g.step()

        timed("discriminator", judge_step)
        timed("update", update)

    for number in range(repeats + 1):
        step(number)
    names = ("batch", "memory", "generator", "discriminator", "update")
    row = {
        "what": f"{size}, {precision}, batch {batch}",
        "parameters_m": sum(p.numel() for p in refiner.generator.parameters()) / 1e6,
    }
    row |= {f"{name}_ms": float(np.median(parts[name][1:])) for name in names}
    row["step_ms"] = sum(row[f"{name}_ms"] for name in names)
    refine(refiner, pictures, precision=precision)  # warms up
    for _ in range(min(repeats, 3)):
        timed("infer", lambda: refine(refiner, pictures, precision=precision))
    row["infer_ms"] = float(np.median(parts["infer"])) / N_FRAMES
    row["infer_fps"] = 1000 / row["infer_ms"]
    return row


def _memory_step(memory, pool5, value):
    loss = memory.triplet_loss(memory.query(pool5), value)
    if loss.requires_grad:
        loss.backward()
    memory.update(memory.query(pool5), value)
