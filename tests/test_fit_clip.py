"""fit_clip on rendered clips: with the pixels and without, of one frame; the report's numbers."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fit_toys import SETTINGS, N, pictures, speaking_head, tracker_error

from tfhkit.camera import Camera
from tfhkit.coefficients import neutral
from tfhkit.errors import InputError
from tfhkit.face import load_model
from tfhkit.fit import Crop, Fit, fit_clip
from tfhkit.fit.appearance import fit_appearance
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import reproject, solve_bundle
from tfhkit.fit.clip import POSE_SIGMA_S, settings_for
from tfhkit.fit.image import Still
from tfhkit.fit.report import fit_report, jitter_deg, landmark_errors, photometric_l1
from tfhkit.landmarks import Landmarks, Unusable
from tfhkit.landmarks.smoothing import smooth_track
from tfhkit.render import render

WHOLE = Crop(1.0, 0.0, 0.0)


@pytest.fixture(scope="module")
def model():
    return load_model(subdivide=False)


@pytest.fixture(scope="module")
def truth():
    return speaking_head()


@pytest.fixture(scope="module")
def clip(model, truth):
    """What fit_clip reads of a Clip: frames of 224 px that are their own crop.

    Two frames a second, so that nothing is calmed in time.
    """
    frames = pictures(model, truth, 224)
    return SimpleNamespace(
        path="head.mp4",
        times=np.arange(N) / 2,
        frames=frames,
        iter_frames=lambda start=0, stop=None: iter(frames[start:stop]),
    )


@pytest.fixture(scope="module")
def landmarks(model, truth):
    """As of a tracker that errs by 2.5 px; frame 4 was bridged."""
    points = reproject(landmark_basis(model), truth, Camera()) + tracker_error()
    return Landmarks(points.float().numpy(), np.ones(N, np.float32), np.arange(N) == 4, "toy")


@pytest.fixture(scope="module")
def fits(model, clip, landmarks):
    """After the landmarks, and after the pixels."""
    return [
        fit_clip(clip, landmarks, model, photometric=settings, crop=WHOLE)
        for settings in (None, SETTINGS)
    ]


def pose_errors_deg(fit, truth):
    return np.degrees(np.abs(fit.coefficients.angles - truth.angles.numpy()))


@pytest.mark.slow
def test_pixels_bring_the_pose_nearer(truth, fits):
    before, after = (pose_errors_deg(fit, truth).mean() for fit in fits)
    assert before > 0.5 and after < 0.5 * before, (before, after)


@pytest.mark.slow
def test_the_report_says_what_the_pixels_changed(model, clip, fits):
    before, after = (fit.report for fit in fits)
    assert after["photometric_l1_landmarks"] == before["photometric_l1_landmarks"]
    assert after["jitter_deg_landmarks"] == pytest.approx(before["jitter_deg"], rel=1e-4)
    assert after["photometric_l1"] < 0.3 * after["photometric_l1_landmarks"]
    assert after["landmark_backend"] == "toy" and after["bridged_frames"] == 1
    assert max(after["landmark_sigma_px"].values()) < 1.4  # the tracker errs alike in every frame
    frames = np.stack([WHOLE.image(frame, SETTINGS.size_px) for frame in clip.frames])
    again = photometric_l1(model, fits[1].coefficients, frames)
    assert after["photometric_l1"] == pytest.approx(again)


@pytest.mark.slow
def test_without_pixels_the_landmarks_alone_decide(model, clip, landmarks, fits):
    fit = fits[0]
    points = torch.from_numpy(landmarks.points_px).double()
    confidence = torch.from_numpy(np.where(landmarks.gap, 0.05, 1.0))
    state = solve_bundle(
        landmark_basis(model), points, confidence, Camera(), settings_for(clip.times)
    )
    expected = state.coefficients()
    for name in ("id", "exp", "angles", "trans"):
        found = getattr(fit.coefficients, name)
        assert np.allclose(found, getattr(expected, name).numpy(), atol=1e-5), name
    frames = np.stack([WHOLE.image(frame, SETTINGS.size_px) for frame in clip.frames])
    tex, light, _ = fit_appearance(model, expected, frames)
    assert np.allclose(fit.coefficients.tex, tex.numpy(), atol=1e-4)
    assert np.allclose(fit.coefficients.light, light.numpy(), atol=1e-4)
    assert fit.report["photometric_l1"] == fit.report["photometric_l1_landmarks"]
    assert set(fit.report["landmark_sigma_px"].values()) == {1.0}


@pytest.mark.slow
def test_a_fit_knows_where_it_is_unsure(tmp_path, fits):
    for fit in fits:
        assert fit.sigma_deg.shape == (N, 3) and fit.sigma_deg.dtype == np.float32
        assert fit.report["unsure_frames"][0] == int(fit.sigma_deg.max(1).argmax())
        assert fit.report["sigma_deg"] == pytest.approx(np.median(fit.sigma_deg, 0).tolist())
        fit.save(tmp_path / "fit.npz")
        assert np.array_equal(Fit.load(tmp_path / "fit.npz").sigma_deg, fit.sigma_deg)
    alone = fits[0].sigma_deg
    assert (alone[4] > 1.5 * np.delete(alone, 4, 0).max(0)).all(), "its landmarks were bridged"
    assert fits[0].report["unsure_frames"][0] == 4
    replace(fits[0], sigma_deg=None).save(tmp_path / "fit.npz")
    assert Fit.load(tmp_path / "fit.npz").sigma_deg is None


@pytest.mark.slow
def test_one_person_in_all_frames(fits):
    for fit in fits:
        for name in ("id", "tex", "light"):
            part = getattr(fit.coefficients, name)
            assert (part == part[:1]).all() and part.any()


@pytest.mark.slow
def test_frames_that_are_left_out_do_not_count(model, clip, landmarks):
    """Black frames: without the ranges they spoil the fit; with them nothing of them is left."""
    black = SimpleNamespace(**vars(clip) | {"frames": clip.frames.copy()})
    black.frames[:2] = 0
    black.iter_frames = lambda start=0, stop=None: iter(black.frames[start:stop])
    ranges = (Unusable("dark", 0, 2, 0.0, 0.5),)
    seen = replace(landmarks, unusable=ranges, gap=landmarks.gap | (np.arange(N) < 2))
    fit, spoiled = (
        fit_clip(black, lm, model, photometric=SETTINGS, crop=WHOLE) for lm in (seen, landmarks)
    )
    assert fit.left_out().sum() == 2 and fit.nearest_usable().tolist() == [2, 2, *range(2, N)]
    assert fit.report["unusable"][0]["reason"] == "dark"
    for part in ("angles", "trans", "exp"):
        values = getattr(fit.coefficients, part)
        assert np.allclose(values[:2], values[2], atol=1e-6), "held"
    assert fit.report["photometric_l1"] < 0.5 * spoiled.report["photometric_l1"]
    nothing = replace(landmarks, unusable=(Unusable("dark", 0, N, 0.0, 3.0),))
    with pytest.raises(InputError, match="none of its first .* frames can be used; trim it"):
        fit_clip(black, nothing, model, crop=WHOLE)


@pytest.mark.slow
def test_a_still_is_fitted(model, truth, clip, landmarks):
    still = Still("portrait.png", clip.frames[1], np.zeros(1))
    alone = Landmarks(
        landmarks.points_px[1:2], np.ones(1, np.float32), np.zeros(1, bool), landmarks.backend
    )
    before, after = (
        fit_clip(still, alone, model, texture_frames=1, photometric=settings, crop=WHOLE)
        for settings in (None, SETTINGS)
    )
    assert len(after) == 1 and after.report["jitter_deg"] == 0
    assert after.report["photometric_l1"] < 0.3 * before.report["photometric_l1"]
    errors = [pose_errors_deg(fit, truth[1:2]).mean() for fit in (before, after)]
    assert errors[1] < errors[0]


@pytest.mark.slow
def test_pose_alone_is_calmed_after_the_pixels(model, clip, landmarks, monkeypatch):
    quick = SimpleNamespace(**vars(clip) | {"times": np.arange(N) / 25})
    settings = replace(SETTINGS, blurs_px=(0.0,), shared_steps=1, frame_steps=1)
    calm = fit_clip(quick, landmarks, model, photometric=settings, crop=WHOLE).coefficients
    monkeypatch.setattr("tfhkit.fit.clip.calm_pose", lambda state, times: state)
    raw = fit_clip(quick, landmarks, model, photometric=settings, crop=WHOLE).coefficients
    for found, track in ((calm.angles, raw.angles), (calm.trans, raw.trans)):
        assert np.allclose(found, smooth_track(track, quick.times, POSE_SIGMA_S), atol=1e-5)
        assert np.abs(found - track).max() > 1e-3
    assert np.allclose(calm.exp, raw.exp, atol=1e-5)


def test_jitter_of_a_known_track():
    """A steady turn has none; one that goes to and fro by a degree has 4 degrees per frame^2."""
    steady = np.radians(np.outer(np.arange(20), [1.0, -2.0, 0.5]))
    assert jitter_deg(steady) == pytest.approx(0, abs=1e-9)
    shaking = np.radians(np.outer((-1.0) ** np.arange(20), np.ones(3)))
    assert jitter_deg(steady + shaking) == pytest.approx(4)
    nod = steady.copy()
    nod[10:] += 0.2  # one sudden move
    assert jitter_deg(nod) == pytest.approx(0, abs=1e-9)
    assert jitter_deg(steady[:2]) == 0


@pytest.mark.slow
def test_photometric_error_of_a_rendering_of_itself(model, truth):
    coefficients = truth.coefficients()
    rgba = render(model, coefficients, Camera(96), region="skin")
    images = (255 * rgba[..., :3]).round().to(torch.uint8).numpy()
    assert photometric_l1(model, coefficients, images) < 0.5 / 255
    brighter = (images.astype(int) + 51).clip(0, 255).astype(np.uint8)
    assert photometric_l1(model, coefficients, brighter) == pytest.approx(0.2, abs=0.002)
    away = replace(coefficients, trans=coefficients.trans + 9)
    assert photometric_l1(model, away, images) == 0


def test_the_report_of_known_errors():
    points = np.zeros((4, 68, 2))
    points[:, 45, 0] = 50.0  # the outer corners of the eyes, 50 px apart
    predicted = points.copy()
    predicted[:, 17:, 1] += [[1.0], [2.0], [3.0], [40.0]]
    predicted[:, 48:, 1] += 1
    errors = landmark_errors(points, predicted)
    assert np.allclose(errors[1, [0, 20, 60]], [0, 4, 6])
    coefficients = neutral(4)
    coefficients.angles[:, 1] = np.radians([-10, 0, 5, 20])
    gap = np.array([False, False, False, True])
    sigma_deg = np.array([[1, 1, 1], [2, 5, 1], [1, 3, 1], [4, 4, 4.0]])
    report = fit_report(errors, coefficients, gap, np.arange(4) / 10, sigma_deg)
    assert report["frames"] == 4 and report["bridged_frames"] == 1
    assert report["duration_s"] == pytest.approx(0.3)
    assert report["nme_inner_pct"] == pytest.approx(2 * (2 + 20 / 51))
    assert report["nme_mouth_pct"] == pytest.approx(2 * 3)
    assert report["worst_frames"] == [2, 1, 0, 3], "a bridged frame's landmarks are a guess"
    assert report["unsure_frames"] == [1, 3, 2, 0]
    assert report["yaw_deg"] == pytest.approx([-10, 20]) and report["pitch_deg"] == [0, 0]
    assert report["sigma_deg"] == [1.5, 3.5, 1]
