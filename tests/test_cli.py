"""The command line: quick help, one line for every refusal, exactly one JSON object."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from shutil import copy
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from pipeline_toys import toy_notebooks
from scipy.io import loadmat
from talk_toys import toy_person, write_clip

from tfhkit import cli
from tfhkit.cli.fit import REPORTED
from tfhkit.cli.over_clips import reason_of
from tfhkit.cli.parser import COMMANDS
from tfhkit.coefficients import neutral, read_mat
from tfhkit.errors import InputError
from tfhkit.evaluate import contact_sheet, footage
from tfhkit.evaluate.contact_sheet import shown_frames
from tfhkit.fit import Crop, Fit
from tfhkit.landmarks import Landmarks
from tfhkit.media import Clip, open_clip, write_wav
from tfhkit.media.locks import HELD, hold
from tfhkit.pipeline import tables
from tfhkit.pipeline.advice import say_advice
from tfhkit.pipeline.places import kit_dir


@pytest.fixture(scope="module")
def notebooks(tmp_path_factory):
    return toy_notebooks(tmp_path_factory.mktemp("cli") / "nb")


def call(capfd, *arguments):
    """Exit code, standard output, standard error."""
    try:
        code = cli.main([str(argument) for argument in arguments])
    except SystemExit as leave:
        code = leave.code
    said = capfd.readouterr()
    return code, said.out, said.err


def test_the_command_line_imports_nothing_heavy():
    code = (
        "import sys, tfhkit.cli.parser as p; p.build_parser(); "
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          cwd=kit_dir(), check=True)  # fmt: skip
    heavy = {"numpy", "torch", "av", "cv2", "librosa", "papermill", "matplotlib", "numba"}
    assert not heavy & set(done.stdout.split())


@pytest.mark.parametrize("name", ["", *COMMANDS])
def test_help(capfd, name):
    code, out, _ = call(capfd, *([name] if name else []), "--help")
    assert code == 0 and out.startswith("usage: tfhkit")


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["fit", "nowhere.mp4"], "nowhere.mp4: there is no such clip file; check the path"),
        (["doctor", "nowhere.mp4"], "nowhere.mp4: there is no such clip file"),
        (["fit", "sample", "--frames", "3"], "--frames: 3 are too few; take 10 or more"),
        (["fit", "sample", "-o", "x.txt"], "--output: x.txt is neither .npz nor .mat; name one"),
        (["fit", "sample", "--report", "x.txt"], "--report: x.txt is neither .png nor .pdf; name"),
        (["fit", "sample", "--report", "folder.png"], "--report: folder.png is a folder; name a"),
        (["fit", "sample", "--report", "file/x.png"], "file/x.png: cannot be written (File exist"),
        (["fit", "sample", "--model-path", "none.mat"], "none.mat: there is no such face model"),
        (["fit", "sample", "--model", "flame"], "model 'flame': is not known; use 'open', 'bfm09'"),
        (["fit", "sample", "--model", "bfm09"], "model 'bfm09': is not shipped and no file was"),
        (["evaluate", "face", "--heads", "0"], "--heads: 0 are too few; take 1 or more"),
        (["evaluate", "face", "--clip", "nowhere.mp4"], "nowhere.mp4: there is no such clip file"),
        (["evaluate", "soup"], "invalid choice"),
        (["evaluate", "refine", "--clip", "nowhere.mp4"], "nowhere.mp4: there is no such clip fil"),
        (["evaluate", "refine", "--size", "huge"], "size: unknown generator 'huge'; use one of"),
        (["evaluate", "refine", "--steps", "0"], "--steps: 0 are too few; take 1 or more"),
        (["evaluate", "recipes", "--frames", "-300"], "--frames: -300 are too few to learn from"),
        (["evaluate", "face", "--written"], "--written: is not for the stage 'face'; it is for mo"),
        (["evaluate", "memory", "--clip", "x", "--recipe", "paper"], "'memory'; it is for refine"),
        (["evaluate", "motion", "--clip", "sample", "--frames", "0"], "--frames: 0 frames are too"),
        (["bench", "soup"], "bench soup: there is no such benchmark; choose one of"),
        (["learn", "nowhere.mp4", "-o", "me"], "nowhere.mp4: there is no such clip file"),
        (["learn", "sample", "-o", "file"], "file: is a file; name a directory"),
        (["learn", "sample", "-o", "me", "--profile", "x"], "profile: 'x' is not one; choose"),
        (["learn", "sample"], "the following arguments are required: -o/--output"),
        (["talk", "nobody", "sentence"], "nobody: there is no such clip file; check the path"),
        (["talk", ".", "sentence"], ".: is not a person's directory (it has no person.json); make"),
        (["talk", "sample", "nowhere.wav"], "nowhere.wav: there is no such speech file"),
        (["talk", "sample", "short.wav"], "short.wav: is 0.1 s long, at least 0.5 s are needed"),
        (["talk", "sample", "silent.wav"], "its sound is silent (digital silence); give a rec"),
        (["talk", "sample", "sentence", "--draws", "0"], "--draws: is 0; give 1 or more"),
        (["talk", "sample", "sentence", "--draws", "2", "--mean"], "makes no sense with --mean"),
        (["talk", "sample", "sentence", "-o", "x.avi"], "x.avi: is not named .mp4; name a file"),
        (["talk", "sample", "sentence", "-o", "file/x.mp4"], "file/x.mp4: cannot be written (Fil"),
        (["run", "--clip", "nowhere.mp4"], "nowhere.mp4: there is no such clip file"),
        (["run", "--profile", "fast"], "profile: 'fast' is not one; choose one of quick"),
        (["run", "--set", "nothing=1"], "--set nothing: no notebook of this run has such"),
        (["run", "--set", "seed=1"], "--set seed: has an option of its own; use --seed"),
        (["run", "--only", "42"], "--only 42: there is no such notebook; choose one of"),
        (["run", "--seed", "x"], "argument --seed: invalid int value"),
        (["correlate", "sample", "--seed", "-1"], "--seed: -1 is negative; give 0 or more"),
        (["learn", "sample", "-o", "me", "--seed", "-1"], "--seed: -1 is negative; give 0 or more"),
        (["learn", "sample", "-o", "me", "--seed", "9" * 24], "is too large; give 4294967295 or l"),
        (["app", "--port", "99999999"], "--port: 99999999 is no port; give 0 to 65535"),
        (["lab", "--port", "-1"], "--port: -1 is no port; give 0 to 65535"),
        (["hs", "", ""], "clip: its name is empty; name a file"),
        (["cook"], "invalid choice: 'cook'"),
    ],
)
def test_refusals_are_one_line_and_exit_2(
    capfd, monkeypatch, notebooks, tmp_path, arguments, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    write_wav(tmp_path / "silent.wav", np.zeros(16000, np.float32))
    write_wav(tmp_path / "short.wav", np.tile(np.float32([0.3, -0.3]), 800))
    if arguments[0] == "run":
        arguments = [*arguments, "--notebooks", notebooks, "--out", tmp_path / "run"]
    code, out, err = call(capfd, *arguments)
    assert code == 2 and not out
    assert err.count("\n") == 1 and words in err and err.startswith("tfhkit")


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments, endings",
    [
        (["talk", "sample", "sentence", "-o"], [".mp4"]),
        (["portrait", "astronaut", "-o"], [".mp4"]),
        (["fit", "sample", "-o"], [".npz", ".mat"]),
        (["fit", "sample", "--report"], [".png", ".pdf"]),
        (["correlate", "sample", "-o"], [".csv"]),
        (["corpus", "--speakers", "1", "-o"], [".npz"]),
        (["pretrain", "mapping", "-o"], [".safetensors"]),
        (["pretrain", "refiner", "-o"], [".safetensors"]),
    ],
)
def test_outputs_are_checked_before_the_work(capfd, monkeypatch, tmp_path, arguments, endings):
    def work(*_, **__):
        raise AssertionError("the work has begun")

    for name in ("talk.fit_person", "landmarks.detect", "portrait.speaking.read_portrait",
                 "pipeline.clip_fit.fit_person", "virtual.corpus.in_workers",
                 "virtual.pretrain.mapping.train_general",
                 "virtual.pretrain.refiner.train_general_refiner"):  # fmt: skip
        monkeypatch.setattr(f"tfhkit.{name}", work)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    for ending in endings:
        (tmp_path / f"folder{ending}").mkdir()
        for bad in ("new/x.txt", "new/x", f"folder{ending}", f"file/x{ending}",
                    f"new/{'x' * 256}{ending}"):  # fmt: skip
            code, _, err = call(capfd, *arguments, bad)
            assert code == 2 and err.count("\n") == 1 and bad.split("/")[-1] in err, err
        code, _, err = call(capfd, *arguments, f"new/deep/x{ending}")
        assert code == 1 and "the work has begun" in err, err
        left = [path for path in tmp_path.rglob("new/*/*") if path.suffix != ".person"]
        assert not left and (arguments[0] == "talk" or not (tmp_path / "new").exists())
        (tmp_path / f"folder{ending}").rmdir()


def test_an_input_is_not_overwritten(capfd, monkeypatch, tmp_path):
    """Neither the clip or the speech, nor by a draw that the user did not name."""
    person = toy_person(tmp_path)
    clip, video = person.clip.path, tmp_path / "out.mp4"
    monkeypatch.setattr("tfhkit.person.Person.load", lambda *_: person)
    (speech := tmp_path / "speech_2.mp4").write_bytes(clip.read_bytes())
    monkeypatch.setattr("tfhkit.talk.talk", lambda _, audio, path, *a: copy(clip, path))
    once = ["talk", tmp_path, speech, "-o"]
    cases = [
        ([*once, speech], "speech_2.mp4: is the speech itself; name another output"),
        ([*once, tmp_path / "speech.mp4", "--draws", "2"], "speech_2.mp4: is the speech itself"),
        ([*once, clip], "clip.mp4: is the clip itself; name another output"),
        (["talk", clip, speech, "-o", clip], "clip.mp4: is the clip itself"),
    ]
    kept = {path: path.read_bytes() for path in tmp_path.rglob("*.mp4")}
    for arguments, words in cases:
        code, _, err = call(capfd, *arguments)
        assert code == 2 and words in err and err.count("\n") == 1, err
    assert kept == {path: path.read_bytes() for path in tmp_path.rglob("*.mp4")}
    for _ in range(2):  # what an earlier call made is made again
        assert call(capfd, *once, video, "--draws", "2")[0] == 0
    (tmp_path / "out_2.mp4").write_bytes(b"a holiday")
    code, _, err = call(capfd, *once, video, "--draws", "2")
    assert code == 2 and "out_2.mp4: is there already, and is not a video that the kit made" in err


@pytest.mark.parametrize(
    "option, words",
    [
        (["--profile", "klingon"], "profile: 'klingon' is not one; choose one of quick"),
        (["--profile", "full"], "--profile: is full, but me was learned with tiny; leave it out"),
        (["--recipe", "paper"], "--recipe: is paper, but me was learned with ours"),
        (["--audio-track", "7"], "--audio-track: is 7, but me was learned with the default one"),
    ],
)
def test_a_learned_person_is_not_learned_otherwise(capfd, monkeypatch, tmp_path, option, words):
    monkeypatch.chdir(tmp_path)
    toy_person(tmp_path).save("me")
    monkeypatch.setattr("tfhkit.talk.talk", lambda *_: None)
    assert call(capfd, "talk", "me", "sentence", "--profile", "tiny", "--recipe", "ours")[0] == 0
    code, _, err = call(capfd, "talk", "me", "sentence", *option)
    assert code == 2 and words in err and err.count("\n") == 1, err


def test_a_refused_person_leaves_no_directory(capfd, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    for arguments in (["learn", "nowhere.mp4", "-o", "new/me"],
                      ["learn", "sample", "-o", "new/me", "--profile", "x"],
                      ["talk", "nowhere.mp4", "sentence", "-o", "new/x.mp4"]):  # fmt: skip
        assert call(capfd, *arguments)[0] == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_two_learnings_into_one_directory(capfd, tmp_path):
    with hold(tmp_path / "me", "tfhkit learn"):
        code = (
            "import sys; from tfhkit import cli\n"
            f"sys.exit(cli.main(['learn', 'sample', '-o', {str(tmp_path / 'me')!r}]))"
        )
        stranger = {k: v for k, v in os.environ.items() if k != HELD}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                              env=stranger | {"PYTHONPATH": str(kit_dir())})  # fmt: skip
    assert done.returncode == 2 and "me: is in use by tfhkit learn (process" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_directory_that_cannot_be_written(capfd, notebooks, tmp_path):
    (tmp_path / "file").write_text("")
    code, _, err = call(
        capfd, "run", "--notebooks", notebooks, "--out", tmp_path / "file" / "x"
    )  # fmt: skip
    assert code == 2 and "cannot be written" in err and err.count("\n") == 1


def test_json_of_a_refusal_is_one_object(capfd):
    code, out, err = call(capfd, "fit", "nowhere.mp4", "--json")
    assert code == 2 and json.loads(out)["exit_code"] == 2 and "nowhere.mp4" in err


def test_json_is_alone_on_standard_output(capfd, monkeypatch):
    def bench(names):
        print("chatter")
        subprocess.run(["echo", "chatter of a child"], check=True)
        return {"raster": [{"what": "x", "ratio": 2.0}]}

    monkeypatch.setattr("tfhkit.cli.bench.run_benchmarks", bench)
    code, out, err = call(capfd, "bench", "--json")
    assert code == 0 and json.loads(out) == {"raster": [{"what": "x", "ratio": 2.0}]}
    assert "chatter of a child" in err
    _, out, _ = call(capfd, "bench")
    assert "what  ratio\nx     2" in out


def test_rows_of_another_kind_are_a_table_of_their_own(capfd, monkeypatch):
    rows = [{"what": "x", "ratio": 2.0}, {"what": "y", "ratio": 1.0}, {"what": "z", "fps": 9.0}]
    monkeypatch.setattr("tfhkit.cli.bench.run_benchmarks", lambda names: {"a": rows, "b": rows[:1]})
    _, out, _ = call(capfd, "bench")
    tables = out.strip().split("\n\n")
    assert [len(part.splitlines()) for part in tables] == [4, 2, 3]
    assert tables[1].splitlines()[0].split() == ["what", "fps"] and tables[2].startswith("b\n")


def test_an_unforeseen_error_is_one_line_and_exit_1(capfd, monkeypatch):
    def bench(names):
        raise RuntimeError("two\nlines")

    monkeypatch.setattr("tfhkit.cli.bench.run_benchmarks", bench)
    code, _, err = call(capfd, "bench")
    assert code == 1 and err == "tfhkit: unexpected RuntimeError: two lines; --debug shows where\n"
    with pytest.raises(RuntimeError):
        cli.main(["bench", "--debug"])


@pytest.mark.parametrize(
    "error, code, words",
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
        (OSError(errno.ENOSPC, "No space left"), 2, "standard output: cannot be written (No space"),
    ],
)
def test_an_output_that_takes_no_more(capfd, monkeypatch, error, code, words):
    def refuse(text):
        raise error

    kept = os.dup(1)
    monkeypatch.setattr(sys, "stdout", SimpleNamespace(
        write=refuse, flush=lambda: None, fileno=lambda: 1))  # fmt: skip
    try:
        assert cli.main(["recipes"]) == code
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    err = capfd.readouterr().err
    assert err.count("\n") == bool(words) and words in err


@pytest.mark.parametrize(
    "arguments",
    [["doctor"], ["fit"], ["correlate"], ["portrait"], ["portrait", "--speech"], ["talk", "sample"],
     ["fit", "sample", "-o"], ["fit", "sample", "--model-path"], ["hs"]],
    ids=" ".join,
)  # fmt: skip
def test_a_name_that_is_too_long(capfd, monkeypatch, tmp_path, arguments):
    monkeypatch.chdir(tmp_path)
    for name, what in (("é" * 128, "name"), ("b/" * 2100 + "x", "path")):
        names = [name + ".npz"] * (2 if arguments == ["hs"] else 1)
        code, out, err = call(capfd, *arguments, *names)
        assert code == 2 and not out
        shown = f"{name[:57]}..." if what == "name" else "..."
        assert f"{shown}: the {what} is too long; give a shorter one" in err
        assert err.count("\n") == 1 and len(err) < 150
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "number, code, words",
    [
        (errno.EACCES, 2, "x.mat: cannot be read or written (Permission denied); check the path"),
        (errno.ENOENT, 1, "unexpected FileNotFoundError: [Errno 2] no: 'x.mat'; --debug shows"),
    ],
)
def test_a_file_that_the_system_refuses(capfd, monkeypatch, number, code, words):
    def bench(names):
        raise OSError(number, "no", "x.mat")

    monkeypatch.setattr("tfhkit.cli.bench.run_benchmarks", bench)
    got, _, err = call(capfd, "bench")
    assert got == code and words in err and err.count("\n") == 1
    assert reason_of(OSError(number, "no", "x.mat")) in f"{err} --debug"
    with pytest.raises(OSError):
        cli.main(["bench", "--debug"])


def test_stopping_is_no_traceback(capfd, monkeypatch):
    def bench(names):
        raise KeyboardInterrupt

    monkeypatch.setattr("tfhkit.cli.bench.run_benchmarks", bench)
    code, _, err = call(capfd, "bench")
    assert code == 130 and err.count("\n") == 1


def test_tables():
    text = tables.table({"frames": 3, "yaw_deg": [-1.5, 2.25], "many": [1, 2, 3], "none": None})
    assert text.splitlines()[1] == "yaw_deg  -1.5 to 2.25" and "many     1, 2, 3" in text
    assert tables.rows_table([]) == ""


FACTS = {
    "seconds": 12.0,
    "fps": 25.0,
    "frames": 300,
    "duplicate_frames": 0,
    "silence_share": 0.2,
    "cuts": [],
    "face_px": 200.0,
    "face_share": 1.0,
    "yaw_deg": [-5, 5],
}


@pytest.mark.parametrize(
    "change, stage",
    [
        ({}, None),
        ({"seconds": 5.0}, "03_lstm_training"),
        ({"silence_share": 0.8}, "03_lstm_training"),
        ({"fps": 12.0}, "03_lstm_training"),
        ({"duplicate_frames": 100}, "03_lstm_training"),
        ({"cuts": [7]}, "01_3dmm_fitting"),
        ({"face_share": 0.9}, "01_3dmm_fitting"),
        ({"yaw_deg": [-50, 0]}, "04_rendering"),
        ({"face_px": 60.0}, "05_memory_gan"),
        ({"colours": "HDR (HLG), white at 203 cd/m2"}, "media (notebook 00)"),
        ({"jumps": [40]}, "media (notebook 00)"),
        ({"faces": 2, "why": "the face whose lips move"}, "01_3dmm_fitting"),
        ({"sound_lag_s": 0.24}, "03_lstm_training"),
        ({"sound_lag_s": 0.05}, None),
        ({"sound_lag_s": None}, None),
    ],
)
def test_advice_names_the_stage(change, stage):
    found = footage.advice(FACTS | change)
    assert [problem["stage"] for problem in found] == ([stage] if stage else [])


PART = {"reason": "dark", "first": 10, "stop": 20, "start_s": 0.4, "end_s": 0.76}
TRACK = {"count": 1, "number": 1, "names": ["1 (eng)"], "reason": "it is the only one", "mix": "-"}


@pytest.mark.parametrize(
    "change, lines",
    [
        ({"unusable": [PART]}, ["frames 10 to 19 (0.4 to 0.8 s) are dark and left out"]),
        ({"unusable": [PART], "face_share": 0.97}, ["are dark and left out"]),
        ({"unusable": [PART], "face_share": 0.9}, ["not visible in 7% of the frames", "dark"]),
        ({"unusable": [PART] * 5}, [*["are dark and left out"] * 3, "2 further ranges"]),
        ({"sound_lag_s": 0.24}, ["the sound is 0.20 s later than the picture"]),
        ({"sound_lag_s": -0.12}, ["the sound is 0.16 s earlier than the picture"]),
        ({"sound_track": TRACK}, []),
        ({"sound_track": {**TRACK, "count": 2, "reason": "only one with speech"}},
         ["sound track 1 (eng) of 2 is taken (only one with speech)"]),
        ({"sound_track": {**TRACK, "mix": "channel 2 of 2"}}, ["channel 2 of 2 is taken"]),
        ({"picture_track": TRACK}, []),
        ({"picture_track": {**TRACK, "count": 2, "reason": "default"}},
         ["picture track 1 (eng) of 2 is taken (default)"]),
    ],
)  # fmt: skip
def test_advice_says_what_was_found(change, lines):
    found = footage.advice(FACTS | change)
    assert len(found) == len(lines) and not any(problem["stops"] for problem in found)
    assert all(line in p["fault"] for line, p in zip(lines, found, strict=True))


def test_the_doctor_measures_the_pose_where_the_face_is_first_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(footage, "POSE_FRAMES", 6)
    person = toy_person(tmp_path)
    gap = np.zeros(len(person.fit), bool)
    gap[:20] = True
    seen = Landmarks(person.fit.landmarks_px, np.ones(len(gap), np.float32), gap, "dlib")
    fitted = []

    def fit_clip(clip, landmarks, **_):
        fitted.append(landmarks)
        return SimpleNamespace(report=dict.fromkeys(("yaw_deg", "pitch_deg", "roll_deg"), [0, 1]))

    monkeypatch.setattr(footage, "detect", lambda *_, **__: seen)
    monkeypatch.setattr(footage, "fit_clip", fit_clip)
    monkeypatch.setattr(footage, "lag_facts", lambda *_: {})
    footage.examine_clip(person.clip.path)
    assert len(fitted[0].gap) == 26 and (~fitted[0].gap).sum() == 6


def test_lag_lists_every_lag(capfd, monkeypatch, tmp_path):
    facts = {"seconds": 5.0, "sound_lag_curve": [{"sound_later_s": 0.2, "r": 0.5}]}
    examined = footage.Examination(toy_person(tmp_path).clip, None, facts, [])
    monkeypatch.setattr(footage, "examine_clip", lambda *_: examined)
    assert "sound_later_s  r\n0.2            0.5" in call(capfd, "doctor", "sample", "--lag")[1]
    assert "sound_later_s" not in call(capfd, "doctor", "sample")[1]
    code, _, err = call(capfd, "doctor", "--lag")
    assert code == 2 and "--lag: needs a clip" in err


def test_doctor_names_the_stage_that_would_stop(capfd, monkeypatch):
    def no_face(clip, progress=None):
        raise InputError(clip.path, "no face was found", "give another clip")

    monkeypatch.setattr(footage, "detect", no_face)
    code, out, _ = call(capfd, "doctor", "sample", "--json")
    result = json.loads(out)
    first = result["problems"][0]
    assert code == 2 and first["stops"] and first["stage"] == "landmarks (notebook 01)"
    assert result["footage"]["frames"] > 50
    assert set(result["checks"][0]) == {"what", "state", "text"}


def test_a_fitted_clip_gets_the_doctor_s_advice(tmp_path):
    person, said = toy_person(tmp_path), []
    gap = np.zeros(len(person.fit), bool)
    gap[:5] = True
    say_advice(person.clip, replace(person.fit, gap=gap), said.append)
    assert any("the face is not visible in 10% of the frames" in line for line in said)
    assert all(line.startswith("advice: ") for line in said)


@pytest.mark.slow
@pytest.mark.parametrize(
    "problems, code", [([], 0), ([False], 1), ([False, True], 2), ([True, False], 2)]
)
def test_doctor_s_exit_code_says_whether_the_clip_will_do(
    capfd, monkeypatch, tmp_path, problems, code
):
    found = [
        {"stage": "01", "fault": f"fault {k}", "remedy": "do", "stops": stops}
        for k, stops in enumerate(problems)
    ]
    clip = open_clip(write_clip(tmp_path / "me.mp4"))
    examined = footage.Examination(clip, None, {"seconds": 5.0}, found)
    monkeypatch.setattr(footage, "examine_clip", lambda *_: examined)
    sheet = tmp_path / "new" / "sheet.png"
    got, out, _ = call(capfd, "doctor", clip.path, "--report", sheet)
    assert got == code and sheet.stat().st_size > 10_000 and f"drawn: {sheet}" in out
    lines = [line for line in out.splitlines() if line.startswith(("stops: ", "advice: "))]
    assert len(lines) == len(problems) and (code < 2 or lines[0].startswith("stops: 01: fault"))
    assert ("this clip will do" in out) == (not problems)
    got, out, _ = call(capfd, "doctor", clip.path, "--json")
    assert got == code and json.loads(out)["exit_code"] == code


def test_doctor_s_report_is_refused_before_the_clip_is_read(capfd, tmp_path):
    for arguments, words in (
        (["--report", "a.png"], "--report: draws a clip; name one"),
        (["sample", "--report", tmp_path / "a.gif"], "a.gif: is not named .png"),
    ):
        code, _, err = call(capfd, "doctor", *arguments)
        assert code == 2 and words in err and err.count("\n") == 1


def test_doctor_draws_into_the_home_folder_and_writes_valid_json(capfd, monkeypatch, tmp_path):
    facts = {"seconds": 5.0, "lip_r": float("nan"), "curve": [(0.1, float("-inf"))]}
    examined = footage.Examination(toy_person(tmp_path).clip, None, facts, [])
    monkeypatch.setattr(footage, "examine_clip", lambda *_: examined)
    monkeypatch.setattr(contact_sheet, "write_contact_sheet", lambda path, *_: path)
    monkeypatch.setenv("HOME", str(tmp_path))
    _, out, _ = call(capfd, "doctor", "sample", "--report=~/sheet.png", "--json")
    found = json.loads(out, parse_constant=pytest.fail)
    assert found["report"] == str(tmp_path / "sheet.png")
    assert found["footage"] == {"seconds": 5.0, "lip_r": None, "curve": [[0.1, None]]}


def test_a_contact_sheet_shows_some_of_the_excluded_frames():
    excluded = np.zeros(100, bool)
    assert list(shown_frames(excluded, 5)) == [0, 25, 50, 74, 99]
    excluded[40:60] = True
    shown = shown_frames(excluded, 12)
    assert len(shown) == 12 and sorted(set(shown)) == list(shown)
    assert 4 <= excluded[shown].sum() <= 6
    assert len(shown_frames(np.ones(3, bool), 12)) == 3


@pytest.fixture
def toy_fit(monkeypatch, tmp_path):
    """`tfhkit fit` of a clip of three frames, without a detector: (clip's path, coefficients)."""
    import tfhkit.fit
    import tfhkit.landmarks
    import tfhkit.pipeline.advice

    monkeypatch.setattr(tfhkit.pipeline.advice, "say_advice", lambda *_: None)

    video = tmp_path / "clip.mp4"
    video.write_bytes(b"")
    coefficients = neutral(3)
    coefficients.exp[1] = np.arange(64)
    report = dict.fromkeys(REPORTED, 0.12345) | {"worst_frames": [2, 0]}
    report |= {"yaw_deg": [0.0, 1.0], "sigma_deg": [0.1, 0.2, 0.34567]}

    def fit_clip(clip, points, model, photometric=True, **_):
        common = np.zeros((3, 68, 2)), np.zeros(3, bool), np.arange(3) / 25, Crop(1, 0, 0)
        own = report | {"photometric": bool(photometric)}
        return Fit(coefficients, *common, model.name, own, model.path)

    clip = Clip(video, "", np.arange(3) / 25, 8, 8, 25.0, np.zeros(0, np.float32))
    monkeypatch.setattr("tfhkit.pipeline.clip_fit.open_clip", lambda *a, **k: clip)
    monkeypatch.setattr(tfhkit.landmarks, "detect", lambda *a, **k: SimpleNamespace(backend="x"))
    monkeypatch.setattr(tfhkit.fit, "fit_clip", fit_clip)
    return video, coefficients


@pytest.mark.parametrize("ending", ["mat", "npz"])
def test_fit_writes_what_was_fitted_with_the_model_asked_for(
    capfd, toy_fit, tmp_path, bfm_file, ending
):
    (video, coefficients), written = toy_fit, tmp_path / f"fit.{ending}"
    options = ["--model", "bfm09", "--model-path", bfm_file, "-o", written, "--json"]
    code, out, _ = call(capfd, "fit", video, *options)
    assert code == 0 and json.loads(out)["model"] == "bfm09"
    if ending == "mat":
        assert loadmat(written)["coeff"].shape == (3, 257)
        again = read_mat(written)
    else:
        fit = Fit.load(written)
        assert (fit.model_name, fit.model_path) == ("bfm09", bfm_file)
        again = fit.coefficients
    np.testing.assert_array_equal(again.exp, coefficients.exp)


def test_fit_says_its_numbers(capfd, toy_fit):
    code, out, _ = call(capfd, "fit", toy_fit[0], "--json")
    result = json.loads(out)
    assert code == 0 and set(REPORTED) < set(result)
    assert result["jitter_deg_landmarks"] == 0.1235 and result["sigma_deg"] == [0.1, 0.2, 0.3457]
    assert result["worst_frames"] == [2, 0]


def test_fit_draws_its_report_whole_or_not_at_all(capfd, monkeypatch, toy_fit, tmp_path):
    import tfhkit.fit.report_plots

    asked = []

    def show_fit(clip, before, after, model):
        asked.append([fit.report["photometric"] for fit in (before, after)])
        if len(asked) > 1:
            raise InputError("the second", "fails", "see what is left")
        return Figure((1, 1))

    monkeypatch.setattr(tfhkit.fit.report_plots, "show_fit", show_fit)
    drawn = tmp_path / "new" / "fit.png"
    assert call(capfd, "fit", toy_fit[0], "--report", drawn)[0] == 0
    first = drawn.read_bytes()
    assert first.startswith(b"\x89PNG") and asked == [[False, True]]
    code, _, err = call(capfd, "fit", toy_fit[0], "--report", drawn)
    assert code == 2 and "the second: fails" in err
    assert drawn.read_bytes() == first and list(drawn.parent.iterdir()) == [drawn]
