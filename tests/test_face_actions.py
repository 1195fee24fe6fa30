"""What the open model's face does: mouth, teeth, tongue, lids, gaze, named actions and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.camera import Camera
from tfhkit.coefficients import neutral
from tfhkit.face import actions_to_exp, exp_to_actions, load_model
from tfhkit.face.actions import sample_actions
from tfhkit.render import render


@pytest.fixture(scope="module")
def model():
    return load_model()


def face_of(model, **actions):
    """Vertices (V, 3) of the mean identity with facial actions."""
    exp = actions_to_exp(model, actions) if actions else torch.zeros(1, 64)
    return model.shape(torch.zeros(1, 80), exp)[0]


def lip_gap(model, verts):
    """Mean distance between upper and lower inner lip landmarks, dm."""
    points = verts[..., model.landmark_ids, :]
    return (points[61:64] - points[[67, 66, 65]]).norm(dim=-1).mean().item()


def test_mouth_is_closed_in_the_mean_and_for_other_people(model):
    assert lip_gap(model, model.mean_shape) < 0.02
    id = torch.randn(8, 80, generator=torch.Generator().manual_seed(1))
    for verts in model.shape(id, torch.zeros(8, 64)):
        assert lip_gap(model, verts) < 0.03


def test_jaw_opens_the_mouth_with_teeth_and_tongue(model):
    verts = face_of(model, jawOpen=0.7)
    assert lip_gap(model, verts) > 0.15
    moved = verts - model.mean_shape
    teeth = torch.nonzero(model.regions["teeth"])[:, 0]
    drop = moved[teeth, 1]
    lower, upper = drop < -0.02, drop.abs() < 1e-4
    assert lower.any() and upper.any() and (lower | upper).float().mean() > 0.99
    assert moved[model.regions["tongue"], 1].mean() < -0.03
    assert moved[model.landmark_ids[8], 1] < -0.1
    assert moved[model.landmark_ids[27]].norm() < 0.01
    closed = face_of(model, jawOpen=0.4, mouthClose=0.4)
    assert lip_gap(model, closed) < 0.35 * lip_gap(model, face_of(model, jawOpen=0.4))


def share_seen(model, region, id, exp):
    """(B,) share of a 256 px picture in which a region is seen."""
    parts = neutral(len(id)).map(torch.from_numpy)
    picture = render(model, replace(parts, id=id, exp=exp), Camera(256), region=region)
    return picture[..., 3].mean((1, 2))


def test_no_teeth_are_seen_in_a_closed_mouth(model):
    id = torch.randn(24, 80, generator=torch.Generator().manual_seed(11))
    for region in ("teeth", "tongue"):
        assert share_seen(model, region, id, torch.zeros(24, 64)).max() == 0
    smile = actions_to_exp(model, {"jawOpen": 0.3, "mouthSmileLeft": 1, "mouthSmileRight": 1})
    assert share_seen(model, "teeth", id, smile.expand(24, -1)).min() > 0


def test_a_blink_covers_the_eyes_of_every_identity(model):
    id = torch.randn(24, 80, generator=torch.Generator().manual_seed(12))
    blink = actions_to_exp(model, {"eyeBlinkLeft": 1, "eyeBlinkRight": 1}).expand(24, -1)
    seen = share_seen(model, "eyes", id, blink) / share_seen(model, "eyes", id, 0 * blink)
    assert seen.max() < 0.01


def test_the_tongue_comes_out_between_the_lips(model):
    for jaw in (0.0, 0.3):
        before, after = face_of(model, jawOpen=jaw), face_of(model, jawOpen=jaw, tongueOut=1)
        tongue = model.regions["tongue"]
        assert (after - before)[~tongue].abs().max() < 1e-4
        upper, lower = before[model.landmark_ids[[62, 66]]]
        tip = after[tongue & (after[:, 2] > upper[2])]
        assert tip[:, 2].max() > upper[2] + 0.1
        at_the_lips = tip[tip[:, 2] < upper[2] + 0.05, 1]
        assert lower[1] - 0.05 < at_the_lips.min() and at_the_lips.max() < upper[1] + 0.05


def eye_opening(model, verts):
    points = verts[..., model.landmark_ids, :]
    return (points[[43, 44]] - points[[47, 46]]).norm(dim=-1).mean().item()


def test_blink_closes_one_eye_and_gaze_turns_the_eyeballs(model):
    wide = eye_opening(model, model.mean_shape)
    assert 0.06 < wide < 0.14
    assert eye_opening(model, face_of(model, eyeBlinkLeft=1.0)) < 0.35 * wide
    assert eye_opening(model, face_of(model, eyeBlinkRight=1.0)) > 0.9 * wide
    assert eye_opening(model, face_of(model, eyeLookDownLeft=1.0)) < 0.9 * wide  # lids follow
    pupil = model.regions["pupil"]
    for name, axis, sign in (("eyeLookOutLeft", 0, 1), ("eyeLookUpLeft", 1, 1)):
        moved = face_of(model, **{name: 1.0}) - model.mean_shape
        left = pupil & model.regions["left_eye"]
        assert sign * moved[left, axis].mean() > 0.02
        assert moved[pupil & model.regions["right_eye"]].abs().max() < 1e-3
        radius = (face_of(model, **{name: 1.0})[left] - model.mean_shape[left].mean(0)).norm(dim=-1)
        assert radius.max() < 0.2


def test_actions_round_trip(model):
    rng = np.random.default_rng(0)
    strengths = (rng.random((4, 52)) * (rng.random((4, 52)) < 0.3)).astype(np.float32)
    exp = actions_to_exp(model, strengths)
    back = exp_to_actions(model, exp)
    assert (back >= 0).all()
    np.testing.assert_allclose(back.numpy(), strengths, atol=2e-3)
    arbitrary = exp_to_actions(
        model, torch.randn(2, 64, generator=torch.Generator().manual_seed(2))
    )
    assert (arbitrary >= 0).all() and torch.isfinite(arbitrary).all()


def test_coefficients_have_unit_variance_over_random_expressions(model):
    strengths = sample_actions(4000, np.random.default_rng(5))
    sd = actions_to_exp(model, strengths).std(0)
    # the expression units, which are not actions, make up for the rest
    assert sd.max() < 1.15 and sd[:40].mean() > 0.8
