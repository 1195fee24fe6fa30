"""explore(): static first; controls only where somebody sits."""

import io
import re

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("agg")
import matplotlib.pyplot as plt

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.media import jpeg_bytes
from tfhkit.pipeline import front_end
from tfhkit.teach import explore, explorer
from tfhkit.teach.display import MARK, WIDGET


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data))).astype(float)


@pytest.fixture
def shown(monkeypatch):
    """The bundles and metadata that display() was given."""
    things = []

    def display(bundle, metadata=None, raw=False):
        assert raw
        things.append(bundle | {"metadata": metadata})

    monkeypatch.setattr("IPython.display.display", display)
    return things


@pytest.fixture
def widgets(monkeypatch):
    """The widgets that explore() makes where somebody sits."""
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    made, kind = [], explorer._widget_class()
    monkeypatch.setattr(
        explorer, "_widget_class", lambda: lambda *given: made.append(kind(*given)) or made[-1]
    )
    return made


def ask(widget, *values, number=1):
    """What the front end does when a control was moved."""
    content = {"kind": "ask", "number": number, "values": list(values), "view": "v"}
    widget._handle_custom_msg(content, [])
    return widget.answer


def test_static_call_shows_one_picture_with_alt_text(shown):
    calls = []

    def draw(yaw_deg, size=3, kind="a", on=True):
        """A line."""
        calls.append((yaw_deg, size, kind, on))
        plt.plot([0, yaw_deg])
        plt.xlabel("time (s)")

    explore(draw, yaw_deg=(-40, 40), size=(1, 9), kind=["a", "b"], on=True)
    assert calls == [(0, 3, "a", True)] and len(shown) == 1
    alt = re.search('alt="([^"]*)"', shown[0]["text/html"]).group(1)
    assert alt.startswith("A line: yaw (deg) 0, size 3, kind a, on True.") and "time (s)" in alt
    assert "data:image/png" in shown[0]["text/html"] and WIDGET not in shown[0]
    assert not plt.get_fignums()


def test_a_live_picture_leaves_a_static_one_in_the_same_output(shown, widgets):
    explore(lambda level: np.full((8, 8, 3), level, np.uint8), level=(0, 10, 2))
    assert shown[0][WIDGET]["model_id"] == widgets[0].model_id
    assert "data:image/jpeg" in shown[0]["text/html"] and MARK in shown[0]["metadata"]


@pytest.mark.parametrize(
    "values, start",
    [
        ((0, 9), 4),
        ((0.0, 1.0), 0.5),
        ((0.0, 1.0, 0.2), 0.2),
        # where the browser's slider cannot stand, it stands beside; the picture is that of there
        ((0.0, 2.537), 1.26),
        ((0.0, 2.537, 2.537), 2.52),
        ((-0.3, 0.3, -0.3), -0.3),
    ],
)
def test_where_it_starts(shown, values, start):
    seen = []
    explore(lambda **given: seen.append(given["x"]), x=values)
    assert seen == [start]


@pytest.mark.parametrize(
    "result, kind",
    [
        (np.zeros((4, 5, 3), np.uint8), "image/jpeg"),
        (np.full((4, 5, 3), 0.5), "image/jpeg"),
        ("figure", "image/png"),
        ("axes", "image/png"),
        ("list", "image/png"),
    ],
)
def test_results_become_pictures(shown, result, kind):
    def make(x):
        if not isinstance(result, str):
            return result
        figure, axes = plt.subplots()
        return {"figure": figure, "axes": axes, "list": axes.plot([1, x])}[result]

    explore(make, x=(0, 2))
    assert f"data:{kind}" in shown[0]["text/html"] and not plt.get_fignums()


def test_other_results_are_shown_as_html_or_text(shown):
    class Sound:
        def _repr_html_(self):
            return "<audio controls></audio>"

    explore(lambda x: Sound(), x=(0, 2))
    explore(lambda x: f"{x} < 3", x=(0, 2))
    assert shown[0]["text/html"] == "<audio controls></audio>"
    assert shown[1]["text/html"] == "<pre>1 &lt; 3</pre>"


def test_an_error_of_the_first_call_is_raised(shown):
    with pytest.raises(ZeroDivisionError):
        explore(lambda x: 1 / x, x=(-1, 1))


def test_a_range_that_runs_backwards_is_refused():
    with pytest.raises(ParameterError, match="range of x"):
        explore(lambda x: x, x=(3, 1))


def test_controls_answer_with_the_values_of_the_front_end(shown, widgets):
    explore(lambda x, on, kind: f"{x} {on} {kind}", x=(0.0, 4.0), on=False, kind=["a", "b"])
    (widget,) = widgets
    assert [c["kind"] for c in widget.controls] == ["slider", "checkbox", "choice"]
    assert widget.answer["html"] == "<pre>2.0 False a</pre>"
    assert ask(widget, 3, True, 1)["html"] == "<pre>3.0 True b</pre>"
    assert ask(widget, 99, True, 1, number=7)["html"] == "<pre>4.0 True b</pre>"  # kept in range
    assert widget.answer["number"] == 7 and widget.answer["values"] == [99, True, 1]


def test_choices_may_be_of_any_type_but_only_texts_reach_the_front_end(shown, widgets):
    explore(lambda size: f"{size!r}", size=[(1, 2), None, 3.5])
    assert widgets[0].controls[0]["options"] == ["(1, 2)", "None", "3.5"]
    assert ask(widgets[0], 1)["html"] == "<pre>None</pre>"


def test_an_error_of_a_later_call_keeps_the_last_picture(shown, widgets):
    def grey(level):
        """A grey square."""
        return np.full((8, 8, 3), 100 // level, np.uint8)

    explore(grey, level=(0, 10, 2))
    (widget,) = widgets
    assert decoded(widget.picture).mean() == pytest.approx(50, abs=1)
    ask(widget, 4)
    assert decoded(widget.picture).mean() == pytest.approx(25, abs=1)
    assert ask(widget, 0)["fault"].startswith("ZeroDivisionError")
    assert decoded(widget.picture).mean() == pytest.approx(25, abs=1)
    assert not ask(widget, 1)["fault"] and decoded(widget.picture).mean() == pytest.approx(100, 1)


def test_units_are_shown_with_the_label(shown, widgets):
    explore(lambda gap_s, yaw_degrees, plain: "", gap_s=(0.0, 1.0), yaw_degrees=(0, 3), plain=True)
    assert [c["label"] for c in widgets[0].controls] == ["gap (s)", "yaw (deg)", "plain"]


def test_jpeg_bytes_keep_the_colours():
    pixels = np.zeros((16, 16, 3))
    pixels[..., 0], pixels[..., 1] = 1.5, 0.5  # too bright: clipped
    np.testing.assert_allclose(decoded(jpeg_bytes(pixels))[8, 8], [255, 128, 0], atol=4)
    with pytest.raises(ShapeError, match="pixels"):
        jpeg_bytes(np.zeros((4, 4, 4), np.uint8))


def test_who_is_live(monkeypatch):
    monkeypatch.delenv("TFHKIT_LIVE", raising=False)
    assert not front_end.is_live()  # no kernel at all
    for told, answer in (("1", True), ("0", False)):
        monkeypatch.setenv("TFHKIT_LIVE", told)
        assert front_end.is_live() is answer


@pytest.mark.parametrize("trace", ["JPY_SESSION_NAME", "VOILA_KERNEL_ID"])
def test_front_ends_leave_a_trace(monkeypatch, trace):
    for name in ("TFHKIT_LIVE", "JPY_SESSION_NAME"):
        monkeypatch.delenv(name, raising=False)
    shell = type("Shell", (), {"user_ns": {}})()
    monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
    assert not front_end.is_live()
    monkeypatch.setenv(trace, "x")
    assert front_end.is_live()


def test_slider_steps_are_round():
    assert explorer._slider_step(0.0, 1.0) == pytest.approx(0.01)
    assert explorer._slider_step(-40.0, 40.0) == pytest.approx(1.0)
    assert explorer._slider_step(0.0, 5.0) == pytest.approx(0.05)
