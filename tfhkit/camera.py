"""Pinhole camera, Euler angles and projection (Sec. 3.1).

World: x to the image's right, y up, z towards the camera; unit 1 dm. The camera stands at
(0, 0, 10) and looks along -z. Positive directions, as seen in the image:

    pitch > 0   the head nods down: the nose goes down in the image
    yaw   > 0   the nose turns to the image's right (the subject's left)
    roll  > 0   the head's top tilts to the image's left (counter-clockwise)
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from tfhkit.errors import check_shape

CROP_PX = 224
FOCAL_PX = 1015.0  # for a 224 px crop
DISTANCE = 10.0  # dm, camera to the world's origin


@dataclass(frozen=True, init=False)
class Camera:
    """A pinhole camera for a square picture; by default Deep3D's, for a crop of that size.

    Deep3D's focal length scales with the crop and its principal point is the crop's centre, so
    coefficients hold for every size. Pixel centres lie at +0.5.

    Args:
        size_px: rows and columns.
        focal_px: focal length; None for 1015 px in a picture of 224.
        centre_px: (x, y) of the principal point; None for the picture's centre.
    """

    size_px: int
    focal_px: float
    centre_px: tuple[float, float]

    def __init__(
        self,
        size_px: int = CROP_PX,
        focal_px: float | None = None,
        centre_px: tuple[float, float] | None = None,
    ) -> None:
        default = FOCAL_PX * size_px / CROP_PX
        object.__setattr__(self, "size_px", size_px)
        object.__setattr__(self, "focal_px", default if focal_px is None else focal_px)
        object.__setattr__(self, "centre_px", centre_px or (size_px / 2, size_px / 2))

    def at(self, size_px: int) -> "Camera":
        """The same view with another number of pixels."""
        zoom = size_px / self.size_px
        x, y = self.centre_px
        return Camera(size_px, self.focal_px * zoom, (x * zoom, y * zoom))


def rotation_from_angles(angles: Float[Tensor, "..."]) -> Float[Tensor, "... 3 3"]:
    """R = Rz(roll) Ry(yaw) Rx(pitch) for column vectors.

    Args:
        angles: (..., 3) tensor, pitch, yaw, roll in radians.
    Returns:
        (..., 3, 3) rotation matrices.
    """
    check_shape("angles", angles, (..., 3))
    cx, cy, cz = torch.cos(angles).unbind(-1)
    sx, sy, sz = torch.sin(angles).unbind(-1)
    rows = [
        torch.stack([cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx], -1),
        torch.stack([sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx], -1),
        torch.stack([-sy, cy * sx, cy * cx], -1),
    ]
    return torch.stack(rows, -2)


def angles_from_rotation(rotation: Float[Tensor, "..."]) -> Float[Tensor, "... 3"]:
    """Inverse of `rotation_from_angles` for |yaw| < 90 degrees.

    Args:
        rotation: (..., 3, 3) tensor.
    Returns:
        (..., 3) pitch, yaw, roll in radians.
    """
    check_shape("rotation", rotation, (..., 3, 3))
    pitch = torch.atan2(rotation[..., 2, 1], rotation[..., 2, 2])
    yaw = torch.asin((-rotation[..., 2, 0]).clamp(-1, 1))
    roll = torch.atan2(rotation[..., 1, 0], rotation[..., 0, 0])
    return torch.stack([pitch, yaw, roll], -1)


def to_world(
    verts: Float[Tensor, "B V 3"], angles: Float[Tensor, "B 3"], trans: Float[Tensor, "B 3"]
) -> Float[Tensor, "B V 3"]:
    """Rotate about the head's origin, then translate.

    Args:
        verts: (B, V, 3) in model space.
        angles: (B, 3) radians.
        trans: (B, 3) dm.
    Returns:
        (B, V, 3) in world space.
    """
    return verts @ rotation_from_angles(angles).transpose(-1, -2) + trans[..., None, :]


def project(
    verts_world: Float[Tensor, "*points 3"], camera: Camera
) -> tuple[Float[Tensor, "*points 2"], Float[Tensor, "*points"]]:
    """World points to pixels.

    Args:
        verts_world: (..., 3).
        camera: Camera.
    Returns:
        points_px: (..., 2), x to the right, y down, pixel centres at +0.5.
        depth: (...,) distance along the view axis (view-space z, positive), dm.
    """
    depth = DISTANCE - verts_world[..., 2]
    x = camera.centre_px[0] + camera.focal_px * verts_world[..., 0] / depth
    y = camera.centre_px[1] - camera.focal_px * verts_world[..., 1] / depth
    return torch.stack([x, y], -1), depth


def unproject(
    points_px: Float[Tensor, "*points 2"], depth: Float[Tensor, "*points"], camera: Camera
) -> Float[Tensor, "*points 3"]:
    """Inverse of `project`: the world points that are seen at these pixels at these depths (dm)."""
    x, y = (points_px - points_px.new_tensor(camera.centre_px)).unbind(-1)
    scale = depth / camera.focal_px
    return torch.stack([x * scale, -y * scale, DISTANCE - depth], -1)
