"""Lips: the amplitude that a mean prediction loses, motion in pauses, and the person's limits."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from tfhkit.face.model import MorphableModel
from tfhkit.motion.data import STEP_S
from tfhkit.motion.life.upper import landmark_gram, vertex_gram
from tfhkit.motion.lips import LOWER, MOUTH, UPPER

LARGEST_GAIN, SMALLEST_GAIN = 2.5, 0.7
WHOLE_FACE = 0.05  # weight of the whole face against the mouth's landmarks
OTHER_SPEECH = 1.25  # by so much one speech of a person differs from another in its opening
LARGEST_CHANGE = 2.0  # of the gain, for one speech
LEAST_SHARE = 0.01  # of the variance, of a direction that has a gain of its own
PAUSE_SHARE, PAUSE_WEIGHT_S = 0.35, 1.0  # usual variance in pauses to that in speech; its weight
PAUSE_SCALE_S = (0.12, 0.5)  # bounds of the time scale of motion in pauses
MARGIN = 0.1  # of the opening's range, in which it is compressed


@dataclass(frozen=True, eq=False)
class Lips:
    """How a person's lips differ from a mean prediction of them. Expressions are rows.

    Args:
        centre: mean of the prediction. rest: mean of the truth.
        gain: what a deviation from `centre` is multiplied by.
        modes: expressions of the motion in pauses, at one standard deviation.
        scale_s: time scale of each.
        opening, opening_zero: distance of the inner lips in mm is zero + exp @ opening.
        way: change of expression that opens the lips by 1 mm, as the person does.
        limits: least and largest opening of the person, mm.
        spread: standard deviation of the person's opening while speaking, mm.
    """

    centre: Float[np.ndarray, "64"]
    rest: Float[np.ndarray, "64"]
    gain: Float[np.ndarray, "64 64"]
    modes: Float[np.ndarray, "K 64"]
    scale_s: Float[np.ndarray, "K"]
    opening: Float[np.ndarray, "64"]
    opening_zero: Float[np.ndarray, ""]
    way: Float[np.ndarray, "64"]
    limits: Float[np.ndarray, "2"]
    spread: Float[np.ndarray, ""]


def learn_lips(
    model: MorphableModel,
    id: Float[np.ndarray, "80"],
    true: Float[np.ndarray, "T 64"],
    predicted: Float[np.ndarray, "T 64"],
    pause: Float[np.ndarray, "T"],
) -> Lips:
    """Compare the truth with its prediction, on the 25 Hz grid.

    Every principal direction of the mouth's motion gets the gain that gives the prediction the
    deviation of the truth. A correlation does not change by it; the bound keeps a direction that
    is hardly predicted from being noise alone.

    Args:
        model, id: the face. true, predicted: expression of the same frames, without the brows.
        pause: share of pause.
    """
    metric = landmark_gram(model, MOUTH) + WHOLE_FACE * vertex_gram(model)
    root = np.linalg.cholesky(metric + 1e-9 * np.trace(metric) * np.eye(64))
    centre, rest = predicted.mean(0), true.mean(0)
    moved, guessed = (true - rest) @ root, (predicted - centre) @ root
    _, _, axes = np.linalg.svd(moved.T @ moved)
    real, made = (np.sqrt(((part @ axes.T) ** 2).mean(0)) for part in (moved, guessed))
    tiny = 1e-6 * (1 + np.sqrt((real**2).sum()))
    overall = np.sqrt((real**2).sum() + tiny**2) / np.sqrt((made**2).sum() + tiny**2)
    own = real**2 > LEAST_SHARE * (real**2).sum() + tiny**2
    gains = np.where(own, real / np.maximum(made, tiny), overall)
    back = axes @ np.linalg.inv(root)
    opening, zero = _opening(model, id)
    mm = true @ opening + zero
    # a prediction's directions are correlated, so that the opening would still be too large
    open_mm = (guessed @ axes.T * gains) @ (back @ opening)
    gains = (gains * (mm.std() + tiny) / (open_mm.std() + tiny)).clip(SMALLEST_GAIN, LARGEST_GAIN)
    gain = root @ axes.T @ (gains[:, None] * back)
    still = pause > 0.5
    parts = (part @ axes[own].T for part in (moved, guessed))
    std, scale_s = _pause_motion(*parts, gains[own], still)
    way = (true - rest).T @ (mm - mm.mean()) / max(((mm - mm.mean()) ** 2).sum(), 1e-9)
    way = way / (way @ opening) if abs(way @ opening) > 0.5 else opening / (opening @ opening)
    return Lips(
        centre, rest, gain, std[:, None] * back[own], scale_s, opening, np.array(zero), way,
        np.percentile(mm, [0, 100]), np.array(_spread(mm, 1 - pause)),
    )  # fmt: skip


def _pause_motion(moved, guessed, gains, still):
    """Deviation (K,) that the prediction lacks in pauses, and its time scale in s."""
    weight = PAUSE_WEIGHT_S / STEP_S
    usual = PAUSE_SHARE * (moved**2).mean(0)
    count = float(still.sum())
    real, made, speed = usual, np.zeros_like(usual), np.zeros_like(usual)
    if count > 2:
        real = (count * moved[still].var(0) + weight * usual) / (count + weight)
        made = gains**2 * guessed[still].var(0) * count / (count + weight)
    calm = gaussian_filter1d(moved, 0.04 / STEP_S, axis=0)
    pairs = still[1:] & still[:-1] if count > weight else np.ones(len(still) - 1, bool)
    speed = (np.diff(calm, axis=0)[pairs] / STEP_S).var(0)
    spread = calm[1:][pairs].var(0)
    scale_s = np.sqrt(spread / np.maximum(speed, 1e-12)).clip(*PAUSE_SCALE_S)
    return np.sqrt(np.maximum(real - made, 0)), scale_s


def _opening(model, id):
    """Opening in mm as a linear function of the expression: (64,), and its value at rest."""
    upper, lower = (int(model.landmark_ids[point]) for point in (UPPER, LOWER))
    basis, ids = (part.cpu().double().numpy() for part in (model.exp_basis, model.id_basis[:, [upper, lower], 1]))
    mean = model.mean_shape[[upper, lower], 1].cpu().double().numpy()
    zero = (mean + np.asarray(id, np.float64) @ ids) @ [1, -1]
    return 100 * (basis[:, upper, 1] - basis[:, lower, 1]), 100 * float(zero)


def lively_lips(
    lips: Lips,
    exp: Float[np.ndarray, "G 64"],
    pause: Float[np.ndarray, "G"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "G 64"]:
    """A predicted expression (without brows and eyes) with the person's amplitude.

    A voice that the mapping does not know may be predicted with another amplitude altogether. Then
    the gain is changed until the opening is as varied as this person's speeches are.

    Args:
        lips: Lips. exp: on the 25 Hz grid. pause: share of pause. rng: of the motion in pauses.
    """
    moved = (exp - lips.centre) @ lips.gain
    spread, usual = max(_spread(moved @ lips.opening, 1 - pause), 1e-6), float(lips.spread)
    wanted = np.clip(spread, usual / OTHER_SPEECH, usual * OTHER_SPEECH)
    lively = lips.rest + min(wanted / spread, LARGEST_CHANGE) * moved
    for mode, scale_s in zip(lips.modes, lips.scale_s):
        lively += pause[:, None] * _smooth_noise(rng, len(exp), scale_s)[:, None] * mode
    mm = lively @ lips.opening + lips.opening_zero
    return lively + (_within(mm, *lips.limits) - mm)[:, None] * lips.way


def _spread(mm, speaks):
    """Standard deviation while speaking."""
    weights = (speaks + 1e-9) / (speaks + 1e-9).sum()
    return float(np.sqrt(weights @ (mm - weights @ mm) ** 2))


def _smooth_noise(rng, n, scale_s):
    """A Gaussian process of unit variance whose velocity has a deviation of 1 / scale_s."""
    sigma = scale_s / STEP_S / np.sqrt(2)
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
