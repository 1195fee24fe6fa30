"""How much of virtual speakers' lips and heads the general mapping predicts from their sound."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from tfhkit.face import MorphableModel
from tfhkit.motion import (
    MotionTrack,
    MotionWeights,
    correlation,
    explained_variance,
    lip_opening,
    measure_normalisation,
    mouth_points,
)
from tfhkit.motion.predict import predict_track
from tfhkit.motion.transfer import visible_expression
from tfhkit.virtual.corpus import SpeakerMotion

HELD_OUT_SEED = 90_000  # speakers for the scores: far from every training seed
WEIGHING_SEED = 80_000  # speakers that say how much of the network and of the reading is used


def as_seen(speaker: SpeakerMotion, seen: Float[np.ndarray, "64 64"]) -> MotionTrack:
    """A speaker's track with the expression that a landmark fit would give.

    `seen` is that of `visible_expression`.
    """
    track = speaker.track()
    return replace(track, exp=track.exp @ seen)


def speaker_scores(
    weights: MotionWeights, speakers: Sequence[SpeakerMotion], model: MorphableModel
) -> dict[str, float | list[float]]:
    """How much of unknown virtual speakers' lips and heads is predicted from their sound.

    Returns:
        means over speakers: virtual_lip_r2, the explained share of the variance of the 20 mouth
        points, where prediction and truth are each taken around their own mean;
        virtual_lip_r2_own_statistics, the same after the speaker's own mean and deviation replaced
        the general ones; lip_corr, correlation of the lip opening; pose_r, that of pitch, yaw and
        roll; sound_share, the part of each angle's variance that comes from the sound, whose
        square root is an upper bound of pose_r.
    """
    seen, rows = visible_expression(model), []
    for speaker in speakers:
        track = as_seen(speaker, seen)
        own = measure_normalisation([track])
        own = own.with_sound_of(weights.norm)
        true = mouth_points(model, speaker.id, speaker.exp)
        exp, pose = predict_track(weights, track)
        own_exp, _ = predict_track(replace(weights, norm=own), track)
        lips = [mouth_points(model, speaker.id, e) for e in (exp, own_exp)]
        opening = [lip_opening(model, speaker.id, e) for e in (own_exp, speaker.exp)]
        rows.append(
            [
                explained_variance(lips[0] - lips[0].mean(0), true - true.mean(0)),
                explained_variance(lips[1], true),
                correlation(*opening),
                *(correlation(pose[:, k], speaker.pose[:, k]) for k in range(3)),
                *speaker.sound_share,
            ]
        )
    mean = np.mean(rows, 0).round(3).tolist()
    return {
        "virtual_lip_r2": mean[0],
        "virtual_lip_r2_own_statistics": mean[1],
        "lip_corr": mean[2],
        "pose_r": mean[3:6],
        "sound_share": mean[6:9],
    }
