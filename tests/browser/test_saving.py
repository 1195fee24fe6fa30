"""What saving does to the kit's notebooks: nothing that the reader did not do."""

import shutil
from contextlib import contextmanager

from lab import Notebook

from tfhkit.pipeline.places import kit_dir

STORED = kit_dir() / "notebooks" / "00_start_here.ipynb"


@contextmanager
def opened(lab, context, name):
    """A copy of a stored notebook, open in JupyterLab."""
    shutil.copyfile(STORED, lab.root / name)
    notebook = Notebook(context.new_page(), lab, name)
    try:
        yield notebook
    finally:
        notebook.close()


def test_opening_and_saving_changes_no_byte(lab, context):
    with opened(lab, context, "opened.ipynb") as notebook:
        assert not notebook.is_changed(), "nothing has been done to it"
        notebook.save()
    assert notebook.path.read_bytes() == STORED.read_bytes()


def test_an_answer_is_saved_and_nothing_else(lab, context):
    with opened(lab, context, "answered.ipynb") as notebook:
        index = notebook.find("raise NotAttempted  # write your code here")
        stub = notebook.sources()[index]
        notebook.edit(index, stub.replace("raise NotAttempted", "return 1"))
        notebook.save()
    before, after = (path.read_text().splitlines() for path in (STORED, notebook.path))
    changed = [(a, b) for a, b in zip(before, after) if a != b]
    assert len(before) == len(after) and len(changed) == 1 and "return 1" in changed[0][1]
