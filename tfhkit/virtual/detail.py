"""Details of a face that a face model cannot represent: uneven skin, shape, shine, a camera.

A virtual head that is drawn with its coefficients alone equals its coarse rendering, so there is
nothing to refine. With details it takes the place of a real person's frames (Sec. 3.4).
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy.spatial import cKDTree
from torch import Tensor

from tfhkit.camera import DISTANCE
from tfhkit.face import MorphableModel, vertex_normals
from tfhkit.maths import smoothstep
from tfhkit.render.numba_backend import unit_normals

# a camera's change of colours, from RGB in [0, 1] to RGB in [0, 1]
Grade = Callable[[Float[np.ndarray, "*shape 3"]], Float[np.ndarray, "*shape 3"]]
_PATCHES = 3  # random textures that are blended into the person's own, each in its own patches
_DELICATE = ("eyes", "lips", "teeth", "tongue", "mouth_cavity")  # the shape there does not change


@dataclass(frozen=True)
class Detail:
    """One person's details.

    Args:
        offset: dm, added to the neutral shape.
        albedo: RGB in [0, 1], in place of the texture coefficients' albedo.
        gloss: strength of the specular highlights.
        sharpness: exponent of the specular highlights.
        lamp: unit vector towards the lamp that is reflected by skin and eyes.
    """

    offset: Float[Tensor, "V 3"]
    albedo: Float[Tensor, "V 3"]
    gloss: Float[Tensor, "V"]
    sharpness: Float[Tensor, "V"]
    lamp: Float[Tensor, "3"]


def random_detail(model: MorphableModel, tex: Float[np.ndarray, "80"], seed: int) -> Detail:
    """Details of a virtual person, drawn at random.

    Args:
        model: the face model, with hair if the head has any.
        tex: texture coefficients.
        seed: random seed.
    """
    rng = np.random.default_rng((seed, 37))
    verts = model.mean_shape.numpy()
    inside = model.any_region(*_DELICATE).numpy()
    away = smoothstep(0.05, 0.3, cKDTree(verts[inside]).query(verts)[0])  # 0 at eyes and mouth
    bumps = np.zeros(len(verts))
    for strength, size in ((0.012, 0.5), (0.004, 0.15)):
        bumps = bumps + strength * _field(verts, size, rng)
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

    def as_tensor(values: Float[np.ndarray, "*shape"]) -> Float[Tensor, "*shape"]:
        return torch.as_tensor(values, dtype=torch.float32)

    return Detail(
        offset=offset,
        albedo=as_tensor(_albedo(model, tex, rng)),
        gloss=as_tensor(gloss),
        sharpness=as_tensor(sharpness),
        lamp=as_tensor(lamp / np.linalg.norm(lamp)),
    )


def shine(
    detail: Detail, model: MorphableModel, verts_world: Float[Tensor, "B V 3"]
) -> Float[Tensor, "B V 1"]:
    """Specular highlights of vertices, to be added to their lit colours.

    Source: Blinn 1977.
    """
    normals = unit_normals(verts_world, model.faces)
    to_camera = torch.tensor([0.0, 0.0, DISTANCE]) - verts_world
    half = torch.nn.functional.normalize(to_camera, dim=-1) + detail.lamp
    half = torch.nn.functional.normalize(half, dim=-1)
    height = (normals * half).sum(-1).clamp_min(0)
    return (detail.gloss * height**detail.sharpness)[..., None]


def random_grade(seed: int) -> Grade:
    """How a camera, drawn at random, renders colours."""
    rng = np.random.default_rng((seed, 41))
    gamma, saturation = rng.uniform(0.8, 1.25), rng.uniform(0.7, 1.25)
    gain = rng.uniform(0.85, 1.1) * (1 + rng.normal(0, 0.03, 3))
    mixing = (saturation * np.eye(3) + (1 - saturation) / 3) * gain  # away from grey, then tinted

    def grade(rgb: Float[np.ndarray, "*shape 3"]) -> Float[np.ndarray, "*shape 3"]:
        pixels = np.ascontiguousarray(rgb, np.float32).reshape(-1, 1, 3)
        coloured = cv2.transform(pixels, mixing.T).clip(0, 1)
        return cv2.pow(coloured, gamma).reshape(rgb.shape)

    return grade


def film(frames: Float[np.ndarray, "T H W 3"], seed: int) -> UInt8[np.ndarray, "T H W 3"]:
    """What a lens and a codec do to frames: blur or sharpening, noise, JPEG.

    Args:
        frames: RGB in [0, 1].
        seed: random seed of how much of each.
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
        decoded = cv2.imdecode(code, cv2.IMREAD_COLOR)
        assert decoded is not None  # it is None only for bytes that are no picture
        out[i] = decoded
    return out


def fitted_texture(
    model: MorphableModel, albedo: Float[Tensor, "V 3"], spread: float = 0.5
) -> Float[np.ndarray, "80"]:
    """The texture coefficients that come nearest to an albedo, as float32.

    Args:
        model: the face model.
        albedo: RGB in [0, 1], compared on the face's skin.
        spread: standard deviation of the albedo that the coefficients cannot represent; the
            coefficients themselves have unit variance.
    """
    seen = model.regions["face"] & ~model.any_region("mouth_cavity", "tongue")
    basis = model.tex_basis[:, seen].flatten(1).double()
    rest = (albedo - model.mean_tex)[seen].flatten().double()
    held = basis @ basis.T + spread**2 * torch.eye(len(basis)).double()
    return torch.linalg.solve(held, basis @ rest).float().numpy()


def _albedo(
    model: MorphableModel, tex: Float[np.ndarray, "80"], rng: np.random.Generator
) -> Float[np.ndarray, "V 3"]:
    """Patches of random textures over the person's own, fine grain, a tint for each part."""
    verts = model.mean_shape.numpy()
    other = np.asarray(tex) + rng.normal(0, 0.45, (_PATCHES, 80))
    textures = model.texture(torch.as_tensor(np.vstack([tex, other]), dtype=torch.float32)).numpy()
    fields = [_field(verts, size, rng) for size in (0.6, 0.35, 0.2)]
    weights = np.stack([np.full(len(verts), 1.5), *(0.8 * field for field in fields)])
    weights = np.exp(1.5 * weights)
    albedo = np.einsum("kv,kvc->vc", weights / weights.sum(0), textures)
    grain = np.zeros(len(verts))
    for size in (0.12, 0.05, 0.025):
        grain = grain + rng.uniform(0, 0.025) * _field(verts, size, rng)
    skin = model.any_region("skin", "lips", "brows", "scalp").numpy()
    albedo = albedo * (1 + np.where(skin, grain, 0))[:, None]
    for part, spread in (("brows", 0.25), ("lips", 0.08), ("iris", 0.25), ("teeth", 0.12)):
        tint = np.exp(rng.normal(0, spread)) * (1 + rng.normal(0, 0.03, 3))
        albedo[model.regions[part].numpy()] *= tint
    albedo[model.regions["pupil"].numpy()] = 0.03
    return albedo.clip(0, 1)


def _field(
    verts: Float[np.ndarray, "V 3"], size_dm: float, rng: np.random.Generator
) -> Float[np.ndarray, "V"]:
    """A smooth random field of unit variance over space."""
    waves = rng.standard_normal((24, 3)) / size_dm
    return np.cos(verts @ waves.T + rng.uniform(0, 2 * np.pi, 24)).sum(1) / np.sqrt(12)
