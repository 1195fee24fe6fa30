"""The 257 coefficients of a face (Sec. 3.1), and the only place that knows their offsets.

Order of the vector, as in Deep3D: identity 80, expression 64, texture 80, angles 3, light 27,
translation 3. Light is channel-major, (3, 9), and 0.8 is added to its band 0 when it is used.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped

from tfhkit.errors import InputError, check_shape
from tfhkit.matlab import mat_content

SIZES = {"id": 80, "exp": 64, "tex": 80, "angles": 3, "light": 27, "trans": 3}
N_COEFFICIENTS = sum(SIZES.values())
SLICES = {}
TORCH_KEYS = ("id", "exp", "tex", "angle", "gamma", "trans")  # of Deep3D's PyTorch version
MAX_ANGLE = 1.6  # rad: a face that is turned farther away is not seen
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


def read_mat(path: str | Path) -> Coefficients:
    """Read the coefficients of a tracker: the kit's, Deep3D's or R-Net's.

    All three have one order and one camera, and turn the head by R = Rz Ry Rx with the positive
    directions of `tfhkit.camera`. (Deep3D's code multiplies row vectors by the transpose, which
    is the same.) So angles are taken as they are.

    Args:
        path: a `.mat` with key `coeff`, (T, 257), or with the keys `id`, `exp`, `tex`, `angle`,
            `gamma`, `trans` that Deep3D's PyTorch version writes; or a folder with such a file for
            every frame, whose names end with the frame's number (`frame0.mat`, `frame1.mat`).
    Returns:
        Coefficients of T frames, NumPy float32.
    Raises:
        InputError: no such file, one that cannot be read, another key or size, values that are
            not real numbers, angles in degrees, a folder that lacks a frame.
    """
    path = Path(path)
    if path.is_dir():
        rows = [_vectors(file) for file in _frame_files(path)]
        if any(len(row) != 1 for row in rows):
            fault = "has files of more than one frame"
            raise InputError(path, fault, "give one file with all frames, or a file per frame")
        vectors = np.concatenate(rows)
    else:
        vectors = _vectors(path)
    bad = ~np.isfinite(vectors).all(1)
    if bad.any():
        where = f"{path}, frame {int(np.argmax(bad))}"
        raise InputError(where, "is not a number (NaN or infinite)", "track this frame again")
    largest = np.abs(vectors[:, SLICES["angles"]]).max(1)
    if largest.max() > MAX_ANGLE:
        frame = int(np.argmax(largest))
        fault = f"has an angle of {largest[frame]:.1f}, which no face in view has in radians"
        remedy = "convert degrees to radians, columns 224 to 226 counted from 0"
        raise InputError(f"{path}, frame {frame}", fault, remedy)
    return Coefficients.from_vector(vectors)


def _vectors(path):
    """(T, 257) of one file."""
    content = mat_content(path, "give a .mat file with key 'coeff'")
    if "coeff" in content:
        vectors = _numbers(path, "coeff", content)
    elif set(TORCH_KEYS) <= set(content):
        parts = {key: _numbers(path, key, content) for key in TORCH_KEYS}
        for key, part in parts.items():
            if len(part) != len(parts["id"]):
                fault = f"{key} has {len(part)} rows, id {len(parts['id'])}"
                raise InputError(path, fault, "write a row for each frame under every key")
        vectors = np.concatenate([*parts.values()], 1)
    else:
        raise InputError(path, "has no key 'coeff'", "write it as (T, 257) under that key")
    if vectors.ndim != 2 or vectors.shape[1] != N_COEFFICIENTS or not len(vectors):
        words = f"has coefficients of shape {vectors.shape}, expected (T, {N_COEFFICIENTS})"
        order = ", ".join(f"{name} {size}" for name, size in SIZES.items())
        raise InputError(path, words, f"write a row for each frame: {order}")
    return vectors


def _numbers(path, key, content):
    """A file's values under a key as float32, with two axes or more."""
    values, remedy = content[key], "write real numbers, a row for each frame"
    if np.iscomplexobj(values):
        raise InputError(path, f"{key} has complex numbers", remedy)
    try:
        return np.atleast_2d(values).astype(np.float32)
    except (ValueError, TypeError) as fault:
        raise InputError(path, f"{key} has values that are not numbers", remedy) from fault


def _frame_files(folder):
    """The `.mat` files of a folder in the order of their numbers, without a gap."""
    numbers = {}
    for path in folder.glob("*.mat"):
        number = re.search(r"\d+$", path.stem)
        if number is None or int(number[0]) in numbers:
            fault = "has no number of a frame" if number is None else "is a second file of a frame"
            raise InputError(path, fault, "name the files by frame: frame0.mat, frame1.mat ...")
        numbers[int(number[0])] = path
    if not numbers:
        raise InputError(folder, "holds no .mat file", "give the folder of the frames' .mat files")
    for number in range(min(numbers), max(numbers)):
        if number not in numbers:
            fault = f"has no file of frame {number}"
            raise InputError(folder, fault, "track this frame, or cut the clip before it")
    return [numbers[number] for number in sorted(numbers)]


def check_frames(path: str | Path, coefficients: Coefficients, n_frames: int) -> None:
    """Raise InputError unless a tracker's file has as many frames as the clip."""
    found = len(coefficients)
    if found != n_frames:
        remedy = "track every frame of the clip, at its own frame rate"
        if found < n_frames:
            remedy += f", or cut the clip to its first {found} frames"
        raise InputError(path, f"has {found} frames, the clip {n_frames}", remedy)
