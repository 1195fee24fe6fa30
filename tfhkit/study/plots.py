"""Forest plots of a study: one dot with its interval per clip, and the mean over clips."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.figure import Figure

from tfhkit.palette import BLUE, GREY, RED
from tfhkit.study.work import Row

MOST_CLIPS = 60  # in one plot; more are only in the table
INCHES_PER_CLIP = 0.24


def forest_plot(
    rows: Sequence[Row], ours: str, summary: dict, baseline: str | None = None
) -> Figure:
    """One measure over clips: the value of each with its interval, the mean below.

    Args:
        rows: of one measure, of all methods.
        ours: the method that is shown with its intervals.
        summary: the measure's line for that method, see `tables.summarise`.
        baseline: a method whose values are shown as small marks.
    """
    mine = [one for one in rows if one["method"] == ours and one["value"] is not None]
    mine = sorted(mine, key=lambda one: one["value"])[:MOST_CLIPS]
    figure = Figure(figsize=(6.4, 1.3 + INCHES_PER_CLIP * (len(mine) + 1)), layout="constrained")
    axis = figure.add_subplot()
    places = np.arange(len(mine)) + 1
    for y, one in zip(places, mine):
        if one["low"] is not None and one["high"] is not None:
            axis.plot([one["low"], one["high"]], [y, y], color=BLUE, lw=1.6, alpha=0.6)
    axis.plot([one["value"] for one in mine], places, "o", color=BLUE, ms=5, label=ours)
    if baseline is not None:
        others = {one["clip"]: one["value"] for one in rows if one["method"] == baseline}
        found = [(others[one["clip"]], y) for y, one in zip(places, mine)
                 if others.get(one["clip"]) is not None]  # fmt: skip
        axis.plot(*np.array(found).reshape(-1, 2).T, "|", color=GREY, ms=9, mew=1.8,
                  label=baseline)  # fmt: skip
    _draw_mean(axis, summary)
    axis.set_yticks([0, *places], ["mean", *(one["clip"] for one in mine)], fontsize=8)
    axis.set_ylim(-0.8, len(mine) + 0.8)
    axis.set_xlabel(mine[0]["measure"] if mine else "")
    axis.grid(axis="x", alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper left", ncols=2, fontsize=8, frameon=False)
    return figure


def _draw_mean(axis, summary):
    """A diamond as wide as the interval of the mean over clips."""
    mean, low, high = (summary[name] for name in ("mean", "low", "high"))
    if mean is None:
        return
    axis.axvline(mean, color=RED, lw=0.8, alpha=0.5)
    if low is None:
        axis.plot(mean, 0, "D", color=RED, ms=6)
        return
    axis.fill([low, mean, high, mean], [0, 0.3, 0, -0.3], color=RED, label="mean, 95 %")


def svg_of(figure: Figure) -> str:
    """A figure as SVG text for a page."""
    content = BytesIO()
    figure.savefig(content, format="svg", metadata={"Date": None})
    text = content.getvalue().decode()
    return text[text.index("<svg") :]
