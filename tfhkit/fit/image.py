"""Fitting one picture: the clip of one frame, whose only face is found or refused in one line."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.errors import InputError
from tfhkit.face.model import MorphableModel
from tfhkit.fit.clip import Fit, fit_clip
from tfhkit.landmarks import Landmarks, open_backend

LEAST_FACE_PX = 40  # side of the detector's box; below, neither the lips nor the eyes are seen
AS_SURE = 0.3  # a second face counts when the detector is so sure of it, against the first ...
AS_LARGE = 0.75  # ... and when its side is so long, against the first's


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
    faces = open_backend(backend, [image])
    boxes, margins = faces.find(image)
    boxes, margins = boxes[margins > 0], margins[margins > 0]
    if not len(boxes):
        fault = "no face was found in it"
        raise InputError(path, fault, "give a portrait of one person who looks towards the camera")
    best = int(np.argmax(margins))
    sides = boxes[:, 2] - boxes[:, 0]
    equal = (margins > AS_SURE * margins[best]) & (sides > AS_LARGE * sides[best])
    if equal.sum() > 1:
        fault = f"{equal.sum()} faces of about one size were found in it"
        raise InputError(path, fault, "cut the picture to one person")
    if sides[best] < LEAST_FACE_PX:
        fault = f"its face is {sides[best]:.0f} px wide, at least {LEAST_FACE_PX} are needed"
        raise InputError(path, fault, "give a larger picture of the face")
    points = np.asarray(faces.points(image, boxes[best]), np.float32)[None]
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
