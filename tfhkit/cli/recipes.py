"""`tfhkit recipes`: what ours, the paper's text and the authors' code do, side by side."""

from argparse import ArgumentParser, Namespace
from dataclasses import asdict
from textwrap import wrap
from typing import Any

from tfhkit.cli.parser import Outcome

TEXT = "print what the recipes ours, paper and published do, and where it is said"
WORDS_WIDTH, SOURCE_WIDTH = 44, 28


def add_arguments(command: ArgumentParser) -> None:
    """Add the options of this command: none."""


def call(options: Namespace) -> Outcome:
    """Run the command."""
    from tfhkit.recipes import CHOICES, NOT_REPRODUCED

    rows = [asdict(choice) for choice in CHOICES]
    return {"choices": rows, "not_reproduced": list(NOT_REPRODUCED)}, show


def show(result: dict[str, Any]) -> str:
    """The table, part by part, and what is not in it."""
    from tfhkit.recipes import PARTS, RECIPES, in_words

    head = "".join(f"{name:15}" for name in RECIPES)
    lines = [f"{'':{WORDS_WIDTH + 2}}{head}section"]
    for part, words in PARTS.items():
        lines += ["", words]
        for row in result["choices"]:
            if row["part"] == part:
                lines += _row(row, [in_words(row[name]) for name in RECIPES])
    for text in result["not_reproduced"]:
        lines += ["", *wrap(text, 100)]
    return "\n".join(lines)


def _row(row: dict[str, Any], values: list[str]) -> list[str]:
    """A choice as lines of text: words and source are wrapped in their columns."""
    words = wrap(f"{row['name']}: {row['words']}", WORDS_WIDTH)
    source = wrap(row["source"], SOURCE_WIDTH)
    made = "".join(f"{value:15}" for value in values)
    lines = []
    for k in range(max(len(words), len(source))):
        left, right = (text[k] if k < len(text) else "" for text in (words, source))
        lines.append(f"{left:{WORDS_WIDTH + 2}}{made if k == 0 else '':45}{right}".rstrip())
    return lines
