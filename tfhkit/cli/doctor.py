"""`tfhkit doctor`: check the installation, or a clip before you use it."""

TEXT = "check the installation, or a clip before you use it"


def add_arguments(command):
    """The options of this command."""
    command.add_argument("clip", nargs="?", metavar="CLIP", help="a video to check")


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.series.doctor import examine, show

    return examine(options.clip), show
