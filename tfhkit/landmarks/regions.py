"""Eyes and mouth as pixels: the hulls of their landmarks."""

import cv2
import numpy as np
from jaxtyping import Bool, Float

HULLS = {"eyes": (slice(36, 42), slice(42, 48)), "mouth": (slice(48, 68),)}


def feature_masks(
    points_px: Float[np.ndarray, "T 68 2"], size_px: int, margin_px: int = 2
) -> dict[str, Bool[np.ndarray, "T S S"]]:
    """Where the eyes and the mouth are in square crops.

    Args:
        points_px: landmarks in pixels of the crops; frames with unknown ones (NaN) stay empty.
        size_px: side of the crops.
        margin_px: what the hulls of the landmarks grow by.
    Returns:
        masks "eyes" and "mouth".
    """
    masks = {name: np.zeros((len(points_px), size_px, size_px), np.uint8) for name in HULLS}
    around = np.ones((2 * margin_px + 1,) * 2, np.uint8)
    for name, parts in HULLS.items():
        for mask, points in zip(masks[name], points_px):
            if np.isfinite(points).all():
                for part in parts:
                    hull = cv2.convexHull(np.round(points[part]).astype(np.int32))
                    cv2.fillConvexPoly(mask, hull, 1)
                cv2.dilate(mask, around, dst=mask)
    return {name: mask > 0 for name, mask in masks.items()}
