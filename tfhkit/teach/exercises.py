"""Exercises: one source gives a student's and a solution's edition, and checks test answers.

In a notebook's source an exercise is a cell tagged `exercise`; the lines between the markers
are exchanged, the lines around them are common to all editions:

    # %% tags=["exercise"]
    def eq3(colour, attention, rendering):
        \"\"\"Eq. 3: blend the colour over the rendering.\"\"\"
        ### solution
        return attention * colour + (1 - attention) * rendering
        ### wrong
        # return attention * rendering + (1 - attention) * colour
        ### end

    # %% tags=["check"]
    check("Eq. 3", eq3, [((0.8, 0.25, 0.4), 0.5), ((1.0, 0.0, 0.3), 0.3)])

Optional: `### stub` with commented lines (default: `raise NotAttempted`), several `### wrong`.
Cells tagged `exercise-setup`, `exercise` and `check` must run by themselves, in this order,
without the rest of the notebook (they import what they need): so they are tested.
"""

import copy
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from tfhkit.teach.verdicts import arguments_in_words, differ, refused_definition, where_raised

Edition = Literal["student", "solution", "wrong"]
RIGHT, WRONG, NOT_ATTEMPTED = "\u2713", "\u2717", "\u25cb"  # each with its meaning in words
_MARK = re.compile(r"^(?P<indent>\s*)### (?P<part>solution|stub|wrong|end)\s*$")
_STUB = "raise NotAttempted  # write your code here, then run the check below"


class NotAttempted(Exception):
    """Raised by the stub of an exercise; a check then says "not attempted" and continues."""


class CheckFailed(AssertionError):
    """A check's answer to a wrong solution: the case, what was expected and what came."""

    def _render_traceback_(self):
        return str(self).splitlines()  # IPython shows these lines in place of the traceback


def check(
    name: str,
    function: Callable[..., Any],
    cases: Sequence[Sequence[Any]],
    rtol: float = 1e-4,
    atol: float = 1e-5,
) -> None:
    """Check a student's function: print "passed" or "not attempted", or raise what is wrong.

    Args:
        name: name of the exercise, for the message.
        function: the student's function. It is "not attempted" if it raises NotAttempted, or
            returns None or ... in every case.
        cases: (args, expected) or (args, expected, hint) of each case. `args` is a tuple (anything
            else is taken as the only argument). `expected` is a number, string, array, tensor,
            or a tuple/list/dict of them; or a callable that gets the answer and returns None
            (right) or a sentence that says what is wrong; a reference function's answers are
            written as `(args, reference(*args))`.
        rtol, atol: tolerances for numbers, as in `numpy.allclose`.
    Raises:
        CheckFailed: an answer is wrong, or the function raises.
    """
    refused = refused_definition(getattr(function, "__name__", ""))
    if refused:
        text = f"{WRONG} {name}: the function's cell has an error and was not run; {refused}."
        raise CheckFailed(text)
    blank = 0
    for number, case in enumerate(cases, 1):
        args, expected, *hint = case
        args = args if isinstance(args, tuple) else (args,)
        try:
            answer = function(*copy.deepcopy(args))
        except (NotAttempted, NotImplementedError):
            print(f"{NOT_ATTEMPTED} {name}: not attempted")
            return
        except Exception as error:  # whatever a student's code raises is a wrong answer
            fault: str | None = where_raised(error, function)
        else:
            if (answer is None and expected is not None) or answer is ...:
                blank += 1
                continue
            fault = expected(answer) if callable(expected) else differ(answer, expected, rtol, atol)
        if isinstance(fault, str):
            lines = [f"{WRONG} {name}, case {number} of {len(cases)}: {fault.rstrip('.')}."]
            lines += [f"  Called with {arguments_in_words(function, args)}"]
            lines += [f"  Hint: {text.rstrip('.')}." for text in hint]
            raise CheckFailed("\n".join(lines))
    if blank == len(cases):
        print(f"{NOT_ATTEMPTED} {name}: not attempted")
    elif blank:
        fault = f"returns nothing in {blank} of {len(cases)} cases"
        raise CheckFailed(f"{WRONG} {name}: the function {fault}.")
    else:
        print(f"{RIGHT} {name}: passed ({len(cases)} case{'s' * (len(cases) > 1)})")


def has_exercise(source: str) -> bool:
    """Whether a cell's source has a marked region."""
    return any(_MARK.match(line) for line in source.splitlines())


def edition(source: str, which: Edition, wrong: int = 0) -> str:
    """One edition of an exercise cell.

    Args:
        source: the cell's text with its markers.
        which: the edition.
        wrong: number of the planted wrong answer.
    Returns:
        The text without markers.
    Raises:
        ValueError: markers that do not match, or a region without a wrong answer.
    """
    lines: list[str] = []
    part: list[str] | None = None
    regions: list[dict[str, Any]] = []
    for line in source.splitlines():
        mark = _MARK.match(line)
        if mark is None:
            (lines if part is None else part).append(line)
        elif mark["part"] == "solution" and part is None:
            part = []
            regions.append({"indent": mark["indent"], "wrong": [], "stub": [], "solution": part})
        elif mark["part"] == "solution" or part is None:
            raise ValueError(f"marker {line.strip()!r} out of place in an exercise cell")
        elif mark["part"] == "end":
            part = None
            lines.extend(_lines_of(regions[-1], which, wrong))
        else:
            part = []
            kind = mark["part"]
            regions[-1][kind] = [*regions[-1]["wrong"], part] if kind == "wrong" else part
    if part is not None:
        raise ValueError("an exercise's region has no '### end'")
    return "\n".join(lines)


def _lines_of(region, which, wrong):
    indent = region["indent"]
    if not region["wrong"]:
        raise ValueError("an exercise needs a planted wrong answer ('### wrong')")
    if which == "solution":
        return region["solution"]
    if which == "student":
        return _uncomment(region["stub"]) or [indent + _STUB]
    return _uncomment(region["wrong"][wrong % len(region["wrong"])])


def _uncomment(lines):
    return [re.sub(r"^(\s*)# ?", r"\1", line) for line in lines]
