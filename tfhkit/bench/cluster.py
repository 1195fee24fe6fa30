"""How much faster a set of clips is done with two worker processes than with one."""

import time

import numpy as np

from tfhkit.bench import Row
from tfhkit.cluster import Workers, connect, spread
from tfhkit.stats import PairSettings, pair_correlation

N_TASKS, N_FRAMES, N_NULL = 12, 400, 60


def bench_cluster(n_tasks: int = N_TASKS, n_frames: int = N_FRAMES) -> list[Row]:
    """Correlate made-up clips (App. A) on one worker and on two, in turn.

    The work is NumPy's on one thread, so that the workers do not compete for torch's threads. The
    seconds are those of the tasks, without the start of the processes.

    Args:
        n_tasks: clips. n_frames: frames of each.
    Returns:
        Rows with workers, seconds, speedup.
    """
    rows: list[Row] = []
    for count in (1, 2):
        with connect(Workers(count=count)) as client:
            list(spread(client, correlate_noise, [(0, 50)] * 2 * count))  # imports
            began = time.perf_counter()
            done = list(spread(client, correlate_noise, [(k, n_frames) for k in range(n_tasks)]))
            seconds = time.perf_counter() - began
        assert len(done) == n_tasks
        first = rows[0]["seconds"] if rows else seconds
        rows.append({"workers": count, "seconds": seconds, "speedup": first / seconds})
    return rows


def correlate_noise(seed: int, n_frames: int) -> float:
    """The estimate of App. A on noise, with its null distribution."""
    rng = np.random.default_rng(seed)
    features, angles = rng.normal(1, 0.2, (n_frames, 336)), rng.normal(size=(n_frames, 3))
    settings = PairSettings(radius=0.7, n_null=N_NULL, n_phase=0, n_bootstrap=0)
    return pair_correlation(features, angles, np.arange(n_frames) / 25, settings).r
