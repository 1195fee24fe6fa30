"""The doctor's advice on a clip that was just fitted, in the same words for every command."""

from collections.abc import Callable

from tfhkit.evaluate.footage import advice, advice_lines, facts_of_fit
from tfhkit.fit import Fit
from tfhkit.media import Clip


def say_advice(clip: Clip, fit: Fit, say: Callable[[str], None]) -> None:
    """Say what costs quality on this clip, a line each; nothing where all is well.

    Args:
        clip: the clip. fit: its fit. say: called with each line.
    """
    for line in advice_lines(advice(facts_of_fit(clip, fit))):
        say(line)
