"""How a person moves: a personal style, and head motion with a known part from the sound."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float, Float32
from scipy.ndimage import gaussian_filter1d

from tfhkit.errors import ParameterError
from tfhkit.virtual.prosody import GRID_HZ, Prosody, grid_times, prosody
from tfhkit.virtual.visemes import at_times
from tfhkit.virtual.voice import SILENCE, Phoneme, Utterance

# The head turns about the top of the neck: this point of the head (dm) stays where it is.
NECK_PIVOT = (0.0, -1.1, -0.25)
_MAX_SHARE = 0.98

PerAxis = tuple[float, float, float]  # one number for pitch, yaw and roll, or for x, y and z


@dataclass(frozen=True)
class PersonalStyle:
    """A person's way of moving. Axes are pitch, yaw, roll (see `tfhkit.camera`).

    Args:
        rest_deg: mean angles.
        rest_trans: mean translation, dm.
        range_deg: standard deviation of each angle.
        sway_dm: standard deviation of the translation that does not follow from the angles.
        nod_hz, shake_hz, tilt_hz: rates of single gestures about each axis.
        coupling: weights of each axis (rows) for voice pitch, energy and phrase position.
        sound_share: part of each angle's variance that comes from the sound, 0 to 0.98.
        lag_s: delay of the head's motion after the sound.
        blink_hz: blinks a second.
        smile: 0 to 1, held smile.
        brow: how far the brows rise with the voice's pitch.
        articulation: how far jaw and lips move, 1 is common.
        asymmetry: -1 to 1, more motion on the subject's left (+) or right (-).
        gaze_deg: standard deviation of the gaze around the direction to the camera.
        parted: how far the jaw hangs open while nothing is said, in units of the jaw gesture.
        pause_open: how far the jaw opens in pauses, in the same units.
        breath: 0 to 1, how often and how far the mouth opens to breathe in.
        viseme_spread, viseme_seed: how much the mouth's shapes differ from the common ones, and
            the random seed of the difference; see `personal_visemes`.
    """

    rest_deg: PerAxis = (0.0, 0.0, 0.0)
    rest_trans: PerAxis = (0.0, 0.0, 0.0)
    range_deg: PerAxis = (3.0, 4.0, 2.0)
    sway_dm: PerAxis = (0.05, 0.02, 0.05)
    nod_hz: float = 0.15
    shake_hz: float = 0.08
    tilt_hz: float = 0.08
    coupling: tuple[PerAxis, PerAxis, PerAxis] = (
        (0.6, 0.8, 0.5),
        (0.3, 0.4, 0.6),
        (0.4, -0.3, 0.3),
    )
    sound_share: PerAxis = (0.4, 0.3, 0.3)
    lag_s: float = 0.08
    blink_hz: float = 0.3
    smile: float = 0.1
    brow: float = 0.5
    articulation: float = 1.0
    asymmetry: float = 0.0
    gaze_deg: float = 2.5
    parted: float = 0.05
    pause_open: float = 0.0
    breath: float = 0.4
    viseme_spread: float = 0.0
    viseme_seed: int = 0

    def __post_init__(self) -> None:
        if not all(0 <= share <= _MAX_SHARE for share in self.sound_share):
            raise ParameterError(
                "sound_share", f"{self.sound_share} is out of range", f"give 0 to {_MAX_SHARE}"
            )

    def with_share(self, share: float) -> "PersonalStyle":
        """The same style with another sound_share on all axes."""
        return replace(self, sound_share=(float(share), float(share), float(share)))


@dataclass(frozen=True)
class HeadMotion:
    """Head pose and its known parts: pose = rest + from_sound + own.

    Args:
        pose, from_sound, own: angles in radians, translation in dm.
        rest: mean pose.
        share: part of each angle's variance that came from the sound over the utterance.
    """

    pose: Float32[np.ndarray, "T 6"]
    from_sound: Float32[np.ndarray, "T 6"]
    own: Float32[np.ndarray, "T 6"]
    rest: Float32[np.ndarray, "6"]
    share: Float32[np.ndarray, "3"]


def random_style(seed: int | tuple[int, ...]) -> PersonalStyle:
    """A person's style, drawn from plausible ranges; the same for the same seed."""
    rng = np.random.default_rng(seed)
    draw = rng.uniform
    coupling = rng.normal(0, 0.5, (3, 3))
    coupling[0] = np.abs(coupling[0]) + (0.3, 0.4, 0.2)  # heads nod with stress, whoever speaks
    return PersonalStyle(
        rest_deg=_per_axis(rng.normal(0, (3.0, 5.0, 2.0))),
        rest_trans=_per_axis(rng.normal(0, (0.05, 0.05, 0.15))),
        range_deg=(draw(1.5, 4.5), draw(1.5, 6.0), draw(0.8, 3.0)),
        sway_dm=(draw(0.02, 0.08), draw(0.01, 0.03), draw(0.02, 0.08)),
        nod_hz=draw(0.03, 0.3),
        shake_hz=draw(0.0, 0.2),
        tilt_hz=draw(0.0, 0.2),
        coupling=(_per_axis(coupling[0]), _per_axis(coupling[1]), _per_axis(coupling[2])),
        sound_share=(draw(0.2, 0.6), draw(0.1, 0.5), draw(0.1, 0.5)),
        lag_s=draw(0.0, 0.2),
        blink_hz=draw(0.15, 0.5),
        smile=draw(0.0, 0.35),
        brow=draw(0.2, 1.0),
        articulation=draw(0.75, 1.25),
        asymmetry=float(np.clip(rng.normal(0, 0.3), -1, 1)),
        gaze_deg=draw(1.5, 4.0),
        parted=draw(0.0, 0.25),
        breath=draw(0.0, 1.0),
        viseme_spread=draw(0.1, 0.4),
        viseme_seed=int(rng.integers(2**31)),
    )


def _per_axis(values: Float[np.ndarray, "3"]) -> PerAxis:
    first, second, third = values.tolist()
    return first, second, third


def phrases(phonemes: Sequence[Phoneme], min_pause_s: float = 0.1) -> list[tuple[float, float]]:
    """(start_s, end_s) of the stretches of speech between pauses."""
    spans: list[tuple[float, float]] = []
    for phoneme in phonemes:
        if phoneme.name == SILENCE:
            continue
        if spans and phoneme.start_s - spans[-1][1] < min_pause_s:
            spans[-1] = spans[-1][0], phoneme.end_s
        else:
            spans.append((phoneme.start_s, phoneme.end_s))
    return spans


def sound_features(
    utterance: Utterance, voice_prosody: Prosody | None = None
) -> Float[np.ndarray, "G 3"]:
    """Features of the sound that can move the head: pitch, energy, phrase position on the grid.

    All are smooth (below about 2 Hz) and of the order of 1. The phrase position falls from +1 at a
    phrase's start to -1 at its end, and is 0 in pauses.
    """
    sound = voice_prosody or prosody(utterance.audio, utterance.sr_hz)
    grid = grid_times(utterance.duration_s)
    position = np.zeros(len(grid))
    for start_s, end_s in phrases(utterance.phonemes):
        inside = (grid >= start_s) & (grid < end_s)
        position[inside] = 1 - 2 * (grid[inside] - start_s) / (end_s - start_s)
    loudness = np.interp(grid, sound.times, sound.loudness)
    slow = gaussian_filter1d(loudness, 1.5 * GRID_HZ)
    features = [
        gaussian_filter1d(np.interp(grid, sound.times, sound.pitch_st), 0.15 * GRID_HZ) / 1.5,
        gaussian_filter1d(loudness - slow, 0.1 * GRID_HZ) / 0.2,
        gaussian_filter1d(position, 0.12 * GRID_HZ) / 0.5,
    ]
    return np.stack(features, 1)


def head_motion(
    utterance: Utterance,
    style: PersonalStyle,
    times: Float[np.ndarray, "T"],
    seed: int | tuple[int, ...],
    voice_prosody: Prosody | None = None,
) -> HeadMotion:
    """Head pose of a person who says an utterance.

    Each angle is rest + a part that follows the sound (lagged, smooth features of it, weighted by
    `style.coupling`) + a part of its own (wander, posture shifts, nods, shakes, tilts). Both parts
    are uncorrelated over the utterance and scaled so that the first has `style.sound_share` of the
    variance. Translation follows from turning about the neck, plus sway.

    Args:
        utterance: what is said.
        style: how the person moves.
        times: seconds.
        seed: random seed.
        voice_prosody: the utterance's prosody; None measures it.
    """
    rng = np.random.default_rng(seed)
    grid = grid_times(utterance.duration_s)
    features = sound_features(utterance, voice_prosody)
    lag = int(round(style.lag_s * GRID_HZ))
    features = np.concatenate([np.repeat(features[:1], lag, 0), features])[: len(grid)]
    driven = features @ np.array(style.coupling).T
    driven -= driven.mean(0)
    rates = (style.nod_hz, style.shake_hz, style.tilt_hz)
    own = np.stack([_wander(rng, len(grid), rate) for rate in rates], 1)
    level = own - own.mean(0)
    power = (driven**2).sum(0)
    own -= driven * ((level * driven).sum(0) / np.maximum(power, 1e-9))  # uncorrelated parts
    share = np.where(power > 1e-6, np.array(style.sound_share), 0.0)
    spread = np.maximum(own.std(0), 0.2)  # of very short utterances the own part hardly moves
    gain = spread / np.maximum(driven.std(0), 1e-6)
    scale = np.radians(style.range_deg)
    angles_sound = driven * gain * np.sqrt(share) * scale
    angles_own = own * np.sqrt(1 - share) * scale
    sway = np.stack([_smooth_noise(rng, len(grid), 0.6) for _ in range(3)], 1)
    from_sound = np.concatenate([angles_sound, _about_neck(angles_sound)], 1)
    own6 = np.concatenate([angles_own, _about_neck(angles_own) + sway * style.sway_dm], 1)
    rest = np.concatenate([np.radians(style.rest_deg), style.rest_trans]).astype(np.float32)
    variance = from_sound[:, :3].var(0)
    actual = variance / np.maximum(variance + own6[:, :3].var(0), 1e-12)
    from_sound, own6 = at_times(from_sound, grid, times), at_times(own6, grid, times)
    return HeadMotion(rest + from_sound + own6, from_sound, own6, rest, actual.astype(np.float32))


def _about_neck(angles: Float[np.ndarray, "G 3"]) -> Float[np.ndarray, "G 3"]:
    """Translation that keeps NECK_PIVOT in place for small angles: -(angles x pivot)."""
    return -np.cross(angles, np.array(NECK_PIVOT))


def _smooth_noise(rng: np.random.Generator, n: int, sigma_s: float) -> Float[np.ndarray, "n"]:
    """Gaussian noise below about 0.2 / sigma_s Hz, of unit variance over a long time."""
    sigma = sigma_s * GRID_HZ
    margin = int(4 * sigma)
    noise = gaussian_filter1d(rng.normal(size=n + 2 * margin), sigma)[margin : margin + n]
    return noise * np.sqrt(2 * np.sqrt(np.pi) * sigma)


def _wander(rng: np.random.Generator, n: int, gesture_hz: float) -> Float[np.ndarray, "n"]:
    """Motion that does not come from the sound, of about unit variance."""
    track = 0.6 * _smooth_noise(rng, n, 0.25) + 0.35 * _smooth_noise(rng, n, 2.0)
    posture, at = np.zeros(n), 0
    while at < n:  # a posture is held for some seconds, then changed
        hold = int(rng.uniform(1.5, 5.0) * GRID_HZ)
        posture[at : at + hold] = rng.normal()
        at += hold
    track += 0.65 * gaussian_filter1d(posture, 0.28 * GRID_HZ)
    length = int(1.2 * GRID_HZ)
    time = np.arange(length) / GRID_HZ
    for start in np.flatnonzero(rng.random(n) < gesture_hz / GRID_HZ):
        swing = np.sin(2 * np.pi * rng.uniform(1.2, 2.2) * time) * np.exp(-time / 0.35)
        swing *= rng.choice((-1, 1)) * rng.uniform(1.0, 2.2)
        part = track[start : start + length]
        part += swing[: len(part)]
    return track
