"""Spherical-harmonics light with nine bands (Sec. 3.1)."""

import math

import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from tfhkit.errors import ShapeError, check_shape

AMBIENT = 0.8  # added to band 0 of each channel
# Lambertian transfer of the bands 0, 1, 2 and the normalisation of the real harmonics.
A0, A1, A2 = math.pi, 2 * math.pi / math.sqrt(3), 2 * math.pi / math.sqrt(8)
C0 = 1 / math.sqrt(4 * math.pi)
C1 = math.sqrt(3) / math.sqrt(4 * math.pi)
C2 = 3 * math.sqrt(5) / math.sqrt(12 * math.pi)


def sh_basis(normals: Float[Tensor, "..."]) -> Float[Tensor, "... 9"]:
    """Irradiance of the nine harmonics on surfaces with these normals.

    Args:
        normals: (..., 3) unit vectors, world space.
    Returns:
        (..., 9), order 1, -y, z, -x, xy, -yz, 3z^2 - 1, -xz, x^2 - y^2 (with their factors).
    Raises:
        ShapeError: the last axis is not 3.
    Source: Ramamoorthi & Hanrahan 2001; factors and signs as in Deep3D.
    """
    check_shape("normals", normals, (..., 3))
    x, y, z = normals.unbind(-1)
    bands = [
        torch.full_like(x, A0 * C0),
        -A1 * C1 * y,
        A1 * C1 * z,
        -A1 * C1 * x,
        A2 * C2 * x * y,
        -A2 * C2 * y * z,
        A2 * C2 * 0.5 / math.sqrt(3) * (3 * z * z - 1),
        -A2 * C2 * x * z,
        A2 * C2 * 0.5 * (x * x - y * y),
    ]
    return torch.stack(bands, -1)


def sh_gradient(normals: Float[Tensor, "*points 3"]) -> Float[Tensor, "*points 9 3"]:
    """Derivatives of `sh_basis` by the normal: (..., 3) -> (..., 9, 3)."""
    x, y, z = normals.unbind(-1)
    o, i = torch.zeros_like(x), torch.ones_like(x)
    first, second = A1 * C1, A2 * C2
    polar = second * 3 / math.sqrt(3)
    rows = [
        [o, o, o],
        [o, -first * i, o],
        [o, o, first * i],
        [-first * i, o, o],
        [second * y, second * x, o],
        [o, -second * z, -second * y],
        [o, o, polar * z],
        [-second * z, o, -second * x],
        [second * x, -second * y, o],
    ]
    return torch.stack([torch.stack(row, -1) for row in rows], -2)


def irradiance(
    normals: Float[Tensor, "..."], light: Float[Tensor, "..."]
) -> Float[Tensor, "B V 3"]:
    """Light that arrives at each vertex: the sum of Sec. 3.1 without the albedo.

    Args:
        normals: (B, V, 3) unit vectors, world space.
        light: (B, 27) or (B, 3, 9), channel-major; 0.8 is added to band 0.
    Returns:
        (B, V, 3) RGB.
    Raises:
        ShapeError: light is neither (B, 27) nor (B, 3, 9), or the batches differ.
    """
    check_shape("normals", normals, ("B", "V", 3))
    if tuple(light.shape[1:]) not in ((27,), (3, 9)) or len(light) not in (1, len(normals)):
        raise ShapeError(
            f"light: expected shape ({len(normals)}, 27) or ({len(normals)}, 3, 9), "
            f"got {tuple(light.shape)}"
        )
    return sh_basis(normals) @ with_ambient(light).transpose(-1, -2)


def with_ambient(light: Float[Tensor, "..."]) -> Float[Tensor, "B 3 9"]:
    """The light as it is used: any shape of 27s, channel-major -> (B, 3, 9), 0.8 on band 0."""
    light = light.reshape(-1, 3, 9)
    ambient = torch.zeros(9, dtype=light.dtype, device=light.device)
    ambient[0] = AMBIENT
    return light + ambient


def shade_sh(
    albedo: Float[Tensor, "..."], normals: Float[Tensor, "..."], light: Float[Tensor, "..."]
) -> Float[Tensor, "B V 3"]:
    """Light per-vertex albedo with nine spherical-harmonics bands (Sec. 3.1).

    Args:
        albedo: (B, V, 3) or (V, 3) RGB in [0, 1].
        normals: (B, V, 3) unit vectors, world space.
        light: (B, 27) or (B, 3, 9), channel-major; 0.8 is added to band 0.
    Returns:
        (B, V, 3), not clamped. With zero light the albedo times 0.8 pi / sqrt(4 pi) = 0.709.
    Raises:
        ShapeError: a trailing axis differs.
    Source: Ramamoorthi & Hanrahan 2001; paper Sec. 3.1. Values lie in [0, 1] where the
        published code has [0, 255].
    """
    check_shape("albedo", albedo, (..., "V", 3))
    return albedo * irradiance(normals, light)


def lamp_light(
    direction: Float[Tensor, "... 3"] | ArrayLike, strength: float = 0.7, ambient: float = 0.3
) -> Float[Tensor, "... 27"]:
    """The light of one far white lamp and of an even surrounding.

    The irradiance is ambient + strength max(n . direction, 0), cut off after the second order:
    at most 0.1 strength off, and a little negative about the lamp's opposite rim.

    Args:
        direction: (..., 3) towards the lamp, world space, any length.
        strength: irradiance of a surface that faces the lamp, without the surrounding's share.
        ambient: irradiance from the surrounding alone.
    Returns:
        (..., 27) channel-major, 0.8 of band 0 taken off.
    Source: the factors pi, 2 pi / 3, pi / 4 of Ramamoorthi & Hanrahan 2001.
    """
    towards = torch.nn.functional.normalize(torch.as_tensor(direction).float(), dim=-1)
    # A lamp's harmonics are those of its direction; sh_basis has the factors A0 to A2 in it.
    orders = torch.tensor(
        [math.pi / A0**2] + [2 * math.pi / 3 / A1**2] * 3 + [math.pi / 4 / A2**2] * 5
    )
    light = strength * orders.to(towards) * sh_basis(towards)
    light[..., 0] += ambient / (A0 * C0) - AMBIENT
    return light[..., None, :].expand(*light.shape[:-1], 3, 9).flatten(-2)
