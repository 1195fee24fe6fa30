"""Figures about provenance: the predicted, the background's and the rendered pose, and shares."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from tfhkit.background.match import BackgroundMatch
from tfhkit.background.provenance import Provenance
from tfhkit.palette import ANGLES, BLUE, ORANGE, RED

# the three tracks differ in width and dash as well.
TRACKS: dict[str, dict[str, Any]] = {
    "from the sound": {"color": RED, "lw": 1.2, "ls": "--"},
    "background's": {"color": "0.65", "lw": 3.2},
    "rendered": {"color": BLUE, "lw": 1.2},
}
SHARES = {"shape": ("the curve itself", BLUE), "choice": ("changes with the sound", ORANGE)}


def draw_tracks(
    column: Shaped[np.ndarray, "3"],
    times: Float[np.ndarray, "T"],
    pred_pose: Float[np.ndarray, "T 6"],
    source_pose: Float[np.ndarray, "N 6"],
    match: BackgroundMatch,
) -> None:
    """Pitch, yaw, roll of the three poses on three axes; dots are the key frames.

    Args:
        column: three matplotlib axes.
        times: seconds.
        pred_pose, source_pose: angles in radians, then translations.
        match: the match of these poses.
    """
    poses = (pred_pose, source_pose[match.source_index], match.pose)
    keys = match.key_frames
    for row, axis in enumerate(column):
        for (label, style), pose in zip(TRACKS.items(), poses):
            axis.plot(times, np.degrees(pose[:, row]), label=label, **style)
        dots = np.degrees(match.pose[keys, row])
        axis.plot(times[keys], dots, "k.", ms=5, label="key frame")
    column[-1].set_xlabel("time (s)")


def draw_shares(column: Shaped[np.ndarray, "3"], shares: Mapping[str, Provenance]) -> None:
    """Bars of the sound's shares on three axes, one group for each way of posing.

    Args:
        column: three matplotlib axes.
        shares: by the name of the way of posing.
    """
    place = np.arange(len(shares))
    for row, (name, axis) in enumerate(zip(ANGLES, column)):
        for k, (kind, (label, colour)) in enumerate(SHARES.items()):
            values = [100 * getattr(share, kind)[row] for share in shares.values()]
            bars = axis.bar(place + 0.36 * (k - 0.5), values, 0.34, color=colour, label=label)
            axis.bar_label(bars, fmt="%.0f", fontsize=7, padding=1)
        axis.axhline(0, color="0.3", lw=0.6)
        axis.set(ylim=(min(-5, *axis.get_ylim()), 118), xticks=place, xticklabels=[])
        axis.set_yticks([0, 50, 100])
        axis.set_ylabel(f"{name}: from sound (%)", fontsize=8)
    column[-1].set_xticklabels(list(shares))
