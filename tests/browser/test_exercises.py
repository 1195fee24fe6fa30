"""Exercises in JupyterLab: the stub is not attempted, a wrong answer fails, the solution passes."""

import re

import jupytext
import pytest
from playwright.sync_api import expect
from series import SOURCES

from tfhkit.pipeline.sources import EXERCISE_TAGS
from tfhkit.teach.exercises import edition, has_exercise


def exercise_cells(source):
    """Texts of a notebook's cells that belong to exercises, with their markers."""
    cells = [c for c in jupytext.read(source, fmt="py:percent").cells if c.cell_type == "code"]
    return [c.source for c in cells if set(c.metadata.get("tags", ())) & set(EXERCISE_TAGS)]


CELLS = {source.stem: exercise_cells(source) for source in SOURCES}
FIRST = {name: sum(len(c) for other, c in CELLS.items() if other < name) for name in CELLS}


def in_edition(cells, which):
    return [edition(cell, which) if has_exercise(cell) else cell for cell in cells]


@pytest.fixture(scope="module")
def notebook(module_notebook):
    """One notebook with the exercises of all; every cell imports what it needs."""
    cells = [text for cells in CELLS.values() for text in in_edition(cells, "student")]
    return module_notebook(cells, run=False)


@pytest.mark.parametrize("name", [name for name, cells in CELLS.items() if cells])
def test_stub_wrong_right(notebook, name):
    cells, first = CELLS[name], FIRST[name]

    def run(which):
        """What the cells say in an edition, a text for each."""
        said = []
        for number, text in enumerate(in_edition(cells, which), first):
            notebook.edit(number, text)
            notebook.run_cell(number, may_fail=True)
            said.append(shown(notebook, number))
        return said

    n_checks = sum("check(" in cell and not has_exercise(cell) for cell in cells)
    stub = run("student")
    assert sum("not attempted" in text for text in stub) >= n_checks
    assert not any("passed" in text or "Error" in text for text in stub)
    wrong = run("wrong")
    failed = [text for text in wrong if re.search(r"✗ .*case \d", text)]
    assert len(failed) == n_checks, "\n".join(wrong)
    right = run("solution")
    assert sum("passed" in text for text in right) >= n_checks
    assert not any("not attempted" in text or "Error" in text for text in right)
    assert notebook.errors() == []


def shown(notebook, number):
    """Text of a cell's outputs as a reader sees them."""
    outputs = notebook.cell(number).locator(".jp-OutputArea-output")
    expect(outputs).to_have_count(len(notebook.outputs(number)))
    return "\n".join(outputs.all_inner_texts())
