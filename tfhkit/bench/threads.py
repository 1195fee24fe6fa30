"""The cost of letting waiting threads sleep (OMP_WAIT_POLICY), alone and next to other work."""

import os
import subprocess
import sys
import time

from tfhkit.bench import Row

N_FRAMES = 50
TRAINING = """
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


def bench_threads(n_frames: int = N_FRAMES, rounds: int = 2) -> list[Row]:
    """Fit the sample clip's first frames in processes of their own, with either policy in turn.

    libgomp reads the policy once, when torch is loaded, hence the processes. The other process has
    the same policy; it trains a small network on all cores, or fits the same clip without end.

    Args:
        n_frames: frames to fit.
        rounds: measurements of each; the shortest counts.
    Returns:
        rows of other_work ("nothing", "a training" or "a fit"), spinning_s and sleeping_s (wall
        clock), ratio (sleeping over spinning), cpu_ratio (the same of the CPU seconds).
    """
    rows: list[Row] = []
    others = {"nothing": None, "a training": TRAINING, "a fit": FIT.format(n=n_frames, again=True)}
    for name, other in others.items():
        seconds: dict[str, list[tuple[float, float]]] = {"ACTIVE": [], "PASSIVE": []}
        for _ in range(rounds):
            for policy, found in seconds.items():
                found.append(_timed(policy, n_frames, other))
        (spin_s, spin_cpu_s), (sleep_s, sleep_cpu_s) = (min(found) for found in seconds.values())
        rows.append({
            "other_work": name, "spinning_s": spin_s, "sleeping_s": sleep_s,
            "ratio": sleep_s / spin_s, "cpu_ratio": sleep_cpu_s / spin_cpu_s,
        })  # fmt: skip
    return rows


def _timed(policy: str, n_frames: int, code: str | None) -> tuple[float, float]:
    """Seconds of one fit while `code` runs: wall clock, and CPU time of the fit's process."""
    environment = os.environ | {"OMP_WAIT_POLICY": policy}
    environment.pop("OMP_NUM_THREADS", None)
    other = None if code is None else _python(code, environment)
    try:
        cpu_s, began = _cpu_s(), time.perf_counter()
        command = [sys.executable, "-c", FIT.format(n=n_frames, again=False)]
        subprocess.run(command, check=True, env=environment)
        return time.perf_counter() - began, _cpu_s() - cpu_s
    finally:
        if other is not None:
            other.kill()
            other.wait()


def _python(code: str, environment: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", code], env=environment)


def _cpu_s() -> float:
    """CPU seconds of the processes that have ended so far."""
    times = os.times()
    return times.children_user + times.children_system
