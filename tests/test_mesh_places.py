"""Points of MediaPipe's mesh on the models' surfaces, and what the bundle makes of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.camera import Camera, rotation_from_angles
from tfhkit.evaluate.mesh_places import average
from tfhkit.face import load_model, vertex_normals
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import BundleSettings, groups_of, landmark_weights, reproject, solve_bundle
from tfhkit.fit.initialise import BundleState
from tfhkit.fit.mesh_places import mesh_places, nearest_on_surface, read_places
from tfhkit.fit.photometric import landmark_noise

N = 24


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def places(model):
    return mesh_places(model)


@pytest.fixture(scope="module")
def truth():
    """A head that turns and talks, seen in N frames."""
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    phase = torch.linspace(0, 2 * torch.pi, N, dtype=torch.float64)[:, None]
    angles = torch.sin(phase * torch.tensor([1.0, 0.7, 0.4])) * torch.tensor([0.2, 0.4, 0.1])
    exp = 0.7 * torch.sin(phase) * draw(64)
    return BundleState(0.8 * draw(80), exp, rotation_from_angles(angles), 0.05 * draw(N, 3))


def on_mean(model, places):
    return (model.mean_shape[places.verts] * places.bary[..., None]).sum(1)


def test_places_lie_where_a_face_has_them(model, places):
    """Nose tip, chin and the middle of the forehead, and left is left."""
    asset = read_places()
    at, landmarks = asset["places"], asset["landmarks"]
    assert np.linalg.norm(at[1] - landmarks[30]) < 0.08  # tip of the nose
    assert np.linalg.norm(at[152] - landmarks[8]) < 0.15
    assert at[10, 1] > landmarks[19:25, 1].max() + 0.2 and abs(at[10, 0]) < 0.03
    assert at[234, 0] < -0.5 < 0.5 < at[454, 0]
    centre = np.linalg.norm(on_mean(model, places).numpy() - at[places.points], axis=1)
    assert centre.max() < 0.011


def test_places_are_symmetric():
    """The mesh's own mirror pairs, on a head whose two sides are alike."""
    at = read_places()["places"]
    right, left = [50, 205, 105, 46, 187, 108], [280, 425, 334, 276, 411, 337]
    assert np.abs(at[right] * [-1, 1, 1] - at[left]).max() < 0.04


def test_chosen_points_are_apart_and_not_on_lips_or_lids(model, places):
    at = on_mean(model, places).numpy()
    apart = np.linalg.norm(at[:, None] - at, axis=-1) + 9 * np.eye(len(at))
    soft = model.mean_shape[model.landmark_ids[36:68]].numpy()
    assert 40 <= len(at) <= 80 and apart.min() > 0.11
    assert np.linalg.norm(at[:, None] - soft, axis=-1).min() > 0.1


def test_the_nearest_place_of_a_point_over_a_triangle_is_under_it(model):
    skin = model.regions["face"] & model.regions["skin"]
    faces = model.faces[skin[model.faces].all(1)][::400]
    normals = vertex_normals(model.mean_shape[None], model.faces)[0]
    weights = torch.tensor([0.2, 0.3, 0.5])
    under = (model.mean_shape[faces] * weights[:, None]).sum(1)
    over = under + 0.01 * torch.nn.functional.normalize(normals[faces].mean(1), dim=-1)
    verts, bary = nearest_on_surface(model, over.numpy().astype(np.float64))
    found = (model.mean_shape[verts] * bary[..., None]).sum(1)
    assert torch.allclose(bary.sum(1), torch.ones(len(bary), dtype=torch.float64))
    assert (found - over).norm(dim=1).max() < 0.0101
    assert (found - under).norm(dim=1).median() < 0.001


def test_another_model_gets_the_same_places(model, places):
    """A model of twice the size, and shifted, as the one that was read."""
    other = replace(model, mean_shape=2 * model.mean_shape + 0.3)
    carried = mesh_places(other)
    assert (carried.points == places.points).all()
    assert (on_mean(other, carried) - 2 * on_mean(model, places) - 0.3).abs().max() < 0.01


def test_points_in_a_triangle_move_with_its_corners(model, places, truth):
    verts = model.shape(truth.id[None].float(), truth.exp.float()).double()
    mixed = (verts[:, places.verts] * places.bary[..., None]).sum(2)
    basis = landmark_basis(model, places)
    assert torch.allclose(basis.shape(truth)[:, basis.surface], mixed, atol=1e-5)


def test_points_of_the_surface_show_what_the_68_do_not(model, places, truth):
    """Landmarks with noise: with the surface's points, as noisy, the pose comes out better."""
    error = {}
    for name, more in (("68", None), ("more", places)):
        basis = landmark_basis(model, more)
        points = reproject(basis, truth, Camera())
        noise = torch.Generator().manual_seed(1)
        points = points + torch.randn(points.shape, generator=noise, dtype=torch.float64)
        settings = BundleSettings(smooth_weight=0.0)
        found = solve_bundle(basis, points, torch.ones(N), Camera(), settings)
        error[name] = (found.angles - truth.angles).abs().mean().item()
    assert error["more"] < 0.9 * error["68"], error


def test_weights_follow_the_sigma_of_their_group():
    sigma = (4.0, 2.0, 1.0, 1.0, 0.5, 2.0)
    ratio = landmark_weights(1.0, 70) / landmark_weights(sigma, 70)
    assert groups_of(70).tolist() == [0] * 17 + [1] * 10 + [2] * 9 + [3] * 12 + [4] * 20 + [5] * 2
    assert ratio.tolist() == [sigma[group] ** 2 for group in groups_of(70)]
    assert len(landmark_weights(1.0)) == 68


def test_a_constant_offset_is_not_noise(model, truth):
    """What a tracker does in every frame is told from what it does from frame to frame."""
    basis = landmark_basis(model)
    points = reproject(basis, truth, Camera())
    generator = torch.Generator().manual_seed(2)
    offset = 5 * torch.randn(68, 2, generator=generator, dtype=torch.float64)
    noise = torch.randn(points.shape, generator=generator, dtype=torch.float64)
    noise *= torch.where(groups_of() == 4, 1.0, 1.5)[:, None]
    found, sigma = landmark_noise(basis, truth, points + offset + noise)
    assert (found - offset).abs().mean() < 0.4
    assert sigma[1] == pytest.approx(3, rel=0.15) and sigma[4] == pytest.approx(2, rel=0.15)
    assert len(sigma) == 6


def test_votes_are_averaged_robustly():
    rng = np.random.default_rng(0)
    votes = rng.normal(size=(60, 3, 3)) * 0.01 + np.arange(9).reshape(3, 3)
    votes[:12, 1] += 40  # another place in a fifth of the pictures
    votes[20:30, 2] = np.nan  # not seen
    middle, spread = average(votes)
    assert np.abs(middle - np.arange(9).reshape(3, 3)).max() < 0.02
    assert spread.max() < 0.03
