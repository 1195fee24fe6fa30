"""Which vertices and triangles the camera sees, by the z-buffer of all faces."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfhkit.camera import DISTANCE, Camera, project
from tfhkit.render.fragments import rasterize


def vertex_visibility(
    verts_world: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    camera: Camera,
    tolerance: float = 0.03,
) -> Bool[Tensor, "B V"]:
    """Which vertices lie on the front-most surface of their pixel.

    Args:
        verts_world: (B, V, 3). faces: (F, 3) of the whole head. camera: Camera.
        tolerance: dm by which a vertex may lie behind the surface of its pixel.
    Returns:
        (B, V) bool; False outside the picture.
    """
    zbuf = rasterize(verts_world, faces, camera).zbuf[..., 0]
    points, depth = project(verts_world, camera)
    column, row = points.floor().long().unbind(-1)
    size = camera.size_px
    inside = (column >= 0) & (row >= 0) & (column < size) & (row < size)
    pixel = row.clamp(0, size - 1) * size + column.clamp(0, size - 1)
    surface = zbuf.flatten(1).gather(1, pixel)
    return inside & ((surface < 0) | (depth <= surface + tolerance))


def drawn_verts(
    verts_world: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"], camera: Camera
) -> Bool[Tensor, "B V"]:
    """Vertices of the triangles of which some pixel's centre sees a part.

    More than `vertex_visibility` where a triangle is half hidden: what is drawn of it needs the
    colours of all its corners.

    Returns:
        (B, V) bool.
    """
    fragments = rasterize(verts_world, faces, camera)
    drawn = torch.zeros(verts_world.shape[:2], dtype=torch.bool, device=verts_world.device)
    for row, ids in zip(drawn, fragments.pix_to_face[..., 0]):
        row[faces[ids[ids >= 0].unique() % len(faces)].flatten()] = True
    return drawn


def facing(
    verts_world: Float[Tensor, "B V 3"], normals: Float[Tensor, "B V 3"]
) -> Float[Tensor, "B V"]:
    """Cosine between a vertex' normal and its direction to the camera: (B, V)."""
    to_eye = verts_world.new_tensor([0.0, 0.0, DISTANCE]) - verts_world
    return (normals * torch.nn.functional.normalize(to_eye, dim=-1)).sum(-1)
