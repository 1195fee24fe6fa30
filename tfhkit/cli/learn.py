"""`tfhkit learn`: learn a person from a clip, once for any number of sentences."""

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhkit.cli.parser import Outcome

if TYPE_CHECKING:  # heavy; the full name lets the checker of the tests find it
    import tfhkit.person

TEXT = "learn a person from a clip: fit the face, fine-tune, train"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument("clip", metavar="CLIP", help='a video, or "sample"')
    command.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="the person's directory"
    )
    add_learning(command)


def add_learning(command: ArgumentParser) -> None:
    """Add the options of learning, which `tfhkit talk` has as well."""
    command.add_argument(
        "--profile", default="quick", help="quick (CPU), full (GPU) or tiny (tests)"
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="random seed")
    command.add_argument("--device", help="auto, cpu or cuda (default: the profile's)")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    person = learn_into(options.output, options.clip, options)
    return {"person": options.output, **person.scores}, show_scores


def learn_into(folder: Path | str, clip: Path | str, options: Namespace) -> "tfhkit.person.Person":
    """Learn the person in a clip, or resume.

    Args:
        folder: the person's directory.
        clip: a video file, or "sample".
        options: the options of `add_learning`.
    """
    from tfhkit.assets import cache_dir
    from tfhkit.media import open_clip
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.step import resolve
    from tfhkit.profiles import settings_of
    from tfhkit.talk import learn
    from tfhkit.virtual.pretrain.mapping import load_or_train

    settings, progress = settings_of(options.profile), terminal_progress()
    path = resolve("clip", clip, Path.cwd())
    general = None
    if settings.motion_size != "small":
        open_clip(path)  # a bad clip is refused before the hours of a general training
        kept = cache_dir() / f"motion_{settings.motion_size}.safetensors"
        general = load_or_train(settings.motion_size, kept, settings, progress=progress)
    return learn(path, options.profile, folder, options.seed, general, options.device, progress)


def show_scores(result: dict[str, Any]) -> str:
    """The held-out scores as lines."""
    return "\n".join(
        [
            f"learned: {result['person']}",
            "held-out end of the clip:",
            f"  lip opening, from its sound     r = {result['lip_r']:.2f}",
            f"  face, rendered                  {result['psnr_db_unrefined']:.1f} dB PSNR",
            f"  face, refined                   {result['psnr_db']:.1f} dB PSNR",
        ]
    )
