"""`tfhkit fit`: fit the face model to a clip."""

TEXT = "fit the face model to a clip"


def add_arguments(command):
    """The options of this command."""
    command.add_argument("clip", metavar="CLIP", help='a video, or "sample"')
    command.add_argument(
        "-o", "--output", metavar="FILE", help="write the fit (.npz), or its coefficients (.mat)"
    )
    command.add_argument(
        "--report", metavar="FILE", help="draw the fit, before and after, on a page (.png or .pdf)"
    )
    command.add_argument("--frames", type=int, metavar="N", help="the first N frames only")
    command.add_argument("--landmarks", default="auto", help="auto, face-alignment or dlib")
    command.add_argument("--model", default="open", help="face model: open, bfm09 or ict")
    command.add_argument("--model-path", default="", metavar="P", help="its file or folder")


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.series.measure import fit_file
    from tfhkit.series.tables import table

    result = fit_file(
        options.clip,
        options.output,
        options.frames,
        options.landmarks,
        options.model,
        options.model_path,
        options.report,
    )
    return result, table
