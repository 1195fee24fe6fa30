"""Exercises: editions, verdicts, and every exercise of the series against its planted answers."""

import linecache

import jupytext
import numpy as np
import pytest
import torch

from tfhkit.pipeline.places import kit_dir
from tfhkit.pipeline.sources import EXERCISE_TAGS
from tfhkit.teach import CheckFailed, NotAttempted, check
from tfhkit.teach.build import sources_in
from tfhkit.teach.exercises import edition, has_exercise

CELL = '''def f(x):
    """Twice."""
    ### solution
    y = 2 * x
    return y
    ### wrong
    # return x
    ### wrong
    # return 3 * x
    ### end'''
SOURCES = sources_in(kit_dir() / "notebooks")


def run(source):
    names = {"NotAttempted": NotAttempted}
    exec(source, names)
    return names["f"]


def test_editions():
    assert run(edition(CELL, "solution"))(4) == 8
    assert run(edition(CELL, "wrong", 0))(4) == 4
    assert run(edition(CELL, "wrong", 1))(4) == 12
    with pytest.raises(NotAttempted):
        run(edition(CELL, "student"))(4)
    assert "###" not in edition(CELL, "student")


def test_a_stub_of_its_own():
    source = CELL.replace("    ### wrong", "    ### stub\n    # return None\n    ### wrong", 1)
    assert run(edition(source, "student"))(1) is None


@pytest.mark.parametrize(
    "source, words",
    [
        ("### solution\nx = 1\n### end", "planted wrong answer"),
        ("### solution\nx = 1\n### wrong\n# x = 2", "no '### end'"),
        ("### end", "out of place"),
    ],
)
def test_marks_that_do_not_match(source, words):
    with pytest.raises(ValueError, match=words):
        edition(source, "solution")


def stub(*_):
    raise NotAttempted


@pytest.mark.parametrize("function", [stub, lambda *_: None, lambda *_: ...])
def test_not_attempted(function, capsys):
    assert check("it", function, [((1,), 2), ((2,), 4)]) is None  # a notebook would show it again
    assert capsys.readouterr().out == "○ it: not attempted\n"


def test_passed(capsys):
    cases = [
        ((np.ones(3),), 3.0),
        ((torch.ones(2, 2),), torch.tensor(4.0)),
        (np.zeros(4), lambda answer: None),
    ]
    assert check("sum", lambda x: x.sum(), cases) is None
    check("pair", lambda x: (x, {"a": [x, "t"]}), [(1, (1, {"a": [1, "t"]}))])
    check("nothing", lambda x: None, [(1, None)])
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["✓ sum: passed (3 cases)", "✓ pair: passed (1 case)"] and len(said) == 3


@pytest.mark.parametrize(
    "function, expected, words",
    [
        (lambda x: x, 2, "case 1 of 1: expected 2, got 1"),
        (lambda x: np.ones(3), np.ones(2), r"expected shape \(2,\), got \(3,\)"),
        (lambda x: np.ones(2), np.array([1.0, 3.0]), r"expected 3 at \(1,\), got 1 .1 of 2"),
        (lambda x: float("nan"), 1.0, "got nan"),
        (lambda x: "one", 1.0, "expected numbers of shape"),
        (lambda x: 1, (1, 2), "expected 2 values"),
        (lambda x: (1, 3), (1, 2), r"value \[1\]: expected 2, got 3"),
        (lambda x: {"a": 1}, {"b": 1}, "expected a dict with the keys"),
        (lambda x: True, False, "expected False"),
        (lambda x: x.foo, 1, "line .*: AttributeError: 'int'"),
        (lambda x: 7, lambda answer: f"{answer} is no good", "7 is no good"),
    ],
)
def test_wrong_answers(function, expected, words):
    with pytest.raises(CheckFailed, match=words):
        check("it", function, [((1,), expected)])


def test_hint_and_partly_blank():
    with pytest.raises(CheckFailed, match="Hint: mind the sign"):
        check("it", lambda x: -x, [(1, 1, "mind the sign")])
    with pytest.raises(CheckFailed, match="nothing in 1 of 2"):
        check("it", lambda x: x if x > 1 else None, [(1, 1), (2, 2)])


def test_the_arguments_of_the_failing_case_are_shown_short():
    def f(x, keys, match):
        return x

    cases = [((3, torch.ones(4, 5), np.arange(3)), 3), ((7, torch.eye(3), "a" * 200), 8)]
    with pytest.raises(CheckFailed) as found:
        check("it", f, cases)
    first, second = str(found.value).splitlines()
    assert first == "✗ it, case 2 of 2: expected 8, got 7."
    assert second.startswith("  Called with x = 7, keys = tensor of shape (3, 3), match = 'aaa")
    assert second.endswith("a ...") and len(second) < 130
    with pytest.raises(CheckFailed, match=r"Called with tensor of shape \(4, 5\), all 1, 2"):
        check("it", lambda *_: 0, [((torch.ones(4, 5), 2), 1)])


def test_an_exception_names_the_line_of_the_students_code():
    lines = ["def f(y):", "    z = [1]", "    return part(z, y)", "", "def part(z, y):"]
    lines += ["    return np.ones(2)[z[y]]"]
    name, names = "/tmp/ipykernel_1/23.py", {"np": np}
    linecache.cache[name] = (1, None, [f"{line}\n" for line in lines], name)
    exec(compile("\n".join(lines), name, "exec"), names)
    with pytest.raises(CheckFailed) as found:
        check("it", names["f"], [(1, 1)])
    assert str(found.value).splitlines() == [
        "✗ it, case 1 of 1: line 6: return np.ones(2)[z[y]]: IndexError: list index out of range.",
        "  Called with y = 1",
    ]
    with pytest.raises(CheckFailed, match=r"TypeError: f\(\) takes 1"):  # no line of the student's
        check("it", names["f"], [((1, 2), 1)])


def test_a_notebook_shows_a_verdict_once_and_no_traceback(capsys):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    shell.run_cell("from tfhkit.teach import check\ncheck('it', lambda x: x, [(1, 1)])")
    assert capsys.readouterr().out == "✓ it: passed (1 case)\n"
    shell.run_cell("check('it', lambda x: x, [(1, 2)])")
    said = capsys.readouterr().out
    assert "✗ it, case 1 of 1: expected 2, got 1." in said and "Traceback" not in said


def test_arguments_are_kept_from_the_students_code():
    data = np.ones(2)

    def spoil(x):
        x *= 0
        return 0

    check("it", spoil, [((data,), 0)])
    assert data.sum() == 2


def exercises(source):
    """(number of the exercise, number of its planted answers) of a notebook's source."""
    cells = [c for c in jupytext.read(source, fmt="py:percent").cells if c.cell_type == "code"]
    return [
        (index, cell.source.count("### wrong"))
        for index, cell in enumerate(cells)
        if has_exercise(cell.source)
    ]


def run_exercises(source, which, planted=None, wrong=0):
    """Run the exercise cells of a notebook alone; `planted` gets a wrong answer."""
    names = {"__name__": "exercises"}
    cells = [c for c in jupytext.read(source, fmt="py:percent").cells if c.cell_type == "code"]
    for index, cell in enumerate(cells):
        if set(cell.metadata.get("tags", ())) & set(EXERCISE_TAGS):
            is_one = has_exercise(cell.source)
            kind = "wrong" if index == planted else which
            exec(edition(cell.source, kind, wrong) if is_one else cell.source, names)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_solutions_pass_stubs_are_not_attempted(source, capsys):
    n = len(exercises(source))
    run_exercises(source, "solution")
    said = capsys.readouterr().out
    assert "not attempted" not in said and said.count(": passed") >= n
    run_exercises(source, "student")
    said = capsys.readouterr().out
    assert said.count(": not attempted") >= n and "passed" not in said


@pytest.mark.slow
@pytest.mark.parametrize(
    "source, planted, wrong",
    [
        pytest.param(source, index, wrong, id=f"{source.stem}-{index}-{wrong}")
        for source in SOURCES
        for index, n_wrong in exercises(source)
        for wrong in range(n_wrong)
    ],
)
def test_planted_wrong_answers_are_rejected(source, planted, wrong):
    with pytest.raises(CheckFailed):
        run_exercises(source, "solution", planted, wrong)


def test_notebook_06_has_two_exercises():
    source = kit_dir() / "notebooks" / "src" / "06_hs_metric.py"
    if not source.is_file():
        pytest.skip("notebook 06 is not there")
    assert len(exercises(source)) >= 2


def test_a_cell_that_python_refused_is_not_checked_by_its_earlier_version(monkeypatch):
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell()
    monkeypatch.setattr("IPython.get_ipython", lambda: shell)
    shell.user_ns |= {"check": check}
    ask = "check('twice', twice, [(2, 4)])"

    def verdict(source):
        shell.run_cell(source, store_history=True)
        return shell.run_cell(ask, store_history=True).error_in_exec

    assert verdict("def twice(x):\n    return 2 * x") is None
    fault = verdict("def twice(x):\n    return 2 * * x")
    assert isinstance(fault, CheckFailed) and "was not run; line 2: SyntaxError" in str(fault)
    assert verdict("def twice(x):\n    return x + x") is None
