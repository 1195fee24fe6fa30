"""Lips: the amplitude that a mean prediction loses, motion in pauses, and the person's limits."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from tfhkit.face.model import MorphableModel
from tfhkit.motion.data import STEP_S
from tfhkit.motion.life.upper import landmark_gram, vertex_gram
from tfhkit.motion.lips import LOWER, MOUTH, UPPER

SMALLEST_GAIN, LARGEST_GAIN = 0.7, 2.5
# An opening that is less varied than the person's by this factor, or more, is due to the voice.
OTHER_VOICE, LARGEST_CHANGE = 1.6, 2.0
WHOLE_FACE = 0.05  # weight of the whole face against the mouth's landmarks
LEAST_SHARE = 0.01  # of the variance, of a direction that moves in pauses
# Usual variance in pauses, as a share of that in speech, and for how many seconds it counts.
PAUSE_SHARE, PAUSE_WEIGHT_S = 0.35, 1.0
PAUSE_SCALE_S = (0.12, 0.5)  # bounds of the time scale of motion in pauses
JITTER_S = 0.04  # motion that is faster is the tracker's
MARGIN = 0.1  # of the opening's range, in which it is compressed


@dataclass(frozen=True, eq=False)
class Lips:
    """How a person's lips differ from a mean prediction of them. Expressions are rows.

    Args:
        centre, rest: mean of the prediction, and of the truth.
        gain: what a deviation from `centre` is multiplied by.
        spread: standard deviation of the person's opening while speaking, mm.
        modes: expressions of the motion in pauses, at one standard deviation.
        scale_s: time scale of each.
        opening, opening_zero: the height between the inner lips in mm is zero + exp @ opening.
        way: change of expression that opens the lips by 1 mm, as the person does.
        limits: least and largest opening of the person, mm.
    """

    centre: Float[np.ndarray, "64"]
    rest: Float[np.ndarray, "64"]
    gain: float
    spread: float
    modes: Float[np.ndarray, "K 64"]
    scale_s: Float[np.ndarray, "K"]
    opening: Float[np.ndarray, "64"]
    opening_zero: float
    way: Float[np.ndarray, "64"]
    limits: Float[np.ndarray, "2"]


def learn_lips(
    model: MorphableModel,
    id: Float[np.ndarray, "80"],
    true: Float[np.ndarray, "T 64"],
    predicted: Float[np.ndarray, "T 64"],
    pause: Float[np.ndarray, "T"],
) -> Lips:
    """Compare the truth with its prediction, on the 25 Hz grid.

    One gain for the whole mouth gives the opening the deviation of the truth. No correlation
    changes by it; the bound keeps a mouth that is hardly predicted from moving at random.

    Args:
        model, id: the face. true, predicted: expression of the same frames, without the brows.
        pause: share of pause.
    """
    centre, rest = predicted.mean(0), true.mean(0)
    opening, zero = opening_of(model, id)
    mm, made_mm = true @ opening + zero, predicted @ opening
    gain = np.clip((mm.std() + 1e-6) / (made_mm.std() + 1e-6), SMALLEST_GAIN, LARGEST_GAIN)
    way = (true - rest).T @ (mm - mm.mean())
    open_by = float(way @ opening)
    way = way / open_by if open_by > 1e-9 else opening / (opening @ opening)
    modes, scale_s = _pause_motion(model, true - rest, gain * (predicted - centre), pause > 0.5)
    limits = np.array([mm.min(), mm.max()])
    spread = _spread(mm, 1 - pause)
    return Lips(centre, rest, float(gain), spread, modes, scale_s, opening, zero, way, limits)


def _pause_motion(model, moved, made, still):
    """Expressions (K, 64) of what a prediction lacks in pauses, and their time scales in s.

    The directions are the principal ones of the mouth's landmarks over all of the speech.
    """
    metric = landmark_gram(model, MOUTH) + WHOLE_FACE * vertex_gram(model)
    root = np.linalg.cholesky(metric + 1e-9 * np.trace(metric) * np.eye(len(metric)))
    _, _, axes = np.linalg.svd(root.T @ (moved.T @ moved) @ root)
    moved, made = moved @ root @ axes.T, made @ root @ axes.T
    usual = PAUSE_SHARE * (moved**2).mean(0)
    own = usual > LEAST_SHARE * usual.sum()
    count, weight = float(still.sum()), PAUSE_WEIGHT_S / STEP_S
    lacking = usual
    if count > 2:
        share = count / (count + weight)
        lacking = share * (moved[still].var(0) - made[still].var(0)) + (1 - share) * usual
    calm = gaussian_filter1d(moved, JITTER_S / STEP_S, axis=0)
    pairs = still[1:] & still[:-1] if count > weight else np.ones(len(still) - 1, bool)
    speed = (np.diff(calm, axis=0)[pairs] / STEP_S).std(0)
    scale_s = calm[1:][pairs].std(0) / np.maximum(speed, 1e-9)
    std = np.sqrt(np.maximum(lacking, 0))
    modes = (std[:, None] * axes @ np.linalg.inv(root))[own]
    return modes, scale_s[own].clip(*PAUSE_SCALE_S)


def opening_of(
    model: MorphableModel, id: Float[np.ndarray, "80"]
) -> tuple[Float[np.ndarray, "64"], float]:
    """Height between the inner lips in mm as a linear function of the expression.

    Args:
        model, id: the face.
    Returns:
        weights, and the height of the expression zero.
    """
    ids = model.landmark_ids.cpu()[[UPPER, LOWER]]
    exp_y, id_y, mean_y = (
        part.cpu()[..., ids, 1].double().numpy()
        for part in (model.exp_basis, model.id_basis, model.mean_shape)
    )
    y = mean_y + np.asarray(id, np.float64) @ id_y
    return 100 * (exp_y[:, 0] - exp_y[:, 1]), 100 * float(y[0] - y[1])


def lively_lips(
    lips: Lips,
    exp: Float[np.ndarray, "G 64"],
    pause: Float[np.ndarray, "G"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "G 64"]:
    """A predicted expression (without brows and eyes) with the person's amplitude.

    A voice that the mapping does not know may be predicted with another amplitude altogether. Then
    the gain is changed until the opening is nearly as varied as the person's.

    Args:
        lips: Lips. exp: on the 25 Hz grid. pause: share of pause. rng: of the motion in pauses.
    """
    moved = lips.gain * (exp - lips.centre)
    spread, usual = _spread(moved @ lips.opening, 1 - pause), lips.spread
    wanted = np.clip(spread, usual / OTHER_VOICE, usual * OTHER_VOICE)
    lively = lips.rest + min(wanted / max(spread, 1e-6), LARGEST_CHANGE) * moved
    for mode, scale_s in zip(lips.modes, lips.scale_s):
        lively += (pause * smooth_noise(len(exp), scale_s, rng))[:, None] * mode
    mm = lively @ lips.opening + lips.opening_zero
    return lively + (_within(mm, *lips.limits) - mm)[:, None] * lips.way


def _spread(mm, speaks):
    """Standard deviation while speaking."""
    weights = (speaks + 1e-9) / (speaks + 1e-9).sum()
    return float(np.sqrt(weights @ (mm - weights @ mm) ** 2))


def smooth_noise(
    n: int, scale_s: float | np.floating, rng: np.random.Generator
) -> Float[np.ndarray, "n"]:
    """A Gaussian process of unit variance on the 25 Hz grid; its velocity's is 1 / scale_s^2."""
    sigma = float(scale_s) / STEP_S / np.sqrt(2)
    reach = int(4 * sigma) + 1
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    noise = rng.normal(size=n + 2 * reach)
    return np.convolve(noise, kernel / np.sqrt((kernel**2).sum()), "valid")


def _within(x, low, high):
    """Values kept within limits; near them they are compressed, without a corner."""
    margin = MARGIN * (high - low) + 1e-6
    above, below = high - margin, low + margin
    x = np.where(x > above, above + margin * np.tanh((x - above) / margin), x)
    return np.where(x < below, below - margin * np.tanh((below - x) / margin), x)
