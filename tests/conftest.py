"""What several tests read and what takes seconds, or minutes, to make."""

import os

os.environ.setdefault("GOMP_SPINCOUNT", "0")  # several workers share the cores: threads sleep

# isort: split
import type_checks  # noqa: F401  first, so that it sees all that imports the package

# isort: split
import shutil
from contextlib import contextmanager

import pytest
from gpu_required import pytest_runtest_makereport, pytest_sessionstart  # noqa: F401
from hypothesis import settings
from model_folders import write_bfm, write_ict

from tfhkit.pipeline.places import kit_dir

settings.register_profile("kit", deadline=None)  # a timing is never asserted
settings.load_profile("kit")

# of long tests: taken up first, so that no worker ends long after the others
LONGEST = ("test_pipeline_chain.py", "test_sample_person.py", "test_pipeline_owner.py")
TINY = kit_dir() / ".cache" / "tests" / "tiny"


@pytest.fixture
def one_thread():
    """One thread for torch: a small net's threads only wait for each other, the more the busier the
    machine, and trainings on several may differ in their last digits."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def ict_folder(tmp_path_factory):
    """A folder `FaceXModel` of full size; tests must not change it."""
    path = tmp_path_factory.mktemp("ict") / "FaceXModel"
    write_ict(path)
    return path


@pytest.fixture(scope="session")
def bfm_file(tmp_path_factory):
    """A `.mat` in Deep3D's layout; tests must not change it."""
    return write_bfm(tmp_path_factory.mktemp("bfm") / "BFM_model_front.mat")


@pytest.fixture(scope="session")
def tiny_run(request):
    """Run directory and report of the whole series on the sample clip with profile tiny.

    It takes minutes, so tests in the browser that come later read what the chain's own tests
    left, as far as its inputs and its code did not change. The chain's tests begin afresh. Tests
    must not change it: copy what a notebook shall write to.
    """
    from tfhkit.pipeline.report import run_and_report
    from tfhkit.pipeline.runner import RunInputs

    session = os.environ.get("PYTEST_XDIST_TESTRUNUID", str(os.getpid()))  # the same in its workers
    afresh = any(item.path.name == "test_pipeline_chain.py" for item in request.session.items)
    lock = TINY.with_suffix(".lock")
    with _alone(lock):
        if afresh and lock.read_text() != session:
            shutil.rmtree(TINY, ignore_errors=True)
            lock.write_text(session)
        return TINY, run_and_report(RunInputs(out=TINY, profile="tiny"))


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: (*LONGEST, item.path.name).index(item.path.name))


@contextmanager
def _alone(path):
    """Wait until no other session of tests has this file locked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    try:
        import fcntl
    except ImportError:  # not on Windows; two sessions at once are rare there
        yield
        return
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
