"""HS, the similarity of head poses by their histograms (Eq. 6)."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import wasserstein_distance

from tfhkit.errors import InputError, ParameterError, check_shape

ANGLES = ("pitch", "yaw", "roll")
N_BINS = 64
SPANS = "'real', 'real95', 'both'"
MIN_SPAN_DEG = 1.0  # a clip that moves less is not told from a still one


@dataclass(frozen=True)
class HeadPoseScore:
    """Eq. 6 for one pair of tracks.

    Args:
        hs: mean over the angles of 1 - min(1, W1 / span).
        per_angle: (3,) the same for pitch, yaw, roll.
        w1_deg: (3,) Wasserstein distance in degrees.
        span_deg: (3,) what it was divided by.
    """

    hs: float
    per_angle: Float[np.ndarray, "3"]
    w1_deg: Float[np.ndarray, "3"]
    span_deg: Float[np.ndarray, "3"]


def hs(
    real_rad: np.ndarray,
    generated_rad: np.ndarray,
    span: str | float = "real",
    n_bins: int | None = N_BINS,
) -> float:
    """HS = 1 - W1(P_real, P_gen), the mean over pitch, yaw and roll (Eq. 6).

    Args and errors: as in `head_pose_score`.
    Returns:
        float in [0, 1]; 1 for tracks with equal histograms, in whatever order.
    """
    return head_pose_score(real_rad, generated_rad, span, n_bins).hs


def head_pose_score(
    real_rad: np.ndarray,
    generated_rad: np.ndarray,
    span: str | float = "real",
    n_bins: int | None = N_BINS,
) -> HeadPoseScore:
    """HS with its parts.

    Args:
        real_rad: (T, 3) pitch, yaw, roll. generated_rad: (U, 3); U may differ from T.
        span: what W1 is divided by, per angle, at least one degree. "real": max - min of the real
            clip; "real95": the range of its central 95 %, which a single glance aside does not
            widen; "both": max - min of the two together (W1 of histograms on [0, 1]); a number of
            degrees. The paper does not say; over 180 degrees a still head scores near 1.
        n_bins: bins of the histograms, over the range of both tracks; None compares the samples
            themselves. A bin's width bounds the error that the histogram makes.
    Returns:
        HeadPoseScore.
    Raises:
        ShapeError: not (T, 3). InputError: no frames, or NaN. ParameterError: span, n_bins.
    Source: paper Sec. 4.4, Eq. 6; SciPy's wasserstein_distance underneath.
    """
    tracks = [degrees_of(n, a) for n, a in (("real", real_rad), ("generated", generated_rad))]
    span_deg = span_of(span, *tracks)
    if n_bins is not None and not n_bins >= 2:
        raise ParameterError("n_bins", f"expected 2 or more, got {n_bins}", "or None for none")
    w1 = np.array([_w1_deg(a, b, n_bins) for a, b in zip(tracks[0].T, tracks[1].T)])
    per_angle = 1 - np.minimum(1, w1 / span_deg)
    return HeadPoseScore(float(per_angle.mean()), per_angle, w1, span_deg)


def _w1_deg(real, generated, n_bins):
    """W1 in degrees of two samples (T,), (U,), through their histograms unless n_bins is None."""
    if n_bins is None:
        return wasserstein_distance(real, generated)
    low, high = min(real.min(), generated.min()), max(real.max(), generated.max())
    if high - low < 1e-9:
        return 0.0
    counts = [np.histogram(x, n_bins, (low, high))[0] / len(x) for x in (real, generated)]
    apart = np.abs(np.cumsum(counts[0] - counts[1]))  # of the cumulative histograms
    return float(apart.sum() * (high - low) / n_bins)


def span_of(
    span: str | float, real: Float[np.ndarray, "T 3"], generated: Float[np.ndarray, "U 3"]
) -> Float[np.ndarray, "3"]:
    """(3,) degrees to divide W1 by; tracks in degrees."""
    if span == "real":
        return np.maximum(np.ptp(real, axis=0), MIN_SPAN_DEG)
    if span == "real95":
        return np.maximum(np.ptp(np.percentile(real, [2.5, 97.5], axis=0), axis=0), MIN_SPAN_DEG)
    if span == "both":
        return np.maximum(np.ptp(np.concatenate([real, generated]), axis=0), MIN_SPAN_DEG)
    if isinstance(span, (int, float)) and span > 0:
        return np.full(3, float(span))
    raise ParameterError("span", f"unknown {span!r}", f"choose {SPANS} or degrees above 0")


def degrees_of(name: str, angles_rad: np.ndarray) -> Float[np.ndarray, "T 3"]:
    """Angles (T, 3) in degrees, or an InputError."""
    angles = np.asarray(check_shape(name, np.asarray(angles_rad), ("T", 3)), np.float64)
    if not len(angles) or not np.isfinite(angles).all():
        fault = "contains NaN" if len(angles) else "has no frames"
        raise InputError(f"{name} head pose", fault, "give angles of every frame, in radians")
    return np.degrees(angles)
