"""The general mapping: what landmarks see, the shipped weights, the lag, training on a corpus."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.assets import shipped
from tfhkit.errors import InputError
from tfhkit.face import load_model
from tfhkit.fit import Crop, Fit
from tfhkit.landmarks.speaking import LIPS_LEAD_S
from tfhkit.motion import (
    MotionWeights,
    correlation,
    explained_variance,
    lip_opening,
    make_track,
    mouth_points,
    personal_track,
    predict_motion,
)
from tfhkit.motion.general import FILE, basis_mark, general_mapping
from tfhkit.motion.loss import landmark_map, motion_loss
from tfhkit.motion.transfer import visible_expression
from tfhkit.virtual import perform, random_speaker
from tfhkit.virtual.corpus import make_motion_corpus
from tfhkit.virtual.pretrain.mapping import MappingSettings, train_general
from tfhkit.virtual.variety import wide_variety


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def performance(model):
    """Twelve seconds of a virtual speaker that no training has met."""
    speaker = random_speaker(seed=777_000, language="en-us")
    sentences = [
        "We ought to meet the people who made all of this possible.",
        "My father bought a new boat before the summer began.",
        "Nobody knows how far the water will rise tomorrow.",
        "Please bring me five or six blue bottles from the market.",
    ]
    return perform(speaker, sentences, model=model)


def opening(model, performance, exp):
    return lip_opening(model, performance.coefficients.id[0], exp)


def test_landmarks_see_the_jaw_and_not_the_gaze(model):
    seen = visible_expression(model)
    names = list(model.action_names)
    jaw, gaze = (model.actions[names.index(n)].numpy() for n in ("jawOpen", "eyeLookOutLeft"))
    person = np.zeros(80)
    before, after = (lip_opening(model, person, e[None])[0] for e in (jaw, jaw @ seen))
    assert after == pytest.approx(before, rel=0.05)
    assert np.linalg.norm(gaze @ seen) < 0.4 * np.linalg.norm(gaze)


def test_what_was_seen_once_is_seen_again(model):
    seen = visible_expression(model)
    exp = np.random.default_rng(0).normal(size=(20, 64)).astype(np.float32)
    once, twice = exp @ seen, exp @ seen @ seen
    person = np.zeros(80)
    assert (
        explained_variance(mouth_points(model, person, once), mouth_points(model, person, exp))
        > 0.9
    )
    assert (
        explained_variance(mouth_points(model, person, twice), mouth_points(model, person, once))
        > 0.95
    )


def test_landmark_map_interpolates_between_coefficients_and_landmarks(model):
    std = np.random.default_rng(0).uniform(0.5, 2, 64)
    error = torch.randn(1, 9, 64)
    zero, pose = torch.zeros(1, 9, 64), torch.zeros(1, 9, 6)

    def term(share):
        return motion_loss(error, pose, zero, pose, exp_map=landmark_map(model, std, share))["exp"]

    assert term(0.0) == pytest.approx((error**2).mean().item(), rel=1e-4)
    assert term(0.5) == pytest.approx((term(0.0) + term(1.0)).item() / 2, rel=1e-3)
    moved = torch.einsum(
        "btk,kvc->btvc", error * torch.as_tensor(std).float(),
        model.exp_basis[:, model.landmark_ids[17:]],
    )  # fmt: skip
    other = landmark_map(model, std, 1.0)
    double = ((2 * error) @ other).square().sum() / (error @ other).square().sum()
    assert double == pytest.approx(4.0)
    ratio = (error @ other).square().sum(-1) / moved.square().sum((-1, -2))
    assert ratio.std() < 1e-3 * ratio.mean()  # the same measure up to one factor


def test_shipped_weights_belong_to_the_shipped_model(model):
    path = shipped(FILE.format("small"))
    weights = MotionWeights.load(path)
    assert weights.card["basis"] == basis_mark(model), "train them again: tfhkit pretrain mapping"
    assert path.stat().st_size < 8e6
    card = json.loads(path.with_suffix(".json").read_text())["card"]
    for key in ("data", "command", "seed", "total_minutes", "scores", "licence", "held_out"):
        assert key in card
    # the speakers of the scores differ less, and move less freely, than those of the training
    assert card["scores"]["virtual_lip_r2"] > 0.4


@pytest.mark.slow
def test_shipped_weights_move_the_lips_of_a_stranger(model, performance):
    weights, true = general_mapping("small"), performance.coefficients.exp
    exp, _ = predict_motion(weights, performance.audio, performance.times)
    half = np.roll(performance.audio, len(performance.audio) // 2)
    shuffled, _ = predict_motion(weights, half, performance.times)
    truth = opening(model, performance, true)
    assert correlation(opening(model, performance, exp), truth) > 0.7
    assert abs(correlation(opening(model, performance, shuffled), truth)) < 0.35


@pytest.mark.slow
@pytest.mark.parametrize("lag_s", [0.0, 0.2])
def test_a_delay_of_the_sound_is_found(model, performance, lag_s):
    delayed = np.concatenate([np.zeros(int(16000 * lag_s), np.float32), performance.audio])
    n = len(performance)
    landmarks = np.zeros((n, 68, 2), np.float32), np.zeros(n, bool)
    place = performance.times, Crop(1.0, 0.0, 0.0), "open"
    fit = Fit(performance.coefficients, *landmarks, *place)
    track, measured = personal_track(fit, delayed, model, slice(0, n))
    assert measured.related and track.lag_s == measured.lag_s
    assert track.lag_s == pytest.approx(lag_s, abs=0.045)
    # a voice that has nothing to do with the lips: no lag can be measured, the usual one is taken
    other = np.random.default_rng(0).normal(size=len(delayed)).astype(np.float32)
    track, measured = personal_track(fit, other, model, slice(0, n))
    assert not measured.related and track.lag_s == LIPS_LEAD_S


def test_a_lag_is_kept_with_the_weights_and_used(tmp_path, performance):
    weights = general_mapping("small")
    late = replace(weights, norm=replace(weights.norm, lag_s=0.08))
    late = MotionWeights.load(late.save(tmp_path / "late.safetensors"))
    silence = np.zeros(int(0.08 * 16000), np.float32)
    times = performance.times[20:200]
    delayed = np.concatenate([silence, performance.audio])
    plain, _ = predict_motion(weights, performance.audio, times)
    moved, _ = predict_motion(late, delayed, times)
    assert np.abs(plain - moved).max() < 0.3 * plain.std()
    track = make_track(delayed, times, plain, np.zeros((len(times), 6)), lag_s=0.08)
    assert track[5:].lag_s == 0.08


def test_other_sizes_have_none_unless_they_were_trained():
    with pytest.raises(InputError, match="no general weights of size 'paper'; run `tfhkit pre"):
        general_mapping("paper")


@pytest.mark.slow
def test_training_on_a_corpus_writes_weights_and_card(tmp_path):
    path = tmp_path / "tiny.safetensors"
    settings = MappingSettings(
        n_speakers=2, seconds_each=6, held_out=1, epochs=2, sequences_per_epoch=32
    )
    weights = train_general(path, settings, workers=1)
    back = MotionWeights.load(path)
    assert back.card["scores"] == weights.card["scores"]
    assert set(back.card["scores"]) >= {"virtual_lip_r2", "pose_r"}
    assert not path.with_suffix(".pt").exists()
    kept = tmp_path / "corpus.npz"  # the same speakers, made beforehand
    make_motion_corpus(2, 6.0, 1, workers=1, path=kept, variety=wide_variety())
    again = train_general(tmp_path / "again.safetensors", replace(settings, corpus=kept), workers=1)
    for mine, other in zip(weights.net.parameters(), again.net.parameters()):
        assert torch.equal(mine, other)
    assert again.card["scores"] == weights.card["scores"] and "--corpus" in again.card["command"]
