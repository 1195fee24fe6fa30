"""MorphableModel: shape and texture of a face from coefficients (Sec. 3.1)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfhkit.errors import ParameterError, check_shape

N_ID, N_EXP, N_TEX, N_LANDMARKS = 80, 64, 80, 68
MOUTH_INSIDE = ("teeth", "tongue", "mouth_cavity")  # dark, and at the mercy of the lips


@dataclass(frozen=True)
class MorphableModel:
    """S = S_mean + B_id a + B_exp b and T = T_mean + B_tex d, with what the chain needs to know.

    Space: x to the image's right (the subject's left), y up, z towards the camera, 1 dm.

    Args:
        name: which model, e.g. "open".
        mean_shape: (V, 3) dm, neutral, mouth closed.
        id_basis: (80, V, 3); exp_basis: (64, V, 3), dm per unit of the coefficient.
        mean_tex: (V, 3) RGB in [0, 1]; tex_basis: (80, V, 3).
        faces: (F, 3) int64, counter-clockwise seen from outside.
        uvs: (V, 2) in [0, 1], origin at the bottom left.
        landmark_ids: (68,) int64 vertices, iBUG order.
        contour_ids: (17, K) int64, for each jaw landmark the vertices it may slide to.
        regions: name -> (V,) bool.
        action_names: names of the facial actions, e.g. "jawOpen"; may be empty.
        actions: (52, 64) expression coefficients of each action at full strength.
        path: absolute path of the file or folder that it was read from; "" for the shipped one.
    """

    # sizes that have to agree are checked by __post_init__, in words
    name: str
    mean_shape: Float[Tensor, "V 3"]
    id_basis: Float[Tensor, "_ _ 3"]
    exp_basis: Float[Tensor, "_ _ 3"]
    mean_tex: Float[Tensor, "V 3"]
    tex_basis: Float[Tensor, "_ _ 3"]
    faces: Int[Tensor, "F 3"]
    uvs: Float[Tensor, "V 2"]
    landmark_ids: Int[Tensor, "68"]
    contour_ids: Int[Tensor, "17 K"]
    regions: dict[str, Bool[Tensor, "V"]]
    action_names: tuple[str, ...]
    actions: Float[Tensor, "A 64"]
    path: str = ""

    def __post_init__(self) -> None:
        n_verts = len(self.mean_shape)
        check_shape("mean_shape", self.mean_shape, ("V", 3))
        check_shape("id_basis", self.id_basis, (N_ID, n_verts, 3))
        check_shape("exp_basis", self.exp_basis, (N_EXP, n_verts, 3))
        check_shape("mean_tex", self.mean_tex, (n_verts, 3))
        check_shape("tex_basis", self.tex_basis, (N_TEX, n_verts, 3))
        check_shape("faces", self.faces, ("F", 3))
        check_shape("uvs", self.uvs, (n_verts, 2))
        check_shape("landmark_ids", self.landmark_ids, (N_LANDMARKS,))
        check_shape("contour_ids", self.contour_ids, (17, "K"))
        check_shape("actions", self.actions, (len(self.action_names), N_EXP))

    @property
    def device(self) -> torch.device:
        """Where its tensors are."""
        return self.mean_shape.device

    @property
    def n_verts(self) -> int:
        return len(self.mean_shape)

    def shape(self, id: Float[Tensor, "..."], exp: Float[Tensor, "..."]) -> Float[Tensor, "B V 3"]:
        """Vertices of faces.

        Args:
            id: (B, 80), or (1, 80) for one person in all frames; exp: (B, 64).
        Returns:
            (B, V, 3) dm, model space.
        Raises:
            ShapeError: a size differs.
        """
        check_shape("id", id, ("B", N_ID))
        check_shape("exp", exp, ("B", N_EXP))
        person = torch.addmm(self.mean_shape.reshape(1, -1), id, self.id_basis.flatten(1))
        verts = torch.addmm(person, exp, self.exp_basis.flatten(1))
        return verts.reshape(-1, self.n_verts, 3)

    def texture(self, tex: Float[Tensor, "..."]) -> Float[Tensor, "B V 3"]:
        """Albedo of faces: (B, 80) -> (B, V, 3) RGB, about [0, 1], not clamped."""
        check_shape("tex", tex, ("B", N_TEX))
        albedo = tex @ self.tex_basis.reshape(N_TEX, -1)
        return self.mean_tex + albedo.reshape(-1, self.n_verts, 3)

    def landmark_points(
        self, id: Float[Tensor, "..."], exp: Float[Tensor, "..."]
    ) -> Float[Tensor, "B 68 3"]:
        """The landmarks of `shape(id, exp)`, without its other vertices."""
        check_shape("id", id, ("B", N_ID))
        check_shape("exp", exp, ("B", N_EXP))
        ids = self.landmark_ids
        by_id = torch.einsum("bk,kvc->bvc", id, self.id_basis[:, ids])
        by_exp = torch.einsum("bk,kvc->bvc", exp, self.exp_basis[:, ids])
        return self.mean_shape[ids] + by_id + by_exp

    def to(self, device: str | torch.device) -> "MorphableModel":
        """The same model on another device, or itself."""
        if torch.device(device) == self.device:
            return self
        moved = {
            field.name: getattr(self, field.name).to(device)
            for field in fields(self)
            if isinstance(getattr(self, field.name), torch.Tensor)
        }
        regions = {name: mask.to(device) for name, mask in self.regions.items()}
        return replace(self, regions=regions, **moved)

    def any_region(self, *names: str) -> Bool[Tensor, "V"]:
        """(V,) bool, vertices of any of these regions, as far as the model has them."""
        none = torch.zeros(self.n_verts, dtype=torch.bool, device=self.mean_shape.device)
        return torch.stack([self.regions.get(name, none) for name in names]).any(0)

    def region_model(self, name: str) -> "MorphableModel":
        """The model restricted to the triangles whose vertices all lie in a region.

        Landmark and contour vertices outside of it stay as loose points, so that the landmarks
        hold for every region.

        Raises:
            ParameterError: no such region.
        """
        if name not in self.regions:
            raise ParameterError(
                f"region {name!r}", f"model {self.name!r} has none of that name",
                f"use one of {', '.join(sorted(self.regions))}",
            )  # fmt: skip
        faces = self.faces[self.regions[name][self.faces].all(1)]
        points = [faces.flatten(), self.landmark_ids, self.contour_ids.flatten()]
        keep = torch.unique(torch.cat(points))
        index = torch.full((self.n_verts,), -1, dtype=torch.int64, device=keep.device)
        index[keep] = torch.arange(len(keep), device=keep.device)
        return replace(
            self,
            mean_shape=self.mean_shape[keep],
            id_basis=self.id_basis[:, keep],
            exp_basis=self.exp_basis[:, keep],
            mean_tex=self.mean_tex[keep],
            tex_basis=self.tex_basis[:, keep],
            faces=index[faces],
            uvs=self.uvs[keep],
            landmark_ids=index[self.landmark_ids],
            contour_ids=index[self.contour_ids],
            regions={key: mask[keep] for key, mask in self.regions.items()},
        )


def vertex_normals(
    verts: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "B V 3"]:
    """Unit normals of vertices: area-weighted mean of the adjacent triangles' normals.

    Args:
        verts: (B, V, 3); faces: (F, 3) counter-clockwise from outside.
    Returns:
        (B, V, 3); zero where a vertex has no triangle.
    """
    check_shape("verts", verts, ("B", "V", 3))
    points = verts.transpose(0, 1).contiguous()  # (V, B, 3): rows that are fetched and added whole
    a, b, c = (points.index_select(0, faces[:, k]) for k in range(3))
    face_normals = torch.linalg.cross(b - a, c - a, dim=-1)
    normals = torch.zeros_like(points)
    for k in range(3):
        normals = normals.index_add(0, faces[:, k], face_normals)
    return torch.nn.functional.normalize(normals.transpose(0, 1), dim=-1, eps=1e-12)


def actions_to_exp(
    model: MorphableModel,
    actions: Float[Tensor, "..."] | Float[np.ndarray, "..."] | Mapping[str, float],
) -> Float[Tensor, "B 64"]:
    """Expression coefficients of facial actions.

    Args:
        model: MorphableModel with actions.
        actions: (B, 52) strengths, 0 to 1, or a dict name -> strength (one face).
            "mouthClose" closes the lips over an open jaw: give not more of it than of "jawOpen".
    Returns:
        (B, 64) tensor.
    Raises:
        ParameterError: an unknown name; ShapeError: a wrong size.
    """
    if isinstance(actions, dict):
        unknown = [name for name in actions if name not in model.action_names]
        if unknown:
            raise ParameterError(
                f"action {unknown[0]!r}", f"model {model.name!r} has none of that name",
                "use the names in model.action_names",
            )  # fmt: skip
        row = torch.zeros(1, len(model.action_names), device=model.actions.device)
        for name, strength in actions.items():
            row[0, model.action_names.index(name)] = float(strength)
        actions = row
    actions = torch.as_tensor(actions, dtype=model.actions.dtype, device=model.actions.device)
    check_shape("actions", actions, ("B", len(model.action_names)))
    return actions @ model.actions


def exp_to_actions(model: MorphableModel, exp: Float[Tensor, "B 64"]) -> Float[Tensor, "B A"]:
    """Non-negative strengths of the facial actions that come nearest to expressions.

    Nearest is meant in space: the sum of squared distances over the vertices.

    Args:
        model: MorphableModel with actions.
        exp: (B, 64).
    Returns:
        (B, 52) tensor, at least 0; above 1 where an expression goes beyond an action.
    """
    from scipy.optimize import nnls

    check_shape("exp", exp, ("B", N_EXP))
    if not model.action_names:
        raise ParameterError(
            f"model {model.name!r}", "has no facial actions", "use the model 'open'"
        )
    basis = model.exp_basis.reshape(N_EXP, -1).double().cpu().numpy()
    root = np.linalg.cholesky(basis @ basis.T + 1e-12 * np.eye(N_EXP)).T
    system = root @ model.actions.double().cpu().numpy().T
    rows = [nnls(system, root @ row)[0] for row in exp.detach().double().cpu().numpy()]
    strengths = np.stack(rows) if rows else np.zeros((0, len(model.action_names)))
    return torch.as_tensor(strengths, dtype=exp.dtype, device=exp.device)


def load_model(
    name: str = "open", path: str | Path | None = None, subdivide: bool = True
) -> MorphableModel:
    """Load a morphable model by name; loaded models are kept.

    Args:
        name: "open" (shipped), "bfm09" (the user's `BFM_model_front.mat`) or "ict" (the user's
            folder `FaceXModel` of ICT-FaceKit).
        path: file or folder of a model that is not shipped.
        subdivide: False gives the open model at base resolution (about 5,500 vertices, the
            first ones of the full model), which is faster to fit; others have one resolution.
    Returns:
        MorphableModel on the CPU.
    Raises:
        ParameterError: unknown name; InputError: the file cannot be used.
    """
    finest = bool(subdivide) or name != "open"
    return _read(name, str(Path(path).resolve()) if path else "", finest)


@lru_cache(maxsize=4)
def _read(name, path, subdivide):
    if name == "open":
        from tfhkit.face.open_model import read_open_model

        model = read_open_model(path or None, subdivide)
    elif name == "bfm09":
        from tfhkit.face.bfm import read_bfm09

        model = read_bfm09(path or None)
    elif name == "ict":
        from tfhkit.face.ict import read_ict

        model = read_ict(path or None)
    else:
        raise ParameterError(f"model {name!r}", "is not known", "use 'open', 'bfm09' or 'ict'")
    return replace(model, path=path)
