"""The numbers of a step as readable text and as HTML tables."""

import html
from dataclasses import replace
from numbers import Real

from tfhkit.pipeline.report.labels import labels_of, named


def value_text(value, label, interval=None):
    """A number with its unit and its 95 % interval, as people read it.

    Args:
        value: what the manifest holds: number, text, truth value, list, dict, or None.
        label: Label. interval: (low, high) in the value's own unit, or None.
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


def _list_text(items, label):
    if any(isinstance(item, (dict, list, tuple)) for item in items):
        return "; ".join(value_text(item, replace(label, parts=())) for item in items)
    if len(items) == len(label.parts):
        texts = [f"{name} {_bare(item, label)}" for name, item in zip(label.parts, items)]
    else:
        texts = [_bare(item, label) for item in items]
    numbers = all(isinstance(item, Real) for item in items)
    between = " to " if len(items) == 2 and not label.parts and numbers else ", "
    return between.join(texts) + (_unit_text(label.unit) if items else "")


def _unit_text(unit):
    return unit if unit in ("", "°") else f"\u00a0{unit}"


def _bare(value, label):
    """One value without its unit."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return label.nothing
    if not isinstance(value, Real):
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


def rows_of(step, numbers):
    """A step's numbers as (Label, value, interval), in the order of the table of labels.

    An interval stands with its value and has no row of its own.
    """
    return _rows(numbers, labels_of(step, numbers))


def _inside(label, content):
    return named(content, label.inside or {})


def _rows(numbers, known):
    ends = set()
    for label in known.values():
        names = (label.interval,) if isinstance(label.interval, str) else label.interval
        ends.update(end for end in names if end in numbers)
    return [
        (label, numbers[name], _interval(numbers, label.interval))
        for name, label in known.items()
        if name not in ends
    ]


def _interval(numbers, names):
    ends = numbers.get(names) if isinstance(names, str) else [numbers.get(name) for name in names]
    return ends if ends and len(ends) == 2 else None


def numbers_table(step, numbers, caption):
    """A step's numbers as an HTML table, and tables of their own for lists of variants.

    Args:
        step: name of the notebook. numbers: of its manifest. caption: for screen readers.
    """
    lines, behind = [], []
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


def _line(label, value, interval, kind=""):
    kind = f' class="{kind}"' if kind else ""
    text = value_text(value, label, interval)
    return (f'<tr{kind}><th scope="row">{html.escape(label.text)}</th>'
            f"<td>{html.escape(text)}</td></tr>")  # fmt: skip


def variants_table(rows, label):
    """A list of dicts with the same names as an HTML table with a head.

    Args:
        rows: the dicts. label: Label of the list; `label.inside` names the columns.
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


def _head(label):
    return f"{label.text} ({label.unit})" if label.unit else label.text
