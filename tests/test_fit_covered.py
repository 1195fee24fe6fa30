"""Hair over the model's face is found from the frames, and shows through the rendering."""

from dataclasses import replace
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from fit_toys import speaking_head

from tfhkit.background.images import training_images
from tfhkit.camera import Camera
from tfhkit.face import load_model
from tfhkit.face.model import MOUTH_INSIDE
from tfhkit.fit import Crop, Fit
from tfhkit.fit.appearance import fit_appearance
from tfhkit.fit.covered import covered_share
from tfhkit.metrics import flicker
from tfhkit.render import render

pytestmark = pytest.mark.slow

SIZE, SHOWN = 224, 128
HAIR = {"black": (0.06, 0.05, 0.05), "brown": (0.25, 0.16, 0.10), "white cap": (0.95, 0.97, 1.0)}


@pytest.fixture(scope="module")
def model():
    return load_model()


@pytest.fixture(scope="module")
def fringe(model):
    """Vertices of forehead and temples, above a slanting line: (V,) bool."""
    verts = model.mean_shape
    brow = verts[model.landmark_ids[19], 1]
    high = verts[:, 1] > brow + 0.08 - 0.25 * verts[:, 0]
    return high & ~model.any_region("eyes", *MOUTH_INSIDE)


def filmed(model, hair=None, fringe=None, skin=1.0):
    """A turning head before a wall, with hair painted over it: Fit, (T, S, S, 3) frames."""
    state = speaking_head()
    frames = state.coefficients()
    albedo = skin * model.texture(frames.tex[:1])[0]
    if hair is not None:
        strands = 1 + 0.3 * torch.sin(model.mean_shape @ torch.tensor([90.0, 8.0, 40.0]))
        albedo[fringe] = (strands[:, None] * torch.tensor(hair))[fringe]
    rgba = render(model, frames, Camera(SIZE), albedo, region="all", supersample=2)
    pictures = rgba[..., :3] * rgba[..., 3:] + 0.7 * (1 - rgba[..., 3:])
    images = (255 * pictures.clamp(0, 1)).round().to(torch.uint8).numpy()
    tex, light, _ = fit_appearance(model, frames, images)
    n = len(images)
    fitted = replace(frames, tex=tex.expand(n, -1), light=light.expand(n, -1))
    seen = np.zeros((n, 68, 2), np.float32), np.zeros(n, bool), np.arange(n) / 25
    fit = Fit(fitted.map(lambda part: part.numpy()), *seen, Crop(1.0, 0.0, 0.0), model.name)
    return replace(fit, covered=covered_share(model, fitted, images)), images


def composites(model, fit, images):
    """Coarse of a clip's own frames."""
    stream = lambda start=0, stop=None: iter(images[start:stop])  # noqa: E731
    clip = SimpleNamespace(iter_frames=stream, __len__=lambda: len(images))
    return training_images(clip, fit, model, SHOWN, range(len(images)))


def upper_band(mask, reach_px=6):
    """(T, S, S) bool: near the upper half of the outline of masks."""
    kernel = np.ones((2 * reach_px + 1,) * 2, np.uint8)
    inside = (mask > 127).astype(np.uint8)
    band = np.stack([cv2.dilate(m, kernel) - cv2.erode(m, kernel) for m in inside])
    return (band > 0) & (np.arange(mask.shape[1])[:, None] < mask.shape[1] // 2)


@pytest.fixture(scope="module")
def haired(model, fringe):
    return filmed(model, HAIR["black"], fringe)


@pytest.mark.parametrize(
    ("hair", "skin"), [("black", 1.0), ("brown", 1.0), ("black", 0.4), ("white cap", 0.5)]
)
def test_hair_and_headgear_are_found(model, fringe, hair, skin):
    fit, _ = filmed(model, HAIR[hair], fringe, skin)
    front = model.regions["face"] & (model.mean_shape[:, 2] > 0.0)
    front &= ~model.any_region("eyes", *MOUTH_INSIDE)
    found, truth = fit.covered[front] > 0.5, fringe[front].numpy()
    assert found[truth].mean() > 0.85
    assert found[~truth].mean() < 0.05


@pytest.mark.parametrize("skin", [1.0, 0.4])
def test_nothing_changes_on_a_bald_head(model, skin):
    fit, images = filmed(model, skin=skin)
    assert not fit.covered.any()
    shown, plain = (composites(model, f, images) for f in (fit, replace(fit, covered=None)))
    assert (shown.render == plain.render).all() and (shown.mask == plain.mask).all()


def test_hair_shows_through_and_does_not_flicker(model, haired):
    fit, images = haired
    after, before = (composites(model, f, images) for f in (fit, replace(fit, covered=None)))
    band = upper_band(before.mask)
    error = [np.abs(c.render.astype(float) - c.real)[band].mean() for c in (after, before)]
    assert error[0] < 0.25 * error[1], error
    rest = [c.render.astype(np.int16) - c.real for c in (after, before)]  # flicker of the error
    assert flicker(rest[0], band) < 0.5 * flicker(rest[1], band)


def test_mouth_jaw_and_eyes_are_drawn_all_the_same(model):
    """A mask over everything: what moves is drawn, and the mouth is no hole."""
    fit, images = filmed(model, HAIR["black"], model.any_region("face"))
    frames = replace(fit, covered=np.ones_like(fit.covered))
    assert composites(model, frames, images).mask.max() == 0
    points = model.landmark_ids[torch.tensor([8, 36, 45, 48, 57, 62])]
    assert (fit.covered[points] < 0.05).all()


def test_a_spot_inside_the_face_is_no_hair(model):
    nose = model.mean_shape[model.landmark_ids[27]]
    spot = (model.mean_shape - nose).norm(dim=-1) < 0.12  # on the bridge, away from the border
    fit, _ = filmed(model, HAIR["black"], spot)
    assert not fit.covered.any()


def test_what_is_covered_is_saved(tmp_path, haired):
    fit, _ = haired
    fit.save(tmp_path / "fit.npz")
    assert (Fit.load(tmp_path / "fit.npz").covered == fit.covered).all()
    replace(fit, covered=None).save(tmp_path / "old.npz")
    assert Fit.load(tmp_path / "old.npz").covered is None
