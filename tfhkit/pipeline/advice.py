"""The doctor's advice on a clip that was just fitted, in the same words for every command."""

import sys
from collections.abc import Callable

from tfhkit.evaluate.footage import advice, advice_lines, facts_of_fit
from tfhkit.fit import Fit
from tfhkit.media import Clip
from tfhkit.pipeline.progress import clear_terminal


def to_stderr(line: str) -> None:
    """A line for people, apart from a command's result."""
    clear_terminal()
    print(line, file=sys.stderr)


def say_advice(clip: Clip, fit: Fit, say: Callable[[str], None] = to_stderr) -> None:
    """Say what costs quality on this clip, a line each; nothing where all is well.

    Args:
        clip: the clip. fit: its fit. say: called with each line.
    """
    for line in advice_lines(advice(facts_of_fit(clip, fit))):
        say(line)
