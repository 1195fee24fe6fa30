"""Interlaced video: two half pictures, taken one after the other, are woven into each frame.

Where something moves, the lines of one field lie beside those of the other, as the teeth of combs.
"""

import cv2
import numpy as np
from av import VideoFrame
from jaxtyping import UInt8

from tfhkit.media.colour import reformat

TOOTH = 16  # grey levels by which a line stands out from both of its neighbours
WIDE_PX = 5  # of a tooth
COMBED_SHARE = 0.001  # of a frame's pixels: fewer may be texture


class FieldMeter:
    """Finds whether the frames of a file are woven from two fields, or only marked so."""

    def __init__(self) -> None:
        self._share = 0.0

    def add(self, frame: VideoFrame) -> None:
        """Look at a frame; one that is not marked as interlaced is not woven."""
        if frame.interlaced_frame:
            grey = reformat(frame, format="gray").to_ndarray()
            self._share = max(self._share, combed_share(grey))

    @property
    def woven(self) -> bool:
        """Whether a frame had combs."""
        return self._share > COMBED_SHARE


def combed_share(grey: UInt8[np.ndarray, "H W"]) -> float:
    """The share of pixels whose line stands out from both neighbours, which are alike.

    Noise stands out as well, but not over the width of WIDE_PX.
    """
    lines = cv2.blur(grey, (WIDE_PX, 1)).astype(np.int16)
    above, middle, below = lines[:-2], lines[1:-1], lines[2:]
    stands_out = np.abs(2 * middle - above - below) // 2 - np.abs(above - below)
    return float((stands_out > TOOTH).mean()) if stands_out.size else 0.0


def one_field(picture: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "H W 3"]:
    """The picture with the lines of its upper field; the others are the means of their neighbours.

    Args:
        picture: a woven frame, neither scaled in height nor turned.
    """
    single = picture.copy()
    kept = picture[0::2].astype(np.uint16)
    after = np.concatenate([kept[1:], kept[-1:]])[: len(picture[1::2])]
    single[1::2] = (kept[: len(after)] + after + 1) // 2
    return single
