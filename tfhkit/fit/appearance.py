"""Texture and light of a clip from its pixels (Sec. 3.1).

    I = (T_mean + B_tex d) * sum_b gamma_b Phi_b(n)

With the geometry known, the irradiance is linear in the light for a given albedo and linear in the
texture for a given light; both are solved in turn by robust least squares over a few frames.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from tfhkit.camera import Camera, project
from tfhkit.coefficients import Coefficients
from tfhkit.face.lighting import AMBIENT, sh_basis, with_ambient
from tfhkit.face.model import MOUTH_INSIDE, MorphableModel, vertex_normals
from tfhkit.render.albedo import sample_bilinear
from tfhkit.render.shading import posed_verts
from tfhkit.render.visibility import facing, vertex_visibility


def observe(
    model: MorphableModel,
    coefficients: Coefficients,
    images: UInt8[np.ndarray, "B S S 3"],
    camera: Camera,
) -> tuple[Float[Tensor, "B V 3"], Float[Tensor, "B V 9"], Bool[Tensor, "B V"]]:
    """Colours, normals and a mask of the skin vertices that each frame shows.

    Args:
        model: MorphableModel.
        coefficients: Coefficients of B frames (float32 tensors).
        images: (B, S, S, 3) uint8 crops.
        camera: Camera with size S.
    Returns:
        colours (B, V, 3), basis (B, V, 9), seen (B, V) bool.
    """
    verts = posed_verts(model, coefficients)
    normals = vertex_normals(verts, model.faces)
    points, _ = project(verts, camera)
    skin = model.regions["face"] & ~model.any_region("eyes", *MOUTH_INSIDE)
    shown = vertex_visibility(verts, model.faces, camera.at(max(camera.size_px, 256)))
    seen = shown & (facing(verts, normals) > 0.25) & skin
    colours = torch.stack([sample_bilinear(*pair) for pair in zip(images, points)])
    return colours, sh_basis(normals), seen


def solve_light(
    colours: Float[Tensor, "B V 3"],
    basis: Float[Tensor, "B V 9"],
    albedo: Float[Tensor, "V 3"],
    weight: Float[Tensor, "B V 3"],
    ridge: float = 1e-2,
) -> Float[Tensor, "27"]:
    """Least-squares light (27,) for a given albedo.

    Args:
        colours: (B, V, 3) observed.
        basis: (B, V, 9) SH basis of the normals.
        albedo: (V, 3).
        weight: (B, V, 3).
        ridge: pull of bands 1 to 8 to 0, per observation.
    Returns:
        (27,) channel-major, 0.8 of band 0 taken off.
    """
    light = albedo.new_zeros(3, 9, dtype=torch.float64)
    bands = albedo.new_tensor([0.0] + [0.2] * 3 + [1.0] * 5)
    for channel in range(3):
        a = (basis * albedo[None, :, channel, None]).reshape(-1, 9).double()
        w = weight[..., channel].reshape(-1, 1).double()
        normal = a.T @ (w * a)
        right = a.T @ (w[:, 0] * colours[..., channel].reshape(-1).double())
        pull = torch.diag(ridge * w.sum() * bands).double()
        light[channel] = torch.linalg.solve(normal + pull, right)
    light[:, 0] -= AMBIENT
    return light.reshape(27).float()


def solve_texture(
    mean: Float[Tensor, "V 3"],
    basis: Float[Tensor, "80 V 3"],
    colours: Float[Tensor, "B V 3"],
    shading: Float[Tensor, "B V 3"],
    weight: Float[Tensor, "B V 3"],
    prior: float,
) -> Float[Tensor, "80"]:
    """Ridge solution for the texture coefficients (80,) under a given shading (B, V, 3)."""
    n = len(basis)
    basis = basis.reshape(n, -1).T.double()  # (3V, 80)
    s = shading.double()
    w = weight.double()
    gain = (w * s * s).sum(0).reshape(-1)
    target = (w * s * (colours.double() - s * mean.double())).sum(0).reshape(-1)
    normal = basis.T @ (gain[:, None] * basis) + prior * torch.eye(n).to(basis)
    return torch.linalg.solve(normal, basis.T @ target).float()


def fit_appearance(
    model: MorphableModel,
    coefficients: Coefficients,
    images: UInt8[np.ndarray, "B S S 3"],
    iterations: int = 6,
    sigma: float = 0.08,
    prior: float = 4.0,
) -> tuple[Float[Tensor, "80"], Float[Tensor, "27"], float]:
    """One texture and one light for the clip.

    Args:
        model: MorphableModel.
        coefficients: Coefficients of B chosen frames; their tex and light are ignored.
        images: (B, S, S, 3) uint8 crops of these frames.
        iterations: rounds of light, texture, robust weights.
        sigma: colour error beyond which a vertex loses influence (hair, glasses, hands).
        prior: weight of |d|^2.
    Returns:
        tex (80,), light (27,), and the mean absolute colour error of the visible skin.
    """
    camera = Camera(images.shape[1])
    colours, bands, seen = observe(model, coefficients, images, camera)
    skin = seen.any(0).nonzero()[:, 0]  # what no frame shows need not be computed
    colours, bands, seen = colours[:, skin], bands[:, skin], seen[:, skin]
    mean, tex_basis = model.mean_tex[skin], model.tex_basis[:, skin]
    weight = seen[..., None].float().expand_as(colours)
    tex, albedo = colours.new_zeros(len(tex_basis)), mean
    for _ in range(iterations):
        light = solve_light(colours, bands, albedo, weight)
        shading = torch.einsum("bvk,ck->bvc", bands, with_ambient(light)[0])
        # Precision of a vertex' colour, so that |d|^2 is weighed as a prior.
        tex = solve_texture(mean, tex_basis, colours, shading, weight / sigma**2 / 30, prior)
        albedo = mean + torch.einsum("k,kvc->vc", tex, tex_basis)
        error = colours - shading * albedo
        robust = 1 / (1 + (error.square().sum(-1, keepdim=True) / (3 * sigma**2))) ** 2
        weight = (seen[..., None] * robust).expand_as(colours)
    shown = seen[..., None].expand_as(error)
    return tex, light, float(error[shown].abs().mean())


def spread_frames(angles: Float[np.ndarray, "T 3"], n: int) -> Int[np.ndarray, "n_chosen"]:
    """Indices of up to `n` frames spread over the clip's yaw, for texture and light.

    Args:
        angles: (T, 3) radians.
        n: how many.
    Returns:
        sorted (n,) indices.
    """
    order = np.argsort(angles[:, 1], kind="stable")
    return np.sort(order[np.linspace(0, len(order) - 1, min(n, len(order))).round().astype(int)])
