"""Sound features at frame times (Sec. 3.2) and their correlation with the pose (App. A)."""

from tfhkit.audio.correlation import (
    correlate,
    correlate_lags,
    feature_vectors,
    motion_series,
    sound_series,
)
from tfhkit.audio.mfcc import band_windows, mfcc_windows
from tfhkit.audio.prosody import Prosody, prosody
from tfhkit.audio.recogniser import recogniser_states
from tfhkit.audio.speech import read_speech

__all__ = [
    "Prosody",
    "band_windows",
    "correlate",
    "correlate_lags",
    "feature_vectors",
    "mfcc_windows",
    "motion_series",
    "prosody",
    "read_speech",
    "recogniser_states",
    "sound_series",
]
