"""Errors against the truth: zero for the truth, as large as what was added; fitting halves them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tfhkit.coefficients import neutral
from tfhkit.errors import ParameterError
from tfhkit.evaluate.face import evaluate_heads
from tfhkit.evaluate.heads import (
    eye_errors,
    head_errors,
    lid_opening,
    make_head_clip,
    read_truth,
    similarity,
)
from tfhkit.face import actions_to_exp, load_model
from tfhkit.media import open_clip


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture
def truth(model):
    rng = np.random.default_rng(0)
    face = neutral(5)
    face.id[:] = rng.normal(size=80)
    face.exp[:] = actions_to_exp(model, {"jawOpen": 0.5}).numpy()
    face.angles[:] = 0.2 * rng.normal(size=(5, 3))
    return face


def test_a_similarity_is_found_again():
    rng = np.random.default_rng(1)
    points = rng.normal(size=(50, 3))
    turn = Rotation.from_rotvec([0.2, -0.4, 0.1]).as_matrix()
    scale, rotation, shift = similarity(points, 1.3 * points @ turn.T + [1, 2, 3])
    np.testing.assert_allclose([scale, *shift], [1.3, 1, 2, 3])
    np.testing.assert_allclose(rotation, turn)


def test_the_truth_has_no_error(model, truth):
    errors = head_errors(model, truth, truth)
    np.testing.assert_allclose(errors["pose_error_deg"], 0)
    assert errors["lip_error_mm"] < 1e-6 and errors["shape_error_mm"] < 1e-6


def test_what_is_added_is_seen(model, truth):
    offset = np.radians([1.0, -2.0, 3.0]).astype(np.float32)
    turned = head_errors(model, replace(truth, angles=truth.angles + offset), truth)
    np.testing.assert_allclose(turned["pose_error_deg"], [1, 2, 3], rtol=1e-4)
    assert turned["lip_error_mm"] < 1e-6
    shut = head_errors(model, replace(truth, exp=0 * truth.exp), truth)
    assert shut["lip_error_mm"] > 3 and shut["shape_error_mm"] < 1e-6
    other = replace(truth, id=truth.id + np.eye(80, dtype=np.float32)[3])
    assert head_errors(model, other, truth)["shape_error_mm"] > 0.3


@pytest.mark.slow
def test_a_head_clip_turns_over_its_whole_reach(model, tmp_path):
    path, truth_path = make_head_clip(tmp_path / "head.mp4", 3, 12, model, height=90, width=120)
    clip = open_clip(path, min_seconds=0, need_sound=False)
    coefficients, crop = read_truth(truth_path)
    assert len(clip) == len(coefficients) == 12
    yaw_deg = np.degrees(coefficients.angles[:, 1])
    assert 25 < yaw_deg.max() < 30.1 and -30.1 < yaw_deg.min() < -25
    assert coefficients.exp.std(0).max() > 0.05, "it talks"
    np.testing.assert_allclose(crop.to_crop([60, round(0.48 * 90)]), 112)


@pytest.mark.parametrize("arguments, words", [((0,), "--heads: 0 are"), ((1, 2), "frames: 2 are")])
def test_too_few_are_refused(arguments, words):
    with pytest.raises(ParameterError, match=words):
        evaluate_heads(*arguments)


@pytest.mark.slow
def test_pixels_halve_the_error_of_the_landmarks():
    found = evaluate_heads(2, 8, seed=3)
    before, after = found["landmarks_only"], found
    assert sum(after["pose_error_deg"]) < 0.5 * sum(before["pose_error_deg"])
    assert after["lip_error_mm"] < 0.5 * before["lip_error_mm"]
    assert after["shape_error_mm"] < before["shape_error_mm"]


def test_errors_of_the_eyes(model, truth):
    blink = actions_to_exp(model, {"eyeBlinkLeft": 1.0, "eyeBlinkRight": 1.0}).numpy()
    truth.exp[1] += blink[0]
    same = eye_errors(model, truth, truth)
    assert same["lid_r"] > 0.999 and same["blink_counts"] == [1, 0, 0]
    assert same["gaze_error_deg"] < 1e-3
    opening = lid_opening(model, truth)
    assert opening[1] < 0.1 * opening[0] and np.allclose(opening[[0, 2, 3, 4]], opening[0])
    other = replace(truth, exp=truth.exp.copy())
    other.exp[1] -= blink[0]
    other.exp[2] += blink[0]
    assert eye_errors(model, other, truth)["blink_counts"] == [0, 1, 1]
    assert eye_errors(model, other, truth)["lid_r"] < 0
    turned = replace(truth, exp=truth.exp.copy())
    out = {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5}
    turned.exp[:] += actions_to_exp(model, out).numpy()
    assert 9 < eye_errors(model, turned, truth)["gaze_error_deg"] < 13
