"""Jobs in the background: one at a time, followed by anyone, stopped, resumed, never mistaken."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import namedtuple

import pytest

from tfhkit.errors import InputError, ParameterError
from tfhkit.pipeline import jobs

TOY = """
import json, os, signal, sys, time
file = sys.argv[sys.argv.index("--progress") + 1]
def say(state, **more):
    with open(file, "a") as log:
        log.write(json.dumps({"state": state, "step": "01_x", "index": 1, "steps": 2, "done": 3,
                  "total": 9, "text": "work", "share": 0.25, "elapsed_s": 1.0, "left_s": 3.0,
                  **more}) + "\\n")
say("running")
how = sys.argv[sys.argv.index("--profile") + 1]
print("a line of its log", flush=True)
try:
    if how == "quick":
        say("finished", report="r.html", videos=["v.mp4"], share=1.0)
    elif how == "tiny":
        say("failed", text="01_x: no face was found; give another clip")
        sys.exit(2)
    else:
        if os.environ.get("TOY_DEAF"):
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        time.sleep(60)
except KeyboardInterrupt:
    say("stopped")
    sys.exit(130)
"""


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """A kit whose `tfhkit run` is a script: quick ends, tiny fails, full takes a minute."""
    script = tmp_path / "toy.py"
    script.write_text(TOY)
    command = jobs._command
    monkeypatch.setenv("TFHKIT_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr(
        jobs, "_command", lambda record: [sys.executable, str(script), *command(record)[4:]]
    )
    yield tmp_path / "runs"
    ending = jobs.stop_job((0.0, 0.0))
    if ending:
        ending.join()
    for child in jobs._children:
        child.wait(10)


def wait(*states, seconds=20):
    until = time.monotonic() + seconds
    while (state := jobs.job_state())["state"] not in states:
        assert time.monotonic() < until, state
        time.sleep(0.05)
    return state


def test_a_job_runs_to_its_end(toy):
    assert jobs.job_state() is None and jobs.stop_job() is None
    jobs.start_job("mine")
    state = wait("finished")
    assert state["name"] == "mine" and state["out"] == str(toy / "mine")
    assert state["report"] == "r.html" and state["words"] == "finished in 1 s"
    assert (toy / "mine" / jobs.LOG).read_text() == "a line of its log\n"


def test_a_job_that_fails_says_the_stages_own_words(toy):
    jobs.start_job("mine", profile="tiny")
    assert wait("failed")["words"] == "01_x: no face was found; give another clip"


def test_two_at_once_are_refused_and_a_stopped_one_resumes(toy):
    jobs.start_job("first", profile="full")
    while jobs.job_state()["share"] == 0:
        time.sleep(0.05)
    state = jobs.job_state()
    assert state["words"] == "step 1 of 2: 01_x, work 3/9"
    with pytest.raises(InputError, match=r"^first: is at work since ..:.. and 25 % done, about 3 s "
                       "left; one run at a time: wait for it, or stop it"):  # fmt: skip
        jobs.start_job("second")
    assert jobs.job_state()["name"] == "first", "a refused start changes nothing"
    ending = jobs.stop_job()
    assert jobs.job_state()["state"] in ("stopping", "stopped")
    ending.join()
    state = jobs.job_state()
    assert state["state"] == "stopped" and "resumed from there" in state["words"]
    jobs.start_job("first")
    wait("finished")


def test_a_deaf_job_is_ended_all_the_same(toy, monkeypatch):
    monkeypatch.setenv("TOY_DEAF", "1")
    jobs.start_job("mine", profile="full")
    while jobs.job_state()["share"] == 0:
        time.sleep(0.05)
    time.sleep(0.3)
    jobs.stop_job((0.3, 5.0)).join()
    assert jobs.job_state()["state"] == "stopped"


def test_a_job_outlives_who_started_it_and_its_death_is_seen(toy, tmp_path):
    code = f"""
import sys
from tfhkit.pipeline import jobs
command = jobs._command
jobs._command = lambda record: [sys.executable, {str(tmp_path / "toy.py")!r}, *command(record)[4:]]
jobs.start_job("mine", profile="full")
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
    while jobs.job_state()["share"] == 0:
        time.sleep(0.05)
    state = jobs.job_state()
    assert state["state"] == "running"
    os.kill(state["pid"], signal.SIGKILL)
    words = wait("died")["words"]
    assert "ended without a word (a line of its log)" in words and "resumed from there" in words


def test_a_stale_record_ends_nobody(toy):
    """Its process number belongs to somebody else by now: to this test."""
    out = toy / "old"
    out.mkdir(parents=True)
    record = {"name": "old", "out": str(out), "clip": "sample", "speech": "sentence",
              "profile": "quick", "began": 0.0, "pid": os.getpid()}  # fmt: skip
    (toy / jobs.RECORD).write_text(json.dumps(record))
    assert jobs.job_state()["state"] == "died" and jobs.stop_job() is None
    (toy / jobs.LOCK).write_text("")
    assert jobs.job_state()["state"] == "died" and jobs.stop_job() is None
    jobs.start_job("new")
    assert wait("finished")["name"] == "new"
    (toy / jobs.RECORD).write_text("{")
    assert jobs.job_state() is None


def test_refused_before_anything_starts(toy, monkeypatch, tmp_path):
    with pytest.raises(InputError, match="there is no such clip file"):
        jobs.start_job("mine", clip=str(tmp_path / "no.mp4"))
    with pytest.raises(ParameterError, match="choose one of quick"):
        jobs.start_job("mine", profile="fast")
    usage = namedtuple("usage", "free")(3e6)
    with monkeypatch.context() as patch:
        patch.setattr(jobs.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(InputError, match="its disk has 3 MB left, a run needs 500 MB"):
            jobs.start_job("mine")
    monkeypatch.setenv("TFHKIT_RUNS", str(tmp_path / "toy.py" / "below a file"))
    with pytest.raises(InputError, match="this run directory cannot be written"):
        jobs.start_job("mine")
    assert jobs.job_state() is None


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden", "-x", "uploads", "x" * 61, "é"])
def test_names_that_will_not_do(name):
    with pytest.raises(ParameterError, match="name"):
        jobs.check_name(name)


@pytest.mark.parametrize(
    "clip, speech, name",
    [
        ("sample", "sentence", "sample"),
        ("/a/My Clip (1).MOV", "sentence", "my-clip-1"),
        ("/runs/uploads/me-0a1b2c3d.mkv", "/b/Words.wav", "me-words"),
        ("/a/日本.mp4", "sentence", "run"),
    ],
)
def test_a_name_is_suggested(clip, speech, name):
    assert jobs.suggest_name(clip, speech) == name
    jobs.check_name(name)
