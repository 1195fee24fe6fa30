"""Does a face move as much, and as fittingly, as the real one? Five measures after THEval."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from tfhkit.maths import frame_step
from tfhkit.metrics.face_motion import FaceMotion
from tfhkit.stats import LEVELS, block_weights

FRAME_S = 0.04  # THEval's changes from frame to frame, in videos of 25 fps
LEAST_SPEECH = 0.1  # share of frames with speech that lip-sync needs
SPAN = (2.0, 98.0)  # percentiles that lip opening and volume are scaled by
LEAST_DRAWN = 0.5  # share of the draws in which a measure must be defined for an interval
MIN_BLOCKS = 4
STILL = 1e-9  # what is less in any measure is no motion


@dataclass(frozen=True)
class DrawSettings:
    """How intervals are drawn.

    Args:
        n_draws: draws of the bootstrap. block_s: length of its blocks; at most a quarter of a
            video is taken. seed: of the draws.
    """

    n_draws: int = 200
    block_s: float = 1.0
    seed: int = 0


DRAWS = DrawSettings()


def lip_dynamics(face: FaceMotion) -> float:
    """How much the lips' shape varies: variance over time, mean over the pairs of lip points."""
    return float(face.lips.var(0).mean())


def head_motion_dynamics(face: FaceMotion) -> float:
    """How much the head turns, how unevenly fast, and how much it moves in the picture.

    sqrt(s v + p): s is the angles' standard deviation (deg), v the variance of their change in
    0.04 s (deg^2), p the variance of the head's place in the picture, in hundredths of the eyes'
    distance; each is a mean over its axes. In most clips p is by far the largest term, so the
    number is about the standard deviation of the place. HS and `speed_ratio` look at the angles.
    """
    turned = face.angles_deg.std(0).mean()
    change = FRAME_S * face.angle_speed_deg[np.isfinite(face.angle_speed_deg).all(1)]
    if not len(change):
        return float("nan")
    return float(np.sqrt(turned * change.var(0).mean() + face.place.var(0).mean()))


def eyebrow_dynamics(face: FaceMotion) -> float:
    """Mean absolute speed of the brows relative to the eyes, per second."""
    known = np.isfinite(face.brow_speed).all(1)
    return float(np.abs(face.brow_speed[known]).mean()) if known.any() else float("nan")


def silent_lip_stability(face: FaceMotion) -> float:
    """How restless the lips are in pauses: median of |opening - its mean|; NaN without a pause."""
    opening = face.opening[face.silent]
    if len(opening) < 2:
        return float("nan")
    return float(np.median(np.abs(opening - opening.mean())))


def lip_sync(face: FaceMotion) -> float:
    """Mean |lip opening - volume| during speech, both scaled to [0, 1]; NaN without speech.

    It compares sizes rather than timing: a delay costs little, and a still mouth may score well.
    """
    speech = ~face.silent
    if speech.mean() < LEAST_SPEECH or speech.sum() < 2:
        return float("nan")
    opening, volume = (_scaled(x[speech]) for x in (face.opening, face.volume))
    return float(np.abs(opening - volume).mean())


def _scaled(values):
    low, high = np.percentile(values, SPAN)
    return np.clip((values - low) / max(high - low, 1e-9), 0, 1)


# name -> the measure, and why it may be undefined
MEASURES: dict[str, tuple[Callable[[FaceMotion], float], str]] = {
    "lips": (lip_dynamics, "the real lips do not move"),
    "head": (head_motion_dynamics, "the real head does not move"),
    "brows": (eyebrow_dynamics, "the real brows do not move"),
    "silence": (silent_lip_stability, "no pause of 0.3 s or more"),
    "sync": (lip_sync, "less than a tenth of the frames has speech"),
}


@dataclass(frozen=True)
class Part:
    """One measure of a generated video against the real one.

    Args:
        real, generated: the measure of each; None where it is undefined.
        closeness: 1 - |generated - real| / |real|, not below 0; None where undefined.
        interval: (low, high) 95 % of the closeness, when both videos are drawn anew in blocks.
        spread: closeness of the real video's two halves: what the person scores against
            themselves.
        why: why the closeness is undefined; "" where it is not.
    """

    real: float | None
    generated: float | None
    closeness: float | None
    interval: tuple[float, float] | None
    spread: float | None
    why: str = ""


@dataclass(frozen=True)
class NaturalnessReport:
    """All parts by name ("lips", "head", "brows", "silence", "sync").

    Args:
        parts: Part by name.
        mean: of the parts' closeness that are defined; None where none is.
        interval: (low, high) 95 % of that mean; None where the mean is.
        spread: mean spread of the same parts, of those that have one.
    """

    parts: dict[str, Part]
    mean: float | None
    interval: tuple[float, float] | None
    spread: float | None

    def summary(self) -> dict[str, Any]:
        """The numbers in nested dicts."""
        return {
            **{name: asdict(part) for name, part in self.parts.items()},
            **{"mean": self.mean, "interval": self.interval, "spread": self.spread},
        }


def naturalness(
    real: FaceMotion,
    generated: FaceMotion,
    whole: FaceMotion | None = None,
    settings: DrawSettings = DRAWS,
) -> NaturalnessReport:
    """Five measures of a generated video, each as its closeness to the real one's.

    Args:
        real, generated: `face_motion` of the two videos; any frame rates and sizes of face. Where
            they have the same frame times, both are drawn at the same moments.
        whole: a longer part of the same person's real video, whose halves give the spread; None
            takes `real`.
        settings: DrawSettings.
    Returns:
        NaturalnessReport.
    Source: THEval (Quignon et al., CVPR 2026, arXiv 2511.04520) and its public code. Differs:
        measures are per second and in units of the eyes' distance, so that they hold for any
        frame rate and size; the head's pose is that of the mesh, not of a trained network; head
        and brows are smoothed, as otherwise the detector's noise counts as motion; pauses are
        found by level, not by a trained detector of speech; opening and volume are scaled by
        percentiles instead of extremes; real and generated are two videos, not the means of
        thousands.
    """
    drawn = _drawn_closeness(real, generated, settings)
    whole = real if whole is None else whole
    half = int(np.searchsorted(whole.times, (whole.times[0] + whole.times[-1]) / 2))
    halves = whole[:half], whole[half:]
    parts, closer = {}, {}
    for name, (measure, why) in MEASURES.items():
        values = measure(real), measure(generated)
        value = _closeness(*values)
        defined = np.isfinite(value)
        draws = drawn[name]
        if defined:
            closer[name] = draws
        parts[name] = Part(
            real=_or_none(values[0]),
            generated=_or_none(values[1]),
            closeness=_or_none(value),
            interval=_interval(draws, value) if defined else None,
            spread=_or_none(_spread(*map(measure, halves))),
            why="" if defined else why,
        )
    known = [part for part in parts.values() if part.closeness is not None]
    if not known:
        return NaturalnessReport(parts, None, None, None)
    mean = float(np.mean([part.closeness for part in known]))
    spreads = [part.spread for part in known if part.spread is not None]
    return NaturalnessReport(
        parts,
        mean,
        _interval(_mean_of_known(np.array(list(closer.values()))), mean),
        float(np.mean(spreads)) if spreads else None,
    )


def _closeness(real, generated):
    """1 - |generated - real| / |real|, not below 0; NaN where that is undefined."""
    if not np.isfinite(real + generated) or abs(real) < STILL:
        return float("nan")
    return max(0.0, 1 - abs(generated - real) / abs(real))


def _spread(first, second):
    """Closeness of two halves, each taken for the real one in turn."""
    return (_closeness(first, second) + _closeness(second, first)) / 2


def _drawn_closeness(real, generated, settings):
    """Closeness of every measure, one for each draw; only one draw is in memory at a time."""
    rows = _drawn_rows(real, settings), _drawn_rows(generated, settings)
    closer = {name: np.empty(settings.n_draws) for name in MEASURES}
    for k, places in enumerate(zip(*rows)):
        pair = real[places[0]], generated[places[1]]
        for name, (measure, _) in MEASURES.items():
            closer[name][k] = _closeness(*map(measure, pair))
    return closer


def _drawn_rows(face, settings):
    """Rows of a face, drawn in blocks, once per draw."""
    block_s = min(settings.block_s, len(face) * frame_step(face.times) / MIN_BLOCKS)
    counts = block_weights(face.times, settings.n_draws, block_s, settings.seed)
    rows = np.arange(len(face))
    return [np.repeat(rows, count) for count in counts]


def _mean_of_known(draws):
    """Mean over parts of every draw; NaN where all are unknown."""
    known = np.isfinite(draws)
    count = known.sum(0)
    total = np.where(known, draws, 0).sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _interval(draws, value):
    """95 % interval of the draws that are defined, around the value; None where few are."""
    known = draws[np.isfinite(draws)]
    if len(known) < LEAST_DRAWN * len(draws):
        return None
    low, high = np.percentile(known, LEVELS)
    return min(float(low), value), max(float(high), value)


def _or_none(value):
    return float(value) if np.isfinite(value) else None
