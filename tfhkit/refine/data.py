"""Training frames: windows of renderings, batches that depend on seed and step alone."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch

from tfhkit.errors import InputError, ShapeError, check_shape


def window_indices(n_frames, window=3, frames=None, max_gap=2):
    """Rows of the window r_{t-2}, r_{t-1}, r_t for every t.

    Before the first frame, and where frame numbers jump by more than `max_gap`, the earliest
    frame of the unbroken stretch is repeated. (The published code skips the first two frames.)

    Args:
        n_frames: T.
        window: W.
        frames: (T,) frame numbers, increasing; None means no gaps.
        max_gap: largest step of the frame number inside a stretch.
    Returns:
        (T, W) int64, oldest first.
    """
    t = np.arange(n_frames)
    start = np.zeros(n_frames, np.int64)
    if frames is not None:
        broken = np.flatnonzero(np.diff(frames) > max_gap) + 1
        start[broken] = broken
        start = np.maximum.accumulate(start)
    back = np.arange(window - 1, -1, -1)
    return np.maximum(t[:, None] - back, start[:, None])


def gather_windows(renders, rows):
    """Stack windows along the channels.

    Args:
        renders: (T, S, S, 3) uint8 tensor.
        rows: (B, W) indices.
    Returns:
        (B, 3 W, S, S) float32 in [-1, 1].
    """
    picked = renders[rows.reshape(-1)].permute(0, 3, 1, 2)  # (B W, 3, S, S)
    b, w = rows.shape
    size = picked.shape[-1]
    return picked.reshape(b, w * 3, size, size).float() / 127.5 - 1


@dataclass(frozen=True)
class TrainingFrames:
    """Frames that can be trained on, on the device of the training.

    Args:
        renders, reals: (N, S, S, 3) uint8 tensors.
        identity: (N, D) float32 unit vectors of the real frames.
        rows: (N, W) rows of the windows.
        usable: (M,) rows that have a face and thus an identity.
        frames: (N,) frame numbers.
        weight: (N, S, S) float16 of mean 1 per frame, or None.
    """

    renders: torch.Tensor
    reals: torch.Tensor
    identity: torch.Tensor
    rows: torch.Tensor
    usable: torch.Tensor
    frames: torch.Tensor
    weight: object


def training_frames(renders, reals, identity, config, frames=None, weight=None, device="cpu"):
    """Check the arrays of a training and put them on the device.

    Frames without a face (identity of zeros) stay as neighbours in windows but are not
    trained on.

    Raises:
        ShapeError: sizes differ from each other or from the configuration.
        InputError: fewer than 2 frames show a face, or pictures that are not uint8.
    """
    size = config.generator.size_px
    check_shape("renders", renders, ("N", size, size, 3))
    check_shape("reals", reals, renders.shape)
    for name, pictures in (("renders", renders), ("reals", reals)):
        if pictures.dtype != np.uint8:
            fault = f"are {pictures.dtype}, expected uint8"
            raise InputError(name, fault, "give pictures with values of 0 to 255")
    check_shape("identity", identity, (len(renders), config.memory.value_dim))
    if weight is not None:
        check_shape("weight", weight, renders.shape[:3])
    frames = np.arange(len(renders)) if frames is None else np.asarray(frames)
    check_shape("frames", frames, (len(renders),))
    if (np.diff(frames) <= 0).any():
        raise ShapeError("frames: expected increasing frame numbers")
    usable = np.flatnonzero(np.linalg.norm(identity, axis=-1) > 0.5)
    if len(usable) < 2:
        raise InputError(
            "frames",
            f"{len(usable)} of {len(renders)} show a face, at least 2 needed",
            "give more frames or another clip",
        )
    if weight is not None:
        weight = np.asarray(weight, np.float32)
        weight = weight / weight.mean((1, 2), keepdims=True).clip(min=1e-6)
        weight = torch.as_tensor(weight).half().to(device)
    rows = window_indices(len(renders), config.generator.window, frames)
    put = {
        "renders": renders,
        "reals": reals,
        "identity": np.asarray(identity, np.float32),
        "rows": rows,
        "usable": usable,
        "frames": frames.astype(np.int64),
    }
    put = {name: torch.as_tensor(value).to(device) for name, value in put.items()}
    return TrainingFrames(**put, weight=weight)


def batch_rows(n, batch, step, seed):
    """Which of `n` frames step number `step` sees: epochs of shuffled frames.

    It depends on nothing but its arguments, so a resumed training sees what an unbroken
    one would have seen.

    Returns:
        (batch,) int64.
    """
    places = np.arange(step * batch, (step + 1) * batch)
    epochs = {e: np.random.default_rng([seed, e]).permutation(n) for e in set(places // n)}
    return np.array([epochs[p // n][p % n] for p in places])


def make_batch(data, picked, shift=(0, 0), flip=False):
    """One batch, shifted and flipped alike in all its parts.

    Args:
        data: TrainingFrames.
        picked: (B,) rows.
        shift: pixels to the right and down; the border is repeated.
        flip: mirror left and right.
    Returns:
        window (B, 3 W, S, S), real (B, 3, S, S), weight (B, 1, S, S) or None.
    """
    window = gather_windows(data.renders, data.rows[picked])
    real = data.reals[picked].permute(0, 3, 1, 2).float() / 127.5 - 1
    weight = None if data.weight is None else data.weight[picked][:, None].float()
    parts = [window, real] if weight is None else [window, real, weight]
    if any(shift):
        size = window.shape[-1]
        x, y = (torch.arange(size, device=window.device) - s for s in shift)
        x, y = x.clamp(0, size - 1), y.clamp(0, size - 1)
        parts = [part[..., y[:, None], x] for part in parts]
    if flip:
        parts = [part.flip(-1) for part in parts]
    return (*parts, None) if weight is None else tuple(parts)


def region_weight(mask, landmarks_px=None, face=3.0, features=3.0):
    """Weight of the pixels for the L1 term: 1, more on the face, most on eyes and mouth.

    An extra, not in the paper: outside the face the composite equals the real frame, so
    a plain mean spends most pixels on nothing.

    Args:
        mask: (N, S, S), above 0 on the face.
        landmarks_px: (N, 68, 2) pixels of the crops; adds `features` around eyes and mouth.
        face, features: what is added to 1.
    Returns:
        (N, S, S) float32.
    """
    weight = 1 + face * (np.asarray(mask) > 0).astype(np.float32)
    if landmarks_px is None:
        return weight
    size = weight.shape[1]
    for i, points in enumerate(landmarks_px):
        if not np.isfinite(points).all():
            continue
        spot = np.zeros((size, size), np.float32)
        for part in (points[36:42], points[42:48], points[48:68]):
            cv2.fillConvexPoly(spot, cv2.convexHull(np.round(part).astype(np.int32)), 1.0)
        weight[i] += features * cv2.GaussianBlur(cv2.dilate(spot, None, iterations=2), (0, 0), 2)
    return weight
