"""Small functions that several rows share: a smooth step, a time base's step, a mask's runs."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Real

from tfhkit.errors import InputError


def smooth(share: Any) -> Any:
    """3 s^2 - 2 s^3 of shares in [0, 1], array or tensor: rises from 0 to 1 without a corner."""
    return share * share * (3 - 2 * share)


def smoothstep(
    low: float | np.floating, high: float | np.floating, x: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """0 below `low`, 1 above `high`, smooth between (either order)."""
    return smooth(np.clip((x - low) / (high - low), 0, 1))


def runs(mask: Bool[np.ndarray, "T"]) -> Int[np.ndarray, "n 2"]:
    """First row of every run of true rows, and the row after its last."""
    return np.flatnonzero(np.diff(np.r_[False, mask, False])).reshape(-1, 2)


def frame_step(times: Real[np.ndarray, "T"]) -> float:
    """Median time from frame to frame in seconds."""
    if len(times) < 2:
        raise InputError("times", f"has {len(times)} frames", "give at least two frames")
    step_s = float(np.median(np.diff(times)))
    if not step_s > 0:
        raise InputError("times", "do not increase", "give the frames in their order, in seconds")
    return step_s
