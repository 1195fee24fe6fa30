"""Pictures of heads for figures and explorers: portraits in a studio, on paper."""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import ArrayLike
from torch import Tensor

from tfhkit.camera import Camera
from tfhkit.coefficients import SIZES, Coefficients
from tfhkit.face.lighting import lamp_light
from tfhkit.face.model import MorphableModel
from tfhkit.render.shading import render

PAPER = 0.96  # grey level behind a portrait
CLAY = 0.72  # albedo of a head without its texture


def studio_light() -> Float[Tensor, "1 27"]:
    """(1, 27): a lamp from above, in front, and from the image's left."""
    return lamp_light([[-0.5, 0.6, 1.0]], strength=0.75, ambient=0.42)


def clay(model: MorphableModel) -> Float[Tensor, "V 3"]:
    """(V, 3) albedo of an unpainted head, so that only its shape is seen."""
    return torch.full((model.n_verts, 3), CLAY)


def portraits(
    model: MorphableModel,
    size_px: int = 224,
    albedo: Float[Tensor, "V 3"] | None = None,
    region: str = "all",
    back_dm: float = 0.0,
    supersample: int = 2,
    **parts: ArrayLike | Float[Tensor, "..."],
) -> UInt8[np.ndarray, "B S S 3"]:
    """Heads of which only some coefficients are said, in a studio, on paper.

    Args:
        model: MorphableModel. size_px: side of a picture.
        albedo: (V, 3) instead of the coefficients' texture; see `clay`.
        region: as in `render`.
        back_dm: how much farther from the camera; 3 shows the whole head.
        supersample: points per pixel along each axis.
        **parts: id, exp, tex, angles, light, trans as (B, n) or (1, n); the rest is 0, and the
            light that of the studio.
    Returns:
        (B, S, S, 3) uint8.
    """
    light = {"light": studio_light()}
    given = {name: torch.as_tensor(part).float() for name, part in (light | parts).items()}
    count = max(len(part) for part in given.values())
    zeros = {name: torch.zeros(1, size) for name, size in SIZES.items()}
    face = Coefficients(**(zeros | given)).map(lambda part: part.expand(count, -1))
    trans = face.trans - torch.tensor([0.0, 0.0, back_dm])
    face = Coefficients(**{name: getattr(face, name) for name in SIZES} | {"trans": trans})
    with torch.no_grad():
        return on_paper(render(model, face, Camera(size_px), albedo, region, "auto", supersample))


def on_paper(rgba: Float[Any, "*shape 4"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Lay renderings (..., 4) in [0, 1] on light grey paper: (..., 3) uint8."""
    rgba = np.asarray(rgba)
    mixed = rgba[..., :3] * rgba[..., 3:] + PAPER * (1 - rgba[..., 3:])
    return np.rint(255 * mixed.clip(0, 1)).astype(np.uint8)
