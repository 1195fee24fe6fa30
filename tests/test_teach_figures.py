"""Alternative texts of figures, and figures that are drawn again without being laid out again."""

import io

import matplotlib
import numpy as np
import pytest
from PIL import Image

matplotlib.use("agg")
import matplotlib.pyplot as plt

from tfhkit.teach.figures import Paper, describe_figure, figure_html


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_a_plot_is_told_by_its_labels_legend_and_title():
    plt.plot([0, 1], [1, 2], label="fitted")
    plt.plot([0, 1], [2, 1], label="from the sound")
    plt.xlabel("time (s)")
    plt.ylabel("lip opening (mm)")
    plt.title("$r = 0.5$")
    plt.legend()
    assert describe_figure(plt.gcf()) == (
        "Plot of lip opening (mm) against time (s): fitted; from the sound, titled r = 0.5."
    )


def test_pictures_are_counted_and_named():
    figure, axes = plt.subplots(1, 3)
    for axis, title in zip(axes, ("real", "coarse", "refined")):
        axis.imshow(np.zeros((4, 4, 3)))
        axis.set_title(title)
        axis.axis("off")
    assert describe_figure(figure) == "3 pictures: real; coarse; refined."


def test_panels_colour_bars_and_a_headline():
    figure, (left, right) = plt.subplots(1, 2)
    figure.suptitle("Two views")
    left.scatter([1, 2], [3, 4])
    left.set(xlabel="sound", ylabel="pose (deg)")
    right.hist([1, 2, 2, 3], 5)
    right.set(xlabel="yaw (deg)", ylabel="frames")
    figure.colorbar(plt.cm.ScalarMappable(), ax=left, label="time between the frames (s)")
    assert describe_figure(figure) == (
        "Two views. Scatter plot of pose (deg) against sound. Bars of frames against yaw (deg). "
        "Colours: time between the frames (s)."
    )


def test_long_rows_are_cut_short():
    figure, axes = plt.subplots(1, 12)
    for k, axis in enumerate(axes):
        axis.imshow(np.zeros((2, 2)))
        axis.set_title(f"frame {k}")
    assert "frame 7 and 4 more" in describe_figure(figure)
    assert describe_figure(plt.figure()) == "Empty figure."


def test_the_html_has_the_text_and_no_script():
    plt.plot([0, 1])
    plt.ylabel('a "quoted" <label>')
    content = figure_html(plt.gcf())
    assert "a &quot;quoted&quot; &lt;label&gt;" in content and content.count("<") == 1


@pytest.mark.slow
@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
def test_a_figure_drawn_again_keeps_its_size_and_labels(layout):
    def draw(height):
        figure, axes = plt.subplots(1, 2, figsize=(6, 2), layout=layout)
        for axis in axes:
            axis.bar([0, 1], [height, 1])
            axis.set(xlabel="time (s)", ylabel="height (mm)", ylim=(0, 9))
        return figure

    paper = Paper()
    drawn = (Image.open(io.BytesIO(paper.png(draw(height)))) for height in (3, 3, 8))
    first, again, other = (np.asarray(picture.convert("L"), float) for picture in drawn)
    np.testing.assert_allclose(first, again, atol=2)
    assert other.shape == first.shape and np.abs(other - first).max() > 50
    for side in (first[0], first[-1], first[:, 0], first[:, -1]):
        assert side.min() > 250, "something is cut off at the border"
    assert paper.png(plt.figure(figsize=(2, 2)))  # another make is laid out anew
