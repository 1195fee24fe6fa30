"""Figures and portraits: what they show is what they were given."""

from dataclasses import replace
from types import SimpleNamespace

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch

from tfhkit.camera import Camera, rotation_from_angles
from tfhkit.coefficients import neutral
from tfhkit.errors import ShapeError
from tfhkit.face import load_model
from tfhkit.face.plots import show_camera, show_variance, show_vector
from tfhkit.fit import Crop, Fit, report_plots
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import reproject
from tfhkit.fit.initialise import BundleState
from tfhkit.fit.plots import draw_axes
from tfhkit.fit.report import fit_report
from tfhkit.fit.report_plots import fit_errors, show_fit, shown_frames
from tfhkit.render import render
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


@pytest.mark.slow
def test_variance_grows_to_what_is_kept(model):
    (axis,) = show_variance(model, {"identity": 0.9}).axes
    for line, end in zip(axis.lines, (90, 100, 100)):
        share = line.get_ydata()
        assert share[-1] == pytest.approx(end) and (np.diff(share) >= 0).all()
        assert len(share) in (80, 64)


@pytest.mark.slow
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


@pytest.mark.slow
def test_portraits_take_batches_and_stand_on_paper(model):
    pictures = portraits(model, 64, id=torch.randn(3, 80), angles=torch.zeros(1, 3))
    assert pictures.shape == (3, 64, 64, 3) and pictures.dtype == np.uint8
    assert (portraits(model, 64, back_dm=40.0)[0, 0] == round(255 * PAPER)).all()
    near, far = ((portraits(model, 64, back_dm=d) < 230).sum() for d in (3.0, 8.0))
    assert far < near


@pytest.mark.slow
def test_clay_has_no_colour(model):
    picture = portraits(model, 64, clay(model))[0].astype(int)
    assert np.ptp(picture, axis=-1).max() == 0
    assert clay(model).unique().item() == pytest.approx(CLAY)


@pytest.mark.slow
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


TURNING = 40  # frames


@pytest.fixture(scope="module")
def turning(model):
    """Fits before and after of a head that turns right, seen as the second one has it."""
    part = neutral(TURNING)
    part.angles[:, 0], part.angles[:, 1] = 0.3, np.linspace(-0.4, 0.4, TURNING)
    angles = torch.as_tensor(part.angles).double()
    zeros = torch.zeros(80).double(), torch.zeros(TURNING, 64).double()
    state = BundleState(*zeros, rotation_from_angles(angles), torch.zeros(TURNING, 3).double())
    crop = Crop(0.5, 10.0, -20.0)
    seen = crop.to_frame(reproject(landmark_basis(model), state, Camera()).numpy())
    seen[30] += 3.0  # all of its landmarks: the worst frame
    gap, times = np.arange(TURNING) == 20, np.arange(TURNING) / 25
    sigma = np.full((TURNING, 3), 0.5, np.float32)
    sigma[7] = 2.0

    def fit(coefficients, **numbers):
        made = Fit(coefficients, seen, gap, times, crop, model.name, sigma_deg=sigma)
        report = fit_report(fit_errors(model, made), coefficients, gap, times, sigma)
        return replace(made, report=report | {"landmark_backend": "dlib"} | numbers)

    off = replace(part, angles=part.angles + np.float32(0.1))
    return fit(off, photometric_l1=0.0625), fit(part, photometric_l1=0.0321)


@pytest.fixture(scope="module")
def page(model, turning):
    """The figure of `show_fit`, with pictures that the second fit explains."""
    with pytest.MonkeyPatch.context() as patch:
        truth = turning[1].coefficients

        def read_frames(clip, frames):
            rgba = render(model, truth[frames], Camera(report_plots._SIZE_PX), supersample=2)
            return list(on_paper(rgba.numpy()))

        patch.setattr(report_plots, "read_frames", read_frames)
        patch.setattr(Crop, "image", lambda crop, frame, size_px: frame)
        path = "a/$very_long_name$_" + 60 * "x" + ".mp4"
        clip = SimpleNamespace(path=path, times=turning[1].times, iter_frames=iter)
        return show_fit(clip, *turning, model)


@pytest.mark.slow
def test_errors_of_a_fit_are_those_that_it_reports(model, turning):
    errors = fit_errors(model, turning[1])
    assert np.delete(errors, 30, 0).max() < 1e-3
    eyes = np.linalg.norm(np.diff(turning[1].landmarks_px[30, [36, 45]], axis=0))
    assert errors[30] == pytest.approx(100 * 3 * 2**0.5 / eyes, rel=1e-3)


@pytest.mark.slow
def test_frames_to_look_at_are_spread_over_the_yaw_and_the_worst_one(turning):
    assert shown_frames(turning[1]) == [0, 13, 26, 39, 30]
    still = replace(turning[1].coefficients, angles=0 * turning[1].coefficients.angles)
    gaps = replace(turning[1], coefficients=still, gap=np.arange(TURNING) != 3)
    assert shown_frames(gaps) == [3, 30]
    assert shown_frames(replace(gaps, gap=np.ones(TURNING, bool))) == [30]


def axes_named(figure, start):
    return next(axis for axis in figure.axes if axis.get_ylabel().startswith(start))


@pytest.mark.slow
def test_the_page_shows_how_far_the_fits_are_from_the_pictures(page):
    tiles = np.reshape([axis for axis in page.axes if axis.images], (5, 5))
    before, after = (
        [np.nanmean(np.abs(tile.images[0].get_array().filled(np.nan))) for tile in row]
        for row in tiles[3:]
    )
    assert max(after) < 0.003 and min(before) > 5 * max(after)
    for row, values in zip(tiles[3:], (before, after)):
        for tile, value in zip(row, values):
            assert float(tile.texts[0].get_text()) == pytest.approx(value, abs=2e-3)
    assert "frame 30, the worst" in tiles[0, 4].get_title()
    assert tiles[0, 0].get_title() == "a: frame 0\nyaw -23°"


@pytest.mark.slow
def test_the_page_shows_errors_and_doubts_over_time(page, turning):
    mouth, inner, worst = axes_named(page, "landmark error").lines[:3]
    for line in (mouth, inner):
        assert np.isnan(line.get_ydata()[20]) and np.nanargmax(line.get_ydata()) == 30
    assert 30 / 25 in worst.get_xdata()
    yaw = axes_named(page, "yaw")
    band = yaw.collections[0].get_paths()[0].vertices
    at_7 = band[np.isclose(band[:, 0], 7 / 25), 1]
    assert np.ptp(at_7) == pytest.approx(4 * 2.0, rel=1e-5)
    assert yaw.patches[0].get_x() + yaw.patches[0].get_width() / 2 == pytest.approx(20 / 25)
    assert len(yaw.patches) == 1
    assert 7 / 25 in yaw.lines[2].get_xdata()
    assert axes_named(page, "pitch").get_ylim()[0] > 5  # the bar of a bridged frame is no data


@pytest.mark.slow
def test_the_page_has_the_numbers_of_both_reports(page):
    words = [text.get_text() for axis in page.axes for text in axis.texts]
    assert {"0.0625", "0.0321"} < set(words) and words.count("–") == 3


@pytest.mark.slow
def test_nothing_on_the_page_is_cut_off_or_overlaps(page):
    page.draw_without_rendering()
    width, height = page.get_size_inches()
    box = page.get_tightbbox()
    assert 0 <= box.x0 and box.x1 <= width and 0 <= box.y0 and box.y1 <= height
    texts = [*page.texts, *page.legends[0].texts]
    for axis in page.axes:
        texts += [axis.title, axis.xaxis.label, axis.yaxis.label, *axis.texts]
    texts = [text for text in texts if text.get_text()]
    boxes = [text.get_window_extent() for text in texts]
    for k, one in enumerate(boxes):
        assert not any(one.overlaps(other) for other in boxes[k + 1 :]), texts[k]
