"""Head tracks of a clip that a study keeps, and who moves like whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from tfhkit.media import load_arrays, save_arrays
from tfhkit.metrics import hs


@dataclass(frozen=True, eq=False)
class HeadTracks:
    """Pitch, yaw and roll of the held-out part, in radians.

    Args:
        times: seconds of the held-out frames.
        real: as fitted.
        drawn: as driven by the sound, with what no sound predicts.
        mean: the mean prediction.
        training: of the frames that were learned from.
    """

    times: Float[np.ndarray, "T"]
    real: Float[np.ndarray, "T 3"]
    drawn: Float[np.ndarray, "T 3"]
    mean: Float[np.ndarray, "T 3"]
    training: Float[np.ndarray, "W 3"]

    def save(self, path: str | Path) -> None:
        """Write everything to one `.npz`."""
        save_arrays(path, self)

    @classmethod
    def load(cls, path: str | Path) -> "HeadTracks":
        """Read what `save` wrote; InputError where the file holds something else."""
        return load_arrays(path, cls)


def cross_scores(tracks: Sequence[HeadTracks], centred: bool = False) -> Float[np.ndarray, "P P"]:
    """HS of every person's real track (rows) and every person's generated one (columns).

    Args:
        tracks: one per person.
        centred: compare motion around each track's own mean, so that how a head is held, and where
            the camera stood, does not count.
    """

    def angles(track: Float[np.ndarray, "T 3"]) -> Float[np.ndarray, "T 3"]:
        return track - track.mean(0) if centred else track

    return np.array([[hs(angles(a.real), angles(b.drawn)) for b in tracks] for a in tracks])


def wins_over_others(scores: Float[np.ndarray, "P P"]) -> Float[np.ndarray, "P"]:
    """How well HS tells the right person from another one, for each person.

    The share of the other people whose generated track scores lower with this person's real track
    than the person's own does; ties count half. 0.5 is chance. Its mean is the area under the
    ROC curve of "right or wrong person" within each real track.
    """
    own = np.diag(scores)[:, None]
    wins = (own > scores) + 0.5 * (own == scores)
    return (wins.sum(1) - 0.5) / (len(scores) - 1)  # a track ties with itself
