"""plotly figures with a static picture: what an output holds, and what the figures say."""

import base64
import json

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import plotly.graph_objects as go
import pytest

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.teach.display import MARK, PLOTLY
from tfhkit.teach.hover import packed, plotly_bundle, show_plotly, static_html
from tfhkit.teach.hover_plots import (
    angle_histograms,
    calibration_curves,
    length_curves,
    pose_over_time,
)

TIMES = np.arange(40) / 20
ANGLES = np.cumsum(np.random.default_rng(0).normal(0, 0.02, (40, 3)), 0)


def unpacked(spec):
    return np.frombuffer(base64.b64decode(spec["bdata"]), np.dtype("<" + spec["dtype"]))


def drawn(figure):
    """The figure's traces and layout as the front end gets them."""
    return plotly_bundle(figure, "alt", "<img>")[PLOTLY]


def a_plot():
    figure, axis = plt.subplots()
    axis.plot([0, 1])
    return figure


def test_one_output_has_both_forms(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **more: shown.append((data, more)))
    show_plotly(go.Figure(go.Scatter(y=[1, 2])), "Two points & a line.", a_plot())
    ((data, more),) = shown
    assert set(data) == {PLOTLY, "text/html", "text/plain"} and more["metadata"][MARK]
    assert 'alt="Two points &amp; a line."' in data["text/html"]
    assert "http" not in json.dumps(data[PLOTLY]["layout"]) and not plt.get_fignums()


def test_static_pictures():
    assert static_html("<b>", "alt") == "<b>"
    assert "data:image/png" in static_html(a_plot(), "alt")
    assert "data:image/jpeg" in static_html(np.zeros((8, 8, 3), np.uint8), "alt")
    figure, axis = plt.subplots()
    axis.imshow(np.zeros((8, 8, 3)))
    assert "data:image/jpeg" in static_html(figure, "alt")


@pytest.mark.parametrize(
    "figure, static, words",
    [
        (lambda: a_plot(), "<img>", "figure: is a Figure; give a plotly"),
        (lambda: go.Figure(), 3, "static: is a int; give a matplotlib figure"),
    ],
)
def test_what_cannot_be_shown(figure, static, words):
    with pytest.raises(ParameterError, match=words):
        plotly_bundle(figure(), "alt", static)
    plt.close("all")


def test_packed_numbers_come_back():
    assert unpacked(packed([1.5, -2], "f4")).tolist() == [1.5, -2]
    assert unpacked(packed([0, 65535], "u2")).tolist() == [0, 65535]


def test_pose_over_time():
    gap = np.zeros(40, bool)
    gap[[3, 4, 9]] = True
    content = drawn(pose_over_time(TIMES, ANGLES, ANGLES + 0.1, gap))
    names = [trace["name"] for trace in content["data"]]
    assert names[3:6] == ["pitch", "yaw", "roll"] and names[-1] == "bridged frames"
    assert unpacked(content["data"][4]["y"]) == pytest.approx(np.degrees(ANGLES[:, 1]), abs=1e-4)
    edges = [(mark["x0"], mark["x1"]) for mark in content["layout"]["shapes"]]
    assert np.array(edges) == pytest.approx(np.array([(0.125, 0.225), (0.425, 0.475)]))
    assert content["layout"]["paper_bgcolor"] == "white"
    assert "degrees" in content["layout"]["yaxis"]["title"]["text"]
    assert not drawn(pose_over_time(TIMES, ANGLES))["layout"].get("shapes")
    with pytest.raises(ShapeError, match="angles_rad"):
        pose_over_time(TIMES, ANGLES[:3])


def test_histograms_count_every_frame_and_sum_to_all():
    content = drawn(angle_histograms(ANGLES, ANGLES[:10] + 0.2, [0.9, 0.8, 0.7]))
    bars = [trace for trace in content["data"] if trace["type"] == "bar"]
    assert len(bars) == 6
    assert [unpacked(b["y"]).sum() for b in bars] == pytest.approx([100] * 6, rel=1e-4)
    curves = [trace for trace in content["data"] if trace["type"] == "scatter"]
    assert [unpacked(c["y"])[-1] for c in curves] == [100] * 6
    assert [note["text"] for note in content["layout"]["annotations"]][0] == "HS 0.90"


def test_a_still_head_has_a_histogram():
    still = np.zeros((20, 3))
    content = drawn(angle_histograms(still, still, [1, 1, 1]))
    assert unpacked(content["data"][0]["y"]).sum() == pytest.approx(100)


def test_calibration_has_a_menu_of_angles():
    amounts = np.linspace(0, 20, 5)
    curves = {which: {"offset": 1 - amounts / k, "noise": 1 - amounts / 40}
              for k, which in ((20, "all three"), (60, "yaw"))}  # fmt: skip
    content = drawn(calibration_curves(amounts, curves, 0.7))
    assert [trace["name"] for trace in content["data"]] == ["offset", "noise", "still head"]
    button = content["layout"]["updatemenus"][0]["buttons"][1]
    assert button["label"] == "error on yaw" and button["args"][1] == [0, 1]
    assert unpacked(button["args"][0]["y"][0]) == pytest.approx(1 - amounts / 60, abs=1e-6)


def test_lengths_have_their_spread_in_the_label():
    spread = np.array([[0.5, 0.6, 0.7], [0.7, 0.8, 0.9]])
    content = drawn(length_curves([5, 10], {"same person": spread}, {"as they are": spread}))
    named = {trace["name"]: trace for trace in content["data"] if trace.get("name")}
    assert set(named) == {"same person", "as they are", "the paper's mean, 0.859"}
    assert named["same person"]["customdata"] == [[0.5, 0.7], [0.7, 0.9]]


def test_sizes():
    angles = np.tile(ANGLES, (10, 1))
    content = drawn(pose_over_time(np.arange(400) / 25, angles, angles))
    assert len(json.dumps(content, indent=1)) < 40_000
