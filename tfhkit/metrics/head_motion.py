"""Metrics for what HS ignores: speed, rhythm, and the correlations between the angles."""

import numpy as np
from jaxtyping import Float
from scipy.signal import welch
from scipy.stats import wasserstein_distance

from tfhkit.metrics.head_pose import MIN_SPAN_DEG, head_pose_score

BAND_HZ = 5.0  # head motion lives below this
_STILL_DEG = 1e-4


def head_motion_scores(
    real_rad: Float[np.ndarray, "T 3"],
    generated_rad: Float[np.ndarray, "U 3"],
    real_step_s: float,
    generated_step_s: float,
) -> dict[str, float]:
    """All in a dict: speed_ratio, speed_hs, spectrum, coupling; arguments as in `speed_hs`."""
    tracks = real_rad, generated_rad
    return {
        "speed_ratio": speed_ratio(*tracks, real_step_s, generated_step_s),
        "speed_hs": speed_hs(*tracks, real_step_s, generated_step_s),
        "spectrum": spectrum_similarity(*tracks, real_step_s, generated_step_s),
        "coupling": coupling_similarity(*tracks),
    }


def speed_hs(
    real_rad: Float[np.ndarray, "T 3"],
    generated_rad: Float[np.ndarray, "U 3"],
    real_step_s: float,
    generated_step_s: float,
) -> float:
    """HS of the angular velocities, normalised by the central 95 % of the real ones.

    Args:
        real_rad, generated_rad: (T, 3), (U, 3); steps in seconds.
    Returns:
        float in [0, 1].
    """
    real = np.diff(real_rad, axis=0) / real_step_s
    generated = np.diff(generated_rad, axis=0) / generated_step_s
    low, high = np.percentile(np.degrees(real), [2.5, 97.5], axis=0)
    w1 = head_pose_score(real, generated, span=180.0, n_bins=None).w1_deg
    return float(1 - np.minimum(1, w1 / np.maximum(high - low, MIN_SPAN_DEG)).mean())


def speed_ratio(
    real_rad: Float[np.ndarray, "T 3"],
    generated_rad: Float[np.ndarray, "U 3"],
    real_step_s: float,
    generated_step_s: float,
) -> float:
    """How fast the generated head moves compared with the real one: ratio of the rms speeds.

    Args:
        real_rad, generated_rad: (T, 3), (U, 3); steps in seconds.
    Returns:
        float, the angles' mean: 1 equally fast, 0 still, 0.5 in slow motion. A real angle that
        does not move is left out; NaN if all do.
    """
    rms = [
        np.sqrt(np.mean((np.diff(np.degrees(track), axis=0) / step) ** 2, axis=0))
        for track, step in ((real_rad, real_step_s), (generated_rad, generated_step_s))
    ]
    moves = rms[0] > _STILL_DEG
    return float(np.mean(rms[1][moves] / rms[0][moves])) if moves.any() else float("nan")


def spectrum_similarity(
    real_rad: Float[np.ndarray, "T 3"],
    generated_rad: Float[np.ndarray, "U 3"],
    real_step_s: float,
    generated_step_s: float,
) -> float:
    """Are nods and shakes as fast? 1 - W1 of the velocity's power over frequency, over 5 Hz.

    Args:
        real_rad, generated_rad: (T, 3), (U, 3); steps in seconds.
    Returns:
        float in [0, 1], the mean over the angles; a still angle against a moving one gives 0.
    """
    band = min(BAND_HZ, 0.5 / real_step_s, 0.5 / generated_step_s)
    spectra = []
    for track, step_s in ((real_rad, real_step_s), (generated_rad, generated_step_s)):
        speed = np.degrees(np.diff(track, axis=0)) / step_s
        length = min(len(speed), max(8, round(2.0 / step_s)))
        frequency, power = welch(speed, 1 / step_s, nperseg=length, axis=0, detrend="constant")
        spectra.append((frequency[frequency <= band], power[frequency <= band]))
    (f_real, p_real), (f_gen, p_gen) = spectra
    parts = []
    for real, generated in zip(p_real.T, p_gen.T):
        moves = real.sum() > 1e-9, generated.sum() > 1e-9
        if not all(moves):
            parts.append(float(moves[0] == moves[1]))
            continue
        parts.append(1 - min(1, wasserstein_distance(f_real, f_gen, real, generated) / band))
    return float(np.mean(parts))


def coupling_similarity(
    real_rad: Float[np.ndarray, "T 3"], generated_rad: Float[np.ndarray, "U 3"]
) -> float:
    """Are the correlations between the angles similar? 1 - mean |r - r'| / 2 over three pairs.

    r and r' are the correlations of pitch and yaw, pitch and roll, yaw and roll. HS compares the
    angles one by one and ignores them. Over a few seconds r varies a lot by chance: compare it
    with the real clip's halves.

    Args:
        real_rad, generated_rad: (T, 3), (U, 3).
    Returns:
        float in [0, 1]; a pair with a still angle in one of the tracks only counts 0.
    """
    found = []
    for track in (real_rad, generated_rad):
        angles = np.degrees(track) - np.degrees(track).mean(0)
        spread = angles.std(0)
        moves = spread > _STILL_DEG
        unit = np.where(moves, angles / np.maximum(spread, _STILL_DEG), np.nan)
        found.append(
            np.array([(unit[:, i] * unit[:, j]).mean() for i, j in ((0, 1), (0, 2), (1, 2))])
        )
    real, generated = found
    parts = 1 - np.abs(real - generated) / 2
    still = np.isnan(real), np.isnan(generated)
    parts = np.where(still[0] | still[1], (still[0] & still[1]).astype(float), parts)
    return float(parts.mean())
