"""What `correlate` and `hs` say of many: a row for each, then mean, minimum and maximum."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfhkit.cli.faults import file_fault
from tfhkit.errors import TfhkitError


def summary_over(
    rows: Sequence[Mapping[str, Any]], measures: Mapping[str, tuple[str, str | None]]
) -> list[dict[str, Any]]:
    """Mean, minimum, maximum, interval and pooled p-value; see `tfhkit.study.tables.summarise`.

    Args:
        rows: one per clip.
        measures: what to call a measure -> the rows' key of its values, and that of its p-values
            (None where it has none).
    Returns:
        One dict per measure: measure, clips (number), mean, low, high, min, max, p.
    """
    from tfhkit.study.tables import summarise
    from tfhkit.study.work import row

    lines = [
        {"stage": "", **row(measure, "", one[value], p=one[p] if p else None)}
        for measure, (value, p) in measures.items()
        for one in rows
    ]
    columns = "measure clips mean low high min max p".split()
    return [{name: line[name] for name in columns} for line in summarise(lines)]


def reason_of(error: Exception) -> str:
    """Why one clip of many failed, in one line."""
    text = str(error) if isinstance(error, TfhkitError) else file_fault(error)
    text = text or f"unexpected {type(error).__name__}: {error}"
    return " ".join(text.split())


def known(number: float | None) -> float | None:
    """A number; None for one that is not finite, such as an estimate without pairs."""
    return float(number) if number is not None and abs(number) < float("inf") else None


def show_over(result: Mapping[str, Any], unit: str) -> str:
    """Rows, their summary, notes and failures as text.

    Args:
        result: rows, summary, notes and failures (each with clip and reason).
        unit: what a row is about: "clip" or "pair".
    """
    from tfhkit.pipeline.tables import rows_table

    parts = [rows_table(result["rows"])] if result["rows"] else []
    if result["summary"]:
        lines = [{"measure": line["measure"], f"{unit}s": line["clips"], "mean": line["mean"],
                  "95 % from": line["low"], "to": line["high"], "minimum": line["min"],
                  "maximum": line["max"]} | ({} if unit == "pair" else {"pooled p": line["p"]})
                 for line in result["summary"]]  # fmt: skip
        parts.append(rows_table(lines))
    parts += result["notes"]
    parts += [f"failed: {one[unit]}: {one['reason']}" for one in result["failures"]]
    return "\n\n".join(parts)
