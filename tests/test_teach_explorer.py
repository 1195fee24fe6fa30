"""explore(): static first; controls only where somebody sits."""

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("agg")
import matplotlib.pyplot as plt

from tfhkit.errors import ShapeError
from tfhkit.media import jpeg_bytes
from tfhkit.series import front_end
from tfhkit.series.progress import Watch, report_progress
from tfhkit.teach import explore, explorer


def decoded(data):
    return np.asarray(Image.open(io.BytesIO(data))).astype(float)


@pytest.fixture
def shown(monkeypatch):
    """What display() was given."""
    things = []

    class Handle:
        def update(self, thing):
            things.append(thing)

    def display(thing, display_id=None):
        things.append(thing)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    return things


def test_static_call_shows_one_png_with_alt_text(shown):
    calls = []

    def draw(yaw, size=3, kind="a", on=True):
        """A line."""
        calls.append((yaw, size, kind, on))
        plt.plot([0, yaw])

    explore(draw, yaw=(-40, 40), size=(1, 9), kind=["a", "b"], on=True)
    assert calls == [(0, 3, "a", True)] and len(shown) == 1
    assert shown[0].alt == "A line." and shown[0].data[:4] == b"\x89PNG"
    assert not plt.get_fignums()


@pytest.mark.parametrize("values, start", [((0, 9), 4), ((0.0, 1.0), 0.5), ((0.0, 1.0, 0.2), 0.2)])
def test_where_it_starts(shown, values, start):
    explore(lambda **given: shown.append(given["x"]), x=values)
    assert shown[0] == start


@pytest.mark.parametrize(
    "result, kind",
    [
        (np.zeros((4, 5, 3), np.uint8), "jpeg"),
        (np.full((4, 5, 3), 0.5), "jpeg"),
        ("figure", "png"),
        ("axes", "png"),
        ("list", "png"),
    ],
)
def test_results_become_pictures(shown, result, kind):
    def make(x):
        if not isinstance(result, str):
            return result
        figure, axes = plt.subplots()
        return {"figure": figure, "axes": axes, "list": axes.plot([1, x])}[result]

    explore(make, x=(0, 2))
    assert shown[0].format == kind and not plt.get_fignums()


def test_an_error_of_the_first_call_is_raised(shown):
    with pytest.raises(ZeroDivisionError):
        explore(lambda x: 1 / x, x=(-1, 1))


def test_live_controls_redraw(shown, monkeypatch):
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    explore(lambda x, on, kind: f"{x} {on} {kind}", x=(0.0, 4.0), on=False, kind=["a", "b"])
    first, box = shown
    assert first == "2.0 False a" and [type(c).__name__ for c in box.children] == [
        "FloatSlider",
        "Checkbox",
        "Dropdown",
    ]
    box.children[0].value = 3.0
    box.children[2].value = "b"
    assert shown[2:] == ["3.0 False a", "3.0 False b"]


def test_an_error_of_a_later_call_is_shown(shown, monkeypatch):
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    explore(lambda x: f"{1 / x}", x=(0, 2))
    shown[1].children[0].value = 0
    assert shown[2] == "ZeroDivisionError: division by zero"


def test_a_slider_puts_a_new_image_into_the_widget(shown, monkeypatch):
    monkeypatch.setenv("TFHKIT_LIVE", "1")

    def grey(level):
        """A grey square."""
        return np.full((8, 8, 3), 100 // level, np.uint8)

    explore(grey, level=(0, 10, 2))
    (box,) = shown
    (picture, fault), (slider,) = (side.children for side in box.children)
    assert decoded(picture.value).mean() == pytest.approx(50, abs=1)
    slider.value = 4
    assert decoded(picture.value).mean() == pytest.approx(25, abs=1)
    slider.value = 0
    assert fault.value.startswith("ZeroDivisionError")
    slider.value = 1
    assert not fault.value and decoded(picture.value).mean() == pytest.approx(100, abs=1)


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


def test_slider_steps_are_round():
    assert explorer._slider_step(0.0, 1.0) == pytest.approx(0.01)
    assert explorer._slider_step(-40.0, 40.0) == pytest.approx(1.0)
    assert explorer._slider_step(0.0, 5.0) == pytest.approx(0.05)


def test_progress_under_the_runner_goes_to_its_file(monkeypatch, tmp_path, capsys):
    file = tmp_path / "progress"
    monkeypatch.setenv("TFHKIT_PROGRESS", str(file))
    progress = report_progress("03")
    progress(10, 10, "epochs")
    assert Watch(file, "03")._latest() == "epochs 10/10" and not capsys.readouterr().out


def test_progress_in_a_log_is_few_lines(monkeypatch, capsys):
    monkeypatch.delenv("TFHKIT_PROGRESS", raising=False)
    progress = report_progress("03")
    for i in range(1000):
        progress(i + 1, 1000, "epochs")
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[-1] == "03: epochs 1000/1000"
