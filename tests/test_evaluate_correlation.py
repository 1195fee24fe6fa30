"""Power on virtual speakers: the arithmetic, heads with a known tie, the speakers themselves."""

import numpy as np
import pytest

from tfhkit.audio import Prosody
from tfhkit.errors import ParameterError
from tfhkit.evaluate.correlation import (
    SHARES,
    CoupledSpeaker,
    binomial_interval,
    clip_correlations,
    coupled_speakers,
    power_rows,
    share_needed,
)


def smooth(n_frames, channels, memory, rng):
    kernel = np.hanning(2 * memory + 1)
    noise = rng.standard_normal((channels, n_frames + 2 * memory))
    track = np.stack([np.convolve(row, kernel, "valid") for row in noise], 1)
    return (track - track.mean(0)) / track.std(0)


def made_up(seed, n_frames=300):
    """A speaker whose head follows the loudness, 12.5 frames a second, without any speech."""
    rng = np.random.default_rng(seed)
    loud, pitch = smooth(n_frames, 2, 5, rng).T
    rows = smooth(n_frames, 28 * 12, 4, rng).reshape(n_frames, 28, 12) + 2
    times = np.arange(n_frames) / 12.5
    tune = Prosody(loud, pitch, np.ones(n_frames, bool), 120.0)
    driven = 0.05 * np.repeat(loud[:, None], 3, 1)
    return CoupledSpeaker(
        times, np.zeros(1), rows, tune, driven, 0.05 * smooth(n_frames, 3, 6, rng)
    )


def test_share_needed_lies_on_the_line():
    assert share_needed((0, 0.5, 1.0), (0.0, 0.6, 1.0)) == pytest.approx(0.75)
    assert share_needed((0, 0.5), (0.9, 1.0)) == 0
    assert np.isnan(share_needed((0, 0.5), (0.1, 0.7)))


def test_binomial_interval_known_values():
    assert binomial_interval(0, 10) == pytest.approx((0, 1 - 0.025**0.1))
    assert binomial_interval(10, 10) == pytest.approx((0.025**0.1, 1))
    assert binomial_interval(5, 10) == pytest.approx((0.187, 0.813), abs=1e-3)


@pytest.mark.slow
def test_a_tie_to_loudness_is_found_by_lags_and_not_where_there_is_none():
    rows = power_rows([made_up(k) for k in range(8)], (0.0, 0.9), (12.0,), radius=1.0)
    found = {(row["test"], row["share"]): row["found"] for row in rows}
    assert all(row["clips"] == 16 and row["low"] <= row["found"] <= row["high"] for row in rows)
    assert found["few_lags", 0.9] == 1 and found["all_lags", 0.9] > 0.9
    assert found["few_lags", 0.0] < 0.3 and found["pairs", 0.0] < 0.3


def test_variance_of_the_angles_is_divided_as_asked():
    speaker = made_up(0, 3000)
    for share in SHARES:
        angles = speaker.angles(share)
        r = np.corrcoef(angles[:, 0], speaker.driven[:, 0])[0, 1]
        assert r**2 == pytest.approx(share, abs=0.12)


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: made_up(0).angles(1.2), "share: 1.2 is out of range"),
        (lambda: power_rows([made_up(0)], lengths_s=(99.0,)), "no speaker talks for 99.0 s"),
        (lambda: coupled_speakers(1), "n_speakers: 1 are too few"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ParameterError, match=words):
        call()


@pytest.mark.slow
def test_speakers_are_the_same_for_a_seed_and_their_own_motion_is_independent():
    first, second = (coupled_speakers(4, seconds=24, seed=5) for _ in "ab")
    np.testing.assert_array_equal(first[1].windows, second[1].windows)
    r = [
        np.corrcoef(speaker.driven[:, k], speaker.own[:, k])[0, 1]
        for speaker in first
        for k in range(3)
    ]
    assert 0.02 < np.abs(r).max() < 0.8 and abs(np.mean(r)) < 0.3  # not made uncorrelated
    rows = clip_correlations(first, share=0.5)
    assert [row["clip"] for row in rows] == [1, 2, 3, 4] and all(row["pairs"] > 0 for row in rows)
