"""Reads the shipped open model and refines it to full resolution."""

from pathlib import Path

import numpy as np
import torch

from tfhkit.assets import shipped
from tfhkit.errors import InputError
from tfhkit.face.model import MorphableModel
from tfhkit.face.subdivide import catmull_clark, triangles

KEYS = (
    "cage_mean id_basis id_scale exp_basis exp_scale quads uvs mean_tex tex_basis tex_scale "
    "region_names region_bits landmark_ids contour_ids action_names actions"
).split()


def read_open_model(path=None, subdivide=True):
    """Read the open model.

    Args:
        path: an `.npz` of the building script, or None for the shipped one.
        subdivide: one Catmull-Clark step (about 19,000 vertices), or the base resolution, whose
            vertices are the first ones of the refined model.
    Returns:
        MorphableModel.
    Raises:
        AssetError: the shipped file is missing or altered.
        InputError: the file given has another layout.
    """
    path = shipped("open_model.npz") if path is None else Path(path)
    if not path.is_file():
        raise InputError(path, "no such file", "give the .npz of an open model")
    try:
        with np.load(path) as content:
            data = {key: content[key] for key in KEYS}
    except (KeyError, ValueError, OSError) as fault:
        raise InputError(path, f"is no open model ({fault})", "build it again") from fault

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
    return MorphableModel(
        name="open",
        mean_shape=refine(data["cage_mean"][None])[0],
        id_basis=refine(unpack("id")),
        exp_basis=refine(unpack("exp")),
        mean_tex=torch.from_numpy(data["mean_tex"][:n_verts].astype(np.float32)),
        tex_basis=torch.from_numpy(np.ascontiguousarray(unpack("tex")[:, :n_verts])),
        faces=torch.from_numpy(triangles(fine_quads if subdivide else quads)),
        uvs=torch.from_numpy(data["uvs"][:n_verts].astype(np.float32) / 65535),
        landmark_ids=torch.from_numpy(data["landmark_ids"][int(not subdivide)].astype(np.int64)),
        contour_ids=torch.from_numpy(data["contour_ids"].astype(np.int64)),
        regions={
            str(name): torch.from_numpy(row)
            for name, row in zip(data["region_names"], bits, strict=True)
        },
        action_names=tuple(str(name) for name in data["action_names"]),
        actions=torch.from_numpy(data["actions"]),
    )
