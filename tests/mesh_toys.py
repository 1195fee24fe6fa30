"""A talking face mesh: the mean head turned, its lips moved by a voice and its brows by a wave."""

import numpy as np
import torch

from tfhkit.camera import rotation_from_angles
from tfhkit.fit.mesh_places import read_places
from tfhkit.metrics import FaceTrack
from tfhkit.metrics.face_motion import BROWS, LOWER_LIP

SECONDS, SR_HZ = 8.0, 16000


def loudness(times):
    """A voice's envelope: syllables, and a pause in each half."""
    syllables = 0.55 - 0.45 * np.cos(2 * np.pi * 3.1 * times + np.sin(times))
    pause = ((times > 2.0) & (times < 2.8)) | ((times > 5.5) & (times < 6.4))
    return np.where(pause, 0.0, syllables)


def voice():
    """(N,) of noise with that envelope."""
    times = np.arange(int(SECONDS * SR_HZ)) / SR_HZ
    noise = np.random.default_rng(0).standard_normal(len(times))
    return (0.1 * loudness(times) * noise).astype(np.float32)


def turns(times):
    """(T, 3) radians."""
    waves = [np.sin(2.1 * times), np.sin(1.3 * times + 1), np.sin(0.9 * times + 2)]
    return np.radians([6.0, 8.0, 4.0]) * np.stack(waves, 1)


def track(fps=25.0, px=100.0, mouth=1.0, brow=1.0, head=1.0, restless=0.0, later_s=0.0):
    """A talking mesh: the mean head turned and shifted, lips by the loudness, brows by a wave.

    Args:
        fps: frames per second. px: per dm. mouth, brow, head: gains of the three motions.
        restless: amplitude in dm of lips in pauses. later_s: delay of the lips.
    """
    times = np.arange(0, SECONDS, 1 / fps)
    mesh = np.repeat(read_places()["places"][None], len(times), 0)
    mean = loudness(times).mean()
    opening = mean + mouth * (loudness(times - later_s) - mean)
    fidget = restless * np.abs(np.sin(19 * times)) * (loudness(times) == 0)
    mesh[:, LOWER_LIP, 1] -= (0.15 * opening + 0.02 * mouth * np.sin(7 * times) + fidget)[:, None]
    for side in BROWS:
        mesh[:, side, 1] += 0.05 * brow * np.sin(3 * times)[:, None]
    rotation = rotation_from_angles(torch.from_numpy(head * turns(times))).numpy()
    seen = np.einsum("tij,tnj->tni", rotation, mesh)[..., :2] * (px, -px)
    seen += 300 + 0.2 * px * head * np.stack([np.sin(times), np.cos(1.7 * times)], 1)[:, None]
    return FaceTrack(seen, times, voice())
