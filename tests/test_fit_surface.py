"""Points of the surface: their normals' derivatives, what each frame shows, colours of pictures."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.bench.raster import sphere
from tfhkit.coefficients import neutral
from tfhkit.face import load_model, vertex_normals
from tfhkit.face.model import MOUTH_INSIDE
from tfhkit.fit.surface import (
    colour_planes,
    normal_changes,
    sample_with_gradient,
    seen_weight,
    surface_points,
)


@pytest.fixture(scope="module")
def model():
    return load_model(subdivide=False)


def random(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def degrees_between(a, b):
    return torch.rad2deg(torch.linalg.cross(a, b).norm(dim=-1).asin())


def test_normals_change_as_autograd_says():
    verts, faces = sphere(1)
    verts = verts.double() + 0.1 * random(*verts.shape, dtype=torch.float64)
    steps = random(3, *verts.shape, seed=1, dtype=torch.float64)
    expected = [
        torch.autograd.functional.jvp(lambda v: vertex_normals(v[None], faces)[0], verts, step)[1]
        for step in steps
    ]
    assert torch.allclose(normal_changes(verts, faces, steps), torch.stack(expected), atol=1e-12)


def test_places_are_exact_and_normals_nearly(model):
    id, exp = 0.7 * random(80), 0.3 * random(3, 64, seed=1)
    points = surface_points(model, id, 0.08)
    verts = model.shape(id[None], exp)
    place, normal = points.at(id, exp)
    assert torch.allclose(place, verts[:, points.ids], atol=1e-5)
    real = vertex_normals(verts, model.faces)[:, points.ids]
    off = degrees_between(normal, real)
    still = degrees_between(points.at(id, 0 * exp)[1], real)
    assert off.median() < 0.1 and off.quantile(0.95) < 1.0
    assert off.mean() < 0.15 * still.mean(), "what a normal that stays would be off"


def test_another_identity_moves_the_points_exactly_and_turns_them(model):
    id, other = 0.7 * random(80), 0.7 * random(80) + 0.2 * random(80, seed=2)
    exp = torch.zeros(1, 64)
    points = surface_points(model, id, 0.08)
    verts = model.shape(other[None], exp)
    place, normal = points.at(other, exp)
    assert torch.allclose(place, verts[:, points.ids], atol=1e-5)
    real = vertex_normals(verts, model.faces)[:, points.ids]
    still = degrees_between(points.at(id, exp)[1], real)
    assert degrees_between(normal, real).mean() < 0.15 * still.mean()


def test_points_are_of_the_face_and_as_far_apart_as_asked(model):
    wide, narrow = (surface_points(model, torch.zeros(80), s) for s in (0.12, 0.06))
    assert 2 * len(wide.ids) < len(narrow.ids)
    assert len(narrow.ids.unique()) == len(narrow.ids)
    assert model.regions["face"][narrow.ids].all()
    for name in MOUTH_INSIDE:
        assert model.regions[name].any() and not model.regions[name][narrow.ids].any()
    tex = random(80)
    albedo = narrow.mean_tex + narrow.tex_basis @ tex
    assert torch.allclose(albedo, model.texture(tex[None])[0, narrow.ids], atol=1e-5)


def test_a_turned_head_hides_its_far_cheek(model):
    frames = neutral(3).map(lambda part: torch.from_numpy(part.copy()))
    frames.angles[:, 1] = torch.tensor([-1.0, 0.0, 1.0])
    x, _, z = model.mean_shape.T
    ids = surface_points(model, torch.zeros(80), 0.08).ids
    weight = seen_weight(model, frames, ids)
    assert weight.shape == (3, len(ids)) and weight.min() == 0 and weight.max() == 1
    assert torch.equal(weight, seen_weight(model, frames, ids, chunk=2))
    left, right = x[ids] > 0.45, x[ids] < -0.45  # yaw > 0 turns the nose to the image's right
    assert left.sum() > 20 and right.sum() > 20
    assert weight[0, left].mean() > 0.5 and weight[2, right].mean() > 0.5
    assert weight[2, left].mean() < 0.05 and weight[0, right].mean() < 0.05
    outside = replace(frames, trans=torch.full((3, 3), 5.0))
    assert not seen_weight(model, outside, ids).any()


def ramp(size=64):
    """Levels that rise by 1 and 2 per pixel: red along x, green along y, blue along both."""
    y, x = np.mgrid[:size, :size]
    return np.stack([x, 2 * y, x + 2 * y], -1).astype(np.uint8)[None]


@pytest.mark.parametrize("blur_px", [0.0, 1.5])
def test_a_ramp_has_its_slope(blur_px):
    points = 20 + 24 * torch.rand(1, 50, 2, generator=torch.Generator().manual_seed(0))
    colour, gradient = sample_with_gradient(colour_planes(ramp(), blur_px), points)
    x, y = (points - 0.5).unbind(-1)  # pixel centres lie at +0.5
    assert torch.allclose(255 * colour, torch.stack([x, 2 * y, x + 2 * y], -1), atol=1e-3)
    slope = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 2.0]])
    assert torch.allclose(255 * gradient, slope.expand(1, 50, 3, 2), atol=1e-3)


def test_blur_leads_from_farther_away():
    picture = np.zeros((1, 64, 64, 3), np.uint8)
    picture[:, :, 32:] = 200
    points = torch.tensor([[[27.5, 30.0], [32.0, 30.0]]])
    planes = [colour_planes(picture, blur_px) for blur_px in (0.0, 3.0)]
    sharp, soft = (sample_with_gradient(each, points)[1] for each in planes)
    assert (sharp[0, 0] == 0).all() and (soft[0, 0, :, 0] > 0.01).all()
    assert (soft[0, 1, :, 0] < 0.5 * sharp[0, 1, :, 0]).all()
    assert (soft[..., 1] == 0).all()


def test_each_frame_is_sampled_in_its_own_picture():
    pictures = np.stack([np.full((8, 8, 3), level, np.uint8) for level in (0, 51, 255)])
    planes = colour_planes(pictures)
    colour, gradient = sample_with_gradient(planes, torch.full((3, 2, 2), 4.0))
    assert torch.allclose(colour, torch.tensor([0.0, 0.2, 1.0])[:, None, None].expand(3, 2, 3))
    assert (gradient == 0).all()
