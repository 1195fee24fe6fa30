"""Every notebook of the series in JupyterLab: it runs, and everything in it is alive."""

import pytest
from operating import operate
from series import SOURCES, Series, count_calls

SHOWN_BY = {
    "explore": "explorer",
    "play": "player",
    "scrub": "scrubber",
    "show_linked_pairs": "brushing",
    "viewing_test": "viewing",
    "user_study": "viewing",
    "show_plotly": "plotly",
}


@pytest.fixture(scope="module")
def running(context, lab, tiny_run, request):
    """Runs those notebooks whose tests were chosen."""
    chosen = [item.callspec.params["source"].stem for item in request.session.items
              if item.path == request.path and "source" in getattr(item, "callspec", _None).params
              and item.originalname == "test_a_notebook_runs_and_is_alive"]  # fmt: skip
    series = Series(context.new_page, lab, tiny_run[0], chosen)
    yield series
    series.close()


class _None:
    params = {}


@pytest.fixture
def notebook(running, source):
    """The notebook, run; closed after the test."""
    yield running.wait(source.stem)
    running.done_with(source.stem)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_runs_and_is_alive(notebook, source):
    faults = notebook.errors()
    kinds, found = operate(notebook.page)
    faults += found
    for function, kind in SHOWN_BY.items():
        calls = count_calls(source, function)
        if kinds.count(kind) < calls:
            faults.append(f"{calls} calls of {function}(), but there are only {kinds}")
    faults += [fault for fault in notebook.errors() if fault not in faults]
    assert not faults, "\n".join([f"{len(faults)} faults in {source.stem}:", *faults])
