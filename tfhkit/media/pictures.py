"""Pictures as files: read from disk, or made in memory for what is shown and not kept."""

import io
import warnings
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Real, UInt8
from PIL import Image, ImageCms

from tfhkit.errors import InputError, check_shape
from tfhkit.media.turning import EIGHT, turned

BACKDROP = 200.0  # light grey: neither hair nor skin ends in it, and it tints no half-covered edge


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
    """Read a picture file, turned upright; a cut-out is put in front of a plain background.

    Args:
        path: JPEG, PNG, WebP or another kind that OpenCV reads; grey ones become RGB.
    Returns:
        (H, W, 3) uint8 RGB.
    Raises:
        InputError: no such file, or no picture.
    """
    path = Path(path)
    try:
        if not path.is_dir() and path.stat() and not path.is_file():  # a pipe would be waited for
            raise InputError(path, "is not a file", "give a JPEG or PNG file")
        content = np.frombuffer(path.read_bytes(), np.uint8)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(path, "no such file", "check the path") from error
    except (OSError, ValueError) as error:  # a folder, a name too long, no permission
        said = getattr(error, "strerror", None) or error
        raise InputError(path, f"cannot be opened ({said})", "check the path") from error
    try:
        picture = cv2.imdecode(content, cv2.IMREAD_COLOR) if len(content) else None
    except cv2.error as error:  # of a size that OpenCV refuses
        remedy = "scale it down, or save it again as JPEG or PNG"
        raise InputError(path, "is too large for a picture, or broken", remedy) from error
    if picture is None:
        raise InputError(path, "is not a picture that can be read", "give a JPEG or PNG file")
    whole = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    if whole is not None and whole.ndim == 3 and whole.shape[2] == 4:
        picture = _before_backdrop(whole, picture)
    return _in_srgb(np.ascontiguousarray(picture[..., ::-1]), content)


def _in_srgb(pixels, content):
    """Pixels in sRGB; an ICC profile names other primaries (a phone's Display P3)."""
    try:
        with warnings.catch_warnings():  # a phone's 108 megapixels are no attack
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content)) as opened:
                profile = opened.info.get("icc_profile")
        if not profile:
            return pixels
        given = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if given.profile.xcolor_space.strip() != "RGB":
            return pixels  # OpenCV has turned grey or CMYK into RGB
        ways = given, ImageCms.createProfile("sRGB")
        return np.array(ImageCms.profileToProfile(Image.fromarray(pixels), *ways))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, ImageCms.PyCMSError):
        return pixels  # Pillow cannot read the file, or its profile is broken


def _before_backdrop(whole, picture):
    """Blend (H, W, 4) BGRA, as stored, with a plain background; turned as `picture` is."""
    full = np.iinfo(whole.dtype).max
    alpha = whole[..., 3:].astype(np.float32) / full
    if alpha.min() == 1:
        return picture
    colour = whole[..., :3] * np.float32(255 / full)
    # OpenCV turns a picture as its EXIF tag says, but not where it keeps the alpha
    ways = [turned(np.dstack([colour, alpha]), matrix) for matrix in EIGHT]
    alike = [way for way in ways if way.shape[:2] == picture.shape[:2]]
    best = min(alike, key=lambda way: float(np.abs(way[..., :3] - picture).mean()))
    colour, alpha = best[..., :3], best[..., 3:]
    return np.rint(colour * alpha + BACKDROP * (1 - alpha)).astype(np.uint8)
