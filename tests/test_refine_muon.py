"""Muon: what its steps are, what they are for, and which weights it moves."""

import pytest
import torch
from torch import nn
from torch.optim import Adam

from tfhkit.refine import refiner_config, train_config
from tfhkit.refine.config import SIZE_DEFAULTS
from tfhkit.refine.muon import SIDES, Muon, layer_weights, orthogonalised
from tfhkit.refine.nets import build_nets


@pytest.mark.parametrize("shape", [(24, 90), (90, 24), (16, 16)])
def test_all_directions_become_alike(shape):
    """Singular vectors stay; values down to a hundredth of the matrix's length end near 1."""
    noise = torch.Generator().manual_seed(0)
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=noise), full_matrices=False)
    values = torch.logspace(0, -2, min(shape))
    turned = u.T @ orthogonalised(u @ torch.diag(values) @ v) @ v.T
    assert 0.15 < turned.diagonal().min() and turned.diagonal().max() < 1.9
    assert (turned - torch.diag(turned.diagonal())).abs().max() < 1e-3
    assert values.max() / values.min() > 7 * turned.diagonal().max() / turned.diagonal().min()


def test_the_size_of_the_gradient_does_not_matter():
    matrix = torch.randn(20, 40, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(orthogonalised(matrix), orthogonalised(1e-3 * matrix), atol=1e-3)
    assert not orthogonalised(torch.zeros(20, 40)).any()


def test_small_directions_are_learned_as_fast_as_large_ones():
    """A linear map of inputs whose deviations differ a hundredfold: a short training gets nearer
    to it than Adam's best of four learning rates."""
    noise = torch.Generator().manual_seed(2)
    wanted = torch.randn(16, 16, generator=noise)
    turn, _ = torch.linalg.qr(torch.randn(16, 16, generator=noise))
    inputs = torch.randn(400, 16, generator=noise) @ torch.diag(torch.logspace(0, -2, 16)) @ turn

    def distance(make, rate, steps=200):
        weight = nn.Parameter(torch.zeros(16, 16))
        optimiser = make([weight], rate)
        for step in range(steps):
            for group in optimiser.param_groups:
                group["lr"] = rate * (1 - step / steps)
            optimiser.zero_grad()
            (inputs @ (weight - wanted)).square().mean().backward()
            optimiser.step()
        return float((weight.detach() - wanted).norm() / wanted.norm())

    adam = min(distance(Adam, rate) for rate in (0.03, 0.1, 0.3, 1.0))
    muon = min(distance(Muon, rate) for rate in (0.1, 0.3))
    assert muon < 0.1 * adam


def test_each_parameter_of_the_generator_has_one_optimiser():
    config = refiner_config("small", size_px=64, slots=8, spatial="random")
    train = train_config("small", layers_lr=0.02)
    nets = build_nets(config, train, None, torch.device("cpu"))
    moved = [p for o in (nets.opt_g, nets.opt_w) for g in o.param_groups for p in g["params"]]
    assert {id(p) for p in moved} == {id(p) for p in nets.refiner.generator.parameters()}
    assert len(moved) == len({id(p) for p in moved})
    for weight in layer_weights(nets.refiner.generator):
        assert weight.ndim == 4 and SIDES[0] <= min(len(weight), weight[0].numel()) <= SIDES[1]
    nets.set_rates(train, 0.5)
    assert nets.opt_w.param_groups[0]["lr"] == pytest.approx(0.01)
    assert nets.opt_g.param_groups[0]["lr"] == pytest.approx(SIZE_DEFAULTS["small"]["lr"] / 2)


def test_without_its_rate_there_is_no_muon():
    config = refiner_config("small", size_px=64, slots=8, spatial="random")
    for recipe in ("paper", "published"):
        nets = build_nets(config, train_config("small", recipe), None, torch.device("cpu"))
        assert nets.opt_w is None and set(nets.optimisers) == {"opt_g", "opt_d", "opt_m"}
