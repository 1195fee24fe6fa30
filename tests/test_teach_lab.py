"""A reader's copies of the notebooks, and what is left of a live notebook when it is saved."""

import copy
import json
import platform
import subprocess
import sys
import time

import nbformat
import pytest
from jupyter_client.kernelspec import KernelSpec
from nbformat.sign import NotebookNotary

from tfhkit.errors import InputError
from tfhkit.pipeline import places
from tfhkit.teach.build import write_notebook
from tfhkit.teach.display import MARK, PLOTLY, WIDGET
from tfhkit.teach.lab import FOLDER, lab_options, prepare_copies
from tfhkit.teach.server import tidy_notebook


def notebook(edition="one", outputs=()):
    cell = {
        "cell_type": "code", "id": "a", "metadata": {}, "source": "1", "execution_count": 1,
        "outputs": list(outputs),
    }  # fmt: skip
    return {
        "cells": [cell], "metadata": {MARK: {"edition": edition}}, "nbformat": 4,
        "nbformat_minor": 5,
    }  # fmt: skip


@pytest.fixture
def kit(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    for name in ("00_first", "01_second"):
        write_notebook(tmp_path / "notebooks" / f"{name}.ipynb", notebook())
    return tmp_path


def test_copies_are_made_once_and_never_overwritten(kit):
    assert prepare_copies(kit) == (["00_first", "01_second"], [])
    answer = kit / FOLDER / "00_first.ipynb"
    answer.write_text(answer.read_text().replace('"1"', '"my answer"'))
    write_notebook(kit / "notebooks" / "00_first.ipynb", notebook("two"))
    assert prepare_copies(kit) == ([], ["00_first"])
    assert "my answer" in answer.read_text()


def test_fresh_copies_are_trusted(kit):
    prepare_copies(kit)
    copied = nbformat.read(kit / FOLDER / "00_first.ipynb", as_version=4)
    assert NotebookNotary().check_signature(copied)


def test_readers_of_one_installation_have_their_own_folders(kit, tmp_path, monkeypatch):
    monkeypatch.delenv("TFHKIT_NOTEBOOKS", raising=False)
    monkeypatch.setattr(places, "STEPS", ("00_first", "01_second"))
    for reader in ("ada", "bo"):
        mine = tmp_path / reader
        mine.mkdir()
        assert len(prepare_copies(kit, mine)[0]) == 2
        for inside in (mine, mine / FOLDER):  # where the command and where a notebook runs
            monkeypatch.chdir(inside)
            assert places.base_dir() == mine and places.resolve_out("runs/a") == mine / "runs/a"
    assert not (kit / FOLDER).exists()


def test_a_folder_that_cannot_be_written(kit):
    (kit / FOLDER).write_text("a file")
    with pytest.raises(InputError, match="cannot be written"):
        prepare_copies(kit)


def test_a_reader_s_copies_are_the_series_where_they_are_run(tmp_path, monkeypatch):
    monkeypatch.delenv("TFHKIT_NOTEBOOKS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert places.notebooks_dir() == places.kit_dir() / "notebooks"
    for name in places.STEPS:
        (tmp_path / f"{name}.ipynb").write_text("{}")
    assert places.notebooks_dir() == tmp_path


def test_a_live_picture_is_saved_as_its_static_one():
    live = {WIDGET: {"model_id": "x"}, "text/html": "<img>", "text/plain": "alt"}
    marked = {"output_type": "display_data", "data": live, "metadata": {MARK: {"static": True}}}
    others = {"output_type": "display_data", "data": dict(live), "metadata": {}}
    saved = notebook(outputs=[marked, others])
    tidy_notebook(saved)
    first, second = saved["cells"][0]["outputs"]
    assert set(first["data"]) == {"text/html", "text/plain"}
    assert WIDGET in second["data"], "somebody else's widget"


def test_a_drawn_plotly_figure_is_saved_without_its_copy():
    data = {PLOTLY: {"data": []}, "text/html": "<img>", "image/png": "drawn by the extension"}
    marked = {"output_type": "display_data", "data": data, "metadata": {MARK: {"static": True}}}
    saved = notebook(outputs=[marked])
    tidy_notebook(saved)
    assert set(saved["cells"][0]["outputs"][0]["data"]) == {PLOTLY, "text/html"}


def test_saving_leaves_nothing_of_the_session_in_the_kit_s_notebooks():
    saved = notebook()
    tidy_notebook(saved)
    clean = copy.deepcopy(saved)
    saved["metadata"] |= {"widgets": {"state": {}}, "toc": 1}
    saved["metadata"]["language_info"] |= {"version": "3.12.1", "file_extension": ".py"}
    saved["cells"][0]["metadata"] = {"execution": {"iopub.execute_input": "now"}, "trusted": True}
    tidy_notebook(saved)
    assert saved == clean
    own = notebook()
    own["metadata"] = {"language_info": {"name": "python", "version": "3"}}
    tidy_notebook(own)
    assert own["metadata"]["language_info"]["version"] == "3", "a reader's own notebook"


def test_stored_notebooks_are_written_as_jupyter_saves_them():
    for path in sorted((places.kit_dir() / "notebooks").glob("*.ipynb")):
        text = path.read_text(encoding="utf-8")
        content = nbformat.reads(text, as_version=4)
        tidy_notebook(content)
        assert nbformat.writes(content, version=4).rstrip("\n") + "\n" == text, path.name


def test_the_server_extension_registers_itself():
    from tfhkit.teach import server

    hooks, shown = [], []
    register = {"register_pre_save_hook": lambda self, hook: hooks.append(hook)}
    read = {"get": lambda self, path: {"type": "notebook", "content": notebook()}}
    manager = type("Manager", (), register | read)
    kernels = type(
        "Kernels", (), {"get_kernel_spec": lambda self, name: KernelSpec(display_name="P")}
    )
    add = {"add_handlers": lambda self, _, handlers: shown.extend(handlers)}
    site = type("Site", (), {"settings": {}, **add})
    parts = {"contents_manager": manager(), "kernel_spec_manager": kernels(), "web_app": site()}
    app = type("App", (), {"base_url": "/", **parts})()
    server._load_jupyter_server_extension(app)
    assert [address for address, *_ in shown] == ["/tfhkit/runs/(.*)"]
    told = app.contents_manager.get("a.ipynb")["content"]["metadata"]
    assert told["kernelspec"]["display_name"] == "P"
    assert told["language_info"]["version"] == platform.python_version()
    model = {"type": "notebook", "content": json.loads(json.dumps(notebook()))}
    hooks[0](model=model, path="a.ipynb", contents_manager=None)
    assert model["content"]["metadata"]["kernelspec"]["name"] == "python3"
    hooks[0](model={"type": "file", "content": "text"}, path="a.txt", contents_manager=None)
    assert any("tfhkit.teach.server" in option for option in lab_options("."))


def test_jupyterlab_ends_when_the_command_is_told_to_end(tmp_path):
    """SIGTERM, as from a service manager or `kill`, must not leave a server behind."""
    ended, ready = tmp_path / "ended", tmp_path / "ready"
    server = (
        "import pathlib, signal, sys, time\n"
        "def end(*_):\n"
        f"    pathlib.Path({str(ended)!r}).touch(); sys.exit(7)\n"
        "signal.signal(signal.SIGTERM, end)\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "time.sleep(60)"
    )
    code = (
        "import pathlib, sys; from tfhkit.teach.lab import run_until_ended\n"
        f"sys.exit(run_until_ended([sys.executable, '-c', {server!r}], pathlib.Path('.')))"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as command:
        while not ready.exists() and command.poll() is None:
            time.sleep(0.05)
        command.terminate()
        assert command.wait(timeout=30) == 7 and ended.exists()
