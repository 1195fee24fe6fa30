"""Soft-DTW: against plain DTW and finite differences; distances of shifted sequences."""

import numpy as np
import pytest
import torch

from tfhkit.efficientnet import EfficientNetLite
from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.metrics import lmd, lmd_aligned, perceptual_aligned, perceptual_distance
from tfhkit.stats import aligned_distance, pairs_in_reach, soft_dtw

RNG = np.random.default_rng(0)
TIMES = np.arange(60) / 25


def plain_dtw(cost):
    """The least sum along a path, by recursion over its last pair."""
    n, m = cost.shape
    if n == m == 1:
        return cost[0, 0]
    shorter = [cost[:a, :b] for a, b in ((n - 1, m - 1), (n - 1, m), (n, m - 1)) if a and b]
    return cost[-1, -1] + min(map(plain_dtw, shorter))


def walk(seed=0, n=70, channels=4):
    """(n, channels) of a random walk that begins and ends at rest."""
    steps = np.random.default_rng(seed).standard_normal((n, channels))
    steps[:6] = steps[-6:] = 0
    return np.cumsum(steps, axis=0)


def apart(first, second):
    return np.linalg.norm(first[:, None] - second[None], axis=-1)


def test_small_gamma_is_plain_dtw():
    cost = RNG.random((5, 6))
    hard = soft_dtw(cost, 0.0)
    assert hard.cost == pytest.approx(plain_dtw(cost))
    assert set(np.unique(hard.visits)) == {0.0, 1.0}
    assert (hard.visits * cost).sum() == pytest.approx(hard.cost)
    assert soft_dtw(cost, 1e-4).cost == pytest.approx(hard.cost, abs=1e-3)
    assert soft_dtw(cost, 0.5).cost < hard.cost  # a soft minimum lies below the minimum


@pytest.mark.parametrize("gamma", [0.02, 0.5])
def test_visits_are_the_gradient(gamma):
    cost = RNG.random((5, 7))
    numeric = np.zeros_like(cost)
    for place in np.ndindex(cost.shape):
        step = np.zeros_like(cost)
        step[place] = 1e-5
        ends = [soft_dtw(cost + sign * step, gamma).cost for sign in (1, -1)]
        numeric[place] = (ends[0] - ends[1]) / 2e-5
    assert np.allclose(soft_dtw(cost, gamma).visits, numeric, atol=1e-6)


def test_exchanging_the_sequences_transposes_the_alignment():
    cost = RNG.random((6, 4))
    one, other = soft_dtw(cost, 0.1), soft_dtw(cost.T.copy(), 0.1)
    assert one.cost == pytest.approx(other.cost) and np.allclose(one.visits, other.visits.T)


def test_a_shifted_copy_aligns_and_its_delay_is_found():
    track = walk()
    same = aligned_distance(apart(track[:60], track[:60]), TIMES, TIMES)
    assert same.frame_wise == 0 and same.aligned < 1e-6 and same.later_s == pytest.approx(0)
    late = aligned_distance(apart(track[3:63], track[:60]), TIMES, TIMES)
    assert late.aligned < 0.1 * late.frame_wise
    assert late.later_s == pytest.approx(0.12, abs=0.02)


def test_only_pairs_in_reach_count():
    track = walk()
    far = aligned_distance(apart(track[10:70], track[:60]), TIMES, TIMES)
    assert far.aligned > 0.3 * far.frame_wise  # 0.4 s late is wrong
    wide = aligned_distance(apart(track[10:70], track[:60]), TIMES, TIMES, reach_s=0.5)
    assert wide.aligned < 0.3 * far.aligned
    assert pairs_in_reach(TIMES, TIMES, 0.0).sum() == 60 + 2 * 59  # a frame to either side


def test_two_frame_rates_compare():
    dense = np.arange(120) / 50
    track = np.stack([np.sin(3 * dense), np.cos(5 * dense)], 1)
    found = aligned_distance(apart(track[::2], track), dense[::2], dense)
    assert found.frame_wise == 0 and found.aligned < 0.1


def test_a_gap_in_one_sequence_is_left_out():
    track, known = walk(n=60), np.ones(60, bool)
    known[20:40] = known[:8] = False
    found = aligned_distance(apart(track[known], track), TIMES[known], TIMES)
    assert found.frame_wise == 0 and found.aligned < 0.1


def test_bad_input_is_refused():
    with pytest.raises(ParameterError, match="gamma"):
        soft_dtw(np.ones((2, 2)), -1.0)
    with pytest.raises(ParameterError, match="no path from first to last"):
        soft_dtw(np.array([[1.0, np.inf], [np.inf, np.inf]]), 1.0)
    with pytest.raises(ShapeError, match="pair_cost"):
        soft_dtw(np.ones(3), 1.0)
    with pytest.raises(ParameterError, match="times: have no frame in common"):
        aligned_distance(np.ones((60, 60)), TIMES, TIMES + 5)
    with pytest.raises(InputError, match="generated_px: has 0 frames with a face"):
        lmd_aligned(faces(), np.full((60, 68, 2), np.nan), TIMES, TIMES)


def faces(n=60, seed=0, size=1.0):
    """(n, 68, 2) of a face whose mouth opens and closes while the head walks."""
    points = np.random.default_rng(1).normal(0, 30, (68, 2))
    moved = np.repeat(points[None], n, 0)
    moved[:, 57, 1] += 5 * walk(seed, n, 1)[:, 0]
    return size * (moved + walk(seed + 1, n, 2)[:, None])


def test_lmd_frame_by_frame_is_lmd():
    real, generated = faces(), faces(seed=5)
    found = lmd_aligned(real, generated, TIMES, TIMES)
    assert found.frame_wise == pytest.approx(lmd(real, generated, unit="interocular").mean())
    assert 0 < found.aligned <= found.frame_wise
    larger = lmd_aligned(real, 3 * generated, TIMES, TIMES)
    assert larger.frame_wise == pytest.approx(found.frame_wise)
    generated[20:30] = np.nan
    assert np.isfinite(lmd_aligned(real, generated, TIMES, TIMES).aligned)


def test_perceptual_frame_by_frame_is_the_perceptual_distance():
    torch.manual_seed(0)
    net = EfficientNetLite("lite0").eval()
    frames = np.random.default_rng(3).integers(0, 256, (63, 32, 32, 3), np.uint8)
    one, other = frames[:60], frames[3:]
    found = perceptual_aligned(one, other, TIMES, TIMES, net=net)
    mean = perceptual_distance(one, other, net=net).mean()
    assert found.frame_wise == pytest.approx(mean, rel=1e-4)
    assert found.aligned < 0.5 * mean  # three frames early
    assert found.later_s == pytest.approx(-0.12, abs=0.03)
