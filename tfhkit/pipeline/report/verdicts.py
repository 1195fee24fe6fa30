"""How a number of a run compares with its baselines, in words."""

from tfhkit.pipeline.report.labels import label_of
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
        numbers: dict of step name -> dict of its numbers. step: the step's name.
    """

    def __init__(self, numbers, step):
        self.step, self.numbers = step, numbers.get(step, {})

    def __getitem__(self, name):
        return self.numbers.get(name)

    def label(self, name):
        """The Label of a number."""
        return label_of(self.step, name)

    def text(self, name, interval=None):
        """A number with its unit."""
        return value_text(self[name], self.label(name), interval)

    def pair(self, low, high=None):
        """An interval by its name, or by the names of its ends; None where it is not there."""
        ends = self[low] if high is None else [self[low], self[high]]
        return ends if ends and None not in ends else None

    def against(self, name, rivals, lower_is_better=False):
        """A number beside others of the step: (verdict, sentence), see `beside`.

        Args:
            rivals: dict of number name -> what it is. lower_is_better: for errors.
        """
        values = {what: self[rival] for rival, what in rivals.items()}
        return beside(self[name], values, self.label(name), lower_is_better)


def beside(value, rivals, label, lower_is_better=False):
    """The rest of a sentence on a number: what its baselines score, and which of them it beats.

    Args:
        value: the number. rivals: dict of what -> number, or None where it is not known.
        label: Label of all of them. lower_is_better: for errors.
    Returns:
        (verdict, text): text begins after the number and ends with a full stop.
    """
    known = {what: rival for what, rival in rivals.items() if rival is not None}
    verdict, words = compared(value, known, label, lower_is_better)
    texts = [f"{what} {value_text(rival, label)}" for what, rival in known.items()]
    return verdict, f" ({', '.join(texts)}): {words}." if texts else "."


def compared(value, rivals, label, lower_is_better=False):
    """Which baselines a number beats; numbers that look the same are level.

    Args:
        value, rivals, label, lower_is_better: as in `beside`, every baseline is known.
    Returns:
        (verdict, words), such as "better than the rendering, worse than a copy".
    """
    sides = {BETTER: [], LEVEL: [], WORSE: []}
    for what, rival in rivals.items():
        if value_text(value, label) == value_text(rival, label):
            sides[LEVEL].append(what)
        else:
            sides[BETTER if (value < rival) == lower_is_better else WORSE].append(what)
    ways = {BETTER: "better than ", LEVEL: "level with ", WORSE: "worse than "}
    words = ", ".join(ways[side] + _names(sides[side], len(rivals)) for side in ways if sides[side])
    return worst(*(side for side in sides if sides[side])), words


def _names(names, n_rivals):
    if len(names) == n_rivals == 2:
        return "both"
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def worst(*verdicts):
    """The verdict over several comparisons: the least favourable one."""
    return next((side for side in (WORSE, LEVEL, OPEN, BETTER) if side in verdicts), PLAIN)
