"""The 68 landmarks of the main speaker over a clip: the seam between dlib and face-alignment."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from tfhkit.errors import InputError, ParameterError
from tfhkit.landmarks import tracking
from tfhkit.landmarks.footage import cuts_of, footage_facts, jumps_of, thumbnail
from tfhkit.landmarks.smoothing import bridge, smooth
from tfhkit.landmarks.tracking import FaceFinder
from tfhkit.media.clip import Clip
from tfhkit.progress import Progress

BACKENDS = ("face-alignment", "dlib")  # the order of "auto"; the first whose weights are there
N_PROBES = 6  # frames on which the detector's scale is chosen
N_PORTRAITS = 8  # frames in which the speaker's identity is compared
MUCH_SMALLER = 1.5  # a face that is smaller by this factor is no candidate for the speaker
SHORT_GAP_S = 0.5


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks of the main speaker in every frame of a clip.

    Args:
        points_px: (T, 68, 2) float32, iBUG order, pixel centres at +0.5.
        score: (T,) float32 in [0, 1], how sure the detector is of the face; 0 where bridged.
        gap: (T,) bool, frames in which the face was not found and the points were bridged.
        backend: name of the backend.
        faces_per_frame: mean number of faces in view.
        long_gap: (T,) bool, frames of gaps over half a second; do not learn from these.
    """

    points_px: Float[np.ndarray, "T points 2"]
    score: Float[np.ndarray, "T"]
    gap: Bool[np.ndarray, "T"]
    backend: str
    faces_per_frame: float = 1.0
    long_gap: Bool[np.ndarray, "T"] | None = None


def choose_backend(backend: str = "auto") -> str:
    """The name that `backend` stands for: face-alignment where its weights are there, else dlib."""
    if backend == "auto":
        from tfhkit.landmarks import fan_backend

        return "face-alignment" if fan_backend.available() else "dlib"
    if backend not in BACKENDS:
        raise ParameterError("landmarks", f"no backend {backend!r}", f"use auto or {BACKENDS}")
    return backend


def open_backend(backend: str, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> FaceFinder:
    """A face finder with `find(image)` and `points(image, box)`, made for images like these."""
    if choose_backend(backend) == "dlib":
        from tfhkit.landmarks.dlib_backend import DlibFaces

        return DlibFaces(images)
    from tfhkit.landmarks.fan_backend import FanFaces

    return FanFaces(images)


def detect_image(
    image_rgb: UInt8[np.ndarray, "H W 3"], backend: str = "auto"
) -> Float[np.ndarray, "n_faces 68 2"]:
    """Landmarks of all faces of one picture, largest face first.

    Args:
        image_rgb: (H, W, 3) uint8.
        backend: "auto", "dlib" or "face-alignment".
    Returns:
        (n_faces, 68, 2) float32 px; n_faces may be 0.
    """
    faces = open_backend(backend, [image_rgb])
    boxes, margins = faces.find(image_rgb)
    boxes = boxes[margins > 0]
    boxes = boxes[np.argsort(boxes[:, 0] - boxes[:, 2])]
    points = [faces.points(image_rgb, box) for box in boxes]
    return np.array(points, np.float32).reshape(-1, 68, 2)


def detect(clip: Clip, backend: str = "auto", progress: Progress | None = None) -> Landmarks:
    """Landmarks of the clip's main speaker: find all faces, follow them, choose, refine, smooth.

    Args:
        clip: Clip.
        backend: "auto", "dlib" or "face-alignment".
        progress: callable (done, total, text), or None.
    Returns:
        Landmarks.
    Raises:
        InputError: no face; a hard cut; a face in too few frames; two equal faces that swap.
        MissingBackend: a backend that was asked for by name is not there.
    """
    total = len(clip)
    with clip.reader() as frames:
        faces = open_backend(backend, [frames[i] for i in _spread(total, N_PROBES)])
    portraits = set(_spread(total, N_PORTRAITS))
    found, thumbs = [], []
    for index, image in enumerate(clip.iter_frames()):
        found.append(_faces_of(image, faces, with_portraits=index in portraits))
        thumbs.append(thumbnail(image))
        if progress:
            progress(index + 1, total, "landmarks")

    tracks = tracking.track_faces(found, clip.times)
    if tracks:
        _refuse_cut(clip, cuts_of(np.stack(thumbs)))
    track = tracking.main_track(tracks, total, clip.path)
    n_faces = sum(face.margin > tracking.STRONG for frame in found for face in frame) / total
    tracking.refuse_other_person(track, clip.times, clip.path, round(n_faces))
    points = np.zeros((total, 68, 2))
    score = np.zeros(total, np.float32)
    known = np.zeros(total, bool)
    with clip.reader() as frames:
        for index, face in zip(track.frames, track.faces):
            late = face.points is None  # a weak or small box that turned out to be the speaker
            points[index] = faces.points(frames[index], face.box) if late else face.points
            score[index], known[index] = 1 / (1 + np.exp(-2 * face.margin)), True
    _refuse_cut(clip, jumps_of(points, known, clip.times))

    points = smooth(bridge(points, known, clip.times), clip.times).astype(np.float32)
    long_gap = _long_gaps(known, clip.times)
    return Landmarks(points, score, ~known, faces.name, n_faces, long_gap)


def _faces_of(image, faces, with_portraits):
    """Faces of one frame, strongest first; the large ones with points, and portraits if wanted."""
    boxes, margins = faces.find(image)
    seen = tracking.without_doubles(boxes, margins)
    strong = [face.side_px for face in seen if face.margin > tracking.STRONG]
    for i, face in enumerate(seen):
        if strong and face.margin > tracking.STRONG and face.side_px * MUCH_SMALLER > max(strong):
            points = faces.points(image, face.box)
            portrait = _describe(image, points) if with_portraits else None
            seen[i] = replace(face, points=points, portrait=portrait)
    return seen


def _spread(total, n):
    """At most n frame numbers, evenly spread."""
    return np.unique(np.linspace(0, total - 1, n).round().astype(int)).tolist()


def _describe(image, points):
    from tfhkit.landmarks.dlib_backend import describe  # either backend compares identities so

    return describe(image, points)


def _refuse_cut(clip, cuts):
    if len(cuts):
        moment = clip.times[cuts[0]]
        raise InputError(
            f"{clip.path}, frame {cuts[0]} ({moment:.2f} s)",
            "a hard cut in mid-clip" + (f" (and {len(cuts) - 1} more)" if len(cuts) > 1 else ""),
            "give one shot: trim the clip at the cut",
        )


def _long_gaps(known, times):
    """(T,) bool: frames of gaps in which the face is missing for more than SHORT_GAP_S."""
    index = np.flatnonzero(known)
    after = np.searchsorted(index, np.arange(len(times)))
    first = np.where(after > 0, times[index[np.maximum(after - 1, 0)]], times[0])
    last = np.where(after < len(index), times[index[np.minimum(after, len(index) - 1)]], times[-1])
    return ~known & (last - first > SHORT_GAP_S)


__all__ = [
    "BACKENDS",
    "Landmarks",
    "choose_backend",
    "detect",
    "detect_image",
    "footage_facts",
    "open_backend",
]
