"""Parameters cells, what a step depends on, and where things lie."""

import itertools
import os

import pytest

from tfhkit.errors import InputError, ParameterError
from tfhkit.pipeline import places, sources
from tfhkit.pipeline.manifest import fingerprint
from tfhkit.pipeline.parameters import assign, convert, own_parameters, parameters_of
from tfhkit.profiles import PROFILES, settings_of


def notebook(*cells):
    """A notebook of (tag, source) cells."""
    return {
        "cells": [
            {"cell_type": "code", "metadata": {"tags": [tag] if tag else []}, "source": source}
            for tag, source in cells
        ]
    }


GOOD = """clip: str = "sample"  # a video file
seed: int = 0
rate: float = 0.5  # a share
steps: int = -3  # so many
flag: bool = False  # whether
"""


def test_parameters_are_read():
    known = parameters_of(notebook(("parameters", GOOD), (None, "x = 1")), "01")
    assert [p.default for p in known.values()] == ["sample", 0, 0.5, -3, False]
    assert known["rate"].comment == "a share"
    assert list(own_parameters(notebook(("parameters", GOOD)), "01")) == ["rate", "steps", "flag"]


@pytest.mark.parametrize(
    "line", ["x = 1", "x: int = 1.5", "x: list = [1]", "x: int = f()", "x: int = True", "x: int"]
)
def test_lines_that_are_no_parameters(line):
    with pytest.raises(ParameterError, match="parameters cell"):
        parameters_of(notebook(("parameters", line)), "01")


def test_no_parameters_cell():
    with pytest.raises(ParameterError, match="has 0 cells tagged"):
        parameters_of(notebook((None, GOOD)), "01")


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("rate", "0.25", 0.25),
        ("rate", "1", 1.0),
        ("rate", 1, 1.0),
        ("steps", "40", 40),
        ("flag", "true", True),
        ("flag", "False", False),
        ("flag", "no", False),
        ("clip", "a=b.mp4", "a=b.mp4"),
    ],
)
def test_values_are_converted(name, text, value):
    known = parameters_of(notebook(("parameters", GOOD)), "01")
    answer = convert(known[name], text, "01")
    assert answer == value and type(answer) is type(value)


@pytest.mark.parametrize(
    "name, text",
    [("rate", "much"), ("steps", "1.5"), ("steps", True), ("flag", "2"), ("flag", 1), ("clip", 3)],
)
def test_values_of_the_wrong_type(name, text):
    known = parameters_of(notebook(("parameters", GOOD)), "01")
    with pytest.raises(ParameterError, match=f"01, parameter {name}: .* is not of type"):
        convert(known[name], text, "01")


def test_assign_addresses_notebooks():
    own = own_parameters(notebook(("parameters", GOOD)), "x")
    books = {"01_a": own, "02_b": own}
    assert assign(["rate=0.1"], books) == {"01_a": {"rate": 0.1}, "02_b": {"rate": 0.1}}
    assert assign(["02.rate=0.1"], books) == {"01_a": {}, "02_b": {"rate": 0.1}}
    assert assign({"01.steps": 4}, books) == {"01_a": {"steps": 4}, "02_b": {}}
    assert assign((), books) == {"01_a": {}, "02_b": {}}


@pytest.mark.parametrize(
    "text, words",
    [
        ("speed=1", "known are 01.flag, 01.rate, 01.steps"),
        ("03.rate=1", "no notebook of this run"),
        ("rate", "is not NAME=VALUE"),
        ("seed=1", "use --seed"),
    ],
)
def test_assign_refuses(text, words):
    own = own_parameters(notebook(("parameters", GOOD)), "x")
    with pytest.raises(ParameterError, match=words):
        assign([text], {"01_a": own})


def test_profiles():
    assert settings_of("quick").refine_px < settings_of("full").refine_px
    assert all(name == settings.profile for name, settings in PROFILES.items())
    with pytest.raises(ParameterError, match="choose one of quick, full"):
        settings_of("fast")


def test_source_hash_sees_code_and_not_exercises_or_parameters():
    code = (None, "from tfhkit.camera import Camera\nx = 1")
    plain = sources.source_hash(notebook(("parameters", "a: int = 1"), code))
    assert plain == sources.source_hash(notebook(("parameters", "a: int = 2"), code))
    assert plain == sources.source_hash(notebook(code, ("exercise", "y = 2"), ("check", "z")))
    assert plain != sources.source_hash(notebook((None, code[1] + "\ny = 2")))


def test_modules_behind_code():
    found = sources.modules_behind("from tfhkit.media import open_clip\n%matplotlib inline")
    assert {"tfhkit.media", "tfhkit.media.clip", "tfhkit.media.files"} <= found
    assert "tfhkit.face" not in found and "tfhkit.errors" in found
    assert sources.modules_behind("from tfhkit.pipeline import open_step") == set()
    assert sources.modules_behind("this is no python") == set()


def test_changed_code_or_shipped_files_change_the_hash(tmp_path, monkeypatch):
    package = tmp_path / "tfhkit"
    package.mkdir()
    module = package / "thing.py"
    monkeypatch.setattr(sources, "_PACKAGE", package)
    monkeypatch.setenv("TFHKIT_ASSETS", str(tmp_path / "assets"))
    book, clock = notebook((None, "import tfhkit.thing")), itertools.count(1)

    def hash_with(text):
        module.write_text(text)
        os.utime(module, ns=(0, next(clock)))
        return sources.source_hash(book)

    same = [hash_with(text) for text in ("x = 1\n", "x = 1  # one\n", '"""Job."""\n\nx = 1\n')]
    assert len(set(same)) == 1 and hash_with("x = 2\n") != same[0]
    note = tmp_path / "assets" / "weights.json"
    note.parent.mkdir()
    seen = []
    for digest in ("a", "b"):
        note.write_text(f'{{"sha256": "{digest}"}}')
        seen += [hash_with("x = 1\n"), hash_with("x = 'weights.npz'\n")]
    assert seen[0] == seen[2] and seen[1] != seen[3]


def test_fingerprint_sees_every_part():
    quick = settings_of("quick")
    base = fingerprint("01", quick, 0, 0, {"a": 1}, "code")
    others = [
        ("02", quick, 0, 0, {"a": 1}, "code"),
        ("01", settings_of("full"), 0, 0, {"a": 1}, "code"),
        ("01", settings_of("quick", "paper"), 0, 0, {"a": 1}, "code"),
        ("01", quick, 1, 0, {"a": 1}, "code"),
        ("01", quick, 0, 1, {"a": 1}, "code"),
        ("01", quick, 0, 0, {"a": 2}, "code"),
        ("01", quick, 0, 0, {"a": 1}, "edoc"),
    ]
    assert base == fingerprint("01", quick, 0, 0, {"a": 1}, "code")
    assert len({base, *(fingerprint(*other) for other in others)}) == 8


def test_relative_paths_mean_the_same_at_the_top_and_in_notebooks(monkeypatch, tmp_path):
    for folder in (places.kit_dir(), places.kit_dir() / "notebooks"):
        monkeypatch.chdir(folder)
        assert places.base_dir() == places.kit_dir()
    monkeypatch.chdir(tmp_path)
    assert places.resolve_out("runs/x") == tmp_path / "runs" / "x"


def test_inputs_that_are_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "voice.wav").write_bytes(b"x")
    assert places.resolve_input("voice.wav", "speech") == tmp_path / "voice.wav"
    with pytest.raises(InputError, match="me.mp4: there is no such clip file; check the path"):
        places.resolve_input("me.mp4", "clip")
    with pytest.raises(InputError, match="is a folder"):
        places.resolve_input(str(tmp_path), "clip")


def test_a_run_directory_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written .*--out"):
        places.resolve_out(tmp_path / "file" / "run")


@pytest.mark.parametrize("text, words", [("{", "is not a notebook"), (None, "no such notebook")])
def test_files_that_are_no_notebooks(tmp_path, text, words):
    path = tmp_path / "01_a.ipynb"
    if text:
        path.write_text(text)
    with pytest.raises(InputError, match=words):
        sources.read_notebook(path)
