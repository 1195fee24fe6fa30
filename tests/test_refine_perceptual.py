"""The perceptual term: by hand, its gradients, what it is blind and not blind to, in a training."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.efficientnet import EfficientNetLite, feature_distance
from tfhkit.refine import (
    LossWeights,
    PairedFrames,
    TrainConfig,
    nets,
    refiner_config,
    train_config,
    train_refiner,
)
from tfhkit.refine.losses import generator_loss, perceptual_loss
from tfhkit.refine.nets import build_nets
from tfhkit.weights import fingerprint

SIZE = 32
CONFIG = refiner_config(
    "small", size_px=SIZE, channels=(4, 8), slots=8, spatial="random", identity="mean"
)
TRAIN = TrainConfig(steps=4, batch=2, precision="float32", disc_channels=8, detail_from=0.5)


@pytest.fixture
def net():
    """Random filters see enough for these tests; the file is not needed."""
    torch.manual_seed(0)
    return EfficientNetLite("lite0").eval().requires_grad_(False)


@pytest.fixture
def pictures():
    torch.manual_seed(1)
    return torch.rand(2, 3, SIZE, SIZE) * 2 - 1, torch.rand(2, 3, SIZE, SIZE) * 2 - 1


def test_the_distance_by_hand():
    right = torch.tensor([1.0, 0.0]).view(1, 2, 1, 1).repeat(1, 1, 2, 2)
    up = torch.tensor([0.0, 3.0]).view(1, 2, 1, 1).repeat(1, 1, 2, 2)
    assert feature_distance([right], [5 * right]).item() == 0  # the length does not count
    assert feature_distance([right], [up]).item() == pytest.approx(2)
    assert feature_distance([right], [-right]).item() == pytest.approx(4)
    mixed = torch.cat([right[..., :1], up[..., :1]], -1)
    assert feature_distance([right, right], [mixed, right]).item() == pytest.approx(0.5)
    mask = torch.tensor([1.0, 3.0]).view(1, 1, 1, 2).repeat(1, 1, 2, 1)
    assert feature_distance([right], [mixed], mask).item() == pytest.approx(1.5)


def test_gradients_of_the_distance():
    torch.manual_seed(0)
    first, second = torch.randn(2, 2, 3, 2, 2, dtype=torch.float64)
    mask = torch.rand(2, 1, 4, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(
        lambda x: feature_distance([x], [second], mask), first.requires_grad_()
    )


def test_equal_pictures_and_worse_ones(net, pictures):
    real, other = pictures
    assert perceptual_loss(real, real, net).item() == 0
    losses = [perceptual_loss(real.lerp(other, s), real, net).item() for s in (0.1, 0.3, 1.0)]
    assert 0 < losses[0] < losses[1] < losses[2]


def test_it_reaches_the_refined_picture_and_nothing_else(net, pictures):
    refined, real = (picture.clone().requires_grad_() for picture in pictures)
    perceptual_loss(refined, real, net).backward()
    assert refined.grad.abs().mean() > 0 and real.grad is None
    assert all(p.grad is None for p in net.parameters())


def test_the_weight_says_where_it_looks(net, pictures):
    real, spoilt = pictures[0], pictures[0].clone()
    spoilt[..., SIZE // 2 :] = pictures[1][..., SIZE // 2 :]
    left = torch.zeros(2, 1, SIZE, SIZE)
    left[..., : SIZE // 4] = 1
    here, there = (perceptual_loss(spoilt, real, net, w).item() for w in (left, left.flip(-1)))
    assert here < 0.2 * there


def test_it_is_a_term_of_the_loss(net, pictures):
    refined, real = pictures
    attention = torch.rand(2, 1, SIZE, SIZE)
    weights = LossWeights(perceptual=6.0)
    without, parts = generator_loss(refined, attention, real, weights)
    assert "perceptual" not in parts  # no network, no term
    total, parts = generator_loss(refined, attention, real, weights, features=net)
    expected = 6 * perceptual_loss(refined, real, net)
    assert (total - without).item() == pytest.approx(expected.item(), rel=1e-4)
    assert parts["perceptual"].item() == pytest.approx(expected.item() / 6, rel=1e-5)


def test_the_paper_has_no_such_term():
    assert train_config("small", "paper").losses.perceptual == 0 == LossWeights().perceptual


def toy_pairs():
    rng = np.random.default_rng(0)
    renders, reals = rng.integers(0, 256, (2, 6, SIZE, SIZE, 3), dtype=np.uint8)
    identity = np.eye(6, 128, dtype=np.float32)
    return PairedFrames(renders, reals, identity)


def test_the_network_is_frozen_and_in_no_checkpoint(net, monkeypatch):
    monkeypatch.setattr(nets, "why_missing", lambda name: "")
    monkeypatch.setattr(nets, "open_efficientnet", lambda name: net)
    train = replace(TRAIN, losses=LossWeights(perceptual=5.0), log_every=1)
    built = build_nets(CONFIG, train, None, torch.device("cpu"))
    assert set(built.modules) == {"refiner", "discriminator"} and built.features is not net
    before = fingerprint(*net.state_dict().values())
    with_it, history = train_refiner(toy_pairs(), CONFIG, train)
    assert fingerprint(*net.state_dict().values()) == before
    assert all(entry["perceptual"] > 0 for entry in history["steps"])
    without, _ = train_refiner(toy_pairs(), CONFIG, replace(TRAIN, log_every=1))
    assert with_it.state_dict().keys() == without.state_dict().keys()
    trained = [refiner.generator.state_dict() for refiner in (with_it, without)]
    assert any(not torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


def test_without_the_file_it_is_left_out_and_said(monkeypatch):
    monkeypatch.setattr(nets, "why_missing", lambda name: f"{name}: absent")
    train = replace(TRAIN, steps=1, losses=LossWeights(perceptual=5.0))
    with pytest.warns(UserWarning, match="lite0: absent; trained without the perceptual term"):
        _, history = train_refiner(toy_pairs(), CONFIG, train)
    assert "perceptual" not in history["steps"][-1]
