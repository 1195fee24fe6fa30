"""Reads the vertices, faces and texture coordinates of Wavefront `.obj` files, fast."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from tfhkit.errors import InputError

REMEDY = "take the file again from where it came"


def read_verts(path: Path, n_verts: int) -> Float[np.ndarray, "V 3"]:
    """The vertices of a mesh.

    Args:
        path: Path of the file. n_verts: how many it must have.
    Returns:
        (n_verts, 3) float32, in the file's units.
    Raises:
        InputError: no such file, another number of vertices, broken lines, NaN.
    """
    return _verts(path, path_bytes(path), n_verts)


def read_mesh(
    path: Path, n_verts: int
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "F 3"], Float[np.ndarray, "V 2"]]:
    """Vertices as from `read_verts`, triangles (F, 3) int64 and texture coordinates (n_verts, 2).

    A quad is cut into two triangles. A vertex at a cut of the texture takes the coordinates of
    one of its faces.
    """
    data = path_bytes(path)
    verts = _verts(path, data, n_verts)
    lines = data.split(b"\n")
    vt = _numbers(path, [line[3:] for line in lines if line.startswith(b"vt ")], 2)
    corners = [line[2:].split() for line in lines if line.startswith(b"f ")]
    if not corners or {len(face) for face in corners} - {3, 4}:
        raise InputError(path, "has faces other than triangles and quads, or none", REMEDY)
    pairs = [corner.split(b"/")[:2] for face in corners for corner in face]
    try:
        vert_ids, vt_ids = np.array(pairs).astype(np.int64).T - 1
    except ValueError as fault:
        raise InputError(path, "has faces that are not written as v/vt", REMEDY) from fault
    for name, ids, size in (("vertex", vert_ids, n_verts), ("texture", vt_ids, len(vt))):
        if ids.min() < 0 or ids.max() >= size:
            raise InputError(path, f"has a face outside of its {size} {name} lines", REMEDY)
    uvs = np.zeros((n_verts, 2), np.float32)
    uvs[vert_ids] = vt[vt_ids]
    sides = np.array([len(face) for face in corners])
    first = np.concatenate([[0], np.cumsum(sides)[:-1]])
    fans = [first[:, None] + [0, 1, 2], (first[:, None] + [0, 2, 3])[sides == 4]]
    return verts, vert_ids[np.concatenate(fans)], uvs


def path_bytes(path: Path) -> bytes:
    """The content of a file, as bytes."""
    if not path.is_file():
        raise InputError(path, "no such file", REMEDY)
    return path.read_bytes()


def _verts(path, data, n_verts):
    end = data.find(b"\n", data.rfind(b"\nv ") + 1)
    head = data[: end if end > 0 else len(data)].split(b"\n")
    rows = [line[2:] for line in head if line.startswith(b"v ")]
    if len(rows) != n_verts:
        raise InputError(path, f"has {len(rows)} vertices, expected {n_verts}", REMEDY)
    return _numbers(path, rows, 3)


def _numbers(path, rows, width):
    """Lines of `width` numbers each as float32; more numbers, or other text, are refused."""
    tokens = b" ".join(rows).split()
    fault = f"has lines that do not hold {width} numbers each"
    if len(tokens) != width * len(rows):
        raise InputError(path, fault, REMEDY)
    try:
        values = np.array(list(map(float, tokens)), np.float32).reshape(-1, width)
    except ValueError as error:
        raise InputError(path, fault, REMEDY) from error
    if not np.isfinite(values).all():
        raise InputError(path, "contains values that are not finite", REMEDY)
    return values
