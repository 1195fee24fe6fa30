"""A person who was never really learned: all parts are there, small and random."""

from dataclasses import fields, replace

import numpy as np
import torch

from tfhkit.coefficients import neutral
from tfhkit.fit import Crop, Fit
from tfhkit.media import open_clip, write_video
from tfhkit.motion import MotionConfig, MotionNet, MotionWeights, make_track, measure_normalisation
from tfhkit.person import Person
from tfhkit.profiles import settings_of
from tfhkit.refine import Refiner, refiner_config

N, FPS, SIZE_PX = 50, 10, 32


def voice(seconds=2.5, seed=0):
    """(N,) float32 at 16 kHz: noise whose loudness goes up and down."""
    rng, n = np.random.default_rng(seed), int(16000 * seconds)
    return (0.2 * np.sin(np.arange(n) / 2000) * rng.normal(size=n)).clip(-1, 1).astype(np.float32)


def write_clip(path):
    """A clip of blurred noise with sound, 5 s."""
    rng = np.random.default_rng(1)
    frames = rng.integers(60, 200, (N, 12, 12, 3), dtype=np.uint8).repeat(10, 1).repeat(10, 2)
    return write_video(path, frames, FPS, voice(N / FPS), visible_mark=False)


def toy_person(folder):
    """A Person whose clip is written into a folder."""
    clip = open_clip(write_clip(folder / "clip.mp4"))
    rng = np.random.default_rng(2)
    still = neutral(N)
    pose = np.repeat(rng.normal(0, 0.05, (6, 6)), 9, 0)[:N].astype(np.float32)
    moved = still.with_motion(rng.normal(0, 0.5, (N, 64)).astype(np.float32), pose)
    points = np.zeros((N, 68, 2), np.float32)
    fit = Fit(moved, points, np.zeros(N, bool), clip.times, Crop(224 / 120, 0.0, 0.0), "open")
    torch.manual_seed(0)
    config = MotionConfig.of_size("small")
    track = make_track(clip.audio, clip.times, moved.exp, moved.pose)
    mapping = MotionWeights(MotionNet(config).eval(), measure_normalisation([track]))
    small = {"size_px": SIZE_PX, "channels": (8, 16), "slots": 8, "spatial": "random"}
    refiner = Refiner(refiner_config("small", **small))
    random = torch.nn.functional.normalize(torch.randn(2, 4, 512), dim=-1)
    refiner.memory.update(random[0], random[1, :, :128])
    settings = replace(settings_of("tiny"), refine_px=SIZE_PX)
    return Person(clip, fit, mapping, refiner.eval(), settings, *settings.split(N), {"lip_r": 0.0})


def same(first, second):
    return all(
        np.array_equal(getattr(first, f.name), getattr(second, f.name)) for f in fields(first)
    )
