"""Parts of a picture that are averaged before they are sampled more coarsely."""

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

TOO_FINE = 1.5  # pixels per sample from which on a part is averaged


def averaged_part(
    image: UInt8[np.ndarray, "H W *colours"],
    low: Float[np.ndarray, "2"],
    high: Float[np.ndarray, "2"],
    px_per_sample: float,
) -> tuple[UInt8[np.ndarray, "h w *colours"], Int[np.ndarray, "2"], int]:
    """The part of a picture between two corners, halved until it suits the samples.

    A point p of the picture is (p - corner) / factor in the part. Halving is exact and many times
    quicker than averaging by a factor that is not whole; the last row or column is lost where the
    size is odd.

    Args:
        image: RGB or grey. low, high: corners, px; what is outside of the picture is left out.
        px_per_sample: pixels of the picture per sample that will be taken.
    Returns:
        part, corner (2,) px, factor; the whole picture where the corners enclose none of it.
    """
    corner = np.maximum(np.floor(low), 0).astype(int)
    stop = np.minimum(np.ceil(high), image.shape[1::-1]).astype(int)
    if (stop - corner < 1).any():
        return image, np.zeros(2, int), 1
    part, factor = image[corner[1] : stop[1], corner[0] : stop[0]], 1
    while px_per_sample / factor > TOO_FINE and min(part.shape[:2]) > 1:
        height, width = part.shape[0] // 2, part.shape[1] // 2
        even = part[: 2 * height, : 2 * width]
        part = cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA)
        factor *= 2
    return part, corner, factor
