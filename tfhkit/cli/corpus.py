"""`tfhkit corpus`: make a corpus of virtual speakers, or prepare LRW's clips."""

import time
from argparse import ArgumentParser, Namespace, _ArgumentGroup
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfhkit.cli.parser import Outcome, seed_number
from tfhkit.errors import ParameterError
from tfhkit.progress import Progress

TEXT = "make a corpus of virtual speakers, or prepare LRW's clips for the general trainings"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE.npz",
        help="write sound features, expression and pose for training; --lrw: folder of shards",
    )
    command.add_argument(
        "--speakers", type=int, default=40, metavar="N", help="number of virtual speakers"
    )
    command.add_argument(
        "--seconds", type=float, default=180.0, metavar="S", help="speech per speaker, in seconds"
    )
    command.add_argument(
        "--language", metavar="L", help="one language for all, such as en-us (default: many)"
    )
    command.add_argument(
        "--wide", action="store_true",
        help="as the general mapping is trained: recorded voices where they are installed, "
        "rough recordings, open mouths in pauses",
    )  # fmt: skip
    command.add_argument(
        "--make-lrw", metavar="DIR", help="write clips of single words, laid out like LRW"
    )
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        command.add_argument(
            f"--{split}", type=int, default=count, metavar="N",
            help="--make-lrw: clips of each word",
        )  # fmt: skip
    command.add_argument("--seed", type=seed_number, default=0, metavar="K", help="random seed")
    command.add_argument(
        "--workers", type=int, metavar="W",
        help="number of processes (default: 2; --lrw: one per core, as far as the memory allows)",
    )  # fmt: skip
    command.add_argument("--words", metavar="A,B", help="--make-lrw, --lrw: English words")
    _add_lrw(command.add_argument_group("preparing LRW's clips"))


def _add_lrw(group: _ArgumentGroup) -> None:
    group.add_argument(
        "--lrw", metavar="DIR",
        help="fit LRW's clips and write them to -o OUT; the same command resumes",
    )  # fmt: skip
    group.add_argument("--split", default="train", metavar="S", help="train, val or test")
    group.add_argument("--per-word", type=int, metavar="N", help="the first N clips of each word")
    group.add_argument(
        "--pictures", type=int, nargs="?", const=8, default=0, metavar="N",
        help="also N frames of each clip for the refiner (without a number: 8)",
    )  # fmt: skip
    group.add_argument(
        "--picture-px", type=int, default=128, metavar="PX", help="side of these frames"
    )
    group.add_argument("--shard", type=int, default=100, metavar="N", help="clips in a file")
    group.add_argument(
        "--scheduler", metavar="ADDR", help="a running Dask scheduler, tcp://HOST:8786"
    )
    group.add_argument("--memory", type=float, metavar="GB", help="of each process")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import table

    if options.lrw is not None and options.make_lrw is None:
        return _prepare(options, terminal_progress()), table
    if (options.output is None) == (options.make_lrw is None) or options.lrw is not None:
        fault = "one of --output, --make-lrw and --lrw says what to make"
        remedy = "give -o FILE.npz, --make-lrw DIR, or --lrw DIR -o OUT"
        raise ParameterError("corpus", fault, remedy)
    began = time.perf_counter()
    workers = 2 if options.workers is None else options.workers
    how = options.seed, workers, terminal_progress()
    if options.make_lrw is not None:
        counts = options.train, options.val, options.test
        result = write_word_clips(options.make_lrw, options.words, *counts, *how)
    else:
        given = options.speakers, options.seconds, options.language
        result = write_motion_corpus(options.output, *given, *how, wide=options.wide)
    return {**result, "seconds": round(time.perf_counter() - began, 1)}, table


def _prepare(options: Namespace, progress: Progress) -> dict[str, Any]:
    from tfhkit.cluster import Workers
    from tfhkit.corpus.clip import ClipSettings
    from tfhkit.corpus.layout import LrwChoice
    from tfhkit.corpus.work import prepare_lrw
    from tfhkit.landmarks import choose_backend

    if options.output is None:
        raise ParameterError("--output", "is missing", "give a folder for the prepared clips")
    words = None if options.words is None else tuple(w.strip() for w in options.words.split(","))
    choice = LrwChoice(words, options.split, options.per_word)
    settings = ClipSettings(choose_backend(), options.pictures, options.picture_px)
    workers = Workers(options.scheduler, options.workers, options.memory)
    where = options.lrw, options.output
    return prepare_lrw(*where, choice, settings, options.shard, workers, progress)


def write_motion_corpus(
    output: Path | str,
    speakers: int = 40,
    seconds: float = 180.0,
    language: str | None = None,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
    wide: bool = False,
) -> dict[str, Any]:
    """Write sound features, expression and pose of virtual speakers; see `make_motion_corpus`.

    Args:
        output: the `.npz` file to write.
        speakers: number of virtual speakers.
        seconds: speech per speaker.
        language: one language for all, such as "en-us"; None for many.
        seed: random seed.
        workers: number of processes.
        progress: called as progress(done, total, text).
        wide: vary the speakers as for the training of the general mapping, see `wide_variety`.
    Returns:
        file, speakers, minutes of sound, languages.
    Raises:
        ParameterError: `output` is not an `.npz` file, or a value is out of range.
        InputError: the file cannot be written.
    """
    from tfhkit.media import check_writable
    from tfhkit.virtual.corpus import make_motion_corpus
    from tfhkit.virtual.recorded import language_of
    from tfhkit.virtual.variety import Variety, wide_variety

    if Path(output).suffix != ".npz" or Path(output).is_dir():
        raise ParameterError("--output", f"{output} is not an .npz file", "name one")
    output = check_writable(output, ".npz")
    variety = replace(wide_variety() if wide else Variety(), language=language)
    corpus = make_motion_corpus(
        speakers, seconds, seed, workers, progress, path=output, variety=variety
    )
    voices = sorted({language_of(motion.about["voice"]) for motion in corpus})
    minutes = round(sum(len(motion) for motion in corpus) / 25 / 60, 2)
    return {"file": str(output), "speakers": len(corpus), "minutes": minutes, "languages": voices}


def write_word_clips(
    folder: Path | str,
    words: str | None = None,
    train: int = 4,
    val: int = 1,
    test: int = 1,
    seed: int = 0,
    workers: int = 2,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write clips in which virtual speakers say single words; see `make_lrw_corpus`.

    Args:
        folder: folder of the clips, which are laid out as in LRW.
        words: English words with commas between them; None for those of `make_lrw_corpus`.
        train, val, test: number of clips of each word in the three sets.
        seed: random seed.
        workers: number of processes.
        progress: called as progress(done, total, text).
    Returns:
        folder, words, clips.
    Raises:
        ParameterError: a value is out of range, or a word is not one English word.
        InputError: the folder cannot be written.
    """
    from tfhkit.virtual.lrw import WORDS, make_lrw_corpus

    chosen = WORDS if words is None else [word.strip() for word in words.split(",")]
    paths = make_lrw_corpus(
        folder, chosen, (train, val, test), seed=seed, workers=workers, progress=progress
    )
    said = sorted({path.parts[-3] for path in paths})
    return {"folder": str(folder), "words": said, "clips": len(paths)}
