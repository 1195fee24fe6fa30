"""The personal mapping (Sec. 3.2): the general one, fine-tuned on all of a short clip."""

import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.audio import recogniser_states
from tfhkit.errors import InputError, ParameterError
from tfhkit.face.model import MorphableModel
from tfhkit.fit import Fit
from tfhkit.fit.eyes import with_calm_eyes
from tfhkit.landmarks.speaking import LIPS_LEAD_S, LipLag, measure_lag
from tfhkit.media import SR_HZ
from tfhkit.motion.batches import learn_mask, longest_run, prepare
from tfhkit.motion.combine import mix
from tfhkit.motion.data import MotionTrack, make_track, measure_normalisation
from tfhkit.motion.folds import average, train_folds
from tfhkit.motion.general import recogniser_there
from tfhkit.motion.lips import lip_opening
from tfhkit.motion.model import MotionWeights
from tfhkit.motion.predict import calibrate_pose
from tfhkit.motion.train import History, TrainSettings, train_motion
from tfhkit.profiles import Settings
from tfhkit.progress import Progress
from tfhkit.recipes import chosen

SHORTEST_SEQUENCE = 16  # frames at 25 Hz that the network's memory learns from; below, nothing


def personal_settings(settings: Settings, seed: int = 0) -> TrainSettings:
    """How a person's mapping is trained: the profile's epochs, the recipe's choices."""
    choices = chosen(settings.recipe, "motion")
    return TrainSettings(epochs=settings.motion_epochs, seed=seed, **choices)


def fitting_settings(settings: TrainSettings, n_frames: int, folds: int) -> TrainSettings:
    """Settings whose sequences fit into what every fold of a short track leaves to learn from."""
    parts = (settings.fold(k, folds) for k in range(folds))
    masks = (learn_mask(n_frames, part.validation_share, part.validation_end) for part in parts)
    room = min(map(longest_run, masks), default=n_frames)
    length = min(settings.sequence_frames, max(room, SHORTEST_SEQUENCE))
    return replace(settings, sequence_frames=length)


def train_personal(
    track: MotionTrack, general: MotionWeights, settings: TrainSettings | None = None,
    model: MorphableModel | None = None, checkpoint: str | Path | None = None,
    progress: Progress | None = None, device: str | torch.device = "cpu",
) -> tuple[MotionWeights, list[History]]:  # fmt: skip
    """Fine-tune the general mapping on one person, and mix it with a linear path.

    A dozen seconds are too few to set any aside for good, so the clip is divided into fifths. Five
    networks learn side by side, each from four fifths, and are validated on the one that is left.
    All stop at the epoch with the lowest mean validation loss, and their weights are averaged.
    That works because all five start from the same weights and stay near them; networks that
    start from random weights cannot be averaged.

    Every fifth was thus predicted by a network that has not learned from it. These predictions
    decide how far the network goes from the general weights, and what it and the linear path are
    multiplied by; see `tfhkit.motion.combine`.

    With `folds=0` none of this is done: one network learns from the whole clip for all epochs, as
    published.

    Args:
        track: the person's.
        general: weights to start from.
        settings: of each training; validation_share and validation_end are replaced, and a short
            clip has shorter sequences.
        model, device: as for `train_motion`.
        checkpoint: file that keeps the state after every epoch, so that a training that was
            stopped resumes. It is removed at the end.
        progress: over the epochs.
    Returns:
        the weights, whose card says what was chosen, and the history of each fold.
    Raises:
        InputError: the parts are too short for a sequence.
        ParameterError: `general` is a person's mapping.
    Source: averaging fine-tuned weights: Wortsman et al. 2022, "Model soups" and "Robust
        fine-tuning of zero-shot models". Not in the paper.
    """
    settings = settings or TrainSettings()
    settings = fitting_settings(settings, len(track), settings.folds)
    if general.card.get("from_general"):
        fault = "is a person's mapping"
        raise ParameterError("general", fault, "give general weights")
    if not settings.folds:
        on_all = replace(settings, validation_share=0.0)
        how = None, model, checkpoint, progress, device
        weights, history = train_motion([track], general, on_all, *how)
        _remove(checkpoint)
        return weights, [history]
    norm = measure_normalisation([track]).with_sound_of(general.norm)
    began = time.monotonic()
    general = replace(general, norm=norm)
    nets, state = train_folds(track, general, settings, model, checkpoint, progress, device)
    tuned, histories = MotionWeights(average(nets), norm), state["histories"]
    best = [next(h for h in fold if h["epoch"] == state["best_epoch"]) for fold in histories]
    card = {
        "frames_25hz": len(track),
        "speakers": 1,
        "from_general": True,
        "folds": settings.folds,
        "best_epoch": state["best_epoch"],
        "validation": [entry["validation"] for entry in best],
        "validation_at_start": [fold[0]["validation"] for fold in histories],
        "settings": asdict(settings),
    }
    if settings.linear and track.bands is not None:
        tuned, told = mix(track, general, tuned, nets, model)
        card |= told
    whole = prepare([track], norm, tuned.net.config.mfcc_scope, share=0.0)
    units = calibrate_pose(tuned.net, whole, tuned.norm) if settings.calibrate else tuned.norm
    card["minutes"] = round((time.monotonic() - began) / 60, 2)
    _remove(checkpoint)
    return replace(tuned, norm=units, card=card), histories


def _remove(checkpoint: str | Path | None) -> None:
    """Remove the state of a training that is finished."""
    if checkpoint is not None:
        Path(checkpoint).unlink(missing_ok=True)


def personal_track(
    fit: Fit, audio: Float[np.ndarray, "N"], model: MorphableModel, frames: slice,
    measured_lag: bool = True, calm_eyes: bool = True, recogniser: bool = True,
) -> tuple[MotionTrack, LipLag]:  # fmt: skip
    """A person's track to learn from, its sound taken at the lag at which their lips move.

    Lips move before they are heard, people differ, and so do cameras and the delays of sound
    tracks: tens of milliseconds, which is a good part of a syllable. Where the lips
    follow no sound at all, the usual LIPS_LEAD_S is taken.

    The eyes are at rest in the track, see `with_calm_eyes`.

    Args:
        fit: of the clip.
        audio: the clip's sound, 16 kHz.
        model: that of the fit.
        frames: those to learn from.
        measured_lag: take the sound at the measured lag; otherwise at the frame's time.
        calm_eyes: leave the eyes' motion out.
        recogniser: let the speech recogniser hear the sound, where there is one.
    Returns:
        the track, and what was measured of the lag.
    Raises:
        InputError: less than a second to learn from.
    """
    coefficients, times = fit.coefficients[frames], fit.times[frames]
    if times[-1] - times[0] < 1.0:
        raise InputError("clip", "has less than 1 s to learn from", "take a longer clip")
    person, gap = coefficients.id[0], fit.gap[frames]
    opening = lip_opening(model, person, coefficients.exp)
    measured = measure_lag(opening, times, audio, SR_HZ, gap)
    lag_s = measured.lag_s if measured.related else LIPS_LEAD_S
    lag_s = lag_s if measured_lag else 0.0
    exp = with_calm_eyes(model, coefficients.exp) if calm_eyes else coefficients.exp
    track = make_track(audio, times, exp, coefficients.pose, gap, "person", person, lag_s)
    if recogniser and recogniser_there():
        states = recogniser_states(audio, track.times + lag_s, allow_silent=True)
        track = replace(track, states=states)
    return track, measured
