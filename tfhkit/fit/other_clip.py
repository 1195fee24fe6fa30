"""Does a tracker's file belong to this clip and this face model? What is refused, and why."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from tfhkit.errors import InputError
from tfhkit.fit.report import INNER, interocular_px, landmark_errors

AXES = ("pitch", "yaw", "roll")
MAX_SHIFT_S = 1.0
MOVES_DEG = 1.2  # rms of an axis below which nothing is said of its direction
SMALL_DEG = 3.0  # difference of two trackers that is never held against a file
WORST_PCT = 15.0  # of the eyes' distance
LIPS_MOVE_PCT = 1.5  # of the eyes' distance: less tells nothing about time
INNER_LIPS = ((61, 67), (62, 66), (63, 65))


def refuse_other_motion(
    source: str | Path,
    angles: Float[np.ndarray, "T 3"],
    seen_angles: Float[np.ndarray, "T 3"],
    seen: Bool[np.ndarray, "T"],
    times: Float[np.ndarray, "T"],
) -> None:
    """Raise InputError where a file's head turns otherwise than the clip's landmarks do.

    Two trackers differ by a constant and by noise, so each axis is compared about its median.

    Args:
        source: the file, for the message.
        angles: (T, 3) of the file. seen_angles: (T, 3) by the landmarks. Radians.
        seen: (T,) bool, frames whose landmarks can be trusted.
        times: (T,) seconds.
    """
    theirs, ours = np.degrees(angles), np.degrees(seen_angles)
    for axis, name in enumerate(AXES):
        # the picture shows roll itself; of pitch and yaw only the changes can be compared
        middle = (
            0.0
            if name == "roll"
            else np.array([[np.median(x[seen, axis])] for x in (theirs, ours)])
        )
        a, b = np.stack([theirs[seen, axis], ours[seen, axis]]) - middle
        if _rms(b) > MOVES_DEG and _rms(a + b) < 0.5 * _rms(a - b):
            fault = f"its {name} goes the other way than the head in the clip"
            raise InputError(source, fault, f"change the sign of {name}; see tfhkit/camera.py")
    now = _apart(theirs, ours, seen)
    tried = _shifted(theirs, ours, seen, times, _apart)
    best = min(tried, key=lambda shift: (tried[shift], abs(shift)), default=0)
    if best and tried[best] < 0.6 * now:
        _refuse_shift(source, best)
    if now > max(SMALL_DEG, _apart(0 * ours, ours, seen)):
        fault = f"its head turns otherwise than the one in the clip ({now:.0f} degrees apart)"
        raise InputError(source, fault, "give the file of this clip")


def refuse_other_face(
    source: str | Path,
    seen_px: Float[np.ndarray, "T 68 2"],
    file_px: Float[np.ndarray, "T 68 2"],
    mean_px: Float[np.ndarray, "T 68 2"],
    seen: Bool[np.ndarray, "T"],
    times: Float[np.ndarray, "T"],
    model_name: str,
) -> None:
    """Raise InputError where a file's faces do not meet the clip's landmarks, or not in time.

    Args:
        source: the file, for the message.
        seen_px: (T, 68, 2) landmarks of the clip. file_px: of the file's faces, once placed.
            mean_px: of the model's mean face in the same poses.
        seen: (T,) bool, frames whose landmarks can be trusted.
        times: (T,) seconds.
        model_name: the face model, for the message.
    """
    theirs, ours = _lip_opening(file_px), _lip_opening(seen_px)
    tried = _shifted(theirs, ours, seen, times, _agree)
    best = max(tried, key=lambda shift: (tried[shift], -abs(shift)), default=0)
    if best and tried[best] > max(0.6, tried[0] + 0.1):
        _refuse_shift(source, best)
    own, mean = (
        float(landmark_errors(seen_px, px)[seen][:, INNER].mean()) for px in (file_px, mean_px)
    )
    fault = (
        f"its faces miss the clip's landmarks by {own:.1f} % of the eyes' distance, "
        f"the mean face of {model_name!r} by {mean:.1f} %"
    )
    if own < mean and own < WORST_PCT:
        if not tried or tried[0] > 0.3 or ours[seen].std() < LIPS_MOVE_PCT:
            return
        fault = f"its lips do not move as those in the clip (r = {tried[0]:.2f})"
    remedy = "give the file of this clip, and the face model of its tracker"
    raise InputError(source, fault, remedy)


def _lip_opening(points_px):
    """(T,) mean distance of the inner lips, in percent of the eyes' distance."""
    upper, lower = np.transpose(INNER_LIPS)
    gap = np.linalg.norm(points_px[:, upper] - points_px[:, lower], axis=-1).mean(1)
    return 100 * gap / interocular_px(points_px)


def _shifted(theirs, ours, seen, times, measure):
    """A measure by how many frames of the clip lie before the file's first; as far as known."""
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 1.0
    most = min(round(MAX_SHIFT_S / step_s), len(times) // 4)
    found = {}
    for shift in range(-most, most + 1):
        a, b = max(0, -shift), max(0, shift)
        n = len(times) - abs(shift)
        if seen[b : b + n].sum() >= 10:
            found[shift] = measure(theirs[a : a + n], ours[b : b + n], seen[b : b + n])
    return found


def _refuse_shift(source, shift):
    first, other = ("file", "clip") if shift > 0 else ("clip", "file")
    fault = f"frame 0 of the {first} looks like frame {abs(shift)} of the {other}"
    raise InputError(source, fault, "give a file and a clip that begin together")


def _apart(theirs, ours, seen):
    """Rms difference of two tracks (T, 3) over the frames that are seen, but for a constant."""
    off = (theirs - ours)[seen]
    return _rms(np.linalg.norm(off - np.median(off, 0), axis=1))


def _agree(theirs, ours, seen):
    """Correlation of two tracks (T,) over the frames that are seen; 0 where one is still."""
    a, b = theirs[seen], ours[seen]
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 1e-6 and b.std() > 1e-6 else 0.0


def _rms(values):
    return float(np.sqrt(np.mean(values**2)))
