"""How well motion is predicted from sound: held-out frames and virtual speakers, with baselines."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float

from tfhkit.errors import ParameterError
from tfhkit.evaluate.ridge import log_mel_windows, ridge_predict
from tfhkit.face import MorphableModel
from tfhkit.fit import Fit
from tfhkit.media import Clip
from tfhkit.metrics import HsSettings, head_pose_report
from tfhkit.motion import (
    MotionTrack,
    MotionWeights,
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
from tfhkit.motion.personal import fitting_settings
from tfhkit.progress import Progress
from tfhkit.stats import correlation_interval
from tfhkit.virtual.corpus import make_motion_corpus
from tfhkit.virtual.pretrain.speakers import HELD_OUT_SEED, speaker_scores

LEAST_TRAIN, LEAST_HELD_S = 16, 2.0
CURVE_FRAMES = (100, 200, 300, 500, 800)  # App. B
SCRATCH: dict[str, Any] = {
    "lr": 1e-3,
    "out_epochs": 0,
}  # how a network without general training is trained
CHOICE = ("chosen", "shares")  # of the card: what cross-validation chose
N_NETWORKS = 5  # of `personal_only`, each trained without its part of the clip
_N_SHIFTS, N_DRAWS = 8, 500


def evaluate_speakers(
    general: MotionWeights,
    model: MorphableModel,
    n_speakers: int = 24,
    seconds_each: float = 30.0,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, float | list[float]]:
    """The general mapping on virtual speakers that are in no training set.

    Args:
        general: the general mapping. model: the speakers' face model.
        n_speakers: number of speakers. seconds_each: length of each speech.
        workers: number of processes.
        progress: called as progress(done, total, text).
    Returns:
        virtual_lip_r2 and the other scores of `speaker_scores`.
    """
    corpus = make_motion_corpus(
        n_speakers, seconds_each, HELD_OUT_SEED, workers, progress, model=model
    )
    scores = speaker_scores(general, corpus, model)
    scores["virtual_lip_corr"] = scores.pop("lip_corr")
    return scores


def evaluate_clip(
    fit: Fit,
    audio: Float[np.ndarray, "N"],
    general: MotionWeights,
    model: MorphableModel,
    n_train: int = 300,
    settings: TrainSettings | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Learn from a clip's first frames, predict the rest from its sound, and compare.

    Args:
        fit: of the clip. audio: the clip's sound, 16 kHz.
        general: the general mapping. model: of the fit; the networks learn where it is.
        n_train: number of frames to learn from, see `split`; the rest is held out.
        settings: of the fine-tuning. seed: random seed.
        progress: called as progress(done, total, text).
    Returns:
        The scores of `lip_scores`; of the head those of `head_pose_report`, and pose_corr of
        pitch, yaw, roll; lag_s; train_frames, held_frames, train_seconds, times_real_time (the
        sound's length divided by the time that its prediction took).
    Raises:
        ParameterError: n_train leaves too little to train or to evaluate on.
    """
    known, held = split(fit, n_train)
    settings = settings or TrainSettings(seed=seed)
    angles, times = fit.coefficients.angles, fit.times
    track, _ = personal_track(fit, audio, model, known)
    began = time.perf_counter()
    how: dict[str, Any] = {"model": model, "device": model.device, "progress": progress}
    weights, _ = train_personal(track, general, settings, **how)
    train_seconds = time.perf_counter() - began
    began = time.perf_counter()
    exp, _ = predict_motion(weights, audio, times)
    predict_seconds = time.perf_counter() - began
    _, pose = predict_motion(weights, audio, times[held])
    windows = log_mel_windows(audio, times + track.lag_s)
    answers = {
        "": exp,
        "_general": predict_motion(with_statistics(general, track), audio, times)[0],
        "_personal": personal_only(track, general, audio, times, settings, model, progress),
        "_ridge": ridge_predict(windows, fit.coefficients.exp, known),
    }
    shuffled = [predict_motion(weights, other, times)[0] for other in shifted_sounds(audio)]
    report = head_pose_report(
        angles[held], pose[:, :3], times[held],
        training_rad=angles[known], settings=HsSettings(seed=seed),
    )  # fmt: skip
    return {
        "train_frames": known.stop - known.start,
        "held_frames": held.stop - held.start,
        "lag_s": track.lag_s,
        **{k: v for k, v in weights.card.items() if k.startswith("cv_lip") or k in CHOICE},
        **lip_scores(fit, model, known, held, answers, shuffled, seed),
        **{k: v for k, v in report.summary().items() if k != "frames"},
        "pose_corr": [correlation(pose[:, k], angles[held, k]) for k in range(3)],
        "train_seconds": train_seconds,
        "times_real_time": len(audio) / 16000 / predict_seconds,
    }


def lip_scores(
    fit: Fit,
    model: MorphableModel,
    known: slice,
    held: slice,
    answers: Mapping[str, Float[np.ndarray, "T 64"]],
    shuffled: Sequence[Float[np.ndarray, "T 64"]],
    seed: int = 0,
) -> dict[str, Any]:
    """Scores of the held-out lips, for the prediction and its baselines.

    Args:
        fit: of the clip, with the true expression. model: of the fit.
        known, held: the frames that were learned from, and the held-out ones.
        answers: expression of all frames by suffix: "" is the prediction, the others are baselines:
            _general (the general mapping with the person's statistics), _personal (without the
            general mapping), _ridge (`evaluate.ridge`).
        shuffled: expressions predicted from circularly shifted sounds.
        seed: random seed of the interval.
    Returns:
        lip_corr (correlation of the lip opening) and lmd_mouth (mean distance of the 20 mouth
        points without the head's pose, mm), each also with the suffixes of the baselines and with
        _shuffled (mean over the shifts); lip_corr_interval; lmd_mouth_frozen, of the mean mouth.
    """
    person, true = fit.coefficients.id[0], fit.coefficients.exp

    def score(exp):
        return compare_lips(model, person, exp[held], true[held])

    scores = {name: score(exp) for name, exp in answers.items()}
    scores["_shuffled"] = tuple(np.mean([score(exp) for exp in shuffled], 0))
    still = np.repeat(true[known].mean(0)[None], len(fit), 0)
    ours, real = (lip_opening(model, person, exp[held]) for exp in (answers[""], true))
    return {
        **{f"lip_corr{name}": float(r) for name, (r, _) in scores.items()},
        **{f"lmd_mouth{name}": float(mm) for name, (_, mm) in scores.items()},
        "lip_corr_interval": correlation_interval(ours, real, fit.times[held], N_DRAWS, seed=seed),
        "lmd_mouth_frozen": float(score(still)[1]),
    }


def evaluate_curve(
    fit: Fit,
    audio: Float[np.ndarray, "N"],
    general: MotionWeights,
    model: MorphableModel,
    held_from: int,
    n_frames: Sequence[int] = CURVE_FRAMES,
    settings: TrainSettings | None = None,
    progress: Progress | None = None,
) -> list[dict[str, float]]:
    """The gain from the general mapping as a function of the number of training frames (App. B).

    Each training takes the frames right before the held-out part, so that all are
    evaluated on the same frames.

    Args:
        fit, audio, general, model, settings, progress: as in `evaluate_clip`.
        held_from: first frame of the held-out part.
        n_frames: numbers of frames to learn from; those that the clip does not have are left out.
    Returns:
        Rows with frames, and lip_corr and lmd_mouth of each of "both", "personal", "general".
    """
    settings = settings or TrainSettings()
    rows: list[dict[str, float]] = []
    person, true = fit.coefficients.id[0], fit.coefficients.exp
    for n in sorted(n for n in n_frames if n <= held_from):
        known = slice(held_from - n, held_from)
        track, _ = personal_track(fit, audio, model, known)
        if len(track) < N_NETWORKS / (N_NETWORKS - 1) * settings.sequence_frames * 2:
            continue
        how: dict[str, Any] = {"model": model, "device": model.device, "progress": progress}
        weights, _ = train_personal(track, general, settings, **how)
        ways = {
            "both": predict_motion(weights, audio, fit.times)[0],
            "personal": personal_only(track, general, audio, fit.times, settings, model, progress),
            "general": predict_motion(with_statistics(general, track), audio, fit.times)[0],
        }
        row: dict[str, float] = {"frames": n}
        for name, exp in ways.items():
            r, mm = compare_lips(model, person, exp[held_from:], true[held_from:])
            row |= {f"lip_corr_{name}": float(r), f"lmd_mouth_{name}": float(mm)}
        rows.append(row)
    return rows


def split(fit: Clip | Fit, n_train: int) -> tuple[slice, slice]:
    """Slices of the frames to learn from and of the held-out ones.

    Args:
        fit: of the clip, or the clip.
        n_train: number of frames to learn from, the first ones; negative for the last ones.
    Raises:
        ParameterError: too few frames in either.
    """
    n_frames, n_known = len(fit), abs(n_train)
    n_held = max(n_frames - n_known, 0)
    known, held = slice(0, n_known), slice(n_known, n_frames)
    if n_train < 0:
        known, held = slice(n_held, n_frames), slice(0, n_held)
    held_s = fit.times[n_held - 1] - fit.times[0] if n_held else 0.0
    if n_known < LEAST_TRAIN:
        fault = f"{n_known} frames are too few to learn from"
        raise ParameterError("--frames", fault, f"take {LEAST_TRAIN} or more")
    if held_s < LEAST_HELD_S:
        raise ParameterError(
            "--frames",
            f"{n_known} of the clip's {n_frames} frames to learn from hold out {held_s:.1f} s",
            f"leave {LEAST_HELD_S:g} s or more, or take a longer clip",
        )
    return known, held


def with_statistics(general: MotionWeights, track: MotionTrack) -> MotionWeights:
    """The general mapping with a person's mean, standard deviation and lag, without fine-tuning."""
    own = measure_normalisation([track])
    return replace(general, norm=own.with_sound_of(general.norm))


def personal_only(
    track: MotionTrack,
    general: MotionWeights,
    audio: Float[np.ndarray, "N"],
    times: Float[np.ndarray, "T"],
    settings: TrainSettings,
    model: MorphableModel,
    progress: Progress | None = None,
    n_networks: int = N_NETWORKS,
) -> Float[np.ndarray, "T 64"]:
    """Expression as predicted without general training, at its best.

    As many networks are trained as in `train_personal`, each from random weights. Their weights
    cannot be averaged, so their predictions are.

    Args:
        track: what is learned from.
        general: its size of network is used, but not its weights.
        audio: 16 kHz. times: seconds of the frames to predict.
        settings: of the training. model: of the track; the networks learn where it is.
        progress: called as progress(done, total, text).
        n_networks: how many.
    """
    answers = []
    how: dict[str, Any] = {"model": model, "device": model.device, "progress": progress}
    settings = fitting_settings(settings, len(track), n_networks)
    for k in range(n_networks):
        own = replace(settings.fold(k, n_networks), **SCRATCH)
        weights, _ = train_motion([track], general.net.config, own, **how)
        answers.append(predict_motion(weights, audio, times)[0])
    return np.mean(answers, 0)


def compare_lips(
    model: MorphableModel,
    person: Float[np.ndarray, "80"],
    exp: Float[np.ndarray, "T 64"],
    true: Float[np.ndarray, "T 64"],
) -> tuple[float, float]:
    """Correlation of the lip opening, and mean distance of the 20 mouth points in mm.

    Args:
        model: of the coefficients. person: identity.
        exp, true: predicted and true expression.
    """
    openings = [lip_opening(model, person, e) for e in (exp, true)]
    apart = mouth_points(model, person, exp) - mouth_points(model, person, true)
    return correlation(*openings), float(100 * np.linalg.norm(apart, axis=-1).mean())


def shifted_sounds(
    audio: Float[np.ndarray, "N"], n: int = _N_SHIFTS
) -> list[Float[np.ndarray, "N"]]:
    """The sound, circularly shifted by n different times, none near zero."""
    places = np.linspace(0.15, 0.85, n)
    return [np.roll(audio, int(place * len(audio))) for place in places]
