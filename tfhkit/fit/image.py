"""Fitting one picture: the clip of one frame, whose only face is found or refused in one line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.errors import InputError
from tfhkit.face.model import MorphableModel
from tfhkit.fit.clip import Fit, fit_clip
from tfhkit.landmarks import Landmarks, open_backend

LEAST_FACE_PX = 40  # side of the detector's box; below, neither the lips nor the eyes are seen
AS_SURE = 0.3  # a second face counts when the detector is so sure of it, against the first ...
AS_LARGE = 0.75  # ... and when its side is so long, against the first's
# Turn in degrees, and size, of the views that are tried where no face is certain at first. Another
# size puts the face between two steps of the detector's pyramid.
TURNS_DEG = (15, -15, 30, -30, 180, 90, -90)
SECOND_TRIES = ((0, 1.0), (0, 0.9), *((turn, 1.0) for turn in TURNS_DEG))
CERTAIN = 1.0  # margin of the detector; an upright face that looks at the camera has more
MOST_TILT_DEG = 12.0  # a face that is tilted further is looked at upright
SECOND_TRY_PX, MARGIN = 1600, 0.25  # longer side of these views before their margin is added


@dataclass(frozen=True)
class Still:
    """A picture with the parts of a Clip that a fit reads.

    Args:
        path: where it came from, for messages.
        image: (H, W, 3) uint8.
        times: (1,) seconds.
    """

    path: str | Path
    image: UInt8[np.ndarray, "H W 3"]
    times: Float[np.ndarray, "1"]

    def iter_frames(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        """The picture, once."""
        yield from [self.image][start:stop]


@dataclass(frozen=True)
class View:
    """A picture as it is looked at for faces: turned, scaled and with a margin.

    Args:
        turn_deg: of the picture, counter-clockwise.
        scale: of a length.
        margin: on each side, as a share of the picture's longer side.
    """

    turn_deg: float = 0.0
    scale: float = 1.0
    margin: float = 0.0

    def of(self, image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w 3"]:
        """What is looked at; the border's pixels go on into the margin."""
        if self == View():
            return image
        matrix, side = self._matrix(image.shape)
        if self.scale < 0.5:  # a warp takes single pixels
            small = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            return View(self.turn_deg, 2 * self.scale, self.margin).of(small)
        matrix[:, 2] += matrix[:, :2].sum(1) / 2 - 0.5  # cv2 counts from a pixel's centre
        return cv2.warpAffine(image, matrix, (side, side), borderMode=cv2.BORDER_REPLICATE)

    def to_picture(
        self, points_px: Float[np.ndarray, "n 2"], shape: tuple[int, ...]
    ) -> Float[np.ndarray, "n 2"]:
        """Where points of the view lie in a picture of that shape."""
        if self == View():
            return points_px
        matrix, _ = self._matrix(shape)
        return (points_px - matrix[:, 2]) @ np.linalg.inv(matrix[:, :2]).T

    def _matrix(self, shape):
        """The map from picture to view (2, 3), pixel centres at +0.5, and the view's side."""
        height, width = shape[:2]
        side = round((1 + 2 * self.margin) * max(height, width) * self.scale)
        angle = np.radians(self.turn_deg)
        cos, sin = self.scale * np.cos(angle), self.scale * np.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        shift = side / 2 - turn @ (width / 2, height / 2)
        return np.concatenate([turn, shift[:, None]], 1), side


def _find(image, backend):
    """The view that shows a face best, its open backend, boxes and margins of faces in it.

    The detector knows upright faces with some room around them, so that a tilted head, or one that
    fills the picture, is found in another view. Those are tried where the first finds nothing for
    certain. A tilted face that is found all the same gets better points in an upright view.
    """
    small = min(1.0, SECOND_TRY_PX / max(image.shape[:2]))
    best = _look(View(), image, backend)
    for turn, size in SECOND_TRIES:
        if best[3].max(initial=0) > CERTAIN:
            break
        found = _look(View(turn, small * size, MARGIN), image, backend)
        best = found if found[3].max(initial=0) > best[3].max(initial=0) else best
    view, faces, boxes, margins = best
    if len(boxes):
        tilt_deg = _tilt_deg(faces.points(view.of(image), boxes[np.argmax(margins)]))
        if abs(tilt_deg) > MOST_TILT_DEG:
            upright = _look(View(view.turn_deg + tilt_deg, small, MARGIN), image, backend)
            best = upright if len(upright[2]) else best
    return best


def _look(view, image, backend):
    """The view, a backend that is open for it, boxes and margins of the faces in it."""
    shown = view.of(image)
    faces = open_backend(backend, [shown])
    boxes, margins = faces.find(shown)
    return view, faces, boxes[margins > 0], margins[margins > 0]


def _tilt_deg(points):
    """How far the eyes are from level; positive: a turn counter-clockwise levels them."""
    across = points[42:48].mean(0) - points[36:42].mean(0)
    return float(np.degrees(np.arctan2(across[1], across[0])))


def face_of_image(
    image: np.ndarray, path: str | Path = "picture", backend: str = "auto"
) -> Landmarks:
    """The landmarks of the only face of a picture.

    Args:
        image: (H, W, 3) uint8.
        path: for messages.
        backend: landmarks backend.
    Returns:
        Landmarks of one frame.
    Raises:
        InputError: no picture, no face, two faces of about one size, a face that is too small.
    """
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or min(image.shape) < 1:
        fault = f"is not a picture (expected (H, W, 3) uint8, got {image.shape} {image.dtype})"
        raise InputError(path, fault, "give an RGB picture")
    height, width = image.shape[:2]
    if min(height, width) < LEAST_FACE_PX:
        fault = f"is {width} x {height} px, too small for a face ({LEAST_FACE_PX} px)"
        raise InputError(path, fault, "give a larger picture")
    view, faces, boxes, margins = _find(image, backend)
    if not len(boxes):
        fault = "no face was found in it"
        raise InputError(path, fault, "give a portrait of one person who looks towards the camera")
    best = int(np.argmax(margins))
    sides = (boxes[:, 2] - boxes[:, 0]) / view.scale
    equal = (margins > AS_SURE * margins[best]) & (sides > AS_LARGE * sides[best])
    if equal.sum() > 1:
        fault = f"{equal.sum()} faces of about one size were found in it"
        raise InputError(path, fault, "cut the picture to one person")
    if sides[best] < LEAST_FACE_PX:
        fault = f"its face is {sides[best]:.0f} px wide, at least {LEAST_FACE_PX} are needed"
        raise InputError(path, fault, "give a larger picture of the face")
    points = faces.points(view.of(image), boxes[best])[:68]
    points = view.to_picture(points, image.shape).astype(np.float32)[None]
    score = 1 / (1 + np.exp(-2 * margins[best : best + 1]))
    return Landmarks(points, score.astype(np.float32), np.zeros(1, bool), faces.name)


def fit_image(
    image: np.ndarray,
    path: str | Path = "picture",
    model: MorphableModel | None = None,
    backend: str = "auto",
) -> Fit:
    """Fit the morphable model to one picture; arguments and errors as in `face_of_image`.

    By its landmarks: one view's pixels cannot tell shape from shade, and teeth in a smile are
    brighter than any lip (on the astronaut they doubled the landmarks' error).

    Returns:
        Fit of one frame.
    """
    landmarks = face_of_image(image, path, backend)
    still = Still(Path(path), np.asarray(image), np.zeros(1))
    return fit_clip(still, landmarks, model, texture_frames=1, photometric=None)
