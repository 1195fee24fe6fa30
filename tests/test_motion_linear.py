"""The linear path, and the choice between it and the network by cross-validation."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.audio import band_windows
from tfhkit.errors import ParameterError
from tfhkit.face import load_model
from tfhkit.landmarks.speaking import LIPS_LEAD_S
from tfhkit.motion import (
    MotionConfig,
    MotionNet,
    MotionWeights,
    correlation,
    make_track,
    measure_normalisation,
    predict_motion,
    predict_windows,
)
from tfhkit.motion.combine import mix, mouth_metric, shares_of
from tfhkit.motion.linear import LinearPath, fit_ridge, heard, linear_path, standardised

TINY = MotionConfig("custom", (2, 2, 3, 3, 4), (2, 2), (8, 6), 7, 1, 0.0)
RNG = np.random.default_rng(0)


def voice(seconds=8.0, seed=0):
    """Noise whose loudness changes with the syllables, and that loudness at 25 Hz."""
    rng, n = np.random.default_rng(seed), int(16000 * seconds)
    knots = rng.random(int(5 * seconds))
    place = np.linspace(0, len(knots) - 1, n)
    loud = np.interp(place, np.arange(len(knots)), knots)
    times = np.arange(int(25 * seconds)) / 25
    level = np.interp(times, np.arange(n) / 16000, loud)
    return (0.2 * loud * rng.normal(size=n)).astype(np.float32), times, level


def person(seconds=8.0, seed=0, of_sound=None):
    """Track of a mouth that opens with the loudness of a sound, by default its own."""
    audio, times, level = voice(seconds, seed)
    if of_sound is not None:
        level = voice(seconds, of_sound)[2]
    model = load_model()
    jaw = model.actions[list(model.action_names).index("jawOpen")].numpy()
    exp = (level[:, None] * jaw).astype(np.float32)
    return make_track(audio, times, exp, np.zeros((len(times), 6)), id=np.zeros(80)), audio


# mel bands


def test_a_louder_recording_has_the_same_bands():
    audio, times, _ = voice(3.0)
    quiet, loud = (band_windows(gain * audio, times) for gain in (0.05, 1.0))
    assert quiet.shape == (len(times), 14, 26)
    assert np.abs(quiet - loud).max() < 1e-3


def test_bands_are_where_the_sound_is():
    audio = np.zeros(32000, np.float32)
    audio[16000:16100] = RNG.normal(size=100)
    level = band_windows(audio, np.arange(0, 2, 0.04)).mean((1, 2))
    heard = level > level.min() + 0.1
    assert heard[25] and not heard[:20].any() and not heard[31:].any()
    silence = band_windows(np.zeros(16000, np.float32), np.arange(5) / 25, allow_silent=True)
    assert np.isfinite(silence).all() and np.ptp(silence) == 0


def test_a_long_pause_does_not_change_what_is_heard():
    audio, times, _ = voice(4.0)
    quiet = np.r_[audio, np.zeros(6 * 16000, np.float32)]
    longer = np.arange(0, 10, 0.04)
    alone, with_pause = standardised(band_windows(audio, times)), band_windows(quiet, longer)
    same = standardised(with_pause)[: len(times)]
    assert np.abs(same - alone)[10:-10].mean() < 0.1


# ridge regression


def test_ridge_finds_a_linear_map_and_none_in_noise():
    x = RNG.normal(size=(300, 20))
    y = x[:, :3] @ RNG.normal(size=(3, 4)) + 5
    found = fit_ridge(x, y)
    assert np.abs(x @ found.weight + found.level - y).max() < 0.1
    assert np.abs(found.held_out - y).max() < 0.2
    noise = RNG.normal(size=(300, 4))
    none = fit_ridge(x, noise)
    assert none.held_out.std() < 0.3 and none.penalty > 100 * found.penalty


def test_what_is_predicted_was_not_learned_from():
    """A map that could copy its training frames has nothing to say about others."""
    x, y = RNG.normal(size=(60, 200)), RNG.normal(size=(60, 1))
    assert correlation(fit_ridge(x, y).held_out[:, 0], y[:, 0]) < 0.4


def test_the_penalty_serves_what_the_metric_counts():
    x = RNG.normal(size=(200, 40))
    y = np.c_[x[:, 0], 20 * RNG.normal(size=200)]
    first, second = np.eye(2)[:, :1], np.eye(2)[:, 1:]
    assert fit_ridge(x, y, first).penalty < fit_ridge(x, y, second).penalty


@pytest.mark.slow
def test_a_path_predicts_its_share_of_the_ridge_and_ignores_the_microphone():
    track, audio = person()
    features = LinearPath().features(track.bands, None)
    ridge = fit_ridge(features, track.exp)
    whole = features @ ridge.weight + ridge.level
    half = linear_path(ridge, 0.5).predict(track.bands, None)
    assert np.allclose(half, 0.5 * whole, atol=1e-3)
    louder = linear_path(ridge, 0.5).predict(band_windows(3 * audio, track.times), None)
    assert np.abs(louder - half).max() < 1e-2


# the reading of a recogniser's states


def reading_of(track):
    """A path whose reading says, of made-up states, what their first three numbers do."""
    path = LinearPath()
    path.reading.weight.data[range(3), range(3), 3] = 1.0
    return path.requires_grad_(False).eval()


def test_a_reading_is_of_deviations_from_the_speech_that_is_heard():
    track, _ = person(3.0)
    states = RNG.normal(size=(len(track), 288)).astype(np.float32)
    path, loud = reading_of(track), heard(track.bands)
    read = path.features(track.bands, states)[:, -3:]
    assert np.allclose(read, states[:, :3] - states[loud, :3].mean(0), atol=1e-5)
    shifted = path.features(track.bands, states + 7.0)[:, -3:]
    assert np.allclose(shifted, read, atol=1e-4)
    assert not path.features(track.bands, None)[:, -3:].any()


def test_emphasis_frees_a_feature_from_the_penalty():
    """One useful feature among many that are noise: the penalty that these need spares it."""
    x, rng = RNG.normal(size=(80, 200)), np.random.default_rng(3)
    y = x[:, :1] + 0.3 * rng.normal(size=(80, 1))
    alike, spared = (fit_ridge(x, y, emphasis=np.r_[e, np.ones(199)]) for e in (1.0, 10.0))
    error = [((fit.held_out - y) ** 2).mean() for fit in (alike, spared)]
    assert error[1] < 0.5 * error[0]


@pytest.mark.slow
def test_what_the_recogniser_hears_joins_a_persons_path(tmp_path):
    """Lips that follow the states alone: without them nothing, with them nearly all."""
    model, (track, _) = load_model(), person(12.0)
    states = RNG.normal(size=(len(track), 288)).astype(np.float32)
    jaw = model.actions[list(model.action_names).index("jawOpen")].numpy()
    exp = ((states[:, :1] + 2) / 6 * jaw).astype(np.float32)
    track = replace(track, exp=exp, states=states)
    tuned = general_of(track)
    general = replace(tuned, linear=reading_of(track), share=0.5)
    weights, card = mix(track, general, tuned, [tuned.net] * 5, model)
    assert weights.linear.reads and card["cv_lip_r"] > 0.8
    with pytest.warns(UserWarning, match="does not predict"):
        mix(replace(track, states=None), general, tuned, [tuned.net] * 5, model)
    back = MotionWeights.load(weights.save(tmp_path / "personal.safetensors"))
    sound = track.windows, slice(None), track.bands
    before, after = (predict_windows(w, *sound, states)[0] for w in (weights, back))
    assert np.allclose(before, after, atol=1e-5)
    with pytest.raises(ParameterError, match="states: are missing.*recogniser_states"):
        predict_windows(weights, *sound)


@pytest.mark.slow
def test_a_long_track_without_states_asks_for_none_later():
    """More frames than features, where rounding errors stand in for a map of nothing."""
    model, (track, _) = load_model(), person(20.0)
    tuned = general_of(track)
    general = replace(tuned, linear=reading_of(track))
    weights, _ = mix(track, general, tuned, [tuned.net] * 5, model)
    assert not weights.linear.reads
    predict_windows(weights, track.windows, slice(None), track.bands)


# the mix


def test_shares_go_to_what_predicts():
    truth = RNG.normal(size=(400, 64))
    good, noise = 0.8 * truth + 0.1 * RNG.normal(size=truth.shape), RNG.normal(size=truth.shape)
    shares = shares_of([good, noise], truth, prior=0.0)
    assert shares[0] == pytest.approx(1.2, abs=0.1) and shares[1] < 0.05
    held = shares_of([good, noise], truth, expected=(0.3, 0.7), prior=1000.0)
    assert held == pytest.approx([0.3, 0.7], abs=0.02)
    assert (shares_of([-truth, noise], truth) >= 0).all()


def test_the_metric_decides_what_counts():
    truth = RNG.normal(size=(300, 64))
    first, second = truth * (np.arange(64) < 32), truth * (np.arange(64) >= 32)
    eyes_on_first, expected = np.eye(64)[:, :32], (0.0, 1.0)
    shares = shares_of([second, first], truth, eyes_on_first, expected)
    assert shares[0] < 0.05 and shares_of([second, first], truth, None, expected)[0] > 0.3


def general_of(track):
    torch.manual_seed(0)
    return MotionWeights(MotionNet(TINY).eval(), measure_normalisation([track]))


@pytest.mark.slow
def test_a_loud_voice_is_followed_by_the_linear_path():
    model, (track, audio) = load_model(), person()
    general = general_of(track)
    weights, card = mix(track, general, general, [general.net] * 5, model)
    assert card["shares"][1] > 0.5 and card["cv_lip_r"] > 0.8
    assert card["cv_lip_r_linear"] > 0.8 > card["cv_lip_r_general"]
    assert card["cv_lip_r_low"] < card["cv_lip_r"] < card["cv_lip_r_high"]
    exp, _ = predict_motion(weights, audio, track.times)
    metric = mouth_metric(model)
    assert correlation((exp @ metric)[:, 1], (track.exp @ metric)[:, 1]) > 0.8


@pytest.mark.slow
def test_lips_of_another_sound_keep_the_general_mapping_and_warn():
    model, (track, _) = load_model(), person(of_sound=1)
    general = general_of(track)
    with pytest.warns(UserWarning, match="does not predict this person's lips"):
        weights, card = mix(track, general, general, [general.net] * 5, model)
    assert weights.linear is None and card["shares"] == [1.0, 0.0]
    assert weights.norm.lag_s == LIPS_LEAD_S != track.lag_s


@pytest.mark.slow
def test_lips_that_the_sound_says_little_about_are_learned_with_a_warning(monkeypatch):
    model, (track, _) = load_model(), person()
    general = general_of(track)
    monkeypatch.setattr("tfhkit.motion.combine.DOUBTFUL_R", 1.0)
    with pytest.warns(UserWarning, match=r"says little about this person's lips \(r = 0\.[89]"):
        weights, card = mix(track, general, general, [general.net] * 5, model)
    assert weights.linear is not None and card["shares"][1] > 0.5


def test_a_linear_path_is_saved_and_needs_its_bands(tmp_path):
    track, audio = person(3.0)
    general = general_of(track)
    path = LinearPath()
    weights = replace(general, linear=path.requires_grad_(False), share=0.5)
    back = MotionWeights.load(weights.save(tmp_path / "personal.safetensors"))
    assert back.share == 0.5 and torch.equal(back.linear.map.weight, path.map.weight)
    before, after = (predict_motion(w, audio, track.times)[0] for w in (weights, back))
    assert np.allclose(before, after, atol=1e-5)
    with pytest.raises(ParameterError, match="have a linear path; give those of the same frames"):
        predict_windows(weights, track.windows)
