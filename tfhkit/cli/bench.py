"""`tfhkit bench`: time parts of the kit against a peer, as ratios."""

TEXT = "time parts of the kit against a peer, as ratios"


def add_arguments(command):
    """The options of this command."""
    command.add_argument(
        "names", nargs="*", metavar="NAME", help="what to time (default: everything)"
    )


def call(options):
    """Run the command: its result, and the function that shows it."""
    from tfhkit.series.measure import run_benchmarks

    return run_benchmarks(options.names), _show_bench


def _show_bench(result):
    from itertools import groupby

    from tfhkit.series.tables import rows_table

    parts = []
    for name, rows in result.items():  # rows of another kind begin a table of their own
        tables = (rows_table(list(alike)) for _, alike in groupby(rows, list))
        parts.append(f"{name}\n" + "\n\n".join(tables))
    return "\n\n".join(parts)
