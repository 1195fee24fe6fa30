"""Life: amplitude, head, brows, gaze and blinks against virtual speakers and analytic tracks."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from talk_toys import toy_person, voice

from tfhkit import talk
from tfhkit.errors import InputError, ShapeError
from tfhkit.face import load_model
from tfhkit.fit import Crop, Fit
from tfhkit.fit.eyes import eye_actions, with_calm_eyes
from tfhkit.motion import correlation, lip_opening, mouth_points
from tfhkit.motion.life import enliven, learn_life
from tfhkit.motion.life.eyes import Eyes, blink_times, find_blinks, lid_closing
from tfhkit.motion.life.joints import along
from tfhkit.motion.life.lips import smooth_noise
from tfhkit.motion.life.sound import envelope
from tfhkit.motion.life.upper import brow_part
from tfhkit.motion.life.walk import Walk, find_walk, turn_costs
from tfhkit.virtual import perform, random_speaker

STEP = 0.04


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def spoken(model):
    """A virtual speaker's clip: what was said, and the truth in the place of a fit."""
    speaker = random_speaker(model, seed=4)
    sentences = [
        "We walked along the river and talked about the weather of the last summer.",
        "Please bring me five or six blue bottles from the market.",
        "They told us about a small house behind the hills.",
    ]
    done = perform(speaker, sentences, model=model)
    landmarks = np.zeros((len(done), 68, 2), np.float32), np.zeros(len(done), bool)
    fit = Fit(done.coefficients, *landmarks, done.times, Crop(1.0, 0.0, 0.0), "open")
    return done, fit


@pytest.fixture(scope="module")
def damped(model, spoken):
    """What a regression to the mean would predict: 0.4 of the motion, calm eyes, a still head."""
    _, fit = spoken
    exp = with_calm_eyes(model, fit.coefficients.exp)
    exp = exp.mean(0) + 0.4 * (exp - exp.mean(0))
    pose = np.repeat(fit.coefficients.pose.mean(0)[None], len(exp), 0)
    return exp.astype(np.float32), pose.astype(np.float32)


@pytest.fixture(scope="module")
def life(model, spoken, damped):
    done, fit = spoken
    return learn_life(fit, done.audio, model, slice(0, len(fit)), damped[0])


@pytest.fixture(scope="module")
def lively(life, spoken, damped):
    done, fit = spoken
    return enliven(life, *damped, done.audio, fit.times, seed=1)


def test_the_lips_get_their_amplitude_back_and_say_the_same(model, spoken, damped, lively):
    done, fit = spoken
    id = fit.coefficients.id[0]
    true, flat, made = (
        lip_opening(model, id, exp) for exp in (fit.coefficients.exp, damped[0], lively[0])
    )
    assert flat.std() / true.std() == pytest.approx(0.4, abs=0.05)
    assert 0.85 < made.std() / true.std() < 1.15
    assert correlation(made, true) > correlation(flat, true) - 0.05
    assert made.min() >= true.min() - 0.5 and made.max() <= true.max() + 0.5


def test_lips_move_in_pauses(model, life, spoken, damped):
    done, fit = spoken
    quiet = 1e-4 * np.random.default_rng(0).normal(size=16000 * 6)
    quiet[:16000] = done.audio[8000:24000]
    times = np.arange(150) * STEP
    exp = np.repeat(damped[0][:1], 150, 0)
    made = lip_opening(model, fit.coefficients.id[0], enliven(
        life, exp, np.zeros((150, 6), np.float32), quiet.astype(np.float32), times)[0]
    )  # fmt: skip
    usual = lip_opening(model, fit.coefficients.id[0], fit.coefficients.exp).std()
    assert 0.1 * usual < made[50:].std() < usual
    assert np.abs(np.diff(made, 2)).max() < 0.5 * usual


def test_the_head_moves_like_the_person(spoken, lively):
    _, fit = spoken
    real, made = fit.coefficients.pose.astype(float), lively[1].astype(float)
    for order, most in ((1, 1.5), (2, 2.5)):
        fast = [np.abs(np.diff(track, order, axis=0)).max(0) for track in (real, made)]
        assert (fast[1] <= most * fast[0] + 1e-6).all()
    speed = [np.abs(np.diff(track[:, :3], axis=0)).mean() for track in (real, made)]
    assert 0.5 < speed[1] / speed[0] < 1.7
    assert (made.max(0) < real.max(0) + 0.3 * np.ptp(real, 0)).all()


def test_eyes_turn_against_the_head(model, spoken, lively):
    """The gaze is played together with the head, and so keeps its counter-rotation."""
    _, fit = spoken
    eyes = eye_actions(model)
    found = []
    for exp, pose in ((fit.coefficients.exp, fit.coefficients.pose), lively):
        strengths = exp.astype(float) @ eyes.dual.numpy()
        right = strengths[:, eyes.at("eyeLookInRight")] - strengths[:, eyes.at("eyeLookOutRight")]
        found.append(correlation(right, pose[:, 1].astype(float)))
    assert found[0] < -0.4 and found[1] < found[0] + 0.35


def test_a_seed_decides(life, spoken, damped, lively):
    done, fit = spoken
    how = done.audio, fit.times
    again, other = (enliven(life, *damped, *how, seed) for seed in (1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(again, lively))
    assert not np.allclose(other[1], lively[1], atol=1e-3)
    assert not np.allclose(other[0], lively[0], atol=1e-3)
    plain = enliven(life, *damped, *how, seed=None)
    assert all(np.array_equal(a, b) for a, b in zip(plain, damped))


def test_frames_at_any_rate_show_the_same_motion(life, spoken):
    audio = spoken[0].audio
    motions = []
    for step, every in ((1 / 60, 5), (1 / 12, 1)):
        times = np.arange(0, 2.0 + 1e-9, step)
        exp = np.repeat((life.lips.centre + 0.2 * life.lips.way)[None], len(times), 0)
        motions.append([part[::every] for part in enliven(
            life, exp, np.zeros((len(times), 6)), audio, times, seed=3)])  # fmt: skip
    assert np.allclose(motions[0][1], motions[1][1], atol=1e-5)
    assert np.allclose(motions[0][0], motions[1][0], atol=1e-3)


def test_brows_are_separated_from_the_mouth(model, spoken):
    exp = with_calm_eyes(model, spoken[1].coefficients.exp)
    exp = exp - exp.mean(0)
    brows = (exp @ brow_part(model)).astype(np.float32)

    def moves(exp, landmarks):
        basis = model.exp_basis[:, model.landmark_ids[landmarks]].flatten(1).numpy()
        return np.sqrt(((exp @ basis) ** 2).mean())

    above = slice(17, 27)
    assert moves(exp - brows, above) < 0.1 * moves(exp, above)
    id = np.zeros(80, np.float32)
    mouth = mouth_points(model, id, exp), mouth_points(model, id, exp - brows)
    assert np.abs(mouth[0] - mouth[1]).max() < 0.1 * np.abs(mouth[0] - mouth[0].mean(0)).max()


def test_brows_move_as_much_as_the_person(model, spoken, lively):
    basis = model.exp_basis[:, model.landmark_ids[17:27], 1].mean(1).double().numpy()
    real, made = (exp.astype(float) @ basis for exp in (spoken[1].coefficients.exp, lively[0]))
    assert 0.6 < made.std() / real.std() < 1.5


def eyes_with(rate_hz):
    zeros = np.zeros((2, 64)), np.zeros((4, 64)), np.eye(64)
    return Eyes(*zeros, np.array([0.7, 0.7]), rate_hz, 1.0, 1.0)


@pytest.mark.parametrize("per_minute", [6, 20, 45])
def test_blinks_come_at_the_persons_rate(per_minute):
    rng = np.random.default_rng(0)
    pause = np.zeros(25 * 1200)
    pause[np.arange(len(pause)) % 100 < 20] = 1.0
    starts = blink_times(eyes_with(per_minute / 60), pause, rng)
    assert len(starts) / 20 == pytest.approx(per_minute, rel=0.15)
    assert np.diff(starts).min() > 0.3
    after = ((starts / STEP).round().astype(int) % 100 < 12).mean()
    assert after > 0.2  # 0.12 without a preference for the ends of phrases


def test_a_blink_closes_the_eyes_and_is_found_again():
    times = np.arange(0, 20, 1 / 30)
    starts = np.array([1.0, 5.0, 5.8, 12.3])
    closing = lid_closing(eyes_with(0.3), starts, times, np.random.default_rng(0))
    assert closing.max() > 0.9 and closing.min() == 0
    found = find_blinks(closing, times)
    assert np.allclose([blink.at_s for blink in found], starts + 0.11, atol=0.06)
    assert all(0.1 < blink.half_s < 0.3 for blink in found)
    looking_down = 0.4 * (np.abs(times - 10) < 2) + 0.02 * np.sin(9 * times)
    assert find_blinks(looking_down, times) == []


def test_the_rate_is_learned_from_the_person(model, life, spoken, lively):
    done, fit = spoken
    seconds = fit.times[-1] - fit.times[0]
    assert life.eyes.rate_hz * seconds == pytest.approx(len(done.truth["blinks_s"]), abs=2.5)
    eyes = eye_actions(model)
    lids = (lively[0].astype(float) @ eyes.dual.numpy())[:, eyes.at("eyeBlinkLeft")]
    assert lids.max() > 0.8 * life.eyes.closed[1]


def sway(n, rate_hz=0.4):
    """(n, 6) of a head that turns to and fro by 5 degrees."""
    at = np.arange(n) * STEP
    pose = np.zeros((n, 6))
    pose[:, 1] = np.radians(5) * np.sin(2 * np.pi * rate_hz * at)
    pose[:, 0] = np.radians(2) * np.sin(2 * np.pi * 1.7 * rate_hz * at + 1)
    return pose


def test_a_walk_plays_real_stretches_and_turns_where_the_head_is_slow():
    pose, rng = sway(300), np.random.default_rng(0)
    loudness, usable = gentle(rng, 300), np.ones(300, bool)
    walk = find_walk(pose, loudness, usable, gentle(rng, 1500), np.random.default_rng(1))
    assert (np.abs(np.diff(walk.place)) == 1).all()
    turns = walk.turns()
    assert 4 < len(turns) < 40
    costs = turn_costs(pose)
    assert costs[walk.place[turns - 1]].mean() < 0.75 * costs.mean()
    assert len(np.unique(walk.place)) > 200  # it does not stay in a corner


def gentle(rng, n):
    """(n,) smooth noise."""
    return 0.7 * smooth_noise(n, 0.3, rng)


def test_the_loudness_chooses_the_place():
    loud = np.repeat([0.0, -3.0], 100)
    walk = find_walk(np.zeros((200, 6)), loud, np.ones(200, bool), np.repeat([-3.0, 0.0], 60),
                     np.random.default_rng(0))  # fmt: skip
    assert (walk.place[:50] >= 100).mean() > 0.9 and (walk.place[75:] < 100).mean() > 0.9


def test_a_walk_does_not_depend_on_what_comes_much_later():
    rng = np.random.default_rng(0)
    pose, loudness, asked = sway(120), gentle(rng, 120), gentle(rng, 500)
    long, short = (
        find_walk(pose, loudness, np.ones(120, bool), part, np.random.default_rng(1))
        for part in (asked, asked[:300])
    )
    assert np.array_equal(long.place[:250], short.place[:250])


def test_joints_keep_position_and_velocity():
    track = sway(100)[:, :2] * 20
    forth = np.arange(50, 80)
    place = np.concatenate([forth, forth[::-1][1:], np.arange(51, 75)])
    direction = np.repeat([1, -1, 1], [30, 29, 24])
    walk = Walk(place, direction)
    assert walk.turns().tolist() == [30, 59]
    made = along(track, walk)
    steps = np.diff(made, axis=0)
    assert np.abs(np.diff(steps, axis=0)).max() < 4 * np.abs(np.diff(track, 2, axis=0)).max()
    raw = np.diff(track[place], axis=0)
    assert np.abs(np.diff(raw, axis=0)).max() > 8 * np.abs(np.diff(track, 2, axis=0)).max()
    assert np.array_equal(made[:30], track[place[:30]])
    assert np.allclose(made[45:58], track[place[45:58]])  # the difference has faded


def test_frames_without_a_face_are_not_played():
    usable = np.ones(200, bool)
    usable[80:110] = False
    rng = np.random.default_rng(0)
    walk = find_walk(sway(200), gentle(rng, 200), usable, gentle(rng, 1000), rng)
    assert usable[walk.place].mean() > 0.95


def test_somebody_who_never_moves_stays_still(model, spoken, damped):
    done, fit = spoken
    still = fit.coefficients[np.zeros(len(fit), int)]
    frozen = replace(fit, coefficients=still)
    life = learn_life(frozen, done.audio, model, slice(0, len(fit)), still.exp)
    assert 0.05 < life.eyes.rate_hz < 0.37  # no blink was seen: fewer than people blink on average
    exp, pose = enliven(life, still.exp, still.pose, done.audio, fit.times)
    assert np.allclose(pose, still.pose, atol=1e-6) and np.isfinite(exp).all()
    opening = lip_opening(model, still.id[0], exp)
    assert np.ptp(opening) < 0.2


@pytest.mark.parametrize("frames", [slice(0, 16), slice(40, 140)])
def test_few_frames_are_enough_for_a_long_speech(model, spoken, damped, frames):
    done, fit = spoken
    gap = np.zeros(len(fit), bool)
    gap[frames.start + 5 : frames.start + 7] = True
    audio = np.tile(done.audio, 3)
    life = learn_life(replace(fit, gap=gap), done.audio, model, frames, damped[0][frames])
    times = np.arange(len(damped[0]) * 2) * STEP
    motion = [np.concatenate([part, part]) for part in damped]
    exp, pose = enliven(life, *motion, audio, times)
    assert np.isfinite(exp).all() and len(pose) == len(times)
    own = fit.coefficients.pose[frames]
    assert (np.abs(pose - own.mean(0)).max(0) < np.ptp(own, 0) + 0.02).all()


def test_a_model_without_actions_keeps_its_eyes(model, spoken, damped):
    done, fit = spoken
    bare = replace(model, action_names=(), actions=torch.zeros(0, 64))
    frames = slice(0, 150)
    life = learn_life(fit, done.audio, bare, frames, damped[0][frames])
    assert life.eyes is None
    exp, pose = enliven(life, *damped, done.audio, fit.times)
    assert np.isfinite(exp).all() and np.ptp(pose[:, 1]) > 0


def test_what_cannot_be_learned_from_is_refused_in_a_line(model, spoken, damped):
    done, fit = spoken
    sound = done.audio
    with pytest.raises(InputError, match="shows the face for 0.2 s, at least 0.5 s are needed"):
        learn_life(fit, sound, model, slice(0, 6), damped[0][:6])
    hidden = replace(fit, gap=np.ones(len(fit), bool))
    with pytest.raises(InputError, match="shows the face for 0.0 s"):
        learn_life(hidden, sound, model, slice(0, len(fit)), damped[0])
    with pytest.raises(ShapeError, match="predicted"):
        learn_life(fit, sound, model, slice(0, 50), damped[0])


def test_pauses_are_found_at_any_loudness(spoken):
    audio = np.concatenate([spoken[0].audio[:32000], np.zeros(32000, np.float32)])
    grid = np.arange(100) * STEP
    for gain in (1.0, 0.05):
        loudness, pause = envelope(gain * audio, grid)
        assert pause[60:].min() > 0.9 and pause[10:45].mean() < 0.2
        assert loudness[60:].max() < loudness[10:45].mean()


def test_noise_has_unit_variance_and_its_time_scale():
    noise = smooth_noise(50_000, 0.3, np.random.default_rng(0))
    assert noise.std() == pytest.approx(1, abs=0.05)
    assert (np.diff(noise) / STEP).std() == pytest.approx(1 / 0.3, rel=0.05)


def test_a_person_is_driven_with_life_or_without(tmp_path):
    person = toy_person(tmp_path)
    plain, lively = (talk.drive(person, voice(), seed=seed) for seed in (None, 0))
    assert not np.allclose(plain.predicted_pose, lively.predicted_pose)
    assert np.array_equal(lively.exp, talk.drive(person, voice()).exp)
    other = talk.drive(person, voice(), seed=1)
    assert not np.array_equal(other.exp, lively.exp)
