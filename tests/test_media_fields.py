"""Interlaced files: one field is taken; what is only marked as interlaced is left as it is."""

import numpy as np
import pytest
from media_toys import Track as Sound
from media_toys import speech, write_file

from tfhkit.evaluate.footage import advice
from tfhkit.landmarks import footage_facts
from tfhkit.media import open_clip
from tfhkit.media.fields import COMBED_SHARE, combed_share, one_field

HEIGHT, WIDTH, N = 96, 128, 30


def scene(moment):
    """A smooth picture with a bright block that moves 4 px between two fields."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    grey = 60 + 0.4 * x + 0.3 * y
    inside = (np.abs(y - 48) < 24) & (np.abs(x - 30 - 4 * moment % 60) < 12)
    return np.repeat(np.where(inside, 220, grey)[..., None], 3, 2).astype(np.uint8)


def woven(frame):
    both = scene(2 * frame)
    both[1::2] = scene(2 * frame + 1)[1::2]
    return both


def interlaced(stream):
    stream.options = {"crf": "8", "x264-params": "tff=1"}


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("fields") / "woven.mp4"
    frames = [woven(k) for k in range(N)]
    write_file(path, frames, [Sound(speech(N / 25))], set_up=interlaced)
    return open_clip(path, min_seconds=1)


def test_combs_are_told_from_edges_and_texture():
    rng = np.random.default_rng(0)
    noise = rng.normal(128, 6, (HEIGHT, WIDTH)).clip(0, 255).astype(np.uint8)
    steps = np.repeat(rng.integers(0, 255, (HEIGHT // 4, WIDTH), np.uint8), 4, 0)
    assert combed_share(scene(0)[..., 0]) == combed_share(steps) == 0
    assert combed_share(noise) < COMBED_SHARE
    assert combed_share(woven(0)[..., 0]) > 0.01


def test_one_field_is_one_moment():
    kept = one_field(woven(3)).astype(int)
    np.testing.assert_array_equal(kept[::2], scene(6)[::2])
    assert combed_share(kept[..., 0].astype(np.uint8)) == 0
    assert one_field(woven(3)[:95]).shape == (95, WIDTH, 3)  # an odd number of lines


def test_frames_of_an_interlaced_file_show_one_moment(clip):
    assert clip.coding.woven
    with clip.reader() as frames:
        for k in (0, 11, 29, 4):
            off = np.abs(frames[k].astype(int) - scene(2 * k))
            assert off.mean() < 3 and combed_share(frames[k][..., 0]) == 0
    facts = footage_facts(clip)
    assert facts["interlaced"]
    said = [
        found["fault"] for found in advice({**facts, "silence_share": 0, "duplicate_frames": 0})
    ]
    assert any("it is interlaced" in fault for fault in said)


def test_a_file_that_is_only_marked_keeps_all_its_lines(tmp_path):
    path = tmp_path / "marked.mp4"
    frames = [scene(2 * k) for k in range(N)]
    write_file(path, frames, [Sound(speech(N / 25))], set_up=interlaced)
    clip = open_clip(path, min_seconds=1)
    assert not clip.coding.woven
    with clip.reader() as read:
        assert np.abs(read[7].astype(int) - frames[7]).mean() < 2
