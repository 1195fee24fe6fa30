"""The chain of the paper on one page: a clip and a voice become a talking head.

    person = learn("clip.mp4")                # Sec. 3.1, 3.2, 3.4: fit and train, once
    motion = drive(person, "voice.wav")       # Eq. 1, Sec. 3.3.2: expression, pose, backgrounds
    coarse = draw(person, motion)             # Sec. 3.3.1: renderings over the backgrounds
    refined = refine(person, coarse)          # Eq. 3: frames
    film(person, refined, "voice.wav", "out.mp4")

`talk` does the last four lines part by part, so that memory stays flat for a long speech.
"""

from dataclasses import fields, replace
from pathlib import Path

import numpy as np

from tfhkit.background import match_background
from tfhkit.background.images import driven_images, open_backdrops, training_images
from tfhkit.errors import InputError
from tfhkit.fit import fit_clip
from tfhkit.landmarks import detect
from tfhkit.media import SR_HZ, open_clip, read_audio
from tfhkit.metrics import psnr
from tfhkit.motion import (
    TrainSettings,
    correlation,
    lip_opening,
    personal_track,
    predict_motion,
    train_personal,
)
from tfhkit.motion.general import general_mapping
from tfhkit.person import (
    PARTS,
    Motion,
    Person,
    Refined,
    finish_directory,
    load_part,
    read_directory,
    save_part,
    start_directory,
)
from tfhkit.profiles import settings_of
from tfhkit.refine import refiner_config, train_config
from tfhkit.refine.device import train_device
from tfhkit.refine.general import general_refiner
from tfhkit.refine.paste import write_talking_head
from tfhkit.refine.personal import personal_frames, train_personal_refiner
from tfhkit.refine.predict import frames_to_look_up, retrieve_identity
from tfhkit.refine.predict import refine as refine_renders

PART_FRAMES = 200  # of a long speech that are in memory at a time


def learn(clip, profile="quick", folder=None, seed=0, mapping=None, device=None, progress=None):
    """Learn a person from a clip: fit the face, fine-tune the mapping, train the refiner.

    Args:
        clip: video file of one person who speaks, 8 s or more.
        profile: "quick" (two CPU cores, minutes) or "full" (a GPU).
        folder: the person's directory. Finished stages are kept there, and a run that was stopped
            resumes. None keeps nothing.
        seed: random seed.
        mapping: general MotionWeights to start from; by default those that come with the kit.
        device: of the trainings, "cpu", "cuda" or "auto"; None is the profile's.
        progress: called as progress(done, total, text).
    Returns:
        Person, with scores on the held-out end of the clip.
    Raises:
        InputError: a clip that cannot be used, or a folder that holds somebody else.
    """
    settings, clip = settings_of(profile), open_clip(clip)
    if folder is not None:
        start_directory(folder, clip, settings, seed)
        if "files" in read_directory(folder):
            return Person.load(folder)

    def stage(name, make):
        """A stage's result: found in the folder, or made and kept there."""
        path = folder and Path(folder) / name
        found = path and load_part(path)
        if found is None:
            found = make(path and path.with_suffix(".unfinished"))
            if path:
                save_part(found, path)
                path.with_suffix(".unfinished").unlink(missing_ok=True)
        return found

    fit = stage(PARTS[0], lambda _: fit_person(clip, settings, progress))
    train, held = settings.split(len(fit))
    person = Person(clip, fit, None, None, settings, train, held)
    device = train_device(device or settings.device)
    common = {"seed": seed, "device": device, "progress": progress}
    own = stage(PARTS[1], lambda state: learn_mapping(person, mapping, checkpoint=state, **common))
    person = replace(person, mapping=own)
    refiner = stage(PARTS[2], lambda state: learn_refiner(person, checkpoint=state, **common))
    person = replace(person, refiner=refiner)
    person = replace(person, scores=held_out_scores(person))
    if folder is not None:
        finish_directory(folder, person)
    return person


def fit_person(clip, settings, progress=None):
    """Landmarks, and the face model fitted to every frame (Sec. 3.1): Fit."""
    landmarks = detect(clip, progress=progress)
    return fit_clip(clip, landmarks, texture_frames=settings.texture_frames, progress=progress)


def learn_mapping(person, general=None, seed=0, device="cpu", progress=None, checkpoint=None):
    """The person's mapping from sound to motion (Sec. 3.2, Eq. 2): MotionWeights."""
    general = general or general_mapping(person.settings.motion_size, person.model)
    if general is None:
        size = person.settings.motion_size
        fault = f"there are no general weights of size {size!r}"
        raise InputError("mapping", fault, f"run `tfhkit pretrain mapping --size {size}` once")
    how = TrainSettings(epochs=person.settings.motion_epochs, seed=seed)
    track, *_ = personal_track(person.fit, person.clip.audio, general, person.model, person.train)
    options = {"model": person.model, "device": device, "progress": progress}
    return train_personal(track, general, how, checkpoint=checkpoint, **options)[0]


def learn_refiner(person, seed=0, device="cpu", progress=None, checkpoint=None):
    """The person's memory-augmented GAN (Sec. 3.4, Eq. 4 and 5): Refiner."""
    settings = person.settings
    own = personal_frames(person.fit, draw_own(person, person.train, seed, progress))
    config = refiner_config(
        settings.refine_size,
        own.identity.encoder.name,
        slots=settings.memory_slots,
        size_px=settings.refine_px,
    )
    how = train_config(
        settings.refine_size,
        steps=settings.refine_steps,
        batch=settings.refine_batch,
        budget_s=60 * settings.refine_minutes,
    )
    general = general_refiner(settings.refine_size)
    options = {"device": device, "progress": progress, "checkpoint": checkpoint}
    return train_personal_refiner(own, config, how, general, seed, **options)[0]


def held_out_scores(person):
    """How good a person's held-out frames are, from their sound and from their coefficients."""
    fit, held = person.fit, person.held
    exp, _ = predict_motion(person.mapping, person.clip.audio, fit.times[held])
    lips = [lip_opening(person.model, fit.coefficients.id[0], e)
            for e in (exp, fit.coefficients.exp[held])]  # fmt: skip
    coarse = draw_own(person, held)
    region = coarse.changed > 0
    pictures = refine(person, coarse).pictures
    return {
        "lip_r": correlation(*lips),
        "psnr_db": float(np.mean(psnr(coarse.real, pictures, region))),
        "psnr_db_unrefined": float(np.mean(psnr(coarse.real, coarse.render, region))),
    }


def drive(person, audio, times=None, pose_mode="paper"):
    """How the person moves while saying something (Eq. 1), and in front of what (Sec. 3.3.2).

    Args:
        person: Person. audio: sound file, or (N,) float mono at 16 kHz.
        times: (T,) seconds of the frames; None: the clip's mean frame rate to the sound's end.
        pose_mode: how the pose meets the background, see `match_background`.
    Returns:
        Motion.
    Raises:
        InputError: silent or empty sound.
    """
    audio, clip_times = _samples(audio), person.fit.times
    if times is None:
        fps = (len(clip_times) - 1) / (clip_times[-1] - clip_times[0])
        times = np.arange(0, len(audio) / SR_HZ, 1 / fps)
    exp, pose = predict_motion(person.mapping, audio, times)
    source = person.fit.coefficients[person.train].pose
    match = match_background(pose, source, times, clip_times[person.train], mode=pose_mode)
    index = match.source_index + person.train.start
    return Motion(times, exp, pose, match.pose, index)


def draw(person, motion, albedo=None, backend="auto", backdrops=None, progress=None):
    """Rendered faces over their backgrounds (Sec. 3.3.1): Coarse."""
    size_px = person.settings.refine_px
    parts = person.fit, person.model
    if backdrops is None:
        backdrops = open_backdrops(person.clip, *parts, motion.source_index, size_px, backend)
    moves = motion.exp, motion.pose, motion.source_index, motion.times
    return driven_images(backdrops, *parts, *moves, albedo, backend, progress)


def draw_own(person, frames, seed=0, progress=None, albedo=None, backend="auto"):
    """Some of the clip's own frames (a slice), as they are and rendered: Coarse with real."""
    shown = np.flatnonzero(~person.fit.gap[frames]) + frames.start
    parts = person.clip, person.fit, person.model, person.settings.refine_px, shown
    return training_images(*parts, albedo, backend, seed, progress)


def refine(person, coarse, identity=None, progress=None):
    """Frames from renderings, by memory and generator (Eq. 3): Refined."""
    if person.refiner is None:
        raise InputError("person", "has no refiner yet", "train one with `learn_refiner`")
    pictures, attention = refine_renders(
        person.refiner, coarse.render, coarse.times, identity, progress=progress
    )
    kept = np.rint(255 * attention).astype(np.uint8)
    return Refined(coarse.times, coarse.frames, pictures, kept, coarse.mask, coarse.changed)


def film(person, refined, audio, path, visible_mark=True, progress=None):
    """Write refined faces into the clip's full frames, with sound, marked as synthetic: Path.

    Args:
        person: Person. refined: Refined. audio: sound file, or (N,) float at 16 kHz; sample 0
            belongs to the first frame.
        path: the `.mp4` to write.
        visible_mark: draw the mark; the metadata says "synthetic" in any case.
        progress: called as progress(done, total, text).
    """
    how = {"visible_mark": visible_mark, "quality": person.settings.video_crf}
    place = person.clip, person.fit.crop
    return write_talking_head(
        path, *place, [refined], refined.times, _samples(audio), progress=progress, **how
    )


def talk(person, audio, path, visible_mark=True, progress=None):
    """The person says something: `drive`, then draw, refine and film part by part.

    Args and returns: as for `film` and `drive`. Gives the same video as those one by one.
    """
    motion = drive(person, audio := _samples(audio))
    how = {"visible_mark": visible_mark, "quality": person.settings.video_crf}
    place = person.clip, person.fit.crop
    parts = refined_parts(person, motion)
    return write_talking_head(path, *place, parts, motion.times, audio, progress=progress, **how)


def refined_parts(person, motion, part_frames=PART_FRAMES):
    """Yield a long Motion's Refined in parts: the pictures of one piece, to a grey level."""
    place = person.fit, person.model, motion.source_index, person.settings.refine_px
    backdrops = open_backdrops(person.clip, *place)
    looked = frames_to_look_up(person.refiner.config, motion.times)
    asked = draw(person, motion[looked], backdrops=backdrops).render
    identity = retrieve_identity(person.refiner, asked, motion.times, looked).identity
    before = person.refiner.config.generator.window - 1  # frames that the generator sees as well
    for first in range(0, len(motion), part_frames):
        start = max(0, first - before)
        part = slice(start, first + part_frames)
        coarse = draw(person, motion[part], backdrops=backdrops)
        refined = refine(person, coarse, identity[part])
        new = slice(first - start, None)
        yield Refined(*(getattr(refined, f.name)[new] for f in fields(refined)))


def _samples(audio):
    return read_audio(audio) if isinstance(audio, (str, Path)) else np.asarray(audio)
