"""The slot browser: who wrote and who read a slot, on a memory made by hand."""

import numpy as np
import pytest
import torch

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.refine import Memory, MemoryConfig, Retrieval
from tfhkit.teach.slots import map_slots, slots_by_reads, writers_of

FRAMES = np.array([10, 11, 13, 14])
TRAIN = np.stack([np.full((8, 8, 3), 40 * i, np.uint8) for i in range(4)])


@pytest.fixture
def memory():
    made = Memory(MemoryConfig(slots=6, key_dim=3, value_dim=3, top_k=2))
    axes = torch.eye(3)
    made.update(axes[[0, 1, 1, 2]], axes[[0, 1, 1, 2]], FRAMES)
    return made


def retrieval(slots):
    n = len(slots)
    similarity = np.linspace(0.5, 0.9, n).astype(np.float32)
    return Retrieval(np.arange(n), np.array(slots, np.int64), similarity, torch.zeros(n, 3))


@pytest.fixture(autouse=True)
def closed():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_order_and_writers(memory):
    assert slots_by_reads(memory, retrieval([2, 1, 1, 1, 2])).tolist() == [1, 2, 0]
    assert writers_of(memory, 1, FRAMES).tolist() == [2, 1]  # newest first
    assert writers_of(memory, 1, FRAMES[:2]).tolist() == [1]  # frame 13 has no picture here
    assert not len(writers_of(memory, 5, FRAMES))


def test_the_map_says_what_is_used_and_colours_by_the_writers(memory):
    asked = retrieval([2, 1, 1, 1, 2])
    figure = map_slots(memory, asked, FRAMES, TRAIN, np.array([0.0, 10.0, 20.0, 40.0]), "yaw")
    left, right, bar = figure.axes
    assert left.get_title() == "3 of 6 slots used, 2 read" and bar.get_ylabel() == "yaw"
    assert right.collections[0].get_array().tolist() == [40, 15, 15, 15, 40]
    assert map_slots(memory, asked, FRAMES, TRAIN).axes[2].get_ylabel() == "reads of the slot"


def test_the_map_of_one_slot(memory):
    memory.clear()
    memory.update(torch.eye(3)[:1], torch.eye(3)[:1], [10])
    figure = map_slots(memory, retrieval([0, 0]), FRAMES, TRAIN)
    figure.canvas.draw()
    assert figure.axes[0].get_title() == "1 of 6 slots used, 1 read"


def test_bad_input(memory):
    asked = retrieval([1, 1])
    with pytest.raises(ParameterError, match="nothing was looked up"):
        map_slots(memory, retrieval([]), FRAMES, TRAIN)
    with pytest.raises(ShapeError, match="train_frames: expected shape"):
        map_slots(memory, asked, FRAMES[:2], TRAIN)
    memory.clear()
    with pytest.raises(ParameterError, match="no slot was ever written"):
        map_slots(memory, asked, FRAMES, TRAIN)
