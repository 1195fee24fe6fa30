"""BFM09 in Deep3D's layout, on a small synthetic file, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch
from model_folders import bfm_layout, bfm_part
from scipy.io import savemat

from tfhkit.errors import InputError
from tfhkit.face import actions_to_exp, exp_to_actions, load_model, vertex_normals
from tfhkit.face.bfm import read_bfm09


@pytest.fixture(scope="module")
def layout():
    return bfm_layout()


@pytest.fixture
def written(tmp_path, layout):
    def write(**changes):
        content = {key: value for key, value in {**layout, **changes}.items() if value is not None}
        path = tmp_path / "model.mat"
        savemat(str(path), content)
        return str(path)

    return write


def test_reads_the_layout(written, layout):
    model = load_model("bfm09", written())
    part = bfm_part()
    torch.testing.assert_close(model.mean_shape.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        model.mean_shape - model.mean_shape[0], part.mean_shape - part.mean_shape[0],
        atol=1e-5, rtol=0,
    )  # fmt: skip
    torch.testing.assert_close(model.mean_tex, part.mean_tex, atol=1e-5, rtol=0)
    torch.testing.assert_close(model.id_basis, part.id_basis)
    torch.testing.assert_close(model.tex_basis, part.tex_basis, atol=1e-6, rtol=1e-5)
    assert torch.equal(model.landmark_ids, part.landmark_ids)
    assert torch.equal(model.faces, part.faces)  # the file's were clockwise
    assert vertex_normals(model.mean_shape[None], model.faces)[0, model.landmark_ids[30], 2] > 0
    assert model.contour_ids.shape[0] == 17 and model.contour_ids.max() < model.n_verts
    for name in ("face", "lips", "upper_lip", "lower_lip", "eyes", "nose", "brows"):
        assert model.regions[name].any(), name
    assert not model.regions["teeth"].any()
    assert model.region_model("lips").n_verts < model.n_verts
    assert set(model.regions) == set(load_model().regions)
    assert not (model.regions["skin"] & model.regions["lips"]).any()


def test_facial_actions_are_carried_over_from_the_open_model(written):
    model, named = load_model("bfm09", written()), load_model()
    assert model.action_names == named.action_names and model.actions.shape == (52, 64)
    for name in ("jawOpen", "mouthSmileLeft", "browInnerUp", "eyeBlinkRight"):
        moves = []
        for one in (named, model):
            exp = actions_to_exp(one, {name: 1.0})
            verts = one.shape(torch.zeros(1, 80), exp)[0] - one.mean_shape
            moves.append(verts[..., one.landmark_ids, :][17:])
        left = (moves[1] - moves[0]).norm() / moves[0].norm()
        assert left < 0.35, f"{name}: {left:.2f} of the motion is missing"
    for name in ("tongueOut", "eyeLookOutLeft"):  # no landmark shows them
        assert (model.actions[named.action_names.index(name)] == 0).all()
    any_face = torch.randn(4, 64, generator=torch.Generator().manual_seed(0))
    assert exp_to_actions(model, any_face).max() < 20  # none is used beyond reason
    half = exp_to_actions(model, 0.5 * actions_to_exp(model, {"jawOpen": 1.0}))[0]
    assert half[named.action_names.index("jawOpen")] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"idBase": None}, "has no key idBase"),
        ({"exBase": None, "tri": None}, "has no key exBase, tri"),
        ({"keypoints": None}, "has no landmarks"),
        ({"keypoints": np.ones((1, 5))}, "expected 68 landmarks, got 5"),
        ({"keypoints": np.full((1, 68), 9e6)}, "keypoints points outside"),
        ({"idBase": np.zeros((12, 80))}, r"idBase: expected shape .*got \(12, 80\)"),
        ({"meantex": np.zeros((1, 9))}, "meantex has 9 values"),
        ({"meanshape": np.zeros((1, 10))}, "meanshape has 10 values"),
        ({"exBase": np.zeros((12, 64))}, r"exBase: expected shape .*got \(12, 64\)"),
        ({"texBase": np.zeros((3, 3))}, r"texBase: expected shape .*got \(3, 3\)"),
        ({"tri": np.full((4, 3), 9e6)}, "tri points outside"),
        ({"tri": np.ones((4, 4))}, r"tri: expected shape \(F, 3\), got \(4, 4\)"),
        ({"tri": np.full((4, 3), np.nan)}, "tri contains values that are not finite"),
        ({"keypoints": np.full((1, 68), np.nan)}, "keypoints contains values that are not finite"),
        ({"meanshape": "a text"}, "contains values that are not numbers"),
    ],
)
def test_refuses(written, change, words):
    with pytest.raises(InputError, match=words):
        read_bfm09(written(**change))


def test_refuses_wrong_units(written, layout):
    with pytest.raises(InputError, match="eyes are 6.36e[+]04 dm apart.*wrong units.*decimetres"):
        read_bfm09(written(meanshape=layout["meanshape"] * 1e5))


@pytest.mark.parametrize("key", ["meanshape", "meantex", "idBase", "exBase", "texBase"])
def test_refuses_nan(written, layout, key):
    broken = layout[key].copy()
    broken[0, 7] = np.nan
    with pytest.raises(InputError, match=f"{key} contains values that are not finite"):
        read_bfm09(written(**{key: broken}))


def test_refuses_what_is_no_such_file(tmp_path, written):
    with pytest.raises(InputError, match="no file was given"):
        load_model("bfm09")
    with pytest.raises(InputError, match="no such file"):
        read_bfm09(tmp_path / "none.mat")
    whole = Path(written()).read_bytes()
    for size in (0, 50, 127, 1000, len(whole) // 2):
        (tmp_path / "cut.mat").write_bytes(whole[:size])
        with pytest.raises(InputError, match="cut.mat: cannot be read as a .mat file"):
            read_bfm09(tmp_path / "cut.mat")
    (tmp_path / "text.mat").write_text("hello, this is no MATLAB file at all; " * 20)
    with pytest.raises(InputError, match="cannot be read"):
        read_bfm09(tmp_path / "text.mat")
