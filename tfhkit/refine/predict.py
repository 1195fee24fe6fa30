"""Refining rendered frames with a trained refiner: memory look-up, smoothing, Eq. 3."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped, UInt8
from numpy.typing import ArrayLike
from scipy import ndimage
from torch import Tensor

from tfhkit.device import autocast_for, explain_full_memory
from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.maths import smoothstep
from tfhkit.progress import Progress
from tfhkit.refine.data import gather_windows, window_indices
from tfhkit.refine.memory import knot_indices, smooth_features
from tfhkit.refine.refiner import Refiner, RefinerConfig


@dataclass(frozen=True, eq=False)
class Retrieval:
    """What the memory answered.

    Args:
        frames: rows of the renderings that were looked up.
        slots: slots that answered.
        similarity: cosine of query and key.
        identity: smoothed unit features of all frames.
    """

    frames: Int[np.ndarray, "K"]
    slots: Int[np.ndarray, "K"]
    similarity: Float[np.ndarray, "K"]
    identity: Float[Tensor, "T D"]


@torch.no_grad()
def retrieve_identity(
    refiner: Refiner,
    renders: UInt8[np.ndarray, "_ S S 3"],
    times: ArrayLike | None = None,
    looked: Int[np.ndarray, "K"] | None = None,
) -> Retrieval:
    """Identity features of rendered frames, from the memory (Sec. 3.4).

    Args:
        refiner: trained refiner.
        renders: the frames to look up.
        times: (T,) seconds of all frames; None means 25 fps.
        looked: which of all frames `renders` holds. None: it holds all T frames, and the knots
            of `frames_to_look_up` are picked from them.
    Returns:
        features of all T frames, and what was looked up for them.
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
    pool5 = refiner.spatial_features(renders)
    values, slots, similarity = refiner.memory.retrieve(refiner.memory.query(pool5))
    features = torch.zeros(n, values.shape[1], device=refiner.device)
    features[torch.as_tensor(looked, device=refiner.device)] = values
    if _interpolates(config, n):
        features = smooth_features(features, times, config.smooth_s)
    return Retrieval(looked, slots.cpu().numpy(), similarity.cpu().numpy(), features)


def frames_to_look_up(config: RefinerConfig, times: Float[np.ndarray, "T"]) -> Int[np.ndarray, "K"]:
    """Frames whose identity comes from the memory; it is interpolated between them.

    Args:
        config: of the refiner.
        times: seconds of all frames.
    """
    if _interpolates(config, len(times)):
        return np.array(knot_indices(times, config.smooth_s))
    return np.arange(len(times))


def _interpolates(config: RefinerConfig, n_frames: int) -> bool:
    return config.smooth_s > 0 and n_frames >= 3


@explain_full_memory("refining")
def refine(
    refiner: Refiner,
    renders: Shaped[np.ndarray, "T H W C"],
    times: ArrayLike | None = None,
    identity: Float[np.ndarray | Tensor, "_ D"] | None = None,
    batch: int = 16,
    progress: Progress | None = None,
    precision: str = "auto",
) -> tuple[UInt8[np.ndarray, "T S S 3"], Float[np.ndarray, "T S S"]]:
    """Refine rendered frames; dropout is off: on one machine the same input gives the same output.

    Args:
        refiner: trained refiner.
        renders: (T, S, S, 3) uint8, composited renderings in time order.
        times: (T,) seconds, for the smoothing of the retrieved features; None means 25 fps.
        identity: (T, D) features to use instead of the memory's.
        batch: frames at a time.
        progress: called as progress(done, total, text).
        precision: "float32", "bfloat16" or "auto": bfloat16 where the processor has it. There it
            takes half of the time, and no pixel of a trained small refiner differs by more than
            one grey level.
    Returns:
        refined frames, and the attention in [0, 1].
    Raises:
        ShapeError: the frames are not of the refiner's size, or times or features are not one
            for each of them.
        InputError: the frames are not uint8. ParameterError: an empty memory, times that do not
            increase, batch or precision.
    """
    refined, attention = np.empty(renders.shape, np.uint8), np.empty(renders.shape[:3], np.float32)
    parts = _generate(refiner, renders, times, identity, batch, progress, precision)
    for part, frames, kept, _ in parts:
        refined[part], attention[part] = to_uint8(frames), kept[:, 0].cpu().numpy()
    return refined, attention


def refine_with_colour(
    refiner: Refiner,
    renders: Shaped[np.ndarray, "T H W C"],
    times: ArrayLike | None = None,
    progress: Progress | None = None,
) -> tuple[UInt8[np.ndarray, "T S S 3"], Float[np.ndarray, "T S S"], UInt8[np.ndarray, "T S S 3"]]:
    """What `refine` returns, and with it the colour C of Eq. 3; arguments as there."""
    refined, attention = np.empty(renders.shape, np.uint8), np.empty(renders.shape[:3], np.float32)
    painted = np.empty_like(refined)
    for part, frames, kept, colour in _generate(refiner, renders, times, progress=progress):
        refined[part], attention[part] = to_uint8(frames), kept[:, 0].cpu().numpy()
        painted[part] = to_uint8(colour)
    return refined, attention, painted


def _generate(
    refiner: Refiner,
    renders: Shaped[np.ndarray, "T H W C"],
    times: ArrayLike | None = None,
    identity: Float[np.ndarray | Tensor, "_ D"] | None = None,
    batch: int = 16,
    progress: Progress | None = None,
    precision: str = "auto",
) -> Iterator[tuple[slice, Tensor, Tensor, Tensor]]:
    """Yield which frames a batch is, and the generator's three answers; arguments of `refine`."""
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
    rows = window_indices(n, refiner.config.generator.window)
    pixels = torch.as_tensor(np.ascontiguousarray(renders))
    for start in range(0, n, batch):
        part = slice(start, min(start + batch, n))
        first = rows[part].min()
        seen, own = pixels[first : part.stop].to(device), torch.as_tensor(rows[part] - first)
        window = gather_windows(seen, own.to(device))
        window = window.contiguous(memory_format=torch.channels_last)
        with torch.no_grad(), autocast():
            answers = refiner.generator(window, identity[part])
        yield part, *answers
        if progress:
            progress(part.stop, n, "refining")
    refiner.train(was_training)


def keep_unchanged(
    refined: UInt8[np.ndarray, "T S S 3"],
    attention: Float[np.ndarray, "T S S"],
    renders: UInt8[np.ndarray, "T S S 3"],
    changed: UInt8[np.ndarray, "_ _ _"],
) -> tuple[UInt8[np.ndarray, "T S S 3"], Float[np.ndarray, "T S S"]]:
    """Eq. 3 with A = 1 away from where the compositing changed the frame.

    There the rendering is the frame itself, so nothing is left to refine, whatever the weights say:
    training with lambda_2 = 2 drives A to 0 everywhere. The generator may paint up to 1/32 of the
    side beyond the changed pixels, and A rises to 1 over the next 1/32.

    Args:
        refined, attention: from `refine`.
        renders: what was refined.
        changed: above 0 where the compositing changed the frame.
    Returns:
        refined frames and attention; the renderings' very pixels where A was set to 1.
    """
    check_shape("changed", changed, renders.shape[:3])
    reach = max(1.0, renders.shape[1] / 32)
    frames, kept = refined.copy(), attention.copy()
    for i, inside in enumerate(changed > 0):
        if not inside.any():
            frames[i], kept[i] = renders[i], 1.0
            continue
        away = ndimage.distance_transform_edt(~inside)
        own = smoothstep(reach, 2 * reach, away).astype(np.float32)[..., None]
        mixed = own * renders[i] + (1 - own) * refined[i]
        frames[i] = np.rint(mixed).astype(np.uint8)
        kept[i] += own[..., 0] * (1 - kept[i])
    return frames, kept


def to_uint8(frames: Float[Tensor, "B C H W"]) -> UInt8[np.ndarray, "B H W C"]:
    """Frames in [-1, 1] as pictures, channels last."""
    frames = ((frames.float().clamp(-1, 1) + 1) * 127.5).round()
    return frames.permute(0, 2, 3, 1).byte().cpu().numpy()
