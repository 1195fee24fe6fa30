"""render(): the fast and the differentiable way, regions, antialiasing, gradients, errors."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from render_toys import BACKENDS, needs_pytorch3d, toy_coefficients, toy_model

from tfhkit.camera import Camera, to_world
from tfhkit.coefficients import neutral
from tfhkit.errors import ParameterError, ShapeError
from tfhkit.face import vertex_normals
from tfhkit.face.lighting import shade_sh
from tfhkit.render import rasterize, render
from tfhkit.render.numba_backend import light_verts, unit_normals
from tfhkit.render.shading import (
    draw_differentiable,
    posed_verts,
    region_faces,
    render_map,
    vertex_colours,
)


@pytest.fixture(scope="module")
def model():
    return toy_model()


@pytest.mark.parametrize("supersample", [1, 2])
@pytest.mark.parametrize("region", ["face", "all"])
def test_both_ways_give_the_same_picture(model, supersample, region):
    frames, camera = toy_coefficients(3), Camera(64)
    fast = render(model, frames, camera, region=region, supersample=supersample)
    verts = posed_verts(model, frames)
    slow = draw_differentiable(
        verts,
        vertex_colours(model, frames, verts),
        model.faces,
        region_faces(model, region),
        camera,
        "numba",
        supersample,
    )
    assert fast.shape == slow.shape == (3, 64, 64, 4)
    assert 0.2 < fast[..., 3].mean() < 0.9
    assert torch.equal(fast[..., 3], slow[..., 3])
    assert (fast - slow).abs().max() < 1e-4


@needs_pytorch3d
@pytest.mark.parametrize("supersample", [1, 2])
def test_pytorch3d_gives_the_same_picture(model, supersample):
    frames, camera = toy_coefficients(2), Camera(32)
    ours, theirs = (
        render(model, frames, camera, backend=name, supersample=supersample)
        for name in ("numba", "pytorch3d")
    )
    difference = (ours - theirs).abs()
    assert (difference.amax(-1) > 1e-3).float().mean() < 1e-3


@needs_pytorch3d
def test_both_backends_give_the_same_gradients(model):
    target = torch.rand(1, 32, 32, 4, generator=torch.Generator().manual_seed(0))
    found = []
    for name in ("numba", "pytorch3d"):
        frame = toy_coefficients(1).map(lambda part: part.requires_grad_())
        (render(model, frame, Camera(32), backend=name) - target).square().sum().backward()
        found.append(frame.map(lambda part: part.grad).to_vector())
    assert found[0].norm() > 1
    assert (found[0] - found[1]).norm() < 1e-3 * found[0].norm()


def test_constant_light_on_white_is_white_times_the_ambient_term(model):
    """0.8 on band 0 gives 0.8 pi / sqrt(4 pi) everywhere, whatever the normals."""
    white = torch.ones(model.n_verts, 3)
    picture = render(model, neutral(), Camera(48), albedo=white)
    colours = picture[picture[..., 3] > 0][:, :3]
    assert torch.allclose(colours, torch.full_like(colours, 0.8 * np.pi / np.sqrt(4 * np.pi)))


def test_a_light_from_the_left_brightens_the_left(model):
    light = torch.zeros(1, 27)
    light[0, [3, 12, 21]] = 0.5  # band 3 is -x, in each channel
    frame = replace(neutral().map(torch.from_numpy), light=light)
    picture = render(model, frame, Camera(48), albedo=torch.full((model.n_verts, 3), 0.5))[0]
    assert picture[24, 12, 0] > picture[24, 36, 0] + 0.1


def test_fast_light_is_the_models(model):
    frames = toy_coefficients(3)
    verts, albedo = posed_verts(model, frames), model.texture(frames.tex)
    slow = shade_sh(albedo, vertex_normals(verts, model.faces), frames.light)
    assert (light_verts(verts, model.faces, albedo, frames.light) - slow).abs().max() < 1e-5
    normals = vertex_normals(verts, model.faces)
    assert (unit_normals(verts, model.faces) - normals).abs().max() < 1e-3


def test_chunks_and_numpy_change_nothing(model):
    frames = toy_coefficients(5)
    whole = render(model, frames, Camera(32))
    assert (whole - render(model, frames, Camera(32), chunk=2)).abs().max() < 2e-5
    assert torch.allclose(whole, render(model, frames.map(lambda p: p.numpy()), Camera(32)))
    assert render(model, frames[:0], Camera(32)).shape == (0, 32, 32, 4)


def test_people_may_differ_within_a_batch(model):
    frames = toy_coefficients(3)
    mixed = replace(frames, id=torch.randn(3, 80), tex=torch.randn(3, 80))
    whole = render(model, mixed, Camera(32))
    for i in range(3):
        alone = render(model, mixed[i : i + 1], Camera(32))[0]
        assert (whole[i] - alone).abs().max() < 1e-3


def test_antialiasing_is_the_average_of_a_larger_picture(model):
    frame = toy_coefficients(1)
    small = render(model, frame, Camera(32), supersample=2)[0]
    large = render(model, frame, Camera(64))[0]
    blocks = large.reshape(32, 2, 32, 2, 4)
    alpha = blocks[..., 3].mean((1, 3))
    assert torch.allclose(small[..., 3], alpha)
    assert set(small[..., 3].unique().tolist()) == {0, 0.25, 0.5, 0.75, 1}
    # Straight colour: that of the covered samples, so compositing does not darken the edge.
    total = (blocks[..., :3] * blocks[..., 3:]).sum((1, 3))
    colour = total / (4 * alpha[..., None]).clamp_min(1e-6)
    assert (small[..., :3] - colour).abs().max() < 1e-4


def test_the_subject_turns_the_documented_way(model):
    """yaw > 0: the nose (largest z) goes to the image's right; pitch > 0: down."""
    nose = model.mean_shape[:, 2].argmax()
    verts = to_world(model.mean_shape[None], torch.tensor([[0.3, 0.3, 0.0]]), torch.zeros(1, 3))
    assert verts[0, nose, 0] > 0.1
    assert verts[0, nose, 1] < model.mean_shape[nose, 1]
    fragments = rasterize(verts, model.faces, Camera(64))
    place = (fragments.zbuf[0, ..., 0].masked_fill(~fragments.covered[0], 99)).argmin()
    assert place % 64 > 36 and place // 64 > 34


def test_gradients_reach_every_coefficient(model):
    frame = toy_coefficients(1).map(lambda part: part.requires_grad_())
    render(model, frame, Camera(32)).square().sum().backward()
    for name in ("id", "exp", "tex", "angles", "light", "trans"):
        assert getattr(frame, name).grad.abs().sum() > 0, name


def test_each_frame_has_its_own_gradient(model):
    """Also where all frames show one person, whose shape is else computed once."""
    frames = toy_coefficients(3).map(lambda part: part.requires_grad_())
    render(model, frames, Camera(32)).square().sum().backward()
    assert (frames.id.grad.abs().sum(1) > 0).all() and (frames.tex.grad.abs().sum(1) > 0).all()


def test_albedo_may_ask_for_gradients_alone(model):
    albedo = model.mean_tex.clone().requires_grad_()
    render(model, toy_coefficients(1), Camera(32), albedo=albedo).sum().backward()
    assert albedo.grad.abs().sum() > 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_pose_is_recovered_from_a_rendering_by_descent(backend):
    """5 degrees and 3 mm off, found again through the picture alone."""
    model, camera = toy_model(3), Camera(40)
    truth = replace(toy_coefficients(1, turn=0), light=torch.zeros(1, 27))
    target = render(model, truth, camera)
    start = torch.tensor([[0.06, -0.09, 0.05]])
    angles, trans = start.clone().requires_grad_(), (truth.trans + 0.03).requires_grad_()
    optimiser = torch.optim.Adam([angles, trans], lr=0.01)
    for step in range(70):
        optimiser.param_groups[0]["lr"] = 0.015 * (1 - step / 70)
        moved = replace(truth, angles=angles, trans=trans)
        guess = render(model, moved, camera, backend=backend)
        both = (guess[..., 3] == 1) & (target[..., 3] == 1)
        loss = (guess - target)[..., :3][both].abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert (angles - truth.angles).abs().max() < np.radians(0.5)
    assert (trans - truth.trans)[:, :2].abs().max() < 0.01


def test_bad_input_is_refused_with_the_reason(model):
    frame = toy_coefficients(1)
    with pytest.raises(ParameterError, match="region 'hat'.*use one of all, face, teeth"):
        render(model, frame, Camera(16), region="hat")
    with pytest.raises(ShapeError, match=r"albedo: expected shape \(2562, 3\), got \(7, 3\)"):
        render(model, frame, Camera(16), albedo=torch.zeros(7, 3))
    with pytest.raises(ShapeError, match="coefficients.exp"):
        render(model, frame.map(lambda part: part[0]), Camera(16))


def test_what_is_not_drawn_still_hides_what_is_behind(model):
    """The nose alone, seen from behind the head: nothing of it may shine through."""
    nose = model.mean_shape[:, 2] > 1.0
    with_nose = replace(model, regions={**model.regions, "nose": nose})
    front = render(with_nose, neutral(), Camera(64), region="nose")
    behind = replace(neutral(), angles=np.array([[0, np.pi, 0]], np.float32))
    assert 0 < front[..., 3].mean() < 0.1
    assert render(with_nose, behind, Camera(64), region="nose")[..., 3].max() == 0


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_map_is_not_lit_and_is_0_where_nothing_is_drawn(model, backend):
    frames, camera = toy_coefficients(2), Camera(48)
    drawn = render(model, frames, camera)[..., 3]
    ones = render_map(model, frames, camera, torch.ones(model.n_verts), backend=backend)
    assert (ones - drawn).abs().max() < 1e-5
    half = render_map(model, frames, camera, torch.full((model.n_verts,), 0.5), backend=backend)
    assert (half - 0.5 * drawn).abs().max() < 1e-5
