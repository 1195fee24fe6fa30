"""How much faster a set of clips is done with two worker processes than with one."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np

from tfhkit.bench import Row
from tfhkit.cluster import OneThread, Workers, connect, spread
from tfhkit.stats import PairSettings, pair_correlation

N_TASKS, N_FRAMES, N_NULL = 16, 800, 60
Jobs = Sequence[tuple[int, int]]  # seed and frames


def bench_cluster(n_tasks: int = N_TASKS, n_frames: int = N_FRAMES) -> list[Row]:
    """Correlate made-up clips (App. A) on one worker and on two, and so in bare processes.

    The work is NumPy's on one thread, so that the workers do not compete for torch's threads. The
    seconds are those of the tasks, without the start of the processes. Two busy cores are seldom
    twice as fast as one: the bare processes show what the machine allows.

    Args:
        n_tasks: clips. n_frames: frames of each.
    Returns:
        Rows with how, workers, seconds, speedup.
    """
    jobs = [(k, n_frames) for k in range(n_tasks)]
    ways: dict[str, Callable[[int, Jobs], float]] = {"Dask": _dask, "bare processes": _bare}
    rows: list[Row] = []
    for how, seconds_of in ways.items():
        one, two = (seconds_of(count, jobs) for count in (1, 2))
        rows.append({"how": how, "workers": 1, "seconds": one, "speedup": 1.0})
        rows.append({"how": how, "workers": 2, "seconds": two, "speedup": one / two})
    return rows


def _dask(count, jobs):
    with connect(Workers(count=count)) as client:
        list(spread(client, correlate_noise, _first(count)))
        began = time.perf_counter()
        done = list(spread(client, correlate_noise, jobs))
        seconds = time.perf_counter() - began
    assert len(done) == len(jobs)
    return seconds


def _bare(count, jobs):
    with ProcessPoolExecutor(count, get_context("spawn"), OneThread().setup, (None,)) as pool:
        list(pool.map(correlate_noise, *zip(*_first(count))))
        began = time.perf_counter()
        list(pool.map(correlate_noise, *zip(*jobs)))
        return time.perf_counter() - began


def _first(count):
    """Small jobs, in which each process imports what it needs."""
    return [(0, 50)] * 2 * count


def correlate_noise(seed: int, n_frames: int) -> float:
    """The estimate of App. A on noise, with its null distribution."""
    rng = np.random.default_rng(seed)
    features, angles = rng.normal(1, 0.2, (n_frames, 336)), rng.normal(size=(n_frames, 3))
    settings = PairSettings(radius=0.7, n_null=N_NULL, n_phase=0, n_bootstrap=0)
    return pair_correlation(features, angles, np.arange(n_frames) / 25, settings).r
