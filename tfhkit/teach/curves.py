"""Curves of a training that are redrawn while it runs, in a notebook."""

import io
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from tfhkit.palette import BLUE, GREEN, GREY, ORANGE, RED
from tfhkit.pipeline.front_end import in_notebook, is_live
from tfhkit.teach.display import picture_html

# "steps" and "validation": lists of dicts, see `train_refiner`
History = Mapping[str, Any]
_PAUSE_S = {True: 2.0, False: 20.0}  # where somebody watches; where nobody does
PANELS = (
    (
        "reconstruction and memory",
        {
            "l1": BLUE,
            "gradient": "k",
            "contrast": GREY,
            "perceptual": ORANGE,
            "attention": GREEN,
            "triplet": RED,
        },
    ),
    ("generator against discriminator", {"gan": BLUE, "discriminator": RED}),
)
ALT = "Losses of the refiner and PSNR of held-out frames over the training steps."


class LiveCurves:
    """Curves for `RunOptions(watch=...)`; call `show` after the training.

    One picture, with the steps done and the time left below it, is replaced in place, at most
    every 2 s (every 20 s where nobody watches), so a stored notebook keeps the last one only.
    Outside notebooks nothing is drawn.

    Args:
        levels: PSNR in dB of other answers to the same frames, by name; drawn as lines.
        steps: steps of the whole training, for the remaining time; None does not show it.
    """

    def __init__(self, levels: Mapping[str, float] | None = None, steps: int | None = None) -> None:
        self.levels, self.steps = levels or {}, steps
        self._handle: Any = None  # of the output
        self._next = 0.0
        self._first: tuple[float, int] | None = None  # clock and step of the first call

    def __call__(self, history: History) -> None:
        """Draw the history so far, at most once in a while."""
        if self._first is None and history["steps"]:
            self._first = time.monotonic(), history["steps"][-1]["step"]
        if time.monotonic() >= self._next and in_notebook():
            self._draw(history, self._left(history))

    def show(self, history: History) -> None:
        """Draw the history of a finished training."""
        if in_notebook():
            self._draw(history, "")

    def _left(self, history):
        """A sentence on how far the training is."""
        if not (self.steps and self._first):
            return ""
        done = history["steps"][-1]["step"]
        text, gone = f"step {done} of {self.steps}", done - self._first[1]
        if gone > 0:
            left_s = (time.monotonic() - self._first[0]) / gone * (self.steps - done)
            left = f"{left_s / 60:.1f} min" if left_s > 90 else f"{left_s:.0f} s"
            text += f", about {left} left"
        return text

    def _draw(self, history, text):
        from IPython.display import display

        picture = picture_html(_png(draw_curves(history, self.levels)), ALT)
        bundle = {"text/html": picture, "text/plain": ALT}
        if text:
            bundle["text/html"] += f"<p><small>{text}</small></p>"
            bundle["text/plain"] += f" {text}"
        if self._handle is None:
            self._handle = display(bundle, display_id=True, raw=True)
        else:
            self._handle.update(bundle, raw=True)
        self._next = time.monotonic() + _PAUSE_S[is_live()]


def draw_curves(history: History, levels: Mapping[str, float] | None = None) -> Figure:
    """The curves of a refiner's training.

    Args:
        history: from `train_refiner`.
        levels: see `LiveCurves`.
    Returns:
        Three panels: all terms but the GAN's, and the triplet loss, on a log scale; the two sides
        of the GAN, with the loss of a discriminator that guesses, 2 log 2; PSNR of held-out frames.
        The figure is not registered with pyplot, which would show it a second time.
    """
    figure = Figure(figsize=(10, 2.9), layout="constrained")
    axes = figure.subplots(1, 3)
    for axis, (title, names) in zip(axes, PANELS):
        for name, colour in names.items():
            entries = [(e["step"], e[name]) for e in history["steps"] if e.get(name, 0) > 0]
            if entries:
                style = "." if name == "triplet" else "-"  # it is 0 in most steps
                axis.plot(*np.transpose(entries), style, color=colour, lw=1.2, ms=4, label=name)
        axis.set(xlabel="step", title=title)
    axes[0].set_yscale("log")
    if axes[0].lines:  # room for the legend above the curves
        axes[0].set_ylim(top=20 * axes[0].get_ylim()[1])
    axes[1].axhline(2 * np.log(2), color=GREY, ls=":", label="guessing, 2 log 2")
    for axis, columns, place in zip(axes[:2], (3, 1), ("upper right", "best")):
        if axis.lines:
            axis.legend(frameon=False, fontsize=7, ncols=columns, loc=place)
    seen = history["validation"]
    axes[2].plot([e["step"] for e in seen], [e["psnr_db"] for e in seen], "o-", color=BLUE)
    for (name, level_db), style in zip((levels or {}).items(), (":", "--", "-.")):
        axes[2].axhline(level_db, color=GREY, ls=style, label=name)
    if levels:
        axes[2].legend(frameon=False, fontsize=7)
    axes[2].set(xlabel="step", ylabel="PSNR (dB)", title="held-out frames, face")
    for axis in axes:
        axis.title.set_fontsize(10)
    return figure


def _png(figure):
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    return file.getvalue()
