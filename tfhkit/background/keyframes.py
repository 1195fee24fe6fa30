"""Key frames: where the predicted head is turned most, on any axis (Sec. 3.3.2)."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from scipy.signal import find_peaks

from tfhkit.errors import ParameterError, check_shape

PITCH, YAW, ROLL = 0, 1, 2
WINDOW_S = 0.28  # 7 frames at 25 fps, as published


def smooth_angles(
    angles: Float[np.ndarray, "..."], times: Float[np.ndarray, "..."], window_s: float = WINDOW_S
) -> Float[np.ndarray, "T D"]:
    """Average angles over a Hanning window with mirrored ends.

    Args:
        angles: (T, D), radians.
        times: (T,), seconds, evenly spaced or nearly so.
        window_s: length of the window; at least three frames are taken.
    """
    angles = np.asarray(angles, np.float64)
    check_shape("angles", angles, ("T", "D"))
    check_shape("times", times, (len(angles),))
    if len(angles) < 3:
        return angles
    step_s = np.median(np.diff(times))
    half = int(np.clip(round(window_s / step_s / 2), 1, len(angles) - 1))
    # Two more than the window's frames: the ends of a Hanning window are zeros.
    kernel = np.hanning(2 * half + 3)[1:-1]
    kernel /= kernel.sum()
    padded = np.pad(angles, [(half, half), (0, 0)], mode="reflect")
    columns = [np.convolve(padded[:, d], kernel, "valid") for d in range(angles.shape[1])]
    return np.stack(columns, 1)


def key_frames(
    angles: Float[np.ndarray, "..."],
    times: Float[np.ndarray, "T"],
    axes: Sequence[int] = (PITCH, YAW, ROLL),
    min_distance_s: float = 0.24,
    per_second: float = 2.5,
) -> Int[np.ndarray, "K"]:
    """Frames of the largest head turn in a short time, and the first and last frame.

    Candidates are the local extrema of the smoothed angles. The most prominent ones are kept,
    in units of each axis' own standard deviation, so that a lively axis does not hide a calm one.
    At most `per_second` of them are kept, and no two are nearer than `min_distance_s`.

    Args:
        angles: (T, 3), predicted pitch, yaw, roll in radians.
        times: seconds.
        axes: which angles give key frames. The paper speaks of "one axis" and gives yaw as an
            example; the published code looks at roll only: axes=(2,).
        min_distance_s: shortest time between two key frames (published: 3 frames, 0.12 s).
        per_second: largest number of key frames per second (published: a tenth of the frames,
            which is 2.5 at 25 fps).
    Returns:
        Increasing frame numbers, with 0 and T - 1.
    Raises:
        ParameterError: no axis, or one that is not 0, 1 or 2.
    Source: paper Sec. 3.3.2. Differs from the published code: extrema are kept by prominence, not
        by taking extrema of extrema repeatedly; distances are times, not frame counts.
    """
    check_shape("angles", angles, ("T", 3))
    if not axes or not set(axes) <= {PITCH, YAW, ROLL}:
        raise ParameterError("axes", f"must name angles 0, 1, 2, got {axes}", "e.g. (0, 1, 2)")
    n_frames = len(angles)
    if n_frames < 3:
        return np.arange(n_frames)
    times = np.asarray(times, np.float64)
    smooth = smooth_angles(angles, times)
    prominence = np.zeros(n_frames)
    for axis in axes:
        track = smooth[:, axis] / (smooth[:, axis].std() + 1e-6)
        for sign in (1, -1):
            peaks, about = find_peaks(sign * track, prominence=0.05)
            prominence[peaks] = np.maximum(prominence[peaks], about["prominences"])
    kept = [0, n_frames - 1]
    most = int(per_second * (times[-1] - times[0])) + 2
    for frame in np.argsort(-prominence, kind="stable"):
        if prominence[frame] == 0 or len(kept) >= most:
            break
        if np.abs(times[kept] - times[frame]).min() >= min_distance_s:
            kept.append(frame)
    return np.sort(np.array(kept, np.int64))
