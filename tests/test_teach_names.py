"""Exercises leave the lesson's names alone: solving one must not change what a later cell shows."""

import ast
import symtable

import jupytext
import pytest

from tfhkit.pipeline.places import kit_dir
from tfhkit.pipeline.sources import EXERCISE_TAGS
from tfhkit.teach.build import sources_in
from tfhkit.teach.exercises import edition, has_exercise

SOURCES = sources_in(kit_dir() / "notebooks")


def table_of(code):
    """Symbol table of a cell, without the lines that only IPython understands."""
    lines = (line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))
    return symtable.symtable("\n".join(lines), "cell", "exec")


def scopes(table):
    yield table
    for child in table.get_children():
        yield from scopes(child)


def bound(code):
    """Global names that a cell gives a meaning: by assignment, def, import, for, with, global."""
    top = table_of(code)
    names = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    inner = (s for table in scopes(top) if table is not top for s in table.get_symbols())
    return names | {s.get_name() for s in inner if s.is_declared_global() and s.is_assigned()}


def mentioned(code):
    """Global names that a cell binds or reads, also from inside its functions."""
    top = table_of(code)
    inner = (s for table in scopes(top) if table is not top for s in table.get_symbols())
    return set(top.get_identifiers()) | {s.get_name() for s in inner if s.is_global()}


def imports(code):
    """Global names that a cell imports -> the thing behind each."""
    lines = (line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))
    found = {}
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.split(".")[0]] = alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def editions(cell):
    """All texts that a student's notebook may have in the place of a cell."""
    if not has_exercise(cell):
        return [cell]
    wrong = [edition(cell, "wrong", k) for k in range(cell.count("### wrong"))]
    return [edition(cell, "student"), edition(cell, "solution"), *wrong]


def collisions(cells):
    """Names that exercises of a notebook bind although its lesson binds or reads them.

    Args:
        cells: list of (is an exercise's, source text) of its code cells.
    Returns:
        list of "name: first line of the exercise's cell".
    """
    lesson = [text for is_exercise, text in cells if not is_exercise]
    known, meaning, own = set(), {}, set()
    for text in lesson:
        known |= mentioned(text)
        own |= bound(text) - set(imports(text))
        for name, thing in imports(text).items():
            meaning.setdefault(name, set()).add(thing)
    found = []
    for text in (text for is_exercise, cell in cells if is_exercise for text in editions(cell)):
        here = imports(text)
        for name in sorted(bound(text) & known - {"_"}):  # "_" is what nobody reads
            same_import = name in here and {here[name]} == meaning.get(name) and name not in own
            if not same_import:
                found.append(f"{name}: {text.strip().splitlines()[0]}")
    return list(dict.fromkeys(found))


def code_cells(source):
    cells = [c for c in jupytext.read(source, fmt="py:percent").cells if c.cell_type == "code"]
    return [(bool(set(c.metadata.get("tags", ())) & set(EXERCISE_TAGS)), c.source) for c in cells]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_exercises_leave_the_lessons_names_alone(source):
    assert collisions(code_cells(source)) == []


LESSON = "import numpy as np\n_ = 0\nmemory = np.ones(3)\ndef show():\n    return memory, later"


@pytest.mark.parametrize(
    "exercise, name",
    [
        ("memory = 1", "memory"),
        ("def memory(): pass", "memory"),
        ("import torch as np", "np"),
        ("for memory in range(3): pass", "memory"),
        ("with open('x') as memory: pass", "memory"),
        ("def f():\n    global memory\n    memory = 2", "memory"),
        ("later, other = 1, 2", "later"),
        ("(memory := 3)", "memory"),
        ("from x import show", "show"),
        ("class show: pass", "show"),
    ],
)
def test_collisions_are_found(exercise, name):
    found = collisions([(False, LESSON), (True, exercise)])
    assert [line.split(":")[0] for line in found] == [name]


@pytest.mark.parametrize(
    "exercise",
    [
        "import numpy as np\nx = memory",
        "def f(memory):\n    np = 2\n    return [show for show in (1, 2)]",
        "for _ in range(3): pass",
        "%matplotlib inline\nother = {memory: 1 for memory in range(2)}",
    ],
)
def test_what_is_no_collision(exercise):
    assert collisions([(False, LESSON), (True, exercise)]) == []
