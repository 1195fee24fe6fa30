"""Work shared by processes: for what is made or fitted speaker by speaker."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor, as_completed

import torch


def in_workers(function, jobs, workers):
    """Call `function(*job)` for every job, in processes of their own.

    Args:
        function: of a module, so that a new process can import it. jobs: list of tuples.
        workers: processes; 1 stays in this one.
    Yields:
        (index of the job, result), as they get ready.
    """
    if workers <= 1 or len(jobs) == 1:
        for k, job in enumerate(jobs):
            yield k, function(*job)
        return
    # spawn, not fork: threads of torch and numba do not survive a fork
    context = multiprocessing.get_context("spawn")
    one_thread = {"initializer": torch.set_num_threads, "initargs": (1,)}
    with ProcessPoolExecutor(workers, mp_context=context, **one_thread) as pool:
        running = {pool.submit(function, *job): k for k, job in enumerate(jobs)}
        try:
            for future in as_completed(running):
                yield running[future], future.result()
        finally:  # an error, or somebody who stops: what has not begun shall not
            pool.shutdown(wait=False, cancel_futures=True)
