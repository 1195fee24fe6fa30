"""The turning head: a mesh that became small and stayed a head, and its colourings."""

import json

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from test_teach_hover import unpacked

from tfhkit.camera import Camera
from tfhkit.coefficients import SIZES, Coefficients
from tfhkit.errors import ParameterError, ShapeError
from tfhkit.face import load_model
from tfhkit.render import render
from tfhkit.render.plots import studio_light
from tfhkit.teach.decimate import decimate
from tfhkit.teach.head_mesh import (
    Colouring,
    colour_error,
    light_mesh,
    skin_colours,
    still_heads,
    turning_head,
)
from tfhkit.teach.hover import plotly_bundle


@pytest.fixture(scope="module")
def model():
    return load_model(subdivide=False)


def sphere(n=24):
    """An icosphere-like mesh of a grid, closed at the poles."""
    polar = np.linspace(0, np.pi, n + 1)[1:-1]
    turn = np.linspace(0, 2 * np.pi, n, endpoint=False)
    p, t = np.meshgrid(polar, turn, indexing="ij")
    ring = np.stack([np.sin(p) * np.cos(t), np.sin(p) * np.sin(t), np.cos(p)], -1).reshape(-1, 3)
    verts = np.concatenate([ring, [[0, 0, 1], [0, 0, -1]]])
    top, bottom, faces = len(ring), len(ring) + 1, []
    for i in range(n):
        j = (i + 1) % n
        faces += [[top, i, j], [bottom, (n - 2) * n + j, (n - 2) * n + i]]
        for row in range(n - 2):
            a, b = row * n + i, row * n + j
            faces += [[a, a + n, b], [b, a + n, b + n]]
    return verts, np.array(faces)


def volume(verts, faces):
    a, b, c = verts[faces].transpose(1, 0, 2)
    return (a * np.cross(b, c)).sum() / 6


def test_a_sphere_stays_closed_and_round():
    verts, faces = sphere()
    kept, small = decimate(verts, faces, 150)
    assert len(kept) <= 150 and np.array_equal(np.unique(small), np.arange(len(kept)))
    edges = np.sort(np.concatenate([small[:, [0, 1]], small[:, [1, 2]], small[:, [2, 0]]]), 1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all(), "closed"
    assert volume(verts[kept], small) == pytest.approx(volume(verts, faces), rel=0.05)


def test_a_flat_sheet_keeps_its_border_and_its_important_part():
    x, y = np.meshgrid(np.linspace(0, 1, 15), np.linspace(0, 1, 15))
    verts = np.stack([x.ravel(), y.ravel(), 0.05 * np.sin(9 * x * y).ravel()], 1)
    at = np.arange(14 * 15).reshape(14, 15)[:, :14].ravel()
    faces = np.concatenate(
        [np.stack([at, at + 1, at + 15], 1), np.stack([at + 1, at + 16, at + 15], 1)]
    )
    kept, small = decimate(verts, faces, 60, 1 + 30 * (verts[:, 0] > 0.5))
    flat = verts[kept] * [1, 1, 0]
    a, b, c = flat[small].transpose(1, 0, 2)
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2
    corners = {0, 14, 210, 224}
    assert corners <= set(kept.tolist()) and area == pytest.approx(1)
    assert (verts[kept][:, 0] > 0.5).mean() > 0.55


def test_what_decimate_refuses():
    verts, faces = sphere(6)
    with pytest.raises(ParameterError, match="n_verts: 3; keep 4"):
        decimate(verts, faces, 3)
    with pytest.raises(ShapeError, match="importance"):
        decimate(verts, faces, 9, np.ones(2))


def test_the_head_s_mesh_leaves_the_mouth_s_inside_and_the_bust_out(model):
    kept, faces = light_mesh(model, model.mean_shape.numpy(), 600)
    assert len(kept) <= 600 and faces.max() == len(kept) - 1
    assert not model.any_region("teeth", "tongue")[kept].any()
    assert model.mean_shape[kept, 1].min() > -1.3
    face = model.regions["skin"][kept].numpy().mean()
    assert face > model.regions["skin"].numpy().mean(), "finest in the face"


def test_the_figure_turns_and_its_menu_colours(model):
    moved = Colouring(100 * model.exp_basis[0].norm(dim=-1).numpy(), "mm")
    some = moved.values.copy()
    some[:100] = np.nan
    colourings = {
        "own": skin_colours(model.mean_tex),
        "moved": moved,
        "some": Colouring(some, "mm"),
    }
    figure = turning_head(model, model.mean_shape, colourings, n_verts=500)
    content = next(iter(plotly_bundle(figure, "alt", "<img>").values()))
    mesh, (menu,) = content["data"][0], content["layout"]["updatemenus"]
    assert content["layout"]["scene"]["dragmode"] == "turntable"
    assert content["layout"]["scene"]["aspectmode"] == "data"
    n = len(unpacked(mesh["x"]))
    assert n <= 500 and unpacked(mesh["i"]).max() < n
    looks = [button["args"][0] for button in menu["buttons"]]
    assert [button["label"] for button in menu["buttons"]] == list(colourings)
    assert [look["showscale"][0] for look in looks] == [False, True, True]
    assert unpacked(looks[1]["intensity"][0]).max() == pytest.approx(moved.values.max(), rel=0.3)
    assert looks[2]["cmin"][0] < 0 and looks[1]["cmin"][0] == 0, "grey lies below zero"
    assert "mm" in looks[1]["hovertemplate"][0]
    assert len(json.dumps(content, indent=1)) < 45_000


def test_what_the_figure_refuses(model):
    with pytest.raises(ParameterError, match="colourings: are none"):
        turning_head(model, model.mean_shape, {})
    with pytest.raises(ShapeError, match="moved"):
        turning_head(model, model.mean_shape, {"moved": Colouring(np.zeros(3), "mm")})


def test_skin_tones_come_back_from_the_scale():
    albedo = np.linspace(0.1, 0.9, 50)[:, None] * [1.0, 0.8, 0.7]
    tones = skin_colours(albedo)
    at = np.linspace(0, 1, len(tones.palette))
    back = np.stack([np.interp(tones.values, at, part) for part in tones.palette.T], 1)
    assert np.abs(back - albedo).max() < 0.05


def test_the_colour_error_is_that_of_the_pictures(model):
    zeros = {name: torch.zeros(1, size) for name, size in SIZES.items()}
    face = Coefficients(**(zeros | {"light": studio_light()}))
    rgba = render(model, face, Camera(128), supersample=2)
    picture = (255 * rgba[..., :3]).round().byte().numpy()
    right = colour_error(model, face, picture)
    off = colour_error(model, face, np.clip(picture.astype(int) + 20, 0, 255).astype(np.uint8))
    seen = np.isfinite(right)
    assert 0.05 < seen.mean() < 0.9
    assert np.nanmedian(right) < 4 and np.nanmedian(off) == pytest.approx(20, abs=4)


def test_still_pictures_show_each_colouring(model):
    moved = Colouring(100 * model.id_basis[0].norm(dim=-1).numpy(), "mm")
    colourings = {"own": skin_colours(model.mean_tex), "moved": moved}
    figure = still_heads(model, torch.zeros(80), colourings, size_px=64)
    axes = [axis for axis in figure.axes if axis.images]
    assert [axis.get_title() for axis in axes] == ["own", "moved"]
    first, second = (np.asarray(axis.images[0].get_array()) for axis in axes)
    assert first.shape == (64, 64, 3) and (first != second).any()
    plt.close(figure)
