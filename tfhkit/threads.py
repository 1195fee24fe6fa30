"""How many of torch's threads a training takes: all, or one where others want the cores."""

import time
from statistics import median
from types import TracebackType

import torch

FIRST_GAP, LONGEST_GAP = 16, 512  # steps from one trial to the next
FIRST_S = 5.0  # the first trial comes after this time, if the steps of the first gap take longer
TRIAL = 4  # steps of a trial; the first is not counted
BETTER = 0.9  # share of the usual time that a trial must stay below
HOPELESS = 2.0  # share of it at which a trial ends at once


class SharedCores:
    """Find out now and then whether one thread makes the steps of a training faster than all do.

    A step is a thousand short loops, at whose ends all threads wait for the last. Where the cores
    have other work, one of them mostly waits for its turn: two trainings on two cores take 1.0 s
    for a step that takes 0.09 s alone, and 0.12 s with one thread each.

    Threads share the sums of a loop among them, so two trainings on more than one thread may differ
    in their last digits. With OMP_NUM_THREADS=1 they do not.

        with SharedCores(device) as cores:
            for batch in batches:
                cores.next_step()

    Args:
        device: of the training; nothing is done but on the CPU.
    """

    def __init__(self, device: torch.device) -> None:
        self.all = torch.get_num_threads() if device.type == "cpu" else 1
        self.threads = self.all
        self.gap, self.usual_s = FIRST_GAP, 0.0
        self.trying = False
        self.seconds: list[float] = []  # of the steps since the threads were last changed
        self.began = 0.0

    def __enter__(self) -> "SharedCores":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.all > 1:
            torch.set_num_threads(self.all)

    def next_step(self) -> None:
        """Say that the last step is done and the next one begins."""
        if self.all == 1:
            return
        now = time.perf_counter()
        if self.began:
            self.seconds.append(now - self.began)
        if self.trying and self.seconds:
            if self.seconds[-1] > HOPELESS * self.usual_s:
                self._judge(self.seconds[-1])
            elif len(self.seconds) == TRIAL:
                self._judge(median(self.seconds[1:]))
        elif not self.trying and self._due():
            self.usual_s, self.trying = median(self.seconds[-TRIAL:]), True
            self._change()
        self.began = time.perf_counter()

    def _due(self) -> bool:
        """Whether it is time for a trial."""
        slow = self.gap == FIRST_GAP and sum(self.seconds) > FIRST_S
        return len(self.seconds) >= (TRIAL if slow else self.gap)

    def _judge(self, tried_s: float) -> None:
        """Stay with the number of threads that was tried, or go back and wait for longer."""
        self.trying = False
        if tried_s < BETTER * self.usual_s:
            self.gap, self.seconds = FIRST_GAP, []
        else:
            self.gap = min(2 * self.gap, LONGEST_GAP)
            self._change()

    def _change(self) -> None:
        self.threads = 1 if self.threads == self.all else self.all
        torch.set_num_threads(self.threads)
        self.seconds = []
