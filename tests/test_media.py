"""Media: true frame times, exact frames by index, sound on the video's clock, bad input."""

import gc
import struct
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction

import av
import numpy as np
import pytest
import soundfile
from PIL import Image

from tfhkit import media
from tfhkit.errors import InputError, ShapeError
from tfhkit.media.colour import SDR
from tfhkit.media.reader import picture
from tfhkit.media.scan import Scan, refuse_truncated

SIZE = (64, 96)  # height, width


def coded_frames(n, size=SIZE):
    """Frames that carry their number as four bright or dark blocks of bits per row."""
    frames = np.full((n, *size, 3), 60, np.uint8)
    for index in range(n):
        for bit in range(8):
            y, x = 8 + 24 * (bit // 4), 8 + 20 * (bit % 4)
            frames[index, y : y + 16, x : x + 12] = 230 if index >> bit & 1 else 20
    return frames


def number_of(frame):
    """Read the number of `coded_frames`."""
    bits = [frame[8 + 24 * (b // 4) + 8, 8 + 20 * (b % 4) + 6].mean() > 125 for b in range(8)]
    return sum(bit << b for b, bit in enumerate(bits))


def voice(seconds, sr_hz=16_000, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.1, round(seconds * sr_hz))
    return noise.astype(np.float32)


def encode(path, n, fps=25, codec="libx264", options=None, video_start=0.0, sound=None):
    """A file made with PyAV directly: (start in s, samples, rate) for the sound."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=Fraction(fps), options=options or {})
        stream.height, stream.width = SIZE
        stream.pix_fmt = "yuv420p"
        track = out.add_stream("aac", rate=sound[2], layout="mono") if sound else None
        for index, image in enumerate(coded_frames(n)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = index + round(video_start * fps)
            frame.time_base = 1 / Fraction(fps)
            out.mux(stream.encode(frame))
        if sound:
            frame = av.AudioFrame.from_ndarray(sound[1][None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts = sound[2], round(sound[0] * sound[2])
            out.mux(track.encode(frame))
            out.mux(track.encode())
        out.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clip_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("media") / "clip.mp4"
    return media.write_video(path, coded_frames(125), 25, voice(5), visible_mark=False)


def test_files_are_as_readable_as_any_that_their_owner_writes(tmp_path):
    (tmp_path / "plain").touch()
    with media.atomic_path(tmp_path / "weights") as temporary:
        temporary.unlink()
        temporary.touch(0o600)  # as safetensors leaves it
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes["weights"] == modes["plain"]


def test_atomic_path_writes_whole_or_not_at_all(tmp_path):
    target = tmp_path / "new" / "file.npz"
    with media.atomic_path(target) as temporary:
        assert temporary.suffix == ".npz" and temporary.parent == target.parent
        temporary.write_text("one")
    assert target.read_text() == "one"
    with pytest.raises(RuntimeError), media.atomic_path(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert target.read_text() == "one"
    assert [p.name for p in target.parent.iterdir()] == ["file.npz"]


def test_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(InputError, match=r"file/out\.mp4: cannot be written .*choose"),
        media.atomic_path(tmp_path / "file" / "out.mp4"),
    ):
        pass


def test_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert media.sha256_of(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")
    with pytest.raises(InputError, match="no such file"):
        media.sha256_of(tmp_path / "none")


@pytest.mark.parametrize("fps", [25, 12.34, Fraction(30000, 1001), 60])
def test_round_trip_keeps_times_numbers_and_sound(tmp_path, fps):
    n = round(4.2 * fps)
    path = media.write_video(tmp_path / "a.mp4", coded_frames(n), fps, voice(9))
    clip = media.open_clip(path)
    assert len(clip) == n and clip.fps == pytest.approx(float(fps), rel=2e-3)
    np.testing.assert_allclose(clip.times, np.arange(n) / float(fps), atol=2e-5)
    assert [number_of(f) for f in clip.iter_frames(3, 9)] == list(range(3, 9))
    assert clip.audio.shape == (round(clip.duration_s * 16_000),)
    lag = np.argmax(np.correlate(clip.audio[4000:20000], voice(9)[4000:20000], "same")) - 8000
    assert lag == 0
    with av.open(str(path)) as file:
        lengths = [float(s.duration * s.time_base) for s in file.streams]
    assert abs(lengths[0] - lengths[1]) < 0.5 / float(fps)


def test_variable_frame_rate(tmp_path):
    times = np.cumsum(np.random.default_rng(1).uniform(0.01, 0.12, 100))
    path = media.write_video(tmp_path / "v.mp4", coded_frames(100), times, voice(9))
    clip = media.open_clip(path)
    np.testing.assert_allclose(clip.times, times - times[0], atol=2e-5)
    assert clip.fps == pytest.approx(1 / np.median(np.diff(times)), rel=1e-3)
    assert [number_of(f) for f in clip.iter_frames()] == list(range(100))


def test_odd_sizes_are_padded(tmp_path):
    frames = np.full((110, 63, 95, 3), 128, np.uint8)
    clip = media.open_clip(media.write_video(tmp_path / "o.mp4", frames, 25, voice(5)))
    assert (clip.height, clip.width) == (64, 96)


@pytest.mark.parametrize(
    "name, codec, options",
    [
        ("b.mp4", "libx264", {"bf": "3", "g": "12", "x264-params": "open-gop=1:b-pyramid=2"}),
        ("b.mkv", "libx264", {"bf": "2", "g": "30"}),
        ("p.avi", "mpeg4", {"g": "12"}),
        ("one_key.mp4", "libx264", {"g": "999"}),
    ],
)
def test_reader_gives_the_exact_frame(tmp_path, name, codec, options):
    path = encode(tmp_path / name, 120, codec=codec, options=options)
    clip = media.open_clip(path, need_sound=False)
    assert len(clip) == 120
    sequential = list(clip.iter_frames())
    assert [number_of(f) for f in sequential] == list(range(120))
    order = np.random.default_rng(2).permutation(120)[:40].tolist() + [119, 0, 11, 12, 13, 10]
    with clip.reader(cache=4) as frames:
        for index in order:
            np.testing.assert_array_equal(frames[index], sequential[index])
        np.testing.assert_array_equal(frames[-1], sequential[-1])
        frames[5][:] = 0  # what the caller does with a frame stays with the caller
        np.testing.assert_array_equal(frames[5], sequential[5])
        with pytest.raises(IndexError):
            frames[120]
    assert number_of(next(clip.iter_frames(77))) == 77


def test_decoded_frames_are_freed_at_once(tmp_path):
    """Not when the garbage collector comes: until then a long clip would fill the memory."""
    media.write_video(tmp_path / "a.mp4", coded_frames(60), 25, voice(2.4))
    clip = media.open_clip(tmp_path / "a.mp4", min_seconds=1)
    gc.collect()
    gc.disable()
    try:
        assert sum(1 for _ in clip.iter_frames()) == 60
        assert sum(type(thing) is av.VideoFrame for thing in gc.get_objects()) < 5
    finally:
        gc.enable()


def test_first_frames_have_the_sound_until_their_end(tmp_path):
    media.write_video(tmp_path / "a.mp4", coded_frames(60), 25, voice(2.4))
    clip = media.open_clip(tmp_path / "a.mp4", min_seconds=1)
    some = media.first_frames(clip, 20)
    assert len(some) == 20 and some.audio.size == round(0.8 * clip.sr_hz)
    assert np.array_equal(some.audio, clip.audio[: some.audio.size])
    assert media.first_frames(clip, 60) is clip and media.first_frames(clip) is clip


@pytest.mark.parametrize("video_start, sound_start", [(0.0, 0.48), (0.48, 0.0), (1.0, 1.0)])
def test_sound_is_aligned_to_the_first_frame(tmp_path, video_start, sound_start):
    samples = np.zeros(6 * 16_000, np.float32)
    samples[32_000] = 0.9
    samples += voice(6) * 0.01
    path = encode(
        tmp_path / "s.mkv", 110, video_start=video_start, sound=(sound_start, samples, 16_000)
    )
    clip = media.open_clip(path)
    expected = 2.0 + sound_start - video_start
    assert clip.times[0] == 0
    assert np.argmax(clip.audio) / 16_000 == pytest.approx(expected, abs=2e-3)


def test_rotation_tag_is_honoured(tmp_path, clip_file):
    data = bytearray(clip_file.read_bytes())
    at = data.index(b"tkhd") + 4 + 40  # version and flags 4, times and ids 20, layer etc. 16
    quarter = (0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30)  # 90 degrees clockwise
    data[at : at + 36] = struct.pack(">9i", *quarter)
    (tmp_path / "turned.mp4").write_bytes(data)
    clip, plain = media.open_clip(tmp_path / "turned.mp4"), media.open_clip(clip_file)
    assert (clip.height, clip.width) == (96, 64)
    turned, straight = next(clip.iter_frames(37)), next(plain.iter_frames(37))
    np.testing.assert_array_equal(turned, np.rot90(straight, -1))


def test_bad_clips(tmp_path, clip_file):
    whole = clip_file.read_bytes()
    (tmp_path / "text.mp4").write_text("this is no video " * 100)
    (tmp_path / "empty.mp4").write_bytes(b"")
    (tmp_path / "no_index.mp4").write_bytes(whole[: len(whole) // 2])
    media.write_wav(tmp_path / "sound.wav", voice(5))
    encode(tmp_path / "mute.mp4", 110)
    media.write_video(tmp_path / "silent.mp4", coded_frames(110), 25, np.zeros(80_000))
    media.write_video(tmp_path / "short.mp4", coded_frames(60), 25, voice(3))
    cut = encode(tmp_path / "cut.mkv", 250, sound=(0.0, voice(10), 16_000)).read_bytes()
    (tmp_path / "cut.mkv").write_bytes(cut[: int(len(cut) * 0.5)])
    cases = {
        "missing.mp4": "no such file",
        "text.mp4": "is not a video file that can be read",
        "empty.mp4": "the file is empty",
        "no_index.mp4": "broken or truncated",
        "sound.wav": "is not a video",
        "mute.mp4": "has no sound track",
        "silent.mp4": "its sound is silent",
        "short.mp4": r"is 2\.4 s long, at least 4 s are needed",
        "cut.mkv": "truncated",
        ".": "is not a file",
    }
    for name, words in cases.items():
        with pytest.raises(InputError, match=words) as caught:
            media.open_clip(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value) and "\n" not in str(caught.value)
    assert len(media.open_clip(tmp_path / "mute.mp4", need_sound=False)) == 110
    assert len(media.open_clip(tmp_path / "short.mp4", min_seconds=2)) == 60


def test_truncated_with_its_index_in_front(tmp_path):
    with av.open(str(tmp_path / "f.mp4"), "w", options={"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "10"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        rng = np.random.default_rng(0)
        for _ in range(150):
            image = rng.integers(0, 255, (*SIZE, 3), dtype=np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode())
    data = (tmp_path / "f.mp4").read_bytes()
    (tmp_path / "f.mp4").write_bytes(data[: int(0.8 * len(data))])
    with pytest.raises(InputError, match="truncated|decoded after frame"):
        media.open_clip(tmp_path / "f.mp4", need_sound=False)


@pytest.mark.parametrize(
    "kind", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"]
)
@pytest.mark.parametrize("sr_hz, channels", [(8_000, 1), (16_000, 2), (44_100, 6), (48_000, 2)])
def test_any_wav_works(tmp_path, kind, sr_hz, channels):
    def tone(rate):
        return 0.5 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)

    block = np.repeat(tone(sr_hz)[:, None], channels, axis=1)
    soundfile.write(tmp_path / "a.wav", block, sr_hz, subtype=kind)
    audio = media.read_audio(tmp_path / "a.wav")
    assert audio.dtype == np.float32 and audio.shape == (16_000,)
    error = audio[200:-200] - tone(16_000)[200:-200]
    assert np.abs(error).max() < (0.02 if kind in ("PCM_U8", "ULAW") else 1e-3)


def test_other_rates_of_the_result_and_the_sound_of_a_video(tmp_path, clip_file):
    media.write_wav(tmp_path / "a.wav", voice(1))
    assert media.read_audio(tmp_path / "a.wav", sr_hz=22_050).shape == (22_050,)
    np.testing.assert_allclose(media.read_audio(tmp_path / "a.wav"), voice(1), atol=1e-4)
    assert abs(media.read_audio(clip_file).size - 80_000) <= 1024


def test_bad_sound(tmp_path):
    media.write_wav(tmp_path / "empty.wav", np.zeros(0))
    media.write_wav(tmp_path / "silent.wav", np.zeros(8000))
    (tmp_path / "text.wav").write_text("no sound here, " * 50)
    encode(tmp_path / "mute.mp4", 10)
    cases = {
        "missing.wav": "no such file",
        "empty.wav": "no sound samples|not a sound file",
        "silent.wav": "silent",
        "text.wav": "is not a sound file",
        "mute.mp4": "has no sound track",
    }
    for name, words in cases.items():
        with pytest.raises(InputError, match=words):
            media.read_audio(tmp_path / name)
    assert not media.read_audio(tmp_path / "silent.wav", silent_ok=True).any()


def test_truncated_speech_is_refused(tmp_path):
    media.write_wav(tmp_path / "a.wav", voice(10))
    encode(tmp_path / "a.mkv", 250, sound=(0.0, voice(10), 16_000))
    soundfile.write(tmp_path / "a.flac", voice(10), 16_000)
    for name in ("a.wav", "a.mkv", "a.flac"):
        path = tmp_path / name
        assert abs(media.read_audio(path).size - 160_000) <= 2048
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(InputError, match=f"{name}.*truncated"):
            media.read_audio(path)


def test_sound_that_begins_late_or_ends_early_is_whole(tmp_path):
    for start_s in (0.0, 12.0):
        encode(tmp_path / "a.mkv", 400, sound=(start_s, voice(2), 16_000))
        assert abs(media.read_audio(tmp_path / "a.mkv").size - 32_000) <= 2048


@pytest.mark.parametrize("promise", [0, 100, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
@pytest.mark.parametrize("both", [False, True])
def test_a_wav_from_a_pipe_is_read_to_its_end(tmp_path, promise, both):
    media.write_wav(tmp_path / "a.wav", voice(2))
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = struct.pack("<I", promise)
    if both:
        content[4:8] = struct.pack("<I", promise)
    (tmp_path / "a.wav").write_bytes(content)
    assert media.read_audio(tmp_path / "a.wav").size == (50 if promise == 100 else 32_000)


def test_a_wav_whose_size_is_wrong_in_one_place_is_read(tmp_path):
    media.write_wav(tmp_path / "a.wav", voice(2))
    content = bytearray((tmp_path / "a.wav").read_bytes())
    content[40:44] = struct.pack("<I", 1_000_000)
    (tmp_path / "a.wav").write_bytes(content)
    assert media.read_audio(tmp_path / "a.wav").size == 32_000


def test_the_last_frame_may_have_no_duration(tmp_path):
    stamps = np.arange(10) * 1000
    found = Scan(stamps, 1e-3, 1.0, *SIZE, SDR, False, 0, 0, claimed_s=10.0, read_s=9.0)
    refuse_truncated(tmp_path, found)
    with pytest.raises(InputError, match=r"8\.0 s \(10 frames\) can be read of 10\.0 s"):
        refuse_truncated(tmp_path, replace(found, read_s=8.0))


def test_a_clip_in_which_speech_cannot_be_seen_is_refused(tmp_path):
    encode(tmp_path / "a.mp4", 40, fps=7.5, sound=(0.0, voice(6), 16_000))
    with pytest.raises(InputError, match="shows 7.5 frames per second, too few to see speech"):
        media.open_clip(tmp_path / "a.mp4")
    assert len(media.open_clip(tmp_path / "a.mp4", need_sound=False)) == 40
    encode(tmp_path / "a.mp4", 40, fps=8, sound=(0.0, voice(6), 16_000))
    assert media.open_clip(tmp_path / "a.mp4").fps == pytest.approx(8)


def test_an_animated_picture_is_no_clip(tmp_path):
    first, *others = (Image.fromarray(frame) for frame in coded_frames(5))
    first.save(tmp_path / "a.webp", save_all=True, append_images=others)
    with pytest.raises(InputError, match="is a WebP picture, not a video; convert"):
        media.open_clip(tmp_path / "a.webp", need_sound=False)


@pytest.mark.parametrize("size", [(720, 1280), (240, 320), (128, 128), (1280, 720)])
def test_mark_is_small_and_legible(size):
    for grey in (10, 128, 245):
        frame = np.full((*size, 3), grey, np.uint8)
        marked = media.draw_mark(frame).astype(int)
        assert (frame == grey).all()
        changed = np.abs(marked - grey).max(-1) > 0
        rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
        assert changed.mean() < 0.06
        assert rows[0] > 0.8 * size[0] and columns[0] > 0.35 * size[1]
        assert len(rows) >= 14  # letters of at least 9 px
        plate = marked[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        assert plate.max() - np.median(plate) > 90


def test_mark_and_metadata_in_the_file(tmp_path):
    grey = np.full((30, 240, 320, 3), 128, np.uint8)
    marked = media.write_video(tmp_path / "m.mp4", grey, 25)
    plain = media.write_video(tmp_path / "p.mp4", grey, 25, visible_mark=False)
    for path, contrast in ((marked, True), (plain, False)):
        assert "Synthetic" in media.video_metadata(path)["comment"]
        clip = media.open_clip(path, min_seconds=1, need_sound=False)
        last = next(clip.iter_frames(29)).astype(int)
        assert (last[-30:, -80:].max() > 200) == contrast
        assert abs(last[:100].mean() - 128) < 3


def test_a_failed_video_leaves_nothing(tmp_path):
    def frames():
        yield from coded_frames(10)
        raise RuntimeError("renderer broke")

    with pytest.raises(RuntimeError):
        media.write_video(tmp_path / "a.mp4", frames(), 25, voice(1))
    for frames_, times in (
        (coded_frames(3), [0, 0.1]),
        (coded_frames(3), [0, 0.1, 0.2, 0.3]),
        (coded_frames(3), [0, 0.2, 0.1]),
        (np.zeros((0, 8, 8, 3), np.uint8), 25),
    ):
        with pytest.raises(ShapeError):
            media.write_video(tmp_path / "a.mp4", frames_, times)
    assert not list(tmp_path.iterdir())


def test_colours_are_encoded_without_a_shift(tmp_path):
    """The mean of each channel, decoded by hand: rounding, not truncation, all the way."""
    row, column = np.indices((128, 128))
    ramps = np.stack([40 + row, 220 - column, 60 + (row + column) // 2], -1).astype(np.uint8)
    path = media.write_video(tmp_path / "a.mp4", [ramps] * 3, 25, visible_mark=False, quality=1)
    with av.open(str(path)) as container:
        coded = next(container.decode(video=0)).to_ndarray().astype(float)
    luma = (coded[:128].mean() - 16) / 219
    blue, red = ((coded[a : a + 32].mean() - 128) / 224 for a in (128, 160))
    mean = [luma + 1.5748 * red, luma - 0.1873 * blue - 0.4681 * red, luma + 1.8556 * blue]
    assert np.allclose(255 * np.array(mean), ramps.mean((0, 1)), atol=0.08)


WRITES_SIX = """
import hashlib, sys
import numpy as np
from tfhkit import media
rng = np.random.default_rng(0)
ramp = np.indices((224, 224)).sum(0)
frames = np.stack([(ramp + 5 * i) % 256 for i in range(30)])[..., None] + rng.normal(0, 4, 3)
frames = np.clip(frames + rng.normal(0, 4, frames.shape), 0, 255).astype(np.uint8)
for k in range(6):
    path = media.write_video(sys.argv[1], frames, 25, np.sin(np.arange(20_000) / 9))
    print(hashlib.sha256(path.read_bytes()).hexdigest())
    junk = [rng.bytes(50_000 * (k + 1)) for _ in range(8)]  # memory that is used again
"""


@pytest.mark.slow
def test_the_same_frames_give_the_same_bytes_in_any_process(tmp_path):
    """Both at once, and each of them again and again."""
    for k in "01":
        (tmp_path / k).mkdir()
    started = [
        subprocess.Popen(
            [sys.executable, "-c", WRITES_SIX, str(tmp_path / f"{k}" / "a.mp4")],
            stdout=subprocess.PIPE,
            text=True,
        )
        for k in range(2)
    ]
    hashes = [process.communicate()[0].split() for process in started]
    assert [len(row) for row in hashes] == [6, 6]
    assert len(set(sum(hashes, []))) == 1


def test_grey_ramps_come_back_as_bright_as_they_were(tmp_path):
    """Written and read again: rounding both ways, so no mean shift."""
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (128, 1, 3))
    path = media.write_video(tmp_path / "a.mp4", [ramp] * 3, 25, visible_mark=False)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        read = picture(frame, 128, 256).astype(float)
    assert abs((read - ramp).mean()) < 0.3
