"""`tfhkit portrait`: make one picture speak."""

from argparse import ArgumentParser, Namespace
from typing import Any

from tfhkit.cli.parser import DEVICES, Outcome, seed_number

TEXT = "make one picture speak"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "picture",
        nargs="?",
        default="astronaut",
        metavar="IMAGE",
        help='a picture of a face, or "astronaut"',
    )
    command.add_argument("--speech", default="sentence", metavar="F", help='a sound, or "sentence"')
    command.add_argument(
        "-o",
        "--output",
        default="portrait.mp4",
        metavar="FILE.mp4",
        help="the video to write (default: portrait.mp4)",
    )
    command.add_argument("--size", type=int, default=512, metavar="PX", help="side of the video")
    command.add_argument(
        "--seed", type=seed_number, default=0, metavar="N", help="random seed of blinks and gaze"
    )
    command.add_argument(
        "--no-refine",
        action="store_true",
        help="do not refine what the picture does not show (mouth, lids)",
    )
    command.add_argument("--device", default="auto", help="where it is refined: " + DEVICES)


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.pipeline.places import input_or_keyword
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.portrait.speaking import make_portrait

    result = make_portrait(
        input_or_keyword(options.picture, "picture", "astronaut"),
        input_or_keyword(options.speech, "speech", "sentence"),
        options.output,
        options.size,
        options.seed,
        not options.no_refine,
        terminal_progress(),
        options.device,
    )
    return result, show


def show(result: dict[str, Any]) -> str:
    """The result of `make_portrait` as text for people."""
    from tfhkit.pipeline.tables import table

    numbers = {name: value for name, value in result.items() if name != "advice"}
    return "\n".join([table(numbers), *(f"advice: {line}" for line in result["advice"])])
