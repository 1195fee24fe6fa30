"""Small things to plot: a talker made of tones, pairs of its moments, a memory made by hand."""

import numpy as np
import torch

from tfhkit.refine import Memory, MemoryConfig, Retrieval
from tfhkit.teach.brushing import alike_pairs

SR_HZ, FPS, N_FRAMES = 16000, 20, 60
FRAMES = np.array([10, 11, 13, 14])


def talker(seed=0):
    """Sound, times, angles, windows and pairs of three seconds; the second one is silent."""
    rng = np.random.default_rng(seed)
    times = np.arange(N_FRAMES) / FPS
    t = np.arange(3 * SR_HZ) / SR_HZ
    sound = 0.3 * np.sin(2 * np.pi * (200 + 100 * t) * t) * ((t < 1) | (t > 2))
    angles = np.cumsum(rng.normal(0, 0.02, (N_FRAMES, 3)), 0)
    windows = np.cumsum(rng.normal(0, 1, (N_FRAMES, 28, 12)), 0) + 20
    pairs = alike_pairs(windows.reshape(N_FRAMES, -1), angles, times, radius=0.3)
    return sound.astype(np.float32), times, angles, windows, pairs


def face_at(frame, side_px=48):
    """A picture whose colour says its frame number."""
    return np.full((side_px, side_px, 3), (4 * frame, 120, 255 - 4 * frame), np.uint8)


def small_memory():
    """A memory of six slots of which three were written, and what its pictures are."""
    memory = Memory(MemoryConfig(slots=6, key_dim=3, value_dim=3, top_k=2))
    axes = torch.eye(3)
    memory.update(axes[[0, 1, 1, 2]], axes[[0, 1, 1, 2]], FRAMES)
    asked = np.stack([np.full((16, 16, 3), 100 + 20 * i, np.uint8) for i in range(5)])
    train = np.stack([np.full((16, 16, 3), 60 * i, np.uint8) for i in range(4)])
    return memory, FRAMES, train, asked


def answers(slots):
    """A Retrieval whose frame i was answered by slots[i]."""
    n = len(slots)
    similarity = np.linspace(0.5, 0.9, n).astype(np.float32)
    return Retrieval(np.arange(n), np.array(slots, np.int64), similarity, torch.zeros(n, 3))
