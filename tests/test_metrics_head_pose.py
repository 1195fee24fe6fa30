"""HS (Eq. 6): properties, calibration, what it cannot see, and the scores that can."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import norm, wasserstein_distance, wilcoxon

from tfhkit import cli
from tfhkit.assets import fetch
from tfhkit.cli.hs import compare_heads
from tfhkit.coefficients import Coefficients, write_mat
from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.fit import Fit
from tfhkit.media import open_clip, write_video
from tfhkit.metrics import (
    auc,
    calibration,
    coupling_similarity,
    degrees_for,
    head_pose_report,
    head_pose_score,
    hs,
    inject,
    same_and_different,
    spectrum_similarity,
    speed_hs,
    speed_ratio,
)
from tfhkit.metrics.intervals import HsSettings, hs_intervals
from tfhkit.metrics.tracks import read_track, split_part

SEEDS = st.integers(0, 10**6)


def head(n_frames=200, seed=0, scale_deg=6.0, fps=25.0, rate_hz=0.6):
    """A nodding, turning head in radians; all frequencies around `rate_hz`."""
    rng = np.random.default_rng(seed)
    t = np.arange(n_frames) / fps
    rates = rate_hz * rng.uniform(0.3, 2.0, (6, 3))
    phases = rng.uniform(0, 2 * np.pi, (6, 3))
    waves = np.sin(2 * np.pi * rates * t[:, None, None] + phases)
    return np.radians(scale_deg * waves.mean(1) * 2)


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(8, 300), st.floats(0.01, 40))
def test_itself_is_one(seed, n_frames, scale_deg):
    track = head(n_frames, seed, scale_deg)
    assert hs(track, track) == pytest.approx(1)
    assert hs(track, track[::-1]) == pytest.approx(1)


@settings(max_examples=25, deadline=None)
@given(SEEDS, SEEDS, st.floats(0.1, 30), st.sampled_from(["real", "real95", "both", 180.0]))
def test_range_and_parts(first, second, scale_deg, span):
    real, generated = head(120, first), head(90, second, scale_deg)
    score = head_pose_score(real, generated, span)
    assert 0 <= score.hs <= 1
    assert score.hs == pytest.approx(np.mean(1 - np.minimum(1, score.w1_deg / score.span_deg)))
    assert hs(generated, real, "both") == pytest.approx(hs(real, generated, "both"))


@settings(max_examples=25, deadline=None)
@given(SEEDS, SEEDS)
def test_histogram_is_within_a_bin_of_the_samples(first, second):
    real, generated = head(150, first), head(110, second)
    exact = [
        wasserstein_distance(a, b) for a, b in zip(np.degrees(real).T, np.degrees(generated).T)
    ]
    score = head_pose_score(real, generated)
    bin_deg = np.ptp(np.degrees(np.concatenate([real, generated])), axis=0) / 64
    assert (np.abs(score.w1_deg - exact) <= bin_deg).all()
    np.testing.assert_allclose(head_pose_score(real, generated, n_bins=None).w1_deg, exact)


def test_known_offset():
    real = head()
    moved = real + np.radians([3.0, 0, 0])
    score = head_pose_score(real, moved, n_bins=None)
    np.testing.assert_allclose(score.w1_deg, [3, 0, 0], atol=1e-6)
    np.testing.assert_allclose(score.span_deg, np.ptp(np.degrees(real), axis=0))
    assert score.hs == pytest.approx(1 - 3 / score.span_deg[0] / 3)


def test_every_injected_error_lowers_it():
    real, rng = head(), np.random.default_rng(0)
    noise = rng.standard_normal(real.shape)
    for make in (
        lambda deg: real + np.radians(deg),
        lambda deg: real * (1 + deg / 5),
        lambda deg: real + np.radians(deg) * noise,
    ):
        values = [hs(real, make(deg)) for deg in (0, 1, 3, 9)]
        assert values[0] == pytest.approx(1) and (np.diff(values) < -0.005).all()


def test_the_normalisation_decides():
    real = head()
    frozen = np.repeat(real.mean(0, keepdims=True), len(real), axis=0)
    assert hs(real, frozen, 180.0) > 0.97 > 0.9 > hs(real, frozen)


def test_a_glance_aside_widens_the_range_but_not_the_central_range():
    real = head()
    glance = real.copy()
    glance[:4] += np.radians(60)  # 2 % of the frames
    spans = {span: head_pose_score(glance, real, span).span_deg for span in ("real", "real95")}
    assert (spans["real"] > 60).all() and (spans["real95"] < 30).all()
    central = np.percentile(np.degrees(real), [2.5, 97.5], axis=0)
    np.testing.assert_allclose(head_pose_score(real, real, "real95").span_deg, np.ptp(central, 0))


def test_a_still_clip_does_not_divide_by_zero():
    still = np.zeros((50, 3))
    assert hs(still, still) == 1
    assert hs(still, still + np.radians(0.5), n_bins=None) == pytest.approx(0.5)


def test_time_is_not_seen_by_hs_but_by_its_companions():
    real = head(250)
    shuffled = np.random.default_rng(0).permutation(real)
    assert hs(real, shuffled) == pytest.approx(1)
    assert speed_hs(real, shuffled, 0.04, 0.04) < 0.5 < speed_hs(real, real, 0.04, 0.04)
    slow, fast = head(250, rate_hz=0.4), head(250, rate_hz=1.6)
    spectra = [spectrum_similarity(slow, other, 0.04, 0.04) for other in (slow, fast, shuffled)]
    assert spectra[0] == pytest.approx(1) and spectra[0] > spectra[1] > spectra[2]


def test_a_head_in_slow_motion_has_hs_1_and_gives_itself_away_by_speed():
    real = head(400)
    slow = np.repeat(real, 2, axis=0) + 0.0
    slow[1:-1:2] = (slow[:-2:2] + slow[2::2]) / 2
    assert hs(real, slow) > 0.99 > 0.92 > speed_hs(real, slow, 0.04, 0.04)
    assert speed_ratio(real, slow, 0.04, 0.04) == pytest.approx(0.5, abs=0.02)
    assert speed_ratio(real, real * 0, 0.04, 0.04) == 0
    assert np.isnan(speed_ratio(real * 0, real, 0.04, 0.04))
    assert spectrum_similarity(real, slow, 0.04, 0.04) < 0.95


def test_angles_that_lost_each_other_have_hs_1_and_another_coupling():
    pitch = head(300)[:, 0]
    real = np.stack([pitch, pitch, -pitch], 1)  # who nods, turns and tilts
    apart = np.stack([np.roll(pitch, 70 * k) for k in range(3)], 1) * [1, 1, -1]
    assert hs(real, apart) == pytest.approx(1)
    assert coupling_similarity(real, real) == pytest.approx(1)
    # r is 1, -1, -1 in one and what it is in the other
    found = np.corrcoef(apart.T)[[0, 0, 1], [1, 2, 2]]
    expected = 1 - np.abs(found - [1, -1, -1]).mean() / 2
    assert coupling_similarity(real, apart) == pytest.approx(expected) and expected < 0.8
    still = np.zeros((50, 3))
    assert coupling_similarity(real, still) == 0 and coupling_similarity(still, still) == 1


def test_companions_do_not_depend_on_the_frame_rate():
    at_25, at_50 = head(250, fps=25.0), head(500, fps=50.0)
    assert speed_hs(at_25, at_50, 1 / 25, 1 / 50) > 0.97
    assert spectrum_similarity(at_25, at_50, 1 / 25, 1 / 50) > 0.97


def test_report_has_the_baselines():
    real, generated, times = head(250, 1), head(200, 1), np.arange(250) / 25
    report = head_pose_report(
        real, generated, times, times[:200], others={"another speaker": head(200, 7, 15)}
    )
    rows = {row["track"]: row for row in report.rows}
    assert report.score.hs == rows["generated"]["hs"] == hs(real, generated)
    assert report.interval[0] <= report.score.hs <= report.interval[1]
    assert report.interval[1] - report.interval[0] > 0.01
    low, high = report.above_frozen
    assert low <= report.score.hs - report.frozen <= high
    assert rows["real, shuffled"]["hs"] == pytest.approx(1)
    assert rows["still at the real mean (oracle)"]["spectrum"] == 0
    assert report.replay is None and not any("training" in name for name in rows)
    assert rows["another speaker"]["hs"] < report.score.hs
    assert 0 < report.skill < 1 and report.frozen < report.score.hs
    assert 0.5 < report.split_half < 1
    again = head_pose_report(real, generated, times, times[:200])
    assert again.interval == report.interval
    summary = report.summary()
    assert summary["hs_shuffled"] == pytest.approx(1) == summary["hs_shifted"]
    assert summary["frames"] == [250, 200] and len(summary["w1_deg"]) == 3
    assert summary["hs_split_half"] == report.split_half
    assert not {"hs_replay", "hs_frozen_training"} & set(summary)


def test_two_kinds_of_still_heads_and_a_replay():
    real, times = head(250, 1), np.arange(250) / 25
    training = head(300, 2) + np.radians([6.0, 0, 0])
    report = head_pose_report(real, head(250, 3), times, training_rad=training)
    rows = {row["track"]: row for row in report.rows}
    middle = np.degrees(training.mean(0))
    exact = [wasserstein_distance(a, [m]) for a, m in zip(np.degrees(real).T, middle)]
    expected = np.mean(1 - np.array(exact) / report.score.span_deg)
    assert report.frozen_training == pytest.approx(expected, abs=0.02)
    assert report.frozen_training < report.frozen  # the oracle knows the answer's mean
    assert report.replay == hs(real, training) == rows["replay of the training part"]["hs"]
    assert rows["still at the training mean"]["hs"] == report.frozen_training
    low, high = report.above_frozen_training
    assert low < report.score.hs - report.frozen_training < high
    assert {"hs_replay", "hs_frozen_training", "hs_minus_frozen_training_interval"} <= set(
        report.summary()
    )


def test_frozen_has_no_skill():
    real, times = head(250), np.arange(250) / 25
    still = np.repeat(real.mean(0, keepdims=True), 250, axis=0)
    assert head_pose_report(real, still, times).skill == pytest.approx(0, abs=1e-6)
    assert head_pose_report(real, real, times).skill == pytest.approx(1)


def test_a_head_that_does_not_move_leaves_the_skill_unknown(tmp_path, capsys):
    times = np.arange(50) / 25
    moving, still = head(50), np.zeros((50, 3))
    for real in (still, np.radians(0.3) * np.sin(np.arange(150).reshape(50, 3))):
        report = head_pose_report(real, moving, times)
        assert report.skill is None and report.summary()["hs_skill"] is None
    wide = head_pose_report(moving, still, times, settings=HsSettings(span=1e6))
    assert wide.skill == pytest.approx(
        head_pose_report(moving, still, times, settings=HsSettings(span=1e3)).skill
    )
    tables = [str(write_table(tmp_path / f"{name}.csv", angles, times))
              for name, angles in (("still", still), ("moving", moving))]  # fmt: skip
    assert cli.main(["hs", *tables, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hs_skill"] is None
    assert cli.main(["hs", *tables]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["hs_skill", "-"] in lines


def wander(rng, n_frames, memory_s, fps=25.0):
    """(T, 3) of unit variance that forgets itself after `memory_s` (an AR(1) process)."""
    keep = np.exp(-1 / fps / memory_s)
    n_before = int(10 * memory_s * fps)
    noise = rng.standard_normal((n_frames + n_before, 3)) * np.sqrt(1 - keep**2)
    return lfilter([1], [1, -keep], noise, axis=0)[n_before:]


MEAN_AWAY = norm.expect(abs)  # of a unit normal: its distance from a still head at its mean
LONG_W1 = {  # how the generated head differs, and W1 over an endless time
    "equal": (lambda track: track, 0.0),
    "offset": (lambda track: track + 1.0, 1.0),
    "narrow": (lambda track: track / 2, MEAN_AWAY / 2),
    "wide": (lambda track: track * 2, MEAN_AWAY),
}


def covered(kind, memory_s, n_pairs, n_frames=300):
    """How often the intervals of HS, and of HS above a still head, hold the endless tracks'."""
    change, w1 = LONG_W1[kind]
    rng, hits = np.random.default_rng(3), np.zeros(2)
    times = np.arange(n_frames) / 25
    for seed in range(n_pairs):
        real, generated = (4 * wander(rng, n_frames, memory_s) for _ in range(2))
        span = np.ptp(real, axis=0)
        interval, (above,) = hs_intervals(
            real, change(generated / 4) * 4, times, times, span, [None], HsSettings(seed=2 * seed)
        )
        truth = 1 - np.minimum(1, 4 * w1 / span).mean()
        still = 1 - np.minimum(1, 4 * MEAN_AWAY / span).mean()
        hits += interval[0] <= truth <= interval[1] + 1e-9, above[0] <= truth - still <= above[1]
    return hits / n_pairs


@pytest.mark.slow
def test_the_interval_holds_what_long_tracks_give():
    assert (covered("equal", 0.3, 60) >= 0.88).all()
    assert (covered("offset", 0.3, 60) >= 0.88).all()


@pytest.mark.slow
@pytest.mark.parametrize("memory_s", [0.3, 0.8])
@pytest.mark.parametrize("kind", list(LONG_W1))
def test_coverage_of_the_interval(kind, memory_s):
    assert (covered(kind, memory_s, 300) >= 0.91).all()


def test_the_interval_gets_narrower_with_time():
    rng = np.random.default_rng(0)
    widths = []
    for n_frames in (300, 3000):
        real, generated = 4 * wander(rng, n_frames, 0.3), 4 * wander(rng, n_frames, 0.3) + 4
        times = np.arange(n_frames) / 25
        (low, high), _ = hs_intervals(real, generated, times, times, np.full(3, 25.0))
        widths.append(high - low)
    assert widths[1] < 0.5 * widths[0]


def test_a_track_against_itself_is_not_certain():
    real, times = head(300), np.arange(300) / 25
    low, high = head_pose_report(real, real, times).interval
    assert 0.7 < low < 0.99 and high == 1


def test_calibration_knows_the_offset():
    real, amounts = head(), np.arange(0.0, 13.0)
    curves = calibration(real, amounts, n_bins=None)
    span = np.ptp(np.degrees(real), axis=0)
    expected = [np.mean(1 - np.minimum(1, amount / span)) for amount in amounts]
    np.testing.assert_allclose(curves["offset"], expected)
    needed = degrees_for(0.1, amounts, curves["offset"])
    assert needed == pytest.approx(0.1 / np.mean(1 / span), rel=1e-6)
    alone = calibration(real, amounts, "yaw", n_bins=None)
    assert (1 - alone["offset"][3]) == pytest.approx(3 / span[1] / 3)
    frozen = np.repeat(real.mean(0, keepdims=True), len(real), axis=0)
    assert curves["narrower"][-1] == pytest.approx(hs(real, frozen, n_bins=None))
    assert set(curves) == {"offset", "noise", "wider", "narrower"}
    assert all(curve[0] == pytest.approx(1) and curve[-1] < 0.9 for curve in curves.values())
    assert np.isnan(degrees_for(0.9, amounts, curves["narrower"]))


@pytest.mark.parametrize("kind, spread", [("wider", 3.0), ("narrower", 1.0)])
def test_injected_spread(kind, spread):
    real = inject(head(), "wider", 0.0)
    real = np.radians((real - real.mean(0)) / real.std(0) * 2)
    changed = np.degrees(inject(real, kind, 1.0, "roll"))
    np.testing.assert_allclose(changed.std(0), [2, 2, spread])


def test_people_are_told_apart_where_they_differ():
    rests = np.radians(np.arange(4)[:, None, None] * 8.0)
    people = np.stack([head(400, seed) for seed in range(4)]) + rests
    same, different = same_and_different(people, 200)
    assert same.shape == (4,) and different.shape == (4, 3)
    assert same[2] == hs(people[2, :200], people[2, 200:])
    assert different[2, 0] == hs(people[2, :200], people[0, 200:])
    assert auc(same, different) == 1
    centred = same_and_different(people, 200, centred=True)
    assert auc(*centred) < 1 and centred[1].mean() > different.mean()


def test_auc():
    assert auc([1, 2], [0, 0.5]) == 1 and auc([0], [1, 2]) == 0
    assert auc([1, 1], [1, 1]) == 0.5
    assert auc([3, 1], [2, 0]) == 0.75


def fit_like(angles):
    """What a tracker writes: (T, 257) with these angles."""
    vector = np.zeros((len(angles), 257), np.float32)
    vector[:, 224:227] = angles
    return Coefficients.from_vector(vector)


def write_table(path, angles, times, **changes):
    rows = [[f"{v:.9f}" for v in (t, *np.degrees(a))] for t, a in zip(times, angles)]
    for name, (row, value) in changes.items():
        rows[row]["time pitch yaw roll".split().index(name)] = value
    path.write_text("\n".join(",".join(r) for r in [["time", "pitch", "yaw", "roll"], *rows]))
    return path


def test_tracks_from_files(tmp_path):
    angles, times = head(50), np.arange(50) / 30
    table = read_track(write_table(tmp_path / "a.csv", angles, times))
    np.testing.assert_allclose(table.angles_rad, angles, atol=1e-8)
    np.testing.assert_allclose(table.times, times, atol=1e-8)
    write_mat(tmp_path / "b.mat", fit_like(angles))
    loaded = read_track(tmp_path / "b.mat", fps=50)
    np.testing.assert_allclose(loaded.angles_rad, angles, atol=1e-6)
    assert loaded.times[-1] == pytest.approx(49 / 50)
    from tfhkit.fit import Crop

    points, gap = np.zeros((50, 68, 2)), np.zeros(50, bool)
    Fit(fit_like(angles), points, gap, times, Crop(1.0, 0.0, 0.0), "open").save(tmp_path / "c.npz")
    np.testing.assert_allclose(read_track(tmp_path / "c.npz").angles_rad, angles, atol=1e-6)


def test_a_slow_track_names_its_unit(tmp_path):
    (tmp_path / "a.csv").write_text("time (s),pitch,yaw,roll\n0,1,2,3\n2,1,2,3\n")
    assert read_track(tmp_path / "a.csv").times.tolist() == [0, 2]


def test_parts_of_files(tmp_path):
    assert split_part("a.npz") == ("a.npz", slice(None))
    assert split_part("a.npz[300:]") == ("a.npz", slice(300, None))
    assert split_part("my [1] clip.mp4[:-20]") == ("my [1] clip.mp4", slice(None, -20))
    assert split_part("a.csv[-:]") == ("a.csv[-:]", slice(None))
    odd = tmp_path / "odd[1:2]"
    odd.write_text("")
    assert split_part(str(odd)) == (str(odd), slice(None))


def test_command_compares_two_parts_of_one_file(tmp_path, capsys):
    angles = head(400)
    path = write_table(tmp_path / "a.csv", angles, np.arange(400) / 25)
    command = ["hs", f"{path}[300:]", f"{path}[:300]", "--training", f"{path}[:300]", "--json"]
    assert cli.main(command) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["hs"] == said["hs_replay"] == pytest.approx(hs(angles[300:], angles[:300]))
    expected = "hs hs_interval hs_pitch hs_yaw hs_roll w1_deg span_deg hs_frozen hs_split_half "
    expected += "hs_shuffled hs_shifted speed_hs spectrum frames hs_minus_frozen_interval tracks"
    assert set(expected.split()) <= set(said) and said["frames"] == [100, 300]
    assert cli.main(command[:-1] + ["--span", "180"]) == 0
    assert "replay of the training part" in capsys.readouterr().out


@pytest.mark.slow
def test_command_fits_a_video(tmp_path, capsys):
    clip = open_clip(fetch("sample_clip"))
    frames = list(clip.iter_frames())[::4]
    video = write_video(tmp_path / "cut.mp4", frames, clip.fps / 4)
    assert cli.main(["hs", f"{video}[15:]", f"{video}[:10]", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["frames"] == [12, 10] and 0.3 < said["hs"] < 1


@pytest.mark.slow
def test_many_pairs_have_a_row_each_and_a_pooled_test(tmp_path, capsys):
    times, pairs, training = np.arange(80) / 25, [], []
    for k in range(6):
        real, other = (write_table(tmp_path / f"{name}{k}.csv", head(80, seed), times)
                       for name, seed in (("real", k), ("made", 50 + k)))  # fmt: skip
        pairs += [str(real), str(other)]
        training += ["--training", str(write_table(tmp_path / f"t{k}.csv", head(80, k) + 1, times))]
    assert cli.main(["hs", *pairs, *training, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    alone = compare_heads(pairs[2], pairs[3], training[3])
    row = said["rows"][1]
    assert row["hs"] == pytest.approx(alone["hs"], abs=1e-4)
    assert row["still"] == pytest.approx(alone["hs_frozen_training"], abs=1e-4)
    above = [one["above_still"] for one in said["rows"]]
    assert said["above"] == sum(one > 0 for one in above)
    assert said["p_wilcoxon"] == pytest.approx(
        wilcoxon(above, alternative="greater").pvalue, abs=1e-4
    )
    line = said["summary"][0]
    assert line["clips"] == 6 and line["low"] <= line["mean"] <= line["high"]
    assert "training mean in" in said["notes"][0] and "Wilcoxon" in said["notes"][0]
    assert cli.main(["hs", *pairs[:4], "none.csv", pairs[0]]) == 1
    text = capsys.readouterr().out
    assert "real mean in" in text and "too few pairs for a test" in text
    assert "failed: none.csv and" in text and "pooled p" not in text


def test_tracks_that_are_no_pairs(capsys):
    for tracks, words in (
        (["a.csv"], "A B: 1 are named, an odd number; name pairs"),
        (["a.csv", "b.csv", "c.csv"], "3 are named, an odd number"),
        (["a.csv", "b.csv", "c.csv", "d.csv", "--training", "e.csv"], "1 are named, for 2 pairs"),
    ):
        assert cli.main(["hs", *tracks]) == 2
        said = capsys.readouterr().err
        assert words in said and said.count("\n") == 1


def test_bad_files_are_named(tmp_path):
    angles, times = head(20), np.arange(20) / 25
    good = write_table(tmp_path / "good.csv", angles, times)
    (tmp_path / "head.csv").write_text("time,pitch\n0,1\n")
    (tmp_path / "empty.csv").write_text("time,pitch,yaw,roll\n")
    (tmp_path / "notes.txt").write_text("nothing")
    (tmp_path / "junk.csv").write_bytes(bytes(range(128, 256)) * 3)
    (tmp_path / "junk.npz").write_bytes(b"junk")
    broken = np.where(np.arange(20)[:, None] == 7, np.nan, angles)
    cases = [
        ("none.csv", "there is no such file"),
        ("head.csv", "has no column yaw; give the columns time, pitch, yaw, roll"),
        ("empty.csv", "has no rows"),
        ("junk.csv", "cannot be read as a table"),
        ("junk.npz", "is not a fit"),
        ("notes.txt", "pose file ends in .npz, .mat, .csv"),
        ("none.txt", "there is no such clip file"),
        ("good.csv[15:]", "5 of 20 frames are too few; give 8 or more"),
        (write_table(tmp_path / "nan.csv", broken, times), "nan.csv, frame 7: is not a number"),
        (write_table(tmp_path / "back.csv", angles, times, time=(4, "0.1")),
         "back.csv, frame 4: is not later"),
        (write_table(tmp_path / "word.csv", angles, times, yaw=(3, "left")),
         "word.csv, row 4: yaw is 'left', which is not a number"),
    ]  # fmt: skip
    for name, words in cases:
        with pytest.raises(InputError) as caught:
            compare_heads(str(good), str(tmp_path / name))
        assert words in str(caught.value)
    for over in ("180.0000001", "-180.00000000000003", "200.5"):
        write_table(tmp_path / "over.csv", angles, times, roll=(2, over))
        with pytest.raises(InputError, match=f"over.csv, row 3: roll is {over} degrees; write"):
            read_track(tmp_path / "over.csv")
    for keywords, words in (
        ({"span": "full"}, "--span: unknown 'full'; choose real, real95, both or degrees"),
        ({"span": "-3"}, "--span"),
        ({"n_bins": 1}, "--bins: 1 are too few"),
        ({"n_bins": 10**9}, "--bins: 1000000000 are too many; take 10000 or fewer"),
        *(
            ({"fps": fps}, rf"--fps: is {said}; give 1 to 1000 frames per second")
            for fps, said in (
                (0, "0"),
                (1e300, r"1e\+300"),
                (1e-300, "1e-300"),
                (np.inf, "inf"),
                (np.nan, "nan"),
            )
        ),
    ):
        with pytest.raises(ParameterError, match=words):
            compare_heads(str(good), str(good), **keywords)


@pytest.mark.parametrize(
    "call, error, words",
    [
        (
            lambda: hs(np.zeros((5, 6)), np.zeros((5, 3))),
            ShapeError,
            r"real: expected shape \(T, 3",
        ),
        (lambda: hs(head(), np.zeros((0, 3))), InputError, "generated head pose: has no frames"),
        (lambda: hs(head() * np.nan, head()), InputError, "real head pose: contains NaN"),
        (
            lambda: hs(head(), head(), span="full"),
            ParameterError,
            "choose 'real', 'real95', 'both'",
        ),
        (lambda: hs(head(), head(), span=-3), ParameterError, "degrees above 0"),
        (lambda: hs(head(), head(), n_bins=1), ParameterError, "expected 2 or more"),
        (
            lambda: head_pose_report(head(5), head(5), np.arange(5) / 25),
            InputError,
            r"too few frames \(real 5 and generated 5\)",
        ),
        (
            lambda: head_pose_report(head(), head(), np.arange(200), training_rad=head(4)),
            InputError,
            r"too few frames \(training 4\)",
        ),
        (
            lambda: inject(head(), "drift", 1),
            ParameterError,
            "unknown 'drift'; choose one of offset",
        ),
        (
            lambda: inject(head(), "noise", 1, "tilt"),
            ParameterError,
            "choose one of pitch, yaw, roll",
        ),
        (
            lambda: same_and_different(np.zeros((3, 20, 3)), 11),
            InputError,
            "3 people with 20 frames, parts of 11",
        ),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


TABLE = [("time", "pitch", "yaw", "roll"), (0.0, 1.5, -2.0, 0.25), (0.04, 1.75, -2.5, 0.5)]


def lines_of(head=None, between=",", end="\n", comma=False):
    rows = [head or TABLE[0], *TABLE[1:]]
    cells = [[str(cell) for cell in row] for row in rows]
    if comma:
        cells = [cells[0], *[[cell.replace(".", ",") for cell in row] for row in cells[1:]]]
    return end.join(between.join(row) for row in cells) + end


@pytest.mark.parametrize(
    "data",
    [
        lines_of(("time", " pitch", "yaw ", " roll")),
        lines_of(("Time", "PITCH", "Yaw", "rOLL")),
        "\ufeff" + lines_of(),
        lines_of().encode("utf-16"),
        lines_of(between=";"),
        lines_of(between=";", comma=True),
        lines_of(between="\t"),
        lines_of(between=" | "),
        "sep=;\n" + lines_of(between=";"),
        lines_of(("time [s]", "pitch [deg]", "yaw (degrees)", "roll(\N{DEGREE SIGN})")),
        lines_of(("time_s", "pitch_deg", "yaw in degrees", "Roll / deg")),
        lines_of(("time s", "pitch", '"yaw"', "roll deg")),
        lines_of(end="\r\n"),
        lines_of(end="\r"),
        lines_of(end="\n\n") + "\n,,,\n\n",
        "\n\n" + lines_of(),
        "time,frame,pitch,yaw,roll,note\n0,0,1.5,-2,.25,x\n0.04,1,1.75,-2.5,0.5\n",
        "yaw,roll,time,pitch\n-2,0.25,0,1.5\n-2.5,5e-1,4e-2,1.75\n",
        "time [ms],pitch,yaw,roll\n0,1.5,-2,0.25\n40,1.75,-2.5,0.5\n",
        "time,pitch [rad],yaw,roll\n0,0.02617993878,-2,0.25\n0.04,0.03054326191,-2.5,0.5\n",
    ],
)
def test_tables_as_programs_write_them(tmp_path, data):
    path = tmp_path / "a.csv"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    track = read_track(path)
    np.testing.assert_allclose(track.times, [0.0, 0.04])
    np.testing.assert_allclose(np.degrees(track.angles_rad), [row[1:] for row in TABLE[1:]])


@pytest.mark.parametrize(
    "data, words",
    [
        (lines_of(("time [min]", "pitch", "yaw", "roll")), r"unit of 'time \[min\]' is not known"),
        (lines_of(("time", "pitch", "yaw (px)", "roll")), r"unit of 'yaw \(px\)' is not known"),
        (lines_of(("time", "yaw", "Yaw", "roll")), "has two columns yaw; keep one"),
        (lines_of(("time", "head yaw", "pitch", "roll")), "has no column yaw"),
        (lines_of(comma=True), "row 1: has 8 cells, the header 4; put semicolons"),
        ("\n\n", "has no rows"),
        ("", "has no rows"),
        (lines_of() + "0.08,1\n", "row 3: yaw is None, which is not a number"),
        (lines_of() + "0.08,,1,2\n", "row 3: pitch is '', which is not a number"),
        (lines_of() + "0.08,1,352,2\n", "row 3: yaw is 352 degrees; write angles from -180 to"),
        (lines_of() + "0.08,1e308,1,2\n", r"row 3: pitch is 1e\+308 degrees; write angles"),
        (lines_of() + "0.08,1,2,-179\n0.12,1,2,179\n", "row 4: roll jumps from -179 to 179 deg"),
        (
            lines_of().replace("0.04,", "40,") + "80,1,2,3\n",
            r"time has steps of 40, so it seems to be in ms .*: 'time \(ms\)'",
        ),
        ("time,pitch,yaw,roll\n0,1,2,3\n1,1,2,3\n", "time has steps of 1, so .* or in frames"),
    ],
)
def test_tables_that_cannot_be_understood(tmp_path, data, words):
    (tmp_path / "a.csv").write_text(data)
    with pytest.raises(InputError, match=words):
        read_track(tmp_path / "a.csv")
