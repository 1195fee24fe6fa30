"""Every stage runs with the other morphable models: fit, albedo, images, motion."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.audio import band_windows, mfcc_windows, recogniser_states
from tfhkit.background.images import driven_images, open_backdrops, training_images
from tfhkit.camera import Camera
from tfhkit.coefficients import neutral
from tfhkit.errors import InputError, ParameterError
from tfhkit.face import load_model
from tfhkit.face.transfer import transfer_expression
from tfhkit.fit import Fit, fit_clip
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import BundleState, reproject
from tfhkit.landmarks import Landmarks
from tfhkit.motion import (
    correlation,
    explained_variance,
    lip_opening,
    mouth_points,
    predict_motion,
    predict_windows,
)
from tfhkit.motion.general import general_mapping
from tfhkit.motion.transfer import transfer_weights
from tfhkit.person import Motion
from tfhkit.render import choose_albedo_frame, detailed_albedo, render
from tfhkit.virtual import perform, random_speaker
from tfhkit.virtual.footage import render_footage
from tfhkit.virtual.scenery import random_scene

pytestmark = pytest.mark.slow

N = 8


class ToyClip:
    """What the functions need of a Clip."""

    path = "clip.mp4"

    def __init__(self, frames):
        self.frames, self.times = frames, np.arange(len(frames)) / 25

    def __len__(self):
        return len(self.frames)

    def iter_frames(self, start=0, stop=None):
        return iter(self.frames[start:stop])


@pytest.fixture(scope="module", params=["bfm09", "ict"])
def model(request, bfm_file, ict_folder):
    return load_model(request.param, {"bfm09": bfm_file, "ict": str(ict_folder)}[request.param])


@pytest.fixture(scope="module")
def truth(model):
    """A person who turns and talks in N frames."""
    rng = np.random.default_rng(3)
    coefficients = neutral(N)
    coefficients.id[:] = 0.5 * rng.normal(size=80)
    coefficients.exp[:, :20] = 0.5 * rng.normal(size=(N, 20))
    coefficients.tex[:] = 0.5 * rng.normal(size=80)
    coefficients.angles[:] = np.linspace(-1, 1, N)[:, None] * [0.1, 0.3, 0.05]
    coefficients.light.reshape(N, 3, 9)[:, :, 1:4] = [-0.1, 0.2, 0.1]
    return coefficients


@pytest.fixture(scope="module")
def clip(model, truth):
    """The person before a grey wall: 260 x 300 pixels, the head's crop beside the corner."""
    heads = render(model, truth, Camera(224), region="all", supersample=2).numpy()
    frames = np.full((N, 260, 300, 3), 130, np.uint8)
    mixed = 255 * heads[..., :3] * heads[..., 3:] + 130 * (1 - heads[..., 3:])
    frames[:, 20:244, 30:254] = np.rint(mixed)
    return ToyClip(frames)


@pytest.fixture(scope="module")
def fit(model, truth, clip):
    state = BundleState.from_coefficients(truth)
    points = reproject(landmark_basis(model), state, Camera()).numpy() + [30, 20]
    landmarks = Landmarks(points, np.ones(N), np.zeros(N, bool), "exact")
    return fit_clip(clip, landmarks, model, texture_frames=4)


@pytest.mark.slow
def test_the_fit_finds_pose_and_colours(model, truth, fit):
    assert fit.report["nme_inner_pct"] < 1.0
    degrees = np.degrees(np.abs(fit.coefficients.angles - truth.angles))
    assert degrees.mean(0).max() < 1.5
    assert fit.report["photometric_l1"] < 0.04


def test_later_steps_load_the_model_that_was_fitted(model, fit, tmp_path):
    fit.save(tmp_path / "fit.npz")
    again = Fit.load(tmp_path / "fit.npz")
    assert (again.model_name, again.model_path) == (model.name, model.path)
    assert again.load_model() is model and again.load_model(subdivide=False) is model
    gone = replace(again, model_path=str(tmp_path / "gone.mat"))
    with pytest.raises(InputError, match="gone.mat: no such f"):
        gone.load_model()


def test_detailed_albedo_is_the_persons_skin(model, truth, fit, clip):
    frame = choose_albedo_frame(fit.coefficients)
    image = fit.crop.image(clip.frames[frame])
    albedo = detailed_albedo(model, fit.coefficients[[frame]], image)
    assert albedo.shape == (model.n_verts, 3) and torch.isfinite(albedo).all()
    drawn = render(model, fit.coefficients[[frame]], Camera(224), albedo)[0].numpy()
    inside = drawn[..., 3] == 1
    error = np.abs(255 * drawn[..., :3] - image)[inside].mean()
    assert error < 8, error


def test_images_for_training_and_driving(model, fit, clip):
    images = training_images(clip, fit, model, 96, range(N))
    solid = images.mask == 255
    assert solid.mean() > 0.1
    error = np.abs(images.render.astype(int) - images.real)[solid]
    assert error.mean() < 12, error.mean()
    source = np.array([0, 3, 7])
    exp = fit.coefficients.exp[source] + 0.3
    behind = open_backdrops(clip, fit, model, source, 96)
    pose = fit.coefficients.pose[source]
    motion = Motion(fit.times[source], exp, pose, pose, source)
    driven = driven_images(behind, fit, model, motion)
    assert driven.render.shape == (3, 96, 96, 3)
    assert (driven.render != images.render[source]).any()


@pytest.fixture(scope="module")
def performance():
    """A few seconds of a virtual speaker, in coefficients of the open model."""
    speaker = random_speaker(seed=777_000, language="en-us")
    return perform(speaker, "Please bring me five or six blue bottles from the market.")


def test_expressions_are_carried_over_by_their_landmarks(model, performance):
    matrix, exp = transfer_expression(load_model(), model), performance.coefficients.exp
    person = np.zeros(80)
    truth = mouth_points(load_model(), person, exp)
    carried = mouth_points(model, person, exp @ matrix)
    assert explained_variance(carried - carried[0], truth - truth[0]) > 0.9
    own = transfer_expression(model, model)
    assert (
        explained_variance(mouth_points(model, person, exp @ own), mouth_points(model, person, exp))
        > 0.99
    )


def test_carried_weights_predict_the_carried_expression(model, performance):
    general, matrix = general_mapping(), transfer_expression(load_model(), model)
    audio, times = performance.audio, performance.times
    sound = mfcc_windows(audio, times), slice(None), band_windows(audio, times)
    sound = *sound, recogniser_states(audio, times)
    exp, pose = predict_windows(general, *sound)
    moved, same_pose = predict_windows(transfer_weights(general, matrix), *sound)
    np.testing.assert_allclose(moved, exp @ matrix, atol=1e-4)
    np.testing.assert_array_equal(same_pose, pose)


def test_the_general_mapping_moves_the_lips_of_the_model(model, performance):
    weights = general_mapping(model=model)
    assert weights.card["basis"].startswith(f"{model.name}, transferred from open ")
    assert general_mapping(model=load_model()).card["basis"].startswith("open ")
    exp, _ = predict_motion(weights, performance.audio, performance.times)
    truth = lip_opening(load_model(), np.zeros(80), performance.coefficients.exp)
    opening = lip_opening(model, np.zeros(80), exp)
    assert correlation(opening, truth) > 0.5
    assert 0.6 < opening.std() / truth.std() < 1.4


def test_virtual_speakers_take_any_head(model):
    speaker = random_speaker(model, 5)
    performance = perform(speaker, "Five blue bottles.", model=model)
    opening = lip_opening(model, speaker.id, performance.coefficients.exp)
    assert np.ptp(opening) > 3
    scene = random_scene(1, 200, 240)
    if model.name == "bfm09":
        with pytest.raises(ParameterError, match="has no scalp to film; use the model 'open' or"):
            next(render_footage(performance, scene, model))
        return
    frame = next(render_footage(performance, scene, model))
    assert frame.shape == (200, 240, 3) and frame.std() > 20
