"""The scrubber: what stands on paper, what is sent to the browser, and bad input."""

import base64
import io
import wave

import numpy as np
import pytest
from PIL import Image

from tfhkit.errors import InputError, ShapeError
from tfhkit.media import read_picture
from tfhkit.teach import scrubber
from tfhkit.teach.display import WIDGET
from tfhkit.teach.panels import grey_picture, signed_picture, with_landmarks
from tfhkit.teach.scrubber import scrub

T = 30
TIMES = 2.0 + np.arange(T) / 10
PANELS = {
    "one": np.repeat(np.arange(T, dtype=np.uint8)[:, None, None, None] * 8, 3, 3)
    * np.ones((1, 20, 30, 1), np.uint8),
    "two": np.full((T, 40, 24, 3), 200, np.uint8),
}
AUDIO = np.sin(2 * np.pi * 100 * np.arange(16000 * 6) / 16000).astype(np.float32)


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: outputs.append(data))
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    return outputs


@pytest.fixture
def widgets(monkeypatch):
    """The widgets that a live front end would get."""
    made = []
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    monkeypatch.setattr(scrubber, "show_widget", lambda widget, *_: made.append(widget))
    return made


def test_on_paper_some_moments_and_the_curves(shown):
    scrub(PANELS, TIMES, {"a (mm)": np.arange(T)}, AUDIO, 'A "clip"')
    (bundle,) = shown
    assert WIDGET not in bundle and bundle["text/plain"] == 'A "clip"'
    text = bundle["text/html"]
    assert text.startswith('<img alt="A &quot;clip&quot;"') and len(text) < 60_000
    picture = Image.open(io.BytesIO(base64.b64decode(text.partition("base64,")[2][:-2])))
    assert picture.format == "WEBP" and picture.size[0] > 500


def test_headless_only_some_pictures_are_made(shown):
    asked = []

    def moment(row):
        asked.append(int(row))
        return {"a": PANELS["one"][row]}

    scrub(moment, TIMES)
    assert asked == [0, 7, 14, 21, 29]


def test_what_the_browser_gets(widgets, tmp_path):
    gap = np.linspace(0, 1, T)
    gap[3] = np.nan
    tracks = {"pose (deg)": {"yaw": gap, "roll": -gap}, "slot": np.arange(T) // 4}
    said = []
    scrub(PANELS, TIMES, tracks, AUDIO, "A clip.", 5, lambda *text: said.append(text))
    (widget,) = widgets
    spec = widget.spec
    assert spec["start"] == 5 and spec["times"][0] == 2.0 and len(said) == T
    assert [(b["x"], b["width"], b["height"]) for b in spec["boxes"]] == [(0, 30, 20), (30, 24, 40)]
    assert sum(spec["film"]["sizes"]) == len(widget.film)
    first = sum(spec["film"]["sizes"][:10])
    (tmp_path / "f.jpg").write_bytes(widget.film[first : first + spec["film"]["sizes"][10]])
    picture = read_picture(tmp_path / "f.jpg")
    assert picture.shape == (40, 54, 3)
    assert abs(picture[:16, :24].mean() - 80) < 4 and abs(picture[:, 34:].mean() - 200) < 4
    sound, pose, slot = spec["tracks"]
    assert sound["lines"] == [] and np.shape(sound["envelope"]) == (2, 500)
    assert pose["lines"][0]["values"][3] is None and pose["lines"][1]["name"] == "roll"
    assert (slot["steps"], slot["low"], slot["high"]) == (True, 0, 7) and not pose["steps"]
    with wave.open(io.BytesIO(widget.sound)) as file:
        assert file.getframerate() == 16000 and file.getnframes() == pytest.approx(16000 * 2.9, 1)


def test_a_long_clip_is_thinned_out(widgets, monkeypatch):
    monkeypatch.setattr(scrubber, "MOST_FRAMES", 12)
    scrub(PANELS, TIMES, {"a": np.arange(T)})
    spec = widgets[0].spec
    assert spec["numbers"] == list(range(0, T, 3)) and widgets[0].sound == b""
    assert spec["tracks"][0]["lines"][0]["values"] == list(range(0, T, 3))


def test_large_panels_are_made_smaller(widgets):
    scrub({"a": np.zeros((2, 480, 960, 3), np.uint8)}, TIMES[:2])
    assert widgets[0].spec["boxes"][0]["width"] == 480
    assert widgets[0].spec["film"]["height"] == 240


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: scrub({}, TIMES), InputError, "give panels"),
        (lambda: scrub(PANELS, []), InputError, "give panels"),
        (lambda: scrub(PANELS, TIMES[:5]), ShapeError, "one"),
        (lambda: scrub(PANELS, TIMES, {"a": np.zeros(3)}), ShapeError, "a, "),
        (lambda: scrub({"a": np.zeros((T, 4, 4))}, TIMES), ShapeError, "a"),
    ],
)
def test_bad_input_is_named(call, error, words, shown):
    with pytest.raises(error, match=words):
        call()


def test_panels_say_what_they_show():
    grey = np.full((30, 30, 3), 100, np.uint8)
    points = np.tile([[5.5, 9.5]], (68, 1)) + np.arange(68)[:, None] * [0.2, 0]
    drawn = with_landmarks(grey, points)
    assert (drawn[9, 6:17] != 100).any(1).all() and (drawn[20:] == 100).all()
    assert (grey == 100).all()
    assert signed_picture(grey, grey).min() > 240  # white where nothing differs
    dark, bright = (signed_picture(grey + np.uint8(k), grey + np.uint8(60))[0, 0] for k in (0, 120))
    assert dark[2] > dark[1] and bright[0] > bright[2]  # purple, orange
    assert grey_picture(np.array([[0.0, 0.5, 2.0]]))[0, :, 1].tolist() == [0, 128, 255]
