"""`tfhkit talk`: a video of a person who says something."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from shlex import quote
from typing import Any

from tfhkit.cli.learn import add_learning
from tfhkit.cli.parser import Outcome
from tfhkit.errors import InputError

LEAST_S = 0.5
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
    add_learning(command)


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.media import SR_HZ, check_writable
    from tfhkit.person import Person
    from tfhkit.pipeline.learning import learn_into
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.talk import talk

    speech = _read_speech(options.speech)
    output = check_writable(options.output, ".mp4")
    folder = Path(options.person)
    if folder.is_dir():
        person = Person.load(folder)
    else:
        folder = output.with_suffix(".person")
        how = options.profile, options.seed, options.device, terminal_progress()
        person = learn_into(folder, options.person, *how)
    talk(person, speech, output, not options.no_mark, terminal_progress())
    seconds = len(speech) / SR_HZ
    return {"video": str(output), "person": str(folder), "seconds_of_speech": seconds}, _show


def _read_speech(given):
    """The sound that a `speech` argument names: (N,) float32 at 16 kHz."""
    from tfhkit.media import SR_HZ, read_audio
    from tfhkit.pipeline.places import resolve_input

    if given == "sentence":
        from tfhkit.virtual.voice import default_speech

        return default_speech().audio
    audio = read_audio(resolve_input(given, "speech"))
    if len(audio) < SR_HZ * LEAST_S:
        fault = f"is {len(audio) / SR_HZ:.1f} s long, at least {LEAST_S:g} s are needed"
        raise InputError(given, fault, "give a longer sound")
    return audio


def _show(result: dict[str, Any]) -> str:
    return (
        f"{result['video']}: {result['seconds_of_speech']:.1f} s of speech\n"
        f"another sentence: tfhkit talk {quote(result['person'])} SPEECH -o OUT.mp4"
    )
