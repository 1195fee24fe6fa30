"""Reads ICT-FaceKit's light face model: the user's `FaceXModel` folder of `.obj` files (MIT).

26,719 vertices in cm, 100 identity modes, 53 expressions named much as ARKit's, 68 landmarks, no
texture (Li et al., Learning Formation of Physically-Based Face Attributes, CVPR 2020). The vertex
ranges and landmarks below are those of the project's README.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from scipy import sparse

from tfhkit.errors import InputError
from tfhkit.face.actions import ACTION_NAMES, sample_actions
from tfhkit.face.checks import check_landmarks, check_units, face_outwards
from tfhkit.face.contour import contour_candidates
from tfhkit.face.model import N_EXP, N_ID, MorphableModel, load_model
from tfhkit.face.obj import read_mesh, read_verts
from tfhkit.face.transfer import align_landmarks, nearest

REMEDY = "give the folder FaceXModel of ICT-FaceKit"
NEUTRAL, NOTES = "generic_neutral_mesh", "vertex_indices.json"
DM = 0.1  # per cm
N_VERTS, N_MODES = 26_719, 100
EYES = slice(36, 48)  # landmarks
# First vertex of each part. An eyeball is a closed ball (sclera) around another one (iris);
# shells are tears, blends, occlusion and lashes, which need a shader to be seen through.
PARTS = {
    "face": 0, "head": 9409, "mouth": 11248, "sockets": 13294, "tongue": 14062, "teeth": 17039,
    "sclera": 21451, "iris": 22221, "other_sclera": 23021, "other_iris": 23791, "shells": 24591,
}  # fmt: skip
LANDMARKS = (
    1225, 1888, 1052, 367, 1719, 1722, 2199, 1447, 966, 3661, 4390, 3927, 3924, 2608, 3272, 4088,
    3443, 268, 493, 1914, 2044, 1401, 3615, 4240, 4114, 2734, 2509, 978, 4527, 4942, 4857, 1140,
    2075, 1147, 4269, 3360, 1507, 1542, 1537, 1528, 1518, 1511, 3742, 3751, 3756, 3721, 3725,
    3732, 5708, 5695, 2081, 0, 4275, 6200, 6213, 6346, 6461, 5518, 5957, 5841, 5702, 5711, 5533,
    6216, 6207, 6470, 5517, 5966,
)  # fmt: skip
TWO_SHAPES = ("browInnerUp", "cheekPuff")  # one action of ARKit, a left and a right shape here
UNSIDED = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
SEED = 20200403


def shapes_of(action: str) -> list[str]:
    """Names of the shapes that make up one of ARKit's actions."""
    if action in TWO_SHAPES:
        return [f"{action}_L", f"{action}_R"]
    if action == "tongueOut":
        return []
    if action in UNSIDED:
        return [action]
    return [action.replace("Left", "_L").replace("Right", "_R")]


SHAPES = tuple(name for action in ACTION_NAMES for name in shapes_of(action))  # 53
MODES = tuple(f"identity{i:03d}" for i in range(N_MODES))


def read_ict(folder: str | Path | None) -> MorphableModel:
    """Read the folder `FaceXModel`.

    Args:
        folder: it, or the clone of ICT-FaceKit around it.
    Returns:
        MorphableModel with ICT's vertices in their order, in dm, the eyes where the open model
        has them. Identity: the 80 strongest directions of the 100 modes. Expression: the
        span of the 53 shapes as 53 components of unit variance over random expressions, then 11
        of zeros. Actions have ARKit's names; tongueOut does nothing. ICT's light model has no
        skin: texture and regions are those of the open model at the nearest places, see
        `open_places`. The inner balls and the shells of the eyes keep their vertices and lose
        their faces.
    Raises:
        InputError: no folder, missing or broken files, wrong numbers of vertices, wrong units,
            no landmarks, NaN.
    """
    folder = Path(_complete(folder))
    ids = _landmarks(folder / NOTES)
    cm, faces, uvs = read_mesh(folder / f"{NEUTRAL}.obj", N_VERTS)
    check_units(folder / f"{NEUTRAL}.obj", DM * cm, ids, "centimetres")

    def moves(names):
        """Displacements (N, V, 3) in dm."""
        found = np.empty((len(names), N_VERTS, 3), np.float32)
        for i, name in enumerate(names):
            found[i] = DM * (read_verts(folder / f"{name}.obj", N_VERTS) - cm)
        return found

    id_basis = strongest(moves(MODES), N_ID)
    exp_basis, strengths = expression_components(moves(SHAPES))
    part, skin = part_of_verts(), load_model()
    shift = skin.mean_shape[skin.landmark_ids[EYES]].mean(0).numpy() - DM * cm[ids[EYES]].mean(0)
    verts = (DM * cm + shift).astype(np.float32)
    faces = faces[~np.isin(part[faces], ("iris", "other_iris", "shells")).any(1)]
    faces, normals = face_outwards(verts, faces, ids)
    places = open_places(verts, part, ids, skin).astype(np.float32)
    regions = {name: places @ mask.float().numpy() > 0.5 for name, mask in skin.regions.items()}
    tex_basis = places @ skin.tex_basis.transpose(0, 1).flatten(1).numpy()
    return MorphableModel(
        name="ict",
        mean_shape=torch.from_numpy(verts),
        id_basis=torch.from_numpy(id_basis),
        exp_basis=torch.from_numpy(exp_basis),
        mean_tex=torch.from_numpy(places @ skin.mean_tex.numpy()),
        tex_basis=torch.from_numpy(tex_basis).reshape(N_VERTS, -1, 3).transpose(0, 1).contiguous(),
        faces=torch.from_numpy(faces),
        uvs=torch.from_numpy(np.where((uvs < 0) | (uvs > 1), uvs % 1, uvs)),
        landmark_ids=torch.from_numpy(ids),
        contour_ids=torch.from_numpy(
            contour_candidates(verts, normals, ids, regions["face"] & (part == "face"))
        ),
        regions={name: torch.from_numpy(mask) for name, mask in regions.items()},
        action_names=tuple(ACTION_NAMES),
        actions=torch.from_numpy(shape_table() @ strengths).float(),
    )


def _complete(folder):
    """The folder as Path; refused unless every file of the model is there."""
    if folder is None:
        raise InputError("model 'ict'", "is not shipped and no folder was given", REMEDY)
    path = Path(folder)
    if not path.is_dir():
        raise InputError(path, "no such folder", REMEDY)
    if (path / "FaceXModel").is_dir():
        path = path / "FaceXModel"
    names = [NOTES, *(f"{name}.obj" for name in (NEUTRAL, *SHAPES, *MODES))]
    missing = [name for name in names if not (path / name).is_file()]
    if missing:
        more = f" and {len(missing) - 1} more files" if len(missing) > 1 else ""
        raise InputError(path, f"lacks {missing[0]}{more}", REMEDY)
    return path


def _landmarks(path):
    """The 68 landmark vertices out of the folder's notes."""
    try:
        ids = np.array(json.loads(path.read_text()).get("idx_to_landmark_verts", []), float)
    except (ValueError, TypeError, AttributeError) as fault:
        raise InputError(path, f"cannot be read ({fault})", REMEDY) from fault
    if not ids.size:
        raise InputError(path, "has no landmarks (key idx_to_landmark_verts)", REMEDY)
    ids = check_landmarks(path, ids, N_VERTS, REMEDY, "idx_to_landmark_verts")
    if tuple(ids) != LANDMARKS:
        words = "has other landmarks than documented: an older release, with other vertices"
        raise InputError(path, words, "take the newest release of ICT-FaceKit")
    return ids


def part_of_verts() -> Shaped[np.ndarray, "V"]:
    """(26719,) name of each vertex' part."""
    sizes = np.diff([*PARTS.values(), N_VERTS])
    return np.repeat(list(PARTS), sizes)


def shape_table() -> Float[np.ndarray, "52 53"]:
    """(52, 53): which shapes make up which action."""
    return np.array([[float(s in shapes_of(action)) for s in SHAPES] for action in ACTION_NAMES])


def strongest(moves: Float[np.ndarray, "N V 3"], n: int) -> Float[np.ndarray, "n V 3"]:
    """The directions of greatest variance out of modes of unit variance: (N, V, 3) -> (n, V, 3)."""
    flat = moves.reshape(len(moves), -1)
    _, vectors = np.linalg.eigh((flat @ flat.T).astype(np.float64))
    return (vectors[:, : -n - 1 : -1].T.astype(np.float32) @ flat).reshape(n, -1, 3)


def expression_components(
    moves: Float[np.ndarray, "53 V 3"],
) -> tuple[Float[np.ndarray, "64 V 3"], Float[np.ndarray, "53 64"]]:
    """Components of unit variance over random expressions, strongest first.

    Args:
        moves: (53, V, 3) shapes.
    Returns:
        basis: (64, V, 3), the last 11 of zeros; strengths: (53, 64), coefficients of each shape.
    """
    rng = np.random.default_rng(SEED)
    drawn = sample_actions(4000, rng) @ shape_table()
    drawn *= rng.uniform(0.6, 1.4, drawn.shape)  # also the two halves of one action differ
    root = np.linalg.cholesky(np.cov(drawn.T) + 1e-4 * np.eye(len(moves)))
    flat = moves.reshape(len(moves), -1)
    _, vectors = np.linalg.eigh(root.T @ (flat @ flat.T) @ root)
    mix = root @ vectors[:, ::-1]  # strengths of the shapes = mix @ coefficients
    basis = np.zeros((N_EXP, flat.shape[1]), np.float32)
    basis[: len(mix)] = mix.T.astype(np.float32) @ flat
    strengths = np.pad(np.linalg.inv(mix).T, ((0, 0), (0, N_EXP - len(mix))))
    return basis.reshape(N_EXP, -1, 3), strengths


def open_places(
    verts: Float[np.ndarray, "V 3"],
    part: Shaped[np.ndarray, "V"],
    ids: Int[np.ndarray, "68"],
    skin: MorphableModel,
) -> Any:
    """What a value on the open model's vertices is on ICT's.

    Skin takes from skin, after the landmarks were laid on each other; teeth, tongue and mouth take
    from their like, boxes laid on each other; an eyeball takes by the direction from its centre.

    Args:
        verts: (V, 3) dm. part: (V,) names. ids: (68,) landmarks. skin: the open MorphableModel.
    Returns:
        CSR (V, M) with rows that sum to 1, or to 0 for the shells.
    """
    others, masks = skin.mean_shape.numpy(), {k: m.numpy() for k, m in skin.regions.items()}
    inside = masks["eyes"] | masks["teeth"] | masks["tongue"] | masks["mouth_cavity"]
    placed = align_landmarks(verts, verts[ids], others[skin.landmark_ids.numpy()])
    eyeball = np.isin(part, ("sclera", "iris", "other_sclera", "other_iris"))
    pairs = [
        (np.isin(part, ("face", "head", "sockets")), ~inside, None),
        (part == "mouth", masks["mouth_cavity"], _in_box),
        (part == "tongue", masks["tongue"], _in_box),
        (part == "teeth", masks["teeth"], _in_box),
        (eyeball & (verts[:, 0] > 0), masks["left_eye"], _directions),
        (eyeball & (verts[:, 0] < 0), masks["right_eye"], _directions),
    ]
    total = sparse.csr_matrix((len(verts), len(others)))
    for rows, columns, frame in pairs:
        points, targets = placed[rows], others[columns]
        if frame:
            points, targets = frame(points), frame(targets)
        total = total + _pick(rows).T @ nearest(points, targets) @ _pick(columns)
    return total


def _pick(mask):
    """CSR that takes the rows of a mask (M,) out of M rows."""
    return sparse.identity(len(mask), format="csr")[np.flatnonzero(mask)]


def _in_box(points):
    """Points (N, 3) in the unit cube of their bounding box."""
    low = points.min(0)
    return (points - low) / np.maximum(points.max(0) - low, 1e-9)


def _directions(points):
    """Unit vectors (N, 3) from the middle of the points' bounding box."""
    rays = points - (points.min(0) + points.max(0)) / 2
    return rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-9)
