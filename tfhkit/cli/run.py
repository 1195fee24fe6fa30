"""`tfhkit run`: run the series of notebooks on a clip and a voice."""

import os
import sys
from argparse import SUPPRESS, ArgumentParser, Namespace
from typing import Any

from tfhkit.cli.parser import DEVICE_HELP, RECIPE_HELP, TRACK_HELP, Outcome, seed_number

TEXT = "run the series of notebooks on a clip and a voice"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument("--clip", default="sample", metavar="F", help='a video, or "sample"')
    command.add_argument("--audio-track", type=int, default=0, metavar="N", help=TRACK_HELP)
    command.add_argument("--speech", default="sentence", metavar="F", help='a sound, or "sentence"')
    command.add_argument(
        "--profile", default="quick", help="quick (CPU), full (GPU) or tiny (tests)"
    )
    command.add_argument("--recipe", default="ours", help=RECIPE_HELP)
    command.add_argument("--device", help=DEVICE_HELP)
    command.add_argument("--out", metavar="DIR", help="run directory (default: runs/ and the clip)")
    command.add_argument("--seed", type=seed_number, default=0, metavar="N", help="random seed")
    command.add_argument("--only", default="", metavar="01,02", help="run these notebooks only")
    command.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="values",
        help="a notebook's parameter; 05.NAME=VALUE for one notebook",
    )
    command.add_argument("--notebooks", metavar="DIR", help="folder of the notebooks")
    command.add_argument(
        "--progress", metavar="FILE", help="write the progress to this file, as JSON lines"
    )
    command.add_argument("--no-report", action="store_true", help=SUPPRESS)


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.device import DEVICE, choose_device
    from tfhkit.media.locks import end_with_parent
    from tfhkit.motion.general import recogniser_there
    from tfhkit.pipeline.course import Course, closing
    from tfhkit.pipeline.report import run_and_report
    from tfhkit.pipeline.runner import RunInputs

    def say(line: str) -> None:
        print(line, file=sys.stderr if options.json else sys.stdout)

    recogniser_there()  # its notebooks would say it, but not here
    if options.device:
        os.environ[DEVICE] = str(choose_device(options.device))  # the kernels inherit it
    if options.no_report:  # a notebook waits for an earlier one
        end_with_parent()
    shared = options.out, options.profile, options.recipe, options.seed, options.audio_track
    inputs = RunInputs(options.clip, options.speech, *shared)
    course = Course(options.progress)
    more: dict[str, Any] = {}
    with closing(course, more):
        result = run_and_report(
            inputs,
            only=[part for part in options.only.split(",") if part],
            set_values=options.values,
            notebooks=options.notebooks,
            write=not options.no_report,
            say=say,
            course=course,
        )
        more |= {key: result[key] for key in ("report", "videos") if key in result}
    return result, _show_run


def _show_run(result: dict[str, Any]) -> str:
    if "report" not in result:
        return f"done in {result['seconds']:.0f} s"
    videos = [f"  {video}" for video in result["videos"]]
    return "\n".join([f"done in {result['seconds']:.0f} s: {result['report']}", *videos])
