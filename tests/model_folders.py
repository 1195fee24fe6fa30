"""Files in the layouts of BFM09 and ICT-FaceKit, made from the open model, for the tests."""

import json
from dataclasses import replace

import numpy as np
from scipy.io import savemat

from tfhkit.face import load_model
from tfhkit.face.ict import (
    LANDMARKS,
    MODES,
    N_VERTS,
    NEUTRAL,
    NOTES,
    PARTS,
    SHAPES,
)

CM = 10.0  # per dm
SHIFT_CM = np.array([0.0, -0.3, 6.9])  # ICT's origin lies behind ours


def bfm_part():
    """The open model's face at base resolution without what BFM lacks, the inside of the mouth."""
    base = load_model(subdivide=False)
    mask = base.regions["face"].clone()
    for name in ("teeth", "tongue", "mouth_cavity"):
        mask &= ~base.regions[name]
    return replace(base, regions={"part": mask}).region_model("part")


def bfm_layout():
    """Content of a `.mat` in Deep3D's layout: the open model's face at base resolution."""
    part = bfm_part()
    n = part.n_verts
    flat = lambda basis: basis.reshape(len(basis), -1).numpy().T  # noqa: E731
    return {
        "meanshape": (part.mean_shape.numpy() + [0.0, 0.3, 0.1]).reshape(1, 3 * n),
        "meantex": 255 * part.mean_tex.numpy().reshape(1, 3 * n),
        "idBase": flat(part.id_basis),
        "exBase": flat(part.exp_basis),
        "texBase": 255 * flat(part.tex_basis),
        "tri": part.faces.numpy()[:, ::-1] + 1.0,
        "keypoints": part.landmark_ids.numpy()[None] + 1.0,
    }


def write_bfm(path):
    """Write `bfm_layout` as a `.mat`; gives the path as text."""
    savemat(str(path), bfm_layout())
    return str(path)


def ict_places(base):
    """Which of ICT's vertices stand for the open model's: (M,) ids, each part in its own range."""
    region = {name: mask.numpy() for name, mask in base.regions.items()}
    left, right = region["left_eye"], region["right_eye"]
    teeth, tongue, mouth = region["teeth"], region["tongue"], region["mouth_cavity"]
    inside = left | right | teeth | tongue | mouth
    around = ~inside & (region["scalp"] | region["neck"])
    marks = base.landmark_ids.numpy()
    places = np.full(base.n_verts, -1)
    places[marks] = LANDMARKS
    free = np.setdiff1d(np.arange(PARTS["head"]), LANDMARKS)
    rest = ~inside & ~around & (places < 0)
    places[rest] = free[: rest.sum()]
    for mask, name in (
        (around & (places < 0), "head"),
        (mouth & (places < 0), "mouth"),
        (tongue, "tongue"),
        (teeth, "teeth"),
        (left, "sclera"),
        (right, "other_sclera"),
    ):
        places[mask] = PARTS[name] + np.arange(mask.sum())
    return places


def ict_sources(base):
    """(26719,) the open model's vertex where each of ICT's lies: its own, else its part's first."""
    places = ict_places(base)
    source = np.full(N_VERTS, -1)
    source[places] = np.arange(base.n_verts)
    first = np.repeat(list(PARTS.values()), np.diff([*PARTS.values(), N_VERTS]))
    return np.where(source < 0, np.maximum(source[first], 0), source)


def write_ict(folder):
    """Write a `FaceXModel` of full size whose face is the open model's; gives the base model.

    26,719 vertices, of which the open model's 5,500 move; no face uses the others.
    100 identity modes (80 of the open model, the rest nothing), 53 expressions, real landmark ids.
    """
    base = load_model(subdivide=False)
    places = ict_places(base)
    order = np.argsort(places)
    neutral = CM * base.mean_shape.numpy() + SHIFT_CM
    faces = places[base.faces.numpy()] + 1
    faces = np.concatenate([faces, np.array([[3, 1, 2]]) + PARTS["shells"]])
    lines = np.array([b"v %.5f %.5f %.5f" % tuple(v) for v in neutral[ict_sources(base)]], object)

    def write(name, verts, tail=b""):
        text = "\n".join(["v %.5f %.5f %.5f"] * base.n_verts) % tuple(verts[order].ravel())
        lines[places[order]] = text.encode().split(b"\n")
        body = b"\n".join(lines)
        (folder / f"{name}.obj").write_bytes(b"mtllib x.mtl\n" + body + b"\n" + tail)

    folder.mkdir(parents=True, exist_ok=True)
    vt = b"\n".join(b"vt %.4f %.4f" % (i % 7 / 7, i % 5 / 5) for i in range(N_VERTS))
    tail = b"\n".join(b"f %d/%d %d/%d %d/%d" % tuple(np.repeat(f, 2)) for f in faces)
    write(NEUTRAL, neutral, vt + b"\n" + tail + b"\n")
    modes = base.id_basis.numpy()
    for i, name in enumerate(MODES):
        write(name, neutral + (CM * modes[i] if i < len(modes) else 0))
    exp = base.exp_basis.flatten(1).numpy()
    for name in SHAPES:
        write(name, neutral + CM * shape_move(base, exp, name).reshape(-1, 3))
    (folder / NOTES).write_text(json.dumps({"idx_to_landmark_verts": LANDMARKS}))
    return base


def shape_move(base, exp, name):
    """Displacement (3 V,) of one of ICT's shapes: an action of the open model, or half of one."""
    stem, _, side = name.partition("_")
    sided = stem + {"L": "Left", "R": "Right", "": ""}[side]
    action = sided if sided in base.action_names else stem
    move = base.actions[base.action_names.index(action)].numpy() @ exp
    if action == stem and side:
        x = base.mean_shape[:, 0].numpy().repeat(3)
        share = np.clip(0.5 + 2 * x, 0, 1)
        move = move * (share if side == "L" else 1 - share)
    return move
