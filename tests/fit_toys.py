"""For the tests of fitting: a speaking head of six frames, its pictures, a tracker that errs."""

from dataclasses import replace

import numpy as np
import torch

from tfhkit.camera import Camera, rotation_from_angles
from tfhkit.face.lighting import lamp_light
from tfhkit.fit.appearance import fit_appearance
from tfhkit.fit.bundle import BundleSettings, solve_bundle
from tfhkit.fit.initialise import BundleState
from tfhkit.fit.photometric import PhotometricSettings, refine_all, refine_shared
from tfhkit.render import render

N = 6
SURE = torch.ones(N, dtype=torch.float64)
BUNDLE = BundleSettings(smooth_weight=0.1)
SETTINGS = PhotometricSettings(spacing=0.05)
SIZE = SETTINGS.size_px


def speaking_head():
    """A head that turns and talks under a lamp: BundleState."""
    rng = np.random.default_rng(1)
    phase = np.linspace(0, 2 * np.pi, N)[:, None]
    parts = (
        0.7 * rng.normal(size=80),
        0.7 * np.sin(phase + rng.uniform(0, 6, 64)) * rng.normal(size=64),
        np.sin(phase * [1.0, 0.7, 0.5] + [0, 1, 2]) * [0.12, 0.3, 0.08],
        np.sin(phase * [0.3, 0.4, 0.2]) * [0.05, 0.05, 0.1],
        0.6 * rng.normal(size=80),
    )
    id, exp, angles, trans, tex = map(torch.from_numpy, parts)
    light = lamp_light([0.5, 0.4, 1.0], 0.6, 0.35).double()
    return BundleState(id, exp, rotation_from_angles(angles), trans, tex, light)


def pictures(model, state, size=SIZE):
    """(T, size, size, 3) uint8 of the whole head before grey."""
    rgba = render(model, state.coefficients(), Camera(size), region="all", supersample=2)
    rgb = rgba[..., :3] * rgba[..., 3:] + 0.35 * (1 - rgba[..., 3:])
    return (255 * rgb).round().to(torch.uint8).numpy()


def tracker_error(px=2.5):
    """(68, 2): every landmark errs by `px`, in all frames alike."""
    off = torch.randn(68, 2, generator=torch.Generator().manual_seed(5)).double()
    return px * torch.nn.functional.normalize(off, dim=-1)


def start_of(model, basis, seen):
    """The fit of the landmarks alone, with a first texture and light."""
    state = solve_bundle(basis, seen.points_px, seen.confidence, Camera(), BUNDLE)
    tex, light, _ = fit_appearance(model, state.coefficients(), seen.images)
    return replace(state, tex=tex.double(), light=light.double())


def refined(model, basis, seen, start):
    """After both stages: BundleState, (T, 70) sigma, BundleSettings, the first stage's state."""
    every = np.arange(N)
    *_, (shared, sigma_px) = refine_shared(model, basis, start, every, seen, BUNDLE, SETTINGS)
    bundle = replace(BUNDLE, sigma_px=sigma_px)
    state, sigma = refine_all(model, basis, shared, seen, seen.images, bundle, SETTINGS)
    return state, sigma, bundle, shared


def turn_deg(a, b):
    """(T,) degrees between the rotations of two states."""
    cosine = ((a.rotation.mT @ b.rotation).diagonal(dim1=1, dim2=2).sum(-1) - 1) / 2
    return torch.rad2deg(cosine.clamp(-1, 1).acos())
