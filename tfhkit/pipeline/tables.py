"""Tables for people on the command line and in the report."""

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any


def table(numbers: Mapping[str, Any]) -> str:
    """A dict as lines of name and value."""
    width = max(map(len, numbers), default=0)
    return "\n".join(f"{name:<{width}}  {cell_text(value)}" for name, value in numbers.items())


def rows_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as a table with a header."""
    heads = list(rows[0]) if rows else []
    cells = [heads, *[[cell_text(row.get(head)) for head in heads] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in cells)


def cell_text(value: Any) -> str:
    """A value as short text: four digits, a pair as "low to high", None as a dash."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 100 else f"{value:.1f}"
    if isinstance(value, (list, tuple)):
        between = " to " if len(value) == 2 else ", "
        return between.join(map(cell_text, value))
    return "-" if value is None else str(value)


def rounded(value: Any) -> Any:
    """Round floats to four decimals for JSON, also inside lists and dicts.

    NaN and infinity become None.
    """
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, Real) and not isinstance(value, Integral):  # NumPy's floats, too
        return round(float(value), 4) if math.isfinite(value) else None
    return value
