"""ICT-FaceKit's folder, on one of full size made from the open model, and what is refused."""

import json
import shutil

import numpy as np
import pytest
import torch
from model_folders import ict_places, ict_sources, shape_move

from tfhkit.errors import InputError
from tfhkit.face import actions_to_exp, exp_to_actions, load_model, vertex_normals
from tfhkit.face.ict import (
    LANDMARKS,
    MODES,
    N_VERTS,
    NEUTRAL,
    NOTES,
    PARTS,
    SHAPES,
    open_places,
    part_of_verts,
    read_ict,
)
from tfhkit.face.obj import read_mesh, read_verts


@pytest.fixture(scope="module")
def folder(ict_folder):
    return ict_folder


@pytest.fixture(scope="module")
def base():
    return load_model(subdivide=False)


@pytest.fixture(scope="module")
def model(folder):
    return load_model("ict", str(folder.parent))  # as of a clone


def test_names_of_the_layout():
    assert len(SHAPES) == len(set(SHAPES)) == 53 and len(MODES) == 100
    for name in ("browDown_L", "browInnerUp_R", "cheekPuff_L", "jawLeft", "mouthRight", "jawOpen",
                 "eyeLookIn_R", "mouthRollLower", "noseSneer_R"):  # fmt: skip
        assert name in SHAPES
    assert MODES[0] == "identity000" and MODES[-1] == "identity099"
    assert len(set(LANDMARKS)) == 68 and max(LANDMARKS) < PARTS["head"]
    assert N_VERTS - PARTS["shells"] == 2128  # tears, blends, occlusion and lashes


@pytest.mark.slow
def test_geometry(model, base, folder):
    places = torch.from_numpy(ict_places(base))
    assert model.name == "ict" and model.path == str(folder.parent)
    assert model.n_verts == N_VERTS and model.landmark_ids.tolist() == list(LANDMARKS)
    verts = model.mean_shape[places]
    shift = (verts - base.mean_shape).mean(0)
    torch.testing.assert_close(verts - shift, base.mean_shape, atol=2e-5, rtol=0)
    assert shift.abs().max() < 0.02  # the eyes lie where the open model has them
    assert len(model.faces) == len(base.faces)  # the shell's face is gone
    normals = vertex_normals(model.mean_shape[None], model.faces)[0]
    assert normals[model.landmark_ids[30], 2] > 0
    assert model.contour_ids.shape[0] == 17 and (model.contour_ids < PARTS["head"]).all()
    used = torch.zeros(N_VERTS, dtype=torch.bool)
    used[model.faces] = True
    assert used[model.contour_ids].all()
    assert model.uvs.min() >= 0 and model.uvs.max() <= 1


@pytest.mark.slow
def test_identity_keeps_the_variance_of_the_modes(model, base):
    places = torch.from_numpy(ict_places(base))
    ours, theirs = model.id_basis[:, places].flatten(1), base.id_basis.flatten(1)
    assert ours.square().sum() == pytest.approx(theirs.square().sum().item(), rel=1e-3)
    torch.testing.assert_close(ours.T[:90] @ ours, theirs.T[:90] @ theirs, atol=2e-5, rtol=1e-3)
    strength = ours.norm(dim=1)
    assert (strength[:-1] >= strength[1:] - 1e-4).all()
    gram = ours @ ours.T
    assert (gram - gram.diag().diag()).abs().max() < 1e-3 * gram.max()


@pytest.mark.slow
def test_expression_spans_the_shapes_and_actions_have_their_names(model, base):
    places = torch.from_numpy(ict_places(base))
    assert (model.exp_basis[53:] == 0).all() and (model.exp_basis[:53] != 0).any((1, 2)).all()
    assert model.action_names == base.action_names
    for name in ("jawOpen", "mouthSmileLeft", "eyeBlinkRight", "mouthLeft", "browInnerUp"):
        exp = actions_to_exp(model, {name: 1.0})
        moved = (model.shape(torch.zeros(1, 80), exp)[0] - model.mean_shape)[places]
        row = base.actions[base.action_names.index(name)]
        torch.testing.assert_close(
            moved.flatten(), row @ base.exp_basis.flatten(1), atol=1e-4, rtol=0
        )
    assert (model.actions[model.action_names.index("tongueOut")] == 0).all()
    strengths = torch.zeros(1, 52)
    strengths[0, [24, 43, 44]] = torch.tensor([0.6, 0.3, 0.2])
    back = exp_to_actions(model, actions_to_exp(model, strengths))
    torch.testing.assert_close(back, strengths, atol=0.02, rtol=0)


@pytest.mark.slow
def test_left_shapes_move_the_left(base):
    exp = base.exp_basis.flatten(1).numpy()
    left, right = (shape_move(base, exp, f"cheekPuff_{side}") for side in "LR")
    whole = base.actions[base.action_names.index("cheekPuff")].numpy() @ exp
    np.testing.assert_allclose(left + right, whole, atol=1e-6)


@pytest.mark.slow
def test_coefficients_have_unit_variance_over_random_expressions(model):
    from tfhkit.face.actions import sample_actions

    exp = actions_to_exp(model, sample_actions(3000, np.random.default_rng(5)))
    sd = exp.std(0)
    assert sd[:53].max() < 1.3 and sd[:10].mean() > 0.8 and (sd[53:] == 0).all()


@pytest.mark.slow
def test_skin_and_regions_come_from_the_open_model(model, base):
    places = torch.from_numpy(ict_places(base))
    assert set(model.regions) == set(base.regions)
    for name, low in (("face", 0.97), ("lips", 0.8), ("teeth", 1.0), ("left_eye", 1.0),
                      ("tongue", 1.0), ("mouth_cavity", 0.95), ("scalp", 0.9)):  # fmt: skip
        mine, theirs = model.regions[name][places], base.regions[name]
        shared = (mine & theirs).sum() / (mine | theirs).sum()
        assert shared >= low, f"{name}: {shared:.3f}"
    assert not model.regions["face"][PARTS["shells"] :].any()
    difference = (model.mean_tex[places] - base.mean_tex).norm(dim=1)
    assert difference.mean() < 0.03
    tex = torch.randn(1, 80, generator=torch.Generator().manual_seed(0))
    difference = (model.texture(tex)[0][places] - base.texture(tex)[0]).norm(dim=1)
    assert difference.mean() < 0.04


@pytest.mark.slow
def test_skin_is_carried_over_to_a_head_of_other_proportions(base):
    """A wider, flatter head of another person, 20 % larger: lips and brows stay where they are."""
    places = ict_places(base)
    id = 1.5 * torch.randn(1, 80, generator=torch.Generator().manual_seed(4))
    other = base.shape(id, torch.zeros(1, 64))[0].numpy() * [1.3, 1.2, 1.1] + [0.2, 0.3, -0.2]
    skin = load_model()
    table = open_places(other[ict_sources(base)], part_of_verts(), np.array(LANDMARKS), skin)
    sums = np.asarray(table.sum(1))[:, 0]
    np.testing.assert_allclose(sums[: PARTS["shells"]], 1, atol=1e-6)
    assert (sums[PARTS["shells"] :] == 0).all()
    for name, low in (
        ("lips", 0.7),
        ("upper_lip", 0.6),
        ("ears", 0.5),
        ("nose", 0.7),
        ("iris", 0.6),
    ):
        mine = (table @ skin.regions[name].numpy() > 0.5)[places]
        theirs = base.regions[name].numpy()
        shared = (mine & theirs).sum() / (mine | theirs).sum()
        assert shared >= low, f"{name}: {shared:.3f}"
    difference = (table @ skin.mean_tex.numpy())[places] - base.mean_tex.numpy()
    assert np.linalg.norm(difference, axis=1).mean() < 0.06


@pytest.fixture
def copy(folder, tmp_path):
    """A folder of links to the files, any of which may be replaced."""
    for path in folder.iterdir():
        (tmp_path / path.name).symlink_to(path)

    def replace(name, text):
        (tmp_path / name).unlink()
        if text is not None:
            (tmp_path / name).write_text(text)
        return tmp_path

    return replace


OLDER = json.dumps({"idx_to_landmark_verts": list(range(68))})


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("identity042.obj", None, "lacks identity042.obj"),
        ("jawOpen.obj", None, "lacks jawOpen.obj"),
        (NOTES, None, "lacks vertex_indices.json"),
        (NOTES, "{}", "has no landmarks"),
        (NOTES, "[1, 2", "cannot be read"),
        (NOTES, "[1, 2]", "cannot be read"),
        (NOTES, '{"idx_to_landmark_verts": [1, 2, 3]}', "expected 68 landmarks, got 3"),
        (NOTES, '{"idx_to_landmark_verts": ["nose"]}', "cannot be read"),
        (NOTES, OLDER.replace("67", "99999"), "points outside the 26719 vertices"),
        (NOTES, OLDER, "other landmarks than documented: an older release"),
        ("identity000.obj", "v 1 2 3\n" * 12, "identity000.obj: has 12 vertices, expected 26719"),
        (
            "identity000.obj",
            "v 1 2\n" * N_VERTS,
            "identity000.obj: has lines that do not",
        ),
        (
            "identity000.obj",
            "v 1 2 x\n" * N_VERTS,
            "identity000.obj: has lines that do not",
        ),
        (
            "identity000.obj",
            "v 1 nan 3\n" * N_VERTS,
            "identity000.obj: .*not finite",
        ),
        ("identity000.obj", "", "identity000.obj: has 0 vertices, expected 26719"),
        (NEUTRAL + ".obj", "v 1 2 3\n" * N_VERTS, "faces other than triangles and quads, or none"),
    ],
)
def test_refuses(copy, name, text, words):
    with pytest.raises(InputError, match=words):
        read_ict(copy(name, text))


@pytest.mark.slow
def test_refuses_wrong_units(copy, folder):
    lines = (folder / f"{NEUTRAL}.obj").read_text().splitlines()
    metres = [
        "v " + " ".join(f"{float(x) / 100:.6f}" for x in line.split()[1:])
        if line[:2] == "v "
        else line
        for line in lines
    ]
    with pytest.raises(InputError, match="eyes are 0.00636 dm apart.*wrong units.*centimetres"):
        read_ict(copy(f"{NEUTRAL}.obj", "\n".join(metres)))


def test_refuses_what_is_no_such_folder(tmp_path):
    with pytest.raises(InputError, match="no folder was given"):
        load_model("ict")
    with pytest.raises(InputError, match="no such folder"):
        load_model("ict", str(tmp_path / "none"))
    with pytest.raises(InputError, match="lacks vertex_indices.json and 154 more files"):
        load_model("ict", str(tmp_path))


QUAD = """# a quad and a triangle
mtllib x.mtl
v 0 0 0
v 1 0 0
v 1 1 -2.5e-1
v 0 1 0
vt 0.25 0.5
vt 0 0.125
vn 0 0 1
usemtl skin
f 1/1/1 2/2/1 3/1/1 4/2/1
f 1/1 3/1 4/2
"""


def test_obj_of_quads_and_triangles(tmp_path):
    path = tmp_path / "quad.obj"
    path.write_text(QUAD)
    verts, faces, uvs = read_mesh(path, 4)
    np.testing.assert_allclose(verts, [[0, 0, 0], [1, 0, 0], [1, 1, -0.25], [0, 1, 0]])
    assert sorted(map(tuple, faces.tolist())) == [(0, 1, 2), (0, 2, 3), (0, 2, 3)]
    np.testing.assert_allclose(uvs, [[0.25, 0.5], [0, 0.125], [0.25, 0.5], [0, 0.125]])
    path.write_bytes(QUAD.replace("\n", "\r\n").encode())
    np.testing.assert_array_equal(read_verts(path, 4), verts)
    np.testing.assert_array_equal(read_mesh(path, 4)[2], uvs)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("f 1/1 3/1 4/2", "f 1/1 3/1 9/2", "a face outside of its 4 vertex lines"),
        ("f 1/1 3/1 4/2", "f 1/1 3/1 4/9", "a face outside of its 2 texture lines"),
        ("f 1/1 3/1 4/2", "f 1/1 3/1", "faces other than triangles and quads"),
        ("f 1/1 3/1 4/2", "f 1 3 4", "not written as v/vt"),
        ("f 1/1 3/1 4/2", "f 1/a 3/1 4/2", "not written as v/vt"),
        ("vt 0 0.125", "vt 0", "do not hold 2 numbers each"),
    ],
)
def test_obj_that_is_broken(tmp_path, old, new, words):
    path = tmp_path / "quad.obj"
    path.write_text(QUAD.replace(old, new))
    with pytest.raises(InputError, match=words):
        read_mesh(path, 4)
    shutil.rmtree(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        read_mesh(path, 4)
