"""`tfhkit portrait`: make one picture speak."""

from argparse import ArgumentParser, Namespace

from tfhkit.cli.parser import Outcome

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
        "--seed", type=int, default=0, metavar="N", help="random seed of blinks and gaze"
    )


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.media import check_writable
    from tfhkit.pipeline.places import input_or_keyword
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import table
    from tfhkit.portrait.speaking import make_portrait

    result = make_portrait(
        input_or_keyword(options.picture, "picture", "astronaut"),
        input_or_keyword(options.speech, "speech", "sentence"),
        check_writable(options.output, ".mp4"),
        options.size,
        options.seed,
        progress=terminal_progress(),
    )
    return result, table
