"""Freed memory: kept by the process, unless its environment says what malloc shall do."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

FAULTS = """
import resource
import tfhkit
import numpy as np

before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(50):
    np.ones(8_000_000)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults_with(**more):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], env=kept | more, capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="glibc is not elsewhere")
def test_large_blocks_are_fetched_from_the_system_once():
    given_back = faults_with(MALLOC_TRIM_THRESHOLD_="65536")  # as Dask starts its workers
    assert faults_with() < given_back / 5
