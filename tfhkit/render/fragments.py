"""Fragments (which face each pixel sees), the seam of the rasterisers, and what is differentiable.

A rasteriser only decides *which* face a pixel sees. Barycentric coordinates and depth follow
from the vertices by a formula, which is evaluated in torch where gradients are wanted: so
gradients reach the vertices with every backend (but not through the silhouette).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfhkit.camera import DISTANCE, Camera
from tfhkit.errors import MissingBackend, check_shape

BACKENDS = ("numba", "pytorch3d")


@dataclass(frozen=True)
class Fragments:
    """The nearest face per pixel; same fields and padding as pytorch3d's, for K = 1.

    Args:
        pix_to_face: (B, H, W, 1) int64, packed: face + frame * n_faces; -1 where empty.
        zbuf: (B, H, W, 1) view-space z, the distance along the view axis in dm; -1 where empty.
        bary_coords: (B, H, W, 1, 3) perspective-correct barycentrics; -1 where empty.
        dists: always None here (pytorch3d's distance to the edge; no blur is used).
    """

    pix_to_face: Int[Tensor, "B H W 1"]
    zbuf: Float[Tensor, "B H W 1"]
    bary_coords: Float[Tensor, "B H W 1 3"]
    dists: Float[Tensor, "B H W 1"] | None = None

    @property
    def covered(self) -> Bool[Tensor, "B H W"]:
        """(B, H, W) bool: the pixel sees a face."""
        return self.pix_to_face[..., 0] >= 0


def choose_backend(backend: str, device_type: str) -> str:
    """Name of the rasteriser to use.

    Args:
        backend: "numba", "pytorch3d", or "auto": numba for tensors on the CPU; on CUDA
            pytorch3d where it can be imported, else numba (with copies to the CPU and back).
        device_type: "cpu" or "cuda".
    Returns:
        "numba" or "pytorch3d".
    Raises:
        MissingBackend: asked for by name and not there, or an unknown name.
    """
    if backend == "auto":
        if device_type == "cpu":
            return "numba"
        return "pytorch3d" if _importable("pytorch3d") else "numba"
    if backend not in BACKENDS:
        raise MissingBackend("rasterizer", backend, f"choose one of auto, {', '.join(BACKENDS)}")
    if not _importable(backend):
        remedy = "install `easypytorch3d` (Linux x86-64), or use backend='numba'"
        raise MissingBackend("rasterizer", backend, remedy)
    return backend


def _importable(name):
    try:
        if name == "pytorch3d":
            import pytorch3d.renderer  # noqa: F401 - its binary may not fit this torch
        else:
            import numba  # noqa: F401
    except ImportError:
        return False
    return True


def rasterize(
    verts_world: Float[Tensor, "..."],
    faces: Int[Tensor, "..."],
    camera: Camera,
    backend: str = "auto",
    cull_backfaces: bool = True,
) -> Fragments:
    """Find the nearest face of every pixel.

    Back faces (clockwise as seen by the camera) are left out by default, for both backends:
    the head is closed, so they are never in front, and half of the work is saved. pytorch3d's
    own default is to keep them: pass `cull_backfaces=False` for that.

    Args:
        verts_world: (B, V, 3) world space, dm.
        faces: (F, 3) int64, counter-clockwise seen from outside, shared by the batch.
        camera: Camera; the picture has camera.size_px rows and columns.
        backend: "auto", "numba" or "pytorch3d".
        cull_backfaces: leave out faces that look away from the camera.
    Returns:
        Fragments on the device of `verts_world`. Where `verts_world` asks for gradients,
        `bary_coords` and `zbuf` are computed in torch and carry them.
    Raises:
        ShapeError: wrong axes. MissingBackend: see `choose_backend`.
    """
    check_shape("verts_world", verts_world, ("B", "V", 3))
    check_shape("faces", faces, ("F", 3))
    name = choose_backend(backend, verts_world.device.type)
    if name == "numba":
        from tfhkit.render.numba_backend import rasterize as run
    else:
        from tfhkit.render.pytorch3d_backend import rasterize as run
    fragments = run(verts_world.detach(), faces, camera, cull_backfaces)
    if torch.is_grad_enabled() and verts_world.requires_grad:
        bary, zbuf = barycentric(verts_world, faces, fragments.pix_to_face, camera)
        fragments = Fragments(fragments.pix_to_face, zbuf, bary)
    return fragments


def barycentric(
    verts_world: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    pix_to_face: Int[Tensor, "B H W 1"],
    camera: Camera,
) -> tuple[Float[Tensor, "B H W 1 3"], Float[Tensor, "B H W 1"]]:
    """Perspective-correct barycentrics and depth, differentiable in the vertices.

    The ray of a pixel passes the corners a, b, c at the sideways offsets p_a, p_b, p_c, each
    measured at that corner's own depth. The point that is seen has offset 0, so
    u p_a + v p_b + w p_c = 0 and u : v : w = p_b x p_c : p_c x p_a : p_a x p_b. No division
    by depth is needed: this is perspective-correct as it stands.

    Args:
        verts_world: (B, V, 3). faces: (F, 3).
        pix_to_face: (B, H, W, 1) packed ids, -1 empty.
        camera: Camera of the picture.
    Returns:
        bary_coords (B, H, W, 1, 3), zbuf (B, H, W, 1); -1 where empty.
    """
    ids = pix_to_face[..., 0]
    batch, row, column = torch.nonzero(ids >= 0, as_tuple=True)
    packed = ids[batch, row, column]
    corners = _corners(verts_world, faces, packed, batch)  # (N, 3 corners, 3)
    depths = DISTANCE - corners[..., 2]  # (N, 3)
    (centre_x, centre_y), focal = camera.centre_px, camera.focal_px
    x = (column.to(corners) + 0.5 - centre_x) / focal
    y = (centre_y - row.to(corners) - 0.5) / focal
    offset_x = corners[..., 0] - x[:, None] * depths
    offset_y = corners[..., 1] - y[:, None] * depths
    following, before = [1, 2, 0], [2, 0, 1]
    weights = (
        offset_x[:, following] * offset_y[:, before] - offset_y[:, following] * offset_x[:, before]
    )
    weights = weights / weights.sum(-1, keepdim=True)
    depth = (weights * depths).sum(-1)
    bary = verts_world.new_full((*ids.shape, 3), -1.0).index_put((batch, row, column), weights)
    zbuf = verts_world.new_full(ids.shape, -1.0).index_put((batch, row, column), depth)
    return bary[..., None, :], zbuf[..., None]


def interpolate(
    fragments: Fragments,
    faces: Int[Tensor, "F 3"],
    attributes: Float[Tensor, "..."],
    empty: float = 0.0,
) -> Float[Tensor, "B H W D"]:
    """Spread per-vertex attributes over the pixels.

    Args:
        fragments: Fragments of B frames.
        faces: (F, 3), the faces that were rasterised.
        attributes: (B, V, D).
        empty: value of pixels that see no face.
    Returns:
        (B, H, W, D), differentiable in the attributes and in the barycentrics.
    """
    check_shape("attributes", attributes, (fragments.pix_to_face.shape[0], "V", "D"))
    ids = fragments.pix_to_face[..., 0]
    batch, row, column = torch.nonzero(ids >= 0, as_tuple=True)
    corners = _corners(attributes, faces, ids[batch, row, column], batch)
    weights = fragments.bary_coords[batch, row, column, 0].to(corners)
    values = (weights[..., None] * corners).sum(1)
    picture = attributes.new_full((*ids.shape, attributes.shape[-1]), empty)
    return picture.index_put((batch, row, column), values)


def _corners(attributes, faces, packed, batch):
    """Attributes of the three corners of packed faces: (N, 3, D)."""
    n_verts = attributes.shape[1]
    corner_ids = faces[packed - batch * faces.shape[0]] + (batch * n_verts)[:, None]
    flat = attributes.reshape(-1, attributes.shape[-1])
    return flat.index_select(0, corner_ids.reshape(-1)).reshape(*corner_ids.shape, -1)
