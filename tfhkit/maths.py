"""Small functions that several rows share: a smooth step from 0 to 1, the step of a time base."""

from typing import Any

import numpy as np
from jaxtyping import Float, Real

from tfhkit.errors import InputError


def smooth(share: Any) -> Any:
    """3 s^2 - 2 s^3 of shares in [0, 1], array or tensor: rises from 0 to 1 without a corner."""
    return share * share * (3 - 2 * share)


def smoothstep(
    low: float | np.floating, high: float | np.floating, x: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """0 below `low`, 1 above `high`, smooth between (either order)."""
    return smooth(np.clip((x - low) / (high - low), 0, 1))


def frame_step(times: Real[np.ndarray, "T"]) -> float:
    """Median time from frame to frame in seconds."""
    if len(times) < 2:
        raise InputError("times", f"has {len(times)} frames", "give at least two frames")
    step_s = float(np.median(np.diff(times)))
    if not step_s > 0:
        raise InputError("times", "do not increase", "give the frames in their order, in seconds")
    return step_s
