"""Training frames: windows of renderings, batches that depend on seed and step alone."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Float16, Int, Shaped, UInt8
from numpy.typing import ArrayLike
from torch import Tensor

from tfhkit.errors import InputError, ShapeError, check_shape
from tfhkit.landmarks.regions import feature_masks
from tfhkit.refine.config import TrainConfig
from tfhkit.refine.refiner import RefinerConfig

# window (B, 3 W, S, S), real frame and, where there are weights, weight of the pixels
Batch = tuple[Float[Tensor, "B C S S"], Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"] | None]


def window_indices(
    n_frames: int, window: int = 3, frames: ArrayLike | None = None, max_gap: int = 2
) -> Int[np.ndarray, "T W"]:
    """Rows of the window r_{t-2}, r_{t-1}, r_t for every t.

    Before the first frame, and where frame numbers jump by more than `max_gap`, the earliest
    frame of the unbroken stretch is repeated. (The published code skips the first two frames.)

    Args:
        n_frames: number of frames.
        window: frames in a window.
        frames: (T,) frame numbers, increasing; None means no gaps.
        max_gap: largest step of the frame number inside a stretch.
    Returns:
        rows, the oldest first.
    """
    t = np.arange(n_frames)
    start = np.zeros(n_frames, np.int64)
    if frames is not None:
        broken = np.flatnonzero(np.diff(frames) > max_gap) + 1
        start[broken] = broken
        start = np.maximum.accumulate(start)
    back = np.arange(window - 1, -1, -1)
    return np.maximum(t[:, None] - back, start[:, None])


def gather_windows(
    renders: UInt8[Tensor, "T S S 3"], rows: Int[Tensor, "B W"]
) -> Float[Tensor, "B C S S"]:
    """Windows stacked along the channels: (B, 3 W, S, S) float32 in [-1, 1].

    Args:
        renders: pictures in time order.
        rows: which of them make each window, see `window_indices`.
    """
    picked = renders[rows.reshape(-1)].permute(0, 3, 1, 2)  # (B W, 3, S, S)
    b, w = rows.shape
    size = picked.shape[-1]
    return picked.reshape(b, w * 3, size, size).float() / 127.5 - 1


@dataclass(frozen=True, eq=False)
class PairedFrames:
    """Renderings and the real frames of the same moments, in time order.

    `training_frames` checks them.

    Args:
        renders, reals: (N, S, S, 3) uint8, composited renderings and real frames.
        identity: (N, D) unit identity features of the real frames; a row of zeros marks a frame
            without a face, which is not trained on.
        frames: (N,) increasing frame numbers; windows do not reach across jumps. None: no jumps.
        weight: (N, S, S) weight of the pixels in the L1 term, any scale; not in the paper, see
            `region_weight`.
    """

    renders: Shaped[np.ndarray, "_ _ _ _"]
    reals: Shaped[np.ndarray, "_ _ _ _"]
    identity: Float[np.ndarray, "_ _"]
    frames: Int[np.ndarray, "_"] | None = None
    weight: Float[np.ndarray, "_ _ _"] | None = None


@dataclass(frozen=True, eq=False)
class FrameBlocks:
    """Training frames that are too many for the memory: a training takes block after block.

    Args:
        read: gives the frames of a block; its number counts from 0 on, without end.
        steps: steps that a training stays with a block.
        mark: names what the blocks hold, for checkpoints.
    """

    read: Callable[[int], PairedFrames]
    steps: int
    mark: str


@dataclass(frozen=True, eq=False)
class TrainingFrames:
    """Frames that can be trained on, on the device of the training.

    Args:
        renders, reals: as in `PairedFrames`.
        identity: unit vectors of the real frames.
        rows: rows of the windows.
        usable: rows that have a face and thus an identity.
        frames: frame numbers.
        weight: weight of the pixels, of mean 1 in each frame.
    """

    renders: UInt8[Tensor, "N S S 3"]
    reals: UInt8[Tensor, "N S S 3"]
    identity: Float[Tensor, "N D"]
    rows: Int[Tensor, "N W"]
    usable: Int[Tensor, "M"]
    frames: Int[Tensor, "N"]
    weight: Float16[Tensor, "N S S"] | None


def training_frames(
    pairs: PairedFrames, config: RefinerConfig, device: str | torch.device = "cpu"
) -> TrainingFrames:
    """Check the arrays of a training and put them on the device.

    Frames without a face stay as neighbours in windows but are not trained on.

    Args:
        pairs: what is trained on.
        config: of the refiner that is trained.
        device: where the training runs.
    Raises:
        ShapeError: sizes differ from each other or from the configuration.
        InputError: fewer than 2 frames show a face, or pictures that are not uint8.
    """
    renders, reals, identity, weight = pairs.renders, pairs.reals, pairs.identity, pairs.weight
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
    frames = np.arange(len(renders)) if pairs.frames is None else pairs.frames
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
    rows = window_indices(len(renders), config.generator.window, frames)

    def put(array: np.ndarray) -> Tensor:
        return torch.as_tensor(array).to(device)

    return TrainingFrames(
        put(renders),
        put(reals),
        identity=put(np.asarray(identity, np.float32)),
        rows=put(rows),
        usable=put(usable),
        frames=put(frames.astype(np.int64)),
        weight=None if weight is None else _mean_1(weight).to(device),
    )


def _mean_1(weight: Float[np.ndarray, "N S S"]) -> Float16[Tensor, "N S S"]:
    """Weights of the pixels, scaled to a mean of 1 in each frame."""
    weight = np.asarray(weight, np.float32)
    return torch.as_tensor(weight / weight.mean((1, 2), keepdims=True).clip(min=1e-6)).half()


def batch_rows(n: int, batch: int, step: int, seed: int) -> Int[np.ndarray, "B"]:
    """Which of `n` frames are in the batch of step number `step`: epochs of shuffled frames.

    It depends on nothing but its arguments, so a resumed training sees the same batches as one
    that was not stopped.
    """
    places = np.arange(step * batch, (step + 1) * batch)
    passes = set((places // n).tolist())
    epochs = {e: np.random.default_rng([seed, e]).permutation(n) for e in passes}
    return np.array([epochs[p // n][p % n] for p in places.tolist()])


def draw_batch(
    data: TrainingFrames, train: TrainConfig, seed: int, step: int
) -> tuple[Int[Tensor, "B"], Batch]:
    """Rows of a step's frames and its batch; they depend on the arguments alone."""
    rng = np.random.default_rng([seed, 1, step])
    rows = batch_rows(len(data.usable), train.batch, step, seed)
    picked = data.usable[torch.as_tensor(rows).to(data.usable.device, non_blocking=True)]
    right, down = (int(s) for s in rng.integers(-train.shift_px, train.shift_px + 1, 2))
    flip = bool(train.flip and rng.random() < 0.5)
    return picked, make_batch(data, picked, (right, down), flip)


def make_batch(
    data: TrainingFrames,
    picked: Int[Tensor, "B"],
    shift: tuple[int, int] = (0, 0),
    flip: bool = False,
) -> Batch:
    """One batch; window, real frame and weight are shifted and flipped by the same amount.

    Args:
        data: the training frames.
        picked: rows of the current frames.
        shift: pixels to the right and down; the border is repeated.
        flip: mirror left and right.
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
    return parts[0], parts[1], None if weight is None else parts[2]


def region_weight(
    mask: Bool[np.ndarray, "N S S"] | UInt8[np.ndarray, "N S S"],
    landmarks_px: Float[np.ndarray, "N 68 2"] | None = None,
    face: float = 3.0,
    features: float = 3.0,
) -> Float[np.ndarray, "N S S"]:
    """Weight of the pixels for the L1 term: 1, more on the face, most on eyes and mouth.

    Not in the paper. Outside the face the composite equals the real frame, so most pixels of a
    plain mean say nothing.

    Args:
        mask: above 0 on the face.
        landmarks_px: pixels of the crops; adds `features` around eyes and mouth.
        face, features: what is added to 1.
    """
    weight = 1 + face * (np.asarray(mask) > 0).astype(np.float32)
    if landmarks_px is None:
        return weight
    masks = feature_masks(np.asarray(landmarks_px), weight.shape[1])
    for one, *found in zip(weight, *masks.values()):
        spot = np.logical_or.reduce(found).astype(np.float32)
        one += features * cv2.GaussianBlur(spot, (0, 0), 2)
    return weight
