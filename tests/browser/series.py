"""The series' notebooks in JupyterLab with profile tiny: two run at a time, each in a copy."""

import ast
import re
import shutil
import time

from lab import CellFailed, Notebook
from watch import background

from tfhkit.pipeline.places import EXECUTED, kit_dir
from tfhkit.teach.build import notebook_from, sources_in, write_notebook

SOURCES = sources_in(kit_dir() / "notebooks")
AT_ONCE = 2  # that run; the one that a test looks at is not counted
LONGEST_S = 600  # of one notebook


def with_parameters(notebook, **values):
    """A notebook (dict, changed in place) with other defaults in its cell of parameters."""
    cell = next(c for c in notebook["cells"] if "parameters" in c["metadata"].get("tags", ()))
    text = "".join(cell["source"])
    for name, value in values.items():
        text, n = re.subn(rf"(?m)^({name}: \w+ = )[^#\n]*", rf"\g<1>{value!r}  ", text)
        assert n == 1, f"no parameter {name}"
    cell["source"] = text
    return notebook


def count_calls(source, name):
    """How often a notebook's own cells call a function at their top level.

    Args:
        source: path of its py:percent file. name: of the function.
    """
    code = notebook_from(source)["cells"]
    found = 0
    for cell in (c for c in code if c["cell_type"] == "code"):
        for node in ast.parse("".join(cell["source"])).body:
            call = node.value if isinstance(node, ast.Expr) else None
            found += isinstance(call, ast.Call) and getattr(call.func, "id", "") == name
    return found


class Series:
    """Runs the notebooks in their order; a test waits for its own.

    Args:
        new_page: function that opens an empty page. lab: the server.
        made: run directory of the whole series: each notebook reads its inputs from a copy.
    """

    def __init__(self, new_page, lab, made, names):
        self._new_page, self._lab, self._made = new_page, lab, made
        self._waiting, self._running, self._through = list(names), {}, {}
        self._folders = {}

    def wait(self, name):
        """The notebook of this name, run; raises CellFailed where a cell failed."""
        until = time.monotonic() + LONGEST_S
        while name not in self._through:
            self._go_on()
            page = next(iter(self._running.values())).page if self._running else None
            if page:
                page.wait_for_timeout(200)
            if time.monotonic() > until:
                raise CellFailed(f"{name} takes more than {LONGEST_S} s")
        notebook, fault = self._through[name]
        background.discard(notebook.page)
        if fault:
            raise fault
        return notebook

    def _go_on(self):
        while self._waiting and len(self._running) < AT_ONCE:
            name = self._waiting.pop(0)
            self._running[name] = self._start(name)
        for name, notebook in list(self._running.items()):
            fault = None
            try:
                through = notebook.check()
            except CellFailed as error:
                through, fault = True, error
            if through:
                self._through[name] = self._running.pop(name), fault

    def _start(self, name):
        out = self._folders[name] = self._lab.root / "runs" / name
        shutil.copytree(self._made, out, ignore=shutil.ignore_patterns(EXECUTED))
        source = next(path for path in SOURCES if path.stem == name)
        notebook = with_parameters(notebook_from(source), profile="tiny", out=str(out))
        write_notebook(self._lab.root / "series" / f"{name}.ipynb", notebook)
        opened = Notebook(self._new_page(), self._lab, f"series/{name}.ipynb")
        background.add(opened.page)
        opened.start()
        return opened

    def done_with(self, name):
        """Close a notebook; what it wrote is deleted."""
        opened = self._running.pop(name, None) or self._through.pop(name, (None,))[0]
        if opened:
            opened.close()
        shutil.rmtree(self._folders.pop(name), ignore_errors=True)

    def close(self):
        """Close all that are open."""
        for name in list(self._folders):
            self.done_with(name)
