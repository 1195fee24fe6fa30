"""Eq. 2 and the training loop: analytic cases, overfitting, resuming, early stopping."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.motion import (
    MotionConfig,
    MotionTrack,
    TrainSettings,
    explained_variance,
    make_track,
    measure_normalisation,
    motion_loss,
    predict_windows,
    resample,
    train_motion,
    train_personal,
)
from tfhkit.motion.batches import known_part, learn_mask, prepare, sequence_starts
from tfhkit.motion.folds import average
from tfhkit.motion.personal import fitting_settings

TINY = MotionConfig("custom", (2, 4, 6, 6, 8), (2, 2), (16, 12), 16, 1, 0.0)
FAST = TrainSettings(
    epochs=4, batch=4, sequence_frames=16, sequences_per_epoch=8, lr=3e-3, out_epochs=1
)


def toy_track(n_frames=120, seed=0, speaker="a", shift=0.0, scale=1.0):
    """Motion that the sound decides: the level of MFCC 1 opens the mouth, MFCC 2 turns the head."""
    rng = np.random.default_rng(seed)
    levels = rng.normal(size=(n_frames + 12, 12))
    levels = sum(levels[k : n_frames + 8 + k] for k in range(4)) / 2
    rows = np.repeat(levels, 4, axis=0)
    windows = np.stack([rows[4 * t : 4 * t + 28] for t in range(n_frames)]).astype(np.float32)
    heard = windows[:, 13:15].mean(1)
    exp = shift + scale * heard[:, :1] * np.linspace(-1, 1, 64)
    pose = shift + scale * 0.1 * heard[:, 1:2] * np.linspace(0.5, 1, 6)
    valid = np.ones(n_frames, bool)
    times = np.arange(n_frames) / 25
    return MotionTrack(
        windows, exp.astype(np.float32), pose.astype(np.float32), valid, times, speaker
    )


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values()))


# Eq. 2


def test_perfect_and_still_costs_nothing():
    exp, pose = torch.ones(2, 5, 64), torch.ones(2, 5, 6)
    assert motion_loss(exp, pose, exp, pose)["total"] == 0


def test_each_term_by_hand():
    exp, pose = torch.zeros(1, 4, 64), torch.zeros(1, 4, 6)
    pred_exp, pred_pose = exp.clone(), pose.clone()
    pred_exp[0, 2, 0], pred_pose[0, 3, 1] = 3.0, 2.0
    for kind, smooth_pose, smooth_exp in (("sum", 4.0, 18.0), ("mean", 4 / 18, 18 / 192)):
        terms = motion_loss(pred_exp, pred_pose, exp, pose, smoothness=kind)
        assert terms["exp"] == pytest.approx(9 / 256) and terms["pose"] == pytest.approx(4 / 24)
        assert terms["smooth_pose"] == pytest.approx(smooth_pose)
        assert terms["smooth_exp"] == pytest.approx(smooth_exp)
        total = 9 / 256 + 0.2 * 4 / 24 + 0.01 * smooth_pose + 1e-4 * smooth_exp
        assert terms["total"] == pytest.approx(total)


def test_sum_grows_with_the_sequence_and_mean_does_not():
    ramp = torch.arange(33.0)[None, :, None]
    short, long = (motion_loss(*[ramp[:, :n].expand(1, n, d) for d in (64, 6, 64, 6)])
                   for n in (17, 33))  # fmt: skip
    assert long["smooth_pose"] == 2 * short["smooth_pose"] == 2 * 16 * 6
    mean = motion_loss(*[ramp.expand(1, 33, d) for d in (64, 6, 64, 6)], smoothness="mean")
    assert mean["smooth_pose"] == mean["smooth_exp"] == 1


def test_frames_without_truth_do_not_count():
    exp, pose = torch.zeros(1, 4, 64), torch.zeros(1, 4, 6)
    wrong = exp.clone()
    wrong[0, 1] = 7.0
    valid = torch.tensor([[True, False, True, True]])
    assert motion_loss(wrong, pose, exp, pose, valid)["exp"] == 0
    assert motion_loss(exp, pose, exp, pose, ~valid & False)["total"] == 0


@pytest.mark.slow
def test_gradients_of_the_loss():
    shapes = [(2, 4, 64), (2, 4, 6)] * 2
    values = [
        torch.randn(s, dtype=torch.float64, requires_grad=i < 2) for i, s in enumerate(shapes)
    ]
    for kind in ("sum", "mean"):
        assert torch.autograd.gradcheck(
            lambda e, p, kind=kind: motion_loss(e, p, *values[2:], smoothness=kind)["total"],
            values[:2],
        )


def test_bad_loss_input():
    exp, pose = torch.zeros(1, 4, 64), torch.zeros(1, 4, 6)
    with pytest.raises(ParameterError, match="'sum' or 'mean'"):
        motion_loss(exp, pose, exp, pose, smoothness="max")
    with pytest.raises(ShapeError, match="exp"):
        motion_loss(exp, pose, exp[:, :3], pose)


# data


def test_a_clip_of_any_rate_comes_to_the_same_grid():
    audio = np.random.default_rng(0).normal(size=16000 * 3).astype(np.float32) * 0.1
    tracks = []
    for fps in (50.0, 11.94):
        times = np.arange(int(2.9 * fps)) / fps
        wave = np.sin(2 * np.pi * 0.7 * times)[:, None]
        tracks.append(make_track(audio, times, wave * np.ones(64), 0.1 * wave * np.ones(6)))
    n = min(map(len, tracks))
    assert np.allclose(tracks[0].times[:n], 0.04 * np.arange(n))
    assert np.array_equal(tracks[0].windows[:n], tracks[1].windows[:n])
    assert np.abs(tracks[0].exp[:n] - tracks[1].exp[:n]).max() < 0.03


def test_bridged_frames_are_not_valid():
    audio, times = np.ones(16000 * 2, np.float32), np.arange(50) / 25
    gap = np.zeros(50, bool)
    gap[20:25] = True
    track = make_track(audio, times, np.zeros((50, 64)), np.zeros((50, 6)), gap)
    assert np.array_equal(~track.valid, gap)


@pytest.mark.parametrize(
    "n_frames, bad, words",
    [(5, False, "too few"), (1, False, "too few"), (50, True, "exp has NaN")],
)
def test_bad_clips(n_frames, bad, words):
    exp = np.full((n_frames, 64), np.nan if bad else 0.0)
    with pytest.raises(InputError, match=words):
        make_track(np.ones(32000), np.arange(n_frames) / 25, exp, np.zeros((n_frames, 6)))


def test_features_of_another_rate_are_refused():
    track = toy_track(20)
    with pytest.raises(InputError, match="33 ms apart, not 40"):
        replace(track, times=np.arange(20) / 30)


def test_resample_is_exact_on_lines_and_holds_the_ends():
    values = np.stack([np.arange(5.0), -2 * np.arange(5.0)], 1)
    out = resample(values, np.arange(5) * 0.1, np.array([-1.0, 0.05, 0.33, 9.0]))
    assert np.allclose(out, [[0, 0], [0.5, -1], [3.3, -6.6], [4, -8]], atol=1e-6)


def test_statistics_are_taken_around_each_speaker_s_own_mean():
    tracks = [toy_track(shift=s, speaker=n) for n, s in (("a", -5.0), ("b", 5.0))]
    norm, alone = measure_normalisation(tracks), measure_normalisation(tracks[:1])
    assert np.allclose(norm.exp_std, alone.exp_std, rtol=1e-4)
    assert norm.exp_mean[0] == pytest.approx(alone.exp_mean[0] + 5, abs=1e-3)
    a, b = prepare(tracks, norm, "track", 0.0)
    assert torch.allclose(a.exp, b.exp, atol=1e-4)


def test_sequences_keep_out_of_the_validation_part():
    data = prepare([toy_track(100)], measure_normalisation([toy_track(100)]), "track", 0.2)
    starts = sequence_starts(data, 16)
    assert starts[:, 1].max() + 16 == 80 and data[0].check == slice(80, 100)


@pytest.mark.parametrize("end", [0.2, 0.4, 0.6, 1.0])
def test_a_validation_part_may_lie_anywhere(end):
    track = toy_track(100)
    data = prepare([track], measure_normalisation([track]), "track", 0.2, end)
    stop = round(100 * end)
    assert data[0].check == slice(stop - 20, stop)
    taken = np.zeros(100, int)
    for _, first in sequence_starts(data, 16):
        taken[first : first + 16] += 1
    assert not taken[stop - 20 : stop].any()
    assert (np.flatnonzero(taken) == np.flatnonzero(data[0].learn)).all()
    pieces = known_part(track, 0.2, end)
    assert sum(len(p) for p in pieces) == 80 and len(pieces) == (1 if end in (0.2, 1.0) else 2)


@pytest.mark.slow
def test_the_validation_part_does_not_enter_the_statistics():
    track = toy_track(100)
    other = replace(track, exp=track.exp.copy())
    other.exp[80:] += 100
    a, _ = train_motion([track], TINY, settings=replace(FAST, epochs=1))
    b, _ = train_motion([other], TINY, settings=replace(FAST, epochs=1))
    assert np.array_equal(a.norm.exp_mean, b.norm.exp_mean)


# the loop


@pytest.mark.slow
def test_it_learns_what_the_sound_decides():
    track = toy_track(200)
    settings = replace(
        FAST, epochs=30, sequences_per_epoch=16, lr=2e-2, out_epochs=0, patience=60, batch=4
    )
    weights, history = train_motion([track], TINY, settings=settings)
    exp, _ = predict_windows(weights, track.windows)
    assert explained_variance(exp[:160], track.exp[:160]) > 0.7
    assert history[-1]["exp"] < 0.3 * history[1]["exp"]
    assert weights.card["validation"] == min(h["validation"] for h in history)


def test_same_seed_same_weights_and_another_seed_others():
    runs = [
        train_motion([toy_track()], TINY, settings=replace(FAST, seed=s))[0].net for s in (0, 0, 1)
    ]
    assert same(runs[0], runs[1]) and not same(runs[0], runs[2])


@pytest.mark.slow
def test_resuming_equals_not_stopping(tmp_path):
    config = replace(TINY, dropout=0.3)
    whole, history = train_motion([toy_track()], config, settings=FAST)
    path = tmp_path / "motion.pt"

    def stop(done, total, text):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_motion([toy_track()], config, settings=FAST, checkpoint=path, progress=stop)
    assert path.is_file()
    seen = []
    resumed, again = train_motion(
        [toy_track()], config, settings=FAST, checkpoint=path,
        progress=lambda done, *_: seen.append(done),
    )  # fmt: skip
    assert seen == [3, 4] and again == history and same(whole.net, resumed.net)
    seen.clear()
    once_more, _ = train_motion([toy_track()], config, settings=FAST, checkpoint=path)
    assert not seen and same(whole.net, once_more.net)


def test_a_checkpoint_of_another_training_is_not_taken(tmp_path):
    path = tmp_path / "motion.pt"

    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_motion([toy_track(seed=3)], TINY, settings=FAST, checkpoint=path, progress=stop)
    seen = []
    train_motion(
        [toy_track()], TINY, settings=FAST, checkpoint=path,
        progress=lambda done, *_: seen.append(done),
    )  # fmt: skip
    assert seen == [1, 2, 3, 4]


@pytest.mark.slow
def test_fine_tuning_never_ends_worse_than_it_starts():
    """Noise cannot be learned: the best epoch is then the start, and it stops early."""
    general, _ = train_motion([toy_track(200)], TINY, settings=replace(FAST, epochs=20))
    noise = toy_track(100, seed=5)
    noise = replace(noise, exp=np.random.default_rng(0).normal(size=(100, 64)).astype(np.float32))
    settings = replace(FAST, epochs=30, patience=3, lr=3e-2)
    weights, history = train_motion([noise], start=general, settings=settings)
    assert weights.card["validation"] <= weights.card["validation_at_start"]
    assert len(history) - 1 - weights.card["best_epoch"] <= 3


def test_only_the_output_layer_learns_at_first():
    general, _ = train_motion([toy_track()], TINY, settings=FAST)
    settings = replace(FAST, epochs=2, out_epochs=2, validation_share=0.0)
    tuned, _ = train_motion([toy_track(seed=2)], start=general, settings=settings)
    before, after = general.net.state_dict(), tuned.net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"out.weight", "out.bias"}


@pytest.mark.slow
def test_a_personal_mapping_moves_in_the_person_s_range_at_once():
    crowd = [toy_track(200, seed, speaker=str(seed)) for seed in range(4)]
    settings = replace(FAST, epochs=25, sequences_per_epoch=16, out_epochs=0, lr=2e-2)
    general, _ = train_motion(crowd, TINY, settings=settings)
    person = toy_track(100, seed=7, speaker="b", shift=4.0, scale=3.0)
    settings = replace(FAST, epochs=0)
    personal, _ = train_motion([person], start=general, settings=settings)
    exp, _ = predict_windows(personal, person.windows)
    assert (
        explained_variance(exp, person.exp)
        > 0.5
        > explained_variance(predict_windows(general, person.windows)[0], person.exp)
    )


@pytest.mark.slow
def test_predicted_poses_lie_around_the_resting_pose():
    """One long turn drags the mean; the median and the deviation are the person's own."""
    track = toy_track(200)
    pose = track.pose.copy()
    pose[150:170] += 2.0
    settings = replace(FAST, epochs=20, sequences_per_epoch=16, out_epochs=0, lr=2e-2)
    track = replace(track, pose=pose)
    weights, _ = train_motion([track], TINY, settings=replace(settings, validation_share=0))
    _, predicted = predict_windows(weights, track.windows)
    assert np.allclose(np.median(predicted, 0), np.median(pose, 0), atol=0.02)
    assert (predicted.std(0) <= 1.01 * pose.std(0)).all()


# the personal mapping


def test_every_frame_is_in_the_validation_part_of_one_fold():
    folds = [FAST.fold(k, 5) for k in range(5)]
    masks = [learn_mask(100, fold.validation_share, fold.validation_end) for fold in folds]
    assert (np.sum(masks, 0) == 4).all()
    assert [fold.seed for fold in folds] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("folds", [2, 3, 5, 7])
def test_the_folds_of_any_track_adjoin_one_another(folds):
    for n in range(60, 120):
        held = [~learn_mask(n, 1 / folds, (k + 1) / folds) for k in range(folds)]
        assert (np.sum(held, 0) == 1).all(), n


@pytest.fixture(scope="module")
def general():
    crowd = [toy_track(200, seed, speaker=str(seed)) for seed in range(3)]
    settings = replace(FAST, epochs=8, sequences_per_epoch=16, out_epochs=0, lr=1e-2)
    return train_motion(crowd, replace(TINY, direct=True), settings=settings)[0]


@pytest.mark.slow
def test_the_average_of_a_network_with_itself_is_itself(general):
    assert same(average([general.net, general.net]), general.net)
    other = average([general.net])
    with torch.no_grad():
        other.out.bias += 1
    assert torch.allclose(average([general.net, other]).out.bias, general.net.out.bias + 0.5)


@pytest.mark.slow
def test_fine_tuning_on_all_parts_helps_a_person_and_says_what_it_did(general):
    person = toy_track(150, seed=9, speaker="b", shift=2.0, scale=2.0)
    start = train_motion([person], general, settings=replace(FAST, epochs=0))[0]
    before, told = explained_variance(predict_windows(start, person.windows)[0], person.exp), []
    settings = replace(FAST, epochs=6, sequences_per_epoch=8, out_epochs=0, folds=3)
    weights, histories = train_personal(
        person, general, settings, progress=lambda *a: told.append(a)
    )
    after = explained_variance(predict_windows(weights, person.windows)[0], person.exp)
    assert after > before
    card = weights.card
    assert len(histories) == 3 == card["folds"] and weights.linear is None
    means = np.mean([[entry["validation"] for entry in fold] for fold in histories], 0)
    assert card["best_epoch"] == means.argmin() > 0
    assert np.mean(card["validation"]) == pytest.approx(means.min())
    assert told[-1][:2] == (6, 6)


@pytest.mark.slow
def test_a_stopped_personal_training_goes_on(tmp_path, general):
    person, calls = toy_track(120, seed=9), []
    settings = replace(FAST, epochs=2, sequences_per_epoch=4, folds=2)
    whole, _ = train_personal(person, general, settings)

    def stop(done, total, text):
        calls.append(done)
        if len(calls) == 1:
            raise KeyboardInterrupt

    common = {"settings": settings, "checkpoint": tmp_path / "motion.pt"}
    with pytest.raises(KeyboardInterrupt):
        train_personal(person, general, progress=stop, **common)
    resumed, _ = train_personal(person, general, progress=lambda *a: calls.append(a[0]), **common)
    assert calls == [1, 2] and same(whole.net, resumed.net)
    assert not list(tmp_path.iterdir())


def test_too_short_for_a_sequence():
    with pytest.raises(InputError, match="sequence needs 16"):
        train_motion([toy_track(18)], TINY, settings=FAST)
    split = replace(FAST, validation_share=0.2, validation_end=0.6)
    with pytest.raises(InputError, match="part has 12 frames at 25 Hz, a sequence needs 16"):
        train_motion([toy_track(30)], TINY, settings=split)


def test_a_short_track_has_shorter_sequences(general):
    assert fitting_settings(TrainSettings(), 80, 5).sequence_frames == 32
    assert fitting_settings(TrainSettings(), 62, 5).sequence_frames == 25
    assert fitting_settings(TrainSettings(), 62, 0).sequence_frames == 32
    assert fitting_settings(TrainSettings(), 9, 5).sequence_frames == 16
    short = replace(FAST, epochs=1, sequences_per_epoch=4, sequence_frames=32)
    weights, _ = train_personal(toy_track(62, seed=9), general, short)
    assert weights.card["settings"]["sequence_frames"] == 25
