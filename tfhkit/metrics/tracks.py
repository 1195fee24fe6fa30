"""Head-pose tracks from files: fits, coefficients and tables of angles."""

import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from tfhkit.coefficients import read_mat
from tfhkit.errors import InputError, check_shape

COLUMNS = ("time", "pitch", "yaw", "roll")
SUFFIXES = (".npz", ".mat", ".csv")
_PART = re.compile(r"(?P<path>.*)\[(?P<start>-?\d*):(?P<stop>-?\d*)\]")


@dataclass(frozen=True)
class PoseTrack:
    """Angles of a head, frame by frame.

    Args:
        name: for messages.
        angles_rad: (T, 3) pitch, yaw, roll.
        times: (T,) seconds.
    """

    name: str
    angles_rad: Float[np.ndarray, "..."]
    times: Float[np.ndarray, "..."]

    def __post_init__(self) -> None:
        check_shape(f"{self.name}: angles", self.angles_rad, ("T", 3))
        check_shape(f"{self.name}: times", self.times, (len(self.angles_rad),))
        bad = ~(np.isfinite(self.angles_rad).all(1) & np.isfinite(self.times))
        if bad.any():
            where = f"{self.name}, frame {int(np.argmax(bad))}"
            raise InputError(where, "is not a number (NaN or infinite)", "fill or cut such frames")
        if (np.diff(self.times) <= 0).any():
            where = f"{self.name}, frame {int(np.argmax(np.diff(self.times) <= 0)) + 1}"
            raise InputError(where, "is not later than the frame before it", "sort by time")

    def __len__(self) -> int:
        return len(self.times)

    def part(self, frames: slice) -> "PoseTrack":
        """The frames of a slice."""
        return replace(self, angles_rad=self.angles_rad[frames], times=self.times[frames])


def split_part(text: str | Path) -> tuple[str, slice]:
    """Split "FILE[300:]" into "FILE" and slice(300, None).

    Without brackets, or where a file has that very name, the slice is of all frames.
    """
    found = _PART.fullmatch(str(text))
    if not found or Path(text).is_file():
        return str(text), slice(None)
    ends = [int(found[name]) if found[name] else None for name in ("start", "stop")]
    return found["path"], slice(*ends)


def read_track(path: str | Path, fps: float = 25.0) -> PoseTrack:
    """Read a track of head poses.

    Args:
        path: a Fit (.npz, of `tfhkit fit -o`), coefficients (.mat with key `coeff`, (T, 257)), or
            a table (.csv) with columns time (s), pitch, yaw, roll (degrees).
        fps: rate of a .mat, which holds no times.
    Returns:
        PoseTrack.
    Raises:
        InputError: no such file, another kind of file, what is not a number, unsorted times.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        fault = f"is not a pose file ({', '.join(SUFFIXES)})"
        raise InputError(path, fault, "give a fit, coefficients or a table of angles")
    if not path.is_file():
        raise InputError(path, "there is no such file", "check the path")
    if path.suffix.lower() == ".csv":
        return _from_table(path)
    if path.suffix.lower() == ".mat":
        angles = read_mat(path).angles.astype(np.float64)
        return PoseTrack(str(path), angles, np.arange(len(angles)) / fps)
    from tfhkit.fit import Fit

    fit = Fit.load(path)
    return PoseTrack(str(path), fit.coefficients.angles.astype(np.float64), fit.times)


def _from_table(path):
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as fault:
        remedy = f"write it as text with the columns {', '.join(COLUMNS)}"
        raise InputError(path, f"cannot be read as a table ({fault})", remedy) from fault
    missing = [name for name in COLUMNS if not rows or name not in rows[0]]
    if missing:
        words = f"has no column {missing[0]}" if rows else "has no rows"
        raise InputError(path, words, f"give the columns {', '.join(COLUMNS)} (s, degrees)")
    table = np.empty((len(rows), len(COLUMNS)))
    for line, row in enumerate(rows):
        for k, name in enumerate(COLUMNS):
            try:
                table[line, k] = float(row[name])
            except (TypeError, ValueError):
                where = f"{path}, row {line + 1}"
                words = f"{name} is {row[name]!r}, which is not a number"
                raise InputError(where, words, "fill or cut such rows") from None
    return PoseTrack(str(path), np.radians(table[:, 1:]), table[:, 0])
