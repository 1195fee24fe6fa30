"""What a job on a GPU would lack: the doctor's lines, and tests that must not be skipped."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tfhkit.cli import main
from tfhkit.evaluate import gpu_job
from tfhkit.evaluate.installation import ABSENT, FAULT, OK, check_parts


@pytest.fixture
def machine(monkeypatch):
    """A machine with a fitting driver and GPU; a call changes what is given."""

    def fake(driver=(13, 0), build="13.0", found=True, capability=(9, 0)):
        monkeypatch.setattr(gpu_job, "driver_cuda", lambda: driver)
        monkeypatch.setattr(torch.version, "cuda", build)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: found)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: int(found))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda index=0: "a GPU")
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: capability)

    fake()
    return fake


def rows():
    return {name: (look, may_lack) for name, look, may_lack in gpu_job.gpu_parts()}


def fault_of(name):
    with pytest.raises(gpu_job.InputError) as caught:
        rows()[name][0]()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_machine_that_lacks_nothing(machine):
    said = {name: rows()[name][0]() for name in list(rows())[:3]}
    assert said["GPU: driver"] == "runs CUDA up to 13.0"
    assert said["GPU: torch"].endswith("finds a GPU")
    assert said["GPU: capability"] == "9.0, with bfloat16"


@pytest.mark.parametrize(
    ("given", "name", "words"),
    [
        ({"driver": None}, "GPU: driver", "driver: is not there; the quick profile needs no GPU"),
        ({"driver": (12, 4)}, "GPU: driver", "CUDA up to 12.4, and torch was built for 13.0; upd"),
        ({"build": None}, "GPU: torch", "is a CPU build; on a machine with a GPU, set up without"),
        ({"found": False}, "GPU: torch", "finds no CUDA device"),
        ({"capability": (7, 5)}, "GPU: capability", "is 7.5, and bfloat16 needs 8.0"),
        ({"found": False}, "GPU: capability", "no device to ask"),
    ],
)
def test_what_a_machine_lacks(machine, given, name, words):
    machine(**given)
    assert words in fault_of(name)


def test_a_driver_of_the_same_major_version_will_do(machine):
    machine(driver=(12, 4), build="12.8")
    assert rows()["GPU: driver"][0]() == "runs CUDA up to 12.4"


def test_the_driver_s_version_is_asked_from_its_library(monkeypatch):
    class Library:
        def cuDriverGetVersion(self, number):  # noqa: N802 - CUDA's name
            ctypes.cast(number, ctypes.POINTER(ctypes.c_int))[0] = 12080
            return 0

    monkeypatch.setattr(gpu_job.ctypes, "CDLL", lambda name: Library())
    assert gpu_job.driver_cuda() == (12, 8)

    def absent(name):
        raise OSError(name)

    monkeypatch.setattr(gpu_job.ctypes, "CDLL", absent)
    assert gpu_job.driver_cuda() is None


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ModuleNotFoundError("no", name="pytorch3d"), "is not installed; numba is used"),
        (ModuleNotFoundError("no", name="iopath"), "lacks iopath"),
        (
            ImportError("_C.so: undefined symbol: x\nmore"),
            "does not fit torch.*undefined symbol: x",
        ),
    ],
)
def test_pytorch3d_is_missing_or_does_not_fit(monkeypatch, error, words):
    def fails(name):
        raise error

    monkeypatch.setattr(gpu_job, "import_module", fails)
    with pytest.raises(gpu_job.InputError, match=words):
        rows()["rasterizer: pytorch3d"][0]()


def test_what_may_be_absent_is_a_fault_where_a_gpu_is_required(machine, monkeypatch):
    machine(driver=None, build=None, found=False)
    found = {}
    for value in ("", "1"):
        monkeypatch.setenv("TFHKIT_REQUIRE_GPU", value)
        found[value] = {row["what"]: row["state"] for row in check_parts()}
    for name in ("GPU: driver", "GPU: torch", "GPU: capability"):
        assert found[""][name] == ABSENT and found["1"][name] == FAULT
    assert found["1"]["rasterizer: numba"] == OK


def test_a_machine_without_libgl_gets_one_line(monkeypatch, capfd):
    def fails(name):
        raise ImportError("libGL.so.1: cannot open shared object file")

    monkeypatch.setattr(gpu_job, "import_module", fails)
    assert main(["doctor"]) == 2
    said = capfd.readouterr().err
    assert said.count("\n") == 1 and "libGL.so.1" in said and "apt-get install libgl1" in said


TESTS = """
import pytest

@pytest.mark.{gpu}
@pytest.mark.skipif(True, reason="no such part")
def test_by_mark(): ...

@pytest.mark.{gpu}
def test_inside():
    pytest.skip("too little memory")

def test_without_gpu():
    pytest.skip("another matter")
"""
TORCH = """
__version__ = "9.9"
class version: cuda = None
class cuda: is_available = staticmethod(lambda: {found})
"""


@pytest.mark.parametrize(
    ("required", "found", "code", "words"),
    [
        ("", False, 0, ("3 skipped",)),
        ("1", True, 1, ("1 failed, 1 skipped, 1 error", "skipped: Skipped: no such part")),
        ("1", False, 4, ("TFHKIT_REQUIRE_GPU is set, and torch 9.9 is a CPU build",)),
    ],
)
def test_gpu_tests_are_not_skipped_where_a_gpu_is_required(tmp_path, required, found, code, words):
    (tmp_path / "torch.py").write_text(TORCH.format(found=found))
    (tmp_path / "test_toy.py").write_text(TESTS.replace("{gpu}", "gpu"))
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = gpu\n")
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parent)])
    env = os.environ | {"TFHKIT_REQUIRE_GPU": required, "PYTHONPATH": path,
                        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # fmt: skip
    env.pop("PYTEST_ADDOPTS", None)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "gpu_required", "test_toy.py"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stdout
    for text in words:
        assert text in done.stdout + done.stderr
