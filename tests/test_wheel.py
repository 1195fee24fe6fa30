"""The wheel is whole: installed elsewhere, without the clone, a learned person speaks."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig

import pytest
from talk_toys import toy_person, voice

from tfhkit.media import open_clip, write_wav
from tfhkit.pipeline.places import STEPS, kit_dir

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Python of an environment with the wheel; the rest comes from this one."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    source = folder / "source"  # a copy: building leaves files behind
    for name in ("tfhkit", "assets", "notebooks"):
        leave = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(kit_dir() / name, source / name, ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(kit_dir() / name, source)
    build = ["wheel", str(source), "--no-deps", "--no-build-isolation", "-w", str(folder)]
    subprocess.run([*pip, *build], check=True, cwd=folder)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    python = folder / "env" / "bin" / "python"
    wheel = next(folder.glob("*.whl"))
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        check=True, capture_output=True, text=True,
    ).stdout.strip()  # fmt: skip
    with open(os.path.join(site, "others.pth"), "w", encoding="utf-8") as file:
        file.write(sysconfig.get_path("purelib") + "\n")
    return python


def run(python, *arguments, cwd):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, *map(str, arguments)], cwd=cwd, env=env, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def kit(python, *arguments, cwd):
    return json.loads(run(python, "-m", "tfhkit.cli", *arguments, "--json", cwd=cwd))


def test_a_person_speaks_from_any_folder(installed, tmp_path):
    (tmp_path / "toy").mkdir()
    toy_person(tmp_path / "toy").save(tmp_path / "me")
    write_wav(tmp_path / "voice.wav", voice())
    said = kit(installed, "talk", "me", "voice.wav", "-o", "out.mp4", cwd=tmp_path)
    assert said["video"] == "out.mp4" and said["seconds_of_speech"] == pytest.approx(2.5)
    assert len(open_clip(tmp_path / "out.mp4", min_seconds=0)) == 25


def test_weights_and_notebooks_are_there(installed, tmp_path):
    assert list(kit(installed, "notebooks", cwd=tmp_path)) == list(STEPS)
    code = """
from tfhkit.face import load_model
from tfhkit.motion.general import general_mapping
from tfhkit.refine.general import general_refiner
import tfhkit
print(tfhkit.__file__, load_model().name, general_mapping().card["licence"], general_refiner())
"""
    said = run(installed, "-c", code, cwd=tmp_path)
    assert str(installed.parent.parent) in said and "open CC0 Refiner(" in said
