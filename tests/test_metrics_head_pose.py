"""HS (Eq. 6): properties, calibration, what it cannot see, and the companions that can."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance

from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.metrics import head_pose_report, head_pose_score, hs, spectrum_similarity, speed_hs

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
@given(SEEDS, SEEDS, st.floats(0.1, 30), st.sampled_from(["real", "both", 180.0]))
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
    assert rows["real, shuffled"]["hs"] == pytest.approx(1)
    assert rows["frozen head"]["spectrum"] == 0
    assert rows["another speaker"]["hs"] < report.score.hs
    assert 0 < report.skill < 1 and report.frozen < report.score.hs
    assert 0.5 < report.split_half < 1
    again = head_pose_report(real, generated, times, times[:200])
    assert again.interval == report.interval
    assert {"hs", "hs_interval", "hs_frozen", "hs_split_half", "hs_yaw"} <= set(report.summary())


def test_frozen_has_no_skill():
    real, times = head(250), np.arange(250) / 25
    still = np.repeat(real.mean(0, keepdims=True), 250, axis=0)
    assert head_pose_report(real, still, times).skill == pytest.approx(0, abs=1e-6)
    assert head_pose_report(real, real, times).skill == pytest.approx(1)


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
        (lambda: hs(head(), head(), span="full"), ParameterError, "choose 'real', 'both'"),
        (lambda: hs(head(), head(), span=-3), ParameterError, "degrees above 0"),
        (lambda: hs(head(), head(), n_bins=1), ParameterError, "expected 2 or more"),
        (
            lambda: head_pose_report(head(5), head(5), np.arange(5) / 25),
            InputError,
            "have 5 and 5 frames",
        ),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
