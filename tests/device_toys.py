"""For the tests of the device: tracks, pairs and a filmed head that take seconds on any machine."""

from types import SimpleNamespace

import numpy as np
import torch
from fit_toys import N, pictures, speaking_head, tracker_error

from tfhkit.camera import Camera
from tfhkit.face import load_model
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import reproject
from tfhkit.landmarks import Landmarks
from tfhkit.motion import MotionConfig, MotionTrack, TrainSettings
from tfhkit.refine import LossWeights, PairedFrames, TrainConfig, refiner_config

PX = 32
SMALL = MotionConfig("custom", (2, 4, 6, 6, 8), (2, 2), (16, 12), 16, 2, 0.0)
CONFIG = refiner_config("small", size_px=PX, channels=(8, 16), slots=4, spatial="random")
LOSSES = LossWeights(gradient=1.0, contrast=1.0, perceptual=1.0)
TRAIN = TrainConfig(
    steps=4, batch=3, precision="float32", detail_from=0.0, disc_channels=8, losses=LOSSES
)


def close(a, b, tolerance=1e-5):
    a, b = (x.detach().cpu() if isinstance(x, torch.Tensor) else torch.as_tensor(x) for x in (a, b))
    return torch.allclose(a.double(), b.double(), rtol=tolerance, atol=tolerance)


def toy_track(n_frames=100, seed=0):
    """Motion that follows MFCC 1 and 2."""
    rng = np.random.default_rng(seed)
    rows = np.repeat(rng.normal(size=(n_frames + 12, 12)), 4, axis=0)
    windows = np.stack([rows[4 * t : 4 * t + 28] for t in range(n_frames)]).astype(np.float32)
    heard = windows[:, 13:15].mean(1)
    exp, pose = heard[:, :1] * np.linspace(-1, 1, 64), heard[:, 1:2] * np.linspace(0.05, 0.1, 6)
    valid, times = np.ones(n_frames, bool), np.arange(n_frames) / 25
    return MotionTrack(windows, exp.astype(np.float32), pose.astype(np.float32), valid, times)


def steady(epochs=2):
    """Without drawn numbers, which come from another generator on CUDA."""
    return TrainSettings(
        epochs=epochs, batch=4, sequence_frames=16, sequences_per_epoch=8, lr=3e-3, out_epochs=1,
        input_noise=0.0, input_shift=0.0, ema=0.9,
    )  # fmt: skip


def toy_pairs(n=9, seed=0):
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, (2, n, PX, PX, 3), dtype=np.uint8)
    identity = rng.normal(size=(n, 128)).astype(np.float32)
    identity /= np.linalg.norm(identity, axis=1, keepdims=True)
    return PairedFrames(*pictures, identity, weight=1 + rng.random((n, PX, PX), np.float32))


def filmed_head():
    """A speaking head of six frames as a clip, its landmarks, and the model."""
    model, truth = load_model(subdivide=False), speaking_head()
    frames = pictures(model, truth, 224)
    clip = SimpleNamespace(
        path="head.mp4", times=np.arange(N) / 2, frames=frames,
        iter_frames=lambda start=0, stop=None: iter(frames[start:stop]),
    )  # fmt: skip
    points = (reproject(landmark_basis(model), truth, Camera()) + tracker_error()).float().numpy()
    return clip, Landmarks(points, np.ones(N, np.float32), np.arange(N) == 4, "toy"), model
