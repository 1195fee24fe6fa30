"""The contrast term: by hand, what it asks for where L1 asks for a blur, where it counts."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from tfhkit.landmarks.regions import feature_masks
from tfhkit.refine import LossWeights, region_weight
from tfhkit.refine.losses import contrast_loss, generator_loss, weighted_l1

SIZE = 32


def lines(shift=0):
    """Vertical lines of four pixels, (1, 3, S, S)."""
    x = torch.arange(SIZE) + shift
    return torch.where((x // 4) % 2 == 0, 1.0, -1.0).expand(1, 3, SIZE, SIZE).contiguous()


def test_a_slope_by_hand():
    slope = (0.02 * torch.arange(SIZE)).expand(1, 3, SIZE, SIZE).contiguous()
    weight = torch.zeros(1, 1, SIZE, SIZE)
    weight[..., 8:24, 8:24] = SIZE**2 / 16**2  # away from the borders, which have no neighbour
    difference = contrast_loss(2 * slope, slope, weight).item()
    root = [np.sqrt(step**2 + 1e-5) for step in (0.04, 0.02)]
    assert difference == pytest.approx(root[0] - root[1], rel=1e-4)
    assert contrast_loss(slope, slope).item() == 0
    assert contrast_loss(slope + 0.3, slope).item() == pytest.approx(0, abs=1e-6)


def test_it_prefers_an_edge_that_is_off_to_a_blur():
    real, moved = lines(), lines(2)
    blurred = F.avg_pool2d(real, 5, 1, 2, count_include_pad=False)
    assert weighted_l1(blurred, real) < weighted_l1(moved, real)
    assert contrast_loss(moved, real) < 0.3 * contrast_loss(blurred, real)


def test_gradients():
    torch.manual_seed(0)
    refined, real = torch.rand(2, 1, 3, 9, 9, dtype=torch.float64)
    weight = torch.rand(1, 1, 9, 9, dtype=torch.float64)

    def loss(x):
        return contrast_loss(x, real, weight)

    value = loss(refined.requires_grad_())
    value.backward()
    for place in ((0, 0, 4, 4), (0, 2, 0, 8)):
        moved = refined.detach().clone()
        moved[place] += 1e-3
        expected = (loss(moved) - value.detach()) / 1e-3
        assert refined.grad[place].item() == pytest.approx(expected.item(), rel=0.05, abs=1e-5)


def test_its_weight_is_that_of_the_term():
    real, moved = lines(), F.avg_pool2d(lines(), 3, 1, 1)
    attention = torch.zeros(1, 1, SIZE, SIZE)
    without, _ = generator_loss(moved, attention, real, LossWeights())
    total, parts = generator_loss(moved, attention, real, LossWeights(contrast=20.0))
    assert total.item() == pytest.approx(without.item() + 20 * parts["contrast"].item(), rel=1e-5)
    assert LossWeights().contrast == 0  # Eq. 4 has no such term


def test_eyes_and_mouth_weigh_most():
    points = np.full((2, 68, 2), 2.0, np.float32)
    points[0, 36:42] = [[10, 10], [13, 8], [16, 8], [19, 10], [16, 12], [13, 12]]
    points[0, 42:48] = points[0, 36:42] + (30, 0)
    points[0, 48:] = np.resize([[20.0, 40.0], [40.0, 40.0], [30.0, 46.0]], (20, 2))
    points[1] = np.nan
    masks = feature_masks(points, 64)
    assert masks["eyes"][0, 10, 15] and masks["eyes"][0, 10, 45] and masks["eyes"][0, 14, 14]
    assert masks["mouth"][0, 42, 30] and not masks["mouth"][0, 42, 50]
    assert not (masks["eyes"] & masks["mouth"]).any() and not masks["mouth"][1].any()
    weight = region_weight(np.ones((2, 64, 64), np.uint8), points)
    assert weight[0, 42, 30] > 6.5 and weight[0, 60, 60] == 4 and (weight[1] == 4).all()
