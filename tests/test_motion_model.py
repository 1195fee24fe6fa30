"""The motion network (Eq. 1), its weights on disk, and prediction at any times."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.face.model import MorphableModel
from tfhkit.motion import (
    MotionConfig,
    MotionNet,
    MotionWeights,
    Normalisation,
    lip_opening,
    n_parameters,
    predict_motion,
    predict_windows,
)
from tfhkit.motion.lips import correlation, explained_variance
from tfhkit.motion.predict import pose_from_units

TINY = MotionConfig("custom", (2, 2, 3, 3, 4), (2, 2), (8, 6), 7, 2, 0.1)


def tiny_weights(scope="track", seed=0):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    sizes = {"mfcc": 12, "exp": 64, "pose": 6}
    norm = {f"{k}_mean": rng.normal(size=n).astype(np.float32) for k, n in sizes.items()}
    norm |= {f"{k}_std": rng.uniform(0.5, 2, n).astype(np.float32) for k, n in sizes.items()}
    norm = Normalisation(
        **norm, pose_centre=np.full(6, 0.1, np.float32), pose_spread=np.full(6, 0.5, np.float32)
    )
    return MotionWeights(MotionNet(replace(TINY, mfcc_scope=scope)).eval(), norm, {"seed": seed})


def sound(seconds=2.0, seed=0):
    rng = np.random.default_rng(seed)
    n = int(16000 * seconds)
    loud = np.interp(np.arange(n), np.linspace(0, n, 20), rng.random(20))
    return (0.1 * loud * rng.normal(size=n)).astype(np.float32)


def test_the_paper_network_has_the_published_size():
    assert n_parameters(MotionNet(MotionConfig.of_size("paper"))) == pytest.approx(
        29.43e6, rel=0.01
    )


def test_the_small_network_is_the_default_and_small():
    assert MotionConfig.of_size("small") == MotionConfig()
    assert n_parameters(MotionNet()) < 2.5e6


def test_unknown_size():
    with pytest.raises(ParameterError, match="'small' or 'paper'"):
        MotionConfig.of_size("huge")


def test_outputs_and_state_have_the_documented_shapes():
    exp, pose, (h, c) = MotionNet(TINY)(torch.randn(3, 5, 28, 12))
    assert exp.shape == (3, 5, 64) and pose.shape == (3, 5, 6)
    assert h.shape == c.shape == (2, 3, 7)
    with pytest.raises(ShapeError, match="windows"):
        MotionNet(TINY)(torch.randn(3, 5, 28, 13))


def test_a_sequence_in_pieces_is_the_sequence():
    net, windows = MotionNet(TINY).eval(), torch.randn(1, 17, 28, 12)
    whole, state, pieces = net(windows), None, []
    for first, last in ((0, 1), (1, 6), (6, 17)):
        *piece, state = net(windows[:, first:last], state)
        pieces.append(piece)
    for part, values in enumerate(whole[:2]):
        assert torch.allclose(torch.cat([p[part] for p in pieces], 1), values, atol=1e-5)


def test_a_batch_is_one_by_one():
    net, windows = MotionNet(TINY).eval(), torch.randn(4, 6, 28, 12)
    together, _, _ = net(windows)
    alone = torch.cat([net(w[None])[0] for w in windows])
    assert torch.allclose(together, alone, atol=1e-6)


def test_output_at_t_does_not_depend_on_later_windows():
    torch.manual_seed(0)
    net, windows = MotionNet(TINY).eval(), torch.randn(1, 8, 28, 12)
    before = net(windows)[0]
    windows[:, 5:] += 3 * torch.randn(1, 3, 28, 12)
    after = net(windows)[0]
    assert torch.allclose(before[:, :5], after[:, :5], atol=1e-6)
    assert not torch.allclose(before[:, 5:], after[:, 5:], atol=1e-6)


@pytest.mark.parametrize("fps", [25.0, 11.94, 60.0])
def test_prediction_depends_on_time_not_on_the_frame_rate(fps):
    weights, audio = tiny_weights(), sound()
    dense_times = np.arange(0, 1.9, 0.01)
    times = np.arange(0, 1.9, 1 / fps)
    dense, _ = predict_motion(weights, audio, dense_times)
    exp, pose = predict_motion(weights, audio, times)
    assert exp.shape == (len(times), 64) and pose.shape == (len(times), 6)
    nearest = np.abs(dense_times - times[:, None]).argmin(1)
    assert np.abs(exp - dense[nearest]).max() < 0.25 * np.ptp(dense, 0).max()
    if fps == 25.0:
        assert np.allclose(exp, dense[nearest], atol=1e-5)


def test_a_later_part_is_the_same_as_in_the_whole():
    weights, audio = tiny_weights(), sound()
    times = np.arange(40) / 25
    whole, _ = predict_motion(weights, audio, times)
    part, _ = predict_motion(weights, audio, times[25:])
    assert np.allclose(part, whole[25:], atol=1e-6)


def test_track_scope_does_not_hear_the_microphone():
    weights = tiny_weights("track")
    rng = np.random.default_rng(1)
    windows = rng.normal(size=(30, 28, 12)).astype(np.float32)
    shifted = windows * 3 + rng.normal(size=12).astype(np.float32)
    assert np.allclose(
        predict_windows(weights, windows)[0], predict_windows(weights, shifted)[0], atol=0.1
    )


def test_no_times_give_no_frames():
    exp, pose = predict_motion(tiny_weights(), sound(), np.zeros(0))
    assert exp.shape == (0, 64) and pose.shape == (0, 6)


def test_answers_of_the_training_s_range_become_the_person_s():
    norm, rng = tiny_weights().norm, np.random.default_rng(0)
    units = 0.1 + 0.5 * rng.normal(size=(4000, 6))
    for track in (None, units):
        pose = pose_from_units(units, norm, track)
        assert np.allclose(np.median(pose, 0), norm.pose_mean, atol=0.1)
        assert np.allclose(pose.std(0), norm.pose_std, rtol=0.1)


def test_a_long_track_is_brought_to_the_person_s_range_and_a_short_one_hardly():
    norm, rng = tiny_weights().norm, np.random.default_rng(0)
    units = 3.0 + 0.3 * rng.normal(size=(5000, 6))  # far from what the training gave
    pose = pose_from_units(units, norm, units)
    assert np.allclose(np.median(pose, 0), norm.pose_mean, atol=0.3)
    assert np.allclose(pose.std(0), norm.pose_std, rtol=0.1)
    short = pose_from_units(units[:5], norm, units[:5])
    assert np.allclose(short, pose_from_units(units[:5], norm), rtol=0.3, atol=0.6)


def test_a_pose_that_hardly_moves_is_not_blown_up():
    norm = tiny_weights().norm
    units = 0.1 + 1e-4 * np.random.default_rng(0).normal(size=(1000, 6))
    assert (pose_from_units(units, norm, units).std(0) < 0.01 * norm.pose_std).all()


def test_only_the_frames_that_are_asked_for_count():
    weights, windows = tiny_weights(), np.random.default_rng(0).normal(size=(60, 28, 12))
    windows = windows.astype(np.float32)
    whole, part = (predict_windows(weights, windows, s)[1] for s in (slice(None), slice(30, None)))
    assert not np.allclose(whole, part)
    assert np.allclose(np.diff(whole, axis=0) * (part[9] - part[3]) / (whole[9] - whole[3]),
                       np.diff(part, axis=0), atol=1e-4)  # fmt: skip


@pytest.mark.parametrize("half", [False, True])
def test_weights_survive_the_disk(tmp_path, half):
    weights = tiny_weights()
    path = weights.save(tmp_path / "motion.safetensors", half=half)
    back = MotionWeights.load(path)
    assert back.net.config == weights.net.config and back.card == {"seed": 0}
    times = np.arange(20) / 25
    for a, b in zip(predict_motion(weights, sound(), times), predict_motion(back, sound(), times)):
        assert np.allclose(a, b, atol=5e-3 if half else 0)
    about = json.loads(path.with_suffix(".json").read_text())
    assert len(about["normalisation"]["mfcc_mean"]) == 12
    assert sorted(p.name for p in tmp_path.iterdir()) == ["motion.json", "motion.safetensors"]


def damage(tmp_path, kind):
    path = tiny_weights().save(tmp_path / "motion.safetensors")
    json_path = path.with_suffix(".json")
    if kind == "no json":
        json_path.unlink()
    elif kind == "no weights":
        path.unlink()
    elif kind == "truncated":
        path.write_bytes(path.read_bytes()[:100])
    elif kind == "other architecture":
        about = json.loads(json_path.read_text())
        about["config"]["hidden"] = 9
        json_path.write_text(json.dumps(about))
    elif kind == "a share in words":
        about = json.loads(json_path.read_text())
        json_path.write_text(json.dumps(about | {"share": "half"}))
    elif kind == "not json":
        json_path.write_text("{")
    return path


@pytest.mark.parametrize(
    "kind, words",
    [
        ("no json", "no such file"),
        ("no weights", "no such file"),
        ("truncated", "SHA-256"),
        ("other architecture", "weights of another size"),
        ("a share in words", "does not describe motion weights"),
        ("not json", "does not describe weights"),
    ],
)
def test_damaged_weights(tmp_path, kind, words):
    path = damage(tmp_path, kind)
    with pytest.raises(InputError, match=words) as caught:
        MotionWeights.load(path)
    assert "\n" not in str(caught.value) and "motion" in caught.value.where


def two_lips():
    """A model whose first expression coefficient opens the mouth by 1 dm per unit."""
    points, none = torch.zeros(68, 3), torch.zeros(80, 68, 3)
    exp_basis = torch.zeros(64, 68, 3)
    exp_basis[0, 66, 1] = -1.0
    exp_basis[1, :, 2] = 1.0  # moves the whole face
    ids = torch.arange(68)
    return MorphableModel(
        "two lips", points, none, exp_basis, points, none,
        faces=ids[None, :3], uvs=torch.zeros(68, 2), landmark_ids=ids,
        contour_ids=ids[:17, None], regions={}, action_names=(), actions=torch.zeros(0, 64),
    )  # fmt: skip


def test_lip_opening_is_the_distance_of_the_inner_lips_in_mm():
    exp = np.zeros((3, 64), np.float32)
    exp[:, 0], exp[:, 1] = [0, 0.05, 0.2], [0, 3, 7]
    assert np.allclose(lip_opening(two_lips(), np.zeros(80), exp), [0, 5, 20], atol=1e-4)


def test_explained_and_correlation():
    rng = np.random.default_rng(0)
    true = rng.normal(size=(500, 3))
    assert explained_variance(true, true) == 1
    assert explained_variance(np.broadcast_to(true.mean(0), true.shape), true) == pytest.approx(0)
    assert explained_variance(0.5 * (true - true.mean(0)) + true.mean(0), true) == pytest.approx(
        0.75
    )
    assert correlation(true[:, 0], 3 * true[:, 0] + 1) == pytest.approx(1)
    assert correlation(true[:, 0], np.ones(500)) == 0
