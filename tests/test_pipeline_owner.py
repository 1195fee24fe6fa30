"""A run directory belongs to its clip; a run that was killed is made whole by the same command."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest
from pipeline_toys import toy_notebooks

from tfhkit.errors import InputError
from tfhkit.media.locks import LOCK, hold
from tfhkit.pipeline import jobs, open_step, places
from tfhkit.pipeline.owner import FILE, check_owner, claim, owner_of
from tfhkit.pipeline.places import kit_dir
from tfhkit.pipeline.report import run_and_report
from tfhkit.pipeline.runner import RunInputs


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Notebooks; two clips of the same name in two folders, and two voices."""
    folder = tmp_path_factory.mktemp("owner")
    toy_notebooks(folder / "nb")
    for name, size in (("a", 5), ("b", 7)):
        (folder / name).mkdir()
        (folder / name / "video.mp4").write_bytes(b"x" * size)
        (folder / name / "voice.wav").write_bytes(b"v" * size)
    return folder


def run(place, clip="a", voice="a", out=None, only=()):
    inputs = RunInputs(place / clip / "video.mp4", place / voice / "voice.wav", out)
    return run_and_report(inputs, only, notebooks=place / "nb", say=lambda line: None)


def statuses(report):
    return {step["name"]: step["status"] for step in report["steps"]}


@pytest.mark.slow
def test_another_clip_is_refused_with_a_way_out(place, tmp_path):
    out = tmp_path / "run"
    run(place, out=out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    words = r"belongs to another clip \(another clip of that name, or an earlier video.mp4\); name"
    for only in ((), ("00",)):
        with pytest.raises(InputError, match=words):
            run(place, clip="b", out=out, only=only)
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_clip_that_was_changed_at_its_place_is_another_one(place, tmp_path):
    (tmp_path / "video.mp4").write_bytes(b"one")
    inputs = RunInputs(tmp_path / "video.mp4", place / "a" / "voice.wav", tmp_path / "run")
    run_and_report(inputs, notebooks=place / "nb", say=lambda line: None)
    (tmp_path / "moved.mp4").write_bytes(b"one")
    check_owner(tmp_path / "run", tmp_path / "moved.mp4")  # the same content
    (tmp_path / "video.mp4").write_bytes(b"another")
    with pytest.raises(InputError, match="an earlier video.mp4"):
        run_and_report(inputs, notebooks=place / "nb", say=lambda line: None)


@pytest.mark.slow
def test_default_directories_of_clips_of_one_name_differ(place, tmp_path, monkeypatch):
    monkeypatch.setattr(places, "base_dir", lambda: tmp_path)
    reports = [run(place, clip=clip) for clip in ("a", "b", "a", "b")]
    assert [set(statuses(report).values()) for report in reports] == [{"run"}] * 2 + [{"kept"}] * 2
    first, second = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert first == "video" and second.startswith("video-") and len(second) == len("video-") + 8
    texts = [(tmp_path / "runs" / name / "00_first" / "size.txt").read_text()
             for name in (first, second)]  # fmt: skip
    assert texts == ["25", "49"]
    (tmp_path / "uploads.mp4").write_bytes(b"x")
    assert RunInputs(tmp_path / "uploads.mp4").run_dir().name.startswith("uploads-")


@pytest.mark.slow
def test_without_its_note_the_manifests_tell_the_owner(place, tmp_path):
    run(place, out=tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(InputError, match="belongs to another clip"):
        check_owner(tmp_path, place / "b" / "video.mp4")
    assert owner_of(tmp_path / "nowhere") is None
    (tmp_path / FILE).write_text("{")
    check_owner(tmp_path, place / "a" / "video.mp4")


def test_a_notebook_of_another_clip_is_refused(place, tmp_path, monkeypatch):
    claim(tmp_path, place / "a" / "video.mp4")
    monkeypatch.setenv("TFHKIT_NOTEBOOKS", str(place / "nb"))
    with pytest.raises(InputError, match="belongs to another clip"):
        open_step("00_first", {"clip": str(place / "b" / "video.mp4"), "out": str(tmp_path)})


def test_a_job_of_another_clip_is_refused(place, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHKIT_RUNS", str(tmp_path))
    claim(tmp_path / "mine", place / "a" / "video.mp4")
    with pytest.raises(InputError, match="belongs to another clip"):
        jobs.start_job("mine", str(place / "b" / "video.mp4"))
    assert jobs.job_state() is None


@pytest.mark.slow
def test_steps_of_another_speech_are_not_called_kept(place, tmp_path):
    run(place, out=tmp_path)
    report = run(place, voice="b", out=tmp_path, only=("00",))
    assert statuses(report) == {"00_first": "kept"} and len(report["notebooks"]) == 1
    assert report["outdated"] == {"01_second": "another speech"}
    report = run(place, voice="b", out=tmp_path)
    assert statuses(report) == {"00_first": "kept", "01_second": "run"} and not report["outdated"]
    assert (tmp_path / "01_second" / "text.txt").read_text() == "25 0.5 so 7"


@pytest.mark.slow
def test_steps_of_another_series_are_not_shown(place, tmp_path):
    run(place, out=tmp_path)
    (tmp_path / "01_second").rename(tmp_path / "01_other")
    report = run(place, out=tmp_path, only=("00",))
    assert report["outdated"] == {"01_other": "another series"}


def test_a_refused_run_leaves_no_directory(place, tmp_path):
    for given in ({"clip": "none"}, {"voice": "none"}, {"only": ("09",)}):
        with pytest.raises(InputError):
            run(place, out=tmp_path / "new" / "run", **given)
    assert not list(tmp_path.iterdir())


def command(place, out):
    return [sys.executable, "-m", "tfhkit.cli", "run", "--notebooks", place / "nb", "--out", out,
            "--clip", place / "a" / "video.mp4", "--speech", place / "a" / "voice.wav",
            "--json"]  # fmt: skip


def kit(place, out, **options):
    environment = {**os.environ, "PYTHONPATH": str(kit_dir())}
    return subprocess.Popen(
        command(place, out), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment, **options,
    )  # fmt: skip


def results(out):
    """Numbers and files of a run, without what depends on the moment."""
    told = {}
    for step in ("00_first", "01_second"):
        made = json.loads((out / step / "manifest.json").read_text())
        told[step] = [made[key] for key in ("fingerprint", "inputs", "outputs", "numbers")]
        cells = json.loads((out / "notebooks" / f"{step}.ipynb").read_text())["cells"]
        told[step] += [[cell.get("outputs") is None for cell in cells]]
    files = sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())
    return told, files


@pytest.mark.slow
def test_the_second_of_two_runs_is_refused_and_nothing_mixed(place, tmp_path):
    out = tmp_path / "run"
    with hold(out, "a test"):
        # no relative of this process, as its environment does not say so
        environment = {k: v for k, v in os.environ.items() if k != "TFHKIT_HELD"}
        done = subprocess.run(
            command(place, out), capture_output=True, text=True,
            env={**environment, "PYTHONPATH": str(kit_dir())},
        )  # fmt: skip
    assert done.returncode == 2 and "is in use by a test (process" in done.stderr
    assert done.stderr.count("\n") == 1 and not out.exists()


def kill_and_repeat(place, out, whole, moment):
    """Kill a run after some seconds; the same command then gives what `whole` has."""
    first = kit(place, out)
    time.sleep(moment)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    again = kit(place, out)
    _, said = again.communicate()
    assert again.returncode == 0, (moment, said)
    assert results(out) == whole, moment
    assert not (out / LOCK).exists()


def undisturbed(place, out):
    began = time.monotonic()
    process = kit(place, out)
    assert process.communicate()[1] is not None and process.returncode == 0
    return results(out), time.monotonic() - began


@pytest.mark.slow
def test_a_killed_run_is_made_whole_by_the_same_command(place, tmp_path):
    whole, seconds = undisturbed(place, tmp_path / "whole")
    kill_and_repeat(place, tmp_path / "killed", whole, 0.7 * seconds)


@pytest.mark.slow
def test_a_run_that_is_killed_at_twenty_moments(place, tmp_path):
    whole, seconds = undisturbed(place, tmp_path / "whole")
    chance = random.Random(13)
    for k in range(20):
        kill_and_repeat(place, tmp_path / str(k), whole, chance.uniform(0.1, 1.0) * seconds)


@pytest.mark.slow
def test_a_step_whose_notebook_was_not_finished_runs_again(place, tmp_path):
    """It may have written its manifest: exercises follow."""
    run(place, out=tmp_path)
    (tmp_path / "notebooks" / ".00_first.unfinished.ipynb").write_text("{")
    assert statuses(run(place, out=tmp_path)) == {"00_first": "run", "01_second": "kept"}
    assert not (tmp_path / "notebooks" / ".00_first.unfinished.ipynb").exists()
