"""Virtual heads with known truth: clips of them, and the errors of a fit."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.coefficients import Coefficients
from tfhkit.face import MorphableModel
from tfhkit.fit import Crop
from tfhkit.virtual.footage import write_footage
from tfhkit.virtual.scenery import random_scene
from tfhkit.virtual.speaker import perform, random_speaker

YAW_DEG, PITCH_DEG, ROLL_DEG = 30.0, 14.0, 9.0  # reach of a head's sweep
FPS = 4.0  # so slow that twenty frames show twenty different mouths
_TEXT = (
    "You may think about my five old boats, but we were very happy with them.",
    "Please show me where they go on Sunday morning.",
)
_MM_PER_DM = 100.0
CLOSED_SHARE = 0.25  # eyes that are open by less than this share of open ones are closed


def make_head_clip(
    path: str | Path,
    seed: int,
    n_frames: int,
    model: MorphableModel,
    height: int = 360,
    width: int = 480,
) -> tuple[Path, Path]:
    """Write a clip of a virtual speaker who talks and turns its head over its whole reach.

    Args:
        path: the `.mp4` file; the truth is written next to it as `.truth.npz`.
        seed: random seed of identity, texture, light, scene and the phases of the sweep.
        n_frames: number of frames, 4 per second.
        model: the speaker's face model.
        height, width: size of the frames, px.
    Returns:
        Paths of the clip and of the truth.
    """
    rng = np.random.default_rng((seed, 61))
    speaker = random_speaker(model, seed, language="en-us")
    times = 0.3 + np.arange(n_frames) / FPS
    performance = perform(speaker, list(_TEXT), times=times, model=model)
    turns = np.array([1.0, 1.0, 1.5])[None] * np.linspace(0, 2 * np.pi, n_frames)[:, None]
    reach = np.radians([PITCH_DEG, YAW_DEG, ROLL_DEG])
    angles = reach * np.sin(turns + rng.uniform(0, 2 * np.pi, 3))
    coefficients = replace(performance.coefficients, angles=angles.astype(np.float32))
    performance = replace(performance, coefficients=coefficients, times=times - times[0])
    scene = random_scene(seed, height, width)
    return write_footage(Path(path), performance, speaker, scene, model)


def read_truth(path: str | Path) -> tuple[Coefficients, Crop]:
    """The coefficients in a `.truth.npz`, and the crop in which they hold."""
    with np.load(path) as content:
        return Coefficients.from_vector(content["coefficients"]), Crop(*map(float, content["crop"]))


def similarity(
    source: Float[np.ndarray, "V 3"], target: Float[np.ndarray, "V 3"]
) -> tuple[float, Float[np.ndarray, "3 3"], Float[np.ndarray, "3"]]:
    """The similarity that maps points onto points best, by least squares.

    Returns:
        scale, rotation and shift, with target = scale * source @ rotation.T + shift.
    Source: Umeyama 1991.
    """
    a, b = source - source.mean(0), target - target.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    sign = np.array([1.0, 1.0, np.sign(np.linalg.det(u @ vt))])
    rotation = (u * sign) @ vt
    scale = (s * sign).sum() / (a**2).sum()
    return scale, rotation, target.mean(0) - scale * rotation @ source.mean(0)


def head_errors(
    model: MorphableModel, found: Coefficients, truth: Coefficients
) -> dict[str, float | list[float]]:
    """Errors of fitted frames against the truth.

    Args:
        model: of both.
        found, truth: of the same frames, NumPy, in the same crop.
    Returns:
        pose_error_deg, mean absolute error of pitch, yaw and roll; shape_error_mm, rms over the
        skin of the neutral faces after a similarity; lip_error_mm, rms over the lips of all frames
        under that same similarity.
    """
    skin = model.regions["face"] & model.regions["skin"]
    neutral_found, neutral_true = (
        _region_verts(model, replace(part[:1], exp=np.zeros_like(part.exp[:1])), skin)[0]
        for part in (found, truth)
    )
    scale, rotation, shift = similarity(neutral_found, neutral_true)
    errors: dict[str, float | list[float]] = {}
    for name, region, pair in (
        ("shape", skin, (neutral_found, neutral_true)),
        ("lip", model.regions["lips"], None),
    ):
        ours, real = pair or (_region_verts(model, part, region) for part in (found, truth))
        distance2 = ((scale * ours @ rotation.T + shift - real) ** 2).sum(-1)
        errors[f"{name}_error_mm"] = float(_MM_PER_DM * np.sqrt(distance2.mean()))
    turned = np.degrees(np.abs(found.angles - truth.angles)).mean(0)
    return {"pose_error_deg": [float(angle) for angle in turned], **errors}


def eye_errors(model: MorphableModel, found: Coefficients, truth: Coefficients) -> dict[str, Any]:
    """Errors of lids and gaze in fitted frames against the truth.

    Args:
        model: of both, with facial actions.
        found, truth: of the same frames, NumPy.
    Returns:
        lids, the opening of the lids in the fit and in truth (2, T), dm; lid_r, the correlation of
        both; blink_counts, the numbers of frames closed in both, closed in the fit alone and in
        the truth alone (opened by less than CLOSED_SHARE of the head's open eyes); gaze_error_deg,
        mean angle between the directions of the eyes, where they are open.
    """
    ours, real = (lid_opening(model, part) for part in (found, truth))
    closed_ours, closed_real = (o < CLOSED_SHARE * np.percentile(real, 90) for o in (ours, real))
    pairs = ((1, 1), (1, 0), (0, 1))
    counts = [int(((closed_ours == a) & (closed_real == b)).sum()) for a, b in pairs]
    a, b = (_gaze(model, part)[:, ~closed_real] for part in (found, truth))
    cosine = (a * b).sum(-1).clip(-1, 1)
    r = float(np.corrcoef(ours, real)[0, 1])
    angle = float(np.degrees(np.arccos(cosine)).mean())
    return {
        "lids": np.stack([ours, real]),
        "lid_r": r,
        "blink_counts": counts,
        "gaze_error_deg": angle,
    }


def lid_opening(model: MorphableModel, coefficients: Coefficients) -> Float[np.ndarray, "T"]:
    """Mean height between the lids of both eyes, dm; below zero where closed lids overlap."""
    mask = torch.zeros(model.n_verts, dtype=torch.bool)
    ids = torch.tensor([37, 38, 43, 44, 41, 40, 47, 46])
    mask[model.landmark_ids[ids]] = True
    order = torch.searchsorted(torch.nonzero(mask)[:, 0], model.landmark_ids[ids]).numpy()
    y = _region_verts(model, coefficients, mask)[:, order, 1]
    return y[:, :4].mean(1) - y[:, 4:].mean(1)


def _gaze(model, coefficients):
    """(2, T, 3) unit vectors from the centre of each eye to its pupil, in model space."""
    result = []
    for side in ("right_eye", "left_eye"):
        eye = model.regions[side]
        still = replace(coefficients[:1], exp=np.zeros_like(coefficients.exp[:1]))
        ball = _region_verts(model, still, eye)[0]
        system = np.column_stack([2 * ball, np.ones(len(ball))])  # a sphere through its points
        centre = np.linalg.lstsq(system, (ball**2).sum(1), rcond=None)[0][:3]
        pupil = _region_verts(model, coefficients, eye & model.regions["pupil"]).mean(1)
        result.append((pupil - centre) / np.linalg.norm(pupil - centre, axis=1, keepdims=True))
    return np.array(result)


def _region_verts(model, coefficients, region):
    """(T, R, 3) float64 model-space vertices of a region, (V,) bool."""
    part = coefficients.map(lambda x: torch.as_tensor(x).double())
    verts = model.mean_shape[region].double().flatten()
    verts = verts + part.id @ model.id_basis[:, region].double().flatten(1)
    verts = verts + part.exp @ model.exp_basis[:, region].double().flatten(1)
    return verts.reshape(len(part), -1, 3).numpy()
