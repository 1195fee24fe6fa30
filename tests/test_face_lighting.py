"""Spherical-harmonics light: constants, closed cases, gradients."""

import math

import pytest
import torch

from tfhkit.errors import ShapeError
from tfhkit.face.lighting import irradiance, lamp_light, sh_basis, sh_gradient, shade_sh

AMBIENT = 0.8 * math.pi / math.sqrt(4 * math.pi)


def sphere(n=2000, dtype=torch.float64):
    points = torch.randn(n, 3, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return torch.nn.functional.normalize(points, dim=-1)


def test_constants_of_the_bands():
    basis = sh_basis(torch.tensor([[0.0, 0, 1], [0, 1, 0], [1, 0, 0]], dtype=torch.float64))
    a0c0, a1c1 = math.pi * 0.28209479, 2 * math.pi / math.sqrt(3) * 0.48860251
    a2c2 = 2 * math.pi / math.sqrt(8) * 1.09254843
    expected = torch.tensor(
        [
            [a0c0, 0, a1c1, 0, 0, 0, a2c2 / math.sqrt(3), 0, 0],
            [a0c0, -a1c1, 0, 0, 0, 0, -a2c2 / (2 * math.sqrt(3)), 0, -a2c2 / 2],
            [a0c0, 0, 0, -a1c1, 0, 0, -a2c2 / (2 * math.sqrt(3)), 0, a2c2 / 2],
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(basis, expected, atol=1e-6, rtol=0)


def test_bands_are_orthogonal_over_the_sphere():
    basis = sh_basis(sphere(60_000))
    gram = basis.T @ basis / len(basis)
    off = gram - torch.diag(gram.diagonal())
    assert off.abs().max() < 0.05 * gram.diagonal().min()


def test_no_light_is_ambient_alone():
    normals = sphere(10)[None]
    albedo = torch.full((1, 10, 3), 0.5, dtype=torch.float64)
    shaded = shade_sh(albedo, normals, torch.zeros(1, 27, dtype=torch.float64))
    torch.testing.assert_close(shaded, albedo * AMBIENT)


def test_light_is_channel_major_and_from_the_side_it_says():
    normals = torch.tensor([[[0.0, 0, 1], [0, 0, -1]]])
    light = torch.zeros(1, 27)
    light[0, 9 + 2] = 0.5  # green, band z
    shaded = shade_sh(torch.ones(2, 3), normals, light)
    assert shaded[0, 0, 1] > shaded[0, 1, 1] + 1
    torch.testing.assert_close(shaded[0, :, [0, 2]], torch.full((2, 2), AMBIENT))
    torch.testing.assert_close(shaded, shade_sh(torch.ones(2, 3), normals, light.reshape(1, 3, 9)))


def test_batch_equals_one_by_one():
    normals = sphere(24, torch.float32).reshape(4, 6, 3)
    light = 0.3 * torch.randn(4, 27, generator=torch.Generator().manual_seed(1))
    whole = irradiance(normals, light)
    single = torch.cat([irradiance(normals[i : i + 1], light[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(whole, single)


def test_a_lamp_lights_by_the_cosine():
    normals = sphere(4000, torch.float32)
    towards = torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, -5.0]])
    light = lamp_light(towards, strength=0.6, ambient=0.2)
    cosine = torch.nn.functional.normalize(towards, dim=-1) @ normals.T
    expected = 0.2 + 0.6 * cosine.clamp_min(0)
    found = irradiance(normals.expand(2, -1, -1), light)
    assert (found - expected[..., None]).abs().max() < 0.06
    assert (found.mean(1) - expected.mean(1, keepdim=True)).abs().max() < 0.01


def test_gradients():
    normals = sphere(5)[None].requires_grad_()
    albedo = torch.rand(1, 5, 3, dtype=torch.float64, requires_grad=True)
    light = torch.randn(1, 27, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(shade_sh, (albedo, normals, light))


def test_wrong_sizes():
    with pytest.raises(ShapeError, match="normals"):
        sh_basis(torch.zeros(4, 2))
    with pytest.raises(ShapeError, match=r"light: expected shape \(1, 27\)"):
        irradiance(torch.zeros(1, 4, 3), torch.zeros(1, 26))
    with pytest.raises(ShapeError, match="albedo"):
        shade_sh(torch.zeros(4, 1), torch.zeros(1, 4, 3), torch.zeros(1, 27))


def test_gradient_of_the_bands_by_the_normal():
    normals = sphere(6)
    for normal, found in zip(normals, sh_gradient(normals)):
        expected = torch.autograd.functional.jacobian(sh_basis, normal)
        torch.testing.assert_close(found, expected)
