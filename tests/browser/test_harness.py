"""The harness itself: does it see what is wrong in a page?"""

import pytest
from lab import CellFailed


@pytest.fixture(scope="module")
def notebook(module_notebook):
    return module_notebook(["a = 1 + 1\nprint('a is', a)", "a"])


def test_a_cell_is_run_edited_and_saved(notebook):
    assert notebook.text(0) == "a is 2\n"
    notebook.edit(0, "print('edited')")
    notebook.run_cell(0)
    assert notebook.text(0) == "edited\n" and notebook.errors() == []
    assert notebook.save()["cells"][0]["source"] in ("print('edited')", ["print('edited')"])
    assert notebook.find("edited") == 0


def test_an_error_in_a_cell_fails(notebook):
    notebook.edit(1, "1 / 0")
    with pytest.raises(CellFailed, match="cell 1: ZeroDivisionError"):
        notebook.run_all()
    assert any("ZeroDivisionError" in line for line in notebook.errors())
    assert notebook.run_cell(1, may_fail=True)[0]["evalue"] == "division by zero"
    assert notebook.text(1) == "ZeroDivisionError: division by zero\n"


FAULTS = {
    "from IPython.display import HTML; HTML('<audio controls></audio>')": "empty player",
    "from IPython.display import HTML; HTML('<img src=\"data:image/gif;base64,R0lGODlhAQABAAAAACw"
    "=\">')": "without alternative text",
    "from IPython.display import Javascript; Javascript('throw Error(\"planted\")')": "planted",
    "import sys; print('Traceback', file=sys.stderr)": "stderr",
    "import ipywidgets; ipywidgets.Image(value=b'', tooltip='x')": "javascript error",
}


@pytest.mark.parametrize("source", FAULTS, ids=list(FAULTS.values()))
def test_planted_faults_are_found(notebook, source):
    notebook.edit(1, source)
    notebook.run_cell(1)
    assert any(FAULTS[source] in line for line in notebook.errors()), notebook.errors()
