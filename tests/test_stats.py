"""App. A: known truths, the nulls, and the trap of temporal neighbours."""

import csv
from dataclasses import replace

import numpy as np
import pytest
from scipy.signal import lfilter

from tfhkit.audio import correlate, feature_vectors, motion_series
from tfhkit.errors import InputError, ParameterError
from tfhkit.maths import frame_step
from tfhkit.media import write_table
from tfhkit.stats import (
    COLUMNS,
    PairSettings,
    block_weights,
    circular_shifts,
    corrected_p_values,
    correlation_interval,
    lagged_correlation,
    mean_interval,
    p_value,
    pair_correlation,
    pair_distances,
    phase_randomised,
    tidy_rows,
)

FAST = {"n_null": 50, "n_bootstrap": 50}


def slow_track(n_frames, channels, memory, seed):
    """A random track whose values hang together over `memory` frames; unit variance."""
    rng = np.random.default_rng(seed)
    kernel = np.exp(-0.5 * (np.arange(-4 * memory, 4 * memory + 1) / memory) ** 2)
    noise = rng.standard_normal((n_frames + len(kernel) - 1, channels))
    track = np.stack([np.convolve(c, kernel, "valid") for c in noise.T], 1)
    return (track - track.mean(0)) / track.std(0)


def by_hand(features, angles_rad, times, radius, min_gap_s):
    """The stated definition with two loops."""
    angles, sound, pose = np.degrees(angles_rad), [], []
    for i in range(len(features)):
        for j in range(len(features)):
            near = np.linalg.norm(features[i] - features[j]) <= radius * np.linalg.norm(features[i])
            if i != j and near and abs(times[i] - times[j]) >= min_gap_s:
                sound.append(np.linalg.norm(features[i] - features[j]))
                pose.append(np.linalg.norm(angles[i] - angles[j]))
    return np.corrcoef(sound, pose)[0, 1], len(sound)


def test_equals_two_loops():
    features, angles = slow_track(80, 6, 3, 0) + 2, 0.1 * slow_track(80, 3, 5, 1)
    times = np.arange(80) / 25
    result = pair_correlation(features, angles, times, PairSettings(**FAST))
    r, pairs = by_hand(features, angles, times, 0.5, 0)
    assert result.n_pairs == pairs > 100
    assert result.r == pytest.approx(r, abs=1e-9)
    _, _, sound, pose = pair_distances(features, angles, times)
    assert np.corrcoef(sound, pose)[0, 1] == pytest.approx(r, abs=1e-9)


def test_per_anchor_is_the_mean_of_the_anchors():
    features, angles = slow_track(60, 6, 3, 0) + 2, 0.1 * slow_track(60, 3, 5, 1)
    times = np.arange(60) / 25
    anchor, _, sound, pose = pair_distances(features, angles, times)
    own = [
        np.corrcoef(sound[anchor == i], pose[anchor == i])[0, 1]
        for i in range(60)
        if (anchor == i).sum() >= 3
    ]
    result = pair_correlation(features, angles, times, PairSettings(pooling="per_anchor", **FAST))
    assert result.r == pytest.approx(np.mean(own), abs=1e-9)


def test_pose_that_is_a_copy_of_the_sound():
    features = slow_track(300, 3, 4, 0) + 3
    times = np.arange(300) / 25
    result = pair_correlation(features, np.radians(features), times, PairSettings(radius=2, **FAST))
    assert result.r == pytest.approx(1)
    assert result.interval == pytest.approx((1, 1))
    assert result.p_shift == pytest.approx(1 / 51) and result.p_phase == pytest.approx(1 / 51)


def test_neighbours_in_time_make_a_correlation_out_of_nothing():
    """Independent slow tracks: the stated definition is large, and as large when shifted."""
    plain, shifted, apart, p = [], [], [], []
    for seed in range(12):
        features = slow_track(300, 12, 6, 100 + seed) + 2.0
        angles = 0.1 * slow_track(300, 3, 20, 200 + seed)
        times = np.arange(300) / 25
        settings = PairSettings(radius=0.8, n_null=40, n_bootstrap=0)
        stated = pair_correlation(features, angles, times, settings)
        strict = pair_correlation(features, angles, times, replace(settings, min_gap_s=1.0))
        plain.append(stated.r)
        shifted.append(stated.shift_null.mean())
        apart.append(strict.r)
        p.append(strict.p_shift)
    assert np.mean(plain) > 0.25 and abs(np.mean(plain) - np.mean(shifted)) < 0.08
    assert abs(np.mean(apart)) < 0.08
    assert np.mean(np.array(p) < 0.05) <= 0.25  # no more than chance allows


def test_a_real_tie_is_seen_without_neighbours():
    features = slow_track(300, 12, 6, 1) + 2.0
    angles = 0.1 * (features[:, :3] - 2 + 0.3 * slow_track(300, 3, 20, 2))
    times = np.arange(300) / 25
    result = pair_correlation(
        features, angles, times, PairSettings(radius=0.8, min_gap_s=1.0, **FAST)
    )
    assert result.r > 0.15 and result.p_shift < 0.05
    assert result.interval[0] < result.r < result.interval[1]


def test_no_pairs_is_nan_not_an_error():
    features = np.eye(120) * 5  # every two are farther apart than half their norm
    result = pair_correlation(
        features, np.zeros((120, 3)), np.arange(120) / 25, PairSettings(**FAST)
    )
    assert result.n_pairs == 0 and np.isnan(result.r) and np.isnan(result.p_shift)


@pytest.mark.slow
def test_report_has_the_keys_and_is_repeatable():
    rng = np.random.default_rng(0)
    audio = 0.1 * rng.standard_normal(16000 * 6).astype(np.float32)
    audio *= 1 + np.sin(np.arange(len(audio)) / 3000)
    times, angles = np.arange(140) / 25, 0.1 * slow_track(140, 3, 10, 3)
    settings = PairSettings(min_gap_s=1.0, **FAST)
    first = correlate(audio, angles, times, settings=settings)
    told = []
    say = lambda *words: told.append(words[:2])  # noqa: E731
    second = correlate(audio, angles, times, settings=settings, progress=say)
    assert told == [(k, 16) for k in range(1, 17)]
    assert first.summary() == second.summary()
    wanted = {"paper_r", "paper_pairs", "shift_null_mean", "shift_null_std", "no_neighbours_r"}
    assert wanted | {"p_value"} <= set(first.summary())
    rows = first.rows()
    assert len(rows) == 16 and len({tuple(sorted(row)) for row in rows}) == 1
    assert len({(r["sound"], r["feature"], r["pooling"], r["min_gap_s"]) for r in rows}) == 16


def test_lag_is_found_and_its_sign_is_right():
    times = np.arange(400) / 25
    sound = slow_track(400, 1, 4, 0)[:, 0]
    later = np.roll(sound, 10)  # the head comes 0.4 s after the sound
    other = slow_track(400, 1, 4, 9)[:, 0]
    result = lagged_correlation({"s": sound}, {"later": later, "other": other}, times)
    assert result.r.shape == (1, 2, 51)
    assert result.best_lag_s[0, 0] == pytest.approx(0.4)
    assert result.best_r[0, 0] > 0.95 > result.chance_95
    assert result.p_corrected[0, 0] < 0.01 < result.p_corrected[0, 1]
    assert result.interval[0, 0, 0] > 0.9
    assert [row["motion"] for row in result.rows()] == ["later", "other"]


@pytest.mark.slow
def test_family_wise_correction_holds():
    """Twelve unrelated sounds: some are 'significant' alone, hardly ever after correction."""
    false = 0
    for seed in range(10):
        track = slow_track(300, 13, 5, seed)
        sounds = {str(i): track[:, i] for i in range(12)}
        result = lagged_correlation(sounds, {"m": track[:, 12]}, np.arange(300) / 25, n_bootstrap=2)
        assert (result.p_corrected >= result.p_single).all()
        false += (result.p_corrected < 0.05).any()
    assert false <= 2


def autoregressive(n_frames, channels, memory, rng):
    """AR(1) tracks (T, C): each value is `memory` times the one before, and noise."""
    noise = rng.standard_normal((n_frames + 100, channels))
    return lfilter([1], [1, -memory], noise, axis=0)[100:]


@pytest.mark.slow
def test_unrelated_tracks_give_even_p_values():
    """False positives of both tests near their level, and p even between 0 and 1."""
    rng, times = np.random.default_rng(5), np.arange(150) / 12.5
    pairs, lags = [], []
    for _ in range(150):
        sound, head = autoregressive(150, 6, 0.8, rng), autoregressive(150, 3, 0.9, rng)
        few = {"radius": 0.9, "min_gap_s": 1.0, "n_null": 39, "n_phase": 0, "n_bootstrap": 0}
        pairs.append(pair_correlation(sound + 2, head, times, PairSettings(**few)).p_shift)
        named = {"s": sound[:, 0], "t": sound[:, 1]}, {"m": head[:, 0], "n": head[:, 1]}
        few = {"max_lag_s": 0.5, "n_null": 39, "n_bootstrap": 0}
        lags.append(lagged_correlation(*named, times, **few).p_corrected.min())
    for p in (np.array(pairs), np.array(lags)):
        assert (p <= 0.05 + 1e-9).mean() < 0.12  # 0.05 expected, 0.02 its deviation
        # of the family the smallest p is even; the grid of 40 values is coarse
        assert abs(p.mean() - 0.5) < 0.09 and abs((p < 0.5).mean() - 0.5) < 0.13


def test_pose_behind_the_sound_is_found_at_its_lag():
    features = slow_track(300, 12, 6, 1) + 2.0
    angles = np.roll(0.1 * (features[:, :3] - 2), 10, axis=0)  # 0.4 s later
    times, options = np.arange(300) / 25, {"radius": 0.8, "min_gap_s": 1.0, **FAST}
    at = {
        lag: pair_correlation(features, angles, times, PairSettings(lag_s=lag, **options))
        for lag in (0, 0.4)
    }
    assert at[0.4].p_shift == pytest.approx(1 / 51) and at[0.4].r > 0.2 > abs(at[0].r)
    still = pair_correlation(features, np.roll(angles, -10, axis=0), times, PairSettings(**options))
    assert at[0.4].r == pytest.approx(still.r)
    assert at[0.4].row()["lag_s"] == 0.4


def test_corrected_p_values():
    rng = np.random.default_rng(0)
    null = rng.standard_normal(99)
    alone = corrected_p_values([1.5], [null])
    np.testing.assert_allclose(alone, p_value(1.5, null))
    # The same estimate four times, in other units, costs nothing.
    same = corrected_p_values([1.5, 15, 0.15, 2.5], [null, 10 * null, null / 10, null + 1])
    np.testing.assert_allclose(same, alone.repeat(4))
    # Unlike estimates cost about as many times as there are.
    many = corrected_p_values(np.full(20, 2.5), rng.standard_normal((20, 999)))
    assert 0.05 < many.mean() < 0.25
    mixed = corrected_p_values([np.nan, 1.5], [np.full(99, np.nan), null])
    assert np.isnan(mixed[0]) and mixed[1] == pytest.approx(alone[0])
    assert np.isnan(corrected_p_values([1.0], np.zeros((1, 0)))).all()


@pytest.mark.slow
def test_tidy_table(tmp_path):
    rng = np.random.default_rng(0)
    audio = (0.1 * rng.standard_normal(16000 * 6)).astype(np.float32)
    times, angles = np.arange(140) / 25, 0.1 * slow_track(140, 1, 10, 3)
    report = correlate(
        audio,
        angles,
        times,
        settings=PairSettings(radius=0.9, min_gap_s=1.0, **FAST),
        motion="yaw",
    )
    assert (np.nan_to_num(report.p_corrected()) >= 0).all() and report.paper.radius == 0.9
    lagged = lagged_correlation({"s": slow_track(140, 1, 4, 0)[:, 0]}, {"m": angles[:, 0]}, times)
    rows = tidy_rows(report, lagged)
    assert len(rows) == 17 and all(list(row) == COLUMNS for row in rows)
    assert {row["motion"] for row in rows} == {"yaw", "m"} and rows[-1]["radius"] is None
    for row in rows[:16]:
        assert np.isnan(row["p"]) or row["p_corrected"] >= row["p"] - 0.021
    write_table(tmp_path / "new" / "t.csv", rows)
    with open(tmp_path / "new" / "t.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert float(read[0]["r"]) == pytest.approx(rows[0]["r"], rel=1e-6) and read[-1]["radius"] == ""
    assert not any("nan" in row.values() for row in read)
    with pytest.raises(InputError, match="is not named .csv"):
        write_table(tmp_path / "t.txt", rows)
    (tmp_path / "d.csv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        write_table(tmp_path / "d.csv", rows)


def test_constant_series_correlates_with_nothing():
    times = np.arange(300) / 25
    result = lagged_correlation(
        {"c": np.full(300, 7.0)}, {"m": slow_track(300, 1, 5, 0)[:, 0]}, times
    )
    assert not result.r.any() and result.p_corrected[0, 0] == 1


def test_motion_series_units():
    times = np.arange(50) / 25
    angles = np.radians(np.stack([10 * times, np.zeros(50), -5 * times], 1))
    series = motion_series(angles, times)
    np.testing.assert_allclose(series["|pitch speed| (deg/s)"], 10)
    np.testing.assert_allclose(series["head speed (deg/s)"], np.hypot(10, 5))


def test_prosody_of_a_known_tone():
    from tfhkit.audio import prosody

    t = np.arange(2 * 16000) / 16000
    half = 2 * np.pi * np.where(t < 1, 200 * t, 200 + 400 * (t - 1))
    audio = (0.2 * (np.sin(half) + 0.5 * np.sin(2 * half))).astype(np.float32)
    audio[24000:] *= 0.1
    voice = prosody(audio, np.array([0.3, 0.6, 1.25, 1.8]))
    assert voice.voiced.all()
    np.testing.assert_allclose(voice.pitch_st[2] - voice.pitch_st[0], 12, atol=0.2)
    np.testing.assert_allclose(voice.energy_db[2] - voice.energy_db[3], 20, atol=0.3)


def test_surrogates_keep_what_they_should():
    track = slow_track(101, 2, 5, 0)
    fake = phase_randomised(track, 3, seed=1)
    assert fake.shape == (3, 101, 2)
    power = np.abs(np.fft.rfft(track, axis=0))
    np.testing.assert_allclose(
        np.abs(np.fft.rfft(fake, axis=1)), power[None].repeat(3, 0), atol=1e-6
    )
    cross = np.corrcoef(track.T)[0, 1]
    np.testing.assert_allclose([np.corrcoef(f.T)[0, 1] for f in fake], cross, atol=1e-6)
    shifts = circular_shifts(np.arange(100) / 25, 500, min_shift_s=1.0)
    assert shifts.min() == 25 and shifts.max() == 75 and len(set(shifts)) == len(shifts) == 51


def test_block_weights_draw_blocks():
    weights = block_weights(np.arange(100) / 25, 40, block_s=1.0)
    assert weights.shape == (40, 100) and (weights.sum(1) == 100).all()
    changes = (np.diff(weights, axis=1) != 0).sum(1)
    assert changes.max() <= 2 * 4 + 1  # four blocks have eight ends


def test_p_value_is_never_zero():
    assert p_value(5.0, np.arange(4.0)) == pytest.approx(0.2)
    assert p_value(0.0, np.array([1.0, np.nan])) == pytest.approx(1.0)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: circular_shifts(np.arange(20) / 25), "too short for shifts of 1.0 s"),
        (lambda: frame_step(np.array([0.0])), "at least two frames"),
        (lambda: frame_step(np.array([1.0, 0.5, 0.2])), "do not increase"),
        (lambda: feature_vectors(np.zeros((3, 28, 12)), "mean"), "unknown feature 'mean'"),
        (
            lambda: pair_correlation(
                np.ones((90, 4)), np.full((90, 3), np.nan), np.arange(90) / 25
            ),
            "angles_rad: contains NaN",
        ),
        (
            lambda: pair_correlation(
                np.ones((90, 4)), np.ones((90, 3)), np.arange(90) / 25, PairSettings(pooling="all")
            ),
            "unknown 'all'",
        ),
        (
            lambda: pair_correlation(
                np.ones((90, 4)), np.ones((90, 3)), np.arange(90) / 25, PairSettings(radius=0)
            ),
            "radius: must be positive",
        ),
        (
            lambda: lagged_correlation({"s": np.ones(60)}, {"m": np.ones(60)}, np.arange(60) / 25),
            "too short for lags of 1.0 s",
        ),
        (
            lambda: lagged_correlation(
                {"s": np.full(300, np.nan)}, {"m": np.ones(300)}, np.arange(300) / 25
            ),
            "s: contains NaN",
        ),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises((InputError, ParameterError), match=words):
        call()


def test_an_interval_of_a_difference_holds_the_truth_and_knows_pairs():
    rng = np.random.default_rng(0)
    times = np.arange(600) / 25
    common = np.convolve(rng.normal(0, 5, 620), np.ones(21) / 21, "valid")
    a, b = common + 1 + rng.normal(0, 0.2, 600), common + rng.normal(0, 0.2, 600)
    low, high = mean_interval(a - b, times)
    assert low < 1 < high and high - low < 0.1  # the common rise and fall cancels
    assert mean_interval(np.full(600, 2.0), times) == pytest.approx([2, 2])
    assert mean_interval(b - a, times) == pytest.approx([-high, -low])


def test_an_interval_holds_the_correlation_and_narrows_with_time():
    rng = np.random.default_rng(0)
    a = rng.normal(size=2000)
    b = a + rng.normal(size=2000)
    times = np.arange(2000) / 25
    few = correlation_interval(a[:200], b[:200], times[:200])
    many = correlation_interval(a, b, times)
    assert many[0] < np.sqrt(0.5) < many[1]
    assert many[1] - many[0] < 0.6 * (few[1] - few[0])
