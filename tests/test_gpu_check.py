"""`.ci/gpu_check`: parts that travel one by one, and what it asks of the runner."""

import importlib.machinery
import importlib.util
from argparse import Namespace

import pytest

from tfhkit.pipeline.places import STEPS, kit_dir


@pytest.fixture(scope="module")
def tool():
    """The script as a module; Python leaves no cache of it."""
    loader = importlib.machinery.SourceFileLoader("gpu_check", str(kit_dir() / ".ci/gpu_check"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("gpu_check", loader))
    exec(compile(loader.get_data(loader.path), loader.path, "exec"), module.__dict__)
    return module


def test_parts_are_put_together_again(tool, tmp_path, rng_bytes=b"\x07\x91\xfe" * 999):
    (tmp_path / "place" / "site").mkdir(parents=True)
    (tmp_path / "place" / "site" / "a.bin").write_bytes(rng_bytes)
    parts = tool.pack(tmp_path / "place", tmp_path / "packed", 64)
    assert len(parts) > 1 and all(part.stat().st_size <= 64 for part in parts)
    tool.unpack(tmp_path / "packed", tmp_path)
    assert (tmp_path / "site" / "a.bin").read_bytes() == rng_bytes
    parts[0].unlink()
    with pytest.raises(SystemExit, match="parts are here; fill it with --prepare"):
        tool.unpack(tmp_path / "packed", tmp_path)


@pytest.mark.parametrize(
    ("path", "needless"),
    [
        ("scipy/linalg/tests", True),
        ("plotly/package_data/plotly.min.js", True),
        ("espeakng_loader/espeak-ng-data/fr_dict", True),
        ("espeakng_loader/espeak-ng-data/en_dict", False),
        ("IPython/testing", False),
    ],
)
def test_what_is_left_out(tool, path, needless):
    assert bool(tool.NEEDLESS.search(path)) == needless


def test_trainings_are_kept_short(tool, tmp_path):
    assert set(tool.STEPS) <= set(STEPS)
    full = Namespace(tiny=False, steps=800)
    given = ["03.size=small", f"05.identity_file={tmp_path / 'identity.npz'}"]
    assert list(tool.values_of(Namespace(tiny=True), tmp_path)) == given
    given += ["05.steps=800", "05.ablation_steps=-1"]
    assert list(tool.values_of(full, tmp_path)) == given
    command = tool.run_command("python", tmp_path, "sample", full)
    assert command[command.index("--profile") + 1] == "full" and "--no-report" in command


def test_all_of_it_ends_within_eight_minutes(tool):
    assert set(tool.TIMEOUT_S) == {"tests", *tool.STEPS} and sum(tool.TIMEOUT_S.values()) < 480


def test_a_command_that_takes_too_long_is_ended(tool, tmp_path):
    made = tool.timed(["sleep", "60"], {"PATH": "/usr/bin:/bin"}, tmp_path / "log", 0.2)
    assert made["exit_code"] == 124
