"""Where the points of MediaPipe's mesh lie on a morphable model.

`assets/mesh_places.npz` holds them on the open model's mean shape, as renderings of many heads
showed them; `tfhkit.evaluate.mesh_places` makes it.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from tfhkit.assets import shipped
from tfhkit.face.model import MOUTH_INSIDE, MorphableModel
from tfhkit.face.transfer import align_landmarks

STEADY = 0.035  # dm: points whose places scatter more are left out
APART = 0.14  # dm between points: nearer ones err alike
LIPS_AND_LIDS = 0.12  # dm around landmarks that the 68 show better
_SOFT = slice(36, 68)
_CANDIDATES = 40  # triangles whose middles lie nearest to a place


@dataclass(frozen=True)
class MeshPlaces:
    """D points of the mesh on a model's surface.

    Args:
        points: (D,) numbers in the mesh.
        verts: (D, 3) corners of the triangle in which each lies. bary: (D, 3) their weights.
    """

    points: Int[np.ndarray, "D"]
    verts: Int[Tensor, "D 3"]
    bary: Float[Tensor, "D 3"]


@cache
def read_places() -> dict[str, Float[np.ndarray, "..."]]:
    """The asset: places (468, 3) dm, spread (468,) dm, landmarks (68, 3) of the same head.

    The spread of a point that is not on the face is infinite.
    """
    with np.load(shipped("mesh_places.npz")) as content:
        return dict(content)


def mesh_places(model: MorphableModel) -> MeshPlaces:
    """Points of the mesh that are steady, some way apart, and not on lips or lids.

    On another model than the open one they are carried over by the landmarks, see
    `align_landmarks`.
    """
    asset = read_places()
    soft = np.linalg.norm(asset["places"][:, None] - asset["landmarks"][_SOFT], axis=-1).min(1)
    steady = np.flatnonzero((asset["spread"] < STEADY) & (soft > LIPS_AND_LIDS))
    chosen: list[int] = []
    for point in steady[np.argsort(asset["spread"][steady], kind="stable")]:
        apart = np.linalg.norm(asset["places"][chosen] - asset["places"][point], axis=-1)
        if (apart > APART).all():
            chosen.append(int(point))
    points = np.sort(chosen)
    landmarks = model.mean_shape[model.landmark_ids].numpy().astype(np.float64)
    places = align_landmarks(asset["places"][points], asset["landmarks"], landmarks)
    verts, bary = nearest_on_surface(model, places)
    return MeshPlaces(points, verts, bary)


def nearest_on_surface(
    model: MorphableModel, places: Float[np.ndarray, "D 3"]
) -> tuple[Int[Tensor, "D 3"], Float[Tensor, "D 3"]]:
    """The triangles of the mean face that lie nearest to places, and the weights of their corners.

    Args:
        model: MorphableModel. places: dm, near the surface.
    """
    skin = model.regions["face"] & ~model.any_region(*MOUTH_INSIDE)
    faces = model.faces[skin[model.faces].all(1)]
    middles = model.mean_shape[faces].mean(1).cpu().numpy()
    _, near = cKDTree(middles).query(places, min(_CANDIDATES, len(faces)))
    candidates = faces[torch.as_tensor(near, device=faces.device)]
    a, b, c = model.mean_shape[candidates].double().unbind(2)  # (D, candidates, 3)
    place = torch.as_tensor(places).to(a)[:, None]
    u, v, to = b - a, c - a, place - a
    uu, uv, vv = (u * u).sum(-1), (u * v).sum(-1), (v * v).sum(-1)
    pu, pv = (to * u).sum(-1), (to * v).sum(-1)
    area = uu * vv - uv * uv
    s, t = (vv * pu - uv * pv) / area, (uu * pv - uv * pu) / area
    bary = torch.stack([1 - s - t, s, t], -1).clamp(min=0)
    bary = bary / bary.sum(-1, keepdim=True)  # a place beside the triangle: on its edge
    there = bary[..., :1] * a + bary[..., 1:2] * b + bary[..., 2:] * c
    best = (there - place).square().sum(-1).argmin(1)
    each = torch.arange(len(best))
    return candidates[each, best], bary[each, best]
