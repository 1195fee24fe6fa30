"""The personal mapping (Sec. 3.2): the general one, fine-tuned on all of a short clip."""

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tfhkit.errors import InputError
from tfhkit.motion.batches import prepare
from tfhkit.motion.data import make_track, measure_normalisation
from tfhkit.motion.lips import correlation, lip_opening
from tfhkit.motion.predict import calibrate_pose, predict_windows
from tfhkit.motion.train import TrainSettings, train_motion

FOLDS = 5
LAGS_S = tuple(round(0.02 * k, 2) for k in range(-3, 10))  # -60 to 180 ms


def train_personal(
    track, general, settings=None, folds=FOLDS, model=None, checkpoint=None, progress=None,
    device="cpu",
):  # fmt: skip
    """Fine-tune the general mapping on one person.

    A dozen seconds are too few to set any aside for good, and the right moment to stop depends on
    which of them are set aside. So each fifth of the clip chooses once when to stop a training
    on the other four, and the five networks' weights are averaged. That works because all five
    start from the same weights and stay near them; networks that start by chance cannot be
    averaged.

    Args:
        track: MotionTrack of the person.
        general: MotionWeights to start from.
        settings: TrainSettings; validation_share and validation_end are set here.
        folds: parts of the clip, 2 or more.
        model, device: as for `train_motion`.
        checkpoint: file name; each fold keeps its state in one that begins so, and a training
            that was stopped resumes. Removed at the end.
        progress: called as progress(done, total, text) over the epochs of all folds.
    Returns:
        MotionWeights with the average, and one history per fold, as of `train_motion`.
    Raises:
        InputError: the parts are too short for a sequence.
    Source: averaging fine-tuned weights: Wortsman et al. 2022, "Model soups". Differs from the
        paper: 100 epochs on all frames, without a validation part.
    """
    settings, norm = settings or TrainSettings(), measure_normalisation([track])
    members, histories = [], []
    states = [checkpoint and Path(f"{checkpoint}.{k}") for k in range(folds)]
    for k in range(folds):
        own = replace(
            settings,
            validation_share=1 / folds,
            validation_end=(k + 1) / folds,
            seed=settings.seed + k,
        )
        said = None
        if progress:
            said = lambda done, total, text, k=k: progress(  # noqa: E731
                k * total + done, folds * total, f"part {k + 1} of {folds}, {text}"
            )
        member, history = train_motion(
            [track], general, settings=own, norm=norm, model=model, progress=said, device=device,
            checkpoint=states[k],
        )  # fmt: skip
        members.append(member)
        histories.append(history)
    for state in states:
        if state:
            state.unlink(missing_ok=True)
    net = average([member.net for member in members])
    norm = replace(norm, mfcc_mean=general.norm.mfcc_mean, mfcc_std=general.norm.mfcc_std)
    whole = prepare([track], norm, net.config.mfcc_scope, share=0.0)
    cards = [member.card for member in members]
    card = {
        **cards[0],
        "frames_25hz": len(track),
        "folds": folds,
        **{key: [c[key] for c in cards] for key in ("best_epoch", "validation")},
        "validation_at_start": [c["validation_at_start"] for c in cards],
        "minutes": round(sum(c["minutes"] for c in cards), 2),
    }
    return replace(members[0], net=net, norm=calibrate_pose(net, whole, norm), card=card), histories


def average(nets):
    """One network with the mean of the weights of several that started from the same."""
    net = copy.deepcopy(nets[0])
    states = [other.state_dict() for other in nets]
    mean = {
        name: torch.stack([s[name] for s in states]).mean(0) if value.is_floating_point() else value
        for name, value in states[0].items()
    }
    net.load_state_dict(mean)
    return net.eval()


def personal_track(fit, audio, general, model, frames):
    """A person's MotionTrack to fine-tune on, with the lag at which their lips move.

    Args:
        fit: Fit of the clip. audio: (N,) its sound, 16 kHz. general: general MotionWeights.
        model: MorphableModel of the fit. frames: slice of the frames to learn from.
    Returns:
        MotionTrack, its lag_s, and the agreement at every candidate of LAGS_S.
    Raises:
        InputError: less than a second to learn from.
    """
    coefficients, times = fit.coefficients[frames], fit.times[frames]
    if times[-1] - times[0] < 1.0:
        raise InputError("clip", "has less than 1 s to learn from", "take a longer clip")
    person = coefficients.id[0]
    lag_s, agreement = find_lag(general, model, audio, times, coefficients.exp, person)
    gap = fit.gap[frames]
    track = make_track(
        audio, times, coefficients.exp, coefficients.pose, gap, "person", person, lag_s
    )
    return track, lag_s, agreement


def find_lag(weights, model, audio, times, exp, id, lags_s=LAGS_S):
    """The lag at which the general mapping's lips agree best with a person's.

    Lips move before they are heard, people differ, and so do cameras and the delays of sound
    tracks: tens of milliseconds, which is a good part of a syllable. One number, found on the
    training frames without any training, so it holds on the shortest clip.

    Args:
        weights: general MotionWeights. model: MorphableModel.
        audio: (N,) 16 kHz. times: (T,) s. exp: (T, 64). id: (80,) identity.
        lags_s: candidates; positive: the sound comes after the picture.
    Returns:
        lag_s, and the correlations of the lip opening at every candidate, (len(lags_s),).
    """
    pose = np.zeros((len(exp), 6), np.float32)
    scores = []
    for lag_s in lags_s:
        track = make_track(audio, times, exp, pose, id=id, lag_s=lag_s)
        own = measure_normalisation([track])
        own = replace(own, mfcc_mean=weights.norm.mfcc_mean, mfcc_std=weights.norm.mfcc_std)
        predicted, _ = predict_windows(replace(weights, norm=own), track.windows)
        openings = [lip_opening(model, id, e) for e in (predicted, track.exp)]
        scores.append(correlation(*openings))
    # The scores are a smooth curve with a broad top: its middle is surer than its highest point.
    scores = np.array(scores)
    smooth = np.convolve(np.pad(scores, 1, mode="edge"), np.ones(3) / 3, "valid")
    return float(lags_s[int(smooth.argmax())]), scores
