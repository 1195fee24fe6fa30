"""Landmark distance (LMD, Sec. 4.3): how far the mouth's shape is from the real one's."""

import numpy as np
from jaxtyping import Float

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.progress import Progress

POINTS = {"mouth": slice(48, 68), "inner": slice(17, 68), "all": slice(0, 68)}
OUTER_EYE_CORNERS = (36, 45)


def lmd(
    real_px: Float[np.ndarray, "..."],
    generated_px: Float[np.ndarray, "..."],
    points: str = "mouth",
    align: str = "centre",
    unit: str = "px",
) -> Float[np.ndarray, "T"]:
    """Mean distance of corresponding landmarks, per frame.

    Args:
        real_px, generated_px: (T, 68, 2); a frame with NaN (no face found) gives NaN.
        points: "mouth" (20 points), "inner" (all but the jaw), "all".
        align: "centre" moves the points' mean onto each other first, so that the mouth's shape
            counts and not where the head is; "none" compares places.
        unit: "px", or "interocular": share of the real outer eye corners' distance, which does
            not depend on the picture's size.
    Returns:
        (T,) float64. Take `np.nanmean` for a clip, and say how many frames are NaN.
    Raises:
        ShapeError: not (T, 68, 2), or different T. InputError: no frame has both faces.
    Source: Chen et al. 2018, mean over points. The evaluation that the paper uses compares mouths
        after aligning centres, in px of a 256 px crop; its script adds up the 20 points instead.
    """
    check_shape("real_px", real_px, ("T", 68, 2))
    check_shape("generated_px", generated_px, (len(real_px), 68, 2))
    for name, value, known in (
        ("points", points, tuple(POINTS)),
        ("align", align, ("centre", "none")),
        ("unit", unit, ("px", "interocular")),
    ):
        if value not in known:
            raise ParameterError(name, f"unknown {value!r}", f"choose one of {', '.join(known)}")
    real, generated = (
        np.asarray(p, np.float64)[:, POINTS[points]] for p in (real_px, generated_px)
    )
    if align == "centre":
        real, generated = (p - p.mean(1, keepdims=True) for p in (real, generated))
    distance = np.linalg.norm(real - generated, axis=-1).mean(-1)
    if not np.isfinite(distance).any():
        raise InputError("landmarks", "no frame has a face in both", "check the images")
    if unit == "px":
        return distance
    left, right = (np.asarray(real_px, np.float64)[:, i] for i in OUTER_EYE_CORNERS)
    return distance / np.linalg.norm(left - right, axis=-1)


def detect_crops(
    images: np.ndarray, backend: str = "auto", progress: Progress | None = None
) -> Float[np.ndarray, "T 68 2"]:
    """Landmarks of the most confident face in each crop, frame by frame, without smoothing.

    Args:
        images: (T, S, S, 3) uint8.
        backend: as in `tfhkit.landmarks`.
        progress: called as progress(done, total, text).
    Returns:
        (T, 68, 2) float32 pixels of the crops; NaN where no face was found.
    """
    from tfhkit.landmarks import open_backend

    check_shape("images", images, ("T", "H", "W", 3))
    out = np.full((len(images), 68, 2), np.nan, np.float32)
    if not len(images):
        return out
    # Opened once: the backend chooses its scale on a few of the crops.
    spread = np.unique(np.linspace(0, len(images) - 1, 5).astype(int))
    faces = open_backend(backend, [images[i] for i in spread])
    for frame, image in enumerate(images):
        boxes, margins = faces.find(image)
        if len(boxes):
            out[frame] = faces.points(image, boxes[np.argmax(margins)])[:68]
        if progress:
            progress(frame + 1, len(images), "landmarks of crops")
    return out
