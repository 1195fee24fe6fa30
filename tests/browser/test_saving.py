"""What saving does to the kit's notebooks: nothing that the reader did not do."""

import shutil

from lab import Notebook

from tfhkit.series.places import kit_dir


def test_opening_and_saving_changes_no_byte(lab, context):
    stored = kit_dir() / "notebooks" / "00_start_here.ipynb"
    copy = lab.root / "opened.ipynb"
    shutil.copyfile(stored, copy)
    notebook = Notebook(context.new_page(), lab, copy.name)
    try:
        notebook.save()
    finally:
        notebook.close()
    assert copy.read_bytes() == stored.read_bytes()


def test_an_answer_is_saved_and_nothing_else(lab, context):
    stored = kit_dir() / "notebooks" / "00_start_here.ipynb"
    copy = lab.root / "answered.ipynb"
    shutil.copyfile(stored, copy)
    notebook = Notebook(context.new_page(), lab, copy.name)
    try:
        index = notebook.find("raise NotAttempted  # write your code here")
        stub = notebook.sources()[index]
        notebook.edit(index, stub.replace("raise NotAttempted", "return 1"))
        notebook.save()
    finally:
        notebook.close()
    before, after = stored.read_text().splitlines(), copy.read_text().splitlines()
    changed = [(a, b) for a, b in zip(before, after) if a != b]
    assert len(before) == len(after) and len(changed) == 1 and "return 1" in changed[0][1]
