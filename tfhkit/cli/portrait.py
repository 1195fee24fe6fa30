"""`tfhkit portrait`: make one picture speak."""

TEXT = "make one picture speak"


def add_arguments(command):
    """The options of this command."""
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


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.pipeline.places import resolve_input
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import table
    from tfhkit.portrait.speaking import make_portrait

    result = make_portrait(
        resolve_input(options.picture, "picture", "astronaut"),
        resolve_input(options.speech, "speech", "sentence"),
        options.output,
        options.size,
        options.seed,
        progress=terminal_progress(),
    )
    return result, table
