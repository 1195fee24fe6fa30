"""Pictures as files in memory, for what is shown and not kept."""

import cv2
import numpy as np

from tfhkit.errors import check_shape


def jpeg_bytes(pixels, quality=92):
    """A picture as the bytes of a JPEG file.

    Args:
        pixels: (H, W, 3) RGB, uint8, or floats in [0, 1] (what lies outside is clipped).
        quality: 1 to 100.
    Returns:
        bytes.
    Raises:
        ShapeError: not three channels.
    """
    pixels = np.asarray(pixels)
    check_shape("pixels", pixels, ("H", "W", 3))
    if pixels.dtype != np.uint8:
        pixels = np.rint(pixels.clip(0, 1) * 255).astype(np.uint8)
    return cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()
