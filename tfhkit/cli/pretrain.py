"""`tfhkit pretrain`: train one of the two general networks on virtual speakers, and on LRW."""

from argparse import ArgumentParser, Namespace
from typing import Any

from tfhkit.cli.parser import DEVICES, Outcome, seed_number
from tfhkit.progress import Progress

TEXT = "train general weights on virtual speakers (hours)"

SUFFIX = ".safetensors"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "net", choices=["mapping", "refiner"], metavar="NET",
        help="mapping (sound to motion) or refiner (rendering to frame)",
    )  # fmt: skip
    command.add_argument("--size", default="small", help="small or paper; refiner: medium as well")
    command.add_argument(
        "-o", "--output", metavar="FILE.safetensors",
        help="file to write (default: in the kit's assets)",
    )  # fmt: skip
    command.add_argument("--speakers", type=int, default=320, metavar="N")
    command.add_argument("--seed", type=seed_number, default=0, metavar="N", help="random seed")
    command.add_argument("--workers", type=int, default=2, metavar="N", help="number of processes")
    command.add_argument("--device", default="auto", help=DEVICES)
    command.add_argument(
        "--lrw", metavar="OUT",
        help="also learn from LRW's clips that `tfhkit corpus --lrw DIR -o OUT` prepared "
        "(refiner: with --pictures)",
    )  # fmt: skip
    mapping = command.add_argument_group("mapping")
    mapping.add_argument(
        "--seconds", type=float, default=60.0, metavar="S", help="speech per speaker"
    )
    mapping.add_argument("--epochs", type=int, default=50, metavar="N")
    mapping.add_argument(
        "--corpus", metavar="FILE",
        help="learn from the speakers that `tfhkit corpus -o FILE` wrote; none are made",
    )  # fmt: skip
    mapping.add_argument(
        "--no-recorded", action="store_true",
        help="voices of espeak-ng only, not those of flite and festival "
        "(apt-get install flite festival festvox-kdlpc16k festvox-us-slt-hts)",
    )  # fmt: skip
    refiner = command.add_argument_group("refiner")
    refiner.add_argument("--stretches", type=int, default=2, metavar="N", help="pieces per speaker")
    refiner.add_argument(
        "--held-out", type=int, default=24, metavar="N", help="held-out speakers, for the scores"
    )
    refiner.add_argument("--steps", type=int, default=15000, metavar="N")
    refiner.add_argument("--batch", type=int, default=2, metavar="N")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import table

    train = _train_mapping if options.net == "mapping" else _train_refiner
    return train(options, terminal_progress()), table


def _train_mapping(options: Namespace, progress: Progress) -> dict[str, Any]:
    from tfhkit.assets import assets_dir
    from tfhkit.media import check_writable
    from tfhkit.motion.general import FILE
    from tfhkit.virtual.pretrain.mapping import MappingSettings, train_general

    path = check_writable(options.output or assets_dir() / FILE.format(options.size), SUFFIX)
    settings = MappingSettings(
        size=options.size,
        n_speakers=options.speakers,
        seconds_each=options.seconds,
        epochs=options.epochs,
        seed=options.seed,
        recorded=not options.no_recorded,
        corpus=options.corpus,
        lrw=options.lrw,
    )
    return train_general(path, settings, options.workers, options.device, progress).card


def _train_refiner(options: Namespace, progress: Progress) -> dict[str, Any]:
    import json

    from tfhkit.assets import assets_dir
    from tfhkit.media import check_writable
    from tfhkit.refine.general import FILE
    from tfhkit.virtual.pretrain.refiner import RefinerSettings, train_general_refiner

    path = check_writable(options.output or assets_dir() / FILE.format(options.size), SUFFIX)
    settings = RefinerSettings(
        size=options.size,
        n_speakers=options.speakers,
        stretches=options.stretches,
        held_out=options.held_out,
        steps=options.steps,
        batch=options.batch,
        seed=options.seed,
        lrw=options.lrw,
    )
    train_general_refiner(path, settings, options.workers, options.device, progress)
    return json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["card"]
