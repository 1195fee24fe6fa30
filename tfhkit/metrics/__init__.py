"""How good a generated talking head is: images, mouth, head pose (Sec. 4.3, 4.4), naturalness."""

from tfhkit.metrics.aligned import lmd_aligned, perceptual_aligned
from tfhkit.metrics.baselines import HeadPoseReport, head_pose_report
from tfhkit.metrics.calibration import auc, calibration, degrees_for, inject, same_and_different
from tfhkit.metrics.face_motion import FaceMotion, FaceTrack, face_motion
from tfhkit.metrics.flicker import flicker, flicker_ratio, motion_between
from tfhkit.metrics.head_motion import (
    coupling_similarity,
    spectrum_similarity,
    speed_hs,
    speed_ratio,
)
from tfhkit.metrics.head_pose import HeadPoseScore, head_pose_score, hs
from tfhkit.metrics.image import detail_ratio, psnr, psnr_published, resize_published, ssim
from tfhkit.metrics.intervals import HsSettings
from tfhkit.metrics.landmarks import detect_crops, lmd
from tfhkit.metrics.naturalness import MEASURES, NaturalnessReport, naturalness
from tfhkit.metrics.perceptual import (
    identity_similarity,
    lpips,
    lpips_available,
    perceptual_available,
    perceptual_distance,
)

__all__ = [
    "FaceMotion",
    "FaceTrack",
    "HeadPoseReport",
    "HeadPoseScore",
    "HsSettings",
    "MEASURES",
    "NaturalnessReport",
    "auc",
    "calibration",
    "coupling_similarity",
    "degrees_for",
    "detail_ratio",
    "detect_crops",
    "face_motion",
    "flicker",
    "flicker_ratio",
    "head_pose_report",
    "head_pose_score",
    "hs",
    "identity_similarity",
    "inject",
    "lmd",
    "lmd_aligned",
    "lpips",
    "lpips_available",
    "motion_between",
    "naturalness",
    "perceptual_aligned",
    "perceptual_available",
    "perceptual_distance",
    "psnr",
    "psnr_published",
    "resize_published",
    "same_and_different",
    "spectrum_similarity",
    "speed_hs",
    "speed_ratio",
    "ssim",
]
