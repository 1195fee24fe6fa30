"""Coefficients to shaded RGBA pictures (Sec. 3.1, 3.3.1)."""

from dataclasses import replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfhkit.camera import Camera, to_world
from tfhkit.coefficients import Coefficients
from tfhkit.errors import ParameterError, ShapeError, check_shape
from tfhkit.face.lighting import shade_sh
from tfhkit.face.model import MorphableModel, vertex_normals
from tfhkit.render.fragments import choose_backend, interpolate, rasterize

CHUNK = 16  # frames in memory at once


def region_faces(model: MorphableModel, region: str) -> Bool[Tensor, "F"]:
    """Which triangles have all three corners in a region.

    Args:
        model: MorphableModel.
        region: a name of model.regions, or "all" for the whole model.
    Returns:
        (F,) bool.
    Raises:
        ParameterError: no such region.
    """
    if region == "all":
        return torch.ones(len(model.faces), dtype=torch.bool, device=model.faces.device)
    if region not in model.regions:
        fault = f"model {model.name!r} has none of that name"
        names = ", ".join(["all", *sorted(model.regions)])
        raise ParameterError(f"region {region!r}", fault, f"use one of {names}")
    return model.regions[region].to(model.faces.device)[model.faces].all(1)


def _once_if_same(rows):
    """The first of rows (B, n) where all are the same (one person in many frames), else all.

    Rows that ask for gradients stay: each gets its own.
    """
    same = not rows.requires_grad and len(rows) > 1 and bool((rows == rows[:1]).all())
    return rows[:1] if same else rows


def posed_verts(model: MorphableModel, coefficients: Coefficients) -> Float[Tensor, "B V 3"]:
    """Vertices in world space: (B, V, 3), from Coefficients of B frames (torch)."""
    verts = model.shape(_once_if_same(coefficients.id), coefficients.exp)
    return to_world(verts, coefficients.angles, coefficients.trans)


def vertex_colours(
    model: MorphableModel,
    coefficients: Coefficients,
    verts_world: Float[Tensor, "B V 3"],
    albedo: Float[Tensor, "..."] | None = None,
) -> Float[Tensor, "B V 3"]:
    """Albedo times irradiance per vertex.

    Args:
        model: MorphableModel. coefficients: Coefficients of B frames (torch).
        verts_world: (B, V, 3).
        albedo: (V, 3) or (B, V, 3) instead of the coefficients' texture (low-frequency albedo).
    Returns:
        (B, V, 3) RGB, not clamped.
    """
    if albedo is None:
        albedo = model.texture(_once_if_same(coefficients.tex))
    albedo = torch.as_tensor(albedo).to(verts_world)
    if albedo.shape[-2:] != (verts_world.shape[1], 3):
        raise ShapeError(
            f"albedo: expected shape ({verts_world.shape[1]}, 3), got {tuple(albedo.shape)}"
        )
    albedo = albedo.reshape(-1, verts_world.shape[1], 3)
    light = coefficients.light
    asks = any(part.requires_grad for part in (verts_world, albedo, light))
    if verts_world.device.type == "cpu" and not (torch.is_grad_enabled() and asks):
        from tfhkit.render.numba_backend import light_verts

        return light_verts(verts_world, model.faces, albedo, light)
    return shade_sh(albedo, vertex_normals(verts_world, model.faces), light)


def render(
    model: MorphableModel,
    coefficients: Coefficients,
    camera: Camera | None = None,
    albedo: Float[Tensor, "..."] | None = None,
    region: str = "face",
    backend: str = "auto",
    supersample: int = 1,
    chunk: int = CHUNK,
) -> Float[Tensor, "B S S 4"]:
    """Render frames of coefficients.

    Colours are lit per vertex and interpolated over the triangles (Gouraud). Without gradients
    on the CPU, one numba kernel rasterises and interpolates; else the pictures come from
    `rasterize` and `interpolate`, with gradients. Both give the same pictures.

    Args:
        model: MorphableModel.
        coefficients: Coefficients of B frames; torch tensors on the model's device, or NumPy.
        camera: Camera; 224 px by default.
        albedo: (V, 3), instead of the coefficients' texture; see `detailed_albedo`.
        region: which part of the model is drawn ("face" is what is pasted); "all" draws the
            head. What is not drawn still hides what is behind it.
        backend: rasteriser: "auto", "numba" or "pytorch3d".
        supersample: points per pixel along each axis; 2 or more antialiases colour and outline.
        chunk: frames that are worked on at once, so that memory does not grow with B.
    Returns:
        (B, S, S, 4) straight (not premultiplied) RGBA in [0, 1]; alpha is the covered share of
        the pixel. Differs from the published code: no far plane that cuts the head at z = 0.
    Raises:
        ShapeError, MissingBackend; ParameterError for a region that the model does not have.
    Source: paper Sec. 3.3.1; colours as in Sec. 3.1.
    """
    camera = camera or Camera()
    coefficients = coefficients.map(lambda part: torch.as_tensor(part).to(model.mean_shape))
    check_shape("coefficients.exp", coefficients.exp, ("B", 64))
    shown = region_faces(model, region)
    pictures = [
        _render_chunk(
            model, coefficients[first : first + chunk], camera, albedo, shown, backend, supersample
        )
        for first in range(0, len(coefficients), chunk)
    ]
    if len(pictures) == 1:
        return pictures[0]  # torch.cat would copy it
    size = camera.size_px
    return torch.cat(pictures) if pictures else model.mean_shape.new_zeros(0, size, size, 4)


def render_map(
    model: MorphableModel,
    coefficients: Coefficients,
    camera: Camera,
    values: Float[Tensor, "V"],
    region: str = "face",
    backend: str = "auto",
    supersample: int = 1,
) -> Float[Tensor, "B S S"]:
    """Render a quantity of the vertices instead of their colour, without light or gradients.

    Args:
        model: MorphableModel. coefficients, camera, region, backend, supersample: as in `render`.
        values: one number in [0, 1] for each vertex.
    Returns:
        The value of what each pixel shows, times the covered share of the pixel.
    """
    coefficients = coefficients.map(lambda part: torch.as_tensor(part).to(model.mean_shape))
    shown = region_faces(model, region)
    with torch.no_grad():
        verts = posed_verts(model, coefficients)
        colours = values.to(verts)[:, None].expand(*verts.shape)
        rgba = _draw(verts, colours, model.faces, shown, camera, backend, supersample)
    return rgba[..., 0] * rgba[..., 3]


def _render_chunk(model, coefficients, camera, albedo, shown, backend, supersample):
    verts = posed_verts(model, coefficients)
    colours = vertex_colours(model, coefficients, verts, albedo)
    return _draw(verts, colours, model.faces, shown, camera, backend, supersample)


def _draw(verts, colours, faces, shown, camera, backend, supersample):
    """Draw vertex colours the fastest way there is; arguments of `draw_differentiable`."""
    wants_gradients = torch.is_grad_enabled() and (verts.requires_grad or colours.requires_grad)
    if not wants_gradients and choose_backend(backend, verts.device.type) == "numba":
        from tfhkit.render.numba_backend import draw_colours

        return draw_colours(verts, colours, faces, shown, camera, supersample)
    return draw_differentiable(verts, colours, faces, shown, camera, backend, supersample)


def draw_differentiable(
    verts_world: Float[Tensor, "B V 3"],
    colours: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    shown: Bool[Tensor, "F"],
    camera: Camera,
    backend: str = "auto",
    supersample: int = 1,
) -> Float[Tensor, "B S S 4"]:
    """Rasterise and interpolate vertex colours in torch; result as in `render`.

    Gradients flow to the colours and, through the barycentrics, to the vertices.

    Args:
        verts_world, colours: (B, V, 3). faces: (F, 3). shown: (F,) bool.
        camera, backend, supersample: as in `render`.
    """
    fine = camera.at(camera.size_px * supersample)
    fragments = rasterize(verts_world, faces, fine, backend)
    ids = fragments.pix_to_face
    visible = (ids >= 0) & shown[ids.clamp_min(0) % len(faces)]
    fragments = replace(fragments, pix_to_face=torch.where(visible, ids, -1))
    rgb = interpolate(fragments, faces, colours).clamp(0, 1)
    alpha = fragments.covered[..., None].to(rgb)
    if supersample > 1:
        shape = (len(rgb), camera.size_px, supersample, camera.size_px, supersample, -1)
        share = alpha.reshape(shape).mean((2, 4))
        rgb = (rgb * alpha).reshape(shape).mean((2, 4)) / share.clamp_min(1e-6)
        alpha = share
    return torch.cat([rgb, alpha], -1)
