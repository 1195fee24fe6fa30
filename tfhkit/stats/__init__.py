"""Statistics: time series (bootstrap, nulls, correlations, alignment) and people's votes."""

from tfhkit.stats.agreement import MEASURES, alpha_interval, krippendorff_alpha
from tfhkit.stats.alignment import (
    AlignedDistance,
    SoftAlignment,
    aligned_distance,
    pairs_in_reach,
    soft_dtw,
)
from tfhkit.stats.bootstrap import LEVELS, block_weights, correlation_interval, mean_interval
from tfhkit.stats.crossed import crossed_correlation, crossed_mean_interval, crossed_weights
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
    "MEASURES",
    "PairCorrelation",
    "PairSettings",
    "SoftAlignment",
    "aligned_distance",
    "alpha_interval",
    "block_weights",
    "circular_shifts",
    "corrected_p_values",
    "correlation_interval",
    "crossed_correlation",
    "crossed_mean_interval",
    "crossed_weights",
    "krippendorff_alpha",
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
