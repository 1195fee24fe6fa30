"""The personal mapping (Sec. 3.2): the general one, fine-tuned on all of a short clip."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.errors import InputError
from tfhkit.face.model import MorphableModel
from tfhkit.fit import Fit
from tfhkit.fit.eyes import with_calm_eyes
from tfhkit.motion.batches import prepare
from tfhkit.motion.data import MotionTrack, make_track, measure_normalisation
from tfhkit.motion.lips import correlation, lip_opening
from tfhkit.motion.model import MotionNet, MotionWeights
from tfhkit.motion.predict import calibrate_pose, predict_windows
from tfhkit.motion.train import History, TrainSettings, train_motion
from tfhkit.progress import Progress

FOLDS = 5
LAGS_S = tuple(round(0.02 * k, 2) for k in range(-3, 10))  # -60 to 180 ms


def train_personal(
    track: MotionTrack, general: MotionWeights, settings: TrainSettings | None = None,
    folds: int = FOLDS, model: MorphableModel | None = None, checkpoint: str | Path | None = None,
    progress: Progress | None = None, device: str | torch.device = "cpu",
) -> tuple[MotionWeights, list[History]]:  # fmt: skip
    """Fine-tune the general mapping on one person.

    A dozen seconds are too few to set any aside for good, and the best epoch to stop at depends on
    which of them are set aside. So each fifth of the clip decides once when a training on the
    other four stops, and the five networks' weights are averaged. That works because all five
    start from the same weights and stay near them; networks that start from random weights
    cannot be averaged.

    Args:
        track: the person's.
        general: weights to start from.
        settings: of each training; validation_share and validation_end are replaced.
        folds: parts of the clip, 2 or more.
        model, device: as for `train_motion`.
        checkpoint: beginning of the names of the files that keep each fold's state, so that a
            training that was stopped resumes. They are removed at the end.
        progress: over the epochs of all folds.
    Returns:
        the average, and the history of each fold.
    Raises:
        InputError: the parts are too short for a sequence.
    Source: averaging fine-tuned weights: Wortsman et al. 2022, "Model soups". Differs from the
        paper: 100 epochs on all frames, without a validation part.
    """
    settings, norm = settings or TrainSettings(), measure_normalisation([track])
    members, histories = [], []
    states = [Path(f"{checkpoint}.{k}") if checkpoint else None for k in range(folds)]
    for k, state in enumerate(states):
        told = progress and fold_progress(progress, k, folds)
        member, history = train_motion(
            [track], general, settings.fold(k, folds), norm, model, state, told, device
        )
        members.append(member)
        histories.append(history)
    for state in states:
        if state:
            state.unlink(missing_ok=True)
    net = average([member.net for member in members])
    norm = norm.with_sound_of(general.norm)
    whole = prepare([track], norm, net.config.mfcc_scope, share=0.0)
    card = folds_card([member.card for member in members], len(track))
    return MotionWeights(net, calibrate_pose(net, whole, norm), card), histories


def fold_progress(progress: Progress, k: int, folds: int) -> Progress:
    """What part k of several reports, as progress of the whole."""

    def told(done: int, total: int, text: str) -> None:
        progress(k * total + done, folds * total, f"part {k + 1} of {folds}, {text}")

    return told


def folds_card(cards: Sequence[dict[str, Any]], n_frames: int) -> dict[str, Any]:
    """The card of the average, from those of all folds."""
    return {
        **cards[0],
        "frames_25hz": n_frames,
        "folds": len(cards),
        **{key: [c[key] for c in cards] for key in ("best_epoch", "validation")},
        "validation_at_start": [c["validation_at_start"] for c in cards],
        "minutes": round(sum(c["minutes"] for c in cards), 2),
    }


def average(nets: Sequence[MotionNet]) -> MotionNet:
    """One network with the mean of the weights of several that started from the same weights."""
    net = copy.deepcopy(nets[0])
    states = [other.state_dict() for other in nets]
    mean = {
        name: torch.stack([s[name] for s in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    net.load_state_dict(mean)
    return net.eval()


def personal_track(
    fit: Fit,
    audio: Float[np.ndarray, "N"],
    general: MotionWeights,
    model: MorphableModel,
    frames: slice,
) -> tuple[MotionTrack, float, Float[np.ndarray, "n_lags"]]:
    """A person's track to fine-tune on, its sound taken at the lag at which their lips move.

    The eyes are at rest in it, see `with_calm_eyes`.

    Args:
        fit: of the clip.
        audio: the clip's sound, 16 kHz.
        general: weights of the general mapping.
        model: that of the fit.
        frames: those to learn from.
    Returns:
        the track, its lag in s, and the agreement at every candidate of LAGS_S.
    Raises:
        InputError: less than a second to learn from.
    """
    coefficients, times = fit.coefficients[frames], fit.times[frames]
    if times[-1] - times[0] < 1.0:
        raise InputError("clip", "has less than 1 s to learn from", "take a longer clip")
    person = coefficients.id[0]
    exp = with_calm_eyes(model, coefficients.exp)
    lag_s, agreement = find_lag(general, model, audio, times, exp, person)
    gap = fit.gap[frames]
    track = make_track(audio, times, exp, coefficients.pose, gap, "person", person, lag_s)
    return track, lag_s, agreement


def find_lag(
    weights: MotionWeights,
    model: MorphableModel,
    audio: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    exp: Float[np.ndarray, "T 64"],
    id: Float[np.ndarray, "80"],
    lags_s: Sequence[float] = LAGS_S,
) -> tuple[float, Float[np.ndarray, "n_lags"]]:
    """The lag at which the general mapping's lips agree best with a person's.

    Lips move before they are heard, people differ, and so do cameras and the delays of sound
    tracks: tens of milliseconds, which is a good part of a syllable. One number, found on the
    training frames without any training, so it holds on the shortest clip.

    Args:
        weights: those of the general mapping.
        model: the one that expression and identity belong to.
        audio: 16 kHz.
        times: of the frames, s.
        exp: the person's expression.
        id: their identity.
        lags_s: candidates; positive: the sound comes after the picture.
    Returns:
        the lag in s, and the correlation of the lip opening at every candidate.
    """
    pose = np.zeros((len(exp), 6), np.float32)
    openings_r = []
    for lag_s in lags_s:
        track = make_track(audio, times, exp, pose, id=id, lag_s=lag_s)
        own = measure_normalisation([track]).with_sound_of(weights.norm)
        predicted, _ = predict_windows(replace(weights, norm=own), track.windows)
        openings = [lip_opening(model, id, e) for e in (predicted, track.exp)]
        openings_r.append(correlation(*openings))
    # The curve is smooth and has a broad top, whose middle is surer than its highest point.
    scores = np.array(openings_r)
    smooth = np.convolve(np.pad(scores, 1, mode="edge"), np.ones(3) / 3, "valid")
    return float(lags_s[int(smooth.argmax())]), scores
