"""Backgrounds for the predicted pose: matched frames, or one turned picture (Sec. 3.3.2)."""

from tfhkit.background.compose import compose, fill_holes, soft_edge
from tfhkit.background.keyframes import key_frames, smooth_angles
from tfhkit.background.match import BackgroundMatch, MatchSettings, match_background

__all__ = [
    "BackgroundMatch",
    "MatchSettings",
    "compose",
    "fill_holes",
    "key_frames",
    "match_background",
    "smooth_angles",
    "soft_edge",
]
