"""`tfhkit corpus`: make a corpus of virtual speakers."""

import time
from pathlib import Path

from tfhkit.errors import ParameterError

TEXT = "make a corpus of virtual speakers"


def add_arguments(command):
    """The options of this command."""
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
        "--lrw", metavar="DIR", help="write clips of single words, laid out like LRW"
    )
    command.add_argument("--words", metavar="A,B", help="--lrw: English words")
    for split, count in (("train", 4), ("val", 1), ("test", 1)):
        command.add_argument(
            f"--{split}", type=int, default=count, metavar="N", help="--lrw: clips of each word"
        )
    command.add_argument("--seed", type=int, default=0, metavar="K", help="random seed")
    command.add_argument("--workers", type=int, default=2, metavar="W", help="number of processes")


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.pipeline.progress import terminal_progress
    from tfhkit.pipeline.tables import table

    result = write_corpus(
        options.output,
        options.lrw,
        options.speakers,
        options.seconds,
        options.language,
        options.words,
        options.train,
        options.val,
        options.test,
        options.seed,
        options.workers,
        terminal_progress(),
    )
    return result, table


def write_corpus(
    output=None, lrw=None, speakers=40, seconds=180.0, language=None, words=None, train=4, val=1,
    test=1, seed=0, workers=2, progress=None,
):  # fmt: skip
    """Make a corpus of virtual speakers: either `output` or `lrw` says where.

    Args:
        output: `.npz` of sound features, expression and pose, see `make_motion_corpus`.
        lrw: folder for clips of single words, see `make_lrw_corpus`.
        speakers, seconds, language: of `output`; seconds are each speaker's.
        words: of `lrw`, names with commas between them, or None. train, val, test: clips a word.
        seed: random seed. workers: processes.
        progress: callable (done, total, text).
    Returns:
        dict: file, speakers, minutes of sound, languages; or folder, words, clips; and seconds.
    Raises:
        ParameterError: neither or both of `output` and `lrw`, or a value out of range.
        InputError: it cannot be written.
    """
    if (output is None) == (lrw is None):
        fault = "one of --output and --lrw says what to make"
        raise ParameterError("corpus", fault, "give -o FILE.npz, or --lrw DIR")
    began = time.perf_counter()
    if lrw is not None:
        from tfhkit.virtual.lrw import make_lrw_corpus

        chosen = {} if words is None else {"words": [w.strip() for w in words.split(",")]}
        paths = make_lrw_corpus(
            lrw, **chosen, n_clips=(train, val, test), seed=seed, workers=workers, progress=progress
        )
        said = sorted({path.parts[-3] for path in paths})
        result = {"folder": str(lrw), "words": said, "clips": len(paths)}
    else:
        from tfhkit.virtual.corpus import make_motion_corpus

        if Path(output).suffix != ".npz" or Path(output).is_dir():
            raise ParameterError("--output", f"{output} is not an .npz file", "name one")
        corpus = make_motion_corpus(
            speakers, seconds, seed, workers, progress, path=output, language=language
        )
        voices = sorted({motion.about["voice"].partition("+")[0] for motion in corpus})
        minutes = round(sum(len(motion) for motion in corpus) / 25 / 60, 2)
        result = {
            "file": str(output), "speakers": len(corpus), "minutes": minutes, "languages": voices
        }  # fmt: skip
    return {**result, "seconds": round(time.perf_counter() - began, 1)}
