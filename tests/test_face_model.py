"""The open model: sizes, linearity, landmarks, contour, regions, texture, bad input."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.assets import assets_dir
from tfhkit.camera import Camera, project
from tfhkit.errors import AssetError, InputError, ParameterError, ShapeError
from tfhkit.face import actions_to_exp, exp_to_actions, load_model, vertex_normals
from tfhkit.face.build.landmark_table import OTHER_SIDE
from tfhkit.face.open_model import read_open_model
from tfhkit.render import rasterize


@pytest.fixture(scope="module")
def model():
    return load_model()


def test_sizes(model):
    assert model.n_verts >= 15_000
    assert model.id_basis.shape == (80, model.n_verts, 3)
    assert model.exp_basis.shape == (64, model.n_verts, 3)
    assert model.tex_basis.shape == (80, model.n_verts, 3)
    assert model.faces.min() == 0 and model.faces.max() == model.n_verts - 1
    assert len(model.action_names) == 52 and model.actions.shape == (52, 64)
    assert len(set(model.landmark_ids.tolist())) == 68
    assert 0 <= model.uvs.min() and model.uvs.max() <= 1
    assert (assets_dir() / "open_model.npz").stat().st_size < 12e6
    assert json.loads((assets_dir() / "open_model.json").read_text())["licence"] == "CC0-1.0"


def test_zero_coefficients_give_the_mean(model):
    zeros = torch.zeros(1, 80)
    assert torch.equal(model.shape(zeros, torch.zeros(1, 64))[0], model.mean_shape)
    assert torch.equal(model.texture(zeros)[0], model.mean_tex)


def test_shape_and_texture_are_linear_and_batches_equal_single_faces(model):
    generator = torch.Generator().manual_seed(0)
    id = torch.randn(3, 80, generator=generator)
    exp = torch.randn(3, 64, generator=generator)
    verts = model.shape(id, exp)
    for i in range(3):
        torch.testing.assert_close(
            verts[i : i + 1], model.shape(id[i : i + 1], exp[i : i + 1]), atol=2e-5, rtol=0
        )
    parts = model.shape(id, 0 * exp) + model.shape(0 * id, exp) - model.mean_shape
    torch.testing.assert_close(verts, parts, atol=2e-5, rtol=0)
    one = torch.zeros(1, 80)
    one[0, 3] = 2.0
    torch.testing.assert_close(model.texture(one)[0], model.mean_tex + 2 * model.tex_basis[3])


def test_base_resolution_is_the_start_of_the_full_one(model):
    base = load_model(subdivide=False)
    n = base.n_verts
    assert n < model.n_verts / 3
    torch.testing.assert_close(base.mean_shape, model.mean_shape[:n])
    torch.testing.assert_close(base.exp_basis, model.exp_basis[:, :n])
    moved = (base.mean_shape[base.landmark_ids] - model.mean_shape[model.landmark_ids]).norm(dim=-1)
    assert moved.max() < 0.08 and moved[36:].max() < 0.035


def test_size_and_place_in_the_crop(model):
    points, _ = project(model.mean_shape[model.landmark_ids], Camera())
    left, right = points[42:48].mean(0), points[36:42].mean(0)
    assert 58 < left[0] - right[0] < 70
    middle = torch.stack([left, right, points[30], points[48], points[54]]).mean(0)
    assert (middle - 112).abs().max() < 4
    assert points[8, 1] < 224 and points[19, 1] > 40
    assert (
        model.mean_shape[model.landmark_ids][30, 2]
        > model.mean_shape[model.landmark_ids][0, 2] + 0.4
    )


def test_faces_look_outwards(model):
    normals = vertex_normals(model.mean_shape[None], model.faces)[0]
    for landmark in (27, 30, 51, 57, 8):
        assert normals[model.landmark_ids[landmark], 2] > 0.2
    cheeks = model.contour_ids[[*range(6), *range(11, 17)]].flatten()
    outwards = model.mean_shape - torch.tensor([0.0, 0.1, -0.5])
    assert ((normals * outwards).sum(-1)[cheeks] > 0).all()
    top = model.regions["scalp"] & (model.mean_shape[:, 1] > 1)
    assert ((normals * outwards).sum(-1)[top] > 0).all()
    for name, x in (("left_eye", 1), ("right_eye", -1)):
        eye = model.regions[name]
        assert (model.mean_shape[eye, 0] * x > 0).all()
        ray = model.mean_shape[eye] - model.mean_shape[eye].mean(0)
        assert ((normals[eye] * ray).sum(-1) > 0).all()


def test_vertex_normals_of_a_square():
    verts = torch.tensor([[[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [5, 5, 5]]])
    normals = vertex_normals(verts, torch.tensor([[0, 1, 2], [0, 2, 3]]))
    torch.testing.assert_close(normals[0, :4], torch.tensor([[0.0, 0, 1]]).expand(4, 3))
    assert (normals[0, 4] == 0).all()


def test_every_edge_has_two_faces_of_opposite_direction(model):
    faces = model.faces
    ends = torch.cat([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    codes = ends[:, 0] * model.n_verts + ends[:, 1]
    assert len(torch.unique(codes)) == len(codes)
    back = ends[:, 1] * model.n_verts + ends[:, 0]
    assert torch.isin(back, codes).float().mean() > 0.98  # all but the borders of neck and eyeballs


def test_landmarks_are_symmetric_and_on_the_right_parts(model):
    points = model.mean_shape[model.landmark_ids]
    mirrored = points[list(OTHER_SIDE)] * torch.tensor([-1.0, 1, 1])
    torch.testing.assert_close(points, mirrored, atol=1e-4, rtol=0)
    assert (points[42:48, 0] > 0).all() and (points[36:42, 0] < 0).all()
    ids = model.landmark_ids
    assert model.regions["upper_lip"][ids[[50, 52, 61, 62, 63]]].all()
    assert model.regions["lower_lip"][ids[[57, 65, 66, 67]]].all()
    assert not (model.regions["eyes"] | model.regions["teeth"])[ids].any()
    order = points[[36, 39, 42, 45], 0]
    assert (order[1:] > order[:-1]).all()


def test_contour_candidates_hold_their_landmark_and_run_backwards(model):
    assert model.contour_ids.shape[0] == 17 and model.contour_ids.shape[1] >= 5
    for j in range(17):
        own, path = model.mean_shape[model.landmark_ids[j]], model.mean_shape[model.contour_ids[j]]
        assert model.landmark_ids[j] in model.contour_ids[j]
        assert path[0, 2] > path[-1, 2] + 0.1
        across = torch.stack([-own[1], own[0]]) / own[:2].norm()
        assert (path[:, :2] @ across).abs().max() < 0.06, "it stays in its plane"
    assert not model.regions["ears"][model.contour_ids.flatten()].any()


def test_left_and_right_are_coupled_and_a_little_apart(model):
    id = torch.randn(40, 80, generator=torch.Generator().manual_seed(13))
    points = model.landmark_points(id, torch.zeros(40, 64))
    mirrored = points[:, list(OTHER_SIDE)] * torch.tensor([-1.0, 1, 1])
    apart = points - mirrored
    apart = (apart - apart.mean(1, keepdim=True)).square().sum(-1).mean(1).sqrt()
    spread = (points - points.mean(0)).square().sum(-1).mean(1).sqrt()
    assert apart.min() > 0.001 and apart.max() < 0.03
    assert apart.mean() < 0.3 * spread.mean()


def test_regions(model):
    names = (
        "face lips upper_lip lower_lip eyes brows teeth tongue mouth_cavity ears scalp neck nose"
    )
    for name in names.split():
        assert model.regions[name].shape == (model.n_verts,) and model.regions[name].any(), name
    face = model.regions["face"]
    for name in ("eyes", "teeth", "tongue", "mouth_cavity", "lips", "nose", "brows"):
        assert face[model.regions[name]].float().mean() > 0.98, name
    for name in ("ears", "scalp", "neck"):
        assert not (face & model.regions[name]).any(), name
    assert face[model.landmark_ids[17:]].all()


def test_region_model_keeps_landmarks_and_texture(model):
    part = model.region_model("face")
    assert part.n_verts < model.n_verts
    assert part.faces.max() < part.n_verts
    marks = model.mean_shape[model.landmark_ids]
    torch.testing.assert_close(part.mean_shape[part.landmark_ids], marks)
    id = torch.randn(1, 80, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(
        part.landmark_points(id, torch.zeros(1, 64)),
        model.shape(id, torch.zeros(1, 64))[:, model.landmark_ids],
    )
    assert part.regions["face"][part.faces].all()
    whole_area = len(model.faces[model.regions["face"][model.faces].all(1)])
    assert len(part.faces) == whole_area
    with pytest.raises(ParameterError, match="none of that name.*face"):
        model.region_model("hat")


def test_texture_reads_as_a_face(model):
    tex, regions = model.mean_tex, model.regions
    assert 0 <= tex.min() and tex.max() <= 1
    luma = tex @ torch.tensor([0.3, 0.59, 0.11])
    skin = luma[regions["skin"]].median()
    assert luma[regions["pupil"]].max() < 0.5 * skin
    assert luma[regions["brows"]].mean() < 0.85 * skin
    assert luma[regions["teeth"]].max() > 0.9 * skin
    fragments = rasterize(model.mean_shape[None], model.faces, Camera(448))
    seen = torch.zeros(model.n_verts, dtype=torch.bool)
    seen[model.faces[fragments.pix_to_face[fragments.covered]].flatten()] = True
    redness = tex[:, 0] - tex[:, 1]
    lips, bare = (redness[regions[name] & seen].mean() for name in ("lips", "skin"))
    assert lips > bare + 0.05
    sclera = regions["eyes"] & ~regions["iris"] & (model.mean_shape[:, 2] > 0.1)
    assert luma[sclera].mean() > skin


def test_bad_input(model, tmp_path, monkeypatch):
    with pytest.raises(ShapeError, match=r"id: expected shape \(B, 80\), got \(1, 64\)"):
        model.shape(torch.zeros(1, 64), torch.zeros(1, 64))
    with pytest.raises(ParameterError, match="smile"):
        actions_to_exp(model, {"smile": 1})
    with pytest.raises(ParameterError, match="'open', 'bfm09' or 'ict'"):
        load_model("flame")
    bare = replace(model, action_names=(), actions=torch.zeros(0, 64))
    with pytest.raises(ParameterError, match="no facial actions"):
        exp_to_actions(bare, torch.zeros(1, 64))
    with pytest.raises(InputError, match="no such file"):
        load_model("open", str(tmp_path / "none.npz"))
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(InputError, match="not an open model"):
        load_model("open", str(tmp_path / "other.npz"))
    (tmp_path / "text.npz").write_text("not a zip")
    with pytest.raises(InputError, match="not an open model"):
        load_model("open", str(tmp_path / "text.npz"))
    assert load_model("open", str(assets_dir() / "open_model.npz")).path.endswith("open_model.npz")
    shutil.copy(assets_dir() / "open_model.json", tmp_path)
    (tmp_path / "open_model.npz").write_bytes(b"altered")
    monkeypatch.setenv("TFHKIT_ASSETS", str(tmp_path))
    with pytest.raises(AssetError, match="(?i)sha-?256"):
        read_open_model()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"quads": None, "actions": None}, "not an open model: has no key quads, actions"),
        ({"landmark_ids": None}, "has no landmarks"),
        ({"landmark_ids": lambda a: a[:, :5]}, r"expected 2 x 68 landmarks, got \(2, 5\)"),
        ({"landmark_ids": lambda a: a * 0 + 60_000}, "landmark_ids points outside the"),
        ({"cage_mean": lambda a: a[:, :2]}, r"cage_mean: expected shape \(V, 3\), got"),
        ({"cage_mean": lambda a: a[:4000]}, "points outside the 4000 vertices"),
        ({"cage_mean": lambda a: 10 * a}, "eyes are 6.36 dm apart.*wrong units"),
        ({"cage_mean": lambda a: a + np.nan}, "cage_mean contains values that are not finite"),
        ({"mean_tex": lambda a: a * np.inf}, "mean_tex contains values that are not finite"),
        ({"id_basis": lambda a: a[:12]}, "not an open model: wrong sizes"),
        ({"exp_basis": lambda a: a[:, :100]}, "not an open model: wrong sizes"),
        ({"tex_basis": lambda a: a[:, :100]}, "not an open model: wrong sizes"),
        ({"actions": lambda a: a[:3]}, "not an open model: wrong sizes"),
    ],
)
def test_refuses_a_broken_file(tmp_path, change, words):
    with np.load(assets_dir() / "open_model.npz") as content:
        arrays = dict(content)
    for key, edit in change.items():
        arrays[key] = edit(arrays[key]) if edit else None
    path = tmp_path / "changed.npz"
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    with pytest.raises(InputError, match=words):
        read_open_model(path)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_refuses_half_a_file(tmp_path, share):
    whole = (assets_dir() / "open_model.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match="half.npz: is not an open model"):
        read_open_model(tmp_path / "half.npz")
