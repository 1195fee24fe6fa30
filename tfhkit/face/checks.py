"""What the readers of morphable models refuse, and the side of the faces: one place for all."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, Real
from numpy.typing import ArrayLike

from tfhkit.errors import InputError
from tfhkit.face.model import N_LANDMARKS, vertex_normals

EYE_DISTANCE = (0.45, 0.85)  # dm between the centres of the eyes, of any adult


def check_landmarks(
    where: str | Path, ids: ArrayLike, n_verts: int, remedy: str, name: str = "landmarks"
) -> Int[np.ndarray, "68"]:
    """The 68 landmark vertices as int64; refused where they are not that.

    Args:
        where: the file. ids: vertices, counted from 0. n_verts: of the mesh.
        remedy: what to do about a wrong file. name: what the file calls them.
    """
    ids = np.asarray(ids).reshape(-1)
    if len(ids) != N_LANDMARKS:
        raise InputError(where, f"{name}: expected 68 landmarks, got {len(ids)}", remedy)
    return check_indices(where, ids, n_verts, remedy, name)


def check_indices(
    where: str | Path, ids: Real[np.ndarray, "*shape"], n_verts: int, remedy: str, name: str
) -> Int[np.ndarray, "*shape"]:
    """Vertex ids as int64, refused where they leave the mesh."""
    check_finite(where, {name: ids}, remedy)
    ids = ids.astype(np.int64)
    if ids.size and (ids.min() < 0 or ids.max() >= n_verts):
        raise InputError(where, f"{name} points outside the {n_verts} vertices", remedy)
    return ids


def check_finite(where: str | Path, arrays: Mapping[str, np.ndarray], remedy: str) -> None:
    """Refuse NaN and infinity in any of `arrays`, a dict name -> array."""
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise InputError(where, f"{name} contains values that are not finite", remedy)


def check_units(
    where: str | Path,
    verts: Float[np.ndarray, "V 3"],
    ids: Int[np.ndarray, "68"],
    unit: str = "decimetres",
) -> None:
    """Refuse a mean shape (V, 3) whose eyes, by its landmarks, are not as far apart as in dm.

    Args:
        where: the file. verts: (V, 3) dm. ids: (68,) landmarks. unit: of the file itself.
    """
    eyes = np.asarray(verts)[ids[36:48]].reshape(2, 6, 3).mean(1)
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    if not EYE_DISTANCE[0] < distance < EYE_DISTANCE[1]:
        raise InputError(
            where,
            f"the eyes are {distance:.3g} dm apart, expected about 0.6 dm: wrong units",
            f"scale the model to {unit}",
        )


def face_outwards(
    verts: Float[np.ndarray, "V 3"], faces: Int[np.ndarray, "F 3"], ids: Int[np.ndarray, "68"]
) -> tuple[Int[np.ndarray, "F 3"], Float[np.ndarray, "V 3"]]:
    """Faces counter-clockwise from outside, and the normals: the nose must look to the camera.

    Args:
        verts: (V, 3) float32. faces: (F, 3) of either orientation. ids: (68,) landmarks.
    Returns:
        faces (F, 3), normals (V, 3).
    """
    points = torch.from_numpy(verts)[None]
    normals = vertex_normals(points, torch.from_numpy(faces))[0].numpy()
    if normals[ids[27:31], 2].sum() < 0:
        return np.ascontiguousarray(faces[:, ::-1]), -normals
    return faces, normals
