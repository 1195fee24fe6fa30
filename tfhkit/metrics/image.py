"""PSNR and SSIM of generated frames (Sec. 4.3), and what the published evaluation computes.

The paper evaluates by the criterion of ATVG. That script resizes both frames to 256 px (area
averaging), takes SSIM with scikit-image's defaults on colour (here: `ssim(..., window="box")`), and
PSNR on grey values that it subtracts and squares as 8-bit numbers (here: `psnr_published`).
"""

from typing import Any

import cv2
import numpy as np
from jaxtyping import Float, Shaped, UInt8
from skimage.metrics import structural_similarity

from tfhkit.errors import InputError, ParameterError, ShapeError, check_shape

PUBLISHED_PX = 256


def psnr(
    real: np.ndarray, generated: np.ndarray, mask: Shaped[np.ndarray, "..."] | None = None
) -> Float[np.ndarray, "..."] | float:
    """Peak signal-to-noise ratio in dB, per frame; the peak is 255.

    Args:
        real, generated: (..., H, W, 3) uint8.
        mask: (H, W) or (..., H, W), where to look (true or non-zero); None for everywhere.
    Returns:
        (...) float64; inf where the images are equal.
    Raises:
        ShapeError: the images' shapes differ. InputError: not uint8, or an empty mask.
    """
    _check_images(real, generated)
    out = np.empty(real.shape[:-3])
    for index in np.ndindex(out.shape):
        square = (real[index].astype(np.float32) - generated[index].astype(np.float32)) ** 2
        out[index] = decibel(_mean_inside(square.mean(-1), mask, index, real.shape))
    return out[()]


def psnr_published(real: np.ndarray, generated: np.ndarray) -> Float[np.ndarray, "..."] | float:
    """PSNR as the published evaluation computes it: 8-bit differences that wrap around.

    Grey values are subtracted and squared without leaving uint8, so every error of 16 or more
    loses its multiples of 256. Frames that have nothing in common score about 28 dB (8 dB in
    truth), and white against black 48 dB. For comparison with published numbers only.

    Args:
        real, generated: (..., H, W, 3) uint8; resized to 256 px first, by area averaging.
    Returns:
        (...) float64 dB; 100 where the images are equal, as there.
    Source: the public evaluation script of ATVG, whose criterion the paper says it uses.
    """
    _check_images(real, generated)
    out = np.empty(real.shape[:-3])
    for index in np.ndindex(out.shape):
        first, second = (_grey_256(images[index]) for images in (generated, real))
        difference = first - second  # uint8: wraps around
        mean = float((difference * difference).mean())
        out[index] = decibel(mean) if mean else 100.0
    return out[()]


def ssim(
    real: np.ndarray,
    generated: np.ndarray,
    mask: Shaped[np.ndarray, "..."] | None = None,
    window: str = "gauss",
) -> Float[np.ndarray, "..."] | float:
    """Structural similarity, per frame, mean over the colour channels.

    Args:
        real, generated: (..., H, W, 3) uint8.
        mask: as in `psnr`; the map is averaged inside it.
        window: "gauss", sigma 1.5 and biased covariance, as Wang et al. define it; "box",
            scikit-image's default (7 x 7, unbiased), as in the published evaluation, which also
            resizes to 256 px before (`resize_published`).
    Returns:
        (...) float64, 1 for equal images.
    Raises:
        ShapeError: the shapes differ, or a side is under 11 px. InputError: as `psnr`.
    Source: Wang et al. 2004; scikit-image underneath.
    """
    _check_images(real, generated)
    if window not in ("gauss", "box"):
        raise ParameterError("window", f"unknown {window!r}", "choose 'gauss' or 'box'")
    if min(real.shape[-3:-1]) < 11:
        raise ShapeError(f"images: expected sides of at least 11 px, got {real.shape[-3:-1]}")
    options: dict[str, Any] = {"channel_axis": -1, "data_range": 255, "full": True}
    if window == "gauss":
        options |= {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    out = np.empty(real.shape[:-3])
    for index in np.ndindex(out.shape):
        total, local = structural_similarity(real[index], generated[index], **options)
        inside = total if mask is None else _mean_inside(local.mean(-1), mask, index, real.shape)
        out[index] = inside
    return out[()]


def detail_ratio(
    real: np.ndarray, generated: np.ndarray, mask: Shaped[np.ndarray, "..."] | None = None
) -> float:
    """How much detail generated frames have, as a multiple of that of the real ones.

    Detail is the mean squared difference of neighbouring grey values, to the right and down. It
    does not tell whether the detail is in its place.

    Args:
        real, generated: (..., H, W, 3) uint8.
        mask: as in `psnr`.
    Returns:
        float; below 1 the frames are softer than the real ones, above 1 they are noisier or harder.
    Raises:
        ShapeError: the shapes differ. InputError: not uint8, an empty mask, or real frames
            without any detail.
    """
    _check_images(real, generated)
    inside = np.broadcast_to(True if mask is None else np.asarray(mask) != 0, real.shape[:-1])
    if not inside.any():
        raise InputError("mask", "is empty", "mark the pixels to compare")
    energy = [float(_squared_gradient(images)[inside].mean()) for images in (real, generated)]
    if energy[0] == 0:
        raise InputError("real frames", "are of one colour", "give frames that show something")
    return energy[1] / energy[0]


def _squared_gradient(images):
    grey = images.astype(np.float32).mean(-1)
    square = np.zeros_like(grey)
    square[..., :, :-1] += np.diff(grey, axis=-1) ** 2
    square[..., :-1, :] += np.diff(grey, axis=-2) ** 2
    return square


def resize_published(
    images: UInt8[np.ndarray, "*shape H W 3"],
) -> UInt8[np.ndarray, "*shape 256 256 3"]:
    """(..., H, W, 3) uint8 to (..., 256, 256, 3) by area averaging, as the published evaluation."""
    flat = images.reshape(-1, *images.shape[-3:])
    out = [cv2.resize(im, (PUBLISHED_PX,) * 2, interpolation=cv2.INTER_AREA) for im in flat]
    return np.stack(out).reshape(*images.shape[:-3], PUBLISHED_PX, PUBLISHED_PX, 3)


def _grey_256(image):
    return cv2.cvtColor(resize_published(image), cv2.COLOR_RGB2GRAY)


def decibel(mean_square: float) -> float:
    """The PSNR of a mean squared error of grey levels from 0 to 255, in dB."""
    return 10 * np.log10(255.0**2 / mean_square) if mean_square > 0 else np.inf


def _mean_inside(values, mask, index, shape):
    if mask is None:
        return float(values.mean(dtype=np.float64))
    mask = np.asarray(mask)
    inside = (mask if mask.ndim == 2 else mask[index]) != 0
    check_shape("mask", inside, shape[-3:-1])
    if not inside.any():
        place = f"mask of frame {index[0]}" if index else "mask"
        raise InputError(place, "is empty", "mark the pixels to compare, or leave the frame out")
    return float(values[inside].mean(dtype=np.float64))


def _check_images(real, generated):
    check_shape("real", real, (..., "H", "W", 3))
    if generated.shape != real.shape:
        raise ShapeError(f"generated: expected shape {real.shape} as real, got {generated.shape}")
    for name, images in (("real", real), ("generated", generated)):
        if images.dtype != np.uint8:
            raise InputError(name, f"is {images.dtype}, expected uint8", "scale it to 0..255 first")
