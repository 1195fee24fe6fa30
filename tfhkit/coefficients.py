"""The 257 coefficients of a face (Sec. 3.1), and the only place that knows their offsets.

Order of the vector, as in Deep3D: identity 80, expression 64, texture 80, angles 3, light 27,
translation 3. Light is channel-major, (3, 9), and 0.8 is added to its band 0 when it is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from tfhkit.errors import InputError, check_shape

SIZES = {"id": 80, "exp": 64, "tex": 80, "angles": 3, "light": 27, "trans": 3}
N_COEFFICIENTS = sum(SIZES.values())
SLICES = {}
_start = 0
for _name, _size in SIZES.items():
    SLICES[_name] = slice(_start, _start + _size)
    _start += _size


# which frames: a number, a slice, or an array of numbers or truth values
Frames = int | slice | Sequence[int] | Shaped[Any, "..."]


@dataclass(frozen=True)
class Coefficients:
    """One row per frame; NumPy arrays or torch tensors, all of one kind.

    Args:
        id: (..., 80) identity, in standard deviations.
        exp: (..., 64) expression.
        tex: (..., 80) texture, in standard deviations.
        angles: (..., 3) pitch, yaw, roll in radians; see `tfhkit.camera`.
        light: (..., 27) spherical harmonics, channel-major (3, 9).
        trans: (..., 3) translation in model units (1 dm).
    """

    id: Float[Any, "..."]
    exp: Float[Any, "..."]
    tex: Float[Any, "..."]
    angles: Float[Any, "..."]
    light: Float[Any, "..."]
    trans: Float[Any, "..."]

    def __post_init__(self) -> None:
        for name, size in SIZES.items():
            check_shape(f"Coefficients.{name}", getattr(self, name), (..., size))

    @classmethod
    def from_vector(cls, vector: Float[Any, "..."]) -> "Coefficients":
        """Split (..., 257) into named parts (views)."""
        check_shape("vector", vector, (..., N_COEFFICIENTS))
        return cls(**{name: vector[..., part] for name, part in SLICES.items()})

    def to_vector(self) -> Float[Any, "... 257"]:
        """Join the parts to (..., 257), as the same kind of array."""
        parts = [getattr(self, name) for name in SIZES]
        if isinstance(parts[0], np.ndarray):
            return np.concatenate(parts, axis=-1)
        import torch

        return torch.cat(parts, dim=-1)

    def map(self, function: Callable[[Any], Any]) -> "Coefficients":
        """Apply `function` to every part, e.g. `c.map(torch.as_tensor)`."""
        return Coefficients(**{f.name: function(getattr(self, f.name)) for f in fields(self)})

    def __len__(self) -> int:
        return self.id.shape[0]

    def __getitem__(self, frames: Frames) -> "Coefficients":
        """Frames by index, slice, or index array."""
        return self.map(lambda part: part[frames])

    @property
    def pose(self) -> Float[Any, "... 6"]:
        """(..., 6): the angles, then the translation, in the order of the motion network."""
        if isinstance(self.angles, np.ndarray):
            return np.concatenate([self.angles, self.trans], axis=-1)
        import torch

        return torch.cat([self.angles, self.trans], dim=-1)

    def with_motion(self, exp: Float[Any, "..."], pose: Float[Any, "..."]) -> "Coefficients":
        """The same person with other expression (..., 64) and pose (..., 6)."""
        check_shape("exp", exp, (..., SIZES["exp"]))
        check_shape("pose", pose, (..., 6))
        return Coefficients(self.id, exp, self.tex, pose[..., :3], self.light, pose[..., 3:])


def neutral(n_frames: int = 1) -> Coefficients:
    """Mean face, no expression, frontal, plain light: Coefficients of zeros, (n_frames, 257)."""
    return Coefficients.from_vector(np.zeros((n_frames, N_COEFFICIENTS), np.float32))


def write_mat(path: str | Path, coefficients: Coefficients) -> None:
    """Write a `.mat` with key `coeff`, (T, 257), as the common trackers do."""
    from scipy.io import savemat

    savemat(str(path), {"coeff": np.asarray(coefficients.to_vector(), np.float64)})


def mat_content(path: str | Path, remedy: str) -> dict:
    """What a MATLAB file holds, a dict of arrays.

    Raises:
        InputError: no such file, or none that SciPy can read (also those of version 7.3).
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    if not Path(path).is_file():
        raise InputError(path, "no such file", remedy)
    faults = MatReadError, ValueError, TypeError, LookupError, NotImplementedError, OSError
    try:
        with open(path, "rb") as file:
            return loadmat(file)
    except faults as fault:
        raise InputError(path, f"cannot be read as a .mat file ({fault})", remedy) from fault


def read_mat(path: str | Path) -> Coefficients:
    """Read Coefficients (T, 257) from a `.mat` with key `coeff`."""
    content = mat_content(path, "give a .mat file with key 'coeff'")
    if "coeff" not in content:
        raise InputError(path, "has no key 'coeff'", "write it as (T, 257) under that key")
    return Coefficients.from_vector(np.atleast_2d(content["coeff"]).astype(np.float32))
