"""Bridge short gaps in landmark tracks and smooth tracks in time, with care for the lips."""

import numpy as np
from jaxtyping import Bool, Float

SIGMA_S = 0.035  # Gaussian window for jaw, brows and nose
QUICK_SIGMA_S = 0.016  # for lips and eyelids: closures last 50 ms and must survive
QUICK = np.r_[36:48, 48:68]


def bridge(
    points_px: Float[np.ndarray, "T n 2"],
    known: Bool[np.ndarray, "T"],
    times: Float[np.ndarray, "T"],
) -> Float[np.ndarray, "T n 2"]:
    """Fill the frames without landmarks along straight lines between their neighbours.

    Args:
        points_px: (T, n, 2); rows where `known` is False are ignored.
        known: (T,) bool, at least one True.
        times: (T,) seconds.
    Returns:
        (T, n, 2) float64; before the first and after the last known frame that frame is held.
    """
    flat = np.asarray(points_px, np.float64).reshape(len(times), -1)
    filled = [np.interp(times, times[known], column[known]) for column in flat.T]
    return np.stack(filled, axis=1).reshape(len(times), -1, 2)


def smooth(
    points_px: Float[np.ndarray, "T 68 2"],
    times: Float[np.ndarray, "T"],
    sigma_s: float = SIGMA_S,
    quick_sigma_s: float = QUICK_SIGMA_S,
) -> Float[np.ndarray, "T 68 2"]:
    """Zero-phase smoothing: a local parabola with Gaussian weights in seconds.

    A parabola keeps the height of peaks, such as a closing of the lips, where a mean would
    flatten them. Widths are in seconds, so slow clips (12 fps) pass nearly unchanged.

    Args:
        points_px: (T, 68, 2).
        times: (T,) seconds, any steps.
        sigma_s, quick_sigma_s: widths for the face and for lips and eyelids; 0 switches it off.
    Returns:
        (T, 68, 2) float64.
    """
    points_px = np.asarray(points_px, np.float64)
    result = points_px.copy()
    slow = np.setdiff1d(np.arange(68), QUICK)
    for group, sigma in ((slow, sigma_s), (QUICK, quick_sigma_s)):
        result[:, group] = smooth_track(points_px[:, group], times, sigma)
    return result


def smooth_track(
    values: Float[np.ndarray, "T ..."], times: Float[np.ndarray, "T"], sigma_s: float
) -> Float[np.ndarray, "T ..."]:
    """The smoothing of `smooth` for any track.

    Args:
        values: (T, ...). times: (T,) seconds, any steps. sigma_s: width; 0 switches it off.
    Returns:
        (T, ...) float64.
    """
    values = np.asarray(values, np.float64)
    result = values.copy()
    if sigma_s > 0 and len(times) > 2:
        weights = _parabola_weights(np.asarray(times, np.float64), sigma_s)
        for frame, (window, row) in enumerate(weights):
            result[frame] = np.tensordot(row, values[window], axes=1)
    return result


def _parabola_weights(times, sigma):
    """Per frame: a slice of frames and the weights that give the fitted parabola's value."""
    weights = []
    for frame, now in enumerate(times):
        low, high = np.searchsorted(times, (now - 3 * sigma, now + 3 * sigma + 1e-9))
        # a parabola needs more than three points to smooth anything, at the ends as well
        low = max(0, min(low, frame - 2, len(times) - 5))
        high = min(len(times), max(high, frame + 3, 5))
        u = (times[low:high] - now) / sigma
        root = np.exp(-0.25 * u**2)  # square root of the Gaussian, for least squares
        basis = np.stack([np.ones_like(u), u, u**2], 1)[:, : min(3, len(u))]
        weights.append((slice(low, high), np.linalg.pinv(basis * root[:, None])[0] * root))
    return weights
