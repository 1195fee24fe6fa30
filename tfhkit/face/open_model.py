"""Reads the shipped open model and refines it to full resolution."""

import zlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from tfhkit.assets import shipped
from tfhkit.errors import InputError, ShapeError
from tfhkit.face.checks import check_finite, check_indices, check_landmarks, check_units
from tfhkit.face.contour import contour_candidates
from tfhkit.face.model import MorphableModel, vertex_normals
from tfhkit.face.subdivide import catmull_clark, triangles

REMEDY = "build it again"
KEYS = (
    "cage_mean id_basis id_scale exp_basis exp_scale quads uvs mean_tex tex_basis tex_scale "
    "region_names region_bits landmark_ids action_names actions"
).split()
NOT_ON_OUTLINE = ("ears", "eyes", "teeth", "tongue", "mouth_cavity")  # of the jaw


def read_open_model(path: str | Path | None = None, subdivide: bool = True) -> MorphableModel:
    """Read the open model.

    Args:
        path: an `.npz` of the building script, or None for the shipped one.
        subdivide: one Catmull-Clark step (21,699 vertices), or the base resolution, whose
            vertices are the first ones of the refined model.
    Returns:
        MorphableModel.
    Raises:
        AssetError: the shipped file is missing or altered.
        InputError: the file given has missing keys, wrong sizes, wrong units, no landmarks, NaN.
    """
    path = shipped("open_model.npz") if path is None else Path(path)
    if not path.is_file():
        raise InputError(path, "no such file", "give the .npz of an open model")
    try:
        with open(path, "rb") as file, np.load(file) as content:
            data = {key: content[key] for key in KEYS if key in content}
    except (ValueError, OSError, EOFError, BadZipFile, zlib.error) as fault:
        raise InputError(path, f"is not an open model ({fault})", REMEDY) from fault
    _check(path, data)
    try:
        return _assemble(data, subdivide)
    except (ShapeError, ValueError, IndexError) as fault:
        raise InputError(path, f"is not an open model: wrong sizes ({fault})", REMEDY) from fault


def _check(path, data):
    """Refuse what cannot be a head: landmarks, units, values that are not finite."""
    missing = [key for key in KEYS if key not in data]
    if missing == ["landmark_ids"]:
        raise InputError(path, "has no landmarks (key landmark_ids)", REMEDY)
    if missing:
        raise InputError(path, f"is not an open model: has no key {', '.join(missing)}", REMEDY)
    cage, ids = data["cage_mean"], data["landmark_ids"]
    if cage.ndim != 2 or cage.shape[1] != 3:
        raise InputError(path, f"cage_mean: expected shape (V, 3), got {cage.shape}", REMEDY)
    if ids.shape != (2, 68):
        raise InputError(path, f"landmark_ids: expected 2 x 68 landmarks, got {ids.shape}", REMEDY)
    check_finite(path, {k: v for k, v in data.items() if v.dtype.kind == "f"}, REMEDY)
    check_landmarks(path, ids[0], len(data["mean_tex"]), REMEDY, "landmark_ids")
    base = check_landmarks(path, ids[1], len(cage), REMEDY, "landmark_ids")
    check_indices(path, data["quads"], len(cage), REMEDY, "quads")
    check_units(path, cage, base)


def _assemble(data, subdivide):
    """The model out of the file's arrays."""
    quads = data["quads"].astype(np.int64)
    n_base = len(data["cage_mean"])
    operator, fine_quads = catmull_clark(quads, n_base)
    n_verts = len(data["mean_tex"]) if subdivide else n_base
    if not subdivide:
        operator = operator[:n_base]

    def refine(cage):
        """(K, n_base, 3) -> (K, V, 3) tensor."""
        columns = np.ascontiguousarray(cage.transpose(1, 0, 2)).reshape(n_base, -1)
        fine = (operator @ columns).reshape(n_verts, len(cage), 3).transpose(1, 0, 2)
        return torch.from_numpy(np.ascontiguousarray(fine))

    def unpack(key):
        scale = data[f"{key}_scale"][:, None, None]
        return data[f"{key}_basis"].astype(np.float32) * scale

    bits = np.unpackbits(data["region_bits"], axis=1).astype(bool)[:, :n_verts]
    regions = {str(name): row for name, row in zip(data["region_names"], bits, strict=True)}
    mean_shape = refine(data["cage_mean"][None])[0]
    faces = torch.from_numpy(triangles(fine_quads if subdivide else quads))
    landmark_ids = data["landmark_ids"][int(not subdivide)].astype(np.int64)
    normals = vertex_normals(mean_shape[None], faces)[0].numpy()
    outer = ~np.any([regions[name] for name in NOT_ON_OUTLINE], axis=0)
    contour_ids = contour_candidates(mean_shape.numpy(), normals, landmark_ids, outer)
    return MorphableModel(
        name="open",
        mean_shape=mean_shape,
        id_basis=refine(unpack("id")),
        exp_basis=refine(unpack("exp")),
        mean_tex=torch.from_numpy(data["mean_tex"][:n_verts].astype(np.float32)),
        tex_basis=torch.from_numpy(np.ascontiguousarray(unpack("tex")[:, :n_verts])),
        faces=faces,
        uvs=torch.from_numpy(data["uvs"][:n_verts].astype(np.float32) / 65535),
        landmark_ids=torch.from_numpy(landmark_ids),
        contour_ids=torch.from_numpy(contour_ids),
        regions={name: torch.from_numpy(row) for name, row in regions.items()},
        action_names=tuple(str(name) for name in data["action_names"]),
        actions=torch.from_numpy(data["actions"]),
    )
