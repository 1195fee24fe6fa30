"""`tfhkit corpus`: make a corpus of virtual speakers."""

import time
from argparse import ArgumentParser, Namespace
from dataclasses import replace
from pathlib import Path
from typing import Any

from tfhkit.cli.parser import Outcome, seed_number
from tfhkit.errors import ParameterError
from tfhkit.progress import Progress

TEXT = "make a corpus of virtual speakers"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "-o",
        "--output",
        metavar="FILE.npz",
        help="write sound features, expression and pose for training",
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
        "--lrw", metavar="DIR", help="write clips of single words, laid out like LRW"
    )
    command.add_argument("--words", metavar="A,B", help="--lrw: English words")
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        command.add_argument(
            f"--{split}", type=int, default=count, metavar="N", help="--lrw: clips of each word"
        )
    command.add_argument("--seed", type=seed_number, default=0, metavar="K", help="random seed")
    command.add_argument("--workers", type=int, default=2, metavar="W", help="number of processes")


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import table

    if (options.output is None) == (options.lrw is None):
        fault = "one of --output and --lrw says what to make"
        raise ParameterError("corpus", fault, "give -o FILE.npz, or --lrw DIR")
    began = time.perf_counter()
    how = options.seed, options.workers, terminal_progress()
    if options.lrw is not None:
        counts = options.train, options.val, options.test
        result = write_word_clips(options.lrw, options.words, *counts, *how)
    else:
        given = options.speakers, options.seconds, options.language
        result = write_motion_corpus(options.output, *given, *how, wide=options.wide)
    return {**result, "seconds": round(time.perf_counter() - began, 1)}, table


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
