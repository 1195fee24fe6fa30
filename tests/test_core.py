"""Errors, the coefficient vector, the camera."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tfhkit.camera import (
    Camera,
    angles_from_rotation,
    project,
    rotation_from_angles,
    to_world,
    unproject,
)
from tfhkit.coefficients import N_COEFFICIENTS, SLICES, Coefficients, neutral, read_mat, write_mat
from tfhkit.errors import InputError, MissingBackend, ShapeError, check_shape

ANGLE = st.floats(-1.2, 1.2)


def test_vector_has_257_places_in_deep3d_order():
    assert N_COEFFICIENTS == 257
    starts = [part.start for part in SLICES.values()]
    assert list(SLICES) == ["id", "exp", "tex", "angles", "light", "trans"]
    assert starts == [0, 80, 144, 224, 227, 254]


@pytest.mark.parametrize("kind", [np.asarray, torch.as_tensor])
def test_split_and_join_are_inverse(kind):
    vector = kind(np.random.default_rng(0).normal(size=(4, 257)).astype(np.float32))
    parts = Coefficients.from_vector(vector)
    assert parts.exp.shape == (4, 64) and len(parts) == 4
    assert (parts.to_vector() == vector).all()
    assert (parts[1:3].to_vector() == vector[1:3]).all()


def test_motion_replaces_expression_and_pose_only():
    base = neutral(3)
    rng = np.random.default_rng(1)
    exp, pose = rng.normal(size=(3, 64)), rng.normal(size=(3, 6))
    moved = base.with_motion(exp, pose)
    assert (moved.exp == exp).all() and (moved.pose == pose).all()
    assert (moved.id == base.id).all() and (moved.light == base.light).all()


def test_mat_files_round_trip(tmp_path):
    vector = np.random.default_rng(2).normal(size=(5, 257)).astype(np.float32)
    vector[:, 224:227] *= 0.3  # angles of a face that is in view
    write_mat(tmp_path / "a.mat", Coefficients.from_vector(vector))
    assert np.allclose(read_mat(tmp_path / "a.mat").to_vector(), vector)
    from scipy.io import savemat

    savemat(str(tmp_path / "b.mat"), {"other": vector})
    with pytest.raises(InputError, match="has no key 'coeff'"):
        read_mat(tmp_path / "b.mat")


def test_wrong_sizes_are_refused_with_expected_and_actual():
    with pytest.raises(ShapeError, match=r"expected shape \(..., 257\), got \(2, 256\)"):
        Coefficients.from_vector(np.zeros((2, 256)))
    with pytest.raises(ShapeError):
        check_shape("points", np.zeros((3, 4)), ("T", "T"))
    check_shape("points", np.zeros((3, 3, 2)), ("T", "T", None))


@pytest.mark.parametrize(
    "error", [InputError("a", "b", "c"), MissingBackend("landmarks", "fan", "install it")]
)
def test_errors_survive_a_process_boundary(error):
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error)


def test_identity_rotation_and_axis_directions():
    zero = torch.zeros(3, dtype=torch.float64)
    assert torch.equal(rotation_from_angles(zero), torch.eye(3, dtype=torch.float64))
    nose = torch.tensor([[[0.0, 0.0, 1.0]]], dtype=torch.float64)
    camera = Camera()

    def seen(pitch, yaw, roll, point=nose):
        angles = torch.tensor([[pitch, yaw, roll]], dtype=torch.float64)
        return project(to_world(point, angles, torch.zeros_like(angles)), camera)[0][0, 0]

    assert seen(0.2, 0, 0)[1] > 112, "pitch > 0 moves the nose down in the image"
    assert seen(0, 0.2, 0)[0] > 112, "yaw > 0 turns the nose to the image's right"
    top = torch.tensor([[[0.0, 1.0, 0.0]]], dtype=torch.float64)
    assert seen(0, 0, 0.2, top)[0] < 112, "roll > 0 tilts the head's top to the image's left"


@given(ANGLE, ANGLE, ANGLE)
def test_angles_and_rotations_are_inverse(pitch, yaw, roll):
    angles = torch.tensor([pitch, yaw, roll], dtype=torch.float64)
    rotation = rotation_from_angles(angles)
    assert torch.allclose(rotation @ rotation.T, torch.eye(3, dtype=torch.float64), atol=1e-12)
    assert torch.allclose(angles_from_rotation(rotation), angles, atol=1e-9)


def test_projection_scales_with_the_crop():
    point = torch.tensor([[0.3, -0.4, 0.5]])
    small, depth = project(point, Camera(224))
    large, _ = project(point, Camera(448))
    assert torch.allclose(2 * small, large, atol=1e-4)
    assert depth.item() == pytest.approx(9.5)
    assert small[0, 0].item() == pytest.approx(112 + 1015 * 0.3 / 9.5, abs=1e-3)


@pytest.mark.slow
def test_a_camera_with_a_principal_point_of_its_own():
    camera = Camera(80, 310.0, (31.0, 47.5))
    point = torch.tensor([[0.4, 0.2, 0.5]])
    px, depth = project(point, camera)
    assert depth.item() == 9.5
    expected = [[31 + 310 * 0.4 / 9.5, 47.5 - 310 * 0.2 / 9.5]]
    torch.testing.assert_close(px, torch.tensor(expected))
    torch.testing.assert_close(project(point, camera.at(240))[0], 3 * px)
    torch.testing.assert_close(unproject(px, depth, camera), point)
    assert Camera(96) == Camera(224).at(96) and hash(camera) == hash(camera.at(80))


def test_projection_gradient():
    points = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: project(p, Camera(8))[0], points)
    angles = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_from_angles, angles)
