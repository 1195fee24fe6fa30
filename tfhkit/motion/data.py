"""Sound and motion on one 25 Hz grid, and the statistics that normalise them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from tfhkit.audio import band_windows, mfcc_windows
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
        windows: MFCC windows.
        exp: expression.
        pose: pitch, yaw, roll in radians, translation in dm.
        valid: False where the motion was bridged or not seen.
        times: seconds.
        speaker: a name; statistics of expression and pose are taken per speaker.
        id: identity, only needed to measure lips.
        lag_s: how much later than the frame's time the windows were taken; see `personal_track`.
        bands: mel bands of the same windows, for the linear path; None where none is learned.
        states: the recogniser's, see `tfhkit.audio.recogniser_states`; None without them.
    """

    windows: Float[np.ndarray, "T 28 12"]
    exp: Float[np.ndarray, "T 64"]
    pose: Float[np.ndarray, "T 6"]
    valid: Bool[np.ndarray, "T"]
    times: Float[np.ndarray, "T"]
    speaker: str = ""
    id: Float[np.ndarray, "80"] | None = None
    lag_s: float = 0.0
    bands: Float[np.ndarray, "T 14 26"] | None = None
    states: Float[np.ndarray, "T 288"] | None = None

    def __post_init__(self) -> None:
        check_shape("windows", self.windows, ("T", 28, 12))
        check_shape("exp", self.exp, (len(self), 64))
        check_shape("pose", self.pose, (len(self), 6))
        check_shape("valid", self.valid, (len(self),))
        if self.bands is not None:
            check_shape("bands", self.bands, (len(self), 14, 26))
        if self.states is not None:
            check_shape("states", self.states, (len(self), 288))
        apart_s = np.abs(np.diff(check_shape("times", self.times, (len(self),))))
        if len(apart_s) and not np.allclose(apart_s, STEP_S, atol=1e-3):
            fault = f"frames are {1000 * np.median(apart_s):.0f} ms apart, not {1000 * STEP_S:.0f}"
            raise InputError(self.speaker or "motion track", fault, "make it with make_track")

    def __len__(self) -> int:
        return len(self.windows)

    def __getitem__(self, frames: slice) -> "MotionTrack":
        """The track of a slice of frames."""
        return MotionTrack(
            self.windows[frames],
            self.exp[frames],
            self.pose[frames],
            self.valid[frames],
            self.times[frames],
            self.speaker,
            self.id,
            self.lag_s,
            None if self.bands is None else self.bands[frames],
            None if self.states is None else self.states[frames],
        )


def grid_times(start_s: float, stop_s: float) -> Float[np.ndarray, "T"]:
    """Times of the 25 Hz grid from start_s up to stop_s."""
    return start_s + STEP_S * np.arange(int(np.floor((stop_s - start_s) / STEP_S + 1e-6)) + 1)


def resample(
    values: Float[np.ndarray, "T D"],
    times: Float[np.ndarray, "T"],
    new_times: Float[np.ndarray, "N"],
) -> Float[np.ndarray, "N D"]:
    """Linear interpolation in time; the ends are held.

    Args:
        values: one row for each of `times`.
        times: increasing.
        new_times: in any order.
    Returns:
        float32.
    Raises:
        ShapeError: lengths differ.
    """
    check_shape("values", values, ("T", "D"))
    check_shape("times", times, (len(values),))
    columns = [np.interp(new_times, times, values[:, d]) for d in range(values.shape[1])]
    return np.stack(columns, 1).astype(np.float32)


def make_track(
    audio: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    exp: Float[np.ndarray, "T 64"],
    pose: Float[np.ndarray, "T 6"],
    gap: Bool[np.ndarray, "T"] | None = None,
    speaker: str = "",
    id: Float[np.ndarray, "80"] | None = None,
    lag_s: float = 0.0,
) -> MotionTrack:
    """Bring a clip's sound and coefficients to the 25 Hz grid.

    Args:
        audio: 16 kHz; audio[0] is at time 0.
        times: frame times in seconds, any frame rate.
        exp: expression.
        pose: angles in radians, translation in dm.
        gap: frames that were bridged; they get no weight in training.
        speaker: a name.
        id: identity.
        lag_s: take each frame's sound so much later; see `personal_track`.
    Returns:
        The track from the first to the last frame's time.
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
        band_windows(audio, grid + lag_s, allow_silent=True),
    )


@dataclass(frozen=True)
class Normalisation:
    """Statistics that turn coefficients into the network's units and back; saved with the weights.

    Args:
        mfcc_mean, mfcc_std: mean and standard deviation of the training sound.
        exp_mean, exp_std: the same of the training expression.
        pose_mean, pose_std: the same of the speaker's pose; the network learns (p - mean) / std.
        pose_centre, pose_spread: median of the trained network's poses, and their deviation as a
            share of the truth's; 0 and 1 as long as they are not known. See
            `tfhkit.motion.predict`.
        lag_s: the sound of a frame is taken so much later than its picture.
    """

    mfcc_mean: Float[np.ndarray, "12"]
    mfcc_std: Float[np.ndarray, "12"]
    exp_mean: Float[np.ndarray, "64"]
    exp_std: Float[np.ndarray, "64"]
    pose_mean: Float[np.ndarray, "6"]
    pose_std: Float[np.ndarray, "6"]
    pose_centre: Float[np.ndarray, "6"]
    pose_spread: Float[np.ndarray, "6"]
    lag_s: float = 0.0

    @property
    def calibrated(self) -> bool:
        """Whether pose_centre and pose_spread are known."""
        return bool((self.pose_spread != 1).any())

    def with_sound_of(self, other: "Normalisation") -> "Normalisation":
        """The same statistics of the motion, with another's of the sound."""
        return replace(self, mfcc_mean=other.mfcc_mean, mfcc_std=other.mfcc_std)


def measure_normalisation(tracks: Sequence[MotionTrack]) -> Normalisation:
    """Statistics of a set of tracks, not calibrated.

    Means of the expression and the pose are those of each speaker, averaged over speakers; the
    deviations are those around each speaker's own mean.
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


def pool_normalisations(
    parts: tuple[Normalisation, Normalisation], speakers: tuple[int, int], frames: tuple[int, int]
) -> Normalisation:
    """Statistics of two sets of tracks together, from those of each, not calibrated.

    Args:
        parts: statistics of both sets.
        speakers, frames: how many each has; no speaker is in both.
    """

    def mean(name: str, weights: tuple[int, int]) -> Float[np.ndarray, "..."]:
        return np.average([getattr(part, name) for part in parts], 0, weights)

    def around(name: str) -> Float[np.ndarray, "..."]:
        squares = [getattr(part, name).astype(np.float64) ** 2 for part in parts]
        return np.sqrt(np.average(squares, 0, frames))

    sound = mean("mfcc_mean", frames)
    apart = np.average([(part.mfcc_mean - sound) ** 2 for part in parts], 0, frames)
    found = Normalisation(
        sound,
        np.sqrt(around("mfcc_std") ** 2 + apart),
        mean("exp_mean", speakers),
        around("exp_std"),
        mean("pose_mean", speakers),
        around("pose_std"),
        np.zeros(6),
        np.ones(6),
    )
    as_saved = {n: v.astype(np.float32) for n, v in vars(found).items() if n != "lag_s"}
    lag_s = float(np.average([part.lag_s for part in parts], weights=frames))
    return Normalisation(**as_saved, lag_s=lag_s)


def _spread(parts: list[Float[np.ndarray, "_ D"]]) -> Float[np.ndarray, "D"]:
    """Deviation around each part's own mean."""
    return np.sqrt(np.mean(np.concatenate([(p - p.mean(0)) ** 2 for p in parts]), 0))


def normalise_sound(
    windows: Float[np.ndarray, "T 28 12"], norm: Normalisation, scope: str
) -> Float[np.ndarray, "T 28 12"]:
    """Standardise MFCC windows; `scope` is `MotionConfig.mfcc_scope`."""
    if scope == "track":
        # Rows 13 and 14 are the window's centre: those of all frames together are the track, once.
        rows = windows[:, 13:15].reshape(-1, 12)
        return ((windows - rows.mean(0)) / (rows.std(0) + 0.1)).astype(np.float32)
    return ((windows - norm.mfcc_mean) / norm.mfcc_std).astype(np.float32)


def normalise_motion(
    track: MotionTrack, norm: Normalisation
) -> tuple[Float[np.ndarray, "T 64"], Float[np.ndarray, "T 6"]]:
    """A track's expression and pose in the network's units."""
    exp = (track.exp - norm.exp_mean) / norm.exp_std
    pose = (track.pose - norm.pose_mean) / norm.pose_std
    return exp.astype(np.float32), pose.astype(np.float32)
