"""Reading tracks along a walk, so that turning round does not show."""

import numpy as np
from jaxtyping import Float

from tfhkit.motion.data import STEP_S
from tfhkit.motion.life.walk import Walk

FADE_S = 0.5  # in which the difference at a turn fades


def along(
    track: Float[np.ndarray, "N D"], walk: Walk, fade_s: float = FADE_S
) -> Float[np.ndarray, "G D"]:
    """A track of the source, played along a walk.

    Where the walk turns round, the difference to where the motion would have gone on, in position
    and velocity, is added to what follows, and fades. So nothing jumps, and away from the turns
    all is as it was.

    Args:
        track: of the source's rows. walk: Walk. fade_s: how long differences last.
    Source: "inertialisation" of game animation (Bollo 2018), here with a cubic.
    """
    track = np.asarray(track, np.float64)
    speed = np.gradient(track, axis=0) if len(track) > 1 else np.zeros_like(track)
    result = track[walk.place]
    own = speed[walk.place] * walk.direction[:, None]
    length = max(2, round(fade_s / STEP_S))
    u = np.arange(length + 1)[:, None] / length
    of_place, of_speed = 1 - 3 * u**2 + 2 * u**3, length * (u - 2 * u**2 + u**3)
    slope_place, slope_speed = (6 * u**2 - 6 * u) / length, 1 - 4 * u + 3 * u**2
    left, left_speed = np.zeros_like(result), np.zeros_like(result)
    for k in walk.turns():
        velocity = own[k - 1] + left_speed[k - 1]
        place = result[k - 1] + left[k - 1] + velocity - result[k]
        velocity = velocity - own[k]
        end = min(len(result), k + length + 1)
        left[k:], left_speed[k:] = 0, 0
        left[k:end] = (of_place * place + of_speed * velocity)[: end - k]
        left_speed[k:end] = (slope_place * place + slope_speed * velocity)[: end - k]
    return result + left
