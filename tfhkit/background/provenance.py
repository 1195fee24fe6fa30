"""How much of the rendered head motion came from the sound, and how much from the background.

The sound acts twice. Its predicted pose p chooses the background, whose pose is q, and then
turns the face a little away from q. Each way has its question.

*shape*: whose curve does one see? The rendered angle is a mix, r = w p + (1 - w) q, with a weight
w that is known from the matching (smaller in frames where the turn is limited). With all three
measured from the mean of r, r is the sum of w p and (1 - w) q, and the Shapley value splits its
variance between these two exactly: <w p, r> / <r, r> for the sound. That the sound chose q does
not count here.

*choice*: what would change if another sentence were spoken? The matching is repeated with the
predicted pose circularly shifted in time, by even steps. Each shift stands for a sound of the same
style that says something else at each moment. With r_k(t) the angle under sound k, the share is
mean_t var_k r_k(t) / var_tk r_k(t). It counts everything that follows the sound in any way, the
choice of the background too. It does not tell whether a *real* head would move like that: random
numbers in place of the prediction would change the output just as much. With a source of many
poses it nears 1 in every mode but "still".

The coefficients of determination of r on p and q (LMG) are not used. Since q is chosen to be near
p, the two are correlated, and p would be credited with motion that was copied from q.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tfhkit.background.match import MATCH, BackgroundMatch, MatchSettings, match_background
from tfhkit.errors import ParameterError, check_shape
from tfhkit.stats import LEVELS, block_weights

STILL_RAD = 1e-4  # an axis with a smaller standard deviation does not move; its shares are 0
N_SOUNDS, N_BOOTSTRAP, BLOCK_S = 16, 500, 1.0


@dataclass(frozen=True)
class Provenance:
    """Shares of the variance of the rendered angles; 0 where nothing moves.

    Args:
        shape: share of pitch, yaw and roll that the predicted pose itself contributes. Below 0
            where it works against the background's motion; the rest to 1 is the background's.
        shape_all: the same for all three angles together; shape_interval: (low, high) 95 %.
        choice: share of pitch, yaw and roll that changes when the sound changes, in [0, 1]; see
            `provenance`. choice_all: the same for all three angles together.
        follows: correlation of the rendered with the predicted angles, 0 where one does not move.
        apart_deg: mean |rendered - background's| over frames and angles, degrees.
    """

    shape: Float[np.ndarray, "3"]
    shape_all: float
    shape_interval: tuple[float, float]
    choice: Float[np.ndarray, "3"]
    choice_all: float
    follows: Float[np.ndarray, "3"]
    apart_deg: float

    def numbers(self) -> dict[str, float | list[float]]:
        """For a manifest: numbers, and lists over pitch, yaw, roll."""
        named: dict[str, float | list[float]]
        named = {"shape_from_sound": self.shape_all, "interval": list(self.shape_interval)}
        named |= {"shape_per_angle": self.shape.tolist(), "changes_with_sound": self.choice_all}
        named |= {"changes_per_angle": self.choice.tolist(), "follows": self.follows.tolist()}
        return named | {"apart_deg": self.apart_deg}


def provenance(
    pred_pose: Float[np.ndarray, "..."],
    source_pose: Float[np.ndarray, "..."],
    times: Float[np.ndarray, "..."],
    source_times: Float[np.ndarray, "..."],
    mode: str = "paper",
    settings: MatchSettings = MATCH,
    n_sounds: int = N_SOUNDS,
    seed: int = 0,
) -> tuple[BackgroundMatch, Provenance]:
    """The share of the output's head motion that came from the sound, asked in two ways.

    The module's docstring has the two questions and their definitions.

    Args:
        pred_pose: (T, 6). source_pose: (N, 6). times: (T,). source_times: (N,). mode, settings: as
            in `match_background`.
        n_sounds: number of sounds for the second question, at least 2. If it is larger than T, only
            T are used.
        seed: random seed of the block bootstrap.
    Returns:
        The match of the predicted pose, and its shares.
    Raises:
        ParameterError: n_sounds is too small. Otherwise as in `match_background`.
    Source: paper Sec. 3.3.2; Shapley 1953 for the split.
    """
    if n_sounds < 2:
        raise ParameterError("n_sounds", f"expected 2 or more, got {n_sounds}", "e.g. 16")
    pred, source = np.asarray(pred_pose, np.float64), np.asarray(source_pose, np.float64)
    match = match_background(pred, source, times, source_times, mode, settings)
    behind = source[match.source_index, :3]
    rendered = match.sound_weight * pred[:, :3] + (1 - match.sound_weight) * behind
    shape, shape_all, ours, whole = split_shares(pred[:, :3], behind, match.sound_weight)
    steps = np.unique(np.linspace(0, len(pred), n_sounds, endpoint=False).astype(int))
    others = [np.roll(pred, step, 0) for step in steps[1:]]
    matched = [match_background(p, source, times, source_times, mode, settings) for p in others]
    tracks = np.stack([rendered] + [m.pose[:, :3].astype(np.float64) for m in matched])
    choice, choice_all = changing_shares(tracks)
    interval = _interval(ours, whole, times, seed)
    apart = float(np.degrees(np.abs(rendered - behind).mean()))
    follows = _correlation(pred[:, :3], rendered)
    return match, Provenance(shape, shape_all, interval, choice, choice_all, follows, apart)


def split_shares(
    pred: Float[np.ndarray, "..."],
    behind: Float[np.ndarray, "..."],
    weight: Float[np.ndarray, "..."],
) -> tuple[Float[np.ndarray, "D"], float, Float[np.ndarray, "T"], Float[np.ndarray, "T"]]:
    """The sound's Shapley share of the variance of weight pred + (1 - weight) behind.

    Args:
        pred, behind, weight: (T, D).
    Returns:
        The share of each axis, and of all axes together; then each frame's contribution from the
        sound and its whole contribution. The share of all axes is the ratio of the sums of these.
    Raises:
        ShapeError: shapes differ.
    """
    check_shape("pred", pred, ("T", "D"))
    check_shape("behind", behind, pred.shape)
    check_shape("weight", weight, pred.shape)
    rendered = weight * pred + (1 - weight) * behind
    middle = rendered.mean(0)
    moved = rendered - middle
    moved[:, moved.std(0) < STILL_RAD] = 0
    ours, whole = weight * (pred - middle) * moved, moved**2
    together = _share(ours.sum(), whole.sum())
    return _share(ours.sum(0), whole.sum(0)), float(together), ours.sum(1), whole.sum(1)


def changing_shares(tracks: Float[np.ndarray, "K T D"]) -> tuple[Float[np.ndarray, "D"], float]:
    """Share of the variance of K tracks that differs from sound to sound.

    Returns:
        The share of each axis, and of all axes together; 0 for one sound.
    """
    n_sounds = len(tracks)
    total = tracks.var((0, 1))
    total[np.sqrt(total) < STILL_RAD] = 0
    within = tracks.var(0, ddof=1).mean(0) if n_sounds > 1 else np.zeros_like(total)
    within = np.minimum(within, total)  # unbiased, so chance can take it beyond
    return _share(within, total), float(_share(within[total > 0].sum(), total.sum()))


def _correlation(a, b):
    """(D,) of two (T, D) tracks; 0 where one does not move."""
    a, b = a - a.mean(0), b - b.mean(0)
    moves = (a.std(0) >= STILL_RAD) & (b.std(0) >= STILL_RAD)
    return np.where(moves, (a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0) + 1e-24), 0.0)


def _share(part, whole):
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), 0.0)


def _interval(ours, whole, times, seed):
    """95 % of sum(ours) / sum(whole) by the block bootstrap."""
    if len(times) < 2:
        share = float(_share(ours.sum(), whole.sum()))
        return share, share
    weights = block_weights(times, N_BOOTSTRAP, BLOCK_S, seed)
    low, high = np.percentile(_share(weights @ ours, weights @ whole), LEVELS)
    return float(low), float(high)
