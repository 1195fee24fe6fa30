"""Jobs distributed over processes, for work that is done speaker by speaker."""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import TypeVar

import torch

Result = TypeVar("Result")


def in_workers(
    function: Callable[..., Result], jobs: Sequence[tuple], workers: int
) -> Iterator[tuple[int, Result]]:
    """Call `function(*job)` for every job, in separate processes.

    Args:
        function: a module's function, so that a new process can import it.
        jobs: the arguments of each call.
        workers: number of processes; 1 calls the function in this process.
    Yields:
        (index of the job, result), as soon as each is ready.
    """
    if workers <= 1 or len(jobs) == 1:
        for k, job in enumerate(jobs):
            yield k, function(*job)
        return
    # spawn, not fork: threads of torch and numba do not survive a fork
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        workers, context, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        running = {pool.submit(function, *job): k for k, job in enumerate(jobs)}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:  # after an error or an interruption, no further job is started
            pool.shutdown(wait=False, cancel_futures=True)
