"""The faces of one frame after the other: in the whole frame, or around where they were."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float, Real, UInt8

from tfhkit.landmarks import tracking
from tfhkit.landmarks.tracking import Face, FaceFinder, joined
from tfhkit.landmarks.usable import face_look

MUCH_SMALLER = 5.0  # a face that is smaller by this factor is no candidate for the speaker
MOST_FACES = 5  # of a frame whose points are found: the largest
AROUND = 1.5  # sides of a face around it in which it is looked for again
LOST_S = 0.5  # after so long, and so often, a lost face is looked for in the whole frame again


def faces_of(
    image: UInt8[np.ndarray, "H W 3"],
    faces: FaceFinder,
    near: Sequence[Real[np.ndarray, "4"]] | None = None,
    with_portraits: bool = False,
) -> list[Face]:
    """Faces of one frame, strongest first; the large ones with points.

    Args:
        image: the frame.
        faces: an open backend.
        near: boxes around which to look; None: everywhere.
        with_portraits: describe the faces as well.
    """
    found = faces.find(image) if near is None else find_near(image, faces, near)
    seen = tracking.without_doubles(*found)
    strong = sorted((face.side_px for face in seen if face.margin > tracking.STRONG), reverse=True)
    if not strong:
        return seen
    least_px = max(strong[0] / MUCH_SMALLER, strong[:MOST_FACES][-1])
    for i, face in enumerate(seen):
        if face.margin > tracking.STRONG and face.side_px >= least_px:
            points = faces.points(image, face.box)
            portrait = describe(image, points) if with_portraits else None
            seen[i] = replace(face, points=points, portrait=portrait, look=look_at(image, points))
    return seen


def find_near(
    image: UInt8[np.ndarray, "H W 3"], faces: FaceFinder, near: Sequence[Real[np.ndarray, "4"]]
) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n"]]:
    """Boxes and margins of the faces around some boxes."""
    parts = [(np.zeros((0, 4)), np.zeros(0))]
    for box in near:
        reach = AROUND * (box[2] - box[0])
        x0, y0 = np.maximum(np.floor(box[:2] - reach), 0).astype(int)
        x1, y1 = np.ceil(box[2:] + reach).astype(int)
        boxes, margins = faces.find(np.ascontiguousarray(image[y0:y1, x0:x1]))
        parts.append((boxes + (x0, y0, x0, y0), margins))
    return joined(parts)


def where_to_look(
    found: Sequence[Sequence[Face]], times: Float[np.ndarray, "T"], frame: int
) -> list[Real[np.ndarray, "4"]] | None:
    """Boxes around which the next frame is searched where a whole one takes seconds, or None.

    Args:
        found: faces of all frames before `frame`.
        times: seconds.
        frame: the one to search.
    """
    for back in range(frame - 1, -1, -1):
        strong = [face.box for face in found[back] if face.margin > tracking.STRONG]
        lost_s = times[frame] - times[back]
        if strong and lost_s < LOST_S:
            return strong
        if strong or lost_s > 2 * LOST_S:
            break
    before = max(0, frame - 1)
    due = int(times[frame] / LOST_S) > int(times[before] / LOST_S)
    return None if frame == 0 or due else []


def look_at(
    image: UInt8[np.ndarray, "H W 3"], points: Float[np.ndarray, "68 2"]
) -> Float[np.ndarray, "3"]:
    """`face_look` of the face with these points."""
    from tfhkit.landmarks.dlib_backend import box_of

    return face_look(image, box_of(points))


def describe(
    image: UInt8[np.ndarray, "H W 3"], points: Float[np.ndarray, "68 2"]
) -> Float[np.ndarray, "128"]:
    """The descriptor by which either backend compares identities."""
    from tfhkit.landmarks import dlib_backend

    return dlib_backend.describe(image, points)
