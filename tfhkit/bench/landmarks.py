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
        rows of backend, frames, height_px, faces (per frame, mean), ms (per frame, the middle one),
        ms_per_face, and ratio (of dlib's time over this one).
    """
    clip = open_clip(fetch("sample_clip"))
    width = round(height_px * clip.width / clip.height)
    images = [
        cv2.resize(frame, (width, height_px), interpolation=cv2.INTER_CUBIC)
        for frame in islice(clip.iter_frames(), n_frames)
    ]
    middle, n_faces = {}, {}
    for backend in BACKENDS:
        faces, seconds, n_found = open_backend(backend, images[:: max(1, n_frames // 6)]), [], 0
        for image in images:
            began = time.perf_counter()
            boxes, margins = faces.find(image)
            for box in boxes[margins > 0]:
                faces.points(image, box)
            seconds.append(time.perf_counter() - began)
            n_found += int((margins > 0).sum())
        middle[backend] = 1000 * sorted(seconds)[len(seconds) // 2]
        n_faces[backend] = n_found / len(images)
    return [
        {
            "backend": backend,
            "frames": len(images),
            "height_px": height_px,
            "faces": round(n_faces[backend], 1),
            "ms": round(ms, 2),
            "ms_per_face": round(ms / max(1.0, n_faces[backend]), 2),
            "ratio": round(middle["dlib"] / ms, 1),
        }
        for backend, ms in middle.items()
    ]
