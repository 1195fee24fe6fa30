"""One process at a time in a folder, whatever became of the one before."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tfhkit.errors import InputError
from tfhkit.media import locks
from tfhkit.media.locks import HELD, LOCK, check_free, hold, remove_leftovers

HOLDER = """
import subprocess, sys, time
from tfhkit.media.locks import hold
with hold(sys.argv[1], "tfhkit run"):
    if len(sys.argv) > 2:  # a process below it joins, and outlives it
        subprocess.Popen([sys.executable, "-c", sys.argv[2], sys.argv[1]])
    else:
        print("held", flush=True)
    time.sleep(60)
"""
JOINED = """
import sys, time
from tfhkit.media.locks import hold
with hold(sys.argv[1], "a notebook"):
    print("held", flush=True)
    time.sleep(float(%r))
"""


@pytest.fixture
def start(tmp_path):
    """Start a process that holds a folder; it is ended with the test."""
    begun = []

    def start(*arguments, **environment):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, tmp_path / "run", *arguments],
            stdout=subprocess.PIPE, text=True, env={**os.environ, **environment},
        )  # fmt: skip
        begun.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()
        process.stdout.close()


def test_a_second_process_is_refused_in_a_line_that_names_the_first(start, tmp_path):
    first, run = start(), tmp_path / "run"
    words = rf"run: is in use by tfhkit run \(process {first.pid} on .*, since ..:..\); wait for it"
    with pytest.raises(InputError, match=words), hold(run, "me"):
        pass
    with pytest.raises(InputError, match=words):
        check_free(run)
    assert json.loads((run / LOCK).read_text())["pid"] == first.pid


def test_a_killed_process_holds_nothing(start, tmp_path):
    first = start()
    first.kill()
    first.wait()
    assert (tmp_path / "run" / LOCK).is_file()
    check_free(tmp_path / "run")
    with hold(tmp_path / "run", "me"):
        assert json.loads((tmp_path / "run" / LOCK).read_text())["pid"] == os.getpid()
    assert not (tmp_path / "run").exists() or not (tmp_path / "run" / LOCK).exists()


@pytest.mark.parametrize(
    "seconds, free", [(1.0, True), pytest.param(30.0, False, marks=pytest.mark.slow)]
)
def test_what_a_killed_process_started_is_waited_for(monkeypatch, start, tmp_path, seconds, free):
    monkeypatch.setattr(locks, "ORPHANS_S", 4.0)
    first = start(JOINED % seconds)
    first.kill()
    first.wait()
    if free:
        with hold(tmp_path / "run", "me"):
            pass
    else:
        with pytest.raises(InputError, match="is in use by tfhkit run"), hold(tmp_path / "run", ""):
            pass


@pytest.mark.slow
def test_processes_below_the_holder_share_its_folder(tmp_path):
    code = JOINED % 0.0
    with hold(tmp_path / "run", "me"), hold(tmp_path / "run", "me again"):
        command = [sys.executable, "-c", code, tmp_path / "run"]
        assert subprocess.run(command, check=True, capture_output=True).stdout == b"held\n"
        stranger = {k: v for k, v in os.environ.items() if k != HELD}
        done = subprocess.run(command, env=stranger, capture_output=True, text=True)
        assert "is in use by me" in done.stderr
    assert str(tmp_path / "run") not in os.environ.get(HELD, "")


def test_a_token_of_an_earlier_holder_opens_nothing(monkeypatch, start, tmp_path):
    start()
    monkeypatch.setenv(HELD, json.dumps({str(tmp_path / "run"): "0" * 32}))
    with pytest.raises(InputError, match="is in use by tfhkit run"), hold(tmp_path / "run", "me"):
        pass


def test_nothing_is_left_of_a_folder_that_was_not_used(tmp_path):
    with hold(tmp_path / "new" / "run", "me"):
        assert (tmp_path / "new" / "run" / LOCK).is_file()
    assert not list(tmp_path.iterdir())
    with hold(tmp_path / "run", "me"):
        (tmp_path / "run" / "x").write_text("")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["x"]


def test_a_folder_that_cannot_be_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path, words in (("file", "is a file"), ("file/run", "cannot be written")):
        with pytest.raises(InputError, match=words), hold(tmp_path / path, "me"):
            pass


def test_links_that_lead_to_each_other_are_refused(tmp_path):
    (tmp_path / "one").symlink_to(tmp_path / "two")
    (tmp_path / "two").symlink_to(tmp_path / "one")
    for path, words in (("one", "cannot be followed"), ("n" * 300, "cannot be written")):
        with pytest.raises(InputError, match=words), hold(tmp_path / path, "me"):
            pass


@pytest.mark.parametrize("text", ["[1]", "{}", "5", '{"machine": 1}', "junk"])
def test_a_lock_file_that_names_no_holder_is_nobodys(monkeypatch, tmp_path, text):
    (tmp_path / LOCK).write_text(text)
    monkeypatch.setenv(HELD, text)
    check_free(tmp_path)
    with hold(tmp_path, "me"):
        assert json.loads((tmp_path / LOCK).read_text())["doing"] == "me"


def write_lock(folder, **change):
    holder = {"token": "t", "pid": 1, "machine": "another kernel", "host": "far", "doing": "x",
              "since": time.time()}  # fmt: skip
    folder.mkdir(exist_ok=True)
    (folder / LOCK).write_text(json.dumps(holder | change))


def test_another_machine_is_known_by_its_signs_of_life(monkeypatch, tmp_path):
    """Its lock does not reach this machine: flock(2) on some network disks is local."""
    monkeypatch.setattr(locks, "WATCH_S", 1.0)
    write_lock(tmp_path / "run")
    with hold(tmp_path / "run", "me"):  # it was switched off
        pass
    write_lock(tmp_path / "run")
    path = str(tmp_path / "run" / LOCK)
    beat = f"import os, time\nwhile True: os.utime({path!r}); time.sleep(.2)"
    with subprocess.Popen([sys.executable, "-c", beat]) as far:
        with pytest.raises(InputError, match="process 1 on far"), hold(tmp_path / "run", "me"):
            pass
        far.kill()


def no_locks(*_):
    raise OSError(errno.ENOLCK, "no locks")


def test_a_disk_without_locks(monkeypatch, tmp_path):
    monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    monkeypatch.setattr(locks, "WATCH_S", 1.0)
    monkeypatch.setattr(locks, "BEAT_S", 0.1)
    code = "\n".join([
        "from tfhkit.media import locks", "def no(*_): raise OSError(37, 'no locks')",
        "locks.fcntl.flock = no", "locks.BEAT_S = 0.1", HOLDER,
    ])  # fmt: skip
    command = [sys.executable, "-c", code, tmp_path / "run"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match=f"process {first.pid}"), hold(tmp_path / "run", "me"):
            pass
        first.kill()
    with hold(tmp_path / "run", "me"):
        pass


def test_a_holder_gives_signs_of_life(monkeypatch, tmp_path):
    monkeypatch.setattr(locks, "BEAT_S", 0.05)
    with hold(tmp_path / "run", "me"):
        os.utime(tmp_path / "run" / LOCK, (0, 0))
        until = time.monotonic() + 10
        while (tmp_path / "run" / LOCK).stat().st_mtime < 1:
            assert time.monotonic() < until
            time.sleep(0.05)


def test_a_lock_file_that_was_replaced_meanwhile_is_not_mistaken(monkeypatch, tmp_path):
    """Its holder removes it at the end: who locked the removed file begins again."""
    (tmp_path / "run").mkdir()
    path, real, calls = tmp_path / "run" / LOCK, fcntl.flock, []

    def flock(file, how):
        real(file, how)
        if not calls:
            calls.append(file)
            path.unlink()

    monkeypatch.setattr(locks.fcntl, "flock", flock)
    with hold(tmp_path / "run", "me"):
        assert json.loads(path.read_text())["pid"] == os.getpid()


def test_only_temporary_files_are_removed_and_only_by_the_first(monkeypatch, tmp_path):
    names = [".x.0123abcd.json", ".01_a.0123abcd.progress", ".y.z.0123abcd", ".hidden", "x.json",
             ".x.0123abcd.json.bak", LOCK]  # fmt: skip
    with hold(tmp_path, "me"):
        for name in names:
            (tmp_path / name).touch()
        monkeypatch.setitem(locks._mine, tmp_path.resolve(), False)
        remove_leftovers(tmp_path, tmp_path.iterdir())
        assert len(list(tmp_path.iterdir())) == len(names)
        monkeypatch.setitem(locks._mine, tmp_path.resolve(), True)
        remove_leftovers(tmp_path, tmp_path.iterdir())
        assert {path.name for path in tmp_path.iterdir()} == set(names[3:])


def test_a_process_ends_with_the_one_that_started_it(tmp_path):
    inner = (
        "import signal, time; from tfhkit.media.locks import end_with_parent; end_with_parent()\n"
        # a shell that runs the tests in the background has its children ignore the signal
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "print('begun', flush=True)\n"
        "try: time.sleep(60)\n"
        "except KeyboardInterrupt: print('ended', flush=True)"
    )
    outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    with subprocess.Popen([sys.executable, "-c", outer], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"begun\n"
        process.send_signal(signal.SIGKILL)
        assert process.stdout.readline() == b"ended\n"
