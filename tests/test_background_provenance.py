"""Whose motion is it: shares with known answers."""

import numpy as np
import pytest
from test_background_match import nodding

from tfhkit.background import MatchSettings
from tfhkit.background.provenance import changing_shares, provenance, split_shares
from tfhkit.errors import ParameterError, ShapeError


def tracks(n_frames=150, n_source=90):
    pred, times = nodding(n_frames, seed=1)
    source, source_times = nodding(n_source, seed=2)
    return pred, source, times, source_times


def test_the_prediction_alone_is_all_the_sound_s():
    settings = MatchSettings(blend=0, blend_trans=0, largest_turn_rad=9.0)
    match, shares = provenance(*tracks(), settings=settings)
    assert np.allclose(match.pose, tracks()[0], atol=1e-6)
    assert np.allclose(shares.shape, 1) and np.isclose(shares.shape_all, 1)
    assert np.allclose(shares.shape_interval, 1) and np.allclose(shares.follows, 1)
    assert shares.choice_all > 0.98


def test_one_frame_behind_and_nothing_of_the_prediction_is_none_of_it():
    pred, _, times, _ = tracks()
    one, settings = np.full((1, 6), 0.1), MatchSettings(blend=1)
    match, shares = provenance(pred, one, times, np.zeros(1), settings=settings)
    assert np.ptp(match.pose, axis=0).max() == 0
    assert not shares.shape.any() and not shares.choice.any() and shares.apart_deg == 0
    assert shares.shape_all == shares.choice_all == 0 and shares.shape_interval == (0, 0)


def test_one_frame_behind_and_a_little_turn_is_the_sound_s_motion():
    """Only the prediction moves; what stands still adds no variance."""
    pred, _, times, _ = tracks()
    source = pred.mean(0, keepdims=True)
    settings = MatchSettings(blend=0.8, largest_turn_rad=9.0)
    _, shares = provenance(pred, source, times, np.zeros(1), settings=settings)
    assert np.allclose(shares.shape, 1, atol=1e-6) and shares.choice_all > 0.95


def test_the_background_s_own_motion_is_none_of_the_sound_s_shape_but_its_choice():
    _, shares = provenance(*tracks(), mode="published")
    assert not shares.shape.any() and shares.shape_all == 0 and shares.apart_deg == 0
    assert shares.choice_all > 0.5


def test_a_still_head_is_nobody_s():
    _, shares = provenance(*tracks(), mode="still")
    assert shares.shape_all == shares.choice_all == shares.apart_deg == 0
    assert not shares.follows.any()


def test_a_source_that_moves_as_predicted_is_followed_though_nothing_of_it_is_the_sound_s():
    pred, times = nodding(150, seed=1)
    _, shares = provenance(pred, pred, times, times, mode="published")
    assert np.allclose(shares.follows, 1) and not shares.shape.any()


def test_a_background_that_no_sound_can_change_is_not_of_its_choice():
    """Every sound sees the same curve: choice 0; half of it from each sound: in between."""
    time = np.linspace(0, 1, 200, endpoint=False)
    fixed = np.sin(2 * np.pi * time)
    own = np.stack([np.sin(2 * np.pi * (3 * time + k / 8)) for k in range(8)])
    per_axis = np.stack([np.broadcast_to(fixed, own.shape), own, fixed + own], -1)
    share, together = changing_shares(per_axis)
    within = 0.5 * 8 / 7  # variance of a sine, from eight of its phases
    assert np.allclose(share, [0, 1, within], atol=1e-6)
    assert np.isclose(together, (0.5 + within) / 2)


def test_independent_sources_split_as_the_squares_of_their_weights():
    time = np.linspace(0, 1, 400, endpoint=False)[:, None]
    pred, behind = np.sin(2 * np.pi * 3 * time), np.cos(2 * np.pi * 5 * time)
    share, together, ours, whole = split_shares(pred, behind, np.full_like(pred, 0.2))
    assert np.allclose(share, 0.04 / (0.04 + 0.64)) and np.isclose(together, share[0])
    assert np.isclose(ours.sum() / whole.sum(), together)


def test_equal_sources_split_as_their_weights():
    track = nodding(100)[0][:, :3]
    assert np.allclose(split_shares(track, track, np.full_like(track, 0.3))[0], 0.3)


def test_an_offset_of_the_prediction_is_no_motion():
    pred, behind = nodding(100, seed=3)[0][:, :3], nodding(100, seed=4)[0][:, :3]
    weight = np.full_like(pred, 0.2)
    assert np.allclose(
        split_shares(pred, behind, weight)[0], split_shares(pred + 2, behind, weight)[0]
    )


def test_the_interval_holds_the_share_and_repeats():
    first, second = (provenance(*tracks(), seed=5)[1] for _ in range(2))
    low, high = first.shape_interval
    assert low < first.shape_all < high and first.shape_interval == second.shape_interval
    assert first.numbers()["shape_per_angle"] == first.shape.tolist()


@pytest.mark.parametrize("n_frames", [1, 2, 5])
def test_a_few_frames(n_frames):
    _, shares = provenance(*tracks(n_frames))
    assert np.isfinite(np.hstack(list(shares.numbers().values()))).all()
    assert 0 <= shares.choice_all <= 1
    if n_frames == 1:
        assert shares.shape_all == shares.choice_all == 0


def test_bad_input():
    with pytest.raises(ParameterError, match="n_sounds: expected 2 or more"):
        provenance(*tracks(), n_sounds=1)
    with pytest.raises(ShapeError, match="weight"):
        split_shares(np.zeros((4, 3)), np.zeros((4, 3)), np.zeros((4, 1)))
