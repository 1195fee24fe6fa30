"""A walk through a person's own frames that are about as loud as a new speech.

The walk plays the person's motion at its own pace, forwards or backwards, and turns round where the
head hardly moves. So every stretch of it is a real one, it never jumps, and the frames themselves
can follow it as the background (Sec. 3.3.2).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.ndimage import gaussian_filter1d

from tfhkit.motion.data import STEP_S

USED_S = 0.3  # frames near a used one count as used
CHANCE_S = 0.3  # frames so near have a like random cost
LEAST_SPEED = np.array([1.0, 1.0, 1.0, 0.03, 0.03, 0.03])  # degrees or dm per second: still


@dataclass(frozen=True)
class WalkSettings:
    """What a walk costs; the cheapest one is taken.

    Args:
        turn: of turning round. fast: added where the head moves at its usual speed (squared).
        sound: per second and unit of difference (squared) in loudness.
        used: per second on frames that were used once a moment ago.
        unseen: per second on frames in which the face was not seen.
        chance: size of a random cost per second, drawn for every part of the speech.
        part_s, ahead_s: the speech is decided part by part, with a look ahead.
        forget_s: after so long a used frame counts less by a factor of e.
    """

    turn: float = 1.0
    fast: float = 12.0
    sound: float = 1.5
    used: float = 1.0
    unseen: float = 20.0
    chance: float = 0.5
    part_s: float = 2.0
    ahead_s: float = 2.0
    forget_s: float = 15.0


@dataclass(frozen=True, eq=False)
class Walk:
    """Where a walk is at every step of the grid.

    Args:
        place: row of the source.
        direction: 1 forwards, -1 backwards.
    """

    place: Int[np.ndarray, "G"]
    direction: Int[np.ndarray, "G"]

    def turns(self) -> Int[np.ndarray, "K"]:
        """The steps that leave the way of the step before."""
        moved = np.diff(self.place)
        return 1 + np.flatnonzero((moved != self.direction[:-1]) | (moved != self.direction[1:]))


WALK = WalkSettings()


def find_walk(
    pose: Float[np.ndarray, "N 6"],
    loudness: Float[np.ndarray, "N"],
    usable: Bool[np.ndarray, "N"],
    asked: Float[np.ndarray, "G"],
    rng: np.random.Generator,
    settings: WalkSettings = WALK,
) -> Walk:
    """The cheapest walk for a speech, by dynamic programming in parts.

    Args:
        pose: of the source's rows, STEP_S apart, angles in radians, translation in dm.
        loudness: of the rows. usable: rows in which the face was seen.
        asked: loudness of the speech, STEP_S apart.
        rng: of the random costs. settings: WalkSettings.
    """
    n, turn = len(pose), turn_costs(pose, settings)
    part, ahead = round(settings.part_s / STEP_S), round(settings.ahead_s / STEP_S)
    used, total, path = np.zeros(n), np.zeros((n, 2)), []
    for first in range(0, len(asked), part):
        chance = gaussian_filter1d(rng.normal(size=n), CHANCE_S / STEP_S, mode="wrap")
        per_s = settings.chance * chance / max(chance.std(), 1e-9)
        per_s += settings.used * used + settings.unseen * ~usable
        wanted = asked[first : first + part + ahead]
        unlike = (loudness[None] - wanted[:, None]) ** 2
        costs = STEP_S * (per_s + settings.sound * unlike)
        taken = _cheapest(total, costs, turn, begins=first == 0)[:part]
        path.append(taken)
        total = np.full((n, 2), np.inf)
        total[taken[-1, 0], taken[-1, 1]] = 0.0
        visits = np.bincount(taken[:, 0], minlength=n).astype(float)
        used = used * np.exp(-settings.part_s / settings.forget_s)
        used += gaussian_filter1d(visits, USED_S / STEP_S, mode="constant")
    place, forwards = np.concatenate(path).T
    return Walk(place, 2 * forwards - 1)


def turn_costs(
    pose: Float[np.ndarray, "N 6"], settings: WalkSettings = WALK
) -> Float[np.ndarray, "N"]:
    """What it costs to turn round at every row: more, the faster the head moves."""
    if len(pose) < 2:
        return np.full(len(pose), settings.turn)
    units = np.array([np.degrees(1)] * 3 + [1] * 3)
    speed = np.gradient(pose * units, STEP_S, axis=0)
    usual = np.maximum(np.sqrt((speed**2).mean(0)), LEAST_SPEED)
    return settings.turn + settings.fast * ((speed / usual) ** 2).mean(1)


def _cheapest(total, costs, turn, begins):
    """The cheapest states (G, 2): row, and 1 if it was reached forwards, 0 if backwards.

    `total` (N, 2) are the costs of the states before (or, where the walk begins, of the first
    ones), `costs` (G, N) those of every step, `turn` (N,) those of turning round at a row.
    """
    turned, stays = [], costs.shape[1] == 1
    for k, cost in enumerate(costs):
        if k or not begins:
            # a step forwards into row n comes from row n - 1, whichever way that was reached
            options = np.stack([total, total[:, ::-1] + turn[:, None]], -1)
            best, way = options.min(-1), options.argmin(-1)
            moved, ways = np.full_like(total, np.inf), np.zeros_like(way)
            if stays:
                moved, ways = best, way
            else:
                moved[1:, 1], ways[1:, 1] = best[:-1, 1], way[:-1, 1]
                moved[:-1, 0], ways[:-1, 0] = best[1:, 0], way[1:, 0]
            total = moved
            turned.append(ways)
        total = total + cost[:, None]
    row, forwards = np.unravel_index(total.argmin(), total.shape)
    path = [(row, forwards)]
    for ways in reversed(turned):
        turn_round = ways[row, forwards]
        row = row if stays else row - (2 * forwards - 1)
        forwards = 1 - forwards if turn_round else forwards
        path.append((row, forwards))
    return np.array(path[::-1][0 if begins else 1 :], np.int64)
