"""`tfhkit hs`: compare how two heads move (Eq. 6), with baselines."""

TEXT = "compare how two heads move (Eq. 6), with baselines"


def add_arguments(command):
    """The options of this command."""
    command.add_argument(
        "real",
        metavar="A",
        help="the real motion: a fit (.npz), coefficients (.mat), a table "
        "(.csv: time,pitch,yaw,roll in degrees), a video, or a part of its "
        'frames: "FILE[300:]"',
    )
    command.add_argument(
        "generated", metavar="B", help="the motion to compare with it, in any of these forms"
    )
    command.add_argument(
        "--training", metavar="C", help="the training part of the same person's motion"
    )
    command.add_argument(
        "--span", default="real", metavar="S", help="divisor of W1: real, real95, both, or degrees"
    )
    command.add_argument("--bins", type=int, default=64, metavar="N", help="bins of the histograms")
    command.add_argument(
        "--fps", type=float, default=25.0, metavar="R", help="frames per second of a .mat file"
    )
    command.add_argument(
        "--seed", type=int, default=0, metavar="N", help="random seed of the bootstrap"
    )


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.series.head_pose import compare_heads, show

    result = compare_heads(
        options.real,
        options.generated,
        options.training,
        options.span,
        options.bins,
        options.fps,
        options.seed,
    )
    return result, show
