"""Live curves: one picture that is replaced, not too often, and nothing outside of notebooks."""

import base64
import builtins
import io

import numpy as np
import pytest
from PIL import Image

from tfhkit.teach import curves
from tfhkit.teach.curves import LiveCurves, draw_curves

STEPS = [
    {"step": 1, "l1": 0.2, "attention": 0.9, "triplet": 0.0, "gradient": 0.1, "smooth": 3.0},
    {"step": 10, "l1": 0.1, "attention": 0.8, "triplet": 0.2, "gradient": 0.05, "smooth": 3.0},
    {"step": 20, "l1": 0.05, "attention": 0.7, "triplet": 0.1, "gradient": 0.02, "smooth": 3.0,
     "gan": 0.9, "discriminator": 1.3},
]  # fmt: skip
HISTORY = {"steps": STEPS, "validation": [{"step": 20, "psnr_db": 25.0}]}


class Kernel:
    kernel, user_ns = None, {}


@pytest.fixture
def shown(monkeypatch):
    """What a notebook was shown, and what replaced it."""
    things = []

    class Handle:
        def update(self, thing, raw):
            things.append(("replaced", thing))

    def display(thing, display_id=None, raw=False):
        assert display_id is True and raw
        things.append(("new", thing))
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(builtins, "get_ipython", Kernel, raising=False)
    return things


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(curves.time, "monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("told, pause", [("1", 2.0), ("0", 20.0)])
def test_one_picture_is_replaced_at_most_every_so_often(shown, clock, monkeypatch, told, pause):
    monkeypatch.setenv("TFHKIT_LIVE", told)
    monkeypatch.setattr(curves, "_png", lambda figure: b"a picture")
    watch = LiveCurves()
    for second in np.arange(0, 2 * pause + 0.1, 0.5):
        clock[0] = 100 + second
        watch(HISTORY)
    assert [kind for kind, _ in shown] == ["new", "replaced", "replaced"]
    watch.show(HISTORY)
    assert len(shown) == 4  # the last picture is always drawn


def test_the_picture_is_small_and_described(shown):
    LiveCurves({"rendering": 22.0}).show(HISTORY)
    text = shown[0][1]["text/html"]
    assert text.startswith('<img alt="Losses of the refiner') and len(text) < 60_000
    picture = base64.b64decode(text.partition("base64,")[2].partition('"')[0])
    assert Image.open(io.BytesIO(picture)).size == (800, 232)


def test_the_time_left_is_estimated(shown, clock, monkeypatch):
    monkeypatch.setattr(curves, "_png", lambda figure: b"a picture")
    watch = LiveCurves(steps=100)
    for second, step in ((0, 10), (30, 20), (330, 60)):
        clock[0] = 100 + second
        watch({"steps": [{"step": step, "l1": 0.1}], "validation": []})
    watch.show(HISTORY)
    texts = [bundle["text/plain"].removeprefix(curves.ALT) for _, bundle in shown]
    assert texts[:2] == [" step 10 of 100", " step 20 of 100, about 4.0 min left"]
    assert texts[2] == " step 60 of 100, about 4.4 min left" and texts[3] == ""


def test_nothing_is_drawn_outside_of_notebooks(monkeypatch):
    monkeypatch.setattr("tfhkit.teach.curves.draw_curves", lambda *_: pytest.fail("was drawn"))
    watch = LiveCurves()
    watch(HISTORY)
    watch.show(HISTORY)
    monkeypatch.setattr(builtins, "get_ipython", object, raising=False)  # a terminal's IPython
    watch(HISTORY)


def test_curves_show_what_the_history_holds():
    left, middle, right = draw_curves(HISTORY, {"rendering": 22.0, "before": 24.0}).axes
    lines = {line.get_label(): line.get_xydata().tolist() for line in left.lines + middle.lines}
    assert lines["l1"] == [[1, 0.2], [10, 0.1], [20, 0.05]]
    assert lines["triplet"] == [[10, 0.2], [20, 0.1]]  # nothing to learn at first: not on a log
    assert lines["discriminator"] == [[20, 1.3]]
    assert lines["guessing, 2 log 2"][0][1] == pytest.approx(1.3863, abs=1e-4)
    assert [line.get_ydata()[0] for line in right.lines] == [25.0, 22.0, 24.0]


def test_curves_of_a_training_that_just_began():
    import matplotlib.pyplot as plt

    left, middle, right = draw_curves({"steps": [], "validation": []}).axes
    assert not left.lines and len(middle.lines) == 1 and not len(right.lines[0].get_xdata())
    assert not plt.get_fignums()  # pyplot would show it a second time
