"""Landmark and perceptual distance of two videos after alignment in time, and frame by frame."""

import numpy as np
import torch
from jaxtyping import Float, Real, UInt8
from torch.nn import functional as F

from tfhkit.efficientnet import EfficientNetLite, open_efficientnet
from tfhkit.errors import InputError, check_shape
from tfhkit.metrics.landmarks import OUTER_EYE_CORNERS, POINTS
from tfhkit.metrics.perceptual import as_unit, on_device
from tfhkit.stats import AlignedDistance, aligned_distance, pairs_in_reach
from tfhkit.stats.alignment import REACH_S

_BATCH = 32


def lmd_aligned(
    real_px: Float[np.ndarray, "..."],
    generated_px: Float[np.ndarray, "..."],
    times: Real[np.ndarray, "T"],
    generated_times: Real[np.ndarray, "U"],
    points: str = "mouth",
    reach_s: float = REACH_S,
) -> AlignedDistance:
    """LMD of every pair of frames, averaged along their soft-DTW alignment.

    Each frame's points are centred and divided by its outer eye corners' distance, so that the two
    videos may show faces of different sizes.

    Args:
        real_px: (T, 68, 2), generated_px: (U, 68, 2); frames with NaN are left out.
        times, generated_times: seconds on one clock.
        points: as in `lmd`. reach_s: as in `aligned_distance`.
    Returns:
        AlignedDistance, in units of the outer eye corners' distance.
    Raises:
        ShapeError: not (T, 68, 2). InputError: no frames with a face. ParameterError: as
            `aligned_distance`.
    """
    shape, at = _shapes("real_px", real_px, times, POINTS[points])
    other, other_at = _shapes("generated_px", generated_px, generated_times, POINTS[points])
    distance = np.stack([np.linalg.norm(other - row, axis=-1).mean(-1) for row in shape])
    return aligned_distance(distance, at, other_at, reach_s)


def _shapes(name, points_px, times, chosen):
    """Centred points in units of the eyes' distance, and the times, of the frames with a face."""
    check_shape(name, points_px, (len(times), 68, 2))
    points = np.asarray(points_px, np.float64)
    known = np.isfinite(points).all((1, 2))
    if known.sum() < 2:
        raise InputError(name, f"has {known.sum()} frames with a face", "check the images")
    left, right = (points[known, corner] for corner in OUTER_EYE_CORNERS)
    centred = points[known, chosen] - points[known, chosen].mean(1, keepdims=True)
    eyes_px = np.linalg.norm(left - right, axis=-1)
    return centred / eyes_px[:, None, None], np.asarray(times, np.float64)[known]


@torch.no_grad()
def perceptual_aligned(
    real: UInt8[np.ndarray, "..."],
    generated: UInt8[np.ndarray, "..."],
    times: Real[np.ndarray, "T"],
    generated_times: Real[np.ndarray, "U"],
    reach_s: float = REACH_S,
    net: EfficientNetLite | None = None,
    device: str | torch.device = "cpu",
) -> AlignedDistance:
    """`perceptual_distance` of every pair of frames in reach, averaged along their alignment.

    Args:
        real: (T, H, W, 3), generated: (U, H, W, 3) uint8, of faces at the same place.
        times, generated_times: seconds on one clock. reach_s: as in `aligned_distance`.
        net: another network; None takes Lite1.
        device: where Lite1 runs; a given network runs where it is.
    Returns:
        AlignedDistance.
    Raises:
        AssetError, ShapeError: as `perceptual_distance`. ParameterError: as `aligned_distance`.
    """
    check_shape("real", real, (len(times), "H", "W", 3))
    check_shape("generated", generated, (len(generated_times), *real.shape[1:]))
    net = net or on_device(open_efficientnet("lite1"), device)
    near = pairs_in_reach(times, generated_times, reach_s)
    distance = np.full(near.shape, np.inf)
    for first in range(0, len(real), _BATCH):
        part = slice(first, first + _BATCH)
        others = np.flatnonzero(near[part].any(0))
        if len(others):
            a, b = _vectors(net, real[part]), _vectors(net, generated[others])
            # vectors of length 1: |a - b|^2 = 2 - 2 a b
            distance[part, others] = (2 - 2 * a @ b.T).clamp(min=0).double().cpu().numpy()
    return aligned_distance(distance, times, generated_times, reach_s)


def _vectors(net, frames):
    """(T, D) of length 1, whose squared distances are `efficientnet.feature_distance`."""
    images = as_unit(frames).to(next(net.parameters()).device)
    scales = [F.normalize(stage, dim=1) for stage in net.stages(images)]
    parts = [s.flatten(1) / np.sqrt(s[0, 0].numel() * len(scales)) for s in scales]
    return torch.cat(parts, 1)
