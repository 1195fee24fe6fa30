"""What lips, brows and head do in each frame of a video, from the face mesh and the sound."""

from dataclasses import dataclass, fields
from functools import cache
from itertools import combinations

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Real

from tfhkit.camera import angles_from_rotation
from tfhkit.errors import InputError, check_shape
from tfhkit.fit.mesh_places import read_places
from tfhkit.landmarks import Landmarks
from tfhkit.landmarks.smoothing import smooth_track
from tfhkit.maths import frame_step
from tfhkit.media import SR_HZ

LEAST_S = 1.0  # of frames with a face
PAUSE_S = 0.3  # shorter silences belong to the speech
HOP_S, WINDOW_S = 0.01, 0.05  # of the loudness that pauses are found in
RANGE_DB = 50.0  # what is quieter than the loud parts by more is silence
LEAST_RANGE_DB = 15.0  # in a sound that varies less, there are no pauses
QUICK_S = 0.06  # quicker motion of head and brows is the detector's noise
NOISE = 0.035  # dm: mesh points that scatter more on the head are not rigid
# points of the mesh
OUTER_CORNERS = (33, 263)
UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318)
LIPS = np.unique(np.r_[
    UPPER_LIP, LOWER_LIP, 61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 185, 40, 39, 37, 0,
    267, 269, 270, 409, 78, 324, 308, 415,
])  # fmt: skip
BROWS = (
    (46, 53, 52, 65, 55, 70, 63, 105, 66, 107),
    (276, 283, 282, 295, 285, 300, 293, 334, 296, 336),
)
EYES = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
)


@dataclass(frozen=True, eq=False)
class FaceTrack:
    """What a video shows and says of one face.

    Args:
        mesh_px: (T, N, 2) points of the face mesh, its 468 first; `Landmarks.dense_px`.
        times: (T,) seconds.
        audio: (N,) sound at 16 kHz; sample 0 is heard at time 0.
        gap: (T,) bool, frames without a face; None for no such frames.
    """

    mesh_px: Float[np.ndarray, "..."]
    times: Real[np.ndarray, "..."]
    audio: Float[np.ndarray, "..."]
    gap: Bool[np.ndarray, "..."] | None = None

    def __post_init__(self) -> None:
        check_shape("mesh_px", self.mesh_px, ("T", "N", 2))
        check_shape("times", self.times, (len(self.mesh_px),))
        check_shape("audio", self.audio, ("N",))
        if self.gap is not None:
            check_shape("gap", self.gap, (len(self.mesh_px),))
        if self.mesh_px.shape[1] < 468:
            fault = f"has {self.mesh_px.shape[1]} points, the face mesh 468"
            raise InputError("mesh_px", fault, "detect with the landmark backend mesh")
        if not np.isfinite(self.audio).all():
            raise InputError("audio", "has samples that are not numbers", "repair the recording")
        seen = self.seen
        if not np.isfinite(self.mesh_px[seen]).all():
            raise InputError("mesh_px", "has points that are not numbers", "mark them as a gap")
        if seen.sum() < 2 or seen.sum() * frame_step(self.times) < LEAST_S:
            fault = f"has {seen.sum()} frames with a face"
            raise InputError("mesh_px", fault, f"give {LEAST_S:g} s or more")

    @property
    def seen(self) -> Bool[np.ndarray, "T"]:
        """The frames with a face."""
        return np.ones(len(self.times), bool) if self.gap is None else ~self.gap

    @classmethod
    def of(
        cls,
        landmarks: Landmarks,
        times: Real[np.ndarray, "T"],
        audio: Float[np.ndarray, "N"],
        frames: slice = slice(None),
    ) -> "FaceTrack":
        """Some frames (a slice) of what was detected in a clip; InputError without a mesh."""
        if landmarks.dense_px is None:
            fault = f"has no face mesh (backend {landmarks.backend})"
            raise InputError("landmarks", fault, "detect with the landmark backend mesh")
        return cls(landmarks.dense_px[frames], times[frames], audio, landmarks.gap[frames])


@dataclass(frozen=True, eq=False)
class FaceMotion:
    """One row per frame with a face; lengths in hundredths of the outer eye corners' distance.

    Args:
        times: (T,) seconds.
        lips: (T, P) distances of all pairs of lip points.
        opening: (T,) mean distance of the inner lips.
        brow_speed: (T, 2) speed of each brow relative to its eye, per second; NaN where the
            frame before is missing.
        angles_deg: (T, 3) pitch, yaw, roll.
        angle_speed_deg: (T, 3) degrees per second; NaN as above.
        place: (T, 2) of the head in the picture.
        volume: (T,) root mean square of the sound around the frame's time.
        silent: (T,) bool, in a pause of 0.3 s or more.
    """

    times: Float[np.ndarray, "T"]
    lips: Float[np.ndarray, "T P"]
    opening: Float[np.ndarray, "T"]
    brow_speed: Float[np.ndarray, "T 2"]
    angles_deg: Float[np.ndarray, "T 3"]
    angle_speed_deg: Float[np.ndarray, "T 3"]
    place: Float[np.ndarray, "T 2"]
    volume: Float[np.ndarray, "T"]
    silent: Bool[np.ndarray, "T"]

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, frames: slice | Int[np.ndarray, "_"]) -> "FaceMotion":
        """Some rows, by slice or index array, as a bootstrap draws them."""
        return FaceMotion(*(getattr(self, f.name)[frames] for f in fields(self)))


def face_motion(track: FaceTrack) -> FaceMotion:
    """Measure lips, brows, head and sound in every frame with a face.

    Speeds are per second, after smoothing over `QUICK_S`; so they hold for any frame rate.
    """
    frames = np.flatnonzero(track.seen)
    times = np.asarray(track.times, np.float64)[frames]
    mesh = np.asarray(track.mesh_px, np.float64)[frames]
    right, left = (mesh[:, corner] for corner in OUTER_CORNERS)
    eyes_px = np.linalg.norm(left - right, axis=-1)
    if not (eyes_px > 0).all():
        raise InputError("mesh_px", "has both eyes on one point", "detect the landmarks again")
    unit_px = eyes_px / 100
    first, second = np.array(list(combinations(LIPS, 2))).T
    lips = np.linalg.norm(mesh[:, first] - mesh[:, second], axis=-1) / unit_px[:, None]
    gaps = mesh[:, list(UPPER_LIP)] - mesh[:, list(LOWER_LIP)]
    brows = [
        np.linalg.norm(mesh[:, brow].mean(1) - mesh[:, eye].mean(1), axis=-1) / unit_px
        for brow, eye in zip(BROWS, EYES)
    ]
    angles = np.degrees(head_angles(mesh))
    return FaceMotion(
        times,
        lips,
        np.linalg.norm(gaps, axis=-1).mean(1) / unit_px,
        _speed(np.stack(brows, 1), times, frames),
        angles,
        _speed(angles, times, frames),
        mesh[:, rigid_points()[0]].mean(1) / np.median(unit_px),
        volume(track.audio, times),
        silent_frames(track.audio, times),
    )


def _speed(values, times, frames):
    """Change per second since the frame before, (T, K); NaN where that one is missing."""
    change = np.diff(smooth_track(values, times, QUICK_S), axis=0) / np.diff(times)[:, None]
    change[np.diff(frames) > 1] = np.nan
    return np.concatenate([np.full_like(change[:1], np.nan), change])


@cache
def rigid_points() -> tuple[Int[np.ndarray, "N"], Float[np.ndarray, "N 3"]]:
    """Mesh points that move with the skull, and their places on the mean head in dm.

    Forehead, nose, temples and cheekbones: steady ones above the mouth, away from brows and lids.
    """
    asset = read_places()
    places, landmarks = asset["places"], asset["landmarks"]
    moving = landmarks[np.r_[17:27, 36:48]]
    away = np.linalg.norm(places[:, None] - moving, axis=-1).min(1) > 0.12
    steady = (asset["spread"] < NOISE) & away & (places[:, 1] > landmarks[33, 1])
    return np.flatnonzero(steady), places[steady].astype(np.float64)


def head_angles(mesh_px: Float[np.ndarray, "T N 2"]) -> Float[np.ndarray, "T 3"]:
    """Pitch, yaw and roll of the head from the mesh alone, radians, signs as in `camera.py`.

    The mean head's rigid points are turned, scaled and shifted onto the detected ones in the
    least-squares sense, under parallel projection. A person's own shape adds a constant to the
    angles; their changes are measured all the same.
    """
    points, places = rigid_points()
    there = places - places.mean(0)
    seen = mesh_px[:, points] - mesh_px[:, points].mean(1, keepdims=True)
    seen = seen * (1.0, -1.0)  # y down in the picture, up in the model
    rows = np.swapaxes(seen, 1, 2) @ np.linalg.pinv(there).T  # (T, 2, 3), a scaled rotation's
    u, _, v = np.linalg.svd(rows, full_matrices=False)
    x, y = np.swapaxes(u @ v, 0, 1)
    rotation = np.stack([x, y, np.cross(x, y)], 1)
    return angles_from_rotation(torch.from_numpy(rotation)).numpy()


def volume(
    audio: Float[np.ndarray, "N"], times: Real[np.ndarray, "T"], window_s: float = WINDOW_S
) -> Float[np.ndarray, "T"]:
    """Root mean square of a 16 kHz sound in a window around each time; 0 beyond its ends."""
    energy = np.concatenate([[0.0], np.cumsum(np.asarray(audio, np.float64) ** 2)])
    edges = [
        np.clip(np.round((times + side * window_s / 2) * SR_HZ).astype(int), 0, len(audio))
        for side in (-1, 1)
    ]
    return np.sqrt((energy[edges[1]] - energy[edges[0]]) / (window_s * SR_HZ))


def silent_frames(
    audio: Float[np.ndarray, "N"], times: Real[np.ndarray, "T"]
) -> Bool[np.ndarray, "T"]:
    """The frames in pauses of 0.3 s or more.

    A moment is quiet where its level is below the middle between the loud level (95th percentile,
    dB) and the background (5th percentile, at most 50 dB below). Levels that vary by less than
    15 dB have no pauses.

    Args:
        audio: 16 kHz, sample 0 at time 0. times: (T,) seconds.
    """
    grid = np.arange(times[0], times[-1] + frame_step(times), HOP_S)
    level_db = 20 * np.log10(volume(audio, grid) + 1e-10)
    loud = np.percentile(level_db, 95)
    low = max(float(np.percentile(level_db, 5)), loud - RANGE_DB)
    if loud - low < LEAST_RANGE_DB:
        return np.zeros(len(times), bool)
    quiet = np.concatenate([[False], level_db < (loud + low) / 2, [False]])
    edges = np.flatnonzero(np.diff(quiet.astype(int))).reshape(-1, 2)
    silent = np.zeros(len(grid), bool)
    for start, stop in edges:
        silent[start:stop] = (stop - start) * HOP_S >= PAUSE_S - 1e-9
    nearest = np.round((times - grid[0]) / HOP_S).astype(int)
    return silent[np.clip(nearest, 0, len(grid) - 1)]
