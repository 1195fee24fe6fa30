"""Flicker: what jitters from frame to frame, relative to the real clip."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from tfhkit.errors import InputError, check_shape

# maps of pixels to the next frame and from it, per pair of neighbours
FlowMaps = Sequence[tuple[Float[np.ndarray, "H W 2"], Float[np.ndarray, "H W 2"]]]


def flicker(
    frames: np.ndarray,
    mask: Shaped[np.ndarray, "..."] | None = None,
    motion: FlowMaps | None = None,
) -> float:
    """Mean absolute second difference over time: jitter, not smooth motion.

    Args:
        frames: (T, H, W, 3) uint8 in time order.
        mask: (H, W) or (T, H, W), where to look (true or non-zero); None for everywhere.
        motion: of `motion_between(real)`: the neighbours are brought to the middle frame along the
            real clip's motion first, so that a moving edge does not count. Only where the
            generated head is meant to stand where the real one did. None differences pixels.
    Returns:
        float, grey levels.
    Raises:
        InputError: fewer than three frames, or an empty mask.
        ShapeError: sizes differ.

    Jumps of brightness and jitter raise the score, more so with `motion`; a smooth drift does not.
    Blur lowers it (docs/findings.md).
    """
    check_shape("frames", frames, ("T", "H", "W", 3))
    if len(frames) < 3:
        raise InputError("frames", f"{len(frames)} cannot flicker", "give three or more")
    inside = np.broadcast_to(True if mask is None else np.asarray(mask) != 0, frames.shape[:3])
    if not inside[1:-1].any():
        raise InputError("mask", "is empty", "mark the pixels to compare")
    if motion is not None and len(motion) != len(frames) - 1:
        fault = f"is of {len(motion) + 1} frames, not of {len(frames)}"
        raise InputError("motion", fault, "take it from the real frames at the same times")
    total, count = 0.0, 0
    for i in map(int, np.flatnonzero(inside.any((1, 2)))):
        if not 0 < i < len(frames) - 1:
            continue
        before, here, after = (frames[k].astype(np.float32) for k in (i - 1, i, i + 1))
        if motion is not None:
            before, after = _moved(before, motion[i - 1][1]), _moved(after, motion[i][0])
        second = np.abs(before + after - 2 * here)[inside[i]]
        total += float(second.sum(dtype=np.float64))
        count += second.size
    return total / count


def flicker_ratio(
    real: np.ndarray,
    generated: np.ndarray,
    mask: Shaped[np.ndarray, "..."] | None = None,
    motion: FlowMaps | None = None,
) -> float:
    """Flicker of generated frames over that of the real ones at the same times; 1 is equal.

    Args:
        real, generated: (T, H, W, 3) uint8. mask, motion: as in `flicker`.
    Returns:
        float. Below 1 a picture is blurred or stands still; see `flicker` for what raises it.
    Raises:
        InputError: as `flicker`, or real frames that do not change at all.
        ShapeError: the shapes differ.
    """
    check_shape("generated", generated, real.shape)
    base = flicker(real, mask, motion)
    if base == 0:
        raise InputError("real frames", "do not change at all", "give frames of a moving clip")
    return flicker(generated, mask, motion) / base


def motion_between(frames: UInt8[np.ndarray, "T H W 3"]) -> FlowMaps:
    """Dense optical flow between neighbouring frames, both ways.

    Args:
        frames: (T, H, W, 3) uint8, the real ones.
    Returns:
        list of T - 1 pairs of maps (H, W, 2) float32: where each pixel of frame i is in frame
        i + 1, and where each pixel of frame i + 1 is in frame i (pixel indices, x first).
    Source: DIS optical flow (Kroeger et al. 2016), OpenCV's preset "medium".
    """
    check_shape("frames", frames, ("T", "H", "W", 3))
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in frames]
    height, width = frames.shape[1:3]
    grid = np.stack(np.meshgrid(np.arange(width), np.arange(height)), -1).astype(np.float32)
    return [
        (grid + flow.calc(a, b, None), grid + flow.calc(b, a, None))  # type: ignore[call-overload]
        for a, b in zip(grey[:-1], grey[1:])
    ]


def _moved(frame, place):
    return cv2.remap(frame, place, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
