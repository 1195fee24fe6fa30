"""Detailed albedo: recovers a known albedo, sees through no nose, fills from the mirror side."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from render_toys import toy_coefficients, toy_model

from tfhkit.camera import Camera, project
from tfhkit.coefficients import neutral
from tfhkit.errors import ShapeError
from tfhkit.face import vertex_normals
from tfhkit.render import choose_albedo_frame, detailed_albedo, eyes_open, render
from tfhkit.render.albedo import mirror_verts, sample_bilinear
from tfhkit.render.shading import posed_verts
from tfhkit.render.visibility import vertex_visibility


@pytest.fixture(scope="module")
def model():
    return toy_model()


def painted(model):
    """A left-right symmetric albedo with detail that the model's texture does not have."""
    x, y, _ = model.mean_shape.T
    stripes = 0.45 + 0.25 * torch.sin(8 * y) * torch.cos(6 * x)
    return torch.stack([stripes, 0.8 * stripes, 0.6 * stripes], -1)


def photograph(model, frame, albedo, size_px=160):
    picture = render(model, frame, Camera(size_px), albedo, "all", supersample=2)[0]
    return (picture[..., :3] * 255).round().to(torch.uint8).numpy()


def cosine_to_eye(model, frame):
    verts = posed_verts(model, frame)
    to_eye = torch.nn.functional.normalize(torch.tensor([0.0, 0.0, 10.0]) - verts, dim=-1)
    return (vertex_normals(verts, model.faces) * to_eye).sum(-1)[0]


def test_known_albedo_is_recovered_where_it_is_seen(model):
    frame, truth = toy_coefficients(1), painted(model)
    frame = replace(frame, light=frame.light * 0.5)
    found = detailed_albedo(model, frame, photograph(model, frame, truth))
    seen = cosine_to_eye(model, frame) > 0.7
    error = (found - truth)[seen].abs().mean()
    model_error = (model.texture(frame.tex)[0] - truth)[seen].abs().mean()
    assert error < 0.02 < 0.1 < model_error


def test_rendering_with_it_gives_the_photograph_back(model):
    frame, truth = toy_coefficients(1), painted(model)
    frame = replace(frame, light=frame.light * 0.5)
    image = photograph(model, frame, truth)
    again = photograph(model, frame, detailed_albedo(model, frame, image))
    middle = (slice(55, 105), slice(55, 105))
    assert np.abs(again[middle].astype(float) - image[middle]).mean() < 5


def test_hidden_cheek_is_not_painted_with_the_nose(model):
    """A green nose, head turned: without the visibility test the far cheek becomes green."""
    frame = neutral().map(torch.from_numpy)
    frame = replace(frame, angles=torch.tensor([[0.0, 0.65, 0.0]]))
    nose = model.mean_shape[:, 2] > 1.0
    truth = torch.where(nose[:, None], torch.tensor([0.0, 1.0, 0.0]), torch.tensor([0.8, 0.4, 0.4]))
    image = photograph(model, frame, truth, 256)
    hidden = ~vertex_visibility(posed_verts(model, frame), model.faces, Camera(512))[0]
    hidden &= (cosine_to_eye(model, frame) > 0.25) & (model.mean_shape[:, 2] > 0.3) & ~nose
    assert hidden.sum() >= 3  # the cheek behind the nose, facing the camera

    def greenness(albedo):
        return (albedo[hidden, 1] - albedo[hidden, 0]).max()

    assert greenness(detailed_albedo(model, frame, image, visibility=False)) > 0.5
    assert greenness(detailed_albedo(model, frame, image)) < 0.1


def test_unseen_side_is_filled_from_its_mirror(model):
    frame = neutral().map(torch.from_numpy)
    frame = replace(frame, angles=torch.tensor([[0.0, 0.6, 0.0]]))
    truth = painted(model)
    found = detailed_albedo(model, frame, photograph(model, frame, truth, 256))
    turned_away = (cosine_to_eye(model, frame) < 0) & model.regions["face"]
    turned_away &= model.mean_shape[:, 2] > 0.2
    assert turned_away.sum() > 20
    error = (found - truth)[turned_away].abs().mean()
    without = detailed_albedo(model, frame, photograph(model, frame, truth, 256), fill=False)
    assert error < 0.5 * (without - truth)[turned_away].abs().mean()


def test_far_from_the_face_the_albedo_returns_to_the_models(model):
    frame = neutral().map(torch.from_numpy)
    found = detailed_albedo(model, frame, photograph(model, frame, painted(model)))
    off = (found - model.mean_tex).abs().mean(1)
    depth = model.mean_shape[:, 2]
    assert off[depth < -0.8].mean() < 0.5 * off[depth > 0.5].mean()


def test_mirror_of_the_mirror_is_the_vertex(model):
    mirror = mirror_verts(model)
    assert (mirror[mirror] == np.arange(model.n_verts)).mean() > 0.95
    assert torch.allclose(
        model.mean_shape[mirror] * torch.tensor([-1, 1, 1]), model.mean_shape, atol=0.03
    )


def test_sampling_is_bilinear_at_half_pixel_centres():
    image = np.zeros((4, 4, 3), np.uint8)
    image[1, 2] = 255
    points = torch.tensor([[2.5, 1.5], [2.0, 1.5], [2.5, 2.0], [0.5, 0.5], [-3.0, 9.0]])
    assert sample_bilinear(image, points)[:, 0].tolist() == pytest.approx([1, 0.5, 0.5, 0, 0])


def test_visibility_is_that_of_the_sphere_from_the_camera():
    model = toy_model(3)
    frame = neutral().map(torch.from_numpy)
    verts = posed_verts(model, frame)
    cosine = cosine_to_eye(model, frame)
    seen = vertex_visibility(verts, model.faces, Camera(512))[0]
    assert seen[cosine > 0.2].float().mean() > 0.98
    assert not seen[cosine < -0.3].any()
    points, _ = project(verts[0], Camera(224))
    assert seen[((points - 112).norm(dim=-1) < 20) & (cosine > 0)].all()


def test_the_calmest_frame_is_chosen():
    frames = toy_coefficients(6).map(lambda part: part.numpy().copy())
    frames.exp[4] *= 0.05
    frames.angles[4] *= 0.05
    assert choose_albedo_frame(frames) == 4
    usable = np.arange(6) != 4
    assert choose_albedo_frame(frames, usable) != 4


def test_blinks_are_seen_in_the_landmarks():
    points = np.random.default_rng(0).normal(0, 0.1, (5, 68, 2))
    for corner, (x, y) in {
        36: (0, 0),
        37: (10, -4),
        38: (20, -4),
        39: (30, 0),
        40: (20, 4),
        41: (10, 4),
    }.items():
        points[:, corner] += [x, y]
        points[:, corner + 6] += [x + 50, y]
    points[2, [37, 38, 43, 44], 1] += 6
    assert eyes_open(points).tolist() == [True, True, False, True, True]


def test_a_collar_in_the_picture_does_not_get_onto_the_chin(model):
    """Something white covers the lower edge of the face; the albedo keeps to the model there."""
    frame = neutral().map(torch.from_numpy)
    smooth = model.texture(frame.tex)[0]
    image = photograph(model, frame, smooth)
    image[95:] = 255
    found = detailed_albedo(model, frame, image)
    low = (model.mean_shape[:, 1] < -0.6) & (model.mean_shape[:, 2] > 0.3)
    assert low.sum() > 20
    blind = detailed_albedo(model, frame, image, visibility=False)
    assert (found - smooth)[low].abs().mean() < 0.4 * (blind - smooth)[low].abs().mean()


def test_wrong_sizes_are_refused(model):
    image = np.zeros((64, 64, 3), np.uint8)
    with pytest.raises(ShapeError, match="coefficients.exp"):
        detailed_albedo(model, toy_coefficients(2), image)
    with pytest.raises(ShapeError, match="crop_image"):
        detailed_albedo(model, toy_coefficients(1), image, Camera(32))
