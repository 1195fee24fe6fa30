"""What a face model cannot represent of a face: uneven skin, own proportions, shine, a camera.

A virtual head that is drawn with its coefficients alone equals its coarse rendering, so there is
nothing to refine. With details it plays the part of a real person's frames (Sec. 3.4).
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy.spatial import cKDTree

from tfhkit.camera import DISTANCE
from tfhkit.face import vertex_normals
from tfhkit.maths import smoothstep

_PATCHES = 3  # random textures that are laid over the own one, each in its own patches
_DELICATE = ("eyes", "lips", "teeth", "tongue", "mouth_cavity")  # shape there stays as it is


@dataclass(frozen=True)
class Detail:
    """One person's details.

    Args:
        offset: (V, 3) dm, added to the neutral shape.
        albedo: (V, 3) RGB in [0, 1], instead of the texture coefficients'.
        gloss: (V,) strength of the shine. sharpness: (V,) its exponent.
        lamp: (3,) unit vector towards what shines in skin and eyes.
    """

    offset: torch.Tensor
    albedo: torch.Tensor
    gloss: torch.Tensor
    sharpness: torch.Tensor
    lamp: torch.Tensor


def random_detail(model, tex, seed):
    """Details of a virtual person, drawn at random.

    Args:
        model: MorphableModel, with hair where the head has some.
        tex: (80,) texture coefficients. seed: int.
    Returns:
        Detail.
    """
    rng = np.random.default_rng((seed, 37))
    verts = model.mean_shape.numpy()
    inside = model.any_region(*_DELICATE).numpy()
    away = smoothstep(0.05, 0.3, cKDTree(verts[inside]).query(verts)[0])  # 0 at eyes and mouth
    bumps = sum(
        strength * _field(verts, size, rng) for strength, size in ((0.012, 0.5), (0.004, 0.15))
    )
    normals = vertex_normals(model.mean_shape[None], model.faces)[0]
    offset = normals * torch.as_tensor((bumps * away)[:, None]).to(normals)
    skin = model.any_region("skin", "face").numpy() & ~model.any_region("eyes", "teeth").numpy()
    gloss = np.where(skin, rng.uniform(0, 0.10), 0.0)
    gloss[model.regions["lips"].numpy()] = rng.uniform(0.02, 0.22)
    gloss[model.regions["scalp"].numpy()] = rng.uniform(0, 0.08)
    gloss[model.regions["teeth"].numpy()] = rng.uniform(0, 0.15)
    gloss[model.regions["eyes"].numpy()] = rng.uniform(0.2, 0.8)
    sharpness = np.full(len(verts), rng.uniform(8, 25))
    sharpness[model.any_region("eyes", "teeth").numpy()] = rng.uniform(60, 160)
    lamp = np.array([rng.uniform(-0.7, 0.7), rng.uniform(0.1, 0.8), 1.0])
    as_tensor = lambda values: torch.as_tensor(np.asarray(values), dtype=torch.float32)  # noqa: E731
    return Detail(
        offset=offset,
        albedo=as_tensor(_albedo(model, tex, rng)),
        gloss=as_tensor(gloss),
        sharpness=as_tensor(sharpness),
        lamp=as_tensor(lamp / np.linalg.norm(lamp)),
    )


def shine(detail, model, verts_world):
    """What is added to lit colours: (B, V, 1).

    Args:
        detail: Detail. model: MorphableModel. verts_world: (B, V, 3).
    Source: Blinn 1977.
    """
    normals = vertex_normals(verts_world, model.faces)
    to_camera = torch.tensor([0.0, 0.0, DISTANCE]) - verts_world
    half = torch.nn.functional.normalize(to_camera, dim=-1) + detail.lamp
    half = torch.nn.functional.normalize(half, dim=-1)
    height = (normals * half).sum(-1).clamp_min(0)
    return (detail.gloss * height**detail.sharpness)[..., None]


def random_grade(seed):
    """How a camera renders colours: a function (..., 3) in [0, 1] -> the same, drawn at random."""
    rng = np.random.default_rng((seed, 41))
    gamma, saturation = rng.uniform(0.8, 1.25), rng.uniform(0.7, 1.25)
    gain = rng.uniform(0.85, 1.1) * (1 + rng.normal(0, 0.03, 3))

    def grade(rgb):
        grey = rgb.mean(-1, keepdims=True)
        coloured = (grey + saturation * (rgb - grey)) * gain
        return (np.clip(coloured, 0, 1) ** gamma).astype(np.float32)

    return grade


def film(frames, seed):
    """What a lens and a codec do to frames: blur or sharpening, noise, JPEG.

    Args:
        frames: (T, S, S, 3) floats in [0, 1]. seed: int.
    Returns:
        (T, S, S, 3) uint8.
    """
    rng = np.random.default_rng((seed, 43))
    blur, sharpen = rng.uniform(0.0, 0.9), rng.uniform(0, 0.6) * (rng.random() < 0.5)
    noise, quality = rng.uniform(0.3, 2.0), int(rng.uniform(60, 96))
    out = np.empty(frames.shape, np.uint8)
    for i, frame in enumerate(frames):
        picture = cv2.GaussianBlur(frame, (0, 0), blur) if blur > 0.2 else frame
        picture = picture + sharpen * (picture - cv2.GaussianBlur(picture, (0, 0), 1.0))
        picture = 255 * picture + noise * rng.standard_normal(frame.shape, dtype=np.float32)
        picture = np.rint(picture.clip(0, 255)).astype(np.uint8)
        _, code = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
        out[i] = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return out


def fitted_texture(model, albedo, spread=0.5):
    """The texture coefficients that come nearest to an albedo: (80,) float32.

    Args:
        model: MorphableModel. albedo: (V, 3), compared on the face's skin.
        spread: standard deviation of what the coefficients cannot represent; they are of unit
            variance.
    """
    seen = model.regions["face"] & ~model.any_region("mouth_cavity", "tongue")
    basis = model.tex_basis[:, seen].flatten(1).double()
    rest = (albedo - model.mean_tex)[seen].flatten().double()
    held = basis @ basis.T + spread**2 * torch.eye(len(basis)).double()
    return torch.linalg.solve(held, basis @ rest).float().numpy()


def _albedo(model, tex, rng):
    """(V, 3): patches of random textures over the own one, fine grain, own colours of parts."""
    verts = model.mean_shape.numpy()
    other = np.asarray(tex) + rng.normal(0, 0.45, (_PATCHES, 80))
    textures = model.texture(torch.as_tensor(np.vstack([tex, other]), dtype=torch.float32)).numpy()
    fields = [_field(verts, size, rng) for size in (0.6, 0.35, 0.2)]
    weights = np.stack([np.full(len(verts), 1.5), *(0.8 * field for field in fields)])
    weights = np.exp(1.5 * weights)
    albedo = np.einsum("kv,kvc->vc", weights / weights.sum(0), textures)
    grain = sum(rng.uniform(0, 0.025) * _field(verts, size, rng) for size in (0.12, 0.05, 0.025))
    skin = model.any_region("skin", "lips", "brows", "scalp").numpy()
    albedo = albedo * (1 + np.where(skin, grain, 0))[:, None]
    for part, spread in (("brows", 0.25), ("lips", 0.08), ("iris", 0.25), ("teeth", 0.12)):
        tint = np.exp(rng.normal(0, spread)) * (1 + rng.normal(0, 0.03, 3))
        albedo[model.regions[part].numpy()] *= tint
    albedo[model.regions["pupil"].numpy()] = 0.03
    return albedo.clip(0, 1)


def _field(verts, size_dm, rng):
    """A smooth random field of unit variance over space: (V,)."""
    waves = rng.standard_normal((24, 3)) / size_dm
    return np.cos(verts @ waves.T + rng.uniform(0, 2 * np.pi, 24)).sum(1) / np.sqrt(12)
