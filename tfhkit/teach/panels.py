"""Small pictures for the scrubber: landmarks over a crop, signed differences, grey masks."""

import cv2
import matplotlib
import numpy as np

from tfhkit.fit.plots import COLOURS, LINES


def with_landmarks(picture, points_px):
    """A copy of a picture with the lines of 68 landmarks.

    Args:
        picture: (H, W, 3) uint8. points_px: (68, 2) in its pixels, centres at +0.5.
    """
    drawn = np.ascontiguousarray(picture).copy()
    fixed = np.round(16 * (np.asarray(points_px) - 0.5)).astype(np.int32)  # sixteenths of a pixel
    for part, ids in LINES:
        colour = tuple(int(COLOURS[part][k : k + 2], 16) for k in (1, 3, 5))
        cv2.polylines(drawn, [fixed[list(ids)]], False, colour, 1, cv2.LINE_AA, shift=4)
    return drawn


def signed_picture(answer, truth, most=64):
    """Where a picture is too dark (purple) or too bright (orange): (H, W, 3) uint8.

    Args:
        answer, truth: (H, W, 3) uint8. most: grey levels of the strongest colour.
    """
    gap = (answer.astype(np.float32) - truth).mean(-1)
    share = (0.5 + 0.5 * (gap / most)).clip(0, 1)
    return np.rint(255 * matplotlib.colormaps["PuOr_r"](share)[..., :3]).astype(np.uint8)


def grey_picture(values):
    """A mask or map (H, W) in [0, 1] as a picture (H, W, 3) uint8."""
    grey = np.rint(255 * np.asarray(values).clip(0, 1)).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
