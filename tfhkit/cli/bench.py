"""`tfhkit bench`: time parts of the kit against a peer, as ratios."""

import importlib
import pkgutil

from tfhkit.errors import ParameterError

TEXT = "time parts of the kit against a peer, as ratios"


def add_arguments(command):
    """The options of this command."""
    command.add_argument(
        "names", nargs="*", metavar="NAME", help="what to time (default: everything)"
    )


def call(options):
    """Run the command: its result, and the function that shows it."""
    return run_benchmarks(options.names), _show_bench


def _show_bench(result):
    from itertools import groupby

    from tfhkit.pipeline.tables import rows_table

    parts = []
    for name, rows in result.items():  # rows of another kind begin a table of their own
        tables = (rows_table(list(alike)) for _, alike in groupby(rows, list))
        parts.append(f"{name}\n" + "\n\n".join(tables))
    return "\n\n".join(parts)


def run_benchmarks(names=()):
    """Run benchmarks by name: `tfhkit/bench/NAME.py` has a function `bench_NAME`.

    Returns:
        dict of name -> list of rows (dicts).
    """
    import tfhkit.bench

    known = sorted(module.name for module in pkgutil.iter_modules(tfhkit.bench.__path__))
    for name in names:
        if name not in known:
            raise ParameterError(
                f"bench {name}", "there is no such benchmark", f"choose one of {known}"
            )
    result = {}
    for name in names or known:
        function = getattr(importlib.import_module(f"tfhkit.bench.{name}"), f"bench_{name}")
        rows = function()
        result[name] = rows if isinstance(rows, list) else [rows]
    return result
