"""`tfhkit evaluate`: score one stage against ground truth and baselines."""

import math
import time
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tfhkit.cli.parser import DEVICES, RECIPE_HELP, Outcome, seed_number
from tfhkit.cli.scores import show
from tfhkit.errors import ParameterError

TEXT = "score one stage against ground truth and baselines"
# options that not every stage has: their stages
STAGES = {
    "heads": ("face",),
    "speakers": ("motion", "memory"),
    "fit": ("motion", "refine", "recipes"),
    "curve": ("motion",),
    "written": ("motion",),
    "person": ("motion",),
    "steps": ("refine", "memory", "recipes"),
    "size": ("refine", "memory", "recipes"),
    "recipe": ("refine",),
    "ablations": ("refine",),
    "seed": ("motion", "refine", "memory", "recipes"),
    "device": ("face", "motion", "refine", "recipes"),
}


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "stage",
        choices=["face", "motion", "refine", "memory", "recipes"],
        metavar="STAGE",
        help="face (fitting), motion (from sound), refine (GAN), memory (one GAN for many people), "
        "recipes (ours, the paper's text, the authors' code)",
    )
    command.add_argument(
        "--clip", metavar="F", help='a video, or "sample" (the default, but for face)'
    )
    command.add_argument(
        "--frames",
        type=int,
        default=300,
        metavar="N",
        help="frames to fit (face) or to learn from (motion, refine; motion: -N takes the last N)",
    )
    command.add_argument("--heads", type=int, default=20, metavar="N", help="face: virtual heads")
    command.add_argument(
        "--speakers",
        type=int,
        default=24,
        metavar="N",
        help="motion, memory: number of virtual speakers",
    )
    command.add_argument(
        "--fit", metavar="FILE", help="motion, refine, recipes: the clip's fit, written by fit -o"
    )
    _add_motion(command)
    command.add_argument(
        "--steps",
        type=int,
        metavar="N",
        help="refine, memory: training steps (default: the profile's; memory: 1500)",
    )
    command.add_argument(
        "--size",
        default="small",
        help="refine, memory: size of the generator: small, medium or paper",
    )
    command.add_argument("--recipe", default="ours", help=f"refine: {RECIPE_HELP}")
    command.add_argument(
        "--ablations",
        action="store_true",
        help="refine: also leave out each part of the method in turn",
    )
    command.add_argument(
        "--seed", type=seed_number, default=0, metavar="N", help="random seed (not for face)"
    )
    command.add_argument("--device", default="auto", help=f"not for memory: {DEVICES}")


def _add_motion(command: ArgumentParser) -> None:
    """Add the options of the stage motion."""
    command.add_argument(
        "--curve", action="store_true", help="motion: also train with fewer and with more frames"
    )
    command.add_argument(
        "--written",
        action="store_true",
        help="motion: also write the held-out part's video and score what is seen in it",
    )
    command.add_argument(
        "--person", metavar="DIR", help="motion: whose video is written (default: learn the clip)"
    )


def refuse_foreign(options: Namespace) -> None:
    """Refuse an option that the stage would not read."""
    usual = ArgumentParser(add_help=False)
    add_arguments(usual)
    for name, stages in STAGES.items():
        if options.stage not in stages and getattr(options, name) != usual.get_default(name):
            fault = f"is not for the stage {options.stage!r}"
            raise ParameterError(f"--{name}", fault, f"it is for {', '.join(stages)}")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.device import choose_device

    refuse_foreign(options)
    device = str(choose_device(options.device))
    footage = Footage(options.clip, options.fit, options.person, device)
    if options.stage == "face":
        result = evaluate_face(options.clip, options.frames, options.heads, device)
    elif options.stage == "motion":
        result = evaluate_motion(
            footage,
            options.frames,
            options.speakers,
            options.curve,
            options.seed,
            options.written,
        )
    elif options.stage == "recipes":
        what = footage, options.frames, options.size, options.steps, options.seed
        result = evaluate_recipes(*what)
    elif options.stage == "memory":
        result = evaluate_memory(options.speakers, options.steps, options.size, options.seed)
    else:
        result = evaluate_refine(
            footage,
            options.frames,
            options.steps,
            options.size,
            options.recipe,
            options.ablations,
            options.seed,
        )
    return result, show


@dataclass(frozen=True)
class Footage:
    """What is evaluated, and where.

    Args:
        clip: a video file, or "sample"; None is the sample.
        fit: a fit of the whole clip written by `tfhkit fit -o` (.npz); None fits the clip.
        person: directory of a learned person, in place of a clip.
        device: where fits, trainings and networks run.
    """

    clip: Path | str | None = None
    fit: Path | str | None = None
    person: Path | str | None = None
    device: str = "cpu"


def evaluate_face(
    clip: Path | str | None = None,
    frames: int = 300,
    heads: int = 20,
    device: str = "cpu",
) -> dict[str, Any]:
    """Score the fitting of faces; see `tfhkit.evaluate.face`.

    Args:
        clip: a video file to fit as well, or None.
        frames: take the first N frames of the clip.
        heads: number of virtual heads.
        device: where the clip is fitted; the heads share the CPU's cores.
    Returns:
        the numbers of `evaluate_heads` and, with a clip, of `evaluate_clip`.
    """
    from tfhkit.evaluate.face import evaluate_clip, evaluate_heads
    from tfhkit.face import load_model
    from tfhkit.pipeline.clip_fit import open_frames
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import rounded

    opened = None if clip is None else open_frames(clip, frames)
    result = evaluate_heads(heads, progress=terminal_progress())
    if opened is not None:
        model = load_model().to(device)
        result |= {"clip": str(clip), **evaluate_clip(opened, model, terminal_progress())}
    return rounded(result)


def evaluate_motion(
    footage: Footage,
    frames: int = 300,
    speakers: int = 24,
    curve: bool = False,
    seed: int = 0,
    written: bool = False,
) -> dict[str, Any]:
    """Score the mapping from sound to motion; see `tfhkit.evaluate.motion`.

    Args:
        footage: the clip, or the person whose clip and fit are taken.
        frames: number of training frames, the first ones or, negative, the last ones; at most
            three quarters of the clip.
        speakers: virtual speakers that the general mapping was not trained on; 0 for none.
        curve: also train with fewer and with more frames.
        seed: random seed.
        written: also write the video of the held-out quarter's sound, and score what is seen.
            Where there is no person, the clip is learned with the quick profile.
    Returns:
        the numbers of `evaluate_clip` and `evaluate_speakers`, seconds; with curve, its rows; with
        written, those of `tfhkit.evaluate.written.WrittenScores`.
    """
    from tfhkit.evaluate.motion import evaluate_clip, evaluate_curve, evaluate_speakers, split
    from tfhkit.evaluate.written import learn_from_fit, score_written
    from tfhkit.face import load_model
    from tfhkit.media import open_clip
    from tfhkit.motion import TrainSettings
    from tfhkit.motion.general import general_mapping
    from tfhkit.person import Person
    from tfhkit.pipeline.clip_fit import fit_for
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.step import resolve
    from tfhkit.pipeline.tables import rounded
    from tfhkit.profiles import settings_of

    if speakers < 0:
        raise ParameterError("--speakers", f"{speakers} are too few", "take 0 or more")
    if frames < 0 and (curve or written):
        fault = "learns from the clip's end, which goes with neither --curve nor --written"
        raise ParameterError("--frames", fault, "give a positive number")
    clip, fit, person = footage.clip, footage.fit, footage.person
    if person and (clip or fit or not written):
        fault = "brings its own clip and fit, and is for --written"
        raise ParameterError("--person", fault, "leave out --clip and --fit, and add --written")
    began, progress, name = time.perf_counter(), terminal_progress(), str(clip or "sample")
    learned = Person.load(person, footage.device) if person else None
    opened = learned.clip if learned else open_clip(resolve("clip", name, Path.cwd()))
    most, settings = int(0.75 * len(opened)), TrainSettings(seed=seed)
    n_train = max(-most, min(frames, most))
    split(opened, n_train)  # too few frames are refused before the fit
    made = learned.fit if learned else fit_for(opened, fit, None, progress, footage.device)
    model = made.load_model().to(footage.device)
    common = (made, opened.audio, general_mapping(model=model), model)
    result: dict[str, Any] = {"clip": str(person or name)}
    result |= evaluate_clip(*common, n_train, settings, seed, progress)
    if speakers:
        result |= evaluate_speakers(general_mapping(), load_model(), speakers, progress=progress)
    if curve:
        rows = evaluate_curve(*common, n_train, settings=settings, progress=progress)
        result["curve"] = rows
    if written:
        how = replace(settings_of("quick"), max_train_frames=frames), seed, footage.device
        learned = learned or learn_from_fit(opened, made, *how, progress)
        result |= score_written(learned, seed=seed, progress=progress).summary()
    result["seconds"] = time.perf_counter() - began
    return rounded(result)


def evaluate_refine(
    footage: Footage,
    frames: int = 300,
    steps: int | None = None,
    size: str = "small",
    recipe: str = "ours",
    ablations: bool = False,
    seed: int = 0,
) -> dict[str, Any]:
    """Score the refined frames of a clip; see `tfhkit.evaluate.refine`.

    Args:
        footage: the clip, and its fit. frames: as in `evaluate_motion`.
        steps: steps of personal training; None for the profile's, which also limits the minutes.
        size: size of the generator: "small", "medium" or "paper".
        recipe: "ours", "paper" or "published", of both trainings.
        ablations: also leave out each part of the method in turn (Sec. 4.2).
        seed: random seed.
    Returns:
        the numbers of `tfhkit.evaluate.refine.evaluate_refine`, clip, size, seconds; with
        ablations, their rows.
    """
    from tfhkit.evaluate import refine as refinement
    from tfhkit.motion.general import general_mapping
    from tfhkit.person import Person
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import rounded
    from tfhkit.refine.general import general_refiner
    from tfhkit.refine.personal import personal_training

    # an unknown size or recipe is refused before the fit
    settings = _refine_settings(size, steps, recipe)
    began, progress = time.perf_counter(), terminal_progress()
    clip, device = str(footage.clip or "sample"), footage.device
    opened, made, known, held = _open_and_fit(footage, frames, progress)
    train = personal_training(settings, known.stop - known.start, steps or 0)
    general = general_refiner(size)
    person = Person(opened, made, None, None, settings, known, held, device=device)
    mapping = general_mapping(settings.motion_size, made.load_model())
    numbers, material, _ = refinement.evaluate_refine(
        person, mapping, train, general, seed=seed, progress=progress
    )
    result = {"clip": clip, "size": size, "recipe": recipe, **numbers}
    if ablations:
        from tfhkit.evaluate.ablations import run_ablations
        from tfhkit.refine.personal import personal_config

        config = personal_config(settings, material.own)
        how: dict[str, Any] = {"seed": seed, "device": device, "progress": progress}
        rows = run_ablations(material, config, train, general, **how)
        result["ablations"] = [row.numbers() for row in rows]
    result["seconds"] = time.perf_counter() - began
    return rounded(result)


def evaluate_recipes(
    footage: Footage,
    frames: int = 300,
    size: str = "small",
    steps: int | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Learn a clip under each recipe; see `tfhkit.evaluate.recipes`.

    Args:
        footage: as in `evaluate_refine`. frames: to learn from, the first ones.
        size, steps, seed: as in `evaluate_refine`.
    Returns:
        clip, size, the rows of `evaluate_recipes`, seconds.
    """
    from tfhkit.evaluate import recipes
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import rounded

    settings = replace(_refine_settings(size, steps), max_train_frames=frames)
    began, progress = time.perf_counter(), terminal_progress()
    opened, made, *_ = _open_and_fit(footage, frames, progress)
    if steps:  # those that were asked for are done, however long they take
        exactly = {"refine_fewest_steps": steps, "refine_most_steps": steps}
        settings = replace(settings, **exactly, refine_minutes=math.inf)
    rows = recipes.evaluate_recipes(opened, made, settings, seed, footage.device, progress)
    result = {"clip": str(footage.clip or "sample"), "size": size, "recipes": rows}
    return rounded(result | {"seconds": time.perf_counter() - began})


def evaluate_memory(
    speakers: int = 24, steps: int | None = None, size: str = "small", seed: int = 0
) -> dict[str, Any]:
    """Score one refiner for many people; see `tfhkit.evaluate.many_people`.

    Args:
        speakers: virtual people in the training; half as many further ones are scored, too.
        steps: training steps of each variant; None for the default.
        size: size of the generator: "small", "medium" or "paper".
        seed: random seed.
    Returns:
        the numbers of `evaluate_many_people`, size, seconds.
    """
    from tfhkit.evaluate.many_people import evaluate_many_people, many_people_train
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import rounded

    if speakers < 4:
        raise ParameterError("--speakers", f"{speakers} are too few", "take 4 or more")
    began = time.perf_counter()
    _refine_settings(size, steps)  # refuses an unknown size or too few steps
    train = many_people_train(size, steps)
    result = evaluate_many_people(
        speakers, speakers // 2, size, train, seed, progress=terminal_progress()
    )
    return rounded({"size": size, **result, "seconds": time.perf_counter() - began})


def _open_and_fit(footage, frames, progress):
    """Clip, fit, slices to learn from and held out; too few frames are refused before the fit."""
    from tfhkit.evaluate.motion import split
    from tfhkit.media import open_clip
    from tfhkit.pipeline.clip_fit import fit_for
    from tfhkit.pipeline.step import resolve

    opened = open_clip(resolve("clip", str(footage.clip or "sample"), Path.cwd()))
    if frames < 0:
        raise ParameterError("--frames", f"{frames} are too few to learn from", "take 16 or more")
    parts = split(opened, min(frames, int(0.75 * len(opened))))
    return opened, fit_for(opened, footage.fit, None, progress, footage.device), *parts


def _refine_settings(size, steps, recipe="ours"):
    """The profile's Settings for a size of the generator."""
    from tfhkit.profiles import settings_of
    from tfhkit.refine import refiner_config

    if steps is not None and steps < 1:
        raise ParameterError("--steps", f"{steps} are too few", "take 1 or more")
    size_px = refiner_config(size).generator.size_px
    profile = settings_of("full" if size == "paper" else "quick", recipe)
    return replace(profile, refine_size=size, refine_px=size_px)
