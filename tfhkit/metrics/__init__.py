"""How good a generated talking head is: images, mouth, head pose (Sec. 4.3, 4.4)."""

from tfhkit.metrics.baselines import (
    HeadPoseReport,
    head_pose_report,
    spectrum_similarity,
    speed_hs,
)
from tfhkit.metrics.head_pose import HeadPoseScore, head_pose_score, hs
from tfhkit.metrics.image import psnr, psnr_published, resize_published, ssim
from tfhkit.metrics.landmarks import detect_crops, lmd

__all__ = [
    "HeadPoseReport",
    "HeadPoseScore",
    "detect_crops",
    "head_pose_report",
    "head_pose_score",
    "hs",
    "lmd",
    "psnr",
    "psnr_published",
    "resize_published",
    "spectrum_similarity",
    "speed_hs",
    "ssim",
]
