"""What the correlation analyses found: pair estimates with their settings, and one tidy table."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from tfhkit.stats.lagged import LaggedCorrelation
from tfhkit.stats.significance import corrected_p_values

# of the tidy table: one row per estimate, what was chosen, then what was found
COLUMNS = (
    "analysis estimate sound motion feature pooling radius min_gap_s lag_s r low high null_mean"
    " null_std p p_phase p_corrected n"
).split()


@dataclass(frozen=True)
class PairCorrelation:
    """One estimate over pairs of frames, with its settings.

    Args:
        r: Pearson correlation of sound distance and pose distance over the pairs.
        n_pairs: (anchor, neighbour) pairs; n_anchors: frames that have enough neighbours.
        sound, motion, feature: names of what was compared.
        pooling, radius, min_gap_s, lag_s: as in `pair_correlation`.
        interval: (low, high), 95 %, block bootstrap; NaN if none was asked for.
        shift_null: (K,) r of the pose track, circularly shifted against the sound.
        phase_null: (K,) r of phase-randomised pose tracks.
        p_shift, p_phase: one-sided p-values of r against them; NaN without a null.
    """

    r: float
    n_pairs: int
    n_anchors: int
    sound: str
    motion: str
    feature: str
    pooling: str
    radius: float
    min_gap_s: float
    lag_s: float
    interval: tuple[float, float]
    shift_null: Float[np.ndarray, "K"]
    phase_null: Float[np.ndarray, "P"]
    p_shift: float
    p_phase: float

    def row(self) -> dict[str, Any]:
        """Its cells of the tidy table, without those that need the other estimates."""
        mean, std = _mean_std(self.shift_null)
        names = ("sound", "motion", "feature", "pooling", "radius", "min_gap_s", "lag_s", "r")
        return {"analysis": "pairs"} | {name: getattr(self, name) for name in names} | {
            "low": self.interval[0],
            "high": self.interval[1],
            "null_mean": mean,
            "null_std": std,
            "p": self.p_shift,
            "p_phase": self.p_phase,
            "n": self.n_pairs,
        }  # fmt: skip


@dataclass(frozen=True)
class CorrelationReport:
    """The paper's estimate, the one without temporal neighbours, and the other choices."""

    paper: PairCorrelation
    no_neighbours: PairCorrelation
    variants: tuple[PairCorrelation, ...]

    def p_corrected(self) -> Float[np.ndarray, "E"]:
        """(2 + variants,) p-values of all estimates, in the order of `rows`, family-wise.

        All estimates use the same shifts, so the largest of them at each shift is known:
        see `tfhkit.stats.corrected_p_values`. NaN for an estimate without pairs.
        """
        every = (self.paper, self.no_neighbours, *self.variants)
        return corrected_p_values([e.r for e in every], [e.shift_null for e in every])

    def rows(self) -> list[dict[str, Any]]:
        """One dict per estimate: the tidy table, columns as in COLUMNS."""
        named = [("paper", self.paper), ("no_neighbours", self.no_neighbours)]
        named += [("variant", variant) for variant in self.variants]
        return [
            _in_order(result.row() | {"estimate": name, "p_corrected": float(p)})
            for (name, result), p in zip(named, self.p_corrected())
        ]

    def summary(self) -> dict[str, Any]:
        """The numbers in one flat dict; `p_value` is the shift null's, without neighbours.

        The stated estimate's own p-value is `paper_p_shift`; `p_corrected` is `p_value`,
        corrected for all estimates of the report. On 12 s `p_value` rejects slightly too often
        (docs/findings.md).
        """
        mean, std = _mean_std(self.paper.shift_null)
        phase_mean, phase_std = _mean_std(self.paper.phase_null)
        apart_mean, apart_std = _mean_std(self.no_neighbours.shift_null)
        return {
            "paper_r": self.paper.r,
            "paper_pairs": self.paper.n_pairs,
            "paper_low": self.paper.interval[0],
            "paper_high": self.paper.interval[1],
            "paper_p_shift": self.paper.p_shift,
            "paper_p_phase": self.paper.p_phase,
            "shift_null_mean": mean,
            "shift_null_std": std,
            "phase_null_mean": phase_mean,
            "phase_null_std": phase_std,
            "no_neighbours_r": self.no_neighbours.r,
            "no_neighbours_pairs": self.no_neighbours.n_pairs,
            "no_neighbours_low": self.no_neighbours.interval[0],
            "no_neighbours_high": self.no_neighbours.interval[1],
            "no_neighbours_null_mean": apart_mean,
            "no_neighbours_null_std": apart_std,
            "p_value": self.no_neighbours.p_shift,
            "p_phase": self.no_neighbours.p_phase,
            "p_corrected": float(self.p_corrected()[1]),
            "estimates": 2 + len(self.variants),
        }


def tidy_rows(report: CorrelationReport, lagged: LaggedCorrelation) -> list[dict[str, Any]]:
    """The pair estimates and the lagged correlations in one tidy table.

    Args:
        report: CorrelationReport. lagged: LaggedCorrelation.
    Returns:
        list of dict with the keys COLUMNS; None where a choice does not apply. A lagged row's
        `p` is corrected for its lags, its `p_corrected` for all pairs of series too; its
        null is the largest |r| over the lags of tracks with random phases.
    """
    return report.rows() + [_in_order(row) for row in lagged.rows()]


def _in_order(row):
    return {name: row.get(name) for name in COLUMNS}


def _mean_std(values):
    finite = values[np.isfinite(values)]
    return (float(finite.mean()), float(finite.std())) if len(finite) else (np.nan, np.nan)
