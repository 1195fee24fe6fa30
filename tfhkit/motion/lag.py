"""How far a person's lips run ahead of the sound."""

from dataclasses import replace

import numpy as np

from tfhkit.motion.data import make_track, measure_normalisation
from tfhkit.motion.lips import correlation, lip_opening
from tfhkit.motion.predict import predict_windows

LAGS_S = tuple(round(0.02 * k, 2) for k in range(-3, 10))  # -60 to 180 ms


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
