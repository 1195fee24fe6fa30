"""From sound to expression and head pose (Sec. 3.2, Eq. 1 and 2)."""

from tfhkit.motion.data import (
    MotionTrack,
    Normalisation,
    grid_times,
    make_track,
    measure_normalisation,
    resample,
)
from tfhkit.motion.lips import correlation, explained_variance, lip_opening, mouth_points
from tfhkit.motion.loss import LAMBDAS, motion_loss
from tfhkit.motion.model import MotionConfig, MotionNet, MotionWeights, n_parameters
from tfhkit.motion.personal import personal_track, train_personal
from tfhkit.motion.predict import predict_motion, predict_windows
from tfhkit.motion.train import TrainSettings, train_motion

__all__ = [
    "LAMBDAS",
    "MotionConfig",
    "MotionNet",
    "MotionTrack",
    "MotionWeights",
    "Normalisation",
    "TrainSettings",
    "correlation",
    "explained_variance",
    "grid_times",
    "lip_opening",
    "make_track",
    "measure_normalisation",
    "motion_loss",
    "mouth_points",
    "n_parameters",
    "personal_track",
    "predict_motion",
    "predict_windows",
    "resample",
    "train_motion",
    "train_personal",
]
