"""Pictures as files: read from disk, or made in memory for what is shown and not kept."""

from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Real, UInt8

from tfhkit.errors import InputError, check_shape


def jpeg_bytes(pixels: Real[np.ndarray, "..."], quality: int = 92) -> bytes:
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


def read_picture(path: str | Path) -> UInt8[np.ndarray, "H W 3"]:
    """Read a picture file, turned upright.

    Args:
        path: JPEG, PNG or another kind that OpenCV reads; grey and transparent ones become RGB.
    Returns:
        (H, W, 3) uint8 RGB.
    Raises:
        InputError: no such file, or no picture.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no such file", "check the path")
    content = np.frombuffer(path.read_bytes(), np.uint8)
    picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    if picture is None:
        raise InputError(path, "is not a picture that can be read", "give a JPEG or PNG file")
    return np.ascontiguousarray(picture[..., ::-1])
