"""How well motion is predicted from sound: held-out frames and virtual speakers, with baselines."""

import time
from dataclasses import replace

import numpy as np

from tfhkit.audio.resampling import block_weights
from tfhkit.errors import ParameterError
from tfhkit.evaluate.ridge import log_mel_windows, ridge_predict
from tfhkit.metrics import HsSettings, head_pose_report
from tfhkit.motion import (
    TrainSettings,
    correlation,
    lip_opening,
    measure_normalisation,
    mouth_points,
    personal_track,
    predict_motion,
    train_motion,
    train_personal,
)
from tfhkit.motion.personal import FOLDS
from tfhkit.virtual.corpus import make_motion_corpus
from tfhkit.virtual.pretrain.speakers import HELD_OUT_SEED, speaker_scores

LEAST_TRAIN, LEAST_HELD_S = 16, 2.0
CURVE_FRAMES = (100, 200, 300, 500, 800)  # App. B
SCRATCH = {"lr": 1e-3, "out_epochs": 0}  # how a network without general training is trained
_N_SHIFTS, _N_DRAWS = 8, 500


def evaluate_speakers(general, model, n_speakers=24, seconds_each=30.0, workers=2, progress=None):
    """The general mapping on virtual speakers that are in no training set.

    Args:
        general: MotionWeights. model: MorphableModel.
        n_speakers, seconds_each: the corpus. workers: processes.
        progress: called as progress(done, total, text).
    Returns:
        dict: virtual_lip_r2 and the rest of `speaker_scores`.
    """
    corpus = make_motion_corpus(
        n_speakers, seconds_each, HELD_OUT_SEED, workers, progress, model=model
    )
    scores = speaker_scores(general, corpus, model)
    scores["virtual_lip_corr"] = scores.pop("lip_corr")
    return scores


def evaluate_clip(fit, audio, general, model, n_train=300, settings=None, seed=0, progress=None):
    """Learn from a clip's first frames, predict the rest from its sound, and compare.

    Args:
        fit: Fit of the clip. audio: (N,) its sound, 16 kHz.
        general: MotionWeights. model: MorphableModel of the fit.
        n_train: frames to learn from; the rest is held out.
        settings: TrainSettings of the fine-tuning. seed: random seed.
        progress: called as progress(done, total, text).
    Returns:
        dict: lip_corr (correlation of the held-out lip opening) and lmd_mouth (mean distance of
        the 20 mouth points without the head's pose, mm), each also for the baselines
        _shuffled (the sound, circularly shifted by eight different times), _frozen (distance only:
        the mean mouth), _general (the general mapping with the person's statistics), _personal
        (without the general mapping) and _ridge (`evaluate.ridge`); lip_corr_interval; lag_s; of
        `head_pose_report` hs and its companions; pose_corr (3,); train_frames, held_frames,
        train_seconds, times_real_time (the sound's length by the time that it took).
    Raises:
        ParameterError: n_train leaves too little to train or to evaluate on.
    """
    known, held = split(fit, n_train)
    settings = settings or TrainSettings(seed=seed)
    person, coefficients, times = fit.coefficients.id[0], fit.coefficients, fit.times
    track, lag_s, _ = personal_track(fit, audio, general, model, known)
    began = time.perf_counter()
    weights, _ = train_personal(track, general, settings, model=model, progress=progress)
    train_seconds = time.perf_counter() - began
    began = time.perf_counter()
    exp, _ = predict_motion(weights, audio, times)
    predict_seconds = time.perf_counter() - began
    _, pose = predict_motion(weights, audio, times[held])

    def judge(expression):
        return judge_lips(model, person, expression[held], coefficients.exp[held])

    rivals = {
        "general": predict_motion(with_statistics(general, track), audio, times)[0],
        "personal": personal_only(track, general, audio, times, settings, model, progress),
        "ridge": ridge_predict(log_mel_windows(audio, times + lag_s), coefficients.exp, known),
    }
    scores = {"lip_corr": judge(exp), **{f"lip_corr_{n}": judge(e) for n, e in rivals.items()}}
    shuffled = [judge(predict_motion(weights, a, times)[0]) for a in turned_sounds(audio)]
    scores["lip_corr_shuffled"] = tuple(np.mean(shuffled, 0))
    result = {name: float(r) for name, (r, _) in scores.items()}
    result |= {n.replace("lip_corr", "lmd_mouth"): float(mm) for n, (_, mm) in scores.items()}
    still = np.repeat(coefficients.exp[known].mean(0)[None], len(fit), 0)
    opening = [lip_opening(model, person, e[held]) for e in (exp, coefficients.exp)]
    report = head_pose_report(
        coefficients.angles[held], pose[:, :3], times[held],
        training_rad=coefficients.angles[known], settings=HsSettings(seed=seed),
    )  # fmt: skip
    return {
        "train_frames": known.stop,
        "held_frames": held.stop - held.start,
        "lag_s": lag_s,
        **result,
        "lip_corr_interval": correlation_interval(*opening, times[held], seed),
        "lmd_mouth_frozen": float(judge(still)[1]),
        **{k: v for k, v in report.summary().items() if k != "frames"},
        "pose_corr": [
            correlation(pose[:, k], coefficients.angles[held, k]) for k in range(3)
        ],
        "train_seconds": train_seconds,
        "times_real_time": len(audio) / 16000 / predict_seconds,
    }  # fmt: skip


def evaluate_curve(
    fit, audio, general, model, held_from, n_frames=CURVE_FRAMES, settings=None, progress=None
):
    """The gain from the general mapping against the number of training frames (App. B).

    Each training takes the frames right before the held-out part, so that all are
    evaluated on the same frames.

    Args:
        fit, audio, general, model, settings, progress: as for `evaluate_clip`.
        held_from: first frame of the held-out part.
        n_frames: numbers of frames to learn from; those that the clip does not have are left out.
    Returns:
        list of dicts: frames, and lip_corr, lmd_mouth for "both", "personal", "general" each.
    """
    settings, rows = settings or TrainSettings(), []
    person, true = fit.coefficients.id[0], fit.coefficients.exp
    for n in sorted(n for n in n_frames if n <= held_from):
        known = slice(held_from - n, held_from)
        track, _, _ = personal_track(fit, audio, general, model, known)
        if len(track) < FOLDS / (FOLDS - 1) * settings.sequence_frames * 2:
            continue
        weights, _ = train_personal(track, general, settings, model=model, progress=progress)
        ways = {
            "both": predict_motion(weights, audio, fit.times)[0],
            "personal": personal_only(track, general, audio, fit.times, settings, model, progress),
            "general": predict_motion(with_statistics(general, track), audio, fit.times)[0],
        }
        row = {"frames": n}
        for name, exp in ways.items():
            r, mm = judge_lips(model, person, exp[held_from:], true[held_from:])
            row |= {f"lip_corr_{name}": float(r), f"lmd_mouth_{name}": float(mm)}
        rows.append(row)
    return rows


def split(fit, n_train):
    """Slices of the frames to learn from and of the held-out ones; refuses too few."""
    n_frames = len(fit)
    held_s = fit.times[-1] - fit.times[min(n_train, n_frames - 1)]
    if n_train < LEAST_TRAIN:
        fault = f"{n_train} frames are too few to learn from"
        raise ParameterError("--frames", fault, f"take {LEAST_TRAIN} or more")
    if held_s < LEAST_HELD_S:
        raise ParameterError(
            "--frames",
            f"{n_train} of the clip's {n_frames} frames to learn from hold out {held_s:.1f} s",
            f"leave {LEAST_HELD_S:g} s or more, or take a longer clip",
        )
    return slice(0, n_train), slice(n_train, n_frames)


def with_statistics(general, track):
    """The general mapping with a person's mean, standard deviation and lag, without fine-tuning."""
    own = measure_normalisation([track])
    sound = {"mfcc_mean": general.norm.mfcc_mean, "mfcc_std": general.norm.mfcc_std}
    return replace(general, norm=replace(own, **sound))


def personal_only(track, general, audio, times, settings, model, progress=None, folds=FOLDS):
    """Expression (T, 64) as predicted without general training, at its best.

    As many networks as `train_personal` trains, each from random weights; their weights cannot be
    averaged, so their predictions are.
    """
    answers = []
    for k in range(folds):
        own = replace(settings.fold(k, folds), **SCRATCH)
        weights, _ = train_motion([track], general.net.config, own, model=model, progress=progress)
        answers.append(predict_motion(weights, audio, times)[0])
    return np.mean(answers, 0)


def judge_lips(model, person, exp, true):
    """Correlation of the lip opening, and mean distance of the 20 mouth points in mm."""
    openings = [lip_opening(model, person, e) for e in (exp, true)]
    apart = mouth_points(model, person, exp) - mouth_points(model, person, true)
    return correlation(*openings), 100 * np.linalg.norm(apart, axis=-1).mean()


def turned_sounds(audio, n=_N_SHIFTS):
    """The sound, circularly shifted by n different times, none near zero."""
    places = np.linspace(0.15, 0.85, n)
    return [np.roll(audio, int(place * len(audio))) for place in places]


def correlation_interval(a, b, times, seed=0, block_s=1.0):
    """[low, high]: 95 % block bootstrap of the correlation of two series (T,)."""
    weights = block_weights(times, _N_DRAWS, block_s, seed)
    index = [np.repeat(np.arange(len(times)), row) for row in weights]
    return np.percentile([correlation(a[i], b[i]) for i in index], [2.5, 97.5]).tolist()
