"""Composited images: the source's own face is gone, training and driving are made alike."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from render_toys import toy_coefficients, toy_model

from tfhkit.background.images import (
    Look,
    driven_images,
    face_holes,
    fill_hole,
    mobility,
    open_backdrops,
    read_crops,
    training_images,
)
from tfhkit.camera import Camera
from tfhkit.errors import InputError, ShapeError
from tfhkit.fit import Crop, Fit
from tfhkit.render import render

SIZE = 48


class ToyClip:
    """What the functions need of a Clip: frames in order, and how many."""

    def __init__(self, frames):
        self.frames, self.decoded = frames, 0

    def __len__(self):
        return len(self.frames)

    def iter_frames(self, start=0, stop=None):
        for frame in self.frames[start:stop]:
            self.decoded += 1
            yield frame


@pytest.fixture(scope="module")
def model():
    return toy_model(3)


@pytest.fixture(scope="module")
def scene(model):
    """A clip of six frames: the toy head, all green, before a grey wall that brightens."""
    coefficients = replace(toy_coefficients(6, turn=0.15), light=torch.zeros(6, 27))
    green = torch.tensor([0.1, 0.9, 0.1]).expand(model.n_verts, 3)
    heads = render(model, coefficients, Camera(112), green).numpy()
    walls = np.linspace(0.4, 0.6, 6)[:, None, None, None]
    pictures = heads[..., :3] * heads[..., 3:] + walls * (1 - heads[..., 3:])
    frames = np.full((6, 130, 150, 3), 120, np.uint8)
    frames[:, 9:121, 19:131] = np.rint(pictures * 255)
    crop = Crop(2.0, -38.0, -18.0)
    fit = Fit(
        coefficients.map(lambda part: part.numpy()),
        np.zeros((6, 68, 2), np.float32),
        np.zeros(6, bool),
        np.arange(6) / 12,
        crop,
        "toy",
    )
    return ToyClip(frames), fit


def moving(exp, pose, source):
    """As much of a Motion as is drawn, at 12 frames a second."""
    return SimpleNamespace(exp=exp, pose=pose, source_index=source, times=source / 12)


def greenness(images):
    return images[..., 1].astype(int) - images[..., 0]


def test_training_images_show_no_pixel_of_the_real_face(model, scene):
    clip, fit = scene
    red = torch.tensor([0.9, 0.1, 0.1]).expand(model.n_verts, 3)
    images = training_images(clip, fit, model, SIZE, [0, 2, 3], Look(red))
    assert images.render.shape == images.real.shape == (3, SIZE, SIZE, 3)
    assert images.mask.shape == images.changed.shape == (3, SIZE, SIZE)
    assert images.frames.tolist() == [0, 2, 3]
    parts = images.render, images.real, images.mask, images.changed
    assert all(part.dtype == np.uint8 for part in parts)
    assert greenness(images.real).max() > 60
    assert greenness(images.render).max() < 12
    untouched = images.changed == 0
    assert (images.render[untouched] == images.real[untouched]).all()


def test_the_own_albedo_reproduces_the_real_frame(model, scene):
    clip, fit = scene
    green = torch.tensor([0.1, 0.9, 0.1]).expand(model.n_verts, 3)
    images = training_images(clip, fit, model, SIZE, range(6), Look(green))
    solid = images.mask == 255
    error = np.abs(images.render.astype(int) - images.real)[solid]
    assert np.median(error) <= 2


def test_a_chin_that_sticks_out_of_the_background_is_taken_away(model, scene):
    """The source's face reaches beyond a smaller driven one; nothing of it may be seen."""
    clip, fit = scene
    red = torch.tensor([0.9, 0.1, 0.1]).expand(model.n_verts, 3)
    source = np.array([1, 1, 4, 5])
    pose = fit.coefficients.pose[source].copy()
    pose[:, 5] -= 1.5  # farther away, so smaller
    exp = np.zeros((4, 64), np.float32)
    behind = open_backdrops(clip, fit, model, source, SIZE)
    images = driven_images(behind, fit, model, moving(exp, pose, source), Look(red))
    assert greenness(images.render).max() < 12
    assert (images.mask == 255).sum() < 0.9 * (images.changed == 255).sum()
    assert images.frames.tolist() == source.tolist() and images.real is None


def test_driving_with_the_own_motion_is_the_training_image_inside_the_face(model, scene):
    clip, fit = scene
    frames = np.array([0, 3, 5])
    own = fit.coefficients[frames]
    behind = open_backdrops(clip, fit, model, frames, SIZE)
    driven = driven_images(behind, fit, model, moving(own.exp, own.pose, frames))
    trained = training_images(clip, fit, model, SIZE, frames)
    assert (driven.mask == trained.mask).all()
    inside = driven.mask == 255
    difference = np.abs(driven.render.astype(int) - trained.render)[inside]
    assert np.quantile(difference, 0.8) <= 1


def test_frames_are_decoded_once_and_no_further_than_needed(model, scene):
    clip, fit = scene
    clip.decoded = 0
    read = read_crops(clip, fit.crop, [3, 1, 3], SIZE)
    assert [i for i, _ in read] == [3, 1, 3] and clip.decoded == 4


def test_the_same_seed_gives_the_same_images(model, scene):
    first, second = (training_images(*scene, model, SIZE, range(6), seed=3) for _ in range(2))
    assert (first.render == second.render).all()


def test_filling_a_hole_keeps_the_rest_and_is_smooth():
    ramp = np.repeat(np.linspace(40, 200, 64)[None, :, None], 64, 0).repeat(3, 2).astype(np.uint8)
    hole = np.zeros((64, 64), np.uint8)
    hole[20:44, 20:44] = 255
    spoiled = ramp.copy()
    spoiled[20:44, 20:44] = [0, 255, 0]
    filled = fill_hole(spoiled, hole)
    assert (filled[hole == 0] == ramp[hole == 0]).all()
    assert np.abs(filled.astype(int) - ramp).max() < 45
    assert np.abs(np.diff(filled[32].astype(int), axis=0)).max() < 25
    assert (fill_hole(spoiled, np.zeros_like(hole)) == spoiled).all()


def test_holes_cover_the_rendered_face(model, scene):
    fit = scene[1]
    holes = face_holes(model, fit.coefficients[:2], SIZE)
    alpha = render(model, fit.coefficients[:2], Camera(SIZE))[..., 3].numpy()
    assert (holes[alpha == 1] == 255).all()
    assert 0.2 < (holes == 0).mean() < 0.8


def test_no_hole_is_filled_around_what_no_expression_moves(model, scene):
    """Forehead and temples keep the frame's own pixels; the chin has its ring."""
    clip, fit = scene
    moves = torch.as_tensor(model.mean_shape[:, 1] < -0.3)  # y up: the jaw
    rigid = replace(model, exp_basis=model.exp_basis * moves[None, :, None])
    assert mobility(rigid)[~moves].max() == 0 and mobility(rigid)[moves].min() > 0.9
    images = training_images(clip, fit, rigid, SIZE, range(6))
    before = training_images(clip, fit, model, SIZE, range(6))
    beyond = (images.mask == 0) & (before.mask == 0)
    ring = beyond & (before.changed > 0)
    upper = ring & (np.arange(SIZE)[:, None] < SIZE // 3)
    lower = ring & (np.arange(SIZE)[:, None] > 2 * SIZE // 3)
    assert upper.sum() > 100 and (images.render[upper] == images.real[upper]).all()
    assert (images.changed[lower] > 0).mean() > 0.9


def test_progress_is_told(model, scene):
    seen = []
    training_images(*scene, model, SIZE, range(6), progress=lambda *a: seen.append(a))
    assert seen[-1][:2] == (6, 6)


def test_bad_frames_and_shapes_are_refused(model, scene):
    clip, fit = scene
    with pytest.raises(InputError, match="frames: has frames 4 to 9, expected some of 0 to 5"):
        training_images(clip, fit, model, SIZE, [4, 9])
    with pytest.raises(InputError, match="frames: has frames none"):
        training_images(clip, fit, model, SIZE, [])
    behind = open_backdrops(clip, fit, model, [0], SIZE)
    motion = moving(np.zeros((2, 64)), np.zeros((1, 6)), np.zeros(1, int))
    with pytest.raises(ShapeError, match="exp: expected shape"):
        driven_images(behind, fit, model, motion)
