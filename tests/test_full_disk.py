"""A disk that fills up while something is written: one line, and what was there before stays."""

import errno
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from pipeline_toys import toy_notebooks

from tfhkit.errors import InputError, TfhkitError
from tfhkit.media import atomic_path, check_writable, save_arrays, write_json, write_video
from tfhkit.media.locks import LOCK
from tfhkit.media.sound import write_wav
from tfhkit.person import Motion
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline.places import kit_dir
from tfhkit.pipeline.runner import RunInputs, run_series
from tfhkit.weights import load_checkpoint, save_checkpoint, save_weights


@contextmanager
def files_of_at_most(n_bytes):
    """The system refuses to let a file grow further, as a full disk does (EFBIG for ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def noise(frames):
    return list(np.random.default_rng(0).integers(0, 255, (frames, 64, 64, 3), np.uint8))


def net(width):
    torch.manual_seed(0)
    return torch.nn.Linear(width, width)


def motion(frames):
    wide = np.random.default_rng(0).normal
    poses = wide(size=(frames, 6)).astype(np.float32)
    times, exp = np.arange(frames) / 25, wide(size=(frames, 64)).astype(np.float32)
    return Motion(times, exp, poses, poses, np.arange(frames))


WRITERS = {
    "video.mp4": lambda path, much: write_video(path, noise(60 if much else 2), 25.0),
    "sound.wav": lambda path, much: write_wav(path, np.zeros(90000 if much else 9, np.float32)),
    "weights.safetensors": lambda path, much: save_weights(path, net(200 if much else 2), {}),
    "state.safetensors": lambda path, much: save_checkpoint(
        path, {"net": net(200 if much else 2)}, {}, {"step": int(much), "fingerprint": "f"}
    ),
    "motion.npz": lambda path, much: save_arrays(path, motion(900 if much else 2)),
    "numbers.json": lambda path, much: write_json(path, ["x" * 40] * (2000 if much else 2)),
    "manifest.json": lambda path, much: manifests.write(
        path.parent, {"x": ["y" * 40] * (2000 if much else 2)}
    ),
}


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_is_one_line_and_earlier_results_stay(tmp_path, name):
    WRITERS[name](tmp_path / name, False)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with files_of_at_most(40_000), pytest.raises(InputError) as error:
        WRITERS[name](tmp_path / name, True)
    assert f"{name}: cannot be written (File too large); free some space" in str(error.value)
    assert "\n" not in str(error.value)
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_a_checkpoint_survives_a_full_disk(tmp_path):
    path = tmp_path / "state.safetensors"
    WRITERS["state.safetensors"](path, False)
    with files_of_at_most(40_000), pytest.raises(InputError):
        WRITERS["state.safetensors"](path, True)
    assert load_checkpoint(path, {"net": net(2)}, {}, "f") == {"step": 0, "fingerprint": "f"}


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS])
def test_what_else_a_disk_does(tmp_path, number):
    words = os.strerror(number).replace("(", r"\(").replace(")", r"\)")
    with pytest.raises(InputError, match=words), atomic_path(tmp_path / "new" / "x.json"):
        raise OSError(number, os.strerror(number))
    assert not list(tmp_path.iterdir())
    with pytest.raises(KeyError), atomic_path(tmp_path / "x.json"):
        raise KeyError("another fault keeps its kind")


def test_a_try_leaves_nothing(tmp_path):
    kept = tmp_path / "kept.mp4"
    kept.write_bytes(b"1")
    for path in (kept, tmp_path / "a" / "b" / "new.mp4"):
        assert check_writable(path, ".mp4") == path
    assert [path.name for path in tmp_path.iterdir()] == ["kept.mp4"] and kept.read_bytes() == b"1"
    with pytest.raises(InputError, match="is not named .npz or .mat"):
        check_writable(tmp_path / "x.mp4", ".npz", ".mat")


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 256 kB, where this user may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(folder)]
    try:
        if subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("no disk can be mounted here")
    except FileNotFoundError:
        pytest.skip("there is no mount here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("name", WRITERS)
def test_a_disk_that_is_really_full(small_disk, name):
    WRITERS[name](small_disk / name, False)
    with open(small_disk / "other", "wb", buffering=0) as other, pytest.raises(OSError):
        while other.write(bytes(4096)):
            pass
    os.truncate(small_disk / "other", os.path.getsize(small_disk / "other") - 40_960)
    before = {path.name: path.read_bytes() for path in small_disk.iterdir()}
    with pytest.raises(InputError, match=r"cannot be written \(No space left on device\)"):
        WRITERS[name](small_disk / name, True)
    assert before == {path.name: path.read_bytes() for path in small_disk.iterdir()}


@pytest.mark.slow
def test_a_run_on_a_full_disk_is_one_line_and_resumes(small_disk, tmp_path):
    notebooks = toy_notebooks(tmp_path / "nb")
    (tmp_path / "clip.mp4").write_bytes(b"12345")
    (tmp_path / "speech.wav").write_bytes(b"123")
    inputs = RunInputs(tmp_path / "clip.mp4", tmp_path / "speech.wav", small_disk / "run")
    other = small_disk / "other"
    for left in (0, 8192):
        other.write_bytes(bytes(256 * 1024 - left))
        with pytest.raises(TfhkitError, match=r"cannot be written \(No space left on") as error:
            run_series(inputs, notebooks=notebooks)
        assert "\n" not in str(error.value) and not (small_disk / "run" / LOCK).exists()
        other.unlink()
    assert [step["status"] for step in run_series(inputs, notebooks=notebooks)] == ["run", "run"]


def test_a_command_says_it_in_a_line(tmp_path):
    code = (
        "import resource, signal, sys; from tfhkit import cli\n"
        "from tfhkit.media import write_table\n"
        "def bench(names):\n"
        "    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))\n"
        "    write_table('x.csv', [{'a': 'b' * 99999}])\n"
        "import tfhkit.cli.bench; tfhkit.cli.bench.run_benchmarks = bench\n"
        "sys.exit(cli.main(['bench']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(kit_dir())},
    )  # fmt: skip
    assert done.returncode == 2 and not list(tmp_path.iterdir())
    assert done.stderr == (
        "tfhkit: x.csv: cannot be written (File too large); free some space, or choose another "
        "disk, and run it again\n"
    )
