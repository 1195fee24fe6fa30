"""`tfhkit bench`: time parts of the kit against a peer, as ratios."""

import importlib
import pkgutil
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import Any

from tfhkit.cli.parser import Outcome
from tfhkit.errors import ParameterError

TEXT = "time parts of the kit against a peer, as ratios"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""
    command.add_argument(
        "names", nargs="*", metavar="NAME", help="what to time (default: everything)"
    )


def call(options: Namespace) -> Outcome:
    """Run the command."""
    return run_benchmarks(options.names), _show_bench


def _show_bench(result: dict[str, Any]) -> str:
    from itertools import groupby

    from tfhkit.pipeline.tables import rows_table

    parts = []
    for name, rows in result.items():  # rows with other columns begin a new table
        tables = (rows_table(list(alike)) for _, alike in groupby(rows, list))
        parts.append(f"{name}\n" + "\n\n".join(tables))
    return "\n\n".join(parts)


def run_benchmarks(names: Sequence[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Run benchmarks by name: `tfhkit/bench/NAME.py` has a function `bench_NAME`.

    Args:
        names: which ones; empty for all.
    Returns:
        name -> rows of the benchmark's table.
    Raises:
        ParameterError: there is no such benchmark.
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
        result[name] = function()
    return result
