"""Life: what a person's own frames say about motion that no sound predicts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from tfhkit.errors import InputError, check_shape
from tfhkit.face.model import MorphableModel
from tfhkit.fit import Fit
from tfhkit.fit.eyes import with_calm_eyes
from tfhkit.motion.data import grid_times, resample
from tfhkit.motion.life.eyes import Eyes, EyeTracks, learn_eyes, steady
from tfhkit.motion.life.lips import Lips, learn_lips
from tfhkit.motion.life.sound import envelope
from tfhkit.motion.life.upper import brow_part

LEAST_S = 0.5


@dataclass(frozen=True, eq=False)
class Source:
    """A person's own motion on the 25 Hz grid, to be played again.

    Args:
        pose: angles (radians) and translation (dm).
        brows: what the brows do that the mapping did not predict, as expression.
        gaze: strengths to the image's right and down. lids: strengths right, left, without blinks.
        loudness: see `envelope`.
        usable: False where the face was not seen.
    """

    pose: Float[np.ndarray, "N 6"]
    brows: Float[np.ndarray, "N 64"]
    gaze: Float[np.ndarray, "N 2"]
    lids: Float[np.ndarray, "N 2"]
    loudness: Float[np.ndarray, "N"]
    usable: Bool[np.ndarray, "N"]


@dataclass(frozen=True, eq=False)
class Life:
    """What makes a person's motion alive; see `enliven`.

    Args:
        source: motion that is played again: head, brows, gaze.
        lips: gain and limits of the lips.
        brow_part: see `upper.brow_part`.
        brow_shift: what is added to predicted brows, so that their mean is the person's.
        eyes: blinks and the eyes' actions; None for a model without facial actions.
    """

    source: Source
    lips: Lips
    brow_part: Float[np.ndarray, "64 64"]
    brow_shift: Float[np.ndarray, "64"]
    eyes: Eyes | None


def learn_life(
    fit: Fit,
    audio: Float[np.ndarray, "N"],
    model: MorphableModel,
    frames: slice,
    predicted: Float[np.ndarray, "T 64"],
) -> Life:
    """Compare a person's frames with the mapping's prediction of them.

    Args:
        fit: of the clip. audio: the clip's sound, 16 kHz. model: that of the fit.
        frames: those to learn from.
        predicted: the mapping's expression of these frames.
    Raises:
        InputError: less than half a second in which the face was seen.
        ShapeError: `predicted` has another number of frames.
    """
    times, gap = fit.times[frames], fit.gap[frames]
    check_shape("predicted", predicted, (len(times), 64))
    seen_s = float((~gap).mean() * (times[-1] - times[0])) if len(times) > 1 else 0.0
    if seen_s < LEAST_S:
        fault = f"shows the face for {seen_s:.1f} s, at least {LEAST_S:g} s are needed"
        raise InputError("clip", fault, "give more frames to learn from")
    exp, id = fit.coefficients.exp[frames], fit.coefficients.id[0]
    grid = grid_times(times[0], times[-1])
    usable = np.interp(grid, times, gap.astype(float)) < 0.5
    loudness, pause = envelope(audio, grid)
    brows, calm = brow_part(model), np.eye(64)
    tracks, eyes = EyeTracks(np.zeros((len(times), 2)), np.zeros((len(times), 2))), None
    if (found := learn_eyes(model, id, exp, times, ~gap)) is not None:
        eyes, tracks = found
        calm = eyes.calm
    tracks = steady(EyeTracks(_at(grid, tracks.lids, times), _at(grid, tracks.gaze, times)))
    true, guess = _at(grid, with_calm_eyes(model, exp), times), _at(grid, predicted, times)
    rest, seen = (np.eye(64) - brows) @ calm, usable
    lips = learn_lips(model, id, true[seen] @ rest, guess[seen] @ rest, pause[seen])
    residual, shift = _brow_residual(true @ brows, guess @ brows, usable)
    pose = _at(grid, fit.coefficients.pose[frames], times)
    source = Source(pose, residual, tracks.gaze, tracks.lids, loudness, usable)
    return Life(source, lips, brows, shift, eyes)


def _at(grid, values, times):
    """A track of the frames on the grid, in float64."""
    return resample(values, times, grid).astype(np.float64)


def _brow_residual(true, guess, usable):
    """What a prediction of the brows lacks, as large as their variance asks; the means' shift."""
    shift = true[usable].mean(0) - guess[usable].mean(0)
    residual = true - guess - shift
    lacking = true[usable].var(0).sum() - guess[usable].var(0).sum()
    scale = np.sqrt(max(lacking, 0) / max(residual[usable].var(0).sum(), 1e-12))
    return residual * min(scale, 2.0), shift
