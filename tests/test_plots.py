"""Figures and portraits: what they show is what they were given."""

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from tfhkit.errors import ShapeError
from tfhkit.face import load_model
from tfhkit.face.plots import show_camera, show_variance, show_vector
from tfhkit.fit.plots import draw_axes
from tfhkit.render.plots import CLAY, PAPER, clay, on_paper, portraits


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def model():
    return load_model(subdivide=False)


def test_the_vector_is_257_wide_and_shows_its_values():
    values = np.arange(257.0)
    bar, below = show_vector(values).axes
    assert sum(patch.get_width() for patch in bar.patches) == 257
    assert [patch.get_height() for patch in below.patches] == list(values)
    assert len(show_vector().axes) == 1


def test_variance_grows_to_what_is_kept(model):
    (axis,) = show_variance(model, {"identity": 0.9}).axes
    for line, end in zip(axis.lines, (90, 100, 100)):
        share = line.get_ydata()
        assert share[-1] == pytest.approx(end) and (np.diff(share) >= 0).all()
        assert len(share) in (80, 64)


def test_the_camera_is_drawn_to_scale(model):
    side, front = show_camera(model).axes
    rays = [line.get_xydata() for line in side.lines][:2]
    for (start, end), sign in zip(rays, (1, -1)):
        slope = (end[1] - start[1]) / (start[0] - end[0])
        assert slope == pytest.approx(sign * 112 / 1015)
    assert front.patches[0].get_width() == pytest.approx(2.2069, abs=1e-3)


def test_the_heads_axes_turn_with_it():
    def tips(*angles):
        axis = plt.subplots()[1]
        draw_axes(axis, torch.tensor(angles), torch.zeros(3), 224, length_dm=1.0)
        return np.array([arrow.xy for arrow in axis.texts])

    x, y, z = tips(0.0, 0.0, 0.0)
    np.testing.assert_allclose([x, y, z], [[213, 111.5], [111.5, 10], [111.5, 111.5]], atol=1e-3)
    assert tips(0.4, 0.0, 0.0)[2, 1] > z[1]  # a nod: the nose goes down
    assert tips(0.0, 0.4, 0.0)[2, 0] > z[0]  # to the image's right
    assert tips(0.0, 0.0, 0.4)[1, 0] < y[0]  # the top to the image's left


def test_portraits_take_batches_and_stand_on_paper(model):
    pictures = portraits(model, 64, id=torch.randn(3, 80), angles=torch.zeros(1, 3))
    assert pictures.shape == (3, 64, 64, 3) and pictures.dtype == np.uint8
    assert (portraits(model, 64, back_dm=40.0)[0, 0] == round(255 * PAPER)).all()
    near, far = ((portraits(model, 64, back_dm=d) < 230).sum() for d in (3.0, 8.0))
    assert far < near


def test_clay_has_no_colour(model):
    picture = portraits(model, 64, clay(model))[0].astype(int)
    assert np.ptp(picture, axis=-1).max() == 0
    assert clay(model).unique().item() == pytest.approx(CLAY)


def test_parts_of_another_size_are_refused(model):
    with pytest.raises(ShapeError, match=r"Coefficients.exp: expected shape \(..., 64\)"):
        portraits(model, 64, exp=torch.zeros(1, 63))


def test_paper_shows_where_nothing_is():
    rgba = np.zeros((2, 2, 4))
    rgba[0, 0] = 1, 0.5, 2, 1  # too bright: clipped
    rgba[0, 1] = 1, 0, 0, 0.5
    laid = on_paper(rgba)
    np.testing.assert_array_equal(laid[0, 0], [255, 128, 255])
    np.testing.assert_array_equal(laid[0, 1], np.rint(255 * np.array([0.98, 0.48, 0.48])))
    assert (laid[1] == round(255 * PAPER)).all()
