"""A browser, JupyterLab and notebooks in it, for the tests of this folder.

`lab` is one server for all; `mini_notebook(cells)` opens a small notebook in it and runs it,
`module_notebook` the same for all tests of a file; `page` is an empty page for anything else.
"""

import itertools
import re
from contextlib import contextmanager
from pathlib import Path

import pytest
from chromium import give_up, launch
from lab import Notebook, write_cells
from server import LabServer
from watch import background, watch

from tfhkit.pipeline.places import kit_dir

SCREENSHOTS = kit_dir() / ".cache" / "browser"
LONG_MS = 120_000  # a busy machine is no fault; what never comes still fails
_numbers = itertools.count(1)
_contexts = []  # of the browser now open


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
    # the longest file first, so that no worker ends long after the others
    items.sort(key=lambda item: item.path.name != "test_notebooks.py")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and call.when != "teardown" and Path(__file__).parent in item.path.parents:
        _keep_screenshots(re.sub(r"[^\w.-]+", "_", item.nodeid.rpartition("/")[2]))
    return report


def _keep_screenshots(name):
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    pages = [p for context in _contexts for p in context.pages if p not in background]
    for number, page in enumerate(pages):
        tail = f"-{number + 1}" if len(pages) > 1 else ""
        page.screenshot(path=SCREENSHOTS / f"{name}{tail}.png", timeout=10_000)


@pytest.fixture(scope="session")
def chromium():
    """Playwright's browser; without one the tests are skipped, or fail in CI."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        give_up("Playwright is missing; pip install playwright")
    playwright = sync_playwright().start()
    try:
        browser = launch(playwright)
        yield browser
        browser.close()
    finally:
        playwright.stop()


@pytest.fixture(scope="session")
def context(chromium):
    """The browser's context that all tests share, so that JupyterLab's files are loaded once."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(LONG_MS)
    _contexts.append(context)
    yield context
    _contexts.remove(context)
    context.close()


@pytest.fixture(scope="session")
def lab(chromium, tmp_path_factory):
    """One JupyterLab server (`server.LabServer`) for all tests; `lab.root` is its folder."""
    server = LabServer(tmp_path_factory.mktemp("lab"))
    yield server
    server.stop()


@pytest.fixture
def page(context):
    """An empty page whose faults are collected: `watch.errors_in(page)`."""
    page = watch(context.new_page())
    yield page
    page.close()


@contextmanager
def _opener(context, lab):
    """A function that opens a notebook of code cells; all are closed at the end."""
    opened = []

    def open_cells(cells, run=True, timeout_s=LONG_MS / 1000):
        """A notebook of these code cells, open and (unless run=False) run.

        Args:
            cells: list of source texts. run: run them all, an error in one fails the test.
            timeout_s: for all cells together.
        Returns:
            lab.Notebook.
        """
        path = f"mini_{next(_numbers):03d}.ipynb"
        write_cells(lab.root / path, cells)
        notebook = Notebook(context.new_page(), lab, path)
        opened.append(notebook)
        if run:
            notebook.run_all(timeout_s)
        return notebook

    try:
        yield open_cells
    finally:
        for notebook in opened:
            notebook.close()


@pytest.fixture
def mini_notebook(context, lab):
    """`mini_notebook(cells)`: see `open_cells` above; closed after the test."""
    with _opener(context, lab) as open_cells:
        yield open_cells


@pytest.fixture(scope="module")
def module_notebook(context, lab):
    """As `mini_notebook`, closed after the last test of the file."""
    with _opener(context, lab) as open_cells:
        yield open_cells
