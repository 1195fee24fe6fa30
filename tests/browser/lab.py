"""A notebook in JupyterLab, in a page: open it, run it, read it, save it."""

import json
import secrets
import time

from watch import errors_in, watch

PANEL_JS = """
window.tfhkitPanel = () => {
  const app = window.jupyterapp;
  for (const widget of app ? app.shell.widgets('main') : [])
    if (widget.context && widget.content && widget.content.widgets) return widget;
  return null;
};
window.tfhkitRun = (command) => {
  const state = window.tfhkitLast = {done: false, fault: null};
  window.jupyterapp.commands.execute(command).then(
    () => { state.done = true; }, (e) => { state.done = true; state.fault = String(e); });
};
window.tfhkitState = () => {
  const panel = window.tfhkitPanel(), cells = panel.content.widgets;
  const code = cells.filter((c) => c.model.type == 'code');
  const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
  let error = null;
  cells.forEach((cell, index) => {
    for (const output of window.tfhkitOutputs(cell))
      if (output.output_type == 'error' && !error)
        error = {index, name: output.ename, text: output.evalue,
                 traceback: (output.traceback || []).join('\\n')};
  });
  return {...window.tfhkitLast, error, kernel: kernel ? kernel.status : 'none',
          ran: code.filter((c) => c.model.executionCount).length, cells: code.length};
};
window.tfhkitOutputs = (cell) => {
  const found = [], outputs = cell.model.outputs;
  for (let i = 0; outputs && i < outputs.length; i++) found.push(outputs.get(i).toJSON());
  return found;
};
"""
READY_JS = """
() => {
  const panel = window.tfhkitPanel && window.tfhkitPanel();
  const session = panel && panel.context.isReady && panel.sessionContext.session;
  return Boolean(session && session.kernel && session.kernel.status == 'idle'
    && panel.content.widgets.length);
}
"""


class CellFailed(AssertionError):
    """A cell of a notebook under test showed an error."""


class Notebook:
    """A notebook, open in JupyterLab's single-document mode.

    Attributes:
        page: Playwright's page. lab: the server. path: Path of the file.
    """

    def __init__(self, page, lab, path):
        self.page, self.lab = page, lab
        self.path = lab.root / path
        watch(page)
        page.add_init_script(PANEL_JS)
        room = f"doc/workspaces/t{secrets.token_hex(4)}/tree"
        page.goto(f"{lab.url}/{room}/{path}?token={lab.token}", wait_until="commit")
        page.wait_for_function(READY_JS, timeout=120_000)

    # --- running

    def start(self, command="notebook:run-all-cells"):
        """Start a command of JupyterLab, without waiting for it."""
        self.page.evaluate("(command) => window.tfhkitRun(command)", command)

    def state(self):
        """dict: done, fault, error (index, name, text, traceback) or None, kernel, ran, cells."""
        return self.page.evaluate("() => window.tfhkitState()")

    def check(self, may_fail=False):
        """Whether the command is through.

        Raises:
            CellFailed: a cell shows an error, or the kernel is gone.
        """
        state = self.state()
        error = state["error"]
        if error and not may_fail:
            self.show_cell(error["index"])
            raise CellFailed(f"{self.path.name}, cell {error['index']}: {error['name']}: "
                             f"{error['text']}\n{error['traceback'][-3000:]}")  # fmt: skip
        if state["fault"] or state["kernel"] in ("dead", "autorestarting", "none"):
            raise CellFailed(f"{self.path.name}: {state['fault'] or 'its kernel is gone'}")
        return state["done"] and state["kernel"] == "idle"

    def wait(self, timeout_s=120, may_fail=False):
        """Wait until the command is through; an error in a cell ends it at once."""
        until = time.monotonic() + timeout_s
        while not self.check(may_fail):
            if time.monotonic() > until:
                raise CellFailed(f"{self.path.name}: not through after {timeout_s} s; "
                                 f"{self.state()}")  # fmt: skip
            self.page.wait_for_timeout(50)

    def run_all(self, timeout_s=120, may_fail=False):
        """Run all cells and wait for them."""
        self.start()
        self.wait(timeout_s, may_fail)

    def run_cell(self, index, timeout_s=120, may_fail=False):
        """Run one cell; returns its outputs."""
        self.select(index)
        self.start("notebook:run-cell")
        self.wait(timeout_s, may_fail)
        return self.outputs(index)

    def save(self):
        """Save the notebook; returns the file's content."""
        self.start("docmanager:save")
        self.page.wait_for_function("() => window.tfhkitLast.done")
        return json.loads(self.path.read_text(encoding="utf-8"))

    def is_changed(self):
        """Whether JupyterLab would ask to save it, once the kernel has said what it is."""
        told = "window.tfhkitPanel().context.model.sharedModel.getMetadata('language_info')"
        self.page.wait_for_function(f"() => ({told} || {{}}).version")
        self.page.wait_for_timeout(500)
        return self.page.evaluate("() => window.tfhkitPanel().context.model.dirty")

    # --- reading and editing

    def sources(self):
        """Texts of all cells."""
        return self.page.evaluate(
            "() => window.tfhkitPanel().content.widgets.map((c) => c.model.sharedModel.getSource())"
        )

    def outputs(self, index):
        """Outputs of a cell, as in the file."""
        return self.page.evaluate(
            "(i) => window.tfhkitOutputs(window.tfhkitPanel().content.widgets[i])", index
        )

    def text(self, index):
        """What a cell printed (both streams), with the words of its error."""
        found = self.outputs(index)
        return "".join(
            "".join(o["text"]) if o["output_type"] == "stream" else
            f"{o['ename']}: {o['evalue']}\n" if o["output_type"] == "error" else ""
            for o in found
        )  # fmt: skip

    def find(self, words):
        """Index of the first cell whose text has these words."""
        return next(i for i, text in enumerate(self.sources()) if words in text)

    def edit(self, index, source):
        """Replace a cell's text."""
        self.page.evaluate(
            "([i, text]) => window.tfhkitPanel().content.widgets[i]"
            ".model.sharedModel.setSource(text)",
            [index, source],
        )

    def select(self, index):
        """Make a cell the active one."""
        self.page.evaluate(
            "(i) => { const notebook = window.tfhkitPanel().content;"
            " notebook.deselectAll(); notebook.activeCellIndex = i; }",
            index,
        )

    def cell(self, index):
        """Locator of a cell."""
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def show_cell(self, index):
        """Scroll a cell into view; returns its locator."""
        cell = self.cell(index)
        cell.scroll_into_view_if_needed()
        return cell

    def errors(self):
        """All that is wrong in the page, as lines: see `watch.errors_in`."""
        return errors_in(self.page)

    def close(self):
        """End the kernel and the page."""
        if not self.page.is_closed():
            self.page.close()
        for session in self.lab.ask("api/sessions"):
            if session["path"] == self.path.relative_to(self.lab.root).as_posix():
                self.lab.ask(f"api/sessions/{session['id']}", "DELETE")


def write_cells(path, cells):
    """Write a notebook of code cells.

    Args:
        path: of the file. cells: list of source texts.
    """
    made = [
        {
            "cell_type": "code",
            "id": f"cell-{number:03d}",
            "metadata": {},
            "execution_count": None,
            "outputs": [],
            "source": source,
        }
        for number, source in enumerate(cells)
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": made, "metadata": {"kernelspec": kernel}, "nbformat": 4}
    path.write_text(json.dumps({**notebook, "nbformat_minor": 5}), encoding="utf-8")
