"""The numbers of a step as readable text and as HTML tables."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tfhkit.pipeline.report.labels import Label, labels_of, named

Row = tuple[Label, Any, Sequence[float | None] | None]  # label, value, 95 % interval


def value_text(value: Any, label: Label, interval: Sequence[float | None] | None = None) -> str:
    """A number with its unit and its 95 % interval, as people read it.

    Args:
        value: the value in the manifest: number, text, bool, list, dict, or None.
        label: the label of the value.
        interval: (low, high) in the value's own unit, or None.
    """
    if isinstance(value, dict):
        rows = _rows(value, _inside(label, value))
        return "; ".join(
            f"{part.text}: {value_text(item, part, ends)}" for part, item, ends in rows
        )
    if isinstance(value, (list, tuple)):
        return _list_text(value, label)
    plain = value is None or isinstance(value, (bool, str))
    unit = "" if plain else _unit_text(label.unit)
    text = (label.nothing if value is None else _bare(value, label)) + unit
    if value is None or interval is None or None in interval:
        return text
    low, high = (_bare(end, label) for end in interval)
    return f"{text} (95 %: {low} to {high})"


def _list_text(items: Sequence[Any], label: Label) -> str:
    if any(isinstance(item, (dict, list, tuple)) for item in items):
        return "; ".join(value_text(item, replace(label, parts=())) for item in items)
    if len(items) == len(label.parts):
        texts = [f"{name} {_bare(item, label)}" for name, item in zip(label.parts, items)]
    else:
        texts = [_bare(item, label) for item in items]
    numbers = all(isinstance(item, (int, float)) for item in items)
    between = " to " if len(items) == 2 and not label.parts and numbers else ", "
    return between.join(texts) + (_unit_text(label.unit) if items else "")


def _unit_text(unit: str) -> str:
    return unit if unit in ("", "°") else f"\u00a0{unit}"


def _bare(value: Any, label: Label) -> str:
    """One value without its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return label.nothing
    if not isinstance(value, (int, float)):
        return str(value)
    scaled = value * label.scale
    if label.digits is not None and not (isinstance(value, int) and label.scale == 1):
        text = f"{scaled:.{label.digits}f}"
    elif float(scaled).is_integer():
        text = f"{scaled:,.0f}" if abs(scaled) >= 10_000 else f"{scaled:.0f}"
    else:
        text = f"{scaled:.4g}"
    text = "0" + text[2:] if text.startswith("-0") and not text.strip("-0.") else text
    return text.replace("-", "\u2212") if text.startswith("-") else text


def rows_of(step: str, numbers: Mapping[str, Any]) -> list[Row]:
    """A step's numbers as rows, in the order of the table of labels.

    An interval is part of its value's row and has no row of its own.
    """
    return _rows(numbers, labels_of(step, numbers))


def _inside(label: Label, content: Mapping[str, Any]) -> dict[str, Label]:
    return named(content, label.inside or {})


def _rows(numbers: Mapping[str, Any], known: Mapping[str, Label]) -> list[Row]:
    ends: set[str] = set()
    for label in known.values():
        names = (label.interval,) if isinstance(label.interval, str) else label.interval
        ends.update(end for end in names if end in numbers)
    return [
        (label, numbers[name], _interval(numbers, label.interval))
        for name, label in known.items()
        if name not in ends
    ]


def _interval(
    numbers: Mapping[str, Any], names: str | tuple[str, ...]
) -> Sequence[float | None] | None:
    ends = numbers.get(names) if isinstance(names, str) else [numbers.get(name) for name in names]
    return ends if ends and len(ends) == 2 else None


def numbers_table(step: str, numbers: Mapping[str, Any], caption: str) -> str:
    """A step's numbers as an HTML table, with a separate table for each list of variants.

    Args:
        step: name of the notebook.
        numbers: the numbers in its manifest.
        caption: caption of the table, also for screen readers.
    """
    lines: list[str] = []
    behind: list[str] = []
    for label, value, interval in rows_of(step, numbers):
        if isinstance(value, dict):
            lines.append(
                f'<tr><th colspan="2" scope="rowgroup">{html.escape(label.text)}</th></tr>'
            )
            lines += [_line(*row, "in") for row in _rows(value, _inside(label, value))]
        elif isinstance(value, list) and value and all(isinstance(i, dict) for i in value):
            behind.append(variants_table(value, label))
        else:
            lines.append(_line(label, value, interval))
    body = f"<tbody>{''.join(lines)}</tbody>"
    table = (f'<div class="scroll" tabindex="0" role="group" aria-label="{html.escape(caption)}">'
             f"<table><caption>{html.escape(caption)}</caption>{body}</table></div>")  # fmt: skip
    return (table if lines else "") + "".join(behind)


def _line(label: Label, value: Any, interval: Sequence[float | None] | None, kind: str = "") -> str:
    kind = f' class="{kind}"' if kind else ""
    text = value_text(value, label, interval)
    return (f'<tr{kind}><th scope="row">{html.escape(label.text)}</th>'
            f"<td>{html.escape(text)}</td></tr>")  # fmt: skip


def variants_table(rows: Sequence[Mapping[str, Any]], label: Label) -> str:
    """Dicts with the same keys as an HTML table with a header.

    Args:
        rows: the dicts.
        label: label of the list; `label.inside` names the columns.
    """
    inside = _inside(label, rows[0])
    heads = [part for part, _, _ in _rows(rows[0], inside)]
    head = "".join(f'<th scope="col">{html.escape(_head(part))}</th>' for part in heads)
    lines = []
    for row in rows:
        cells = [value_text(value, replace(part, unit=""), interval)
                 for part, value, interval in _rows(row, inside)]  # fmt: skip
        first = f'<th scope="row">{html.escape(cells[0])}</th>'
        rest = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells[1:])
        lines.append(f"<tr>{first}{rest}</tr>")
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{html.escape(label.text)}">'
        f'<table class="wide"><caption>{html.escape(label.text)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
    )


def _head(label: Label) -> str:
    return f"{label.text} ({label.unit})" if label.unit else label.text
