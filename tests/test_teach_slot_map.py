"""The map of the memory: its facts, its sheet of thumbnails, and an output that needs no kernel."""

import io
import json
import re

import matplotlib

matplotlib.use("agg")
import numpy as np
import pytest
from PIL import Image
from plot_toys import answers, small_memory

from tfhkit.errors import ParameterError, ShapeError
from tfhkit.teach.slot_map import show_slots, slot_facts, thumbnail_sheet

YAW = np.array([0.0, 10.0, 20.0, 40.0])


@pytest.fixture
def shown(monkeypatch):
    things = []
    monkeypatch.setattr("IPython.display.display", lambda data, **more: things.append(data))
    return things


def test_facts_name_writers_and_readers():
    memory, frames, _, _ = small_memory()
    facts, written, read = slot_facts(memory, answers([2, 1, 1, 1, 2]), frames, YAW)
    assert [slot["slot"] for slot in facts["slots"]] == [1, 2, 0], "most read first"
    first = facts["slots"][0]
    assert (first["reads"], first["writes"], first["colour"]) == (3, 2, 15.0)
    assert [frame for _, frame in first["writers"]] == [13, 11], "newest first"
    assert [frames[written[cell]] for cell, _ in first["writers"]] == [13, 11]
    cells = [cell for cell, _ in first["readers"]]
    assert read[np.array(cells) - len(written)].tolist() == [3, 2, 1], "nearest first"
    assert [slot for _, _, slot in facts["asked"]] == [1, 0, 0, 0, 1]
    json.dumps(facts)


def test_the_sheet_shrinks_until_it_fits():
    noise = np.random.default_rng(0).integers(0, 255, (40, 64, 64, 3), np.uint8)
    large, large_px = thumbnail_sheet(noise, 1000)
    small, small_px = thumbnail_sheet(noise, 40)
    assert large_px == 64 and small_px < 64 and len(small) * 4 / 3 <= 40_000
    assert Image.open(io.BytesIO(large)).size == (16 * 64, 3 * 64)


def test_the_output_carries_all_that_it_needs(shown):
    memory, frames, train, asked = small_memory()
    show_slots(memory, answers([2, 1, 1, 1, 2]), frames, train, asked, YAW, "yaw (degrees)")
    (data,) = shown
    content = data["text/html"]
    facts = json.loads(re.search(r'class="facts">(.*?)</script>', content, re.S).group(1))
    assert facts["label"] == "yaw (degrees)" and facts["sheet"].startswith("data:image/jpeg")
    assert content.count("<img alt=") == 1, "for viewers without scripts"
    assert not re.search(r"https?://(?!www\.w3\.org)", content), "nothing from elsewhere"
    assert len(content) < 80_000


def test_bad_input():
    memory, frames, train, asked = small_memory()
    with pytest.raises(ShapeError, match="values"):
        show_slots(memory, answers([1]), frames, train, asked, YAW[:2], "yaw")
    memory.clear()
    with pytest.raises(ParameterError, match="no slot was ever written"):
        show_slots(memory, answers([1]), frames, train, asked, YAW, "yaw")
