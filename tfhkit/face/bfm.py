"""Reads the Basel Face Model 2009 in the layout of Deep3D's `BFM_model_front.mat`.

The file may not be redistributed; whoever has it gives its path. It holds 80 identity, 64
FaceWarehouse expression and 80 texture components over 35,709 vertices, in dm.
"""

from pathlib import Path

import numpy as np
import torch

from tfhkit.errors import InputError
from tfhkit.face.contour import contour_candidates
from tfhkit.face.model import N_EXP, N_ID, N_TEX, MorphableModel, vertex_normals

REMEDY = "give Deep3D's BFM_model_front.mat (see the README on how to get it)"
EYE_DISTANCE = (0.45, 0.85)  # dm between the centres of the eyes, of any adult
REQUIRED = ("meanshape", "meantex", "idBase", "exBase", "texBase", "tri")
EMPTY_REGIONS = ("teeth", "tongue", "mouth_cavity", "ears", "scalp", "neck")


def read_bfm09(path):
    """Read a `.mat` of that layout.

    Args:
        path: the file. Keys `meanshape`, `meantex` (1, 3V), `idBase` (3V, 80), `exBase` (3V, 64),
            `texBase` (3V, 80), `tri` (F, 3) and `keypoints` (1, 68), both counted from 1.
    Returns:
        MorphableModel without facial actions; the mean shape is centred on its vertices' mean,
        as in Deep3D. Lips, eyes, brows and nose are outlined by the landmarks; it has no teeth,
        tongue, ears, scalp or neck.
    Raises:
        InputError: no such file, missing keys, wrong sizes, wrong units, no landmarks, NaN.
    """
    content = _load(path)
    mean = np.asarray(content["meanshape"], np.float32).reshape(-1)
    if mean.size % 3 or not mean.size:
        raise InputError(path, f"meanshape has {mean.size} values, expected 3 per vertex", REMEDY)
    n_verts = mean.size // 3
    verts = mean.reshape(n_verts, 3)
    bases = {}
    for key, size in (("idBase", N_ID), ("exBase", N_EXP), ("texBase", N_TEX)):
        base = np.asarray(content[key], np.float32)
        if base.shape != (3 * n_verts, size):
            raise InputError(
                path, f"{key}: expected shape ({3 * n_verts}, {size}), got {base.shape}", REMEDY
            )
        bases[key] = np.ascontiguousarray(base.T).reshape(size, n_verts, 3)
    colour = np.asarray(content["meantex"], np.float32).reshape(-1)
    if colour.size != mean.size:
        raise InputError(path, f"meantex has {colour.size} values, expected {mean.size}", REMEDY)
    for key, values in (("meanshape", mean), ("meantex", colour), *bases.items()):
        if not np.isfinite(values).all():
            raise InputError(path, f"{key} holds values that are not finite", REMEDY)
    faces = _indices(path, content, "tri", n_verts).reshape(-1, 3)
    ids = _indices(path, content, "keypoints", n_verts).reshape(-1)
    if len(ids) != 68:
        raise InputError(path, f"keypoints: expected 68 landmarks, got {len(ids)}", REMEDY)
    eyes = verts[ids[36:48]].reshape(2, 6, 3).mean(1)
    distance = float(np.linalg.norm(eyes[1] - eyes[0]))
    if not EYE_DISTANCE[0] < distance < EYE_DISTANCE[1]:
        raise InputError(
            path,
            f"the eyes are {distance:.3g} units apart, expected about 0.6 dm: wrong units",
            "scale the model to decimetres",
        )
    verts = verts - verts.mean(0)
    faces, normals = _outside(verts, faces, ids)
    return MorphableModel(
        name="bfm09",
        mean_shape=torch.from_numpy(verts),
        id_basis=torch.from_numpy(bases["idBase"]),
        exp_basis=torch.from_numpy(bases["exBase"]),
        mean_tex=torch.from_numpy(colour.reshape(n_verts, 3) / 255),
        tex_basis=torch.from_numpy(bases["texBase"] / 255),
        faces=torch.from_numpy(faces),
        uvs=torch.from_numpy(_cylinder_uvs(verts)),
        landmark_ids=torch.from_numpy(ids),
        contour_ids=torch.from_numpy(
            contour_candidates(verts, normals, ids, np.ones(n_verts, bool))
        ),
        regions=_regions(verts, ids),
        action_names=(),
        actions=torch.zeros(0, N_EXP),
    )


def _load(path):
    """The `.mat` as a dict with all required keys."""
    from scipy.io import loadmat

    if path is None:
        raise InputError("model 'bfm09'", "is not shipped and no file was given", REMEDY)
    if not Path(path).is_file():
        raise InputError(path, "no such file", REMEDY)
    try:
        content = loadmat(str(path))
    except (ValueError, TypeError, NotImplementedError, OSError) as fault:
        raise InputError(path, f"cannot be read as a .mat file ({fault})", REMEDY) from fault
    missing = [key for key in REQUIRED if key not in content]
    if missing:
        raise InputError(path, f"has no key {', '.join(missing)}", REMEDY)
    if "keypoints" not in content:
        raise InputError(path, "has no landmarks (key keypoints)", REMEDY)
    return content


def _indices(path, content, key, n_verts):
    """Vertex ids counted from 0; a key with ids outside of the mesh is refused."""
    ids = np.asarray(content[key]).astype(np.int64) - 1
    if ids.size and (ids.min() < 0 or ids.max() >= n_verts):
        raise InputError(path, f"{key} points outside of the {n_verts} vertices", REMEDY)
    return ids


def _outside(verts, faces, ids):
    """Faces counter-clockwise from outside, and the normals: the nose must look to the camera."""
    points = torch.from_numpy(verts)[None]
    normals = vertex_normals(points, torch.from_numpy(faces))[0].numpy()
    if normals[ids[27:31], 2].sum() < 0:
        return np.ascontiguousarray(faces[:, ::-1]), -normals
    return faces, normals


def _cylinder_uvs(verts):
    """Cylindrical texture coordinates (V, 2) about the vertical axis behind the face."""
    axis_z = verts[:, 2].max() - 1.0
    angle = np.arctan2(verts[:, 0], verts[:, 2] - axis_z)
    height = (verts[:, 1] - verts[:, 1].min()) / max(np.ptp(verts[:, 1]), 1e-9)
    return np.stack([angle / (2 * np.pi) + 0.5, height], 1).astype(np.float32)


def _regions(verts, ids):
    """Regions by outlines in the frontal view, seen from the landmarks."""
    from matplotlib.path import Path as Outline

    flat, marks = verts[:, :2], verts[ids, :2]
    front = verts[:, 2] > verts[ids[[0, 16]], 2].min()

    def inside(outline):
        return Outline(outline).contains_points(flat, radius=1e-6) & front

    mouth, opening = inside(marks[48:60]), inside(marks[60:68])
    rows = marks[60:65], marks[[60, 67, 66, 65, 64]]
    middle = np.interp(flat[:, 0], rows[0][:, 0], (rows[0][:, 1] + rows[1][:, 1]) / 2)
    brows = np.zeros(len(verts), bool)
    for row in (marks[17:22], marks[22:27]):
        brows |= inside(np.concatenate([row + [0, 0.04], (row - [0, 0.04])[::-1]]))
    wider = np.array([[0, 0], [0.03, 0], [0, 0], [0, 0], [0, 0], [-0.03, 0]])
    bridge = marks[[27, 35, 34, 33, 32, 31]] + wider
    lips = mouth & ~opening
    regions = {
        "face": np.ones(len(verts), bool),
        "lips": lips,
        "upper_lip": lips & (flat[:, 1] > middle),
        "lower_lip": lips & (flat[:, 1] <= middle),
        "eyes": inside(marks[36:42]) | inside(marks[42:48]),
        "left_eye": inside(marks[42:48]),
        "right_eye": inside(marks[36:42]),
        "brows": brows,
        "nose": inside(bridge),
    }
    regions |= {name: np.zeros(len(verts), bool) for name in EMPTY_REGIONS}
    return {name: torch.from_numpy(mask) for name, mask in regions.items()}
