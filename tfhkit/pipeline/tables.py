"""Tables for people on the command line and in the report."""

import math
from numbers import Integral, Real


def table(numbers):
    """A dict as lines of name and value."""
    width = max(map(len, numbers), default=0)
    return "\n".join(f"{name:<{width}}  {cell_text(value)}" for name, value in numbers.items())


def rows_table(rows):
    """A list of dicts with the same keys as a table with a head."""
    rows = rows if isinstance(rows, list) else [rows]
    heads = list(rows[0]) if rows else []
    cells = [heads, *[[cell_text(row.get(head)) for head in heads] for row in rows]]
    widths = [max(len(line[i]) for line in cells) for i in range(len(heads))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths)).rstrip() for line in cells)


def cell_text(value):
    """A value as short text: four digits, a pair as "low to high", nothing as a dash."""
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 100 else f"{value:.1f}"
    if isinstance(value, (list, tuple)):
        between = " to " if len(value) == 2 else ", "
        return between.join(map(cell_text, value))
    return "-" if value is None else str(value)


def rounded(value):
    """For JSON: floats at four digits after the decimal point, also inside lists and dicts.

    What is not a number, or infinite, becomes None.
    """
    if isinstance(value, dict):
        return {name: rounded(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(item) for item in value]
    if isinstance(value, Real) and not isinstance(value, Integral):  # NumPy's floats, too
        return round(float(value), 4) if math.isfinite(value) else None
    return value
