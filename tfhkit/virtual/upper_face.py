"""Eyes and brows of a virtual speaker: blinks, brows with the voice's pitch, small saccades."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from tfhkit.virtual.prosody import GRID_HZ, Prosody, grid_times
from tfhkit.virtual.style import PersonalStyle, phrases
from tfhkit.virtual.visemes import ACTIONS, at_times
from tfhkit.virtual.voice import Utterance

_LOOK_DEG = 30.0  # the eyes' turn at full strength of an eyeLook action
_HEAD_HELD = 0.8  # how much of the head's turn the eyes undo to keep looking at the camera


def blink_times(
    utterance: Utterance, style: PersonalStyle, seed: int | tuple[int, ...]
) -> Float[np.ndarray, "K"]:
    """Starts of blinks in s: at random, at the style's rate, more likely where a phrase ends."""
    rng = np.random.default_rng(seed)
    starts, at = [], rng.exponential(1 / style.blink_hz)
    while at < utterance.duration_s:
        starts.append(at)
        at += 0.7 + rng.exponential(max(1 / style.blink_hz - 0.7, 0.3))
    for _, end_s in phrases(utterance.phonemes):
        if rng.random() < 0.35 and all(abs(end_s - start) > 0.7 for start in starts):
            starts.append(end_s + rng.uniform(-0.05, 0.15))
    return np.sort(np.array(starts))


def upper_actions(
    utterance: Utterance,
    style: PersonalStyle,
    times: Float[np.ndarray, "T"],
    seed: int | tuple[int, ...],
    head: Callable[[Float[np.ndarray, "G"]], Float[np.ndarray, "G 6"]],
    voice_prosody: Prosody,
) -> tuple[Float[np.ndarray, "T 52"], Float[np.ndarray, "K"]]:
    """Facial actions of eyes, brows and a held smile.

    Args:
        utterance: what is said.
        style: how the person moves.
        times: seconds.
        seed: random seed.
        head: function of times that gives the head's pose; the eyes turn against it to keep
            looking at the camera.
        voice_prosody: the utterance's prosody.
    Returns:
        actions: float32 in [0, 1], in the order of ACTIONS.
        blinks: starts of the blinks in s.
    """
    grid = grid_times(utterance.duration_s)
    seeds = seed if isinstance(seed, tuple) else (seed,)
    rng = np.random.default_rng((*seeds, 1))
    blinks = blink_times(utterance, style, (*seeds, 2))
    closed = _lid_track(blinks, grid)
    high = np.interp(grid, voice_prosody.times, voice_prosody.pitch_st)
    high = gaussian_filter1d(high.clip(0, 8), 0.1 * GRID_HZ) / 6
    brow = style.brow * (high + 0.05 * np.abs(_slow(rng, len(grid))))
    frown = style.brow * 0.12 * _slow(rng, len(grid)).clip(0, None)
    gaze = _saccades(rng, len(grid), style.gaze_deg)
    pitch, yaw = np.degrees(head(grid)[:, :2]).T
    right = (gaze[:, 0] - _HEAD_HELD * yaw) / _LOOK_DEG  # towards the image's right
    down = (gaze[:, 1] - _HEAD_HELD * pitch) / _LOOK_DEG
    tracks = _eye_tracks(closed, right, down) | {
        "browInnerUp": 0.7 * brow,
        "browOuterUpLeft": 0.6 * brow * (1 + 0.3 * style.asymmetry),
        "browOuterUpRight": 0.6 * brow * (1 - 0.3 * style.asymmetry),
        "browDownLeft": frown + 0.1 * closed,
        "browDownRight": frown + 0.1 * closed,
        "mouthSmileLeft": np.full(len(grid), style.smile * (1 + 0.4 * style.asymmetry)),
        "mouthSmileRight": np.full(len(grid), style.smile * (1 - 0.4 * style.asymmetry)),
        "cheekSquintLeft": np.full(len(grid), 0.5 * style.smile),
        "cheekSquintRight": np.full(len(grid), 0.5 * style.smile),
    }
    actions = np.zeros((len(grid), len(ACTIONS)))
    for name, track in tracks.items():
        actions[:, ACTIONS.index(name)] = track
    return at_times(actions.clip(0, 1), grid, times), blinks


def _lid_track(
    blinks: Float[np.ndarray, "K"], grid: Float[np.ndarray, "G"]
) -> Float[np.ndarray, "G"]:
    """How far the lids are closed by blinks that start at these times."""
    closed = np.zeros(len(grid))
    for start_s in blinks:
        phase = grid - start_s
        down, up = (phase / 0.09).clip(0, 1), ((phase - 0.12) / 0.17).clip(0, 1)
        closed = np.maximum(closed, down * (1 - up))
    return gaussian_filter1d(closed, 0.012 * GRID_HZ)


def _eye_tracks(
    closed: Float[np.ndarray, "G"], right: Float[np.ndarray, "G"], down: Float[np.ndarray, "G"]
) -> dict[str, Float[np.ndarray, "G"]]:
    """Actions of lids and eyes from how far the lids are closed and where the gaze goes."""
    return {
        "eyeBlinkLeft": closed + 0.15 * down.clip(0, None),
        "eyeBlinkRight": closed + 0.15 * down.clip(0, None),
        "eyeLookOutLeft": right,  # the subject's left eye turns out to the image's right
        "eyeLookInRight": right,
        "eyeLookInLeft": -right,
        "eyeLookOutRight": -right,
        "eyeLookDownLeft": down,
        "eyeLookDownRight": down,
        "eyeLookUpLeft": -down,
        "eyeLookUpRight": -down,
    }


def _slow(rng: np.random.Generator, n: int) -> Float[np.ndarray, "n"]:
    """Slow Gaussian noise of about unit variance."""
    sigma = 0.8 * GRID_HZ
    return gaussian_filter1d(rng.normal(size=n), sigma) * np.sqrt(2 * np.sqrt(np.pi) * sigma)


def _saccades(rng: np.random.Generator, n: int, spread_deg: float) -> Float[np.ndarray, "n 2"]:
    """Gaze in degrees, right and down: held for 0.4 to 2 s, then a jump within 40 ms."""
    gaze, at = np.zeros((n, 2)), 0
    while at < n:
        hold = int(rng.uniform(0.4, 2.0) * GRID_HZ)
        gaze[at : at + hold] = rng.normal(0, (spread_deg, 0.6 * spread_deg))
        at += hold
    return gaussian_filter1d(gaze, 0.012 * GRID_HZ, axis=0)
