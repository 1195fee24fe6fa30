"""Refining rendered frames with a trained refiner: memory look-up, smoothing, Eq. 3."""

from dataclasses import dataclass

import numpy as np
import torch

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.refine.data import gather_windows, window_indices
from tfhkit.refine.device import autocast_for
from tfhkit.refine.memory import knot_indices, smooth_features
from tfhkit.refine.spatial import pool5_features


@dataclass(frozen=True)
class Retrieval:
    """What the memory answered.

    Args:
        frames: (K,) rows of the renderings that were looked up.
        slots: (K,) slots that answered.
        similarity: (K,) cosine of query and key.
        identity: (T, D) smoothed unit features for all frames.
    """

    frames: np.ndarray
    slots: np.ndarray
    similarity: np.ndarray
    identity: torch.Tensor


@torch.no_grad()
def retrieve_identity(refiner, renders, times=None, looked=None):
    """Identity features of rendered frames, from the memory (Sec. 3.4).

    Args:
        refiner: Refiner.
        renders: (K, S, S, 3) uint8, the frames to look up.
        times: (T,) seconds of all frames; None means 25 fps.
        looked: (K,) which of all frames these are. None: `renders` holds all T frames, and the
            knots of `frames_to_look_up` are picked from them.
    Returns:
        Retrieval, with features for all T frames.
    """
    config = refiner.config
    times = np.arange(len(renders)) / 25.0 if times is None else np.asarray(times, np.float64)
    n = len(times)
    if looked is None:
        check_shape("times", times, (len(renders),))
        looked = frames_to_look_up(config, times)
        renders = renders[looked]
    if config.identity != "memory":
        # the mean of the training frames' features is what the generator saw in training
        identity = refiner.mean_identity.expand(n, -1)
        none = np.zeros(0, np.int64)
        return Retrieval(none, none, none.astype(np.float32), identity)
    pool5 = pool5_features(refiner.resnet, renders).to(refiner.device)
    values, slots, similarity = refiner.memory.retrieve(refiner.memory.query(pool5))
    features = torch.zeros(n, values.shape[1], device=refiner.device)
    features[torch.as_tensor(looked, device=refiner.device)] = values
    if _interpolates(config, n):
        features = smooth_features(features, times, config.smooth_s)
    return Retrieval(looked, slots.cpu().numpy(), similarity.cpu().numpy(), features)


def frames_to_look_up(config, times):
    """Frames whose identity comes from the memory; it is interpolated between them: (K,) int64.

    Args:
        config: RefinerConfig. times: (T,) seconds.
    """
    if _interpolates(config, len(times)):
        return np.array(knot_indices(times, config.smooth_s))
    return np.arange(len(times))


def _interpolates(config, n_frames):
    return config.smooth_s > 0 and n_frames >= 3


@torch.no_grad()
def refine(
    refiner,
    renders,
    times=None,
    identity=None,
    batch=16,
    progress=None,
    colour=False,
    precision="auto",
):
    """Refine rendered frames; dropout is off: on one machine the same input gives the same output.

    Args:
        refiner: Refiner.
        renders: (T, S, S, 3) uint8 composited renderings in time order.
        times: (T,) seconds, for the smoothing of the retrieved features; None means 25 fps.
        identity: (T, D) features to use instead of the memory's.
        batch: frames at a time.
        progress: callable(done, total, text).
        colour: also return the colour head's picture.
        precision: "float32", "bfloat16" or "auto": bfloat16 where the processor has it. There it
            takes half of the time, and no pixel of a trained small refiner differs by more than
            one grey level.
    Returns:
        refined (T, S, S, 3) uint8, attention (T, S, S) float32 in [0, 1]; with `colour` a
        third: (T, S, S, 3) uint8.
    Raises:
        ShapeError: the frames are not of the refiner's size, or times or features are not one
            for each of them.
        InputError: the frames are not uint8. ParameterError: an empty memory, times that do not
            increase, batch or precision.
    """
    size = refiner.config.generator.size_px
    check_shape("renders", renders, ("T", size, size, 3))
    if renders.dtype != np.uint8:
        raise InputError("renders", f"are {renders.dtype}", "give uint8 from 0 to 255")
    if batch < 1:
        raise ParameterError("batch", f"{batch}", "give 1 or more")
    autocast = autocast_for(precision, refiner.device)
    was_training, n, device = refiner.training, len(renders), refiner.device
    refiner.eval()
    if identity is None:
        identity = retrieve_identity(refiner, renders, times).identity
    identity = torch.as_tensor(identity, dtype=torch.float32, device=device)
    check_shape("identity", identity, (n, refiner.config.memory.value_dim))
    rows = torch.as_tensor(window_indices(n, refiner.config.generator.window))
    pixels = torch.as_tensor(np.ascontiguousarray(renders))
    refined = np.empty((n, size, size, 3), np.uint8)
    painted = np.empty_like(refined) if colour else None
    attention = np.empty((n, size, size), np.float32)
    for start in range(0, n, batch):
        part = slice(start, min(start + batch, n))
        window = gather_windows(pixels, rows[part]).to(device)
        window = window.contiguous(memory_format=torch.channels_last)
        with autocast():
            frame, mask, paint = refiner.generator(window, identity[part])
        refined[part], attention[part] = to_uint8(frame), mask[:, 0].cpu().numpy()
        if colour:
            painted[part] = to_uint8(paint)
        if progress:
            progress(part.stop, n, "refining")
    refiner.train(was_training)
    return (refined, attention, painted) if colour else (refined, attention)


def to_uint8(frames):
    """(B, 3, H, W) in [-1, 1] to (B, H, W, 3) uint8."""
    frames = ((frames.float().clamp(-1, 1) + 1) * 127.5).round()
    return frames.permute(0, 2, 3, 1).byte().cpu().numpy()
