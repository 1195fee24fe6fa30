"""Small pictures for the scrubber: landmarks over a crop, signed differences, grey masks."""

import cv2
import matplotlib
import numpy as np
from jaxtyping import Float, Real, UInt8

from tfhkit.fit.plots import COLOURS, LINES


def with_landmarks(
    picture: UInt8[np.ndarray, "H W 3"], points_px: Float[np.ndarray, "68 2"]
) -> UInt8[np.ndarray, "H W 3"]:
    """A copy of a picture with the lines of 68 landmarks.

    Args:
        picture: RGB.
        points_px: landmarks in its pixels, centres at +0.5.
    """
    drawn = np.ascontiguousarray(picture).copy()
    fixed = np.round(16 * (np.asarray(points_px) - 0.5)).astype(np.int32)  # sixteenths of a pixel
    for part, ids in LINES:
        colour = tuple(int(COLOURS[part][k : k + 2], 16) for k in (1, 3, 5))
        cv2.polylines(drawn, [fixed[list(ids)]], False, colour, 1, cv2.LINE_AA, shift=4)
    return drawn


def signed_picture(
    answer: UInt8[np.ndarray, "H W 3"], truth: UInt8[np.ndarray, "H W 3"], most: float = 64
) -> UInt8[np.ndarray, "H W 3"]:
    """Where a picture is too dark (purple) or too bright (orange).

    Args:
        answer: the picture.
        truth: what it should be.
        most: difference in grey levels that gets the strongest colour.
    """
    gap = (answer.astype(np.float32) - truth).mean(-1)
    share = (0.5 + 0.5 * (gap / most)).clip(0, 1)
    return np.rint(255 * matplotlib.colormaps["PuOr_r"](share)[..., :3]).astype(np.uint8)


def grey_picture(values: Real[np.ndarray, "H W"]) -> UInt8[np.ndarray, "H W 3"]:
    """A map with values in [0, 1] as a grey picture."""
    grey = np.rint(255 * np.asarray(values).clip(0, 1)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
