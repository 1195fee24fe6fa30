"""Pairs of coarse rendering and detailed frame of virtual speakers: what the refiner learns first.

The detailed frames stand for real ones: skin that no texture coefficients represent, shine, hair, a
collar, a room, a camera. The coarse ones go the way that a fitted clip goes: coefficients with a
fit's errors, low-frequency albedo, the frame's own background with the hole around the face.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from tfhkit.background.images import own_images
from tfhkit.camera import FOCAL_PX, Camera, project, to_world
from tfhkit.coefficients import Coefficients
from tfhkit.errors import ParameterError
from tfhkit.face import load_model
from tfhkit.media import atomic_path
from tfhkit.refine import identity_features
from tfhkit.render import render
from tfhkit.virtual.detail import film, fitted_texture, random_detail, random_grade
from tfhkit.virtual.footage import render_footage
from tfhkit.virtual.scenery import random_scene
from tfhkit.virtual.speaker import action_matrix, perform, random_speaker
from tfhkit.virtual.texts import script
from tfhkit.virtual.visemes import ACTIONS
from tfhkit.virtual.workers import in_workers

FPS = 25.0
CROP_PX = 224  # in which the camera's focal length is given
STRETCH = 8  # frames in a row
_GAP = 100  # between the frame numbers of two stretches: windows do not reach across


@dataclass(frozen=True)
class Pairs:
    """Frames of several virtual speakers.

    Args:
        renders, reals: (N, S, S, 3) uint8.
        changed: (N, S, S) uint8, where rendering or hole changed the frame.
        identity: (N, D) unit identity features of the detailed frames; zeros where none was found.
        landmarks_px: (N, 68, 2) true landmarks, pixels of the crops.
        frames: (N,) increasing frame numbers, with gaps where windows must not reach across.
        speaker: (N,) seed of each frame's speaker.
    """

    renders: np.ndarray
    reals: np.ndarray
    changed: np.ndarray
    identity: np.ndarray
    landmarks_px: np.ndarray
    frames: np.ndarray
    speaker: np.ndarray

    def __len__(self):
        return len(self.renders)


def make_pairs(n_speakers, stretches=2, size_px=128, seed=0, workers=2, progress=None, folder=None):
    """Pairs of virtual speakers that talk.

    Args:
        n_speakers: speaker k has seed `seed + k`.
        stretches: of 8 frames in a row, per speaker.
        size_px: side of the crops.
        seed: int. workers: processes.
        progress: called as progress(done, total, text).
        folder: keeps each speaker's pairs as a file, so that stopped work resumes; None keeps none.
    Returns:
        Pairs, in order of the seeds.
    Raises:
        ParameterError: no speaker or no stretch.
    """
    for name, value in (("n_speakers", n_speakers), ("stretches", stretches)):
        if value < 1:
            raise ParameterError(name, f"is {value}", "give at least 1")
    jobs = [(seed + k, stretches, size_px, folder) for k in range(n_speakers)]
    made, done = [None] * n_speakers, 0
    for k, pairs in in_workers(_kept_pairs, jobs, workers):
        made[k], done = pairs, done + 1
        if progress:
            progress(done, n_speakers, "virtual speakers")
    per_speaker = _GAP * stretches
    made = [replace(p, frames=p.frames + k * per_speaker) for k, p in enumerate(made)]
    return Pairs(*(np.concatenate(parts) for parts in zip(*(vars(p).values() for p in made))))


def _kept_pairs(seed, stretches, size_px, folder):
    if folder is None:
        return speaker_pairs(seed, stretches, size_px)
    path = Path(folder) / f"pairs_{seed}_{stretches}_{size_px}.npz"
    if not path.is_file():
        with atomic_path(path) as temporary:
            np.savez(temporary, **vars(speaker_pairs(seed, stretches, size_px)))
    with np.load(path) as content:
        return Pairs(**content)


def speaker_pairs(seed, stretches=2, size_px=128):
    """The pairs of one virtual speaker; arguments and result as of `make_pairs`."""
    model = load_model()
    rng = np.random.default_rng((seed, 47))
    speaker = random_speaker(model, seed)
    performance = _talk(speaker, stretches, model, rng)
    scene = replace(
        random_scene(seed, size_px, size_px),
        focal_px=FOCAL_PX * size_px / CROP_PX,
        centre_px=(size_px // 2, size_px // 2),
        noise=0.0,
    )
    grade, detail = random_grade(seed), random_detail(model, speaker.tex, seed)
    drawn = np.stack(list(render_footage(performance, scene, model, detail=detail)))
    reals = film(grade(drawn.astype(np.float32) / 255), seed)
    coarse = as_fitted(performance, detail, model, rng)

    def draw(coefficients, camera):
        rgba = render(model, coefficients, camera, supersample=2)
        return torch.cat([torch.as_tensor(grade(rgba[..., :3].numpy())), rgba[..., 3:]], -1)

    renders, _, changed = own_images(draw, model, coarse, reals, seed=seed)
    points = _landmarks(performance.coefficients, model, size_px)
    found = identity_features(reals, points, "dlib", every=4)
    frames = np.concatenate([_GAP * s + np.arange(STRETCH) for s in range(stretches)])
    return Pairs(
        renders=renders,
        reals=reals,
        changed=changed,
        identity=found.features,
        landmarks_px=points,
        frames=frames.astype(np.int64),
        speaker=np.full(len(frames), seed),
    )


def as_fitted(performance, detail, model, rng):
    """The performance's coefficients with the kind of errors that a fit makes: Coefficients.

    Identity, texture and light are off for the whole clip, expression and pose also from frame to
    frame, and eyes close less than they do.
    """
    true, n = performance.coefficients, len(performance)
    actions = performance.actions.copy()
    blinks = [i for i, name in enumerate(ACTIONS) if name.startswith("eyeBlink")]
    actions[:, blinks] *= rng.uniform(0.4, 1.0)

    def off(whole, each, size):
        clip, frame = rng.normal(0, whole, size), rng.normal(0, each, (n, size))
        return (clip + frame).astype(np.float32)

    return Coefficients(
        id=true.id + off(0.2, 0, 80),
        exp=actions @ action_matrix(model) + off(0.08, 0.05, 64),
        tex=fitted_texture(model, detail.albedo) + off(0.05, 0, 80),
        angles=true.angles + off(0.015, 0.003, 3),
        light=true.light + off(0.006, 0.002, 27),
        trans=true.trans + off(0.01, 0.002, 3),
    )


def _talk(speaker, stretches, model, rng):
    """A performance at `stretches` moments of a talk, each 8 frames long, with a wider gaze."""
    sentences = script(speaker.voice.partition("+")[0], (speaker.seed, 19))
    said = [next(sentences) for _ in range(2)]
    span_s = STRETCH / FPS
    length_s = speaker.say(said).duration_s
    starts = (np.arange(stretches) + rng.uniform(0.1, 0.9, stretches)) / stretches
    starts = starts * max(length_s - span_s, 0.1)
    starts = np.maximum.accumulate(starts + 1e-6 * np.arange(stretches))
    times = (starts[:, None] + np.arange(STRETCH) / FPS).ravel()
    times = np.maximum.accumulate(times + 1e-4 * np.arange(len(times)))
    performance = perform(speaker, said, times=times, model=model)
    turned = np.repeat(rng.normal(0, (0.08, 0.22, 0.05), (stretches, 3)), STRETCH, 0)
    angles = (performance.coefficients.angles + turned).astype(np.float32)
    return replace(performance, coefficients=replace(performance.coefficients, angles=angles))


def _landmarks(coefficients, model, size_px):
    part = coefficients.map(torch.as_tensor)
    verts = model.landmarks(model.shape(part.id, part.exp))
    world = to_world(verts, part.angles, part.trans)
    return project(world, Camera(size_px))[0].numpy().astype(np.float32)
