"""Evaluation of the mapping from sound to motion: baselines, the split, a virtual speaker."""

from dataclasses import replace

import numpy as np
import pytest

from tfhkit.errors import ParameterError
from tfhkit.evaluate.motion import (
    compare_lips,
    evaluate_clip,
    evaluate_curve,
    evaluate_speakers,
    shifted_sounds,
    split,
    with_statistics,
)
from tfhkit.evaluate.ridge import log_mel_windows, ridge_predict
from tfhkit.face import load_model
from tfhkit.fit import Crop, Fit
from tfhkit.motion import TrainSettings, correlation, make_track
from tfhkit.motion.general import general_mapping
from tfhkit.virtual import perform, random_speaker

QUICK = TrainSettings(epochs=1, sequences_per_epoch=2)


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def performance(model):
    speaker = random_speaker(seed=777_001, language="en-us")
    sentences = [
        "We ought to meet the people who made all of this possible.",
        "My father bought a new boat before the summer began.",
        "Nobody knows how far the water will rise tomorrow.",
        "Please bring me five or six blue bottles from the market.",
        "They told us about a small house behind the river.",
    ]
    return perform(speaker, sentences, model=model)


@pytest.fixture(scope="module")
def fit(performance):
    """The truth in the place of a fit."""
    n = len(performance)
    landmarks = np.zeros((n, 68, 2), np.float32), np.zeros(n, bool)
    return Fit(performance.coefficients, *landmarks, performance.times, Crop(1.0, 0.0, 0.0), "open")


def test_ridge_finds_a_linear_tie_and_none_in_noise():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 30))
    y = x[:, :3] @ rng.normal(size=(3, 4)) + 5
    predicted = ridge_predict(x, y, slice(0, 200))
    assert np.abs(predicted[200:] - y[200:]).max() < 0.2
    noise = ridge_predict(x, rng.normal(size=(400, 4)), slice(0, 200))
    assert noise[200:].std() < 0.4  # the penalty is chosen high: it stays near the mean


def test_log_mel_windows_hear_a_click_where_it_is():
    audio = np.zeros(32000, np.float32)
    audio[16000] = 1.0
    rows = log_mel_windows(audio, np.arange(0, 2, 0.04))
    assert rows.shape == (50, 14 * 26)
    loud = rows.mean(1) > rows.mean(1).min() + 0.1
    assert loud[25] and not loud[:20].any() and not loud[31:].any()


def test_the_truth_scores_best(model):
    exp = np.random.default_rng(0).normal(size=(40, 64)).astype(np.float32)
    assert compare_lips(model, np.zeros(80), exp, exp) == (pytest.approx(1.0), 0.0)
    r, mm = compare_lips(model, np.zeros(80), exp[::-1].copy(), exp)
    assert r < 0.9 and mm > 1


def test_turned_sounds_are_the_sound_elsewhere():
    sound = np.random.default_rng(0).normal(size=4000).astype(np.float32)
    turned = shifted_sounds(sound)
    assert len(turned) == 8
    for other in turned:
        assert np.array_equal(np.sort(other), np.sort(sound))
        assert abs(correlation(other, sound)) < 0.1


def test_too_little_on_either_side_of_the_split(fit):
    with pytest.raises(ParameterError, match="8 frames are too few to learn from"):
        split(fit, 8)
    with pytest.raises(ParameterError, match="leave 2 s or more"):
        split(fit, len(fit) - 10)


def test_the_last_frames_can_be_learned_from_as_well(fit):
    n = len(fit)
    assert split(fit, 100) == (slice(0, 100), slice(100, n))
    assert split(fit, -100) == (slice(n - 100, n), slice(0, n - 100))
    with pytest.raises(ParameterError, match="leave 2 s or more"):
        split(fit, -n)


def test_statistics_alone_make_the_general_mapping_the_person_s(fit, performance):
    general, known = general_mapping(), slice(0, 200)
    part = fit.coefficients[known]
    track = make_track(performance.audio, fit.times[known], part.exp, part.pose, lag_s=0.04)
    own = with_statistics(general, track)
    assert np.allclose(own.norm.exp_mean, track.exp.mean(0), atol=1e-6) and own.norm.lag_s == 0.04
    assert own.net is general.net and np.array_equal(own.norm.mfcc_std, general.norm.mfcc_std)


@pytest.mark.slow
def test_a_clip_is_scored_with_all_baselines(fit, performance, model):
    told = []
    result = evaluate_clip(
        fit, performance.audio, general_mapping(), model, 200, QUICK,
        progress=lambda *a: told.append(a),
    )  # fmt: skip
    baselines = ("", "_shuffled", "_general", "_personal", "_ridge")
    for name in baselines:
        assert -1 <= result[f"lip_corr{name}"] <= 1 and result[f"lmd_mouth{name}"] > 0
    assert result["lip_corr_interval"][0] < result["lip_corr"] < result["lip_corr_interval"][1]
    assert result["lip_corr"] > 0.5 > abs(result["lip_corr_shuffled"])  # the general one's merit
    assert result["train_frames"] == 200 and result["held_frames"] == len(fit) - 200
    assert {"hs", "hs_interval", "hs_frozen", "hs_frozen_training", "hs_split_half"} <= set(result)
    assert told and result["train_seconds"] > 0


@pytest.mark.slow
def test_more_of_a_person_never_needs_more_than_there_is(fit, performance, model):
    held_from = len(fit) - 100
    rows = evaluate_curve(
        fit, performance.audio, general_mapping(), model, held_from, (100, 200, 5000), QUICK
    )
    assert [row["frames"] for row in rows] == [100, 200]
    assert all(row["lip_corr_general"] > 0.3 for row in rows)


@pytest.mark.slow
def test_virtual_speakers_give_the_shipped_score(model):
    general = general_mapping()
    scores = evaluate_speakers(general, model, n_speakers=2, seconds_each=8, workers=1)
    assert 0.3 < scores["virtual_lip_r2"] <= 1 and scores["virtual_lip_corr"] > 0.6
    norm = replace(general.norm, exp_std=0 * general.norm.exp_std)
    deaf = replace(general, linear=None, norm=norm)
    nothing = evaluate_speakers(deaf, model, n_speakers=1, seconds_each=4, workers=1)
    assert nothing["virtual_lip_r2"] == pytest.approx(0, abs=1e-3)
