"""dlib: HOG face detector and the 68-point regression forest; works without a network."""

import math
from collections.abc import Sequence
from functools import cache

import cv2
import dlib
import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.assets import fetch
from tfhkit.landmarks.averaging import averaged_part
from tfhkit.landmarks.boxes import box_of
from tfhkit.landmarks.forest import read_forest
from tfhkit.landmarks.tracking import joined

FACE_PX = 240  # a larger face is scaled to about this before its points are predicted
DETECT_PX = 110  # ... and to about this before it is looked for
WINDOW_PX = 80  # the detector's window
AROUND = 0.95  # sides of a face around its centre in which its points are predicted
LEAST_PX = 40  # side of the smallest face that is looked for in large pictures
QUICK_WIDTH_PX = 1920  # a scaled picture of this width takes half a second, twice of it two
TILE_PX, OVERLAP_PX = 4000, 400  # of a scaled picture; larger faces are found at coarser scales
WEAK = -0.4  # detector margin from which a box may continue a face that is already followed
# The forest's answer depends a little on its box, so it is asked with several boxes around the
# face: shift in x, shift in y (of the box's side), scale.
JITTER = (
    (0, 0, 1), (0.03, 0, 1), (-0.03, 0, 1), (0, 0.03, 1), (0, -0.03, 1),
    (0, 0, 1.04), (0, 0, 0.96), (0.02, 0.02, 1.02), (-0.02, -0.02, 0.98),
)  # fmt: skip


class DlibFaces:
    """Faces and their points with dlib.

    Args:
        images: a few frames of the clip, (H, W, 3) uint8 RGB; the scale at which faces are
            looked for is chosen on them.
    """

    name = "dlib"

    def __init__(self, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> None:
        self._detector = _detector()
        self.scale, self.fine_scale = self._choose_scale(images)

    def _choose_scale(self, images):
        """Scale that brings the largest face to about DETECT_PX, and one for smaller faces.

        Finer scales are tried only while nothing was found, down to faces of LEAST_PX. The second
        scale is None where no other face needs one.
        """
        probes = probe_scales(images[0].shape[1])
        for number, probe in enumerate(probes):
            sides = []
            for image in images if number < 2 else images[:: max(1, len(images) // 2)]:
                sides.append(self._strong_sides(image, probe))
                if number >= 2 and len(sides[-1]):
                    break  # such a search takes seconds, and the frames that follow will tell
            largest = [side.max() for side in sides if len(side)]
            if largest:
                scale = min(probe, DETECT_PX / float(np.median(largest)))
                return scale, self._finer(images, scale, probes[number : number + 2])
        return probes[0], None

    def _finer(self, images, scale, probes):
        """The scale of the smallest face that `scale` would miss and most images show."""
        few = images[:: max(1, len(images) // 3)][:3]
        for probe in probes[::-1]:
            if probe <= scale or probe * images[0].shape[1] > QUICK_WIDTH_PX:
                continue
            found = [self._strong_sides(image, probe) for image in few]
            smallest = [side.min() for side in found if len(side)]
            if 2 * len(smallest) > len(few):
                side = float(np.median(smallest))
                return min(probe, DETECT_PX / side) if side * scale < WINDOW_PX else None
        return None

    def _strong_sides(self, image, scale):
        boxes, margins = self._find_at(image, scale)
        return (boxes[:, 2] - boxes[:, 0])[margins > 0]

    def slow(self, width_px: int) -> bool:
        """Whether a search of a whole frame of that width takes seconds."""
        return width_px * max(self.scale, self.fine_scale or 0) > QUICK_WIDTH_PX

    def upside_down(self, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> bool:
        """Whether the faces of some pictures stand on their heads: such faces are not found."""
        return False

    def find(
        self, image: UInt8[np.ndarray, "H W 3"]
    ) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n"]]:
        """Boxes (n, 4) float px as x0, y0, x1, y1, and margins (n,); above 0 is a face."""
        boxes, margins = self._find_at(image, self.scale)
        if self.fine_scale is None:
            return boxes, margins
        return joined([(boxes, margins), self._find_at(image, self.fine_scale)])

    def _find_at(self, image, scale):
        """Boxes and margins at one scale; a large picture in tiles, so that memory stays flat."""
        tiles = [
            self._find_in(image, scale, x0, y0)
            for y0 in tile_starts(image.shape[0], scale)
            for x0 in tile_starts(image.shape[1], scale)
        ]
        return tiles[0] if len(tiles) == 1 else joined(tiles)

    def _find_in(self, image, scale, x0, y0):
        """Boxes and margins in the tile that begins at (x0, y0)."""
        side = math.ceil(TILE_PX / scale)
        tile = image[y0 : y0 + side, x0 : x0 + side]
        grey = cv2.cvtColor(tile, cv2.COLOR_RGB2GRAY)
        how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        small = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=how)
        found, margins, _ = self._detector.run(small, 0, WEAK)
        corners = [(r.left(), r.top(), r.right() + 1, r.bottom() + 1) for r in found]
        boxes = np.array(corners, np.float64).reshape(-1, 4) / scale + (x0, y0, x0, y0)
        return boxes, np.array(margins, np.float64)

    def points(
        self, image: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
    ) -> Float[np.ndarray, "68 2"]:
        """The 68 points (68, 2) float64 px in one box; pixel centres at +0.5.

        The first answer gives a better box for the second, averaged one.
        """
        box = box_of(points_in(image, box, JITTER[:1]))
        return points_in(image, box, JITTER)


def points_in(
    image: UInt8[np.ndarray, "H W 3"],
    box: Float[np.ndarray, "4"],
    jitter: Sequence[tuple[float, float, float]],
) -> Float[np.ndarray, "68 2"]:
    """The predictor's answer in a box, px; pixel centres at +0.5.

    Args:
        image: the frame. box: x0, y0, x1, y1 of the face, as `box_of` gives it.
        jitter: rows of JITTER, over whose answers the mean is taken.
    """
    centre = (box[:2] + box[2:]) / 2
    side = float((box[2:] - box[:2]).mean())
    reach = AROUND * side
    part, corner, factor = averaged_part(image, centre - reach, centre + reach, side / FACE_PX)
    dx, dy, size = np.array(jitter, np.float64).T
    centres = centre + side * np.stack([dx, dy], 1)
    # dlib's boxes end at the centres of their outer pixels
    half = side * (size[:, None] / 2 - 0.5 / FACE_PX)
    boxes = (np.hstack([centres - half, centres + half]) - np.tile(corner, 2)) / factor
    points = _forest().find(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY), boxes)
    return factor * points.mean(0) + corner


def probe_scales(width_px: int) -> list[float]:
    """Scales at which faces are looked for, coarse to fine, in a picture of that width."""
    scales = [min(2.0, 960 / width_px), min(3.0, QUICK_WIDTH_PX / width_px)]
    while scales[-1] * LEAST_PX < WINDOW_PX:
        scales.append(min(2 * scales[-1], WINDOW_PX / LEAST_PX))
    return scales


def tile_starts(length_px: int, scale: float) -> list[int]:
    """Where tiles begin along one axis: they overlap by more than a face that is looked for."""
    side, step = math.ceil(TILE_PX / scale), math.floor((TILE_PX - OVERLAP_PX) / scale)
    return list(range(0, max(1, length_px - side + step), step))


@cache
def _detector():
    return dlib.get_frontal_face_detector()


@cache
def _forest():
    return read_forest(fetch("dlib_landmarks"))


@cache
def _describer():
    return dlib.face_recognition_model_v1(str(fetch("dlib_descriptor")))


def describe(
    image: UInt8[np.ndarray, "H W 3"], points: Float[np.ndarray, "68 2"]
) -> Float[np.ndarray, "128"]:
    """dlib's face descriptor (128,) of a face, by its 68 points; people differ by 0.6 and more."""
    parts = dlib.points([dlib.point(round(x - 0.5), round(y - 0.5)) for x, y in points])
    corners = box_of(points)
    shape = dlib.full_object_detection(dlib.rectangle(*(round(v) for v in corners)), parts)
    return np.array(_describer().compute_face_descriptor(image, shape))
