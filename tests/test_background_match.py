"""Key frames, matching and pose adjustment (Sec. 3.3.2)."""

import numpy as np
import pytest

from tfhkit.background import MatchSettings, key_frames, match_background, smooth_angles
from tfhkit.background.match import best_path, greedy_path, nearest_frames, pose_distance
from tfhkit.errors import InputError, ParameterError, ShapeError


def nodding(n_frames, fps=25.0, seed=0, amplitude=0.15):
    """A smooth random head track, (n_frames, 6), and its times."""
    rng = np.random.default_rng(seed)
    times = np.arange(n_frames) / fps
    pose = np.zeros((n_frames, 6))
    for axis in range(6):
        for _ in range(3):
            rate, phase = rng.uniform(0.2, 0.9), rng.uniform(0, 2 * np.pi)
            pose[:, axis] += amplitude / 3 * np.sin(2 * np.pi * rate * times + phase)
    return pose, times


def test_key_frames_are_the_turning_points_of_a_cosine():
    times = np.arange(101) / 25
    angles = np.zeros((101, 3))
    angles[:, 1] = 0.2 * np.cos(2 * np.pi * times)  # turns at 0, 0.5, 1, ... s
    keys = key_frames(angles, times)
    turning = np.round(np.arange(0, 4.01, 0.5) * 25).astype(int)
    assert len(keys) == len(turning) and np.abs(keys - turning).max() <= 1


def test_roll_alone_does_not_see_a_turn():
    times = np.arange(101) / 25
    angles = np.zeros((101, 3))
    angles[:, 1] = 0.2 * np.cos(2 * np.pi * times)
    assert key_frames(angles, times, axes=(2,)).tolist() == [0, 100]


def test_a_lively_axis_does_not_hide_a_calm_one():
    times = np.arange(126) / 25
    angles = np.zeros((126, 3))
    angles[:, 1] = 0.5 * np.sin(2 * np.pi * 0.2 * times)
    angles[:, 0] = 0.02 * np.sin(2 * np.pi * 0.5 * times)
    nods = [np.argmin(np.abs(times - t)) for t in (0.5, 1.5, 2.5, 3.5, 4.5)]
    keys = key_frames(angles, times)
    assert all(np.abs(keys - nod).min() <= 2 for nod in nods)


@pytest.mark.parametrize("n_frames, fps", [(200, 25.0), (96, 11.94), (300, 50.0)])
def test_key_frames_keep_their_distance_and_the_ends(n_frames, fps):
    pose, times = nodding(n_frames, fps)
    pose += 0.01 * np.random.default_rng(1).normal(size=pose.shape)
    keys = key_frames(pose[:, :3], times, min_distance_s=0.3)
    assert keys[0] == 0 and keys[-1] == n_frames - 1
    assert np.diff(times[keys]).min() >= 0.3
    assert len(keys) <= 2.5 * times[-1] + 2


def test_few_frames_are_all_keys():
    assert key_frames(np.zeros((1, 3)), np.zeros(1)).tolist() == [0]
    assert key_frames(np.zeros((2, 3)), np.array([0.0, 0.04])).tolist() == [0, 1]


def test_smoothing_keeps_a_line_s_middle_and_damps_noise():
    times = np.arange(50) / 25
    line = np.stack([times, -times, 0 * times], 1)
    smooth = smooth_angles(line, times)
    assert np.allclose(smooth[4:-4], line[4:-4])
    noise = np.random.default_rng(0).normal(size=(50, 3))
    assert smooth_angles(noise, times).std() < 0.7 * noise.std()


def test_the_source_s_own_track_is_matched_to_itself():
    pose, times = nodding(150)
    match = match_background(pose, pose, times, times)
    assert np.array_equal(match.key_sources, match.key_frames)
    assert np.array_equal(match.source_index, np.arange(150))
    assert np.allclose(match.pose, pose, atol=1e-6)


@pytest.mark.parametrize("search", ["best", "greedy"])
@pytest.mark.parametrize("speed", [0.5, 1.0])
def test_the_background_never_plays_faster_than_allowed(search, speed):
    pred, times = nodding(200, 25.0, seed=1)
    source, source_times = nodding(80, 11.94, seed=2)
    settings = MatchSettings(search=search, speed=speed)
    match = match_background(pred, source, times, source_times, settings=settings)
    played = np.abs(np.diff(source_times[match.source_index]))
    step = np.diff(source_times).max()
    assert played.max() <= speed / 25 + step + 1e-9  # one frame of rounding
    keys = match.key_frames
    over_keys = np.abs(np.diff(source_times[match.key_sources]))
    assert (over_keys <= speed * np.diff(times[keys]) + 1e-6).all()
    assert np.array_equal(match.source_index[keys], match.key_sources)


def test_best_search_is_never_worse_than_greedy():
    rng = np.random.default_rng(3)
    times = np.arange(60) / 25
    for _ in range(20):
        cost, reach = rng.random((9, 60)), rng.uniform(0.1, 0.6, 8)
        best, greedy = best_path(cost, times, reach), greedy_path(cost, times, reach)
        rows = np.arange(9)
        assert cost[rows, best].sum() <= cost[rows, greedy].sum() + 1e-12
        assert (np.abs(np.diff(times[best])) <= reach + 1e-6).all()


def test_a_still_background_is_avoided():
    times = np.arange(100) / 25
    source = np.zeros((60, 6))  # every frame fits equally well
    source[:, 0] = 0.01 * np.sin(np.arange(60) / 9)
    pred = np.zeros((100, 6))
    pred[:, 1] = 0.1 * np.sin(2 * np.pi * 0.5 * times)
    moved = {}
    for still_rad in (0.0, 0.05):
        settings = MatchSettings(still_rad=still_rad)
        index = match_background(pred, source, times, settings=settings).source_index
        moved[still_rad] = np.abs(np.diff(index)).sum()
    assert moved[0.05] > 60 > 20 > moved[0.0]


def test_paper_pose_is_pulled_to_the_background_and_published_is_it():
    pred, times = nodding(120, seed=4, amplitude=0.3)
    source, source_times = nodding(90, seed=5)
    published = match_background(pred, source, times, source_times, mode="published")
    assert np.allclose(published.pose, source[published.source_index], atol=1e-6)
    settings = MatchSettings(blend=0, largest_turn_rad=9.0)
    free = match_background(pred, source, times, source_times, settings=settings)
    assert np.allclose(free.pose[:, :3], pred[:, :3], atol=1e-6)
    paper = match_background(pred, source, times, source_times, settings=MatchSettings(blend=0.8))
    behind = source[paper.source_index]
    turned = paper.pose - behind
    assert np.abs(turned[:, :3]).max() <= 0.035 + 1e-6
    assert 0 < np.abs(turned[:, :3]).max()
    assert np.abs(turned[:, 3:]).max() < 1e-6  # the head stays on the neck
    small = np.abs(0.2 * (pred - behind)[:, :3]) < 0.035
    assert np.allclose(turned[:, :3][small], 0.2 * (pred - behind)[:, :3][small], atol=1e-6)


def test_published_pose_is_the_source_s_at_every_frame_and_blend_leaves_it():
    pred, times = nodding(120, seed=4)
    source, source_times = nodding(90, seed=5)
    for values in ({"blend": 0.0, "blend_trans": 0.0}, {"blend": 1.0, "search": "greedy"}):
        settings = MatchSettings(**values)
        match = match_background(pred, source, times, source_times, "published", settings)
        assert np.array_equal(match.pose, source[match.source_index].astype(np.float32))
        assert not match.sound_weight.any()


def test_sound_weight_tells_the_mix_exactly():
    pred, times = nodding(120, seed=4, amplitude=0.3)
    source, source_times = nodding(90, seed=5)
    match = match_background(pred, source, times, source_times)
    behind, weight = source[match.source_index, :3], match.sound_weight
    assert np.allclose(match.pose[:, :3], weight * pred[:, :3] + (1 - weight) * behind, atol=1e-6)
    assert weight.max() <= 0.2 + 1e-12 and 0 < weight.min() < 0.2


def test_a_still_head_stands_at_the_frame_of_the_median_pose():
    pred, times = nodding(120, seed=4)
    source, source_times = nodding(90, seed=5)
    source[17, :3] = np.median(source[:, :3], 0)  # the nearest there can be
    match = match_background(pred, source, times, source_times, mode="still")
    assert (match.source_index == 17).all() and (match.key_sources == 17).all()
    assert np.array_equal(match.pose, np.tile(source[17], (120, 1)).astype(np.float32))


@pytest.mark.parametrize("mode", ["paper", "published", "still"])
@pytest.mark.parametrize("search", ["best", "greedy"])
@pytest.mark.parametrize("n_frames, n_source", [(1, 1), (1, 50), (2, 50), (3, 400), (400, 3)])
def test_very_different_lengths(mode, search, n_frames, n_source):
    pred, times = nodding(n_frames, seed=6)
    source, source_times = nodding(n_source, seed=7)
    settings = MatchSettings(search=search)
    match = match_background(pred, source, times, source_times, mode, settings)
    assert len(match) == n_frames and match.pose.shape == (n_frames, 6)
    assert 0 <= match.source_index.min() and match.source_index.max() < n_source
    played = np.abs(np.diff(source_times[match.source_index]))
    assert (played <= 2 / 25 + 1e-9).all()


@pytest.mark.parametrize("mode", ["paper", "published", "still"])
def test_a_constant_prediction_is_matched(mode):
    source, source_times = nodding(90, seed=5)
    pred = np.full((60, 6), 0.05)
    settings = MatchSettings(still_rad=0)
    match = match_background(pred, source, None, source_times, mode, settings)
    nearest = pose_distance(pred[:1], source).argmin()
    assert match.key_frames.tolist() == [0, 59]
    if mode != "still":
        assert (match.source_index == nearest).all()
    assert np.ptp(match.pose, axis=0).max() == 0


@pytest.mark.parametrize("seed", range(6))
def test_the_speed_limit_holds_between_any_two_frames(seed):
    """Also over many frames, and on clocks that are uneven."""
    rng = np.random.default_rng(seed)
    pred, source = nodding(150, seed=seed)[0], nodding(70, seed=seed + 50)[0]
    times, source_times = (np.cumsum(rng.uniform(0.02, 0.09, n)) for n in (150, 70))
    match = match_background(pred, source, times, source_times, settings=MatchSettings(speed=0.7))
    place, step = source_times[match.source_index], np.diff(source_times).max()
    moved = np.abs(place[:, None] - place[None])
    assert (moved <= 0.7 * np.abs(times[:, None] - times[None]) + step + 1e-9).all()


def test_distance_ignores_translation_unless_weighted():
    pose = np.array([[0.1, 0, 0, 1, 2, 3.0]])
    assert np.isclose(pose_distance(pose, np.zeros((1, 6)))[0, 0], 0.1)
    assert np.isclose(pose_distance(pose, np.zeros((1, 6)), 0.5)[0, 0], 3.1)


def test_nearest_frame_in_uneven_time():
    frames = nearest_frames(np.array([0.0, 0.05, 0.3, 0.99, 5.0]), np.array([0, 0.1, 0.5, 1.0]))
    assert frames.tolist() == [0, 0, 1, 3, 3]


def test_one_source_frame_serves_all():
    pred, times = nodding(40)
    match = match_background(pred, np.zeros((1, 6)), times)
    assert (match.source_index == 0).all() and len(match) == 40


@pytest.mark.parametrize(
    "change, error, words",
    [
        ({"mode": "both"}, ParameterError, "'paper', 'published', 'still'"),
        ({"settings": MatchSettings(axes=(3,))}, ParameterError, "angles 0, 1, 2"),
        ({"times": np.zeros(30)}, InputError, "do not increase"),
        ({"times": np.arange(7.0)}, ShapeError, "times"),
        ({"source_pose": np.zeros((0, 6))}, InputError, "no frames"),
        ({"source_pose": np.full((5, 6), np.nan)}, InputError, "NaN"),
        ({"source_pose": np.zeros((5, 3))}, ShapeError, "source_pose"),
    ],
)
def test_bad_input(change, error, words):
    values = {"pred_pose": np.zeros((30, 6)), "source_pose": np.zeros((20, 6))} | change
    with pytest.raises(error, match=words):
        match_background(**values)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"search": "luck"}, "'best' or 'greedy'"),
        ({"blend": 1.5}, "between 0 and 1"),
        ({"blend_trans": -0.1}, "between 0 and 1"),
        ({"speed": 0}, "positive"),
    ],
)
def test_settings_out_of_range_are_refused(change, words):
    with pytest.raises(ParameterError, match=words):
        MatchSettings(**change)
