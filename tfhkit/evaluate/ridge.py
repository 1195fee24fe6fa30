"""The simplest baseline of the motion network: ridge regression on log-mel spectra."""

import librosa
import numpy as np
from jaxtyping import Float

from tfhkit.motion.linear import fit_ridge

HOP_S = 0.01
_REACH = range(-14, 14, 2)  # rows around a frame: 0.28 s, like the network's window
_FOLDS = 6


def log_mel_windows(
    audio: Float[np.ndarray, "N"], times: Float[np.ndarray, "T"], sr_hz: int = 16000
) -> Float[np.ndarray, "T 364"]:
    """Log-mel rows around each frame time, 14 of 26 bands; loudness included.

    Args:
        audio: mono sound. times: seconds.
        sr_hz: sample rate of the sound.
    """
    mel = librosa.feature.melspectrogram(
        y=np.asarray(audio, np.float32), sr=sr_hz, n_fft=512, win_length=400,
        hop_length=round(HOP_S * sr_hz), n_mels=26,
    )  # fmt: skip
    rows = np.log(mel + 1e-6).T
    middle = np.round(np.asarray(times) / HOP_S).astype(int)
    index = np.clip(middle[:, None] + np.array(_REACH), 0, len(rows) - 1)
    return rows[index].reshape(len(times), -1).astype(np.float64)


def ridge_predict(
    features: Float[np.ndarray, "T F"], targets: Float[np.ndarray, "T K"], train: slice
) -> Float[np.ndarray, "T K"]:
    """Fit on some frames, predict all; the penalty is chosen by cross-validation over blocks.

    Args:
        features, targets: of all frames. train: the frames to learn from.
    """
    fit = fit_ridge(features[train], targets[train], folds=_FOLDS)
    return features @ fit.weight + fit.level
