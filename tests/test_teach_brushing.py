"""Linked plots of pairs: which pairs, their correlation, the static picture, the messages."""

from dataclasses import replace

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
from plot_toys import face_at, talker

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.stats import PairSettings, pair_correlation
from tfhkit.teach import brushing
from tfhkit.teach.brushing import alike_pairs, draw_pairs, envelope, show_linked_pairs
from tfhkit.teach.display import WIDGET


@pytest.fixture
def shown(monkeypatch):
    things = []
    monkeypatch.setattr("IPython.display.display", lambda data, **more: things.append(data))
    return things


@pytest.mark.parametrize("radius", [0.15, 0.3, 0.6])
def test_the_correlation_is_that_of_app_a(radius):
    _, times, angles, windows, _ = talker()
    features = windows.reshape(len(times), -1)
    pairs = alike_pairs(features, angles, times, radius)
    plain = {"n_null": 0, "n_bootstrap": 0, "radius": radius}
    expected = pair_correlation(features, angles, times, PairSettings(**plain))
    assert pairs.r == pytest.approx(expected.r, abs=1e-9)
    assert (pairs.inside + (pairs.twice <= radius).astype(int)).sum() == expected.n_pairs
    wider = replace(pairs, radius=0.9)
    plain["radius"] = 0.9
    expected = pair_correlation(features, angles, times, PairSettings(**plain))
    assert wider.r == pytest.approx(expected.r, abs=1e-9)


def test_pairs_are_single_sorted_and_as_far_apart_as_the_kit_counts():
    pairs = talker()[-1]
    assert (pairs.first < pairs.second).all() and (np.diff(pairs.heard) >= 0).all()
    assert len({*zip(pairs.first, pairs.second)}) == len(pairs.first) == pairs.total
    assert pairs.apart_s.max() <= 1.51, "around the clip's ends"


def test_too_many_pairs_are_drawn_by_chance():
    _, times, angles, windows, every = talker()
    few = alike_pairs(windows.reshape(len(times), -1), angles, times, 0.3, most=50)
    assert len(few.first) == 50 and few.total == every.total > 50
    assert (np.diff(few.heard) >= 0).all()


def test_no_two_frames_are_alike():
    features = np.eye(5)
    with pytest.raises(
        ParameterError, match="radius: 0.1: no two frames are within it; take a larger"
    ):
        alike_pairs(features, np.zeros((5, 3)), np.arange(5.0), 0.1)


def test_the_envelope_holds_the_extremes():
    low, high = envelope(np.sin(np.arange(1000)), 30)
    assert len(low) == len(high) == 30 and low.min() < -0.99 and high.max() > 0.99
    assert len(envelope(np.zeros(7), 30)[0]) == 7


def test_the_picture_shows_one_pair():
    sound, times, angles, _, pairs = talker()
    figure = draw_pairs(sound, times, angles, pairs, face_at, 3)
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    i, j = pairs.first[3], pairs.second[3]
    assert titles[1:] == [f"frame {i}, {times[i]:.2f} s", f"frame {j}, {times[j]:.2f} s"]
    assert f"r = {pairs.r:.2f}" in titles[0]
    labels = {axis.get_xlabel() for axis in figure.axes} - {""}
    assert labels == {"time (s)", "distance of the sounds"}
    plt.close(figure)


def test_where_nobody_watches_there_is_a_picture_and_a_sound(shown, monkeypatch):
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    *talk, pairs = talker()
    show_linked_pairs(*talk, pairs, face_at, min_gap_s=0.5)
    (data,) = shown
    assert set(data) == {"text/html", "text/plain"} and not plt.get_fignums()
    assert data["text/html"].count("<img alt=") == 1 and "<audio" in data["text/html"]
    assert len(data["text/html"]) < 120_000
    with pytest.raises(ShapeError, match="windows"):
        show_linked_pairs(*talk[:3], talk[3][:5], pairs, face_at)


def test_the_widget_sends_pictures_and_says_what_went_wrong(shown, monkeypatch):
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    *talk, pairs = talker()
    show_linked_pairs(*talk, pairs, face_at)
    assert WIDGET in shown[0]
    sent = []

    def broken(frame):
        return face_at(frame) if frame < 30 else 1 / 0

    parts = brushing._for_widget(*talk, pairs)
    widget = brushing._widget_class()(broken, chosen=0, alt="", **parts)
    monkeypatch.setattr(widget, "send", lambda *message: sent.append(message))
    widget._asked(widget, {"frames": [2, 5]}, [])
    widget._asked(widget, {"frames": [2, 40]}, [])
    (first, pictures), (second,) = sent
    assert first == {"frames": [2, 5]} and [p[:2] for p in pictures] == [b"\xff\xd8"] * 2
    assert second == {"frames": [2, 40], "fault": "ZeroDivisionError: division by zero"}
    assert np.frombuffer(widget.first, "<u4").tolist() == pairs.first.tolist()
    assert np.frombuffer(widget.angles, "<f4").reshape(3, -1)[1] == pytest.approx(
        np.degrees(talk[2][:, 1]), abs=1e-4
    )
