"""`tfhkit corpus`: make a corpus of virtual speakers."""

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
    from tfhkit.series.corpus import write_corpus
    from tfhkit.series.progress import terminal_progress
    from tfhkit.series.tables import table

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
