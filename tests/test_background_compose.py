"""Laying the face over the background."""

import numpy as np
import pytest

from tfhkit.background import compose, fill_holes, soft_edge
from tfhkit.errors import ParameterError, ShapeError

SIZE = 64


def disc(radius, hole=0):
    """Alpha of a disc with a round hole in it."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5 - SIZE / 2
    r = np.hypot(x, y)
    return ((r < radius) & (r >= hole)).astype(np.float32)


def picture(alpha, rgb=(1.0, 0.5, 0.25)):
    rgba = np.zeros((1, SIZE, SIZE, 4), np.float32)
    rgba[..., :3] = np.array(rgb) * (alpha > 0)[..., None]
    rgba[..., 3] = alpha
    return rgba


BACK = np.full((1, SIZE, SIZE, 3), 40, np.uint8)


def test_inside_is_the_face_and_outside_the_background():
    out = compose(picture(disc(20)), BACK)
    assert out.dtype == np.uint8 and out.shape == BACK.shape
    assert out[0, 32, 32].tolist() == [255, 128, 64]
    assert (out[0][disc(20) == 0] == 40).all()


def test_a_hard_edge_is_plain_blending():
    alpha = 0.25 * disc(20)
    alpha[32, 32] = 1
    out = compose(picture(alpha), BACK, feather_px=0, holes="background")
    assert out[0, 20, 32, 0] == round(0.25 * 255 + 0.75 * 40)


def test_the_edge_rises_inwards_and_is_soft():
    soft = soft_edge(disc(20), 4)
    row = soft[32, 32:]  # from the centre outwards
    assert row[0] == 1 and row[14] == 1
    assert (np.diff(row) <= 0).all() and np.abs(np.diff(row)).max() < 0.5
    assert ((row > 0.02) & (row < 0.98)).sum() >= 3
    assert (soft <= disc(20)).all()
    assert np.array_equal(soft_edge(disc(20), 0), disc(20))


def test_an_open_mouth_is_filled_and_the_outline_kept():
    alpha = disc(20, hole=5)
    filled, hole = fill_holes(alpha)
    assert np.array_equal(filled, disc(20))
    assert hole.sum() == disc(5).sum()
    out = compose(picture(alpha), BACK, hole_rgb=(0, 0, 0))
    assert out[0, 32, 32].tolist() == [0, 0, 0]
    shown = compose(picture(alpha), BACK, holes="background")
    assert shown[0, 32, 32].tolist() == [40, 40, 40]


def test_a_notch_in_the_outline_is_no_hole():
    alpha = disc(20)
    alpha[32, 32:] = 0
    alpha[30:35, 40:] = 0
    filled, _ = fill_holes(alpha)
    assert filled[32, 48] == 0


def test_nothing_rendered_leaves_the_background():
    assert np.array_equal(compose(np.zeros((1, SIZE, SIZE, 4)), BACK), BACK)


def test_bad_input():
    with pytest.raises(ShapeError, match="background"):
        compose(picture(disc(9)), BACK[:, :32])
    with pytest.raises(ParameterError, match="'fill' or 'background'"):
        compose(picture(disc(9)), BACK, holes="paint")
