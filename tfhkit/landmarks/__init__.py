"""The landmarks of the main speaker over a clip: the seam between mesh, dlib, face-alignment."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, UInt8

from tfhkit.errors import InputError, KitWarning, ParameterError
from tfhkit.landmarks import tracking
from tfhkit.landmarks.footage import THUMB, cuts_of, footage_facts, jumps_of, thumbnail
from tfhkit.landmarks.search import faces_of, look_at, where_to_look
from tfhkit.landmarks.smoothing import bridge, smooth
from tfhkit.landmarks.speaking import (
    CHOICE_LAGS_S,
    LipLag,
    measure_lag,
    mouth_opening,
    speech_agreement,
)
from tfhkit.landmarks.tracking import FaceFinder, FaceSeen
from tfhkit.landmarks.usable import (
    FrameLooks,
    Unusable,
    exposure_steps,
    find_unusable,
    frame_change,
    mask_of,
    small_grey,
)
from tfhkit.media.clip import Clip
from tfhkit.progress import Progress

BACKENDS = ("mesh", "face-alignment", "dlib")  # "auto" takes the first whose files are there
N_PROBES = 6  # frames on which the detector's scale is chosen
N_PORTRAITS = 8  # frames in which the speaker's identity is compared
SHORT_S = 2.0  # a shorter clip's identity is compared at its two ends
SHORT_GAP_S = 0.5


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Landmarks of the main speaker in every frame of a clip.

    Args:
        points_px: (T, 68, 2) float32, iBUG order, pixel centres at +0.5.
        score: (T,) float32 in [0, 1], how sure the detector is of the face; 0 where bridged.
        gap: (T,) bool, frames in which the face was not found or cannot be used; the points were
            bridged.
        backend: name of the backend.
        faces_per_frame: mean number of faces in view.
        long_gap: (T,) bool, frames of gaps over half a second; do not learn from these.
        unusable: ranges of frames that are left out though a face may be found there: dark,
            bright, blank, blurred or frozen ones. They are in `gap` as well.
        people: the faces of the clip, the speaker's among them.
        why: why this face is the speaker's, in a few words.
        exposure_steps: frames at which the exposure changes for good.
        dense_px: what `mesh` sees besides: (T, 468, 2) points of the face mesh, and of both eyes,
            the subject's right one first, (T, 21, 2) each, see `mesh_nets.find_eyes`; None from
            other backends.
    """

    points_px: Float[np.ndarray, "T points 2"]
    score: Float[np.ndarray, "T"]
    gap: Bool[np.ndarray, "T"]
    backend: str
    faces_per_frame: float = 1.0
    long_gap: Bool[np.ndarray, "T"] | None = None
    unusable: tuple[Unusable, ...] = ()
    people: tuple[FaceSeen, ...] = ()
    why: str = ""
    exposure_steps: tuple[int, ...] = ()
    dense_px: Float[np.ndarray, "T 510 2"] | None = None

    def first(self, n_frames: int) -> "Landmarks":
        """Landmarks of the clip's first frames."""
        part = slice(0, n_frames)
        return replace(
            self,
            points_px=self.points_px[part],
            score=self.score[part],
            gap=self.gap[part],
            long_gap=None if self.long_gap is None else self.long_gap[part],
            unusable=tuple(u for u in self.unusable if u.first < n_frames),
            exposure_steps=tuple(step for step in self.exposure_steps if step < n_frames),
            dense_px=None if self.dense_px is None else self.dense_px[part],
        )

    def left_out(self) -> Bool[np.ndarray, "T"]:
        """The frames of the ranges in `unusable`."""
        return mask_of(self.unusable, len(self.points_px))


def choose_backend(backend: str = "auto") -> str:
    """The name that `backend` stands for: "auto" is the first whose files are there."""
    if backend == "auto":
        from tfhkit.landmarks import fan_backend, mesh_backend

        missing = mesh_backend.why_missing()
        if not missing:
            return "mesh"
        warnings.warn(f"{missing}; another backend finds the landmarks", KitWarning, stacklevel=2)
        return "face-alignment" if fan_backend.available() else "dlib"
    if backend not in BACKENDS:
        raise ParameterError("landmarks", f"no backend {backend!r}", f"use auto or {BACKENDS}")
    return backend


def open_backend(backend: str, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> FaceFinder:
    """A face finder with `find(image)` and `points(image, box)`, made for images like these."""
    name = choose_backend(backend)
    if name == "mesh":
        from tfhkit.landmarks.mesh_backend import MeshFaces

        return MeshFaces(images)
    if name == "dlib":
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
        backend: "auto", or one of BACKENDS.
    Returns:
        (n_faces, 68, 2) float32 px; n_faces may be 0.
    """
    faces = open_backend(backend, [image_rgb])
    boxes, margins = faces.find(image_rgb)
    boxes = boxes[margins > 0]
    boxes = boxes[np.argsort(boxes[:, 0] - boxes[:, 2])]
    points = [faces.points(image_rgb, box)[:68] for box in boxes]
    return np.array(points, np.float32).reshape(-1, 68, 2)


def detect(clip: Clip, backend: str = "auto", progress: Progress | None = None) -> Landmarks:
    """Landmarks of the clip's main speaker: find all faces, follow them, choose, refine, smooth.

    Args:
        clip: Clip.
        backend: "auto", or one of BACKENDS.
        progress: callable (done, total, text), or None.
    Returns:
        Landmarks.
    Raises:
        InputError: no face; one that stands on its head; a hard cut; a face in too few frames; two
            equal faces that swap.
        MissingBackend: a backend that was asked for by name is not there.
    """
    total = len(clip)
    with clip.reader() as frames:
        probes = [frames[i] for i in _spread(total, N_PROBES)]
    faces = open_backend(backend, probes)
    _refuse_upside_down(clip, faces, probes[:: max(1, len(probes) // 3)])
    found, thumbs, frame_looks = _scan(clip, faces, progress)
    tracks = tracking.track_faces(found, clip.times)
    if tracks:
        _refuse_cut(clip, cuts_of(thumbs))
    heard = _heard(tracks, clip)
    track = tracking.main_track(tracks, total, clip.path, heard, clip.duration_s)
    n_faces = sum(face.margin > tracking.STRONG for frame in found for face in frame) / total
    tracking.refuse_other_person(track, clip.times, clip.path, round(n_faces))
    points, score, known, face_looks = _points_of(clip, faces, track)
    levels, change = frame_looks
    points, dense = points[:, :68], points[:, 68:]
    seen_px = np.where(known[:, None, None], points, np.nan)
    looks = FrameLooks(face_looks, levels, change, seen_px)
    unusable = find_unusable(looks, clip.times)
    seen, known = known, known & ~mask_of(unusable, total)
    _refuse_cut(clip, jumps_of(points, known, clip.times))
    _refuse_unusable(clip, unusable, known, seen)

    points = smooth(bridge(points, known, clip.times), clip.times).astype(np.float32)
    people, why = tracking.faces_seen(tracks, track, total, heard)
    return Landmarks(
        points,
        np.where(known, score, 0).astype(np.float32),
        ~known,
        faces.name,
        n_faces,
        _long_gaps(known, clip.times),
        unusable,
        people,
        why,
        tuple(exposure_steps(looks, clip.times)),
        bridge(dense, known, clip.times).astype(np.float32) if dense.shape[1] else None,
    )


def _refuse_upside_down(clip, faces, images):
    """Raise where the clip was filmed with the camera upside down, and nothing in it says so."""
    if faces.upside_down(images):
        raise InputError(
            clip.path, "its face stands on its head", "turn the video by 180 degrees and save it"
        )


def _scan(clip, faces, progress):
    """Faces of every frame, thumbnails, and the frames' grey levels and changes."""
    total = len(clip)
    portraits, slow = set(_portraits(clip.times)), faces.slow(clip.width)
    found, before = [], None
    thumbs = np.empty((total, THUMB[1], THUMB[0], 3), np.uint8)
    levels, change = np.empty((total, 2)), np.full(total, np.inf)
    for index, image in enumerate(clip.iter_frames()):
        near = where_to_look(found, clip.times, index) if slow else None
        found.append(faces_of(image, faces, near, with_portraits=index in portraits))
        thumbs[index], small = thumbnail(image), small_grey(image)
        levels[index] = small.mean(), small.std()
        if before is not None:
            change[index] = frame_change(before, small)
        before = small
        if progress:
            progress(index + 1, total, "landmarks")
    return found, thumbs, (levels, change)


def _heard(tracks, clip):
    """How well the sound explains the lips of every track; None where there is no choice."""
    if len(tracks) < 2 or not clip.audio.any():
        return None
    heard = []
    for track in tracks:
        seen = [(k, f.points) for k, f in zip(track.frames, track.faces) if f.points is not None]
        if len(seen) < tracking.SEEN_SHARE * len(clip):
            heard.append(0.0)
            continue
        opening = mouth_opening(np.array([points[:68] for _, points in seen]))
        times = clip.times[[frame for frame, _ in seen]]
        agreement = speech_agreement(opening, times, clip.audio, clip.sr_hz, CHOICE_LAGS_S)
        heard.append(float(agreement.max()))
    return heard


def _points_of(clip, faces, track):
    """Points (T, n, 2), score (T,), known (T,) and look (T, 3) of a track's face."""
    total = len(clip)
    n_points = len(next(face.points for face in track.faces if face.points is not None))
    points = np.zeros((total, n_points, 2), np.float32)
    looks = np.full((total, 3), np.nan)
    score, known = np.zeros(total, np.float32), np.zeros(total, bool)
    with clip.reader() as frames:
        for index, face in zip(track.frames, track.faces):
            if face.points is None:  # a weak or small box that turned out to be the speaker
                image = frames[index]
                points[index] = faces.points(image, face.box)
                looks[index] = look_at(image, points[index, :68])
            else:
                points[index], looks[index] = face.points, face.look
            score[index], known[index] = 1 / (1 + np.exp(-2 * face.margin)), True
    return points, score, known, looks


def _refuse_unusable(clip, unusable, known, seen):
    """Raise where the frames that are left are too few."""
    if known.mean() < tracking.MIN_SHARE and seen.mean() >= tracking.MIN_SHARE:
        reasons = ", ".join(sorted({part.reason for part in unusable}))
        raise InputError(
            clip.path,
            f"{known.mean():.0%} of the {len(known)} frames can be used only, "
            f"{tracking.MIN_SHARE:.0%} are needed; the others are {reasons}",
            "trim the clip to where the speaker's face is seen well",
        )


def _spread(total, n):
    """At most n frame numbers, evenly spread."""
    return np.unique(np.linspace(0, total - 1, n).round().astype(int)).tolist()


def _portraits(times):
    """Frames in which the speaker's identity is compared: two at each end of a short clip."""
    total = len(times)
    if times[-1] - times[0] >= SHORT_S:
        return _spread(total, N_PORTRAITS)
    inwards = max(1, round(0.1 * total))
    return sorted({0, inwards, total - 1 - inwards, total - 1})


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
    "FaceSeen",
    "Landmarks",
    "LipLag",
    "Unusable",
    "choose_backend",
    "detect",
    "detect_image",
    "footage_facts",
    "measure_lag",
    "open_backend",
]
