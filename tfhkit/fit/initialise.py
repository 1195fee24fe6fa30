"""The unknowns of a clip's fit, and where they start: the mean head's pose in every frame."""

from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tfhkit.camera import DISTANCE, Camera, angles_from_rotation, rotation_from_angles
from tfhkit.coefficients import Coefficients
from tfhkit.fit.basis import LandmarkBasis


def _zeros(size):
    return field(default_factory=lambda: torch.zeros(size, dtype=torch.float64))


@dataclass(frozen=True)
class BundleState:
    """The current solution; float64.

    Args:
        id: (80,). exp: (T, 64). rotation: (T, 3, 3). trans: (T, 3).
        tex: (80,), light: (27,); zero until pixels are looked at.
    """

    id: Float[Tensor, "80"]
    exp: Float[Tensor, "T 64"]
    rotation: Float[Tensor, "T 3 3"]
    trans: Float[Tensor, "T 3"]
    tex: Float[Tensor, "80"] = _zeros(80)
    light: Float[Tensor, "27"] = _zeros(27)

    def to(self, device: str | torch.device) -> "BundleState":
        """The same on another device."""
        return BundleState(*(getattr(self, field.name).to(device) for field in fields(self)))

    @property
    def angles(self) -> Float[Tensor, "T 3"]:
        return angles_from_rotation(self.rotation)

    def coefficients(self) -> Coefficients:
        """Coefficients of T frames; float32 tensors."""
        count = len(self.exp)
        id, tex, light = (x.float().expand(count, -1) for x in (self.id, self.tex, self.light))
        return Coefficients(
            id, self.exp.float(), tex, self.angles.float(), light, self.trans.float()
        )

    @classmethod
    def from_coefficients(cls, coefficients: Coefficients) -> "BundleState":
        """The state of T fitted frames: inverse of `coefficients`; NumPy or tensors."""
        part = coefficients.map(lambda values: torch.as_tensor(values).double())
        rotation = rotation_from_angles(part.angles)
        return cls(part.id[0], part.exp, rotation, part.trans, part.tex[0], part.light[0])

    def __getitem__(self, frames: slice | Int[np.ndarray, "n"] | Int[Tensor, "n"]) -> "BundleState":
        """Some of the frames, by slice or index array."""
        parts = {name: getattr(self, name)[frames] for name in ("exp", "rotation", "trans")}
        return replace(self, **parts)


def initial_state(
    points_px: Float[Tensor, "T N 2"], basis: LandmarkBasis, camera: Camera
) -> BundleState:
    """Weak-perspective pose of the mean face for every frame (orthographic Procrustes).

    Args:
        points_px: the 68 landmarks, and what follows them, in crop pixels.
        basis: LandmarkBasis.
        camera: Camera of the crop.
    Returns:
        BundleState with zero identity and expression.
    """
    n_frames = len(points_px)
    inner = slice(17, 68)
    mean = basis.mean[basis.places[inner]]
    centre = mean.mean(0)
    flip = basis.mean.new_tensor([1.0, -1.0])
    y = (points_px.double()[:, inner] - basis.mean.new_tensor(camera.centre_px)) * flip
    y_mean = y.mean(1, keepdim=True)
    # y = scale * (R x)_{xy} + shift: least squares for the 2 x 3 matrix, then its nearest rotation.
    solution = torch.linalg.lstsq((mean - centre).expand(n_frames, -1, -1), y - y_mean).solution
    u, s, vh = torch.linalg.svd(solution.transpose(1, 2), full_matrices=False)
    scale = s.mean(1)
    top = u @ vh
    rotation = torch.cat([top, torch.linalg.cross(top[:, 0], top[:, 1])[:, None]], 1)
    depth = camera.focal_px / scale
    across = y_mean[:, 0] * (depth / camera.focal_px)[:, None]
    seen = torch.cat([across, (DISTANCE - depth)[:, None]], 1)
    trans = seen - (rotation @ centre)
    exp = torch.zeros(n_frames, 64, dtype=torch.float64)
    id = torch.zeros(80, dtype=torch.float64)
    return BundleState(id, exp, rotation, trans).to(basis.mean.device)
