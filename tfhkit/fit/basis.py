"""The morphable model at its landmarks, and the jaw landmarks that slide along the outline."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tfhkit.camera import Camera, project
from tfhkit.face.model import MorphableModel
from tfhkit.fit.mesh_places import MeshPlaces

if TYPE_CHECKING:  # it is written in terms of this module
    from tfhkit.fit.initialise import BundleState


@dataclass(frozen=True)
class LandmarkBasis:
    """The morphable model at the M vertices that landmarks can stand for; float64.

    Args:
        mean: (M, 3). id_basis: (M, 3, 80). exp_basis: (M, 3, 64).
        places: (68,) rows of the landmarks. contour: (17, K) rows that jaw landmarks slide over.
        surface: (D,) rows of further points, which follow the landmarks; may be none.
    """

    mean: Float[Tensor, "M 3"]
    id_basis: Float[Tensor, "M 3 80"]
    exp_basis: Float[Tensor, "M 3 64"]
    places: Int[Tensor, "68"]
    contour: Int[Tensor, "17 K"]
    surface: Int[Tensor, "D"]

    def to(self, device: str | torch.device) -> "LandmarkBasis":
        """The same on another device."""
        return LandmarkBasis(*(getattr(self, field.name).to(device) for field in fields(self)))

    def shape(
        self, state: "BundleState", rows: Int[Tensor, "T R"] | None = None
    ) -> Float[Tensor, "T R 3"]:
        """Points of each frame in model space: (T, M, 3), or (T, R, 3) at rows (T, R)."""
        neutral = self.mean + self.id_basis @ state.id
        points = neutral + torch.einsum("mck,tk->tmc", self.exp_basis, state.exp)
        if rows is None:
            return points
        return points.gather(1, rows[..., None].expand(-1, -1, 3))


def landmark_basis(model: MorphableModel, places: MeshPlaces | None = None) -> LandmarkBasis:
    """Reduce a MorphableModel to its landmarks.

    Args:
        model: MorphableModel. places: further points of its surface.
    """
    ids = torch.cat([model.landmark_ids, model.contour_ids.flatten()])
    used, rows = ids.unique(return_inverse=True)
    n_surface = 0 if places is None else len(places.verts)

    def at_points(values: Float[Tensor, "K V 3"]) -> Float[Tensor, "M 3 K"]:
        points = values[:, used].double()
        if places is not None:
            mixed = torch.einsum("kdvc,dv->kdc", values[:, places.verts].double(), places.bary)
            points = torch.cat([points, mixed], 1)
        return points.permute(1, 2, 0).contiguous()

    return LandmarkBasis(
        at_points(model.mean_shape[None])[..., 0],
        at_points(model.id_basis),
        at_points(model.exp_basis),
        rows[:68],
        rows[68:].reshape(model.contour_ids.shape),
        torch.arange(len(used), len(used) + n_surface),
    )


def landmark_rows(basis: LandmarkBasis, state: "BundleState", camera: Camera) -> Int[Tensor, "T N"]:
    """The rows of the basis that stand for the landmarks and the surface's points in each frame.

    Of each jaw landmark's candidates the one that lies farthest out in the image counts, away
    from the face's centre, so the landmark slides along the visible outline as the head turns.

    Returns:
        (T, 68 + D).
    """
    world = basis.shape(state) @ state.rotation.transpose(1, 2) + state.trans[:, None]
    px = project(world, camera)[0]
    slides = px[:, basis.contour]  # (T, 17, K, 2)
    mean_px = project(basis.mean[basis.places[:17]], camera)[0]
    outward = torch.nn.functional.normalize(mean_px - mean_px.mean(0), dim=-1)
    flip = basis.mean.new_tensor([1.0, -1.0])  # pixels run down, the world up
    outward = torch.einsum("tij,kj->tki", state.rotation[:, :2, :2], outward * flip) * flip
    best = (slides * outward[:, :, None]).sum(-1).argmax(-1)
    rows = basis.places.expand(len(px), -1).clone()
    rows[:, :17] = torch.gather(basis.contour.expand(len(px), -1, -1), 2, best[..., None])[..., 0]
    rows[:, 6:11] = basis.places[6:11]  # the chin does not slide
    return torch.cat([rows, basis.surface.expand(len(px), -1)], 1)
