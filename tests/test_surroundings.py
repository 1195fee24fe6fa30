"""Odd environments: no home, a locale without accents, matplotlib's backend set by a shell."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from pipeline_toys import PARAMETERS, toy_notebooks

from tfhkit import cli
from tfhkit.cli import surroundings
from tfhkit.cli.surroundings import private_folder, provide_home
from tfhkit.pipeline import execution, front_end
from tfhkit.pipeline.course import Course
from tfhkit.pipeline.places import kit_dir
from tfhkit.pipeline.sources import read_notebook
from tfhkit.teach.build import build

DRAWING = (
    PARAMETERS
    + """
# %%
import matplotlib.pyplot as plt

# %%
import tfhkit.palette
from tfhkit.pipeline import open_step

step = open_step("00_drawing", globals())
plt.plot([0, 1])
plt.show()
step.finish({"one": 1})
"""
)


def kit(arguments, folder, **environment):
    """Exit code and lines of `tfhkit` in a process of its own; None takes a variable away."""
    given = os.environ | {"PYTHONPATH": str(kit_dir())} | environment
    done = subprocess.run(
        [sys.executable, "-m", "tfhkit.cli", *map(str, arguments)],
        cwd=folder, capture_output=True,
        env={name: value for name, value in given.items() if value is not None},
    )  # fmt: skip
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def drawing(tmp_path_factory):
    """A notebook that draws one figure."""
    folder = tmp_path_factory.mktemp("drawing") / "nb"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "00_drawing.py").write_text(DRAWING)
    build(folder)
    return folder


def pictures(notebook):
    outputs = [o for cell in read_notebook(notebook)["cells"] for o in cell.get("outputs", ())]
    return sum("image/png" in output.get("data", {}) for output in outputs)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["TkAgg", "no such backend"])
def test_a_run_has_its_figures_whatever_the_shell_has_set(drawing, tmp_path, backend):
    command = ["run", "--notebooks", drawing, "--out", tmp_path / "run", "--no-report"]
    code, _, said = kit(command, tmp_path, MPLBACKEND=backend)
    assert code == 0, said
    assert pictures(tmp_path / "run" / "notebooks" / "00_drawing.ipynb") == 1


@pytest.mark.parametrize("backend", ["Agg", "agg", "TkAgg", "no such backend"])
def test_a_run_tells_its_kernels_the_backend(drawing, tmp_path, monkeypatch, backend):
    """Whatever the shell has set; the kernels' figures are in the tests above."""
    told = []
    monkeypatch.setenv("MPLBACKEND", backend)
    monkeypatch.setattr(
        "papermill.execute_notebook", lambda *_, **__: told.append(os.environ["MPLBACKEND"])
    )
    execution.execute(drawing / "00_drawing.ipynb", tmp_path, {}, Course())
    assert told == [front_end.INLINE] and os.environ["MPLBACKEND"] == backend


@pytest.mark.slow
@pytest.mark.parametrize("first", ["matplotlib", "tfhkit"])
def test_a_notebook_that_somebody_opens_has_its_figures(drawing, tmp_path, monkeypatch, first):
    """JupyterLab passes on what its shell has set; a notebook may load either library first."""
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("MPLBACKEND", "Agg" if first == "matplotlib" else "no such backend")
    monkeypatch.setenv("TFHKIT_NOTEBOOKS", str(drawing))
    monkeypatch.setenv("PYTHONPATH", str(kit_dir()))
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    content = nbformat.read(drawing / "00_drawing.ipynb", as_version=4)
    content.cells.insert(0, nbformat.v4.new_code_cell(f"import {first}"))
    content.cells.insert(2, nbformat.v4.new_code_cell(f"out = {str(tmp_path / 'run')!r}"))
    NotebookClient(content).execute()
    nbformat.write(content, tmp_path / "done.ipynb")
    assert pictures(tmp_path / "done.ipynb") == 1


def test_a_chosen_widget_backend_stays(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "module://ipympl.backend_nbagg")
    front_end.use_inline_figures()
    assert os.environ["MPLBACKEND"] == "module://ipympl.backend_nbagg"


ASCII = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}


@pytest.mark.slow
@pytest.mark.parametrize("variables", [ASCII, {**ASCII, "PYTHONIOENCODING": None}])
def test_an_accent_in_a_name_is_no_error_where_only_ascii_can_be_printed(tmp_path, variables):
    table = "time,pitch,yaw,roll\n" + "".join(
        f"{k / 25},{a:.4f},{b:.4f},{c:.4f}\n"
        for k, (a, b, c) in enumerate(np.random.default_rng(0).normal(size=(40, 3)))
    )
    (tmp_path / "té.csv").write_text(table)
    code, out, err = kit(["hs", "té.csv", "té.csv"], tmp_path, **variables)
    shown = "t\\xe9.csv" if variables["PYTHONIOENCODING"] else "té.csv"
    assert code == 0 and shown in out, err
    code, _, err = kit(["hs", "té.csv", "nö.csv"], tmp_path, **variables)
    shown = "n\\xf6.csv" if variables["PYTHONIOENCODING"] else "nö.csv"
    assert code == 2 and err == f"tfhkit: {shown}: there is no such file; check the path\n"


@pytest.mark.slow
def test_a_run_of_a_clip_with_an_accent_in_an_ascii_locale(tmp_path):
    toy_notebooks(tmp_path / "nb")
    (tmp_path / "né.mp4").write_bytes(b"12345")
    (tmp_path / "parlé.wav").write_bytes(b"123")
    command = ["run", "--notebooks", tmp_path / "nb", "--out", tmp_path / "à voir"]
    command += ["--clip", "né.mp4", "--speech", "parlé.wav", "--set", "word=mot"]
    code, _, err = kit(command, tmp_path, **ASCII)
    assert code == 0, err
    assert (tmp_path / "à voir" / "01_second" / "text.txt").read_text() == "25 0.5 mot 3"
    assert "né.mp4" in json.loads((tmp_path / "à voir" / "run.json").read_text())["clip"]
    assert (tmp_path / "à voir" / "report.html").is_file()


@pytest.mark.parametrize(
    "closed, out_has, err_has",
    [("2>&-", True, False), (">&-", False, True), ("<&- >&- 2>&-", False, False)],
)
def test_a_closed_stream(tmp_path, closed, out_has, err_has):
    """What it would have said is lost; the other stream and the exit code stay as they are."""
    command = f"exec {sys.executable} -m tfhkit.cli doctor nowhere.mp4 --json {closed}"
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(kit_dir())})  # fmt: skip
    line = "nowhere.mp4: there is no such clip file; check the path"
    assert done.returncode == 2
    assert json.loads(done.stdout or "null") == (
        {"error": line, "exit_code": 2} if out_has else None
    )
    assert done.stderr == (f"tfhkit: {line}\n" if err_has else "")


def test_other_processes_print_to_the_null_device_too():
    """In place of the closed stream there is one that they inherit, not the next file."""
    code = (
        "import os, subprocess, sys; from tfhkit.cli.surroundings import provide_streams; "
        "provide_streams(); sys.stderr.write('lost'); os.write(2, b'lost'); "
        "sys.exit(subprocess.run(['sh', '-c', 'echo lost >&2']).returncode)"
    )
    done = subprocess.run(["sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, code],
                          capture_output=True, cwd=kit_dir())  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_current_folder_that_was_deleted(tmp_path):
    command = f'mkdir gone; cd gone; rmdir ../gone; exec {sys.executable} -m tfhkit.cli "$@"'
    for arguments in (["talk", "sample", "sentence"], ["hs", "a.csv", "b.csv", "--json"]):
        done = subprocess.run(["sh", "-c", command, "sh", *arguments], cwd=tmp_path, text=True,
                              capture_output=True,
                              env=os.environ | {"PYTHONPATH": str(kit_dir())})  # fmt: skip
        line = "the current folder no longer exists; cd to another one"
        assert done.returncode == 2 and done.stderr == f"tfhkit: {line}\n"
        assert ("--json" in arguments) == (line in done.stdout)


def test_a_home_in_quotes(capfd, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for arguments in (
        ["hs", "~/x.csv", "~/y.csv"],
        ["correlate", "sample", "--fit=~/x.csv"],
        ["talk", "~/x.csv", "sentence"],
    ):
        assert cli.main(arguments) == 2
        assert f"{tmp_path}/x.csv: " in capfd.readouterr().err
    for arguments in (
        ["doctor", "~nobody-9/x.mp4"],
        ["hs", "x.csv", "~nobody-9/x.mp4"],
        ["correlate", "sample", "--fit", "~nobody-9/x.mp4"],
    ):
        assert cli.main(arguments) == 2
        line = "~nobody-9/x.mp4: there is no user nobody-9 on this machine; give a full path"
        assert capfd.readouterr().err == f"tfhkit: {line}\n"
    (tmp_path / "~$x.csv").write_text("")
    assert cli.main(["hs", "~$x.csv", "y.csv"]) == 2
    assert f"{tmp_path}/~$x.csv: has no rows" in capfd.readouterr().err


def homeless(monkeypatch, home):
    def fail():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TFHKIT_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(home))
    if home == "":
        monkeypatch.setattr(surroundings.Path, "home", fail)


def test_without_a_home_a_private_folder_is_one(monkeypatch, tmp_path):
    monkeypatch.setattr(surroundings.tempfile, "gettempdir", lambda: str(tmp_path))
    homeless(monkeypatch, "")
    provide_home()
    home = Path(os.environ["HOME"])
    assert home.parent == tmp_path and home.stat().st_mode & 0o777 == 0o700
    assert private_folder() == home


def test_a_folder_that_somebody_else_has_made_is_not_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(surroundings.tempfile, "gettempdir", lambda: str(tmp_path))
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / f"tfhkit-home-{os.getuid()}").symlink_to(tmp_path / "elsewhere")
    assert private_folder().resolve() != tmp_path / "elsewhere"


def test_the_cache_of_a_read_only_home_is_still_read(monkeypatch, tmp_path):
    home = tmp_path / "home"
    (home / ".cache" / "tfhkit").mkdir(parents=True)
    homeless(monkeypatch, home)
    provide_home()
    assert os.environ["HOME"] == str(home), "a home that can be written stays"
    monkeypatch.setattr(surroundings.os, "access", lambda path, how: False)
    monkeypatch.setenv("HOME", str(home))
    provide_home()
    assert os.environ["TFHKIT_CACHE"] == str(home / ".cache" / "tfhkit")
    assert os.environ["HOME"] != str(home)


@pytest.mark.slow
def test_a_run_without_home_and_temporary_folder(tmp_path):
    """The uid has an entry here or not: `HOME` names nothing, as on a batch system's node."""
    toy_notebooks(tmp_path / "nb")
    (tmp_path / "clip.mp4").write_bytes(b"12345")
    (tmp_path / "speech.wav").write_bytes(b"123")
    command = ["run", "--notebooks", tmp_path / "nb", "--out", tmp_path / "run", "--no-report"]
    command += ["--clip", "clip.mp4", "--speech", "speech.wav", "--only", "00"]
    code, _, err = kit(command, tmp_path, HOME="/nowhere", TMPDIR=str(tmp_path / "missing"))
    assert code == 0, err
    assert not (tmp_path / "missing").exists() and not (tmp_path / "~").exists()
