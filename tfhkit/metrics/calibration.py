"""What a value of HS means: in degrees of an injected error, and between people."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import rankdata

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.metrics.head_pose import ANGLES, N_BINS, degrees_of, hs

KINDS = ("offset", "noise", "wider", "narrower")


def inject(
    real_rad: Float[np.ndarray, "T 3"],
    kind: str,
    amount_deg: float,
    angle: str | None = None,
    seed: int = 0,
) -> Float[np.ndarray, "T 3"]:
    """A track with a known error.

    Args:
        real_rad: (T, 3).
        kind: "offset": this many degrees are added; "noise": white noise of that standard
            deviation; "wider", "narrower": the standard deviation about the mean grows or
            shrinks by this many degrees (at most to a still head).
        amount_deg: how much.
        angle: "pitch", "yaw" or "roll"; None changes all three.
        seed: of the noise.
    Returns:
        (T, 3) radians.
    Raises:
        ParameterError: an unknown kind or angle.
    """
    if kind not in KINDS:
        raise ParameterError("kind", f"unknown {kind!r}", f"choose one of {', '.join(KINDS)}")
    if angle is not None and angle not in ANGLES:
        raise ParameterError("angle", f"unknown {angle!r}", f"choose one of {', '.join(ANGLES)}")
    real = degrees_of("real", real_rad)
    if kind == "offset":
        change = np.full(real.shape, float(amount_deg))
    elif kind == "noise":
        change = amount_deg * np.random.default_rng(seed).standard_normal(real.shape)
    else:
        away, spread = real - real.mean(0), np.maximum(real.std(0), 1e-9)
        factor = amount_deg / spread
        change = away * (factor if kind == "wider" else -np.minimum(1, factor))
    touched = np.array([angle in (None, name) for name in ANGLES])
    return np.radians(real + change * touched)


def calibration(
    real_rad: Float[np.ndarray, "T 3"],
    amounts_deg: Sequence[float] | Float[np.ndarray, "A"],
    angle: str | None = None,
    span: str | float = "real",
    n_bins: int | None = N_BINS,
    seed: int = 0,
) -> dict[str, Float[np.ndarray, "A"]]:
    """HS of a track against itself with growing errors.

    Args:
        amounts_deg: (A,) degrees. Others: as in `inject` and `head_pose_score`.
    Returns:
        dict of kind -> (A,) HS.
    """
    return {
        kind: np.array(
            [
                hs(real_rad, inject(real_rad, kind, a, angle, seed), span, n_bins)
                for a in amounts_deg
            ]
        )
        for kind in KINDS
    }


def degrees_for(
    drop: float,
    amounts_deg: Sequence[float] | Float[np.ndarray, "A"],
    curve: Sequence[float] | Float[np.ndarray, "A"],
) -> float:
    """How many degrees of error cost this much HS: where a calibration curve has fallen by `drop`.

    Args:
        drop: e.g. 0.1. amounts_deg, curve: (A,) of `calibration`, amounts rising from 0.
    Returns:
        float degrees, between the curve's points; NaN where it never falls so far.
    """
    lost = np.maximum.accumulate(curve[0] - np.asarray(curve))
    if lost[-1] < drop:
        return float("nan")
    last = int(np.argmax(lost >= drop))
    if last == 0:
        return float(amounts_deg[0])
    share = (drop - lost[last - 1]) / (lost[last] - lost[last - 1])
    return float(amounts_deg[last - 1] + share * (amounts_deg[last] - amounts_deg[last - 1]))


def same_and_different(
    tracks_rad: Float[np.ndarray, "..."],
    n_frames: int,
    centred: bool = False,
    span: str | float = "real",
    n_bins: int | None = N_BINS,
) -> tuple[Float[np.ndarray, "P"], Float[np.ndarray, "P Q"]]:
    """HS of people against themselves and against each other, over clips of one length.

    Each track is cut at its middle; the part before it is the real clip, the part after it the
    other one, so both share a person but no moment.

    Args:
        tracks_rad: (P, T, 3) tracks of P people; T at least twice n_frames.
        n_frames: length of each part.
        centred: remove each part's mean first: how people move, without their resting pose.
        span, n_bins: as in `head_pose_score`.
    Returns:
        same (P,), different (P, P - 1).
    Raises:
        ShapeError; InputError: fewer than two people, or too short tracks.
    """
    check_shape("tracks_rad", tracks_rad, ("P", "T", 3))
    middle = tracks_rad.shape[1] // 2
    if len(tracks_rad) < 2 or not 2 <= n_frames <= middle:
        fault = f"{len(tracks_rad)} people with {tracks_rad.shape[1]} frames, parts of {n_frames}"
        raise InputError("tracks_rad", fault, "give two people or more, twice as long as a part")
    real, other = tracks_rad[:, middle - n_frames : middle], tracks_rad[:, middle:][:, :n_frames]
    if centred:
        real, other = (part - part.mean(1, keepdims=True) for part in (real, other))
    scores = np.array([[hs(a, b, span, n_bins) for b in other] for a in real])
    own = np.eye(len(scores), dtype=bool)
    return scores[own], scores[~own].reshape(len(scores), -1)


def auc(same: ArrayLike, different: ArrayLike) -> float:
    """How often a value of `same` is above one of `different`: 0.5 is chance, 1 always."""
    same, different = np.ravel(same), np.ravel(different)
    ranks = rankdata(np.concatenate([same, different]))[: len(same)]
    return float((ranks.sum() - len(same) * (len(same) + 1) / 2) / (len(same) * len(different)))
