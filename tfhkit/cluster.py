"""Work spread over processes or machines by Dask: one task is one clip, or one shard of clips."""

import hashlib
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import dask
from distributed import Client, KilledWorker, LocalCluster, WorkerPlugin, as_completed, get_worker
from distributed.system import MEMORY_LIMIT
from psutil import virtual_memory

from tfhkit import __version__
from tfhkit.errors import InputError, ParameterError, TfhkitError
from tfhkit.memory import keep_freed_memory

ANSWER_S = 10.0  # within which a scheduler answers
JOIN_S = 60.0  # within which a scheduler has its first worker
TOPIC = "tfhkit"  # of the workers' messages
_FREE_SHARE = 0.8  # of the free memory that the workers of this machine may fill
_LEAST_GB = 1.5  # a worker that fits a clip has about 1.2
_AHEAD = 2  # tasks per worker that wait at the scheduler
# Dask watches its processes fifty to a hundred times a second, which takes time from the clips
_CALM = {
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.system-monitor.interval": "2s",
}


@dataclass(frozen=True)
class Workers:
    """Where tasks run.

    Args:
        scheduler: address of a running Dask scheduler, such as "tcp://host:8786"; None starts one
            on this machine.
        count: worker processes on this machine; None starts one per core, as far as the memory
            allows.
        memory_gb: what each of them may fill before Dask stops it; None divides the free memory.
    Raises:
        ParameterError: a number that is too small, or both a scheduler and a number of workers.
    """

    scheduler: str | None = None
    count: int | None = None
    memory_gb: float | None = None

    def __post_init__(self) -> None:
        if self.scheduler is not None and (self.count or self.memory_gb):
            fault = "the workers of a running scheduler are started with it"
            raise ParameterError("--workers", fault, "leave out --workers and --memory")
        if self.count is not None and self.count < 1:
            raise ParameterError("--workers", f"is {self.count}", "give 1 or more")
        if self.memory_gb is not None and not self.memory_gb >= _LEAST_GB:
            remedy = f"give {_LEAST_GB:g} or more, in GB per worker"
            raise ParameterError("--memory", f"is {self.memory_gb}", remedy)


class LostTask(TfhkitError):
    """A task that Dask gave up: its workers died, most often for lack of memory."""


class OneThread(WorkerPlugin):
    """Lets every worker compute on one thread, as the clips are parallel, and keep its memory.

    Dask starts workers that give back what they free at once, see `keep_freed_memory`.
    """

    name = "tfhkit: one thread"

    def setup(self, worker: Any) -> None:
        """Called by Dask in each worker, also in those that join later."""
        import cv2
        import numba
        import torch

        torch.set_num_threads(1)
        numba.set_num_threads(1)
        cv2.setNumThreads(1)
        keep_freed_memory()
        warnings.simplefilter("ignore")  # the results say what matters


@contextmanager
def connect(workers: Workers) -> Iterator[Client]:
    """A Dask client whose workers all run this version of the kit.

    Args:
        workers: where tasks run.
    Yields:
        the client; a scheduler that was started for it ends with it.
    Raises:
        InputError: no scheduler answers at the address, it has no workers, or a worker has
            another version of the kit.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    if workers.scheduler is None:
        with _local(workers) as here, Client(here, timeout=JOIN_S) as client:
            client.register_plugin(OneThread())
            yield client
        return
    try:
        client = Client(workers.scheduler, timeout=ANSWER_S, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        fault = "no Dask scheduler answers there"
        remedy = "start one with `dask scheduler`, or leave out --scheduler"
        raise InputError(workers.scheduler, fault, remedy) from error
    with client:
        _check_workers(client, workers.scheduler)
        client.register_plugin(OneThread())
        yield client


def spread(
    client: Client, function: Callable[..., Any], jobs: Sequence[tuple]
) -> Iterator[tuple[int, Any]]:
    """Call `function(*job)` for every job on the client's workers.

    A task whose worker dies is run again on another one, three times at most, so the function
    must find what it finished before. Only a few tasks wait at the scheduler at a time: half a
    million jobs need no more memory than ten.

    Args:
        client: see `connect`.
        function: a module's function.
        jobs: arguments of each call.
    Yields:
        (index of the job, result) in the order in which they finish. What the function raised,
        or a LostTask, comes as the result.
    Raises:
        InputError: the scheduler is gone.
    """
    waiting = iter(enumerate(jobs))
    numbers: dict[Any, int] = {}
    running = as_completed(loop=client.loop)  # without it, the default client's

    def submit() -> None:
        for number, job in waiting:
            future = client.submit(function, *job, pure=False)
            numbers[future] = number
            running.add(future)
            return

    for _ in range(_AHEAD * max(1, len(client.scheduler_info(n_workers=-1)["workers"]))):
        submit()
    for future in running:
        number = numbers.pop(future)
        yield number, _outcome(client, future)
        del future
        submit()


def tell(text: str) -> None:
    """Send a line from a task to whoever listens at the client; elsewhere it does nothing."""
    try:
        worker = get_worker()
    except ValueError:  # not in a task
        return
    worker.log_event(TOPIC, text)


@cache
def kit_mark() -> str:
    """Version of the kit and a hash of its code, which must agree wherever tasks run."""
    root, digest = Path(__file__).parent, hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0")
        digest.update(path.read_bytes().replace(b"\r\n", b"\n"))
    return f"{__version__}, code {digest.hexdigest()[:8]}"


def _local(workers):
    """A cluster of this machine."""
    free_gb = min(virtual_memory().available, MEMORY_LIMIT) * _FREE_SHARE / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    room = max(1, int(free_gb / (workers.memory_gb or _LEAST_GB)))
    count = workers.count or min(cores or 1, room)
    with dask.config.set(_CALM), warnings.catch_warnings():
        # a second study on this machine has its page elsewhere
        warnings.filterwarnings("ignore", "Port .* is already in use", UserWarning)
        return LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            memory_limit=f"{workers.memory_gb or free_gb / count:.2f}GB",
            dashboard_address="127.0.0.1:8787",
            silence_logs=logging.CRITICAL,
        )


def _check_workers(client, address):
    """Raise InputError unless there are workers, all with this version of the kit."""
    try:
        client.wait_for_workers(1, timeout=JOIN_S)
    except TimeoutError as error:
        fault = f"the scheduler has no workers after {JOIN_S:.0f} s"
        remedy = f"start some: `dask worker {address} --nthreads 1`"
        raise InputError(address, fault, remedy) from error
    for worker, found in client.run(kit_mark, on_error="return").items():
        if found != kit_mark():
            theirs = found if isinstance(found, str) else "none, or one that is too old"
            fault = f"worker {worker} has another version of tfhkit ({theirs}; here {kit_mark()})"
            raise InputError(address, fault, "install the same version there, and start it again")


def _outcome(client, future):
    """The result of a finished future, or why there is none."""
    if future.status == "finished":
        return future.result()
    if future.status != "error":  # cancelled or lost
        where = client.scheduler.address if client.scheduler else "scheduler"
        remedy = "run the same command again; what is finished is kept"
        raise InputError(where, "the connection to the scheduler is lost", remedy)
    error = future.exception()
    if isinstance(error, KilledWorker):
        fault = "the processes that worked on it died, most often for lack of memory"
        return LostTask(f"{fault}; use fewer --workers, or give each more with --memory")
    return error
