"""The runner, on two tiny notebooks: order, kept steps, refused values, errors in one line."""

import json
from dataclasses import replace

import pytest
from media_toys import Track, grey_frames, hum, speech, write_file
from pipeline_toys import toy_notebooks

from tfhkit.errors import InputError, ParameterError, TfhkitError
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import open_step
from tfhkit.pipeline.report import write_report
from tfhkit.pipeline.runner import RunInputs, StageError, describe, outdated_steps, run_series
from tfhkit.pipeline.sources import read_notebook


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Folder with notebooks, a clip and a speech file, and a run that has been through a fault."""
    folder = tmp_path_factory.mktemp("series")
    toy_notebooks(folder / "nb")
    (folder / "clip.mp4").write_bytes(b"12345")
    (folder / "speech.wav").write_bytes(b"123")
    return folder


def run(place, out="run", profile="quick", **options):
    said = []
    inputs = RunInputs(place / "clip.mp4", place / "speech.wav", place / out, profile)
    run_series(inputs, **{"notebooks": place / "nb", "say": said.append} | options)
    return [line.split(maxsplit=1) for line in said]


@pytest.mark.slow
def test_the_chain(place):
    # an unforeseen error in the second notebook: the first one's work stays
    with pytest.raises(StageError, match="^01_second: stopped with AssertionError: an unf") as info:
        run(place, set_values=["rate=0.13"])
    assert info.value.exit_code == 1 and "\n" not in str(info.value)
    assert (place / "run" / "00_first" / "size.txt").read_text() == "25"
    assert manifests.read(place / "run" / "01_second") is None

    # the same call resumes
    lines = run(place, set_values=["01.rate=0.25"])
    assert lines[0] == ["00_first", "unchanged, kept"] and lines[1][1].endswith(" s")
    assert (place / "run" / "01_second" / "text.txt").read_text() == "25 0.25 so 3"

    made = manifests.read(place / "run" / "01_second")
    assert made["parameters"]["own"] == {"rate": 0.25, "word": "so"}
    assert set(made["inputs"]) == {"00_first/size.txt", "speech"}
    assert set(made["outputs"]) == {"01_second/text.txt"} and made["numbers"] == {"rate": 0.25}
    first = manifests.read(place / "run" / "00_first")
    assert set(first["inputs"]) == {"clip"} and first["backends"] == {"counting": "fingers"}
    assert {"python", "torch", "numpy"} <= set(first["versions"]) and first["seconds"] > 0

    # nothing changed: nothing runs, and a step that does not hear the speech outlives a new one
    assert [text for _, text in run(place, set_values={"rate": 0.25})] == ["unchanged, kept"] * 2
    (place / "speech.wav").write_bytes(b"12345678")
    lines = run(place, set_values=["rate=0.25"], only=["01"])
    assert len(lines) == 1 and "kept" not in lines[0][1]

    executed = read_notebook(place / "run" / "notebooks" / "00_first.ipynb")
    outputs = [output for cell in executed["cells"] for output in cell.get("outputs", ())]
    text = "".join("".join(output.get("text", "")) for output in outputs)
    assert "double: not attempted" in text and "00_first is finished: 1 files" in text

    report = write_report(place / "run", 1.0)
    assert [step["name"] for step in report["steps"]] == ["00_first", "01_second"]
    assert json.loads((place / "run" / "report.json").read_text()) == report
    page = (place / "run" / "report.html").read_text()
    assert "notebooks/00_first.html" in page and "http" not in page.split("</style>")[1]


@pytest.mark.slow
def test_an_error_of_the_kit_is_one_line(place):
    with pytest.raises(StageError) as info:
        run(place, out=place / "other", set_values=["power=7"])
    assert str(info.value) == "00_first: power: is 7; take at most 5" and info.value.exit_code == 2


@pytest.mark.parametrize(
    "options, error, words",
    [
        ({"set_values": ["speed=1"]}, ParameterError, "known are 00.loud, 00.power, 01.rate"),
        ({"set_values": ["power=big"]}, ParameterError, "00_first, parameter power: 'big' is"),
        ({"only": ["09"]}, ParameterError, "no such notebook; choose one of 00_first, 01_second"),
        ({"profile": "fast"}, ParameterError, "choose one of quick"),
    ],
)
def test_refused_before_anything_runs(place, options, error, words):
    with pytest.raises(error, match=words):
        run(place, out=place / "never", **options)
    assert not (place / "never" / "notebooks").exists()


def test_missing_files(place):
    with pytest.raises(InputError, match="there is no such clip file"):
        run_series(RunInputs("no.mp4", out=place / "x"), notebooks=place / "nb")
    with pytest.raises(InputError, match="contains no notebooks"):
        run_series(RunInputs(out=place / "x"), notebooks=place)


def test_describe(place):
    known = describe(place / "nb")
    assert [p["name"] for p in known["00_first"]][-2:] == ["power", "loud"]
    assert known["01_second"][-1]["default"] == "so"


def test_why_stale(tmp_path):
    (tmp_path / "01").mkdir()
    for name in ("in", "01/out"):
        (tmp_path / name).write_text("a")
    from tfhkit.media import sha256_of

    digest = sha256_of(tmp_path / "in")
    made = {
        "fingerprint": "f",
        "inputs": {"clip": "c", "in": digest},
        "outputs": {"01/out": digest},
    }

    def why(made=made, expected="f", clip="c"):
        return manifests.why_stale(made, tmp_path, expected, {"clip": lambda: clip})

    assert why() is None
    assert why(made=None) == "not made yet"
    assert "parameters or its code" in why(expected="g")
    assert why(clip="d") == "another clip"
    (tmp_path / "01" / "out").write_text("b")
    assert why() == "01/out is missing or was changed"
    (tmp_path / "in").unlink()
    assert why() == "in changed"


@pytest.fixture
def step(place, monkeypatch):
    monkeypatch.setenv("TFHKIT_NOTEBOOKS", str(place / "nb"))
    options = {"clip": place / "clip.mp4", "speech": place / "speech.wav", "out": place / "alone"}
    return open_step("01_second", options | {"rate": 0.5, "word": "so"})


@pytest.mark.parametrize("asked, taken", [(0, 2), (1, 1), (2, 2)])
def test_a_notebook_takes_the_sound_track_that_was_asked_for(
    place, monkeypatch, tmp_path, asked, taken
):
    monkeypatch.setenv("TFHKIT_NOTEBOOKS", str(place / "nb"))
    sounds = [Track(hum(6)), Track(speech(6))]
    clip = write_file(tmp_path / "two.mkv", grey_frames(120), sounds)
    options = {"clip": clip, "audio_track": asked, "out": tmp_path / "run"}
    step = open_step("00_first", options | {"speech": place / "speech.wav"})
    assert step.open_clip().sound.number == taken
    step.finish({})
    inputs = RunInputs(clip, place / "speech.wav", tmp_path / "run", audio_track=asked)
    assert outdated_steps(inputs, place / "nb") == {}
    assert list(outdated_steps(replace(inputs, audio_track=3), place / "nb")) == ["00_first"]


def test_a_step_reads_only_from_earlier_ones(step):
    with pytest.raises(ParameterError, match="does not come before 01_second"):
        step.input("02_third", "x")


def test_writing_makes_a_step_unfinished(step, capsys):
    step.path("sub/x.txt").write_text("x")
    step.finish({"nan": float("nan"), "n": 3})
    made = manifests.read(step.dir)
    assert made["numbers"] == {"nan": None, "n": 3} and list(made["outputs"]) == [
        "01_second/sub/x.txt"
    ]
    assert "01_second is finished: 1 files" in capsys.readouterr().out
    step.path("y.txt")
    assert manifests.read(step.dir) is None


def test_what_this_step_finished_is_found_again(place, step, monkeypatch):
    def again(rate):
        monkeypatch.setenv("TFHKIT_NOTEBOOKS", str(place / "nb"))
        options = {"clip": place / "clip.mp4", "speech": place / "speech.wav", "out": step.out}
        return open_step("01_second", options | {"rate": rate})

    assert step.finished("kept.txt") is None
    step.path("kept.txt").write_text("x")
    assert step.finished("kept.txt") is None, "a step that was not finished"
    step.finish()
    second = again(rate=0.5)
    assert second.finished("kept.txt").read_text() == "x"
    second.path("other.txt").write_text("y")
    second.finish()
    assert list(manifests.read(step.dir)["outputs"]) == [
        "01_second/kept.txt", "01_second/other.txt"
    ]  # fmt: skip
    assert again(rate=0.6).finished("kept.txt") is None
    (step.dir / "kept.txt").write_text("z")
    assert again(rate=0.5).finished("kept.txt") is None


def test_another_file_at_the_same_place_makes_a_step_stale(place, step, tmp_path):
    face = tmp_path / "face.mat"
    face.write_text("a")
    folder = tmp_path / "faces"
    folder.mkdir()
    for model in (face, folder):
        assert step.model_path(str(model)) == str(model)
    step.finish()
    made = manifests.read(step.dir)

    def why():
        return manifests.why_stale(made, step.out, made["fingerprint"], {})

    assert why() is None
    face.write_text("b")
    assert why() == f"{face} changed"
    face.write_text("a")
    (folder / "one.obj").write_text("x")
    assert why() == f"{folder} changed"
    assert step.model_path("") is None


@pytest.mark.slow
def test_a_notebook_alone_runs_the_earlier_ones(step, capsys):
    assert step.input("00_first", "size.txt").read_text() == "25"
    assert "00_first: not made yet; running it now" in capsys.readouterr().out
    assert step.input("00_first", "size.txt").is_file() and not capsys.readouterr().out
    with pytest.raises(InputError, match="00_first does not write it"):
        step.input("00_first", "other.txt")


@pytest.mark.slow
def test_a_fault_of_an_earlier_notebook_comes_through(place, step):
    made = {"fingerprint": "", "parameters": {"own": {"power": 7}}}
    step.out = place / "alone-7"
    (step.out / "00_first").mkdir(parents=True)
    (step.out / "00_first" / "manifest.json").write_text(json.dumps(made))
    with pytest.raises(TfhkitError, match="^00_first: power: is 7; take at most 5$"):
        step.input("00_first", "size.txt")


@pytest.mark.slow
def test_a_wrong_answer_to_an_exercise_stops_nothing(place, tmp_path):
    answers = ("not even Python", "return x", "return 1 / 0")
    folder = toy_notebooks(tmp_path / "nb")
    path = folder / "00_first.ipynb"
    notebook = read_notebook(path)
    stub = "raise NotAttempted  # write your code here, then run the check below"
    (at,) = [k for k, c in enumerate(notebook["cells"]) if stub in "".join(c["source"])]
    pair = json.dumps(notebook["cells"][at : at + 2])  # the exercise and its check
    cells = [json.loads(pair.replace(stub, answer)) for answer in answers]
    notebook["cells"][at : at + 2] = [cell for two in cells for cell in two]
    for k, cell in enumerate(notebook["cells"]):
        cell["id"] = f"cell-{k}"
    path.write_text(json.dumps(notebook))
    lines = run(place, out=tmp_path / "run", notebooks=folder)
    assert [name for name, _ in lines] == ["00_first", "01_second"]
    executed = read_notebook(tmp_path / "run" / "notebooks" / "00_first.ipynb")["cells"]
    failed = [any(output["output_type"] == "error" for output in c.get("outputs", ()))
              for c in executed]  # fmt: skip
    for answer in answers:
        (at,) = [k for k, c in enumerate(executed) if answer in "".join(c["source"])]
        assert failed[at] or failed[at + 1], answer
    assert not any("papermill" in "".join(c["source"]) for c in executed[:1])
