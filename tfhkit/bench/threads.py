"""How long waiting threads spin before they sleep, alone and next to other work."""

import os
import subprocess
import sys
import time

from tfhkit.bench import Row

N_FRAMES = 50
# as many steps as are taken before SharedCores tries another number of threads
STEPS = """
import numpy as np
from tfhkit.refine import PairedFrames, refiner_config, train_config, train_refiner

rng = np.random.default_rng(0)
pictures = rng.integers(0, 256, (8, 128, 128, 3), dtype=np.uint8)
identity = np.full((8, 128), 128**-0.5, np.float32)
config = refiner_config("small", identity="mean")
train_refiner(PairedFrames(pictures, pictures, identity), config, train_config(steps=16, batch=1))
"""
TRAINING = """
import tfhkit
import torch

net = torch.nn.Sequential(*(torch.nn.Conv2d(16, 16, 3, padding=1) for _ in range(4)))
while True:  # small steps on all cores, as a training takes them
    net(torch.ones(2, 16, 32, 32)).mean().backward()
"""
FIT = """
from tfhkit.face import load_model
from tfhkit.fit import fit_clip
from tfhkit.landmarks import detect
from tfhkit.assets import fetch
from tfhkit.media import first_frames, open_clip

clip = first_frames(open_clip(fetch("sample_clip")), {n})
while True:
    fit_clip(clip, detect(clip), load_model())
    if not {again}:
        break
"""


# environment of a process: threads that wait for ever, not at all, and as the kit sets it
WAYS = {
    "spinning": {"OMP_WAIT_POLICY": "ACTIVE", "GOMP_SPINCOUNT": "INFINITE"},
    "sleeping": {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"},
    "kit": {},
}


def bench_threads(n_frames: int = N_FRAMES, rounds: int = 2) -> list[Row]:
    """Fit the sample clip's first frames, and train, in processes of their own, each way in turn.

    libgomp reads how long threads spin once, when torch is loaded, hence the processes. The other
    process waits the same way; it trains a small network on all cores, or fits the same clip
    without end.

    Args:
        n_frames: frames to fit.
        rounds: measurements of each; the shortest counts.
    Returns:
        rows of work ("fit" or "training"), other_work ("nothing", "a training" or "a fit"),
        spinning_s, sleeping_s and kit_s (wall clock), ratio (kit over spinning), and
        ratio_to_sleeping.
    """
    rows: list[Row] = []
    work = {"fit": FIT.format(n=n_frames, again=False), "training": STEPS}
    others = {"nothing": None, "a training": TRAINING, "a fit": FIT.format(n=n_frames, again=True)}
    for name, code in work.items():
        for other_name, other in others.items():
            seconds: dict[str, list[float]] = {way: [] for way in WAYS}
            for _ in range(rounds):
                for way, found in seconds.items():
                    found.append(_timed(way, code, other))
            best = {way: min(found) for way, found in seconds.items()}
            rows.append({
                "work": name, "other_work": other_name,
                **{f"{way}_s": s for way, s in best.items()},
                "ratio": best["kit"] / best["spinning"],
                "ratio_to_sleeping": best["kit"] / best["sleeping"],
            })  # fmt: skip
    return rows


def _timed(way: str, code: str, other_code: str | None) -> float:
    """Seconds that `code` takes while the other one runs."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OMP_", "GOMP_"))}
    environment = kept | WAYS[way]
    other = None if other_code is None else _python(other_code, environment)
    try:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
        return time.perf_counter() - began
    finally:
        if other is not None:
            other.kill()
            other.wait()


def _python(code: str, environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], env=environment)
