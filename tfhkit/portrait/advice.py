"""What a person should know about a picture before it speaks: mouth, eyes, turn and size."""

import numpy as np
from jaxtyping import Float

from tfhkit.errors import InputError
from tfhkit.fit import Fit

OPEN_MOUTH = 0.4  # gap of the inner lips over their width; a broad smile has up to 0.35
CLOSED_EYES = 0.2  # height over width of the eyes; 0.22 in a smile, 0.25 to 0.3 as a rule
FEW_PX = 100  # a smaller face has no teeth or irises to show
FAR_TURN_DEG, TOO_FAR_DEG = 30.0, 60.0
LYING_DEG, ON_ITS_HEAD_DEG = 60.0, 120.0


def mouth_ratio(points_px: Float[np.ndarray, "68 2"]) -> float:
    """Gap of the inner lips over their width."""
    return _length(points_px, 62, 66) / max(_length(points_px, 60, 64), 1e-6)


def eye_ratio(points_px: Float[np.ndarray, "68 2"]) -> float:
    """Height of the eyes over their width, the more open one's."""
    ratios = []
    for first in (36, 42):
        height = _length(points_px, first + 1, first + 5) + _length(points_px, first + 2, first + 4)
        ratios.append(height / 2 / max(_length(points_px, first, first + 3), 1e-6))
    return max(ratios)


def _length(points, a, b):
    return float(np.linalg.norm(np.asarray(points[a], np.float64) - points[b]))


def portrait_advice(fit: Fit, path: str) -> list[str]:
    """What will not look right when this picture speaks, one line each.

    Args:
        fit: of the picture, see `fit_image`. path: for messages.
    Raises:
        InputError: the face is turned so far that half of it cannot be seen.
    """
    points = fit.landmarks_px[0]
    turn = float(np.degrees(np.abs(fit.coefficients.angles[0, :2]).max()))
    if turn > TOO_FAR_DEG:
        fault = f"its face is turned away by {turn:.0f} degrees"
        raise InputError(path, fault, "give a picture of a face that looks towards the camera")
    width_px = _length(points, 0, 16)
    lines = []
    roll = float(np.degrees(np.abs(fit.coefficients.angles[0, 2])))
    if roll > LYING_DEG:
        how = "stands on its head" if roll > ON_ITS_HEAD_DEG else "lies on its side"
        lines.append(f"the face {how}, and so it will speak; turn the picture if it should not")
    if mouth_ratio(points) > OPEN_MOUTH:
        lines.append(
            "the mouth is open, so closed lips are made up; "
            "a picture with closed lips speaks better"
        )
    if eye_ratio(points) < CLOSED_EYES:
        lines.append("the eyes look closed and will stay so; give a picture with open eyes")
    if turn > FAR_TURN_DEG:
        lines.append(
            f"the face is turned away by {turn:.0f} degrees, so its far side is made up; "
            f"turns under {FAR_TURN_DEG:.0f} degrees look best"
        )
    if width_px < FEW_PX:
        lines.append(
            f"the face is {width_px:.0f} px wide, so it will be soft; "
            f"{FEW_PX} px or more show teeth and eyes"
        )
    return lines
