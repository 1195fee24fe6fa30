"""What of a voice chooses a person's pieces of motion: relative loudness, and pauses."""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from tfhkit.audio.prosody import loudness_db
from tfhkit.maths import smooth
from tfhkit.motion.data import STEP_S

LOUD_PERCENTILE = 95
PAUSE_DB = 24.0  # so much quieter than the loud moments of a speech, nobody speaks
LEAST_DB = 40.0  # quieter than that is all the same
UNIT_DB = 10.0
AROUND_S = 0.16  # lips move before and after the sound
FADE_S = 0.12  # from speech to pause
ENVELOPE_S = 0.12  # the loudness of a syllable or two


def envelope(
    audio: Float[np.ndarray, "N"], grid: Float[np.ndarray, "G"]
) -> tuple[Float[np.ndarray, "G"], Float[np.ndarray, "G"]]:
    """Loudness of a voice, and where it pauses.

    Loudness counts from the loud moments of the same sound, so that it holds for every recording.

    Args:
        audio: 16 kHz, mono; audio[0] is at time 0.
        grid: seconds, STEP_S apart.
    Returns:
        loudness in units of UNIT_DB, at most 0 in most frames; share of pause, 0 to 1.
    """
    loud_db = loudness_db(audio, grid)
    below_db = loud_db - np.percentile(loud_db, LOUD_PERCENTILE)
    speaks = maximum_filter1d((below_db > -PAUSE_DB) * 1.0, 2 * round(AROUND_S / STEP_S) + 1)
    pause = smooth((1 - gaussian_filter1d(speaks, FADE_S / STEP_S)).clip(0, 1))
    loudness = below_db.clip(-LEAST_DB, LEAST_DB) / UNIT_DB
    return gaussian_filter1d(loudness, ENVELOPE_S / STEP_S), pause
