"""The chain of the paper on one page: a clip and a voice become a talking head.

    person = learn("clip.mp4")                # Sec. 3.1, 3.2, 3.4: fit and train, once
    motion = drive(person, "voice.wav")       # Eq. 1, Sec. 3.3.2: expression, pose, backgrounds
    coarse = draw(person, motion)             # Sec. 3.3.1: renderings over the backgrounds
    refined = refine(person, coarse)          # Eq. 3: frames
    film(person, refined, "voice.wav", "out.mp4")

`talk` does the last four lines part by part, so that memory stays flat for a long speech.
"""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.audio.speech import read_samples, read_speech
from tfhkit.background import images, match_background
from tfhkit.background.images import Backdrops, Coarse, Look, open_backdrops
from tfhkit.background.match import MatchSettings
from tfhkit.device import Device, choose_device
from tfhkit.face import load_model
from tfhkit.fit import Fit, Tracked, fit_clip, fit_tracked
from tfhkit.landmarks import detect
from tfhkit.media import SR_HZ, Clip, open_clip
from tfhkit.metrics import psnr
from tfhkit.motion import MotionWeights, predict_motion, train_personal
from tfhkit.motion.general import general_mapping
from tfhkit.motion.life import enliven
from tfhkit.motion.lips import correlation, lip_opening
from tfhkit.motion.personal import personal_settings, personal_track
from tfhkit.person import PARTS, Motion, Person, keep_stage, open_directory, refuse_unseen
from tfhkit.profiles import Settings, settings_of
from tfhkit.progress import Progress
from tfhkit.refine import Refined, Refiner, RunOptions, personal, predict
from tfhkit.refine.general import general_refiner
from tfhkit.refine.paste import full_frames, write_talking_head

Sound = str | Path | Float[np.ndarray, "N"]  # a file, or 16 kHz mono
Albedo = Float[torch.Tensor, "V 3"] | None
PART_FRAMES = 200  # of a long speech that are in memory at a time


def learn(
    clip: str | Path | Clip | Tracked, profile: str = "quick", folder: str | Path | None = None,
    seed: int = 0, recipe: str = "ours", device: str | None = None,
    progress: Progress | None = None, fitted: Callable[[Clip, Fit], None] | None = None,
) -> Person:  # fmt: skip
    """Learn a person from a clip: fit the face, fine-tune the mapping, train the refiner.

    Args:
        clip: video of one speaker, 8 s or more: a file, a Clip, or what another tracker Tracked.
        profile: "quick" (two CPU cores, minutes) or "full" (a GPU).
        folder: the person's directory. Finished stages are kept there, and a run that was stopped
            resumes. None keeps nothing.
        seed: random seed. recipe: "ours", "paper" or "published", see `tfhkit.recipes`.
        device: where all stages run, see `choose_device`; None is the profile's.
        progress: called as progress(done, total, text). fitted: called once the clip is fitted.
    Returns:
        Person on that device, with scores on the held-out end of the clip.
    Raises:
        InputError: a clip that cannot be used, or a folder that is in use or is another person's.
    """
    settings = settings_of(profile, recipe)
    source = clip if isinstance(clip, Clip | Tracked) else open_clip(clip)
    opened, mark = (source.clip, source.mark) if isinstance(source, Tracked) else (source, None)
    place = choose_device(device or settings.device)
    with open_directory(folder, opened, settings, seed, mark) as finished:
        if folder is not None and finished:
            return Person.load(folder, place)
        fit = keep_stage(folder, PARTS[0], lambda _: fit_person(source, settings, progress, place))
        if fitted is not None:
            fitted(opened, fit)
        person = Person(opened, fit, None, None, settings, *settings.split(len(fit)), {}, place)
        refuse_unseen(person)

        def train_mapping(state: Path | None) -> MotionWeights:
            return learn_mapping(person, None, seed, checkpoint=state, progress=progress)

        def train_refiner(state: Path | None) -> Refiner:
            return learn_refiner(person, seed, RunOptions(place, state, progress))

        person = replace(person, mapping=keep_stage(folder, PARTS[1], train_mapping))
        person = replace(person, refiner=keep_stage(folder, PARTS[2], train_refiner))
        person = replace(person, scores=held_out_scores(person))
        if folder is not None:
            person.finish(folder)
        return person


def fit_person(
    clip: Clip | Tracked, settings: Settings, progress: Progress | None = None,
    device: Device = "cpu",
) -> Fit:  # fmt: skip
    """Landmarks, and the face model fitted to every frame (Sec. 3.1), or Tracked placed: Fit."""
    if isinstance(clip, Tracked):
        return fit_tracked(clip, detect(clip.clip, progress=progress))
    landmarks, model = detect(clip, progress=progress), load_model().to(device)
    return fit_clip(clip, landmarks, model, None, settings.texture_frames, progress=progress)


def learn_mapping(
    person: Person, general: MotionWeights | None = None, seed: int = 0, **options: Any
) -> MotionWeights:
    """The person's mapping from sound to motion (Sec. 3.2; Eq. 2 is `motion/loss.py`)."""
    model, heard = person.model, (person.clip.audio, person.model, person.train)
    general = general or general_mapping(person.settings.motion_size, model)
    track, _ = personal_track(person.fit, *heard, **person.choices("track"))
    how, options = personal_settings(person.settings, seed), {"device": person.device} | options
    return train_personal(track, general, how, model=model, **options)[0]


def learn_refiner(person: Person, seed: int = 0, run: RunOptions | None = None) -> Refiner:
    """The person's memory-augmented GAN (Sec. 3.4): Refiner.

    Eq. 4 is in `refine/losses.py`; the loop of `refine/train.py` alternates the two sides of Eq. 5.
    """
    settings, run = person.settings, run or RunOptions(person.device)
    coarse = draw_own(person, person.train, seed, run.progress)
    own = personal.personal_frames(person.fit, coarse, recipe=settings.recipe)
    train = personal.personal_training(settings, len(own.points_px))
    how = personal.personal_config(settings, own), train, general_refiner(settings.refine_size)
    return personal.train_personal_refiner(own, *how, seed, run)[0]


def held_out_scores(person: Person) -> dict[str, float]:
    """How good a person's held-out frames are, from their sound and from their coefficients."""
    fit, held = person.fit, person.held
    exp, _ = predict_motion(person.learned_mapping(), person.clip.audio, fit.times[held])
    own, seen = (person.model, fit.coefficients.id[0]), ~fit.gap[held]
    lips = lip_opening(*own, exp[seen]), lip_opening(*own, fit.coefficients.exp[held][seen])
    coarse = draw_own(person, held)
    pictures = {"psnr_db": refine(person, coarse).pictures, "psnr_db_unrefined": coarse.render}
    region, real = coarse.changed > 0, np.asarray(coarse.real)
    scores = {name: float(np.mean(psnr(real, made, region))) for name, made in pictures.items()}
    cross = {k: v for k, v in person.learned_mapping().card.items() if k.startswith("cv_lip_r")}
    return {"lip_r": correlation(*lips), **scores, **cross}


def drive(
    person: Person, audio: Sound, times: Float[np.ndarray, "T"] | None = None,
    pose_mode: str | None = None, seed: int | None = 0,
) -> Motion:  # fmt: skip
    """How the person moves while saying something (Eq. 1), before what (Sec. 3.3.2): Motion.

    Args:
        person: Person. audio: sound file, or (N,) float mono at 16 kHz.
        times: (T,) seconds of the frames; None: the clip's mean frame rate to the sound's end.
        pose_mode: how the pose meets the background, see `match_background`; None: the recipe's.
        seed: random seed of what no sound predicts, see `enliven`; None: without it.
    Raises:
        InputError: a sound that is silent, or shorter than half a second.
    """
    audio, clip_times = read_speech(audio), person.fit.times
    if times is None:
        times = np.arange(0, len(audio) / SR_HZ, np.diff(clip_times).mean())
    exp, pose = predict_motion(person.learned_mapping(), audio, times)
    choices = person.choices("drive")
    if seed is not None and choices["enliven"]:
        exp, pose = enliven(person.life, exp, pose, audio, times, seed)
    shown = person.fit.nearest_usable()[person.train]  # no dark or blurred frame is a background
    source = person.fit.coefficients[shown].pose
    how = pose_mode or choices["pose_mode"], MatchSettings(**person.choices("match"))
    match = match_background(pose, source, times, clip_times[person.train], *how)
    return Motion(times, exp, pose, match.pose, shown[match.source_index])


def draw(
    person: Person, motion: Motion, albedo: Albedo = None, backend: str = "auto",
    backdrops: Backdrops | None = None, progress: Progress | None = None,
) -> Coarse:  # fmt: skip
    """Rendered faces over their backgrounds: Coarse (Sec. 3.3.1, `render/shading.py`)."""
    size_px, parts = person.settings.refine_px, (person.fit, person.model)
    if backdrops is None:
        backdrops = open_backdrops(person.clip, *parts, motion.source_index, size_px, backend)
    return images.driven_images(backdrops, *parts, motion, Look(albedo, backend), progress)


def draw_own(
    person: Person, frames: slice, seed: int = 0, progress: Progress | None = None,
    albedo: Albedo = None, backend: str = "auto",
) -> Coarse:  # fmt: skip
    """Some of the clip's own frames (a slice), as they are and rendered: Coarse with real."""
    shown = np.flatnonzero(~person.fit.gap[frames]) + frames.start
    parts = person.clip, person.fit, person.model, person.settings.refine_px, shown
    return images.training_images(*parts, Look(albedo, backend), seed, progress)


def refine(
    person: Person, coarse: Coarse, identity: Float[torch.Tensor, "T D"] | None = None,
    progress: Progress | None = None,
) -> Refined:  # fmt: skip
    """Frames from renderings: Refined (Eq. 3 is in `refine/generator.py`)."""
    seen = coarse.render, coarse.times, identity
    answer = predict.refine(person.trained(), *seen, progress=progress)
    if person.choices("frames")["keep_background"]:
        answer = predict.keep_unchanged(*answer, coarse.render, coarse.changed)
    kept = np.rint(255 * answer[1]).astype(np.uint8)
    return Refined(coarse.times, coarse.frames, answer[0], kept, coarse.mask, coarse.changed)


def film(
    person: Person, refined: Refined, audio: Sound, path: str | Path, visible_mark: bool = True,
    progress: Progress | None = None,
) -> Path:  # fmt: skip
    """Write refined faces into the clip's full frames, with sound, marked as synthetic: Path.

    Args:
        person: Person. refined: Refined. path: the `.mp4`. progress: as in `learn`.
        audio: sound file, or (N,) float at 16 kHz; sample 0 belongs to the first frame.
        visible_mark: draw the mark; the metadata say "synthetic" in any case.
    """
    how = visible_mark, person.settings.video_crf, progress
    frames = full_frames(person.clip, person.fit.crop, [refined])
    return write_talking_head(path, frames, refined.times, read_samples(audio), *how)


def talk(
    person: Person, audio: Sound, path: str | Path, visible_mark: bool = True,
    progress: Progress | None = None, seed: int | None = 0,
) -> Path:  # fmt: skip
    """The person says something: `drive`, then draw, refine and film part by part.

    Args and returns: as for `film` and `drive`. Gives the same video as those one by one.
    """
    motion = drive(person, audio := read_speech(audio), seed=seed)
    how = visible_mark, person.settings.video_crf, progress
    frames = full_frames(person.clip, person.fit.crop, refined_parts(person, motion))
    return write_talking_head(path, frames, motion.times, audio, *how)


def refined_parts(
    person: Person, motion: Motion, part_frames: int = PART_FRAMES
) -> Iterator[Refined]:
    """Yield a long Motion's Refined in parts: the pictures of one piece, to a grey level."""
    refiner, size_px = person.trained(), person.settings.refine_px
    backdrops = open_backdrops(person.clip, person.fit, person.model, motion.source_index, size_px)
    looked = predict.frames_to_look_up(refiner.config, motion.times)
    asked = draw(person, motion[looked], backdrops=backdrops).render
    identity = predict.retrieve_identity(refiner, asked, motion.times, looked).identity
    before = refiner.config.generator.window - 1  # frames that the generator sees as well
    for first in range(0, len(motion), part_frames):
        part = slice(max(0, first - before), first + part_frames)
        coarse = draw(person, motion[part], backdrops=backdrops)
        refined = refine(person, coarse, identity[part])
        yield Refined(*(getattr(refined, f.name)[first - part.start :] for f in fields(refined)))
