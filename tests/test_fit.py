"""Fitting: a known head is found again from its projected landmarks; crops; appearance."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tfhkit.camera import Camera, project, rotation_from_angles, to_world
from tfhkit.coefficients import Coefficients
from tfhkit.errors import InputError, ShapeError
from tfhkit.face import load_model
from tfhkit.fit import Crop, Fit, fit_clip
from tfhkit.fit.appearance import fit_appearance
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import BundleSettings, reproject, solve_bundle
from tfhkit.fit.clip import calm_pose
from tfhkit.fit.crop import clip_crop
from tfhkit.fit.initialise import BundleState, initial_state
from tfhkit.fit.normal import eliminate, normal_equations
from tfhkit.fit.report import jitter_deg
from tfhkit.landmarks import Landmarks
from tfhkit.render import render


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def truth(model):
    """A nodding, turning, talking head of 40 frames: Coefficients and its landmarks in crop px."""
    rng = np.random.default_rng(0)
    n = 40
    phase = np.linspace(0, 4 * np.pi, n)[:, None]
    vector = np.zeros((n, 257), np.float32)
    coefficients = Coefficients.from_vector(vector)
    coefficients.id[:] = 0.8 * rng.normal(size=80)
    coefficients.exp[:] = np.sin(phase) * 0.6 * rng.normal(size=64)
    coefficients.angles[:] = np.sin(phase * [0.7, 0.5, 0.3]) * [0.15, 0.3, 0.1]
    coefficients.trans[:] = np.sin(phase * [0.3, 0.4, 0.2]) * [0.05, 0.05, 0.1]
    return coefficients


def landmarks_of(model, coefficients, camera):
    """Landmarks as a detector sees them: on the jaw, those of the visible outline."""
    state = BundleState.from_coefficients(coefficients)
    return reproject(landmark_basis(model), state, camera)


def aligned_error(found, real):
    """Mean distance after the best similarity of all frames' points."""
    a, b = (x.reshape(-1, 3).numpy().astype(float) for x in (found, real))
    a, b = a - a.mean(0), b - b.mean(0)
    u, s, vt = np.linalg.svd(a.T @ b)
    return np.linalg.norm(a @ u @ vt * s.sum() / (a**2).sum() - b, axis=1).mean()


def test_pose_shape_and_expression_are_found_again(model, truth):
    camera = Camera()
    points = landmarks_of(model, truth, camera)
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(0))
    state = solve_bundle(landmark_basis(model), points + 0.5 * noise, torch.ones(40), camera)
    degrees = np.degrees(np.abs(state.angles.numpy() - truth.angles)).mean(0)
    assert (degrees < 1.0).all(), degrees
    inner = model.landmark_ids[17:]
    found = model.shape(state.id.float().expand(40, -1), state.exp.float())[:, inner]
    real = model.shape(*(torch.as_tensor(x) for x in (truth.id, truth.exp)))[:, inner]
    start = model.mean_shape[inner].expand_as(real)
    assert aligned_error(found, real) < 0.6 * aligned_error(start, real)


def test_start_is_the_pose_of_the_mean_head(model):
    camera = Camera()
    angles = torch.tensor([[0.1, -0.3, 0.2]])
    world = to_world(model.mean_shape[None], angles, torch.tensor([[0.1, 0.2, -0.3]]))
    points = project(world[:, model.landmark_ids], camera)[0]
    state = initial_state(points, landmark_basis(model), camera)
    turn = state.rotation[0].T @ rotation_from_angles(angles[0]).double()
    assert np.degrees(np.arccos((torch.trace(turn).item() - 1) / 2)) < 6


def test_outliers_lose_their_influence(model, truth):
    camera = Camera()
    points = landmarks_of(model, truth, camera)
    spoiled = points.clone()
    spoiled[::5, 30] += 40
    basis = landmark_basis(model)
    clean = solve_bundle(basis, points, torch.ones(40), camera)
    robust = solve_bundle(basis, spoiled, torch.ones(40), camera)
    plain = solve_bundle(basis, spoiled, torch.ones(40), camera, BundleSettings(robust_px=1e6))
    shift = [np.degrees((s.angles - clean.angles).abs().max().item()) for s in (robust, plain)]
    assert shift[0] < 0.3 * shift[1], shift


def test_chunks_do_not_change_the_result(model, truth):
    points = landmarks_of(model, truth, Camera())
    basis = landmark_basis(model)
    whole = solve_bundle(basis, points, torch.ones(40), Camera(), BundleSettings(iterations=3))
    parts = solve_bundle(
        basis, points, torch.ones(40), Camera(), BundleSettings(iterations=3, chunk=7)
    )
    assert torch.allclose(whole.exp, parts.exp, atol=1e-8)
    assert torch.allclose(whole.id, parts.id, atol=1e-8)


@pytest.mark.parametrize("chunk", [4, 3])
def test_elimination_solves_the_least_squares_of_all_frames(chunk):
    """A dense system of 4 frames with 3 unknowns each and 5 that they share."""
    t, n, m, count = 4, 3, 5, 20
    generator = torch.Generator().manual_seed(0)
    jacobian, residual, weight = (
        torch.randn(t, count, *tail, generator=generator, dtype=torch.float64)
        for tail in ((n + m,), (), ())
    )
    weight = weight.square()
    dense = torch.zeros(t, count, t * n + m, dtype=torch.float64)
    for i in range(t):
        dense[i, :, i * n : (i + 1) * n] = jacobian[i, :, :n]
    dense[:, :, t * n :] = jacobian[:, :, n:]
    root = weight.sqrt().flatten()
    expected = torch.linalg.lstsq(
        root[:, None] * dense.flatten(0, 1), -(root * residual.flatten())[:, None]
    ).solution[:, 0]
    parts = [
        eliminate(normal_equations(residual[rows], jacobian[rows], weight[rows], n))
        for rows in (slice(0, chunk), slice(chunk, t))
    ]
    shared = torch.linalg.solve(sum(p.shared for p in parts), sum(p.right for p in parts))
    own = torch.cat([p.offset - p.gain @ shared for p in parts])
    assert torch.allclose(shared, expected[t * n :])
    assert torch.allclose(own.flatten(), expected[: t * n])


def test_normal_equations_of_two_terms_add():
    generator = torch.Generator().manual_seed(1)
    residual, weight = torch.rand(2, 3, 10, generator=generator, dtype=torch.float64)
    jacobian = torch.randn(3, 10, 6, generator=generator, dtype=torch.float64)
    terms = (
        normal_equations(residual[:, part], jacobian[:, part], weight[:, part], 4)
        for part in (slice(0, 7), slice(7, 10))
    )
    both, whole = next(terms) + next(terms), normal_equations(residual, jacobian, weight, 4)
    for name in ("frame", "cross", "shared", "frame_right", "shared_right"):
        assert torch.allclose(getattr(both, name), getattr(whole, name)), name
    nothing_shared = eliminate(normal_equations(residual, jacobian[..., :4], weight, 4))
    assert nothing_shared.gain.shape == (3, 4, 0) and nothing_shared.shared.shape == (0, 0)
    alone = torch.linalg.solve(whole.frame, whole.frame_right)
    assert torch.allclose(nothing_shared.offset, alone)


def test_light_and_texture_explain_a_rendering(model, truth):
    light = torch.zeros(27)
    light[[0, 9, 18]] = torch.tensor([0.1, 0.05, 0.0])
    light[[3, 12, 21]] = 0.2
    part = truth[[0, 10, 20]].map(torch.as_tensor)
    tex = 0.7 * torch.randn(80, generator=torch.Generator().manual_seed(3))
    scene = replace(part, tex=tex.expand(3, -1), light=light.expand(3, -1))
    with torch.no_grad():
        rgba = render(model, scene, Camera(224), region="all")
    images = (255 * rgba[..., :3]).round().to(torch.uint8).numpy()
    found_tex, found_light, error = fit_appearance(model, part, images)
    assert error < 0.02
    again = replace(part, tex=found_tex.expand(3, -1), light=found_light.expand(3, -1))
    with torch.no_grad():
        redone = render(model, again, Camera(224), region="face")
    mask = redone[..., 3] > 0.5
    assert (redone[mask][:, :3] - rgba[mask][:, :3]).abs().mean() < 0.03


@given(st.floats(0.2, 4), st.floats(-300, 300), st.floats(-300, 300))
def test_crop_and_back(scale, x, y):
    crop = Crop(scale, x, y)
    points = np.array([[0.5, 0.5], [100.0, 37.5]])
    assert np.allclose(crop.to_frame(crop.to_crop(points)), points)


def test_crop_image_shows_what_to_crop_says():
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[80, 120] = 255
    crop = Crop(2.0, -140.0, -60.0)
    x, y = crop.to_crop([120.5, 80.5])
    image = crop.image(frame).astype(float).sum(-1)
    rows, columns = np.mgrid[:224, :224] + 0.5
    assert (image * columns).sum() / image.sum() == pytest.approx(x, abs=0.02)
    assert (image * rows).sum() / image.sum() == pytest.approx(y, abs=0.02)


@pytest.mark.parametrize("size_px", [128, 224, 256])
def test_paste_is_the_inverse_of_the_crop(size_px):
    rows, columns = np.mgrid[:240, :320]
    frame = np.stack([rows, columns * 0.7, 128 + 0 * rows], -1).astype(np.uint8)
    crop = Crop(1.4, -150.0, -60.0)
    alpha = np.ones((size_px, size_px))
    pasted = crop.paste(frame, crop.image(frame, size_px), alpha)
    assert np.abs(pasted.astype(int) - frame).max() <= 3
    untouched = crop.paste(frame, np.zeros((size_px, size_px, 3), np.uint8), 0 * alpha)
    assert (untouched == frame).all()


def test_crop_holds_all_movement():
    rng = np.random.default_rng(0)
    model_points = rng.uniform(60, 160, (68, 2))
    walk = model_points * 2 + np.linspace(0, 400, 50)[:, None, None]
    crop = clip_crop(walk, model_points)
    inside = crop.to_crop(walk)
    assert inside.min() >= 5.9 and inside.max() <= 218.1
    still = clip_crop(np.repeat(model_points[None] * 2, 3, 0), model_points)
    assert still.scale == pytest.approx(0.5)


def test_a_fit_is_saved_whole(tmp_path, truth):
    points, gap, times = np.zeros((40, 68, 2)), np.zeros(40, bool), np.arange(40) / 25
    fit = Fit(truth, points, gap, times, Crop(1, 2, 3), "open", {"a": 1.0})
    fit.save(tmp_path / "fit.npz")
    again = Fit.load(tmp_path / "fit.npz")
    assert (again.coefficients.to_vector() == truth.to_vector()).all()
    assert again.crop == fit.crop and again.report == {"a": 1.0}
    whole = (tmp_path / "fit.npz").read_bytes()
    for content in (b"no archive", b"", whole[: len(whole) // 2]):
        (tmp_path / "bad.npz").write_bytes(content)
        with pytest.raises(InputError, match="is not a fit"):
            Fit.load(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    "change, words",
    [
        ({"gap": np.zeros(3, bool)}, r"gap: expected shape \(40\)"),
        ({"coefficients": np.zeros((39, 257))}, r"coefficients: expected shape \(40, 257\)"),
        ({"coefficients": np.full((40, 257), "x")}, "coefficients: not all are finite numbers"),
        ({"landmarks_px": np.full((40, 68, 2), np.nan)}, "landmarks_px: not all are finite"),
        ({"sigma_deg": np.zeros((3, 3))}, "sigma_deg: expected shape"),
        ({"times": np.zeros(0)}, "it has no frames"),
        ({"crop": np.zeros(4)}, r"crop: expected shape \(3\)"),
        ({"report": "null"}, "its report is no table"),
        ({"report": "{"}, "Expecting property name"),
    ],
)
def test_a_fit_of_arrays_that_do_not_fit_is_refused(tmp_path, truth, change, words):
    points, gap, times = np.zeros((40, 68, 2)), np.zeros(40, bool), np.arange(40) / 25
    Fit(truth, points, gap, times, Crop(1, 2, 3), "open").save(tmp_path / "fit.npz")
    with np.load(tmp_path / "fit.npz") as content:
        np.savez(tmp_path / "bad.npz", **dict(content) | change)
    with pytest.raises(InputError, match=f"bad.npz: is not a fit .*{words}"):
        Fit.load(tmp_path / "bad.npz")


def test_files_of_one_array_or_with_damage_are_no_fits(tmp_path, truth):
    with (tmp_path / "one.npz").open("wb") as file:
        np.save(file, np.zeros(4))
    points, gap, times = np.zeros((40, 68, 2)), np.zeros(40, bool), np.arange(40) / 25
    Fit(truth, points, gap, times, Crop(1, 2, 3), "open").save(tmp_path / "fit.npz")
    data = bytearray((tmp_path / "fit.npz").read_bytes())
    data[200:300] = bytes(byte ^ 0x5A for byte in data[200:300])
    (tmp_path / "damaged.npz").write_bytes(data)
    for name, words in (("one", "it holds one array"), ("damaged", "")):
        with pytest.raises(InputError, match=rf"{name}.npz: is not a fit \({words}"):
            Fit.load(tmp_path / f"{name}.npz")


def found(points):
    """Landmarks of a tracker that is always sure."""
    return Landmarks(points, np.ones(len(points)), np.zeros(len(points), bool), "toy")


def test_unusable_landmarks_are_refused(model):
    clip = SimpleNamespace(path="clip.mp4", times=np.arange(3) / 25, iter_frames=iter)
    points = np.zeros((3, 68, 2))
    points[1, 4] = np.nan
    with pytest.raises(InputError, match="clip.mp4, frame 1: has landmarks that are not numbers"):
        fit_clip(clip, found(points), model)
    points[1, 4] = 0
    with pytest.raises(InputError, match="clip.mp4, frame 0: has both eyes on one point"):
        fit_clip(clip, found(points), model)
    points[:] = np.random.default_rng(0).uniform(100, 200, (68, 2))
    with pytest.raises(InputError, match=r"most landmarks outside of Crop\(scale=1, offset_x=900"):
        fit_clip(clip, found(points), model, crop=Crop(1, 900, 0))
    with pytest.raises(ShapeError, match=r"\(T, 68, 2\), got \(3, 5, 2\)"):
        fit_clip(clip, found(points[:, :5]), model)


def test_the_pose_is_calmed_and_the_lips_are_not(truth):
    rng = np.random.default_rng(0)
    times = np.arange(40) / 25
    steady = torch.as_tensor(np.linspace([-0.1, 0.2, 0.0], [0.1, -0.2, 0.1], 40))
    noise = 0.003 * torch.as_tensor(rng.normal(size=(40, 3)))
    exp = torch.as_tensor(truth.exp).double()

    def pose(angles):
        zeros = torch.zeros(80, dtype=torch.float64)
        return BundleState(zeros, exp, rotation_from_angles(angles), 0.1 * angles)

    moved = calm_pose(pose(steady), times)
    torch.testing.assert_close(moved.angles, steady)
    torch.testing.assert_close(moved.trans, 0.1 * steady)
    shaky = calm_pose(pose(steady + noise), times)
    assert jitter_deg(shaky.angles.numpy()) < 0.3 * jitter_deg((steady + noise).numpy())
    assert (shaky.angles - steady).std() < 0.8 * noise.std()
    assert shaky.exp is exp
