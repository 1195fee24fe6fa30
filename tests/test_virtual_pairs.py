"""Details of virtual people, and pairs of coarse rendering and detailed frame."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.camera import DISTANCE
from tfhkit.errors import ParameterError
from tfhkit.face import load_model, vertex_normals
from tfhkit.virtual.detail import (
    film,
    fitted_texture,
    random_detail,
    random_grade,
    shine,
)
from tfhkit.virtual.pairs import STRETCH, make_pairs, speaker_pairs

SIZE = 64


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def pairs():
    return speaker_pairs(3, stretches=1, size_px=SIZE)


def test_a_seed_is_a_person(model):
    tex = np.zeros(80, np.float32)
    one, same, other = (random_detail(model, tex, seed) for seed in (1, 1, 2))
    for name, value in vars(one).items():
        assert torch.equal(value, getattr(same, name))
        assert not torch.equal(value, getattr(other, name))
    assert 0 <= one.albedo.min() and one.albedo.max() <= 1


def test_the_shape_stays_at_eyes_and_mouth_and_is_a_few_mm_elsewhere(model):
    offset = random_detail(model, np.zeros(80, np.float32), 5).offset
    assert offset[model.any_region("eyes", "teeth", "lips")].abs().max() == 0
    assert 0.005 < offset.norm(dim=-1).max() < 0.08  # dm


def test_texture_coefficients_are_found_again_and_cannot_say_the_details(model):
    tex = np.random.default_rng(0).normal(0, 0.6, 80).astype(np.float32)
    plain = model.texture(torch.as_tensor(tex)[None])[0]
    again = model.texture(torch.as_tensor(fitted_texture(model, plain))[None])[0]
    face = model.regions["face"]
    assert (again - plain)[face].abs().mean() < 0.003
    detailed = random_detail(model, tex, 1).albedo
    nearest = model.texture(torch.as_tensor(fitted_texture(model, detailed))[None])[0]
    rest = (nearest - detailed)[face].abs().mean()
    assert 0.005 < rest < (plain - detailed)[face].abs().mean()


def test_shine_is_brightest_where_the_normal_halves_the_angle(model):
    detail = random_detail(model, np.zeros(80, np.float32), 1)
    flat = replace(detail, gloss=torch.ones(model.n_verts), lamp=torch.tensor([0.0, 0.0, 1.0]))
    bright = shine(flat, model, model.mean_shape[None])[0, :, 0]

    normals = vertex_normals(model.mean_shape[None], model.faces)[0]
    skin = model.regions["skin"]
    assert normals[skin][bright[skin].argmax(), 2] > 0.98  # towards camera and lamp
    assert (bright[normals[:, 2] < -0.3] == 0).all() and DISTANCE > 1
    none = replace(detail, gloss=torch.zeros(model.n_verts))
    assert shine(none, model, model.mean_shape[None]).abs().max() == 0


def test_a_camera_keeps_order_and_range():
    grey = np.linspace(0, 1, 11)[:, None].repeat(3, 1).astype(np.float32)
    for seed in range(5):
        graded = random_grade(seed)(grey)
        assert (np.diff(graded, axis=0) >= 0).all() and 0 <= graded.min() and graded.max() <= 1
    picture = np.full((2, 32, 32, 3), 0.5, np.float32)
    filmed = film(picture, 1)
    assert filmed.dtype == np.uint8 and abs(filmed.mean() - 127.5) < 2 and filmed.std() > 0.2


@pytest.mark.slow
def test_pairs_agree_outside_the_face_and_differ_on_it(pairs):
    outside = pairs.changed == 0
    assert np.array_equal(pairs.renders[outside], pairs.reals[outside])
    inside = np.abs(pairs.renders.astype(int) - pairs.reals)[pairs.changed > 128]
    assert 3 < inside.mean() < 40  # coarse, and yet the same face
    assert 0.1 < (~outside).mean() < 0.8


@pytest.mark.slow
def test_pairs_have_a_face_and_know_where(pairs):
    assert len(pairs) == STRETCH and np.allclose(np.linalg.norm(pairs.identity, axis=1), 1)
    assert (pairs.landmarks_px > 0).all() and (pairs.landmarks_px < SIZE).all()
    eye = pairs.landmarks_px[:, 36:48].mean(1)
    chin = pairs.landmarks_px[:, 8]
    assert (chin[:, 1] - eye[:, 1] > SIZE / 6).all()


@pytest.mark.slow
def test_frames_of_speakers_and_stretches_do_not_touch(tmp_path):
    common = {"size_px": 32, "seed": 3, "workers": 1}
    both = make_pairs(2, 2, folder=tmp_path, **common)
    assert len(both) == 4 * STRETCH and (np.diff(both.frames) > 0).all()
    jumps = np.flatnonzero(np.diff(both.frames) > 1)
    assert jumps.tolist() == [STRETCH - 1, 2 * STRETCH - 1, 3 * STRETCH - 1]
    kept = sorted(tmp_path.iterdir())
    assert len(kept) == 2
    times = [file.stat().st_mtime_ns for file in kept]
    again = make_pairs(2, 2, folder=tmp_path, **common)  # stopped work goes on
    assert np.array_equal(again.renders, both.renders)
    assert [file.stat().st_mtime_ns for file in kept] == times


@pytest.mark.parametrize("change", [{"n_speakers": 0}, {"n_speakers": 1, "stretches": 0}])
def test_nobody_cannot_be_filmed(change):
    with pytest.raises(ParameterError, match="give at least 1"):
        make_pairs(**change)
