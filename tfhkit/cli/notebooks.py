"""`tfhkit notebooks`: list the notebooks with their parameters."""

from argparse import ArgumentParser, Namespace
from typing import Any

from tfhkit.cli.parser import Outcome

TEXT = "list the notebooks with their parameters"


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command."""


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.pipeline.runner import describe

    return describe(), _show_notebooks


def _show_notebooks(result: dict[str, Any]) -> str:
    lines = []
    for name, parameters in result.items():
        lines.append(name)
        for p in parameters:
            lines.append(f"  {p['name']}: {p['type']} = {p['default']!r}  {p['comment']}")
    return "\n".join(lines)
