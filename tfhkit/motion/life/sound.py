"""What of a voice chooses a person's pieces of motion: relative loudness, pitch, and pauses."""

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d, maximum_filter1d

from tfhkit.audio.prosody import prosody
from tfhkit.errors import InputError
from tfhkit.maths import smooth
from tfhkit.motion.data import STEP_S

PAUSE_DB = 24.0  # so much quieter than the loud moments of a speech, nobody speaks
LOUD_PERCENTILE = 95
AROUND_S = 0.16  # lips move before and after the sound
FADE_S = 0.12  # from speech to pause
ENVELOPE_S = 0.12  # the loudness of a syllable or two
DB, SEMITONES = 10.0, 3.0  # units of loudness and pitch


def envelopes(
    audio: Float[np.ndarray, "N"], grid: Float[np.ndarray, "G"]
) -> tuple[Float[np.ndarray, "G 2"], Float[np.ndarray, "G"]]:
    """Loudness and pitch of a voice, and where it pauses.

    Loudness counts from the loud moments of the same sound, so that it holds for every recording.

    Args:
        audio: 16 kHz, mono; audio[0] is at time 0.
        grid: seconds, STEP_S apart.
    Returns:
        loudness and pitch in units of DB and SEMITONES; share of pause, 0 to 1. A sound without
        any voice is one pause.
    """
    try:
        heard = prosody(audio, grid)
    except InputError:
        return np.zeros((len(grid), 2)), np.ones(len(grid))
    below = heard.energy_db.astype(np.float64) - np.percentile(heard.energy_db, LOUD_PERCENTILE)
    speaks = (below > -PAUSE_DB).astype(np.float64)
    speaks = maximum_filter1d(speaks, 2 * round(AROUND_S / STEP_S) + 1)
    pause = smooth(1 - gaussian_filter1d(speaks, FADE_S / STEP_S).clip(0, 1))
    tracks = np.stack([below.clip(-4 * DB, DB) / DB, heard.pitch_st.clip(-9, 9) / SEMITONES], 1)
    return gaussian_filter1d(tracks, ENVELOPE_S / STEP_S, axis=0), pause
