"""pytorch3d as rasteriser, through its own classes; the first choice on CUDA.

Its view space has x to the left, y up and z forwards (ours: x right, y up, z towards the
camera), so the view transform is a half turn about y and a shift of 10 dm along z.
"""

import warnings
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tfhkit.camera import DISTANCE, Camera
from tfhkit.render.fragments import Fragments


def make_camera(camera: Camera, n_frames: int = 1, device: str | torch.device = "cpu") -> Any:
    """Our Camera as pytorch3d's PerspectiveCameras in pixels (screen space).

    Args:
        camera: Camera. n_frames: batch size. device: torch device.
    Returns:
        pytorch3d.renderer.PerspectiveCameras with R (B, 3, 3) for row vectors and T (B, 3).
    """
    from pytorch3d.renderer import PerspectiveCameras

    half_turn = torch.diag(torch.tensor([-1.0, 1.0, -1.0]))
    return PerspectiveCameras(
        focal_length=torch.full((n_frames, 2), camera.focal_px),
        principal_point=torch.tensor(camera.centre_px).expand(n_frames, 2),
        R=half_turn.expand(n_frames, 3, 3),
        T=torch.tensor([0.0, 0.0, DISTANCE]).expand(n_frames, 3),
        in_ndc=False,
        image_size=torch.full((n_frames, 2), camera.size_px),
        device=device,
    )


def make_rasterizer(
    camera: Camera,
    n_frames: int = 1,
    cull_backfaces: bool = True,
    device: str | torch.device = "cpu",
) -> Any:
    """pytorch3d's MeshRasterizer with the settings under which both backends agree."""
    from pytorch3d.renderer import MeshRasterizer, RasterizationSettings

    settings = RasterizationSettings(
        image_size=camera.size_px,
        blur_radius=0.0,
        faces_per_pixel=1,
        perspective_correct=True,
        cull_backfaces=cull_backfaces,
    )
    return MeshRasterizer(make_camera(camera, n_frames, device), settings)


def rasterize(
    verts_world: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    camera: Camera,
    cull_backfaces: bool = True,
) -> Fragments:
    """Fragments by pytorch3d; arguments as in `tfhkit.render.rasterize`."""
    from pytorch3d.structures import Meshes

    verts = verts_world.detach().float()
    n_frames = len(verts)
    faces = faces.to(verts.device)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.filterwarnings("ignore", module="pytorch3d")
        meshes = Meshes(verts, faces.expand(n_frames, *faces.shape))
        found = make_rasterizer(camera, n_frames, cull_backfaces, verts.device)(meshes)
    zbuf, bary = found.zbuf.to(verts_world), found.bary_coords.to(verts_world)
    return Fragments(found.pix_to_face, zbuf, bary)
