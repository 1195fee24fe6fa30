"""How a number of a run compares with its baselines, in words."""

from collections.abc import Mapping, Sequence
from typing import Any

from tfhkit.pipeline.report.labels import Label, label_of, readable
from tfhkit.pipeline.report.tables import value_text

BETTER = "better than its baselines"
WORSE = "worse than a baseline"
LEVEL = "level with a baseline"
OPEN = "no difference shown"
MISSING = "not measured"
PLAIN = ""  # nothing is compared


class StepNumbers:
    """A step's numbers, and their texts as in the tables.

    Args:
        numbers: step name -> name -> number.
        step: the step's name.
    """

    def __init__(self, numbers: Mapping[str, Mapping[str, Any]], step: str) -> None:
        self.step, self.numbers = step, numbers.get(step, {})

    def __getitem__(self, name: str) -> Any:
        return self.numbers.get(name)

    def label(self, name: str) -> Label:
        """The label of a number."""
        return label_of(self.step, name) or readable(name)

    def text(self, name: str, interval: Sequence[float | None] | None = None) -> str:
        """A number with its unit."""
        return value_text(self[name], self.label(name), interval)

    def pair(self, low: str, high: str | None = None) -> Sequence[float] | None:
        """An interval by its name, or by the names of its ends; None if it is missing."""
        ends = self[low] if high is None else [self[low], self[high]]
        return ends if ends and None not in ends else None

    def against(
        self, name: str, baselines: Mapping[str, str], lower_is_better: bool = False
    ) -> tuple[str, str]:
        """Compare a number with others of the step: (verdict, text), see `compared_text`.

        Args:
            name: name of the number.
            baselines: name of a baseline's number -> words for the baseline.
            lower_is_better: True for errors.
        """
        values = {what: self[baseline] for baseline, what in baselines.items()}
        return compared_text(self[name], values, self.label(name), lower_is_better)


def compared_text(
    value: float,
    baselines: Mapping[str, float | None],
    label: Label,
    lower_is_better: bool = False,
) -> tuple[str, str]:
    """The rest of a sentence on a number: the scores of its baselines, and which of them it beats.

    Args:
        value: the number.
        baselines: words for a baseline -> its number, or None if it is unknown.
        label: label of all these numbers.
        lower_is_better: True for errors.
    Returns:
        (verdict, text): text begins after the number and ends with a full stop.
    """
    known = {what: baseline for what, baseline in baselines.items() if baseline is not None}
    verdict, words = compared(value, known, label, lower_is_better)
    texts = [f"{what} {value_text(baseline, label)}" for what, baseline in known.items()]
    return verdict, f" ({', '.join(texts)}): {words}." if texts else "."


def compared(
    value: float, baselines: Mapping[str, float], label: Label, lower_is_better: bool = False
) -> tuple[str, str]:
    """Which baselines a number beats; numbers with the same text are level.

    Args:
        value, baselines, label, lower_is_better: as in `compared_text`; all baselines are known.
    Returns:
        (verdict, words), such as "better than the rendering, worse than a copy".
    """
    sides: dict[str, list[str]] = {BETTER: [], LEVEL: [], WORSE: []}
    for what, baseline in baselines.items():
        if value_text(value, label) == value_text(baseline, label):
            sides[LEVEL].append(what)
        else:
            sides[BETTER if (value < baseline) == lower_is_better else WORSE].append(what)
    ways = {BETTER: "better than ", LEVEL: "level with ", WORSE: "worse than "}
    words = ", ".join(
        ways[side] + _names(sides[side], len(baselines)) for side in ways if sides[side]
    )
    return worst(*(side for side in sides if sides[side])), words


def _names(names: list[str], n_baselines: int) -> str:
    if len(names) == n_baselines == 2:
        return "both"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def worst(*verdicts: str) -> str:
    """The verdict over several comparisons: the least favourable one."""
    return next((side for side in (WORSE, LEVEL, OPEN, BETTER) if side in verdicts), PLAIN)
