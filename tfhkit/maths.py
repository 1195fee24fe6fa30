"""What several rooms need of mathematics: a smooth step from 0 to 1."""

from typing import Any

import numpy as np
from jaxtyping import Float


def smooth(share: Any) -> Any:
    """3 s^2 - 2 s^3 of shares in [0, 1], array or tensor: rises from 0 to 1 without a corner."""
    return share * share * (3 - 2 * share)


def smoothstep(
    low: float | np.floating, high: float | np.floating, x: Float[np.ndarray, "*shape"]
) -> Float[np.ndarray, "*shape"]:
    """0 below `low`, 1 above `high`, smooth between (either order)."""
    return smooth(np.clip((x - low) / (high - low), 0, 1))
