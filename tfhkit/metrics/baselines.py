"""HS with its baselines: still, replayed, shuffled, shifted and foreign heads, with intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Real

from tfhkit.errors import InputError
from tfhkit.maths import frame_step
from tfhkit.metrics.head_motion import head_motion_scores
from tfhkit.metrics.head_pose import (
    ANGLES,
    MIN_SPAN_DEG,
    HeadPoseScore,
    degrees_of,
    head_pose_score,
    hs,
    span_of,
)
from tfhkit.metrics.intervals import AS_STATED, HsSettings, hs_intervals

MIN_FRAMES = 8
_ROUNDING = 1e-9  # far above the rounding error of a score near 1
COMPANIONS = ("speed_ratio", "speed_hs", "spectrum", "coupling")
FROZEN = "still at the real mean (oracle)"
FROZEN_TRAINING = "still at the training mean"
REPLAY = "replay of the training part"
SHUFFLED, SHIFTED = "real, shuffled", "real, shifted"
HALVES = "real, half against half"


@dataclass(frozen=True)
class HeadPoseReport:
    """A score with its baselines.

    Args:
        score: HeadPoseScore of the generated track.
        interval: (low, high) 95 %, see `hs_intervals` for what it covers.
        split_half: HS of the real track's halves: what the person scores against themselves.
        frozen: HS of a still head at the real track's own mean pose. An oracle: no method knows
            that mean beforehand.
        above_frozen: (low, high) 95 % of hs - frozen.
        skill: (hs - frozen) / (1 - frozen); 0 as good as that still head, 1 perfect; None where
            the real head is still itself: no angle of it moves by MIN_SPAN_DEG or more.
        frozen_training: HS of a still head at the training part's mean, what a method without
            pose can do; above_frozen_training: (low, high) 95 % of hs - frozen_training.
        replay: HS of the training part itself: the score of somebody who learned the person's
            distribution perfectly. These three are None without a training part.
        frames: (T, U) of the real and the generated track.
        rows: one dict per track (generated and baselines): track, hs, speed_ratio,
            speed_hs, spectrum, coupling (see `tfhkit.metrics.head_motion`).
    """

    score: HeadPoseScore
    interval: tuple[float, float]
    split_half: float
    frozen: float
    above_frozen: tuple[float, float]
    skill: float | None
    frozen_training: float | None
    above_frozen_training: tuple[float, float] | None
    replay: float | None
    frames: tuple[int, int]
    rows: tuple[dict[str, Any], ...]

    def row(self, track: str) -> dict[str, Any]:
        """The row of a track by its name."""
        return next(row for row in self.rows if row["track"] == track)

    def summary(self) -> dict[str, Any]:
        """The numbers in one flat dict."""
        score, generated = self.score, self.rows[0]
        numbers = {"hs": score.hs, "hs_interval": list(self.interval)}
        numbers |= {f"hs_{name}": float(part) for name, part in zip(ANGLES, score.per_angle)}
        numbers |= {
            "w1_deg": score.w1_deg.tolist(),
            "span_deg": score.span_deg.tolist(),
            "hs_frozen": self.frozen,
            "hs_minus_frozen_interval": list(self.above_frozen),
            "hs_skill": self.skill,
            "hs_split_half": self.split_half,
            "hs_shuffled": self.row(SHUFFLED)["hs"],
            "hs_shifted": self.row(SHIFTED)["hs"],
            **{name: generated[name] for name in COMPANIONS},
            "frames": list(self.frames),
        }
        if self.replay is not None and self.above_frozen_training is not None:
            numbers |= {
                "hs_frozen_training": self.frozen_training,
                "hs_minus_frozen_training_interval": list(self.above_frozen_training),
                "hs_replay": self.replay,
            }
        return numbers


def head_pose_report(
    real_rad: Float[np.ndarray, "..."],
    generated_rad: Float[np.ndarray, "..."],
    real_times: Real[np.ndarray, "T"],
    generated_times: Real[np.ndarray, "U"] | None = None,
    others: Mapping[str, Float[np.ndarray, "_ 3"]] | None = None,
    training_rad: Float[np.ndarray, "..."] | None = None,
    settings: HsSettings = AS_STATED,
) -> HeadPoseReport:
    """HS of a generated track, compared with baselines.

    Args:
        real_rad: (T, 3). generated_rad: (U, 3).
        real_times, generated_times: (T,), (U,) seconds; the latter None for the same.
        others: dict of name -> (V, 3) further tracks at the generated times' rate, e.g. another
            speaker.
        training_rad: (W, 3) the real person's training part, at the real times'
            rate; None where it is not known.
        settings: HsSettings; its seed also shuffles the real track.
    Returns:
        HeadPoseReport. Its rows hold the generated track; a still head at the real track's own
        mean; with `training_rad` a still head at its mean, and its replay; the real track itself
        shuffled, and shifted by half its length (both have HS = 1, because HS ignores time);
        `others`; and the real track's halves.
    Raises:
        ShapeError, InputError, ParameterError: as `head_pose_score`; fewer than 8 frames.
    """
    generated_times = real_times if generated_times is None else generated_times
    span, n_bins = settings.span, settings.n_bins
    given = {"real": real_rad, "generated": generated_rad}
    given |= {} if training_rad is None else {"training": training_rad}
    tracks_deg = _long_enough({name: degrees_of(name, track) for name, track in given.items()})
    real_deg, generated_deg = tracks_deg["real"], tracks_deg["generated"]
    real, generated = np.radians(real_deg), np.radians(generated_deg)
    real_s, generated_s = frame_step(real_times), frame_step(generated_times)
    tracks = _compared(tracks_deg, real_s, generated_s, settings.seed)
    tracks |= {name: (np.asarray(track), generated_s) for name, track in (others or {}).items()}
    rows = {
        name: {
            "track": name,
            "hs": hs(real, track, span, n_bins),
            **head_motion_scores(real, track, real_s, step_s),
        }
        for name, (track, step_s) in tracks.items()
    }
    span_deg = span_of(span, real_deg, generated_deg)
    halves = real[: len(real) // 2], real[len(real) // 2 :]
    apart = head_pose_score(*halves, 180.0, n_bins).w1_deg / span_deg
    split_half = float((1 - np.minimum(1, apart)).mean())
    rows[HALVES] = {
        "track": HALVES,
        "hs": split_half,
        **head_motion_scores(*halves, real_s, real_s),
    }
    score, frozen = head_pose_score(real, generated, span, n_bins), rows[FROZEN]["hs"]
    with_training = training_rad is not None
    stills = [None, tracks_deg["training"].mean(0)] if with_training else [None]
    interval, above = hs_intervals(
        real_deg, generated_deg, real_times, generated_times, span_deg, stills, settings
    )
    return HeadPoseReport(
        score=score,
        interval=interval,
        split_half=split_half,
        frozen=frozen,
        above_frozen=above[0],
        skill=_skill(score.hs, frozen, real_deg),
        frozen_training=rows[FROZEN_TRAINING]["hs"] if with_training else None,
        above_frozen_training=above[1] if with_training else None,
        replay=rows[REPLAY]["hs"] if with_training else None,
        frames=(len(real), len(generated)),
        rows=tuple(rows.values()),
    )


def _skill(score, frozen, real_deg):
    """The skill of a HeadPoseReport; None where a still head cannot be told from the real one."""
    left = 1 - frozen
    moves = (np.ptp(real_deg, axis=0) >= MIN_SPAN_DEG).any()
    return (score - frozen) / left if moves and left > _ROUNDING else None


def _long_enough(tracks_deg):
    """The tracks, or an InputError that counts the frames of those that are too short."""
    few = {name: len(track) for name, track in tracks_deg.items() if len(track) < MIN_FRAMES}
    if few:
        counts = " and ".join(f"{name} {count}" for name, count in few.items())
        raise InputError("head poses", f"too few frames ({counts})", f"give {MIN_FRAMES} or more")
    return tracks_deg


def _compared(tracks_deg, real_s, generated_s, seed):
    """name -> (track in radians, its step in seconds): the generated one, then the baselines."""
    real, generated = np.radians(tracks_deg["real"]), np.radians(tracks_deg["generated"])
    order = np.random.default_rng(seed).permutation(len(real))
    tracks = {
        "generated": (generated, generated_s),
        FROZEN: (_still(real.mean(0), len(real)), real_s),
    }
    if "training" in tracks_deg:
        training = np.radians(tracks_deg["training"])
        tracks[FROZEN_TRAINING] = (_still(training.mean(0), len(real)), real_s)
        tracks[REPLAY] = (training, real_s)
    tracks[SHUFFLED] = (real[order], real_s)
    tracks[SHIFTED] = (np.roll(real, len(real) // 2, axis=0), real_s)
    return tracks


def _still(pose, n_frames):
    """(T, 3) of a head that keeps one pose."""
    return np.repeat(np.asarray(pose)[None], n_frames, axis=0)
