"""HS beside its baselines: still, shuffled, shifted and foreign heads; companions that see time."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import welch
from scipy.stats import wasserstein_distance

from tfhkit.audio.resampling import block_weights, frame_step
from tfhkit.errors import InputError
from tfhkit.metrics.head_pose import (
    ANGLES,
    MIN_SPAN_DEG,
    N_BINS,
    HeadPoseScore,
    degrees_of,
    head_pose_score,
    hs,
    span_of,
    w1_deg_of,
)

BAND_HZ = 5.0  # head motion lives below this


@dataclass(frozen=True)
class HeadPoseReport:
    """A score beside its baselines.

    Args:
        score: HeadPoseScore of the generated track.
        interval: (low, high) 95 %, block bootstrap of both tracks.
        split_half: HS of the real track's halves: what the person scores against themselves.
        frozen: HS of a still head at the real track's mean pose.
        skill: (hs - frozen) / (1 - frozen); 0 as good as a still head, 1 perfect.
        rows: one dict per track (generated and baselines): name, hs, speed_hs, spectrum.
    """

    score: HeadPoseScore
    interval: tuple
    split_half: float
    frozen: float
    skill: float
    rows: tuple

    def summary(self):
        """The numbers in one flat dict."""
        numbers = {
            "hs": self.score.hs,
            "hs_interval": list(self.interval),
            "hs_split_half": self.split_half,
            "hs_frozen": self.frozen,
            "hs_skill": self.skill,
        }
        return numbers | {
            f"hs_{name}": float(value) for name, value in zip(ANGLES, self.score.per_angle)
        }


def head_pose_report(
    real_rad,
    generated_rad,
    real_times,
    generated_times=None,
    others=None,
    span="real",
    n_bins=N_BINS,
    n_bootstrap=200,
    block_s=1.0,
    seed=0,
):
    """HS of a generated track beside what anybody could score.

    Args:
        real_rad: (T, 3). generated_rad: (U, 3).
        real_times, generated_times: (T,), (U,) seconds; the latter None for the same.
        others: dict of name -> (V, 3) further tracks at the generated times' rate, e.g. another
            speaker or a replay of the training part.
        span, n_bins: as in `head_pose_score`.
        n_bootstrap, block_s, seed: of the interval.
    Returns:
        HeadPoseReport. Its rows hold the generated track; a frozen head; the real track itself
        shuffled, and shifted by half its length (both have HS = 1: HS does not see time); the
        real track's halves; and `others`. `speed_hs` and `spectrum` do see time.
    """
    generated_times = real_times if generated_times is None else generated_times
    real, generated = degrees_of("real", real_rad), degrees_of("generated", generated_rad)
    real_rad, generated_rad = np.radians(real), np.radians(generated)
    if len(real) < 8 or len(generated) < 8:
        raise InputError(
            "tracks", f"have {len(real)} and {len(generated)} frames", "give 8 or more"
        )
    steps = frame_step(real_times), frame_step(generated_times)
    half = len(real) // 2
    order = np.random.default_rng(seed).permutation(len(real))
    still = np.repeat(real_rad.mean(0, keepdims=True), len(real), axis=0)
    tracks = {
        "generated": (generated_rad, steps[1]),
        "frozen head": (still, steps[0]),
        "real, shuffled": (real_rad[order], steps[0]),
        "real, shifted": (np.roll(real_rad, half, axis=0), steps[0]),
    }
    tracks |= {name: (track, steps[1]) for name, track in (others or {}).items()}
    rows = [
        {
            "track": name,
            "hs": hs(real_rad, track, span, n_bins),
            "speed_hs": speed_hs(real_rad, track, steps[0], step_s),
            "spectrum": spectrum_similarity(real_rad, track, steps[0], step_s),
        }
        for name, (track, step_s) in tracks.items()
    ]
    span_deg = span_of(span, real, generated)
    first, second = real_rad[:half], real_rad[half:]
    halves = 1 - np.minimum(1, head_pose_score(first, second, 180.0, n_bins).w1_deg / span_deg)
    split_half, frozen = float(halves.mean()), rows[1]["hs"]
    rows.append(
        {
            "track": "real, half against half",
            "hs": split_half,
            "speed_hs": speed_hs(first, second, steps[0], steps[0]),
            "spectrum": spectrum_similarity(first, second, steps[0], steps[0]),
        }
    )
    score = head_pose_score(real_rad, generated_rad, span, n_bins)
    draws = [
        block_weights(times, n_bootstrap, block_s, seed + i)
        for i, times in enumerate((real_times, generated_times))
    ]
    return HeadPoseReport(
        score=score,
        interval=_interval(score, real, generated, n_bins, draws),
        split_half=split_half,
        frozen=frozen,
        skill=(score.hs - frozen) / max(1 - frozen, 1e-6),
        rows=tuple(rows),
    )


def speed_hs(real_rad, generated_rad, real_step_s, generated_step_s):
    """HS of the angular velocities, normalised by the central 95 % of the real ones.

    Args:
        real_rad, generated_rad: (T, 3), (U, 3); steps in seconds.
    Returns:
        float in [0, 1].
    """
    speeds = [
        np.diff(track, axis=0) / step
        for track, step in ((real_rad, real_step_s), (generated_rad, generated_step_s))
    ]
    low, high = np.percentile(np.degrees(speeds[0]), [2.5, 97.5], axis=0)
    w1 = head_pose_score(*speeds, span=180.0, n_bins=None).w1_deg
    return float(1 - np.minimum(1, w1 / np.maximum(high - low, MIN_SPAN_DEG)).mean())


def spectrum_similarity(real_rad, generated_rad, real_step_s, generated_step_s):
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


def _interval(score, real, generated, n_bins, draws):
    """Percentiles of the bootstrap's spread around the score.

    Drawing anew lowers HS even for equal tracks, so the draws are moved to the score's median.
    """

    def w1_of(weights):
        pairs = zip(real.T, generated.T)
        return np.array([w1_deg_of(x, y, n_bins, weights) for x, y in pairs])

    values = [1 - np.minimum(1, w1_of(pair) / score.span_deg).mean() for pair in zip(*draws)]
    low, high = np.percentile(values - np.median(values) + score.hs, [2.5, 97.5])
    return float(np.clip(low, 0, 1)), float(np.clip(high, 0, 1))
