"""`tfhkit correlate`: correlate sound and head pose (App. A)."""

TEXT = "correlate sound and head pose (App. A)"


def add_arguments(command):
    """The options of this command."""
    command.add_argument(
        "clip", nargs="?", default="sample", metavar="CLIP", help='a video, or "sample"'
    )
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE.csv",
        help="write all estimates, with their settings, as a table",
    )
    command.add_argument(
        "--fit", metavar="FILE", help="the fit of the whole clip, written by fit -o"
    )
    command.add_argument("--frames", type=int, metavar="N", help="the first N frames only")
    command.add_argument(
        "--radius",
        type=float,
        default=0.5,
        metavar="R",
        help="radius of the neighbourhood, as a share of |s|",
    )
    command.add_argument(
        "--min-gap",
        type=float,
        default=1.0,
        metavar="S",
        help="least time between the two frames of a pair, in seconds",
    )
    command.add_argument(
        "--max-lag",
        type=float,
        default=1.0,
        metavar="S",
        help="largest lag between head and voice, in seconds",
    )
    command.add_argument("--axis", default="all", help="angle to compare: all, pitch, yaw or roll")
    command.add_argument(
        "--nulls",
        type=int,
        default=200,
        metavar="N",
        help="surrogate tracks in each null distribution",
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="random seed")


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.series.correlate import correlate_file, show

    result = correlate_file(
        options.clip,
        options.output,
        options.fit,
        options.frames,
        options.radius,
        options.min_gap,
        options.max_lag,
        options.axis,
        options.nulls,
        options.seed,
    )
    return result, show
