"""Sound features at frame times (Sec. 3.2) and their correlation with the pose (App. A)."""

from tfhkit.audio.correlation import PairSettings, correlate, feature_vectors, pair_correlation
from tfhkit.audio.estimates import (
    CorrelationReport,
    PairCorrelation,
    tidy_rows,
    write_table,
)
from tfhkit.audio.lagged import (
    LaggedCorrelation,
    lagged_correlation,
    motion_series,
    sound_series,
)
from tfhkit.audio.mfcc import mfcc_track, mfcc_windows
from tfhkit.audio.pairs import pair_distances
from tfhkit.audio.prosody import Prosody, prosody

__all__ = [
    "CorrelationReport",
    "LaggedCorrelation",
    "PairCorrelation",
    "PairSettings",
    "Prosody",
    "correlate",
    "feature_vectors",
    "lagged_correlation",
    "mfcc_track",
    "mfcc_windows",
    "motion_series",
    "pair_correlation",
    "pair_distances",
    "prosody",
    "sound_series",
    "tidy_rows",
    "write_table",
]
