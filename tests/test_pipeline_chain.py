"""The whole series on the sample clip at tiny settings, and its marked cells again. Slow."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from tfhkit.media import open_clip
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline.places import EXECUTED, STEPS, kit_dir
from tfhkit.pipeline.report import run_and_report
from tfhkit.pipeline.report.labels import LABELS, label_of
from tfhkit.pipeline.runner import RunInputs
from tfhkit.pipeline.sources import read_notebook
from tfhkit.teach.build import write_notebook

NOTEBOOKS = kit_dir() / "notebooks"
MARK = "nbval-check-output"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        any(not (NOTEBOOKS / f"{name}.ipynb").is_file() for name in STEPS), reason="no notebooks"
    ),
]


def tags_of(cell):
    return cell["metadata"].get("tags", ())


def test_every_step_leaves_its_artefacts_and_a_manifest(tiny_run):
    out, report = tiny_run
    assert [step["name"] for step in report["steps"]] == list(STEPS)
    assert all(step["status"] == "run" for step in report["steps"])
    for name in STEPS:
        made = manifests.read(out / name)
        assert made["outputs"], f"{name} wrote nothing"
        assert (out / EXECUTED / f"{name}.ipynb").is_file()
    assert json.loads((out / "report.json").read_text())["steps"] == report["steps"]
    page = (out / "report.html").read_text()
    assert "data:image/jpeg;base64" in page and str(out) not in page


def test_every_number_has_a_label(tiny_run):
    _, report = tiny_run
    for step in report["steps"]:
        for name, value in step["numbers"].items():
            label = label_of(step["name"], name)
            ends = [labels.interval for labels in LABELS[step["name"]].values()]
            if any(name == end or name in end for end in ends):
                continue
            assert label, f"{step['name']}: {name} has no label"
            for inner in [value, *value] if isinstance(value, list) else [value]:
                names = set(inner) if isinstance(inner, dict) else set()
                assert names <= {*(label.inside or ()), "interval"}, f"{name}: {names}"


def test_two_videos_with_sound_in_the_full_frame(tiny_run):
    out, report = tiny_run
    made = {path.rsplit("/", 1)[1]: out / "05_memory_gan" / path.rsplit("/", 1)[1]
            for path in report["videos"] if "05_memory_gan" in path}  # fmt: skip
    from tfhkit.assets import fetch

    source = open_clip(fetch("sample_clip"))
    for name in ("talking_head_held_back.mp4", "talking_head_speech.mp4"):
        clip = open_clip(made[name], min_seconds=1)  # refuses silence and a missing sound track
        assert (clip.width, clip.height) == (source.width, source.height)
    speech = open_clip(made["talking_head_speech.mp4"])
    assert speech.duration_s > 5
    held_back = open_clip(made["talking_head_held_back.mp4"], min_seconds=1)
    assert held_back.duration_s == pytest.approx(source.duration_s / 4, abs=0.3)


def test_nothing_runs_again_when_nothing_changed(tiny_run):
    out, _ = tiny_run
    again = run_and_report(RunInputs(out=out, profile="tiny"))
    assert [step["status"] for step in again["steps"]] == ["kept"] * len(STEPS)


def test_marked_cells_show_the_same_again(tiny_run, tmp_path):
    """nbval runs the notebooks up to their last tagged cell; tagged cells must show the same."""
    out, _ = tiny_run
    folder = tmp_path / "notebooks"
    shutil.copytree(out, tmp_path / "run")  # they read earlier steps, and begin their own anew
    for name in STEPS:
        # the executed notebook has a cell with the run's parameters behind the default ones
        notebook = read_notebook(out / EXECUTED / f"{name}.ipynb")
        marked = [i for i, cell in enumerate(notebook["cells"]) if MARK in tags_of(cell)]
        if marked:
            del notebook["cells"][marked[-1] + 1 :]
            text = json.dumps(notebook).replace(str(out), str(tmp_path / "run"))
            write_notebook(folder / f"{name}.ipynb", json.loads(text))
    assert any(folder.iterdir())
    environment = os.environ | {
        "TFHKIT_NOTEBOOKS": str(NOTEBOOKS),
        "TFHKIT_LIVE": "0",
        "PLOTLY_RENDERER": "plotly_mimetype",
        "PYTHONPATH": str(kit_dir()),
    }
    command = [sys.executable, "-m", "pytest", "-q", "--nbval-lax", "--nbval-current-env"]
    command += ["-c", os.devnull, "--nbval-cell-timeout=600", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, check=False,
                          cwd=NOTEBOOKS, env=environment)  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
