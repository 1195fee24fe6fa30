"""A run directory belongs to its clip; a run that was killed is made whole by the same command."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time

import pytest
from pipeline_toys import toy_notebooks

from tfhkit.errors import InputError
from tfhkit.media.locks import LOCK, hold
from tfhkit.pipeline import jobs, manifest, open_step, places, runner
from tfhkit.pipeline.execution import StageError
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


@pytest.fixture(scope="module")
def whole(place):
    """The directory of a run of clip and voice "a" that nothing disturbed; do not change it."""
    process = kit(place, place / "whole")
    _, said = process.communicate()
    assert process.returncode == 0, said
    return place / "whole"


@pytest.fixture
def made(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "made")


def run(place, clip="a", voice="a", out=None, only=()):
    inputs = RunInputs(place / clip / "video.mp4", place / voice / "voice.wav", out)
    return run_and_report(inputs, only, notebooks=place / "nb", say=lambda line: None)


def statuses(report):
    return {step["name"]: step["status"] for step in report["steps"]}


@pytest.mark.slow
def test_another_clip_is_refused_with_a_way_out(place, made):
    before = {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}
    words = r"belongs to another clip \(another clip of that name, or an earlier video.mp4\); name"
    for only in ((), ("00",)):
        with pytest.raises(InputError, match=words):
            run(place, clip="b", out=made, only=only)
    assert before == {path: path.read_bytes() for path in made.rglob("*") if path.is_file()}


def test_a_clip_that_was_changed_at_its_place_is_another_one(place, tmp_path):
    (tmp_path / "video.mp4").write_bytes(b"one")
    inputs = RunInputs(tmp_path / "video.mp4", place / "a" / "voice.wav", tmp_path / "run")
    claim(tmp_path / "run", inputs.clip_file())  # as a run does
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
def test_without_its_note_the_manifests_tell_the_owner(place, made):
    (made / FILE).unlink()
    with pytest.raises(InputError, match="belongs to another clip"):
        check_owner(made, place / "b" / "video.mp4")
    assert owner_of(made / "nowhere") is None
    (made / FILE).write_text("{")
    check_owner(made, place / "a" / "video.mp4")


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
def test_steps_of_another_speech_are_not_called_kept(place, made):
    report = run(place, voice="b", out=made, only=("00",))
    assert statuses(report) == {"00_first": "kept"} and len(report["notebooks"]) == 1
    assert report["outdated"] == {"01_second": "another speech"}
    report = run(place, voice="b", out=made)
    assert statuses(report) == {"00_first": "kept", "01_second": "run"} and not report["outdated"]
    assert (made / "01_second" / "text.txt").read_text() == "25 0.5 so 7"


@pytest.mark.slow
def test_steps_of_another_series_are_not_shown(place, made):
    (made / "01_second").rename(made / "01_other")
    report = run(place, out=made, only=("00",))
    assert report["outdated"] == {"01_other": "another series"}


def test_a_refused_run_leaves_no_directory(place, tmp_path):
    for given in ({"clip": "none"}, {"voice": "none"}, {"only": ("09",)}):
        with pytest.raises(InputError):
            run(place, out=tmp_path / "new" / "run", **given)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("finished", [False, True])
def test_a_run_without_a_finished_step_claims_no_directory(place, tmp_path, monkeypatch, finished):
    def execute(notebook, out, *_):
        if finished:
            (out / notebook.stem).mkdir()
            manifest.write(out / notebook.stem, {})
        raise StageError(notebook.stem, "its sound is silent", exit_code=2)

    monkeypatch.setattr(runner, "execute", execute)
    with pytest.raises(StageError):
        run(place, out=tmp_path)
    assert (owner_of(tmp_path) is not None) == finished
    with pytest.raises(InputError if finished else StageError):
        run(place, clip="b", out=tmp_path)


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


def killed(place, out, moment, wait_s=0.0):
    """A run that is killed some seconds after a file appeared in its directory, or is through."""
    process = kit(place, out)
    while process.poll() is None and not (out / moment).exists():
        time.sleep(0.005)
    time.sleep(wait_s)
    process.kill()
    _, said = process.communicate()
    assert process.returncode in (-signal.SIGKILL, 0), (moment, said)


def finished(place, out, whole):
    """The same command then gives what a run has that nothing disturbed."""
    process = kit(place, out)
    _, said = process.communicate()
    assert process.returncode == 0, said
    assert results(out) == results(whole)
    assert not (out / LOCK).exists()


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["notebooks/.00_first.unfinished.ipynb", "01_second/text.txt"])
def test_a_killed_run_is_made_whole_by_the_same_command(place, whole, tmp_path, moment):
    killed(place, tmp_path / "run", moment)
    finished(place, tmp_path / "run", whole)


MOMENTS = (
    LOCK, "notebooks/.00_first.unfinished.ipynb", "00_first/size.txt", "00_first/manifest.json",
    "notebooks/00_first.ipynb", "notebooks/.01_second.unfinished.ipynb", "01_second/text.txt",
    "01_second/manifest.json", "notebooks/01_second.ipynb", "report.html",
)  # fmt: skip


@pytest.mark.slow
def test_a_run_that_is_killed_at_every_moment(place, whole, tmp_path):
    """Each of these runs goes on from what the one before left, a step further."""
    chance = random.Random(13)
    for moment in MOMENTS:
        killed(place, tmp_path / "run", moment, chance.uniform(0.0, 0.2))
    finished(place, tmp_path / "run", whole)


@pytest.mark.slow
def test_a_step_whose_notebook_was_not_finished_runs_again(place, made):
    """It may have written its manifest: exercises follow."""
    (made / "notebooks" / ".00_first.unfinished.ipynb").write_text("{")
    assert statuses(run(place, out=made)) == {"00_first": "run", "01_second": "kept"}
    assert not (made / "notebooks" / ".00_first.unfinished.ipynb").exists()
