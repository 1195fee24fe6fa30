"""Landmarks: each backend in the same process, milliseconds per frame without decoding."""

import time
from itertools import islice

import cv2

from tfhkit.assets import fetch
from tfhkit.bench import Row
from tfhkit.landmarks import open_backend
from tfhkit.media import open_clip

HEIGHT_PX = 720
FRAMES = 60
BACKENDS = ("mesh", "dlib")


def bench_landmarks(n_frames: int = FRAMES, height_px: int = HEIGHT_PX) -> list[Row]:
    """Time finding and following the faces of the sample clip, scaled up.

    Args:
        n_frames: number of frames. height_px: their height.
    Returns:
        rows of backend, frames, height_px, ms (per frame, the middle one), and ratio (of dlib's
        time over this one).
    """
    clip = open_clip(fetch("sample_clip"))
    width = round(height_px * clip.width / clip.height)
    images = [
        cv2.resize(frame, (width, height_px), interpolation=cv2.INTER_CUBIC)
        for frame in islice(clip.iter_frames(), n_frames)
    ]
    middle = {}
    for backend in BACKENDS:
        faces, seconds = open_backend(backend, images[:: max(1, n_frames // 6)]), []
        for image in images:
            began = time.perf_counter()
            boxes, margins = faces.find(image)
            for box in boxes[margins > 0]:
                faces.points(image, box)
            seconds.append(time.perf_counter() - began)
        middle[backend] = 1000 * sorted(seconds)[len(seconds) // 2]
    return [
        {
            "backend": backend,
            "frames": len(images),
            "height_px": height_px,
            "ms": round(ms, 2),
            "ratio": round(middle["dlib"] / ms, 1),
        }
        for backend, ms in middle.items()
    ]
