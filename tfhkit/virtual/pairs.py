"""Pairs of coarse rendering and detailed frame of virtual speakers: what the refiner learns first.

The detailed frames take the place of real ones: skin that no texture coefficients represent,
shine, hair, a collar, a room, a camera. The coarse ones are made as for a fitted clip: coefficients
with a fit's errors, the frame's own background with the hole around the face, and the detailed
albedo of one frame, as Sec. 3.3.1 has it for the general mapping.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from tfhkit.background.images import own_images
from tfhkit.camera import FOCAL_PX, Camera, project, to_world
from tfhkit.coefficients import Coefficients
from tfhkit.errors import ParameterError
from tfhkit.face import MorphableModel, load_model
from tfhkit.landmarks.identity import identity_features
from tfhkit.media import atomic_path
from tfhkit.progress import Progress
from tfhkit.render import choose_albedo_frame, detailed_albedo, render
from tfhkit.virtual.detail import Detail, film, fitted_texture, random_detail, random_grade
from tfhkit.virtual.footage import render_footage
from tfhkit.virtual.scenery import random_scene
from tfhkit.virtual.speaker import (
    Performance,
    VirtualSpeaker,
    action_matrix,
    perform,
    random_speaker,
)
from tfhkit.virtual.texts import script
from tfhkit.virtual.visemes import ACTIONS
from tfhkit.virtual.workers import in_workers

FPS = 25.0
CROP_PX = 224  # in which the camera's focal length is given
STRETCH = 8  # frames in a row
_GAP = 100  # between the first frame numbers of two stretches: windows do not reach across


@dataclass(frozen=True)
class Pairs:
    """Frames of several virtual speakers.

    Args:
        renders: coarse renderings.
        reals: detailed frames.
        changed: above 0 where rendering or hole changed the frame.
        identity: unit identity features of the detailed frames; zeros where none was found.
        landmarks_px: true landmarks, pixels of the crops.
        frames: increasing frame numbers, with gaps where windows must not reach across.
        speaker: seed of each frame's speaker.
    """

    renders: UInt8[np.ndarray, "N S S 3"]
    reals: UInt8[np.ndarray, "N S S 3"]
    changed: UInt8[np.ndarray, "N S S"]
    identity: Float[np.ndarray, "N D"]
    landmarks_px: Float[np.ndarray, "N 68 2"]
    frames: Int[np.ndarray, "N"]
    speaker: Int[np.ndarray, "N"]

    def __len__(self) -> int:
        return len(self.renders)


def make_pairs(
    n_speakers: int,
    stretches: int = 2,
    size_px: int = 128,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
    folder: Path | str | None = None,
) -> Pairs:
    """Pairs of virtual speakers that talk.

    Args:
        n_speakers: speaker k has the seed `seed + k`.
        stretches: number of stretches per speaker, each of 8 frames in a row.
        size_px: side of the crops.
        seed: random seed of the first speaker.
        workers: number of processes.
        progress: called as progress(done, total, text).
        folder: keeps each speaker's pairs as a file, so that stopped work resumes; None keeps none.
    Returns:
        the frames in order of the speakers' seeds.
    Raises:
        ParameterError: no speaker or no stretch.
    """
    for name, value in (("n_speakers", n_speakers), ("stretches", stretches)):
        if value < 1:
            raise ParameterError(name, f"is {value}", "give at least 1")
    jobs = [(seed + k, stretches, size_px, folder) for k in range(n_speakers)]
    made: dict[int, Pairs] = {}
    for k, pairs in in_workers(_kept_pairs, jobs, workers):
        made[k] = replace(pairs, frames=pairs.frames + k * _GAP * stretches)
        if progress:
            progress(len(made), n_speakers, "virtual speakers")
    parts = zip(*(vars(made[k]).values() for k in range(n_speakers)))
    return Pairs(*(np.concatenate(part) for part in parts))


def _kept_pairs(seed: int, stretches: int, size_px: int, folder: Path | str | None) -> Pairs:
    """The pairs of one speaker, read from the folder if they are there."""
    if folder is None:
        return speaker_pairs(seed, stretches, size_px)
    path = Path(folder) / f"pairs_{seed}_{stretches}_{size_px}.npz"
    if not path.is_file():
        with atomic_path(path) as temporary:
            np.savez(temporary, **vars(speaker_pairs(seed, stretches, size_px)))
    with np.load(path) as content:
        return Pairs(**content)


def speaker_pairs(seed: int, stretches: int = 2, size_px: int = 128) -> Pairs:
    """The pairs of one virtual speaker; arguments and result as in `make_pairs`."""
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

    best = choose_albedo_frame(coarse)
    albedo = detailed_albedo(model, coarse[best : best + 1], drawn[best])

    def draw(coefficients: Coefficients, camera: Camera) -> Float[Tensor, "B S S 4"]:
        rgba = render(model, coefficients, camera, albedo, supersample=2)
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


def as_fitted(
    performance: Performance, detail: Detail, model: MorphableModel, rng: np.random.Generator
) -> Coefficients:
    """The performance's coefficients with the kind of errors that a fit makes.

    Identity and texture have one error for the whole clip; expression, pose and light have
    another one in every frame as well. Blinks are weaker than they are.
    """
    true, n = performance.coefficients, len(performance)
    actions = performance.actions.copy()
    blinks = [i for i, name in enumerate(ACTIONS) if name.startswith("eyeBlink")]
    actions[:, blinks] *= rng.uniform(0.4, 1.0)

    def off(whole: float, each: float, size: int) -> Float[np.ndarray, "T C"]:
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


def _talk(
    speaker: VirtualSpeaker, stretches: int, model: MorphableModel, rng: np.random.Generator
) -> Performance:
    """A performance at some moments of a talk, each 8 frames long; the head turns further."""
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


def _landmarks(
    coefficients: Coefficients, model: MorphableModel, size_px: int
) -> Float[np.ndarray, "T 68 2"]:
    part = coefficients.map(torch.as_tensor)
    world = to_world(model.landmark_points(part.id, part.exp), part.angles, part.trans)
    return project(world, Camera(size_px))[0].numpy().astype(np.float32)
