"""Reads the Basel Face Model 2009 in the layout of Deep3D's `BFM_model_front.mat`.

The file may not be redistributed; whoever has it gives its path. It holds 80 identity, 64
FaceWarehouse expression and 80 texture components over 35,709 vertices, in dm.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from tfhkit.errors import InputError
from tfhkit.face.checks import (
    check_finite,
    check_indices,
    check_landmarks,
    check_units,
    face_outwards,
)
from tfhkit.face.contour import contour_candidates
from tfhkit.face.model import N_EXP, N_ID, N_TEX, MorphableModel, load_model
from tfhkit.face.transfer import transfer_actions
from tfhkit.matlab import mat_content

REMEDY = "give Deep3D's BFM_model_front.mat (see the README on how to get it)"
REQUIRED = ("meanshape", "meantex", "idBase", "exBase", "texBase", "tri")
EMPTY_REGIONS = "iris pupil teeth tongue mouth_cavity ears scalp neck".split()


def read_bfm09(path: str | Path | None) -> MorphableModel:
    """Read a `.mat` of that layout.

    Args:
        path: the file. Keys `meanshape`, `meantex` (1, 3V), `idBase` (3V, 80), `exBase` (3V, 64),
            `texBase` (3V, 80), `tri` (F, 3) and `keypoints` (1, 68), both counted from 1.
    Returns:
        MorphableModel; the mean shape is centred on its vertices' mean, as in Deep3D. Lips, eyes,
        brows and nose are outlined by the landmarks; it has no teeth, tongue, ears, scalp or
        neck. The file names no facial actions: they are carried over from the open model by the
        motion of the landmarks; those of gaze and tongue do nothing.
    Raises:
        InputError: no such file, missing keys, wrong sizes, wrong units, no landmarks, NaN.
    """
    path, content = _load(path)
    mean = content["meanshape"].reshape(-1)
    if mean.size % 3 or not mean.size:
        raise InputError(path, f"meanshape has {mean.size} values, expected 3 per vertex", REMEDY)
    n_verts = mean.size // 3
    verts = mean.reshape(n_verts, 3)
    bases = {}
    for key, size in (("idBase", N_ID), ("exBase", N_EXP), ("texBase", N_TEX)):
        base = content[key]
        if base.shape != (3 * n_verts, size):
            raise InputError(
                path, f"{key}: expected shape ({3 * n_verts}, {size}), got {base.shape}", REMEDY
            )
        bases[key] = np.ascontiguousarray(base.T).reshape(size, n_verts, 3)
    colour = content["meantex"].reshape(-1)
    if colour.size != mean.size:
        raise InputError(path, f"meantex has {colour.size} values, expected {mean.size}", REMEDY)
    check_finite(path, {"meanshape": mean, "meantex": colour, **bases}, REMEDY)
    ids = check_landmarks(path, content["keypoints"] - 1, n_verts, REMEDY, "keypoints")
    faces = content["tri"] - 1
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError(path, f"tri: expected shape (F, 3), got {faces.shape}", REMEDY)
    faces = check_indices(path, faces, n_verts, REMEDY, "tri")
    check_units(path, verts, ids)
    verts = verts - verts.mean(0)
    faces, normals = face_outwards(verts, faces, ids)
    model = MorphableModel(
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
    named = load_model()
    return replace(model, action_names=named.action_names, actions=transfer_actions(named, model))


def _load(path):
    """The path, and the `.mat` as a dict of float32 arrays with all that is required."""
    if path is None:
        raise InputError("model 'bfm09'", "is not shipped and no file was given", REMEDY)
    content = mat_content(path, REMEDY)
    missing = [key for key in REQUIRED if key not in content]
    if missing:
        raise InputError(path, f"has no key {', '.join(missing)}", REMEDY)
    if "keypoints" not in content:
        raise InputError(path, "has no landmarks (key keypoints)", REMEDY)
    try:
        keys = (*REQUIRED, "keypoints")
        return path, {key: np.asarray(content[key], np.float32) for key in keys}
    except (ValueError, TypeError) as fault:
        raise InputError(path, f"contains values that are not numbers ({fault})", REMEDY) from fault


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
    eyes = inside(marks[36:42]) | inside(marks[42:48])
    regions = {
        "face": np.ones(len(verts), bool),
        "skin": ~(mouth | eyes),
        "lips": lips,
        "upper_lip": lips & (flat[:, 1] > middle),
        "lower_lip": lips & (flat[:, 1] <= middle),
        "eyes": eyes,
        "left_eye": inside(marks[42:48]),
        "right_eye": inside(marks[36:42]),
        "brows": brows,
        "nose": inside(bridge),
    }
    regions |= {name: np.zeros(len(verts), bool) for name in EMPTY_REGIONS}
    return {name: torch.from_numpy(mask) for name, mask in regions.items()}
