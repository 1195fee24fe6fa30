"""The scores of `tfhkit evaluate` as text."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any


def show(result: dict[str, Any]) -> str:
    """A result of `tfhkit evaluate` as text: numbers, then tables."""
    from tfhkit.pipeline.tables import rows_table, table

    scores = {name: value for name, value in result.items() if _is_score(value)}
    tables = ("curve", "ablations", "many_people", "recipes")
    apart = {"landmarks_only", "fps_parts_ms", "naturalness", *tables, *scores}
    parts = [table({name: value for name, value in result.items() if name not in apart})]
    if scores:
        parts.append(rows_table(_score_rows(scores)))
        parts.append(rows_table([{"ms per frame": "", **result["fps_parts_ms"]}]))
    parts += [rows_table(result[name]) for name in tables if result.get(name)]
    if "naturalness" in result:
        parts.append(_naturalness_text(result["naturalness"]))
    return "\n\n".join(parts)


def _naturalness_text(numbers: dict[str, Any]) -> str:
    """The closeness of each part with its interval and spread, and published ones as context."""
    from tfhkit.evaluate.written import PUBLISHED
    from tfhkit.pipeline.tables import rows_table

    parts = {name: part for name, part in numbers.items() if isinstance(part, dict)}
    rows: list[dict[str, Any]] = [
        {"naturalness": words}
        | {name: _two_digits(part[key]) for name, part in parts.items()}
        | {"mean": _two_digits(numbers["mean" if key == "closeness" else key])}
        for key, words in (
            ("closeness", "this video, closeness to the real one"),
            ("interval", "  its 95 % interval"),
            ("spread", "the real video, half against half"),
        )
    ]
    for name, values in PUBLISHED.items():
        mean = round(fmean(values.values()), 2)
        rows.append({"naturalness": f"{name} (THEval)", **values, "mean": mean})
    lines = [rows_table(rows)]
    lines += [f"{name}: {part['why']}" for name, part in parts.items() if part["why"]]
    lines.append(
        "THEval compares means over thousands of videos; one video's numbers vary far more, as "
        "the interval and the halves of the real video show."
    )
    return "\n".join(lines)


def _two_digits(value: float | Sequence[float] | None) -> float | list[float] | None:
    """A share or a pair of shares with two digits."""
    if value is None or isinstance(value, float):
        return value if value is None else round(value, 2)
    return [round(end, 2) for end in value]


def _is_score(value: Any) -> bool:
    """Whether a value is a dict of answer -> coefficients -> number."""
    return isinstance(value, dict) and all(isinstance(part, dict) for part in value.values())


def _score_rows(scores: dict[str, dict[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """One row for each kind of coefficients and each answer, one column for each score."""
    first = next(iter(scores.values()))
    return [
        {"coefficients": kind, "answer": answer}
        | {name: value[answer][kind] for name, value in scores.items()}
        for kind in next(iter(first.values()))
        for answer in first
    ]
