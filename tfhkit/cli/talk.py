"""`tfhkit talk`: a video of a person who says something."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from shlex import quote
from typing import Any

from tfhkit.cli.learn import add_learning, chosen_learning
from tfhkit.cli.parser import Outcome
from tfhkit.errors import InputError, ParameterError

TEXT = "make a video of a person saying something"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "person", metavar="PERSON_DIR|CLIP",
        help='what `tfhkit learn` wrote, or a clip (or "sample"), which is learned first',
    )  # fmt: skip
    command.add_argument("speech", metavar="SPEECH", help='a sound, or "sentence"')
    command.add_argument(
        "-o",
        "--output",
        default="talk.mp4",
        metavar="OUT.mp4",
        help="the video (default: talk.mp4)",
    )
    command.add_argument(
        "--no-mark", action="store_true",
        help="leave out the visible mark; the metadata still say that it is synthetic",
    )  # fmt: skip
    command.add_argument(
        "--draws", type=int, default=1, metavar="N",
        help="videos to make, each with another head motion and other blinks: OUT.mp4, OUT_2.mp4, "
        "... (default: 1)",
    )  # fmt: skip
    command.add_argument(
        "--mean", action="store_true",
        help="move only as the sound says, without drawn head motion, blinks and brows",
    )  # fmt: skip
    add_learning(command)


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.media import SR_HZ
    from tfhkit.person import Person
    from tfhkit.pipeline.learning import learn_into
    from tfhkit.pipeline.places import input_or_keyword
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.step import resolve
    from tfhkit.talk import talk

    sound, folder = input_or_keyword(options.speech, "speech", "sentence"), Path(options.person)
    speech, chosen = _speech_of(sound), chosen_learning(options)
    person = Person.load(folder, options.device or "auto") if folder.is_dir() else None
    if person is None:
        clip = resolve("clip", options.person, Path.cwd())
    else:
        clip = person.clip.path
        _refuse_other_learning(person, options.person, chosen)
    if options.draws < 1 or (options.mean and options.draws > 1):
        fault = f"is {options.draws}" if options.draws < 1 else "makes no sense with --mean"
        raise ParameterError("--draws", fault, "give 1 or more, without --mean")
    output, *videos = _outputs(options.output, options.draws, clip=clip, speech=sound)
    if person is None:
        folder = output.with_suffix(".person")
        how = {"seed": options.seed, "device": options.device, "progress": terminal_progress()}
        person = learn_into(folder, clip, **chosen, **how)
    for k, video in enumerate([output, *videos]):
        seed = None if options.mean else options.seed + k
        talk(person, speech, video, not options.no_mark, terminal_progress(), seed)
    seconds = len(speech) / SR_HZ
    result = {"video": str(output), "person": str(folder), "seconds_of_speech": seconds}
    return result | ({"further_draws": [str(v) for v in videos]} if videos else {}), _show


def _speech_of(sound):
    """The sound in a file, or of the sentence: (N,) float32 at 16 kHz."""
    from tfhkit.audio import read_speech

    if sound == "sentence":
        from tfhkit.virtual.voice import default_speech

        return default_speech().audio
    return read_speech(sound)


def _refuse_other_learning(person, named, chosen):
    """Raise for options of learning that are not those of a person who was learned already."""
    from tfhkit.profiles import settings_of

    settings = person.settings
    own = {"profile": settings.profile, "recipe": settings.recipe}
    settings_of(**own | {name: chosen[name] for name in own if name in chosen})
    own |= {"audio_track": person.clip.asked_track or "the default one"}
    for name, value in chosen.items():
        if value != own[name]:
            fault = f"is {value}, but {named} was learned with {own[name]}"
            remedy = "leave it out, or learn the person again into another directory"
            raise ParameterError(f"--{name.replace('_', '-')}", fault, remedy)


def _outputs(given, draws, **inputs):
    """The videos of all draws, each tried before the work.

    The first was named; of the others, only what the kit made is replaced.
    """
    from tfhkit.media import check_writable

    output = check_writable(given, ".mp4", **inputs)
    videos = [output]
    for k in range(2, draws + 1):
        video = check_writable(output.with_stem(f"{output.stem}_{k}"), ".mp4", **inputs)
        if video.exists() and not _is_synthetic(video):
            fault = "is there already, and is not a video that the kit made"
            raise InputError(video, fault, "move it, or name another output")
        videos.append(video)
    return videos


def _is_synthetic(video):
    from tfhkit.media import SYNTHETIC_COMMENT, video_metadata

    try:
        return video_metadata(video).get("comment") == SYNTHETIC_COMMENT
    except InputError:  # no video at all
        return False


def _show(result: dict[str, Any]) -> str:
    videos = ", ".join([result["video"], *result.get("further_draws", [])])
    return (
        f"{videos}: {result['seconds_of_speech']:.1f} s of speech\n"
        f"another sentence: tfhkit talk {quote(result['person'])} SPEECH -o OUT.mp4"
    )
