"""Numbers that say how good a fit is, and where it is unsure."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from scipy.ndimage import gaussian_filter1d

from tfhkit.camera import Camera
from tfhkit.coefficients import Coefficients
from tfhkit.face.model import MorphableModel
from tfhkit.render import render

MOUTH = slice(48, 68)
INNER = slice(17, 68)
STILL_FRAMES = 3.0  # sigma of the Gaussian that tells movement from noise
_OUTER_EYE_CORNERS = (36, 45)
_AXES = ("pitch", "yaw", "roll")


def interocular_px(landmarks_px: Float[np.ndarray, "T 68 2"]) -> Float[np.ndarray, "T"]:
    """(T,) distance of the outer eye corners."""
    left, right = _OUTER_EYE_CORNERS
    return np.linalg.norm(landmarks_px[:, left] - landmarks_px[:, right], axis=-1)


def landmark_errors(
    landmarks_px: Float[np.ndarray, "T 68 2"], predicted_px: Float[np.ndarray, "T 68 2"]
) -> Float[np.ndarray, "T 68"]:
    """(T, 68) distances in percent of the distance of the outer eye corners; frame pixels."""
    distance = np.linalg.norm(landmarks_px - predicted_px, axis=-1)
    return 100 * distance / interocular_px(landmarks_px)[:, None]


def jitter_deg(angles: Float[np.ndarray, "T 3"]) -> float:
    """Noise of the pose: mean absolute second difference where the head keeps stillest.

    Args:
        angles: (T, 3) rad.
    Returns:
        degrees, over the axes and the third of the frames in which the smoothed pose is slowest.
    """
    degrees = np.degrees(angles)
    if len(degrees) < 3:
        return 0.0
    calm = gaussian_filter1d(degrees, STILL_FRAMES, axis=0, mode="nearest")
    speed = np.linalg.norm(np.gradient(calm, axis=0), axis=1)[1:-1]
    second = np.abs(np.diff(degrees, n=2, axis=0))
    return float(second[speed <= np.quantile(speed, 1 / 3)].mean())


def photometric_l1(
    model: MorphableModel, coefficients: Coefficients, images: UInt8[np.ndarray, "B S S 3"]
) -> float:
    """Mean absolute difference of rendering and picture over the pixels of the skin.

    Args:
        model: MorphableModel. coefficients: Coefficients of B frames.
        images: (B, S, S, 3) uint8 crops.
    Returns:
        float, of 1.
    """
    with torch.no_grad():
        drawn = render(model, coefficients, Camera(images.shape[1]), region="skin")
    shown = drawn[..., 3] == 1
    error = (drawn[..., :3] - torch.from_numpy(images).to(drawn.device) / 255)[shown]
    return float(error.abs().mean()) if len(error) else 0.0


def fit_report(
    errors: Float[np.ndarray, "T 68"],
    coefficients: Coefficients,
    gap: Bool[np.ndarray, "T"],
    times: Float[np.ndarray, "T"],
    sigma_deg: Float[np.ndarray, "T 3"],
) -> dict[str, Any]:
    """Numbers of a whole clip.

    Args:
        errors: (T, 68) of `landmark_errors`.
        coefficients: Coefficients of T frames.
        gap: (T,) bool.
        times: (T,) seconds.
        sigma_deg: (T, 3) standard deviations of the angles.
    Returns:
        dict: frames, duration_s, bridged_frames, nme_inner_pct and nme_mouth_pct (bridged frames
        left out), the ranges of pitch, yaw, roll in degrees, rms of the identity and expression
        coefficients, worst_frames (largest landmark errors), unsure_frames (largest sigma),
        sigma_deg (median), jitter_deg.
    """
    kept = ~gap
    degrees = np.degrees(coefficients.angles)
    inner = errors[:, INNER].mean(1)
    return {
        "frames": len(errors),
        "duration_s": float(times[-1] - times[0]),
        "bridged_frames": int(gap.sum()),
        "nme_inner_pct": float(inner[kept].mean()),
        "nme_mouth_pct": float(errors[kept, MOUTH].mean()),
        "worst_frames": [int(i) for i in np.argsort(-inner * kept)[:5]],
        "unsure_frames": [int(i) for i in np.argsort(-sigma_deg.max(1))[:5]],
        **{
            f"{name}_deg": [float(degrees[:, axis].min()), float(degrees[:, axis].max())]
            for axis, name in enumerate(_AXES)
        },
        "id_rms": float(np.sqrt((coefficients.id[0] ** 2).mean())),
        "exp_rms": float(np.sqrt((coefficients.exp**2).mean())),
        "sigma_deg": [float(value) for value in np.median(sigma_deg, 0)],
        "jitter_deg": jitter_deg(coefficients.angles),
    }
