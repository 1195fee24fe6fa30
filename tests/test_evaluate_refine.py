"""Judging refined frames: known errors, the copies to beat, intervals, the command end to end."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from tfhkit.cli import evaluate as judge
from tfhkit.cli import main
from tfhkit.coefficients import neutral
from tfhkit.errors import ShapeError
from tfhkit.evaluate import frames as judging
from tfhkit.evaluate import inference
from tfhkit.evaluate.frames import nearest_frames, score_frames
from tfhkit.evaluate.inference import peak_memory_gb, whole_step
from tfhkit.face import load_model
from tfhkit.fit import Crop, Fit
from tfhkit.media import open_clip
from tfhkit.pipeline.step import resolve
from tfhkit.refine import Refiner, refiner_config

N, SIZE = 12, 32
SCORES = {"psnr", "psnr_frames", "ssim", "flicker_ratio", "flicker_ratio_warped", "detail"}


@pytest.fixture(scope="module")
def real():
    """A blurred texture that moves to the right and back."""
    rng = np.random.default_rng(0)
    picture = cv2.GaussianBlur(rng.uniform(-300, 500, (SIZE, 64, 3)), (0, 0), 2).clip(0, 200)
    place = 10 + np.rint(6 * np.sin(np.arange(N))).astype(int)
    return np.stack([picture[:, p : p + SIZE] for p in place]).round().astype(np.uint8)


def test_known_errors_are_scored_inside_the_region(real):
    region = np.zeros((N, SIZE, SIZE), np.uint8)
    region[:, :, 16:] = 255
    outside = real.copy()
    outside[:, :, :8] = 255 - outside[:, :, :8]
    answers = {"brighter": real + np.uint8(5), "wrong outside": outside}
    scores = score_frames(real, answers, region)
    assert set(scores) == set(answers) and set(scores["brighter"]) == SCORES
    assert scores["brighter"]["psnr"] == pytest.approx(20 * np.log10(255 / 5))
    assert scores["brighter"]["psnr_frames"].shape == (N,)
    for name in ("flicker_ratio", "flicker_ratio_warped"):
        assert scores["brighter"][name] == pytest.approx(1, abs=0.01)
    assert scores["wrong outside"]["psnr"] == np.inf and scores["wrong outside"]["ssim"] > 0.99


def test_every_score_sees_its_error(real):
    rng = np.random.default_rng(1)
    level = (20 * (np.arange(N) % 2))[:, None, None, None].astype(np.uint8)
    noisy = np.clip(real + rng.normal(0, 12, real.shape), 0, 255).astype(np.uint8)
    scores = score_frames(real, {"blinks": real + level, "noisy": noisy}, np.ones(real.shape[:3]))
    assert scores["noisy"]["ssim"] < 0.9 < scores["blinks"]["ssim"]
    for name in ("flicker_ratio", "flicker_ratio_warped"):
        assert scores["blinks"][name] > 1.2 and scores["noisy"][name] > 1.1
    elsewhere = score_frames(real, {"x": noisy}, np.ones(real.shape[:3]), aligned=False)
    assert elsewhere["x"]["flicker_ratio_warped"] is None


def test_mouths_and_people_are_compared_where_both_faces_are_found(real, monkeypatch):
    """Faces are read off the picture: its first pixel says how far the mouth is open."""

    def see(frames, **_):
        points = np.zeros((len(frames), 68, 2), np.float32)
        points[:, 36:48] = np.random.default_rng(0).uniform(0, 100, (12, 2))
        points[:, [36, 45]] = (0, 0), (100, 0)  # outer corners of the eyes
        points[:, 48:, 0] = np.linspace(0, 200, 20)
        points[:, 48:58, 1] = frames[:, 0, 0, 0, None]
        points[frames[:, 0, 0, 0] > 200] = np.nan
        return points

    def alike(first, second, points, others, **_):
        assert np.isfinite(points).all() and np.isfinite(others).all()
        return np.full(len(first), 0.75)

    monkeypatch.setattr(judging, "detect_crops", see)
    monkeypatch.setattr(judging, "identity_similarity", alike)
    monkeypatch.setattr(judging, "perceptual_available", lambda: True)
    monkeypatch.setattr(
        judging, "perceptual_distance", lambda a, b, mask, **_: (a != b).mean((1, 2, 3))
    )
    monkeypatch.setattr(judging, "lpips_available", lambda: True)
    monkeypatch.setattr(judging, "lpips", lambda a, b, mask, **_: (a != b).mean((1, 2, 3)))
    shut = real.copy()
    shut[:, :2, :2] = 0
    opened, hidden, nobody = shut.copy(), shut.copy(), shut.copy()
    opened[:, :2, :2] = 20
    hidden[: N // 2, :2, :2] = 255
    nobody[:, :2, :2] = 255
    answers = {"same": shut, "open": opened, "hidden": hidden, "nobody": nobody}
    scores = score_frames(shut, answers, np.ones(real.shape[:3]), find_faces=True)
    assert scores["same"]["lmd"] == 0 and scores["same"]["lpips"] == 0
    assert scores["same"]["perceptual"] == 0 < scores["open"]["perceptual"]
    assert scores["open"]["lmd"] == pytest.approx(0.1, rel=0.05)  # half the points by 20 px
    assert scores["open"]["identity_similarity"] == 0.75 and scores["open"]["lpips"] > 0
    assert [scores[name]["lmd_not_found"] for name in answers] == [0, 0, 0.5, 1]
    assert scores["hidden"]["lmd"] == 0
    assert scores["same"]["detail_eyes"] == 1 and scores["open"]["detail_mouth"] != 1
    assert scores["nobody"]["lmd"] is None and scores["nobody"]["identity_similarity"] is None


def test_sizes_must_agree(real):
    with pytest.raises(ShapeError, match="region"):
        score_frames(real, {}, np.ones((N, SIZE, 8)))
    with pytest.raises(ShapeError, match="generated"):
        score_frames(real, {"x": real[:, :8]}, np.ones(real.shape[:3]))
    with pytest.raises(ShapeError, match="asked_renders"):
        nearest_frames(real, real[:, :8])


def test_the_nearest_frame_is_found_through_noise(real):
    rng = np.random.default_rng(0)
    asked = np.array([7, 0, 3])
    noisy = np.clip(real[asked] + rng.normal(0, 10, real[asked].shape), 0, 255).astype(np.uint8)
    rows = nearest_frames(real, noisy)
    # several moments may show the same place
    for row, wanted in zip(rows, asked):
        assert np.abs(real[row].astype(int) - real[wanted]).mean() < 3


def test_the_whole_step_makes_what_it_says(monkeypatch):
    config = refiner_config("small", size_px=64, identity="mean")
    refiner, model, n = Refiner(config).eval(), load_model(), 3
    backgrounds = np.full((n, 64, 64, 3), 90, np.uint8)
    seen = []
    kept = inference.refine
    monkeypatch.setattr(inference, "refine", lambda *a, **k: seen.append(a[1]) or kept(*a, **k))
    seconds, parts = whole_step(refiner, model, neutral(n), neutral(n), backgrounds)
    assert list(parts) == ["holes", "render", "composite", "memory", "generator"]
    assert all(ms > 0 for ms in parts.values())
    assert 1000 * seconds == pytest.approx(sum(parts.values()))
    assert len(seen) == 2 and seen[1].shape == backgrounds.shape  # one to warm up
    assert (seen[1][:, 0, 0] == 90).all() and np.ptp(seen[1][:, 20:44, 20:44]) > 50
    assert 0.05 < peak_memory_gb() < 500


def sample():
    return open_clip(resolve("clip", "sample", Path.cwd()))


def test_what_the_command_refuses_comes_before_the_minutes(capfd, tmp_path):
    clip = sample()
    zeros = np.zeros((9, 68, 2)), np.zeros(9, bool), clip.times[:9], Crop(1, 0, 0)
    Fit(neutral(9), *zeros, "open").save(tmp_path / "fit.npz")
    for options, words in (
        (["--frames", "8"], "--frames: 8 frames are too few to learn from"),
        (["--fit", str(tmp_path / "fit.npz")], f"has 9 frames, the clip {len(clip)}"),
    ):
        assert main(["evaluate", "refine", *options]) == 2
        said = capfd.readouterr()
        assert not said.out and said.err.count("\n") == 1 and words in said.err


def test_scores_become_a_table():
    score = {a: {"true": 1.0, "predicted": None} for a in ("refined", "unrefined")}
    result = {
        "clip": "x",
        "psnr": score,
        "ssim": score,
        "fps": 9.0,
        "fps_parts_ms": {"render": 5.0},
    }
    lines = judge.show(result | {"ablations": [{"what": "no memory", "psnr": 2.0}]}).splitlines()
    assert lines[:2] == ["clip  x", "fps   9"]
    assert lines[3].split() == ["coefficients", "answer", "psnr", "ssim"]
    assert lines[4].split() == ["true", "refined", "1", "1"]
    assert lines[7].split() == ["predicted", "unrefined", "-", "-"]
    assert "no memory" in lines[-1]


def test_faces_are_not_scored_where_no_landmarks_are_installed(monkeypatch):
    monkeypatch.setattr("tfhkit.evaluate.frames.present", lambda name: False)
    monkeypatch.setattr("tfhkit.evaluate.frames.perceptual_available", lambda: False)
    real = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3)).astype(np.uint8)
    with pytest.warns(UserWarning, match="landmarks are not installed: faces are not scored"):
        scores = score_frames(real, {"same": real}, np.ones(real.shape[:3]), find_faces=True)
    assert scores["same"]["lmd"] is scores["same"]["detail_eyes"] is None
    assert scores["same"]["ssim"] == pytest.approx(1)
