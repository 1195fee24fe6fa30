"""The refiner: where the time of a training step goes, and that of the way to a refined crop."""

import time

import numpy as np
import torch

from tfhkit.coefficients import neutral
from tfhkit.evaluate.inference import whole_step
from tfhkit.face import load_model
from tfhkit.refine.data import PairedFrames, batch_rows, make_batch, training_frames
from tfhkit.refine.device import auto_precision, train_device
from tfhkit.refine.discriminator import PatchDiscriminator
from tfhkit.refine.losses import LossWeights, discriminator_loss, generator_loss
from tfhkit.refine.refiner import Refiner, refiner_config

N_FRAMES = 32


def bench_refine(sizes=("small",), precisions=None, batch=4, repeats=5, device="auto"):
    """Time the parts of a training step, and of the whole way from coefficients to refined crops.

    Args:
        sizes: names of generators.
        precisions: of "float32" and "bfloat16"; None is float32 and what "auto" means here.
        batch: frames in a training step.
        repeats: measurements, of which the median is taken.
        device: "auto", "cpu" or "cuda".
    Returns:
        list of dict, first those of training: what, parameters_m (millions), batch_ms, memory_ms,
        generator_ms (forward), discriminator_ms (its step), update_ms (generator's losses,
        backward, Adam), step_ms (their sum), ratio (step of float32 over this row's step); then
        those of inference: what, per frame the parts of `whole_step` in ms, step_ms, fps, ratio.
    """
    device = train_device(device)
    precisions = precisions or tuple(dict.fromkeys(("float32", auto_precision(device))))
    training, inference = [], []
    for size in sizes:
        for precision in precisions:
            refiner, row = _training(size, precision, batch, repeats, device)
            training.append(row)
            inference.append(_inference(refiner, size, precision, repeats))
        for rows in (training, inference):
            own = rows[-len(precisions) :]
            base = next((r["step_ms"] for r in own if "float32" in r["what"]), None)
            for row in own:
                row["ratio"] = None if base is None else base / row["step_ms"]
    return training + inference


def _training(size, precision, batch, repeats, device):
    """A refiner after a few steps, and the row."""
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
    data = training_frames(PairedFrames(pictures, pictures, identity), config, device)
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
        "what": f"training, {size}, {precision}, batch {batch}",
        "parameters_m": sum(p.numel() for p in refiner.generator.parameters()) / 1e6,
    }
    row |= {f"{name}_ms": float(np.median(parts[name][1:])) for name in names}
    row["step_ms"] = sum(row[f"{name}_ms"] for name in names)
    return refiner.eval(), row


def _inference(refiner, size, precision, repeats):
    """The row of the whole step for a head that turns, over grey."""
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


def _memory_step(memory, pool5, value):
    loss = memory.triplet_loss(memory.query(pool5), value)
    if loss.requires_grad:
        loss.backward()
    memory.update(memory.query(pool5), value)
