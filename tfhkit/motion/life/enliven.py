"""A mean prediction becomes one of the many motions that this person could make."""

import numpy as np
from jaxtyping import Float
from scipy.interpolate import make_interp_spline

from tfhkit.errors import ParameterError, check_shape
from tfhkit.motion.data import grid_times, resample
from tfhkit.motion.life.eyes import EyeTracks, blink_times, eye_expression, lid_closing
from tfhkit.motion.life.joints import along
from tfhkit.motion.life.learn import Life
from tfhkit.motion.life.lips import lively_lips
from tfhkit.motion.life.sound import envelope
from tfhkit.motion.life.walk import WALK, WalkSettings, find_walk
from tfhkit.motion.predict import ExpAndPose

LID_FADE_S = 0.15


def enliven(
    life: Life,
    exp: Float[np.ndarray, "T 64"],
    pose: Float[np.ndarray, "T 6"],
    audio: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    seed: int | None = 0,
    walk: WalkSettings = WALK,
) -> ExpAndPose:
    """Give a predicted motion what the mean of all possible motions does not have.

    The lips keep what the sound says, in the person's amplitude. Head, gaze and what the sound
    does not say of the brows are played from the person's own frames, chosen by loudness.
    Blinks come at the person's rate.

    Args:
        life: the person's Life.
        exp, pose: predicted from the sound.
        audio: 16 kHz; audio[0] is at time 0.
        times: seconds of the frames, any frame rate.
        seed: random seed; another one gives another motion. None gives the prediction itself.
        walk: how the pieces are chosen.
    Returns:
        expression and pose, float32.
    Raises:
        ParameterError: times that do not increase, a negative seed.
    """
    times = check_shape("times", np.asarray(times, np.float64), (len(exp),))
    check_shape("pose", pose, (len(exp), 6))
    if (np.diff(times) <= 0).any():
        raise ParameterError("times", "do not increase", "sort them, each once")
    if seed is not None and seed < 0:
        raise ParameterError("seed", f"is {seed}", "give 0 or more")
    if seed is None or not len(times):
        return np.asarray(exp, np.float32), np.asarray(pose, np.float32)
    rngs = np.random.default_rng(seed).spawn(3)
    grid = grid_times(times.min(), times.max() + 0.08)
    asked, pause = envelope(audio, grid)
    source = life.source
    found = find_walk(source.pose, source.loudness, source.usable, asked, rngs[0], walk)
    head_and_brows = along(np.concatenate([source.pose, source.brows], 1), found)
    predicted = _at(np.asarray(exp, np.float64), times, grid)
    face = predicted if life.eyes is None else predicted @ life.eyes.calm
    brows = predicted @ life.brow_part
    lively = lively_lips(life.lips, face - brows, pause, rngs[1])
    lively += brows + life.brow_shift + head_and_brows[:, 6:]
    result = _smoothly_at(np.concatenate([lively, head_and_brows[:, :6]], 1), grid, times)
    if life.eyes is not None:
        tracks = EyeTracks(along(source.lids, found, LID_FADE_S), source.gaze[found.place])
        tracks = EyeTracks(*(_at(part, grid, times) for part in (tracks.lids, tracks.gaze)))
        starts = grid[0] + blink_times(life.eyes, pause, rngs[2])
        closing = lid_closing(life.eyes, starts, times, rngs[2])
        result[:, :64] += eye_expression(life.eyes, tracks, closing)
    return result[:, :64].astype(np.float32), result[:, 64:].astype(np.float32)


def _at(values, times, new_times):
    return resample(values, times, new_times).astype(np.float64)


def _smoothly_at(values, grid, times):
    """Tracks of the 25 Hz grid at other times, without corners between its steps."""
    return make_interp_spline(grid, values, k=min(3, len(grid) - 1))(times)
