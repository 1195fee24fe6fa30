"""TFHKIT_REQUIRE_GPU=1: without CUDA no test runs, and a GPU test that is skipped has failed."""

import os

import pytest


def required():
    return os.environ.get("TFHKIT_REQUIRE_GPU", "") not in ("", "0")


def pytest_sessionstart(session):
    if not required():
        return
    import torch

    if not torch.cuda.is_available():
        why = "is a CPU build" if torch.version.cuda is None else "finds no CUDA device"
        pytest.exit(f"TFHKIT_REQUIRE_GPU is set, and torch {torch.__version__} {why}", returncode=4)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if required() and report.skipped and item.get_closest_marker("gpu"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"TFHKIT_REQUIRE_GPU is set, and this test was skipped: {reason}"
    return report
