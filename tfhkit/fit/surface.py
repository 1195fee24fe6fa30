"""Points of the face's surface: what a picture's pixels are compared with."""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from tfhkit.camera import Camera
from tfhkit.coefficients import Coefficients
from tfhkit.face.model import MOUTH_INSIDE, MorphableModel, vertex_normals
from tfhkit.render.shading import posed_verts
from tfhkit.render.visibility import facing, vertex_visibility

_VISIBILITY = Camera(256)


@dataclass(frozen=True)
class SurfacePoints:
    """Place, normal and albedo of P vertices, each linear in the coefficients; float32.

    Args:
        ids: (P,) vertices of the model.
        mean: (P, 6) place (dm), then unit normal, of the reference identity without expression.
        id_basis: (P, 6, 80), exp_basis: (P, 6, 64): change of both per coefficient.
        mean_tex: (P, 3). tex_basis: (P, 3, 80).
        reference: (80,) the identity at which the normals were linearised.
    """

    ids: Int[Tensor, "P"]
    mean: Float[Tensor, "P 6"]
    id_basis: Float[Tensor, "P 6 80"]
    exp_basis: Float[Tensor, "P 6 64"]
    mean_tex: Float[Tensor, "P 3"]
    tex_basis: Float[Tensor, "P 3 80"]
    reference: Float[Tensor, "80"]

    def at(
        self, id: Float[Tensor, "80"], exp: Float[Tensor, "T 64"]
    ) -> tuple[Float[Tensor, "T P 3"], Float[Tensor, "T P 3"]]:
        """Places and unit normals (T, P, 3) each in model space: id (80,), exp (T, 64)."""
        both = self.mean + self.id_basis @ (id - self.reference)
        both = both + torch.einsum("pck,tk->tpc", self.exp_basis, exp)
        return both[..., :3], torch.nn.functional.normalize(both[..., 3:], dim=-1)


def surface_points(model: MorphableModel, id: Float[Tensor, "80"], spacing: float) -> SurfacePoints:
    """Vertices of the face about `spacing` apart, with normals linearised about an identity.

    Args:
        model: MorphableModel. id: (80,). spacing: dm.
    Returns:
        SurfacePoints.
    """
    part = (model.regions["face"] & ~model.any_region(*MOUTH_INSIDE)).nonzero()[:, 0]
    cells = np.floor(model.mean_shape[part].cpu().numpy() / spacing)
    ids = part[np.unique(cells, axis=0, return_index=True)[1]]
    used, corner, place = _around(model.faces, ids)
    shape = model.shape(id[None], id.new_zeros(1, 64))[:, used]

    def changes(basis):
        turned = normal_changes(shape[0], corner, basis[:, used])[:, place]
        return torch.cat([basis[:, ids], turned], -1).permute(1, 2, 0).contiguous()

    return SurfacePoints(
        ids,
        torch.cat([shape, vertex_normals(shape, corner)], -1)[0, place],
        changes(model.id_basis),
        changes(model.exp_basis),
        model.mean_tex[ids],
        model.tex_basis[:, ids].permute(1, 2, 0).contiguous(),
        id,
    )


def _around(faces, ids):
    """What decides the normals at some vertices: vertices, triangles of them, places of `ids`."""
    near = faces[torch.isin(faces, ids).any(1)]
    used, corner = near.unique(return_inverse=True)
    return used, corner, torch.searchsorted(used, ids)


def normal_changes(
    verts: Float[Tensor, "V 3"], faces: Int[Tensor, "F 3"], steps: Float[Tensor, "K V 3"]
) -> Float[Tensor, "K V 3"]:
    """Derivatives of `vertex_normals` along directions.

    Args:
        verts: (V, 3). faces: (F, 3). steps: (K, V, 3) directions.
    Returns:
        (K, V, 3).
    """
    cross = torch.linalg.cross
    a, b, c = verts[faces].unbind(1)
    da, db, dc = steps[:, faces].unbind(2)
    p, q = b - a, c - a
    of_face = cross((db - da), q.expand_as(da)) + cross(p.expand_as(da), dc - da)
    area, change = torch.zeros_like(verts), torch.zeros_like(steps)
    for k in range(3):
        area = area.index_add(0, faces[:, k], cross(p, q))
        change = change.index_add(1, faces[:, k], of_face)
    length = area.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    unit = area / length
    return (change - (change * unit).sum(-1, keepdim=True) * unit) / length


def seen_weight(
    model: MorphableModel, coefficients: Coefficients, ids: Int[Tensor, "P"], chunk: int = 32
) -> Float[Tensor, "T P"]:
    """How well each frame shows some vertices: 0 hidden or grazing, 1 towards the camera.

    Args:
        model: MorphableModel. coefficients: Coefficients of T frames (torch).
        ids: (P,) vertices.
    Returns:
        (T, P).
    """
    used, corner, place = _around(model.faces, ids)
    weights = []
    for start in range(0, len(coefficients), chunk):
        verts = posed_verts(model, coefficients[start : start + chunk])
        normals = vertex_normals(verts[:, used], corner)[:, place]
        ramp = ((facing(verts[:, ids], normals) - 0.15) / 0.35).clamp(0, 1)
        weights.append(ramp * vertex_visibility(verts, model.faces, _VISIBILITY)[:, ids])
    return torch.cat(weights)


def colour_planes(
    images: UInt8[np.ndarray, "T S S 3"], blur_px: float = 0.0, device: str | torch.device = "cpu"
) -> Float[Tensor, "T 9 S S"]:
    """Colours of pictures in [0, 1], then how they change per pixel along x, and along y.

    Args:
        images: (T, S, S, 3) uint8.
        blur_px: sigma of a Gaussian before; wide blurs lead from farther away.
        device: where the planes go.
    """
    if blur_px:
        images = np.stack([cv2.GaussianBlur(image, (0, 0), blur_px) for image in images])
    pixels = torch.from_numpy(np.ascontiguousarray(images)).to(device)
    picture = pixels.permute(0, 3, 1, 2).float() / 255
    wide = torch.nn.functional.pad(picture, (1, 1, 1, 1), mode="replicate")
    across = (wide[:, :, 1:-1, 2:] - wide[:, :, 1:-1, :-2]) / 2
    down = (wide[:, :, 2:, 1:-1] - wide[:, :, :-2, 1:-1]) / 2
    return torch.cat([picture, across, down], 1)


def sample_with_gradient(
    planes: Float[Tensor, "T 9 S S"], points_px: Float[Tensor, "T P 2"]
) -> tuple[Float[Tensor, "T P 3"], Float[Tensor, "T P 3 2"]]:
    """Colours of pictures at points, and how they change there.

    Args:
        planes: as from `colour_planes`. points_px: (T, P, 2), pixel centres at +0.5.
    Returns:
        (T, P, 3) in [0, 1], (T, P, 3, 2) per pixel along x and y.
    """
    found = torch.nn.functional.grid_sample(
        planes,
        (points_px / planes.shape[-1] * 2 - 1)[:, None],
        padding_mode="border",
        align_corners=False,
    )
    colour, by_x, by_y = found[:, :, 0].mT.split(3, -1)
    return colour, torch.stack([by_x, by_y], -1)
