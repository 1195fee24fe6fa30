"""One thread or all for the steps of a training, by how long they take; the clock is made up."""

import time

import pytest
import torch

from tfhkit.threads import FIRST_GAP, LONGEST_GAP, TRIAL, SharedCores

CPU = torch.device("cpu")


@pytest.fixture
def machine(monkeypatch):
    """Two threads, and a clock that `spend` moves."""
    now, threads = [100.0], [2]
    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads[0])
    monkeypatch.setattr(torch, "set_num_threads", lambda n: threads.__setitem__(0, n))

    def train(cores, steps, seconds):
        """Take steps, `seconds` of the number of threads each; the numbers of threads they had."""
        had = []
        for _ in range(steps):
            cores.next_step()
            had.append(threads[0])
            now[0] += seconds[threads[0]]
        return had

    train.threads = threads
    return train


def test_alone_all_threads_are_kept_and_trials_become_rare(machine):
    with SharedCores(CPU) as cores:
        had = machine(cores, 2000, {1: 0.12, 2: 0.09})
        assert cores.gap == LONGEST_GAP
    assert had[:FIRST_GAP] == [2] * FIRST_GAP
    assert had.count(1) <= TRIAL * 7


def test_beside_others_one_thread_takes_over(machine):
    with SharedCores(CPU) as cores:
        had = machine(cores, 400, {1: 0.12, 2: 1.0})
        assert had.count(2) <= FIRST_GAP + 5  # a hopeless trial is one step long
        assert machine.threads == [1]
        back = machine(cores, 600, {1: 0.12, 2: 0.09})  # the others are done
        assert back[-1] == 2 and machine.threads == [2]
        machine(cores, 200, {1: 0.12, 2: 1.0})
    assert machine.threads == [2]  # as it was before


def test_very_slow_steps_are_not_waited_for(machine):
    with SharedCores(CPU) as cores:
        had = machine(cores, 2 * TRIAL, {1: 0.12, 2: 7.0})
    assert had == [2] * TRIAL + [1] * TRIAL


def test_nothing_is_tried_with_one_thread_or_on_a_gpu(machine):
    for device, threads in ((CPU, 1), (torch.device("cuda"), 2)):
        machine.threads[0] = threads
        with SharedCores(device) as cores:
            assert set(machine(cores, 100, {1: 0.1, 2: 0.1})) == {threads}


def test_the_threads_come_back_after_an_error(machine):
    with pytest.raises(KeyboardInterrupt), SharedCores(CPU) as cores:
        machine(cores, 2 * TRIAL, {1: 0.12, 2: 7.0})
        raise KeyboardInterrupt
    assert machine.threads == [2]
