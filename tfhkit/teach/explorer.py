"""explore(): a picture that is stored, with controls next to it in a live front end."""

import html
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from tfhkit.errors import ParameterError
from tfhkit.media import jpeg_bytes
from tfhkit.pipeline.front_end import is_live
from tfhkit.teach.display import picture_html, show_widget
from tfhkit.teach.figures import Paper, describe_figure

# (low, high), (low, high, start), a list of choices, or a bool
Values = Sequence[Any] | bool
Control = dict[str, Any]  # as the front end needs it
STATIC = Path(__file__).parent / "static"
_UNITS = {"deg": "deg", "degrees": "deg", "s": "s", "ms": "ms", "px": "px", "mm": "mm"}


def explore(function: Callable[..., Any], **ranges: Values) -> None:
    """Call `function` once and show its picture; in a live front end, with controls next to it.

    The first call is a plain one, so its errors stop a headless run. While a slider is dragged
    there is never more than one call under way, and the last picture is always that of the last
    values. The picture of the first call stays in the saved notebook.

    Args:
        function: draws with matplotlib, or returns a matplotlib figure, an RGB image ((H, W, 3)
            uint8, or floats in [0, 1]), or anything that a notebook shows as HTML or text.
            The first line of its docstring, with the values, is the picture's alternative text.
        **ranges: for each of its arguments (low, high), (low, high, start), a list of choices,
            or a bool. It starts with the argument's default where the function has one, else
            with `start`, else in the middle, else with the first choice. Whole numbers make a
            slider of whole numbers. A unit at the end of a name (gap_s, yaw_deg) is shown as one.
    Raises:
        ParameterError: a range that is empty or runs backwards.
    """
    controls = [_control(function, name, values) for name, values in ranges.items()]
    title = (inspect.getdoc(function) or _name_of(function, ranges)).splitlines()[0]
    ask = _Question(function, controls, title, Paper())
    first = ask([control["value"] for control in controls])
    widget = _widget_class()(ask, first) if is_live() else None
    show_widget(widget, _static(*first), first[0]["alt"])


def _name_of(function, ranges):
    name = getattr(function, "__name__", "<lambda>")
    return " and ".join(ranges) if name == "<lambda>" else name.replace("_", " ").strip()


@dataclass(frozen=True)
class _Question:
    """A function with its controls: called with their values, it gives (answer, picture)."""

    function: Callable[..., Any]
    controls: list[Control]
    title: str
    paper: Paper

    def __call__(self, values: Sequence[Any]) -> tuple[dict[str, str], bytes]:
        given = {c["name"]: _argument(c, value) for c, value in zip(self.controls, values)}
        said = ", ".join(f"{c['label']} {_text(given[c['name']])}" for c in self.controls)
        alt = f"{self.title.rstrip('.')}: {said}."
        return _answer(_drawn(self.function, given), alt, self.paper)


def _drawn(function, given):
    """The function's result, or the figure that it drew if it returned none."""
    import matplotlib.pyplot as plt

    before = set(plt.get_fignums())
    result = function(**given)
    drew = [number for number in plt.get_fignums() if number not in before]
    if drew and (result is None or isinstance(result, (list, tuple)) or _is_axes(result)):
        result = plt.figure(drew[-1])
    for number in drew:
        plt.close(number)
    return result.get_figure() if _is_axes(result) else result


def _is_axes(result):
    return hasattr(result, "get_figure") and hasattr(result, "plot")


def _answer(result, alt, paper):
    """What the front end gets for a result: a dict, and a picture file (or no bytes)."""
    answer = {"alt": alt, "media": "", "html": "", "fault": ""}
    if hasattr(result, "savefig"):
        answer["alt"] = f"{alt} {describe_figure(result)}"
        return answer | {"media": "image/png"}, paper.png(result)
    if isinstance(result, np.ndarray) and result.ndim == 3:
        return answer | {"media": "image/jpeg"}, jpeg_bytes(result)
    as_html = getattr(result, "_repr_html_", None)
    shown = as_html() if as_html else None
    if not shown and result is not None:
        shown = f"<pre>{html.escape(str(result))}</pre>"
    return answer | {"html": shown or ""}, b""


def _static(answer, picture):
    if picture:
        return picture_html(picture, answer["alt"], answer["media"])
    return answer["html"] or html.escape(answer["alt"])


def _control(function, name, values):
    """A control as the front end needs it: kind, label, range, start."""
    label, unit = _label(name)
    start = _start(function, name, values)
    common = {"name": name, "label": label, "unit": unit}
    if isinstance(values, bool):
        return common | {"kind": "checkbox", "value": bool(start)}
    if not isinstance(values, tuple):
        choices = list(values)
        place = choices.index(start)
        texts = [str(choice) for choice in choices]
        return common | {"kind": "choice", "value": place, "options": texts, "choices": choices}
    low, high = values[:2]
    if not low <= high:
        fault = f"({low}, {high}) holds nothing"
        raise ParameterError(f"the range of {name}", fault, "give (low, high)")
    whole = _whole((*values, start))
    step = 1 if whole else _slider_step(low, high)
    kind = int if whole else float
    value = kind(start if whole else _on_grid(start, low, high, step))
    numbers = {"low": kind(low), "high": kind(high), "step": step, "value": value}
    return common | numbers | {"kind": "slider", "whole": whole}


def _label(name):
    """A parameter's name in words, and its unit: gap_s becomes "gap (s)"."""
    words = name.split("_")
    unit = _UNITS.get(words[-1], "") if len(words) > 1 else ""
    return (f"{' '.join(words[:-1])} ({unit})" if unit else " ".join(words)), unit


def _argument(control, value):
    """The function's argument for a value of the front end."""
    if control["kind"] == "choice":
        return control["choices"][int(value)]
    if control["kind"] == "checkbox":
        return bool(value)
    value = min(max(value, control["low"]), control["high"])
    return round(value) if control["whole"] else float(value)


def _text(value):
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _start(function, name, values):
    default = inspect.signature(function).parameters.get(name)
    if default is not None and default.default is not inspect.Parameter.empty:
        return default.default
    if isinstance(values, tuple):
        low, high, *start = values
        middle = low + (high - low) // 2 if _whole(values) else (low + high) / 2
        return start[0] if start else middle
    return values if isinstance(values, bool) else list(values)[0]


def _whole(values):
    return all(isinstance(value, (int, np.integer)) for value in values)


def _slider_step(low, high):
    """About a hundred steps, of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / 100
    power = 10.0 ** np.floor(np.log10(rough)) if rough > 0 else 1.0
    return float(power * min((1, 2, 5, 10), key=lambda k: abs(k - rough / power)))


def _on_grid(value, low, high, step):
    """The nearest value that the browser's slider can take."""
    steps = min(round((value - low) / step), np.floor((high - low) / step + 1e-9))
    return round(low + max(steps, 0) * step, 10)


@cache
def _widget_class():
    """The widget; made when it is first needed, since anywidget is slow to import."""
    import anywidget
    import traitlets

    class Explorer(anywidget.AnyWidget):
        """Controls and the answer to them; the front end asks by messages."""

        _esm, _css = STATIC / "explorer.js", STATIC / "explorer.css"
        controls = traitlets.List().tag(sync=True)
        title = traitlets.Unicode().tag(sync=True)
        answer = traitlets.Dict().tag(sync=True)
        picture = traitlets.Bytes().tag(sync=True)

        def __init__(self, ask, first):
            shown = [{k: v for k, v in c.items() if k != "choices"} for c in ask.controls]
            super().__init__(controls=shown, title=ask.title, answer=first[0], picture=first[1])
            self._ask = ask
            self.on_msg(self._asked)

        def _asked(self, _, content, buffers):
            try:
                answer, picture = self._ask(content["values"])
            except Exception as error:  # in a callback it would pass unseen
                answer, picture = {"fault": f"{type(error).__name__}: {error}"}, self.picture
            with self.hold_sync():
                self.picture = picture
                self.answer = answer | {key: content[key] for key in ("number", "view", "values")}

    return Explorer
