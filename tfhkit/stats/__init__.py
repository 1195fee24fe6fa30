"""Statistics of time series: alignment, block bootstrap, nulls, p-values, correlations."""

from tfhkit.stats.alignment import (
    AlignedDistance,
    SoftAlignment,
    aligned_distance,
    pairs_in_reach,
    soft_dtw,
)
from tfhkit.stats.bootstrap import LEVELS, block_weights, correlation_interval, mean_interval
from tfhkit.stats.estimates import COLUMNS, CorrelationReport, PairCorrelation, tidy_rows
from tfhkit.stats.lagged import LaggedCorrelation, lagged_correlation
from tfhkit.stats.pair_correlation import PairSettings, pair_correlation
from tfhkit.stats.pairs import pair_distances
from tfhkit.stats.significance import corrected_p_values, p_value
from tfhkit.stats.surrogates import circular_shifts, phase_randomised, random_phases

__all__ = [
    "AlignedDistance",
    "COLUMNS",
    "LEVELS",
    "CorrelationReport",
    "LaggedCorrelation",
    "PairCorrelation",
    "PairSettings",
    "SoftAlignment",
    "aligned_distance",
    "block_weights",
    "circular_shifts",
    "corrected_p_values",
    "correlation_interval",
    "lagged_correlation",
    "mean_interval",
    "p_value",
    "pair_correlation",
    "pair_distances",
    "pairs_in_reach",
    "phase_randomised",
    "random_phases",
    "soft_dtw",
    "tidy_rows",
]
