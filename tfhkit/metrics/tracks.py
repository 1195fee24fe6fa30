"""Head-pose tracks from files: fits, coefficients and tables of angles."""

import codecs
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
_REMEDY = f"give the columns {', '.join(COLUMNS)} (s, degrees)"
_SEPARATORS = ",;\t|"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
# "yaw", "yaw (rad)", "yaw [deg]", "yaw_deg", "yaw in degrees", "time / s"
_HEAD = re.compile(
    r"(?P<name>.*?)(?:\s*[\[(](?P<a>[^\])]*)[\])]|(?:_|\s*/\s*|\s+in\s+|\s+)(?P<b>[^\s_/]+))?"
)
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0,
            "ms": 1e-3, "msec": 1e-3, "milliseconds": 1e-3}  # fmt: skip
_DEGREES = dict.fromkeys(("", "deg", "degs", "degree", "degrees", "\N{DEGREE SIGN}"), 1.0)
_DEGREES |= dict.fromkeys(("rad", "rads", "radian", "radians"), float(np.degrees(1.0)))
_PART = re.compile(r"(?P<path>.*)\[(?P<start>(?:-?\d+)?):(?P<stop>(?:-?\d+)?)\]")
_MOST_DEG = 180.0  # of an angle, and of its change from row to row
_MOST_STEP_S = 0.9  # of a time whose unit is not named; numbers of frames have steps of 1


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
            a table (.csv) with columns time (s), pitch, yaw, roll (degrees), in any order and
            among others. A header may name a unit, as in "yaw [rad]" or "time_ms". Commas,
            semicolons, tabs or bars are between the columns; with the last three, a number may
            have a decimal comma.
        fps: rate of a .mat, which holds no times.
    Returns:
        PoseTrack.
    Raises:
        InputError: no such file, another kind of file, what is not a number, unsorted times; in a
            table also angles beyond 180 degrees, jumps between its two ends, and times without a
            unit that look like milliseconds or numbers of frames.
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
    """PoseTrack of a table as programs write them, see `read_track`."""
    try:
        data = path.read_bytes()
        text = data.decode("utf-16" if data.startswith(_UTF16) else "utf-8-sig")
        lines = text.splitlines()
        mark = re.fullmatch(r"sep=(.)", lines[0].strip()) if lines else None  # Excel's own line
        lines = lines[1:] if mark else lines
        head = next((line for line in lines if line.strip()), "")
        between = mark[1] if mark else max(_SEPARATORS, key=head.count)
        rows = list(csv.reader(lines, delimiter=between, strict=True))
    except (UnicodeDecodeError, csv.Error) as fault:
        remedy = f"write it as text with the columns {', '.join(COLUMNS)}"
        raise InputError(path, f"cannot be read as a table ({fault})", remedy) from fault
    rows = [row for row in rows if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        raise InputError(path, "has no rows", _REMEDY)
    columns = _columns(path, rows[0])
    table = np.empty((len(rows) - 1, len(COLUMNS)))
    for line, row in enumerate(rows[1:]):
        if any(cell.strip() for cell in row[len(rows[0]) :]):
            words = f"has {len(row)} cells, the header {len(rows[0])}"
            remedy = "put semicolons between the columns if numbers have decimal commas"
            raise InputError(f"{path}, row {line + 1}", words, remedy)
        for k, name in enumerate(COLUMNS):
            at, _, unit = columns[name]
            cell = row[at].strip() if at < len(row) else None
            try:
                table[line, k] = float(cell.replace(",", ".") if between != "," else cell) * unit
            except (AttributeError, TypeError, ValueError):
                where = f"{path}, row {line + 1}"
                words = f"{name} is {cell!r}, which is not a number"
                raise InputError(where, words, "fill or cut such rows") from None
    for column, name in zip(table.T[1:], COLUMNS[1:]):
        _check_angles(path, name, column)
    steps = np.diff(table[:, 0])
    if not columns["time"][1] and len(steps) and np.median(steps) > _MOST_STEP_S:
        words = f"time has steps of {np.median(steps):g}, so it seems to be in ms or in frames"
        raise InputError(path, words, "write seconds, or name the unit: 'time (ms)', 'time (s)'")
    return PoseTrack(str(path), np.radians(table[:, 1:]), table[:, 0])


def _check_angles(path, name, degrees):
    """Refuse a column that counts from 0 to 360, or goes round from one end to the other."""
    remedy = "write angles from -180 to 180, 0 for a face that looks at the camera"
    far = np.abs(degrees) > _MOST_DEG
    if far.any():
        row = int(np.argmax(far))
        fault = f"{name} is {_beyond(degrees[row])} degrees"
        raise InputError(f"{path}, row {row + 1}", fault, remedy)
    jumps = np.abs(np.diff(degrees)) > _MOST_DEG
    if jumps.any():
        row = int(np.argmax(jumps)) + 1
        fault = f"{name} jumps from {degrees[row - 1]:g} to {degrees[row]:g} degrees"
        raise InputError(f"{path}, row {row + 1}", fault, remedy)


def _beyond(degrees):
    """An angle beyond _MOST_DEG, with as many digits as it takes to see that."""
    texts = [f"{degrees:.{digits}g}" for digits in (6, 9, 12, 17)]
    return next((text for text in texts if abs(float(text)) > _MOST_DEG), texts[-1])


def _columns(path, head):
    """Column name -> its place, its unit as written, and the factor to seconds or degrees."""
    found = {}
    for at, cell in enumerate(head):
        name, *given = _HEAD.fullmatch(cell.strip().lower()).group("name", "a", "b")
        if name not in COLUMNS:
            continue
        unit = next((text.strip() for text in given if text), "")
        units = _SECONDS if name == "time" else _DEGREES
        if unit not in units:
            remedy = f"convert it to {'seconds' if name == 'time' else 'degrees'}"
            raise InputError(path, f"the unit of {cell.strip()!r} is not known", remedy)
        if name in found:
            raise InputError(path, f"has two columns {name}", "keep one of them")
        found[name] = at, unit, units[unit]
    missing = [name for name in COLUMNS if name not in found]
    if missing:
        raise InputError(path, f"has no column {missing[0]}", _REMEDY)
    return found
