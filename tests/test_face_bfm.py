"""BFM09 in Deep3D's layout, on a small synthetic file, and what is refused."""

import numpy as np
import pytest
import torch
from scipy.io import savemat

from tfhkit.errors import InputError, ParameterError
from tfhkit.face import exp_to_actions, load_model, vertex_normals
from tfhkit.face.bfm import read_bfm09


@pytest.fixture(scope="module")
def layout():
    """Content of a `.mat` in Deep3D's layout: the open model's face at base resolution."""
    part = load_model(subdivide=False).region_model("face")
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
    part = load_model(subdivide=False).region_model("face")
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
    with pytest.raises(ParameterError, match="no facial actions"):
        exp_to_actions(model, torch.zeros(1, 64))


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
    ],
)
def test_refuses(written, change, words):
    with pytest.raises(InputError, match=words):
        read_bfm09(written(**change))


def test_refuses_wrong_units_and_nan(written, layout):
    with pytest.raises(InputError, match="wrong units"):
        read_bfm09(written(meanshape=layout["meanshape"] * 1e5))
    broken = layout["meanshape"].copy()
    broken[0, 7] = np.nan
    with pytest.raises(InputError, match="not finite"):
        read_bfm09(written(meanshape=broken))


def test_refuses_what_is_no_such_file(tmp_path):
    with pytest.raises(InputError, match="no file was given"):
        load_model("bfm09")
    with pytest.raises(InputError, match="no such file"):
        read_bfm09(tmp_path / "none.mat")
    (tmp_path / "text.mat").write_text("hello, this is no MATLAB file at all; " * 20)
    with pytest.raises(InputError, match="cannot be read"):
        read_bfm09(tmp_path / "text.mat")
