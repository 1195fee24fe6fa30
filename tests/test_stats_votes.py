"""Agreement of raters against published examples; intervals over voters and clips."""

import numpy as np
import pytest

from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.stats import (
    alpha_interval,
    crossed_correlation,
    crossed_mean_interval,
    crossed_weights,
    krippendorff_alpha,
)


def table(*rows):
    """Ratings from text: one row a rater, "." for a missing rating, letters for categories."""
    number = {".": np.nan} | {c: float(c) if c.isdigit() else ord(c) for c in "0123456789abcde"}
    return np.array([[number[c] for c in row.split()] for row in rows])


# Krippendorff 2011, "Computing Krippendorff's alpha-reliability", his examples A, B and C
BINARY = table("0 1 0 0 0 0 0 0 1 0", "1 1 1 0 0 1 0 0 0 0")
TWO = table("a a b b d c c c e d d a", "b a b b b c c c e d d d")
FOUR = table(
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
)
# the worked example of the article "Krippendorff's alpha" in Wikipedia
THREE = table(
    ". . . . . 3 4 1 2 1 1 3 3 . 3",
    "1 . 2 1 3 3 4 3 . . . . . . .",
    ". . 2 1 3 4 4 . 2 1 1 3 3 . 4",
)


@pytest.mark.parametrize(
    "ratings, measure, alpha",
    [
        (BINARY, "nominal", 0.095),
        (TWO, "nominal", 0.692),
        (FOUR, "nominal", 0.743),
        (FOUR, "ordinal", 0.815),
        (FOUR, "interval", 0.849),
        (THREE, "nominal", 0.691),
        (THREE, "interval", 0.811),
    ],
)
def test_alpha_of_published_examples(ratings, measure, alpha):
    assert krippendorff_alpha(ratings, measure) == pytest.approx(alpha, abs=5e-4)


def test_alpha_at_its_limits():
    rng = np.random.default_rng(0)
    same = np.tile(rng.integers(1, 6, 40).astype(float), (5, 1))
    chance = rng.integers(1, 6, (6, 400)).astype(float)
    for measure in ("nominal", "ordinal", "interval"):
        assert krippendorff_alpha(same, measure) == pytest.approx(1)
        assert abs(krippendorff_alpha(chance, measure)) < 0.03
    assert krippendorff_alpha(np.array([[1.0, 2.0], [2.0, 1.0]])) == pytest.approx(-0.5)
    assert np.isnan(krippendorff_alpha(np.ones((3, 4))))  # nothing varies
    assert np.isnan(krippendorff_alpha(table("1 .", ". 2")))  # no pair
    assert np.isnan(alpha_interval(table("1 2 3"))).all()


def test_a_weight_repeats_a_unit_and_does_not_pair_a_rater_with_themselves():
    twice = krippendorff_alpha(np.concatenate([FOUR, FOUR[:, :3]], 1), "interval")
    weights = np.r_[2, 2, 2, np.ones(9)]
    assert krippendorff_alpha(FOUR, "interval", unit_weights=weights) == pytest.approx(twice)
    alone = np.array([3, 0, 0, 0])
    assert np.isnan(krippendorff_alpha(FOUR, rater_weights=alone))
    without = krippendorff_alpha(FOUR[1:], rater_weights=np.ones(3))
    assert krippendorff_alpha(FOUR, rater_weights=np.r_[0, 1, 1, 1]) == pytest.approx(without)
    low, high = alpha_interval(FOUR, "ordinal")
    assert low < 0.815 < high <= 1


def test_intervals_know_that_votes_of_one_voter_are_alike():
    rng = np.random.default_rng(1)
    votes = 3 + rng.standard_normal((12, 1)) + 0.3 * rng.standard_normal((12, 40))
    low, high = crossed_mean_interval(votes)
    means = votes.mean(1)
    expected = 2 * 1.96 * means.std(ddof=1) / np.sqrt(12)  # the voters are the sample
    assert expected == pytest.approx(high - low, rel=0.15)
    naive = 2 * 1.96 * votes.std() / np.sqrt(votes.size)
    assert high - low > 4 * naive
    turned = crossed_mean_interval(votes.T)
    assert turned[1] - turned[0] == pytest.approx(high - low, rel=0.15)
    assert np.isnan(crossed_mean_interval(np.ones((1, 1)))).all()


def test_intervals_hold_the_true_share_as_often_as_they_say():
    rng, hits = np.random.default_rng(2), 0
    for k in range(200):
        chance = 0.4 + 0.25 * rng.uniform(-1, 1, (15, 1)) + 0.15 * rng.uniform(-1, 1, (1, 20))
        votes = (rng.random((15, 20)) < chance).astype(float)
        votes[rng.random(votes.shape) < 0.1] = np.nan
        low, high = crossed_mean_interval(votes, 300, k)
        hits += low <= 0.4 <= high
    assert 0.9 <= hits / 200 <= 0.99


def test_weights_draw_every_voter_equally_often():
    voters, clips = crossed_weights(5, 1, 4000)
    assert (voters.sum(1) == 5).all() and (clips == 1).all()
    assert voters.mean(0) == pytest.approx(np.ones(5), abs=0.05)


def test_correlation_of_means_and_of_single_votes():
    rng = np.random.default_rng(3)
    scores = rng.uniform(0.3, 1, 15)
    votes = 5 * scores + rng.standard_normal((20, 1)) + rng.standard_normal((20, 15))
    votes[2, :5] = np.nan
    found = crossed_correlation(votes, scores)
    assert found["means"][0] == pytest.approx(np.corrcoef(np.nanmean(votes, 0), scores)[0, 1])
    there = np.isfinite(votes)
    single = np.corrcoef(votes[there], np.broadcast_to(scores, votes.shape)[there])[0, 1]
    assert found["votes"][0] == pytest.approx(single) and single < found["means"][0] - 0.1
    for r, low, high in found.values():
        assert low < r < high and high - low < 0.6


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: krippendorff_alpha(FOUR, "ratio"), ParameterError, "unknown 'ratio'"),
        (lambda: krippendorff_alpha(FOUR[0]), ShapeError, "ratings"),
        (lambda: crossed_correlation(FOUR, np.ones(11)), ShapeError, "scores"),
        (lambda: crossed_correlation(FOUR, np.ones(12)), InputError, "do not vary"),
        (lambda: crossed_correlation(FOUR[:, :3], np.arange(3.0)), InputError, "four clips"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises((error, TypeError), match=words):
        call()
