"""`tfhkit talk`: a video of a person who says something."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from shlex import quote
from typing import Any

from tfhkit.cli.learn import add_learning
from tfhkit.cli.parser import Outcome
from tfhkit.errors import ParameterError

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
    from tfhkit.media import SR_HZ, check_writable
    from tfhkit.person import Person
    from tfhkit.pipeline.learning import learn_into
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.talk import talk

    speech, folder = _speech_of(options.speech), Path(options.person)
    person = Person.load(folder, options.device or "auto") if folder.is_dir() else None
    output = check_writable(options.output, ".mp4")
    if options.draws < 1 or (options.mean and options.draws > 1):
        fault = f"is {options.draws}" if options.draws < 1 else "makes no sense with --mean"
        raise ParameterError("--draws", fault, "give 1 or more, without --mean")
    if person is None:
        folder = output.with_suffix(".person")
        how = options.profile, options.recipe, options.seed, options.device, terminal_progress()
        person = learn_into(folder, options.person, *how, audio_track=options.audio_track)
    videos = [output.with_stem(f"{output.stem}_{k}") for k in range(2, options.draws + 1)]
    for k, video in enumerate([output, *videos]):
        seed = None if options.mean else options.seed + k
        talk(person, speech, video, not options.no_mark, terminal_progress(), seed)
    seconds = len(speech) / SR_HZ
    result = {"video": str(output), "person": str(folder), "seconds_of_speech": seconds}
    return result | ({"further_draws": [str(v) for v in videos]} if videos else {}), _show


def _speech_of(given):
    """The sound behind a `speech` argument: (N,) float32 at 16 kHz."""
    from tfhkit.audio import read_speech
    from tfhkit.pipeline.places import resolve_input

    if given == "sentence":
        from tfhkit.virtual.voice import default_speech

        return default_speech().audio
    return read_speech(resolve_input(given, "speech"))


def _show(result: dict[str, Any]) -> str:
    videos = ", ".join([result["video"], *result.get("further_draws", [])])
    return (
        f"{videos}: {result['seconds_of_speech']:.1f} s of speech\n"
        f"another sentence: tfhkit talk {quote(result['person'])} SPEECH -o OUT.mp4"
    )
