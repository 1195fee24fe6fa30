"""Sound and motion on one 25 Hz grid, and the statistics that normalise them."""

from dataclasses import dataclass

import numpy as np

from tfhkit.audio import mfcc_windows
from tfhkit.errors import InputError, check_shape

STEP_S = 0.04  # the grid: 25 Hz, as published; clips of any frame rate are resampled by time
_LEAST_FRAMES = 16
# A coefficient that hardly moves is scaled by a share of the most active one's deviation:
# dividing by its own would blow tracking noise up to the size of the speech.
_FLOOR = 0.05


@dataclass(frozen=True)
class MotionTrack:
    """One stretch of speech on the 25 Hz grid.

    Args:
        windows: (T, 28, 12) MFCC windows.
        exp: (T, 64) expression. pose: (T, 6) pitch, yaw, roll in radians, translation in dm.
        valid: (T,) bool, False where the motion was bridged or not seen.
        times: (T,) seconds.
        speaker: a name; statistics of the pose are taken per speaker.
        id: (80,) identity, only needed to measure lips.
        lag_s: how much later than the frame's time the windows were taken; see `find_lag`.
    """

    windows: np.ndarray
    exp: np.ndarray
    pose: np.ndarray
    valid: np.ndarray
    times: np.ndarray
    speaker: str = ""
    id: np.ndarray | None = None
    lag_s: float = 0.0

    def __post_init__(self):
        check_shape("windows", self.windows, ("T", 28, 12))
        check_shape("exp", self.exp, (len(self), 64))
        check_shape("pose", self.pose, (len(self), 6))
        check_shape("valid", self.valid, (len(self),))
        apart_s = np.abs(np.diff(check_shape("times", np.asarray(self.times), (len(self),))))
        if len(apart_s) and not np.allclose(apart_s, STEP_S, atol=1e-3):
            fault = f"frames are {1000 * np.median(apart_s):.0f} ms apart, not {1000 * STEP_S:.0f}"
            raise InputError(self.speaker or "motion track", fault, "make it with make_track")

    def __len__(self):
        return len(self.windows)

    def __getitem__(self, frames):
        """A slice of frames."""
        return MotionTrack(
            self.windows[frames],
            self.exp[frames],
            self.pose[frames],
            self.valid[frames],
            self.times[frames],
            self.speaker,
            self.id,
            self.lag_s,
        )


def grid_times(start_s, stop_s):
    """Times of the 25 Hz grid from start_s up to stop_s."""
    return start_s + STEP_S * np.arange(int(np.floor((stop_s - start_s) / STEP_S + 1e-6)) + 1)


def resample(values, times, new_times):
    """Linear interpolation in time; the ends are held.

    Args:
        values: (T, D). times: (T,) increasing. new_times: (N,).
    Returns:
        (N, D) float32.
    """
    values = np.asarray(values)
    check_shape("values", values, ("T", "D"))
    check_shape("times", np.asarray(times), (len(values),))
    columns = [np.interp(new_times, times, values[:, d]) for d in range(values.shape[1])]
    return np.stack(columns, 1).astype(np.float32)


def make_track(audio, times, exp, pose, gap=None, speaker="", id=None, lag_s=0.0):
    """Bring a clip's sound and coefficients to the 25 Hz grid.

    Args:
        audio: (N,) 16 kHz; audio[0] is at time 0.
        times: (T,) frame times in seconds, any frame rate.
        exp: (T, 64). pose: (T, 6).
        gap: (T,) bool, frames that were bridged; they get no weight in training.
        speaker: name. id: (80,) identity.
        lag_s: take each frame's sound so much later; see `find_lag`.
    Returns:
        MotionTrack from the first to the last frame's time.
    Raises:
        InputError: fewer than 16 grid frames, or NaN in exp or pose.
        ShapeError: lengths differ.
    """
    times = np.asarray(times, np.float64)
    if len(times) < 2 or times[-1] - times[0] < STEP_S * (_LEAST_FRAMES - 1):
        raise InputError(
            speaker or "motion track",
            f"{len(times)} frames are too few to learn from",
            "give at least 0.64 s of frames",
        )
    for name, values in (("exp", exp), ("pose", pose)):
        if not np.isfinite(values).all():
            raise InputError(speaker or "motion track", f"{name} has NaN", "fit the clip again")
    grid = grid_times(times[0], times[-1])
    bridged = np.zeros(len(times)) if gap is None else np.asarray(gap, float)
    valid = np.interp(grid, times, bridged) < 0.5
    return MotionTrack(
        mfcc_windows(audio, grid + lag_s, allow_silent=True),
        resample(exp, times, grid),
        resample(pose, times, grid),
        valid,
        grid,
        speaker,
        None if id is None else np.asarray(id, np.float32),
        float(lag_s),
    )


@dataclass(frozen=True)
class Normalisation:
    """What turns coefficients into the network's units and back; stored with the weights.

    Args:
        mfcc_mean, mfcc_std: (12,) of the training sound.
        exp_mean, exp_std: (64,) of the training expression.
        pose_mean, pose_std: (6,) of the speaker's pose; the network learns (p - mean) / std.
        pose_centre, pose_spread: (6,) median and deviation of the trained network's answers;
            0 and 1 as long as they are not known. See `tfhkit.motion.predict`.
        lag_s: the sound of a frame is taken so much later than its picture.
    """

    mfcc_mean: np.ndarray
    mfcc_std: np.ndarray
    exp_mean: np.ndarray
    exp_std: np.ndarray
    pose_mean: np.ndarray
    pose_std: np.ndarray
    pose_centre: np.ndarray
    pose_spread: np.ndarray
    lag_s: float = 0.0

    @property
    def calibrated(self):
        """Whether pose_centre and pose_spread are known."""
        return bool((self.pose_spread != 1).any())


def measure_normalisation(tracks):
    """Statistics of a set of tracks.

    Means of the expression and the pose are those of each speaker, averaged over speakers; the
    deviations are those around each speaker's own mean.

    Args:
        tracks: MotionTracks.
    Returns:
        Normalisation, not calibrated.
    """
    sound = np.concatenate([t.windows.reshape(-1, 12) for t in tracks])
    exp, pose = [], []
    for name in sorted({t.speaker for t in tracks}):
        own = [t for t in tracks if t.speaker == name]
        exp.append(np.concatenate([t.exp[t.valid] for t in own]))
        pose.append(np.concatenate([t.pose[t.valid] for t in own]))
    exp_std = _spread(exp)
    return Normalisation(
        sound.mean(0),
        sound.std(0) + 1e-3,
        np.mean([e.mean(0) for e in exp], 0),
        np.maximum(exp_std, _FLOOR * exp_std.max()) + 1e-6,
        np.mean([p.mean(0) for p in pose], 0),
        _spread(pose) + np.float32(1e-4),
        np.zeros(6, np.float32),
        np.ones(6, np.float32),
        float(np.mean([t.lag_s for t in tracks])),
    )


def _spread(parts):
    """Deviation around each part's own mean, (D,)."""
    return np.sqrt(np.mean(np.concatenate([(p - p.mean(0)) ** 2 for p in parts]), 0))


def normalise_sound(windows, norm, scope):
    """Standardise windows (T, 28, 12); see `MotionConfig.mfcc_scope`."""
    if scope == "track":
        # Row 13 and 14 are the window's centre: together the frames' rows are the track, once.
        rows = windows[:, 13:15].reshape(-1, 12)
        return ((windows - rows.mean(0)) / (rows.std(0) + 0.1)).astype(np.float32)
    return ((windows - norm.mfcc_mean) / norm.mfcc_std).astype(np.float32)


def normalise_motion(track, norm):
    """A track's exp (T, 64) and pose (T, 6) in the network's units."""
    exp = (track.exp - norm.exp_mean) / norm.exp_std
    pose = (track.pose - norm.pose_mean) / norm.pose_std
    return exp.astype(np.float32), pose.astype(np.float32)
