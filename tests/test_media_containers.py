"""Random containers: picture and sound come out at their times, the right way up."""

import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from media_toys import Track, noise, write_file

from tfhkit import media
from tfhkit.media.turning import EIGHT, turned

SECONDS = 2.4
KINDS = [  # container, picture codec and its pixel formats, sound codec
    (".mp4", "libx264", ("yuv420p", "yuv444p", "yuv422p", "yuv420p10le"), "aac"),
    (".mov", "libx264", ("yuv420p", "yuv444p", "yuv422p", "yuv420p10le"), "pcm_s16le"),
    (".mkv", "ffv1", ("yuv420p", "yuv444p", "yuv420p10le", "bgr0", "gray"), "flac"),
    (".mkv", "libx264", ("yuv420p", "yuvj420p"), "pcm_s16le"),
    (".ts", "libx264", ("yuv420p",), "aac"),
    (".avi", "mpeg4", ("yuv420p",), "pcm_s16le"),
]
LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
RATES = (8000, 16000, 22050, 44100, 48000)


@st.composite
def recipes(draw):
    """A container: its pictures, its sound, and where the flash and the click are."""
    suffix, codec, formats, sound_codec = draw(st.sampled_from(KINDS))
    rotates, starts_late = suffix in (".mp4", ".mov"), suffix != ".avi"
    offset_s = st.sampled_from([0.0, 0.08, 0.36, 1.2]) if starts_late else st.just(0.0)
    channels = draw(st.sampled_from(sorted(LAYOUTS)))
    return {
        "suffix": suffix, "codec": codec, "pix_fmt": draw(st.sampled_from(formats)),
        "size": (2 * draw(st.integers(24, 60)), 2 * draw(st.integers(24, 60))),
        "fps": draw(st.sampled_from([10, 15, 25, Fraction(30000, 1001), 50, 60])),
        "matrix": draw(st.sampled_from(EIGHT)) if rotates else (1, 0, 0, 1),
        "aspect": draw(st.sampled_from([None, (4, 3), (8, 9)])) if codec == "libx264" else None,
        "video_start_s": draw(offset_s), "sound_start_s": draw(offset_s),
        "flash": draw(st.floats(0.3, 0.9)), "click": draw(st.floats(0.3, 0.9)),
        "sound_codec": sound_codec, "rate": draw(st.sampled_from(RATES)),
        "channels": channels, "live": draw(st.integers(1, channels)),
    }  # fmt: skip


def stored_frames(recipe):
    """Grey frames with a white corner at the shown upper left and one white frame, as stored."""
    n = round(SECONDS * recipe["fps"])
    flash = int(recipe["flash"] * n)
    height, width = recipe["size"]
    frames = np.full((n, height, width, 3), 90, np.uint8)
    for index, frame in enumerate(frames):
        # `turned` of this view is upright: its corner is the shown one
        places = np.arange(height * width).reshape(height, width, 1)
        shown = turned(places, recipe["matrix"])[: height // 4, : height // 4, 0]
        frame.reshape(-1, 3)[shown.ravel()] = 235
        if index == flash:
            frame[:] = 235
    return frames, flash


def sound_track(recipe):
    """Faint noise with one click, in the first `live` channels; the others are silent."""
    rate = recipe["rate"]
    samples = noise(SECONDS, rate, level=0.01)
    at = int(recipe["click"] * len(samples))
    samples[at : at + rate // 200] = 0.8 * np.sin(2 * np.pi * 1000 * np.arange(rate // 200) / rate)
    live = np.arange(recipe["channels"])[:, None] < recipe["live"]
    layout = LAYOUTS[recipe["channels"]]
    track = Track(
        samples * live, recipe["sound_start_s"], layout, rate, recipe["sound_codec"], default=True
    )
    return track, at / rate


def check(recipe):
    frames, flash = stored_frames(recipe)
    track, click_s = sound_track(recipe)
    a, b, c, d = recipe["matrix"]

    def set_up(stream):
        if recipe["suffix"] in (".mp4", ".mov"):
            stream.set_display_matrix([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30])
        if recipe["aspect"]:
            stream.codec_context.sample_aspect_ratio = Fraction(*recipe["aspect"])

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a{recipe['suffix']}"
        kept = {k: recipe[k] for k in ("fps", "video_start_s", "codec", "pix_fmt")}
        write_file(path, frames, [track], **kept, set_up=set_up)
        clip = media.open_clip(path, min_seconds=1)
        shown = list(clip.iter_frames())
    step_s = 1 / float(recipe["fps"])
    assert abs(len(clip) - len(frames)) <= 1
    height, width = recipe["size"]
    if recipe["aspect"]:
        width = round(width * recipe["aspect"][0] / recipe["aspect"][1])
    assert (clip.height, clip.width) == ((height, width) if a else (width, height))
    assert shown[0].shape == (clip.height, clip.width, 3)

    dim = [frame[-8:, -8:].mean() for frame in shown]
    assert abs(clip.times[int(np.argmax(dim))] - flash * step_s) <= step_s
    quiet = shown[0]
    assert quiet[:4, :4].mean() > 180
    others = (quiet[:4, -4:], quiet[-4:, :4], quiet[-4:, -4:])
    assert all(corner.mean() < 140 for corner in others)

    heard_s = click_s + recipe["sound_start_s"] - recipe["video_start_s"]
    if 0.1 < heard_s < clip.duration_s - 0.1:
        assert abs(int(np.abs(clip.audio).argmax()) / clip.sr_hz - heard_s) <= step_s
        assert np.abs(clip.audio).max() > 0.2


@pytest.mark.slow
@given(recipes())
@settings(max_examples=10)
def test_random_containers(recipe):
    check(recipe)


@pytest.mark.slow
@given(recipes())
@settings(max_examples=100)
def test_many_random_containers(recipe):
    check(recipe)
