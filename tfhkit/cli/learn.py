"""`tfhkit learn`: learn a person from a clip, once for any number of sentences."""

from argparse import ArgumentParser, Namespace
from typing import Any

from tfhkit.cli.parser import DEVICE_HELP, RECIPE_HELP, TRACK_HELP, Outcome, seed_number
from tfhkit.errors import ParameterError

TEXT = "learn a person from a clip: fit the face, fine-tune, train"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument("clip", metavar="CLIP", help='a video, or "sample"')
    command.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="the person's directory"
    )
    command.add_argument(
        "--coefficients",
        metavar="FILE.mat",
        help="another tracker's coefficients of the clip (Deep3D, R-Net), or their folder",
    )
    command.add_argument("--model", help="their face model: bfm09 (default), open or ict")
    command.add_argument("--model-path", default="", metavar="P", help="its file or folder")
    add_learning(command)


def add_learning(command: ArgumentParser) -> None:
    """Add the options of learning, which `tfhkit talk` has as well."""
    command.add_argument(
        "--profile", help="quick (CPU), full (GPU) or tiny (tests) (default: quick)"
    )
    command.add_argument("--recipe", help=RECIPE_HELP)
    command.add_argument("--seed", type=seed_number, default=0, metavar="N", help="random seed")
    command.add_argument("--audio-track", type=int, metavar="N", help=TRACK_HELP)
    command.add_argument("--device", help=DEVICE_HELP)


def chosen_learning(options: Namespace) -> dict[str, Any]:
    """Profile, recipe and sound track where they were given; `learn_into` has the defaults."""
    given = {name: getattr(options, name) for name in ("profile", "recipe", "audio_track")}
    return {name: value for name, value in given.items() if value is not None}


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.pipeline.clip_fit import open_tracked
    from tfhkit.pipeline.learning import learn_into
    from tfhkit.pipeline.progress import terminal_progress

    clip, track = options.clip, options.audio_track
    if options.coefficients:
        clip = open_tracked(clip, options.coefficients, options.model, options.model_path, track)
    elif options.model or options.model_path:
        fault = "belongs to --coefficients"
        raise ParameterError("--model", fault, "give both, or neither")
    how = {"seed": options.seed, "device": options.device, "progress": terminal_progress()}
    person = learn_into(options.output, clip, **chosen_learning(options), **how)
    return {"person": options.output, **person.scores}, show_scores


def show_scores(result: dict[str, Any]) -> str:
    """The held-out scores as lines."""
    cross_validated = []
    if "cv_lip_r" in result:
        cross_validated = [
            "training part, by cross-validation:",
            f"  lip opening, from its sound     r = {result['cv_lip_r']:.2f} "
            f"({result['cv_lip_r_low']:.2f} to {result['cv_lip_r_high']:.2f})",
        ]
    return "\n".join(
        [
            f"learned: {result['person']}",
            *cross_validated,
            "held-out end of the clip:",
            f"  lip opening, from its sound     r = {result['lip_r']:.2f}",
            f"  face, rendered                  {result['psnr_db_unrefined']:.1f} dB PSNR",
            f"  face, refined                   {result['psnr_db']:.1f} dB PSNR",
        ]
    )
