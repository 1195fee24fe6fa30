"""One similarity per clip between the video's frame and the 224 px crop of the camera.

A crop per frame would put the tracker's noise into the pose, so the whole clip shares one.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Float, Real, UInt8
from numpy.typing import ArrayLike

from tfhkit.camera import CROP_PX


@dataclass(frozen=True)
class Crop:
    """x_crop = scale * x_frame + offset, in pixels with pixel centres at +0.5.

    Args:
        scale: crop pixels per frame pixel.
        offset_x, offset_y: crop pixels.
    """

    scale: float
    offset_x: float
    offset_y: float

    @property
    def offset(self) -> Real[np.ndarray, "2"]:
        return np.array([self.offset_x, self.offset_y])

    def to_crop(self, points_px: ArrayLike) -> Float[np.ndarray, "... 2"]:
        """Frame pixels (..., 2) to pixels of the 224 px crop."""
        return np.asarray(points_px) * self.scale + self.offset

    def to_frame(self, points_px: ArrayLike) -> Float[np.ndarray, "... 2"]:
        """Pixels of the 224 px crop (..., 2) to frame pixels."""
        return (np.asarray(points_px) - self.offset) / self.scale

    def _matrix(self, size_px):
        """2 x 3 matrix from frame pixel indices to crop pixel indices (centres at 0)."""
        zoom = size_px / CROP_PX
        scale = self.scale * zoom
        shift = self.offset * zoom + 0.5 * scale - 0.5
        return np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])

    def image(
        self, frame: UInt8[np.ndarray, "H W 3"], size_px: int = CROP_PX
    ) -> UInt8[np.ndarray, "S S 3"]:
        """Cut the crop out of a frame, antialiased where it shrinks.

        Args:
            frame: (H, W, 3) uint8.
            size_px: side of the result; the same view for every size.
        Returns:
            (size_px, size_px, 3) uint8; outside the frame its border is repeated.
        """
        matrix = self._matrix(size_px)
        shrink = 1 / matrix[0, 0]
        if shrink > 1:
            frame = cv2.GaussianBlur(frame, (0, 0), 0.5 * np.sqrt(shrink**2 - 1) + 1e-3)
        return cv2.warpAffine(
            frame,
            matrix,
            (size_px, size_px),
            flags=cv2.INTER_CUBIC if shrink < 1 else cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )

    def paste(
        self,
        frame: UInt8[np.ndarray, "H W 3"],
        image: UInt8[np.ndarray, "S S 3"],
        alpha: Float[np.ndarray, "S S"],
    ) -> UInt8[np.ndarray, "H W 3"]:
        """Blend a crop image into a frame.

        Args:
            frame: (H, W, 3) uint8; not changed.
            image: (S, S, 3) uint8 of the crop.
            alpha: (S, S) in [0, 1]; weight of `image`; falls to 0 before the border for no seam.
        Returns:
            (H, W, 3) uint8.
        """
        size_px = image.shape[0]
        matrix = self._matrix(size_px)
        height, width = frame.shape[:2]
        low = np.floor(self.to_frame([0, 0])).astype(int)
        high = np.ceil(self.to_frame([CROP_PX, CROP_PX])).astype(int)
        (left, top), (right, bottom) = np.clip(low, 0, None), np.minimum(high, [width, height])
        out = frame.copy()
        if right <= left or bottom <= top:
            return out
        matrix[:, 2] += matrix[:, :2] @ [left, top]  # the warp covers the crop's box only
        flags = cv2.WARP_INVERSE_MAP | cv2.INTER_CUBIC
        box = (int(right - left), int(bottom - top))
        patch = cv2.warpAffine(image, matrix, box, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        weight = cv2.warpAffine(
            alpha.astype(np.float32), matrix, box, flags=cv2.WARP_INVERSE_MAP | cv2.INTER_LINEAR
        )[..., None]
        under = out[top:bottom, left:right].astype(np.float32)
        mixed = under + weight * (patch.astype(np.float32) - under)
        out[top:bottom, left:right] = np.clip(np.rint(mixed), 0, 255).astype(np.uint8)
        return out


def clip_crop(
    landmarks_px: Float[np.ndarray, "T 68 2"],
    model_points: Float[np.ndarray, "68 2"],
    margin_px: float = 6.0,
) -> Crop:
    """The crop that shows the head at the model's own size, and all of its movement.

    Args:
        landmarks_px: (T, 68, 2) frame pixels.
        model_points: (68, 2) the mean face's landmarks projected into the 224 px crop.
        margin_px: least distance of any landmark from the crop's border.
    Returns:
        Crop.
    """
    inner = slice(17, 68)
    source = landmarks_px[:, inner] - landmarks_px[:, inner].mean(1, keepdims=True)
    target = model_points[inner] - model_points[inner].mean(0)
    # Per frame the least-squares size; a turned head looks smaller, so take the upper range.
    size = np.sqrt((source**2).sum((1, 2)) / (target**2).sum())
    scale = 1 / np.quantile(size, 0.75)
    low, high = landmarks_px.reshape(-1, 2).min(0), landmarks_px.reshape(-1, 2).max(0)
    scale = min(scale, (CROP_PX - 2 * margin_px) / (high - low).max())
    centre = np.median(landmarks_px[:, inner].mean(1), 0)
    offset = model_points[inner].mean(0) - scale * centre
    # Shift as little as needed for the whole range of the landmarks to be inside.
    offset += np.clip(margin_px - (scale * low + offset), 0, None)
    offset -= np.clip((scale * high + offset) - (CROP_PX - margin_px), 0, None)
    return Crop(float(scale), float(offset[0]), float(offset[1]))
