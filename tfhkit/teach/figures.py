"""Matplotlib figures as notebook outputs with an alternative text that says what they show.

JupyterLab's own picture output has no place for an alternative text, so a figure becomes an <img>
element. Its text is made from what the figure itself says: titles, axis labels, legends.
"""

import io
from typing import TYPE_CHECKING

from tfhkit.pipeline.front_end import in_notebook
from tfhkit.teach.display import picture_html

if TYPE_CHECKING:  # the server and the command line do without it
    from matplotlib.figure import Figure
    from matplotlib.transforms import Bbox

MOST_NAMES = 8  # titles or legend entries that are named
DPI = 80
MARGIN_IN = 0.12  # around the first figure's contents


def install_figures() -> None:
    """Give the notebook's figures an alternative text; does nothing outside a notebook."""
    if not in_notebook():
        return
    from IPython import get_ipython
    from matplotlib_inline.config import InlineBackend

    shell = get_ipython()
    InlineBackend.instance(parent=shell).figure_formats = set()  # no second picture without a text
    formatters = shell.display_formatter.formatters
    figure = ("matplotlib.figure", "Figure")
    formatters["text/html"].for_type_by_name(*figure, figure_html)
    formatters["text/plain"].for_type_by_name(
        *figure, lambda figure, printer, _: printer.text(describe_figure(figure))
    )


def figure_html(figure: "Figure") -> str:
    """A figure as an <img> element, on white paper, cut to what is drawn."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi, bbox_inches="tight", facecolor="white")
    return picture_html(file.getvalue(), describe_figure(figure))


class Paper:
    """Draws similar figures one after the other; only the first one is laid out.

    Measuring the labels takes as long as drawing. A figure of another size or with another number
    of axes is laid out again.
    """

    def __init__(self) -> None:
        self._make: tuple[float, ...] | None = None  # size and number of axes of the first figure
        self._places: list[Bbox] = []
        self._edges: Bbox | None = None

    def png(self, figure: "Figure") -> bytes:
        """A figure as PNG bytes on white paper."""
        make = (*figure.get_size_inches(), len(figure.axes))
        if make == self._make:
            for axis, place in zip(figure.axes, self._places):
                axis.set_position(place)
        else:
            figure.draw_without_rendering()
            self._make, self._places = make, [axis.get_position() for axis in figure.axes]
            self._edges = figure.get_tightbbox().padded(MARGIN_IN)
        figure.set_layout_engine("none")
        file = io.BytesIO()
        figure.savefig(
            file, format="png", dpi=DPI, bbox_inches=self._edges, facecolor="white",
            pil_kwargs={"compress_level": 1},
        )  # fmt: skip
        return file.getvalue()


def describe_figure(figure: "Figure") -> str:
    """What a figure shows, in one or a few sentences, from its titles, labels and legends."""
    axes = [axis for axis in figure.axes if axis.get_visible()]
    bars = [axis for axis in axes if axis.get_label() == "<colorbar>"]
    panels = [axis for axis in axes if axis not in bars and (axis.has_data() or axis.texts)]
    head = figure.get_suptitle()
    parts = [f"{_words(head)}."] if head else []
    if panels and all(_is_picture(axis) and not axis.get_xlabel() for axis in panels):
        parts.append(_pictures(panels))
    else:
        said = [_panel(axis) for axis in panels[:MOST_NAMES]]
        parts += [f"{text[:1].upper()}{text[1:]}." for text in dict.fromkeys(said)]
        if len(panels) > MOST_NAMES:
            parts.append(f"{len(panels)} panels in all.")
    scales = [_words(bar.get_ylabel() or bar.get_xlabel()) for bar in bars]
    scales = [text for text in dict.fromkeys(scales) if text]
    if scales:
        parts.append(f"Colours: {'; '.join(scales)}.")
    return " ".join(parts) or "Empty figure."


def _pictures(panels):
    titles = [_words(axis.get_title()) for axis in panels]
    titles = [title for title in dict.fromkeys(titles) if title]
    count = "Picture" if len(panels) == 1 else f"{len(panels)} pictures"
    return f"{count}: {_listed(titles)}." if titles else f"{count} in a row."


def _panel(axis):
    x, y, title = map(_words, (axis.get_xlabel(), axis.get_ylabel(), axis.get_title()))
    what = _kind(axis)
    if x and y:
        what += f" of {y} against {x}"
    elif x or y:
        what += f" over {x or y}"
    if hasattr(axis, "get_zlabel") and axis.get_zlabel():
        what += f" and {_words(axis.get_zlabel())}"
    handles, names = axis.get_legend_handles_labels()
    names = [text for text in dict.fromkeys(map(_words, names)) if text]
    legend = f": {_listed(names)}" if names and axis.get_legend() else ""
    if not legend and not title:
        shown = dict.fromkeys(_words(text.get_text()) for text in axis.texts)
        shown = [text for text in shown if text]
        legend = f": {_listed(shown)}" if shown else ""
    return what + legend + (f", titled {title}" if title else "")


def _kind(axis):
    names = {type(item).__name__ for item in axis.collections}
    if hasattr(axis, "get_zlim"):
        return "drawing in space"
    if _is_picture(axis):
        return "picture"
    if len(axis.patches) > 2 and not axis.lines:
        return "bars"
    if "PathCollection" in names and not axis.lines:
        return "scatter plot"
    if axis.lines or axis.collections:
        return "plot"
    return "bars" if axis.patches else "drawing"


def _is_picture(axis):
    return bool(axis.images)


def _words(text):
    """Text without mathematical markup and line breaks."""
    for old, new in (("$", ""), ("\\", ""), ("mathbf", ""), ("{", ""), ("}", ""), ("\n", " ")):
        text = text.replace(old, new)
    return " ".join(text.split())


def _listed(names):
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return "; ".join(names[:MOST_NAMES]) + more
