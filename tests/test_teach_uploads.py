"""Uploads: put together in order, kept inside their folder, looked into by content, or refused."""

import os
from collections import namedtuple

import av
import numpy as np
import pytest

from tfhkit.errors import InputError
from tfhkit.media import open_clip, write_video, write_wav
from tfhkit.teach import uploads
from tfhkit.teach.uploads import Upload, look_into, with_length


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHKIT_RUNS", str(tmp_path / "runs"))
    return tmp_path / "runs" / "uploads"


@pytest.fixture(scope="module")
def media(tmp_path_factory):
    """Files by name: clip.mp4, mute.mp4, voice.wav, silent.wav, live.webm (of no length), ..."""
    place = tmp_path_factory.mktemp("media")
    frames = np.random.default_rng(0).integers(0, 255, (50, 48, 64, 3), dtype=np.uint8)
    tone = (0.3 * np.sin(np.arange(32000) / 9)).astype(np.float32)
    write_video(place / "clip.mp4", frames, 25, tone)
    write_video(place / "mute.mp4", frames, 25)
    write_wav(place / "voice.wav", tone)
    write_wav(place / "silent.wav", 0 * tone)
    _live_webm(place / "live.webm", frames, tone)
    (place / "text.mp4").write_text("a text that calls itself a video\n" * 100)
    (place / "list.m3u8").write_text("#EXTM3U\n#EXTINF:9,\n/etc/passwd\n")
    return place


def _live_webm(path, frames, tone):
    """As a browser's MediaRecorder writes it: VP8 and Opus, a header that tells no length."""
    with av.open(str(path), "w", format="webm", options={"live": "1"}) as out:
        video, sound = out.add_stream("libvpx", rate=25), out.add_stream("libopus", rate=48000)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        for i, pixels in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(pixels)
            picture.pts = i
            out.mux(video.encode(picture))
        samples = np.repeat(tone, 3)[None]
        for start in range(0, samples.shape[1], 960):
            part = av.AudioFrame.from_ndarray(samples[:, start : start + 960], "flt", "mono")
            part.sample_rate, part.pts = 48000, start
            out.mux(sound.encode(part))
        out.mux(video.encode(None))
        out.mux(sound.encode(None))


def test_parts_become_a_file_of_their_own(folder):
    data, paths = os.urandom(2500), []
    for _ in range(2):
        upload = Upload("../..\\My Clip.MP4", len(data))
        for start in range(0, len(data), 1000):
            received = upload.add(start, data[start : start + 1000])
        assert received == len(data)
        paths.append(upload.finish())
    assert paths[0] != paths[1] and all(path.parent == folder for path in paths)
    assert all(path.name.startswith("my-clip-") and path.suffix == ".mp4" for path in paths)
    assert paths[1].read_bytes() == data and len(list(folder.iterdir())) == 2


@pytest.mark.parametrize("name", ["/etc/passwd", "..", ".ssh", "a\0b", "", "日本", "x" * 300])
def test_no_name_leaves_the_folder(folder, name):
    upload = Upload(name, 3)
    upload.add(0, b"abc")
    assert upload.finish().parent == folder


def test_what_breaks_off_leaves_nothing(folder):
    upload = Upload("a.mp4", 10)
    upload.add(0, b"12345")
    with pytest.raises(InputError, match="^a.mp4: broke off: 5 of 10 bytes came; upload it"):
        upload.finish()
    for offset, data in ((3, b"12"), (0, b"more than ten bytes")):
        upload = Upload("a.mp4", 10)
        with pytest.raises(InputError, match="pieces that do not fit"):
            upload.add(offset, data)
    Upload("a.mp4", 10).cancel()
    assert not list(folder.iterdir())
    stale = folder / ".0a0b0c0d.part"
    stale.write_bytes(b"x")
    os.utime(stale, (0, 0))
    upload = Upload("b.mp4", 1)
    upload.cancel()
    assert not stale.exists()


@pytest.mark.parametrize(
    "size, words",
    [(0, "is empty"), (501_000_000, "has 501 MB, at most 500 MB are taken; cut it")],
)
def test_sizes_that_are_refused(folder, size, words):
    with pytest.raises(InputError, match=words):
        Upload("a.mp4", size)


def test_a_full_disk_and_a_folder_that_cannot_be_written(folder, monkeypatch):
    usage = namedtuple("usage", "free")(100e6)
    with monkeypatch.context() as patch:
        patch.setattr(uploads.shutil, "disk_usage", lambda path: usage)
        with pytest.raises(InputError, match="the disk has 100 MB left; free some space"):
            Upload("a.mp4", 10)
    full = open("/dev/full", "wb", buffering=0)
    upload = Upload("a.mp4", 10)
    upload._file.close()
    upload._file = full
    with pytest.raises(InputError, match="No space left on device"):
        upload.add(0, b"12345")
    assert not list(folder.iterdir())
    monkeypatch.setenv("TFHKIT_RUNS", str(folder / "file" / "x"))
    (folder / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written to .*uploads"):
        Upload("a.mp4", 10)


def test_a_first_look(media):
    seen = look_into(media / "clip.mp4", "clip")
    assert seen.seconds == pytest.approx(2, abs=0.1) and seen.measured
    assert seen.words == f"{seen.seconds:.1f} s, 64 x 48" and seen.poster.startswith(b"\xff\xd8")
    seen = look_into(media / "clip.mp4", "voice")  # the sound of a video will do
    assert seen.poster is None and seen.seconds == pytest.approx(2, abs=0.1)
    assert look_into(media / "voice.wav", "voice").words == "2.0 s"


@pytest.mark.parametrize(
    "file, kind, words",
    [
        ("text.mp4", "clip", "^mine: is no video .*choose a video file, e.g. .mp4$"),
        ("text.mp4", "voice", "^mine: is no sound .*e.g. .mp4 or .wav$"),
        ("list.m3u8", "clip", "^mine: is no video"),
        ("mute.mp4", "clip", "^mine: has no sound; choose"),
        ("mute.mp4", "voice", "^mine: has no sound; choose"),
        ("voice.wav", "clip", "^mine: has no pictures; choose"),
        ("silent.wav", "voice", "^mine: its sound is silent .digital silence.; give"),
        ("none.wav", "voice", "^mine: is no sound"),
    ],
)
def test_what_is_no_clip_or_voice(media, file, kind, words):
    with pytest.raises(InputError, match=words):
        look_into(media / file, kind, "mine")


def test_what_is_too_long(media, monkeypatch):
    monkeypatch.setattr(uploads, "MAX_SECONDS", 1)
    for file, kind in (("clip.mp4", "clip"), ("voice.wav", "voice"), ("live.webm", "clip")):
        with pytest.raises(InputError, match="minutes long, at most 0 are taken; cut out"):
            look_into(media / file, kind, "mine")


def test_a_recording_of_a_browser_gets_a_length(media, tmp_path):
    path = tmp_path / "recording.webm"
    path.write_bytes((media / "live.webm").read_bytes())
    seen = look_into(path, "clip")
    assert not seen.measured and seen.seconds == pytest.approx(2, abs=0.1)
    before = open_clip(path, min_seconds=1)
    with before.reader() as frames:
        frame = frames[40]
    made = with_length(path)
    assert list(tmp_path.iterdir()) == [made] and look_into(made, "clip").measured
    after = open_clip(made, min_seconds=1)
    assert len(after) == len(before) == 50
    np.testing.assert_allclose(after.times, before.times, atol=2e-3)
    assert np.abs(after.audio - before.audio).max() < 1e-3
    with after.reader() as frames:
        assert (frames[40] == frame).all()
