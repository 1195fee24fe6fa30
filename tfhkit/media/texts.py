"""JSON and CSV files whose bytes stay the same where a repeated run gives the same numbers.

Sums that a library splits over threads differ in their last digits from run to run. Written in
full they would change a file's hash, and with it make every later step run again.
"""

import csv
import json
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from tfhkit.media.files import atomic_path, check_writable

DIGITS = 7  # significant ones; noise in the 15th changes them about once in 100 million numbers
FINEST = 10  # decimals; smaller than this is the rest of a subtraction


def rounded(value: object) -> Any:
    """Numbers of NumPy and torch as plain ones with seven significant digits, for a file.

    Args:
        value: a number, an array, text, or nested dicts, lists and tuples of them.
    Returns:
        Python's own types, as JSON writes them; what is not finite becomes None.
    """
    if isinstance(value, dict):
        return {str(name): rounded(item) for name, item in value.items()}
    if hasattr(value, "tolist"):
        return rounded(value.tolist())
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, (str, bool, type(None), Integral)):
        return value
    if isinstance(value, Real):
        if not math.isfinite(value):
            return None
        return round(float(f"{value:.{DIGITS}g}"), FINEST) + 0.0  # no negative zero
    return str(value)


def json_text(content: object) -> str:
    """`content` as JSON, indented, with its floats `rounded`."""
    return json.dumps(rounded(content), indent=1) + "\n"


def write_json(path: str | Path, content: object) -> None:
    """Write `content` as JSON, whole or not at all, with its floats `rounded`.

    Args:
        path: the file. content: as for `rounded`.
    Raises:
        InputError: the folder cannot be made or written.
    """
    with atomic_path(path) as temporary:
        Path(temporary).write_text(json_text(content), encoding="utf-8")


def write_table(path: str | Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows with the same keys as CSV, whole or not at all, with seven significant digits.

    What is unknown stays empty.

    Raises:
        InputError: not a .csv, or the folder cannot be written.
    """
    path = check_writable(path, ".csv")
    with atomic_path(path) as temporary, open(temporary, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({n: "" if v is None else v for n, v in rounded(row).items()})
