"""Refined frames of a face: what the refiner hands on to the film."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from tfhkit.media import load_arrays, save_arrays


@dataclass(frozen=True, eq=False)
class Refined:
    """Finished frames of the face.

    Args:
        times: seconds.
        frames: numbers of the clip's frames that lie behind.
        pictures: refined crops.
        attention: A of Eq. 3 times 255: 255 where the rendering was kept.
        mask, changed: as in Coarse.
    """

    times: Float[np.ndarray, "T"]
    frames: Int[np.ndarray, "T"]
    pictures: UInt8[np.ndarray, "T S S 3"]
    attention: UInt8[np.ndarray, "T S S"]
    mask: UInt8[np.ndarray, "T S S"]
    changed: UInt8[np.ndarray, "T S S"]

    def __len__(self) -> int:
        return len(self.times)

    def save(self, path: str | Path) -> None:
        """Write everything to one `.npz`."""
        save_arrays(path, self)

    @classmethod
    def load(cls, path: str | Path) -> "Refined":
        """Read what `save` wrote; InputError where the file holds something else."""
        return load_arrays(path, cls)
