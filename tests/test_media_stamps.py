"""Time stamps that start again or leap, edit lists, and tracks longer than the pictures."""

import tracemalloc
from fractions import Fraction

import av
import numpy as np
import pytest
from media_toys import RATE, Track, likeness, noise, speech, write_file
from test_media import coded_frames, number_of

from tfhkit import media
from tfhkit.errors import InputError

VOICE = speech(6)


def part(path, first, n, start_s, cut=None):
    """`n` frames with the numbers from `first` on, and their stretch of the voice."""
    at = slice(first * RATE // 25, (first + n) * RATE // 25)
    track = Track(VOICE[at][:cut], start_s=start_s, codec="mp2")
    return write_file(path, coded_frames(250)[first : first + n], [track], video_start_s=start_s)


def in_one_file(path, *parts):
    path.write_bytes(b"".join(one.read_bytes() for one in parts))
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    "starts",
    {
        "start again": (0, 0),
        "start again later": (700, 10),
        "an hour forward": (0, 3600),
        "an hour back": (3600, 0),
        "three parts": (0, 0, 0),
        "forward, then back": (0, 5000, 20),
        "the counter wraps, then starts again": (95442, 0),
    }.items(),
    ids=lambda item: item[0],
)  # fmt: skip
def test_parts_are_joined(tmp_path, starts):
    each = 150 // len(starts[1])
    parts = [
        part(tmp_path / f"{k}.ts", k * each, each, max(0, start_s))
        for k, start_s in enumerate(starts[1])
    ]
    tracemalloc.start()
    clip = media.open_clip(in_one_file(tmp_path / "all.ts", *parts))
    assert tracemalloc.get_traced_memory()[1] < 30e6, "memory must not grow with the jump"
    tracemalloc.stop()
    assert len(clip) == 150 and len(clip.coding.joins) == len(parts) - 1
    np.testing.assert_allclose(clip.times, np.arange(150) / 25, atol=1e-3)
    assert [number_of(frame) for frame in clip.iter_frames()] == list(range(150))
    with clip.reader() as frames:
        for index in (149, 3, each, each - 1, 120):
            assert number_of(frames[index]) == index
    for k in range(len(parts)):
        at = slice(k * each * RATE // 25 + 2000, (k + 1) * each * RATE // 25 - 2000)
        assert likeness(clip.audio[at], VOICE[at]) > 0.95
    assert media.read_audio(tmp_path / "all.ts").size == pytest.approx(6 * RATE, abs=0.4 * RATE)


def test_a_counter_of_33_bits_wraps(tmp_path):
    clip = media.open_clip(part(tmp_path / "a.ts", 0, 150, 95440.68))
    np.testing.assert_allclose(clip.times, np.arange(150) / 25, atol=1e-3)
    assert [number_of(frame) for frame in clip.iter_frames()] == list(range(150))
    assert likeness(clip.audio, VOICE) > 0.95


def test_a_part_whose_sound_ends_early_stays_on_the_clock(tmp_path):
    parts = [part(tmp_path / "a.ts", 0, 75, 0, cut=2 * RATE), part(tmp_path / "b.ts", 75, 75, 0)]
    clip = media.open_clip(in_one_file(tmp_path / "all.ts", *parts))
    assert not clip.audio[int(2.2 * RATE) : int(2.8 * RATE)].any()
    assert likeness(clip.audio[int(3.2 * RATE) :], VOICE[int(3.2 * RATE) :]) > 0.95


def restamped(source, target, picture=lambda s: s, sound=lambda s: s):
    """Copy packets; the functions give new seconds for old."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        copies = {s.index: new.add_stream_from_template(s) for s in old.streams}
        for packet in old.demux():
            if packet.dts is None:
                continue
            how = picture if packet.stream.type == "video" else sound
            by = round(Fraction(how(float(packet.pts * packet.time_base))) / packet.time_base)
            by -= packet.pts
            packet.pts, packet.dts = packet.pts + by, packet.dts + by
            packet.stream = copies[packet.stream.index]
            new.mux(packet)
    return target


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("stamps") / "whole.mkv"
    return write_file(path, coded_frames(150), [Track(VOICE)])


def leap(at_s, by_s):
    return lambda seconds: seconds + by_s * (seconds >= at_s)


def test_a_leap_in_both_tracks_of_another_container(tmp_path, whole):
    path = restamped(whole, tmp_path / "a.mkv", leap(3, 3600), leap(3, 3600))
    clip = media.open_clip(path)
    assert clip.duration_s == pytest.approx(6, abs=0.05)
    assert likeness(clip.audio, VOICE) > 0.95


def test_sound_alone_that_leaps_is_refused_with_its_position(tmp_path, whole):
    path = restamped(whole, tmp_path / "a.mkv", sound=leap(3, 3600))
    with pytest.raises(InputError, match=r"sound's time stamps jump forward by 3600\.\d s at 3\.0"):
        media.open_clip(path)
    assert likeness(media.read_audio(path), VOICE) > 0.95  # without pictures there is no clock


def test_sound_that_begins_after_the_pictures_is_refused(tmp_path, whole):
    path = restamped(whole, tmp_path / "a.mkv", sound=lambda s: s + 3600)
    with pytest.raises(InputError, match=r"its sound begins at 3600\.0 s, after the end"):
        media.open_clip(path)


def test_pictures_that_stand_still_are_no_leap(tmp_path):
    """The sound goes on through the pause, so time passed."""
    frames = coded_frames(125)
    long = write_file(tmp_path / "a.mkv", frames, [Track(speech(20))])
    clip = media.open_clip(restamped(long, tmp_path / "b.mkv", leap(2, 12)))
    assert not clip.coding.joins
    assert np.diff(clip.times).max() == pytest.approx(12.04, abs=0.01)
    assert likeness(clip.audio, speech(20)) > 0.95


def test_small_holes_stay(tmp_path, whole):
    path = restamped(whole, tmp_path / "a.mkv", leap(3, 0.7), leap(3, 0.7))
    clip = media.open_clip(path)
    assert not clip.coding.joins and clip.duration_s == pytest.approx(6.7, abs=0.05)
    assert not clip.audio[int(3.1 * RATE) : int(3.6 * RATE)].any()
    assert likeness(clip.audio[int(3.8 * RATE) :], VOICE[int(3.1 * RATE) :]) > 0.95


def test_an_edit_list_leaves_no_frames_missing(tmp_path):
    """`ffmpeg -ss 4.2 -i in.mp4 -c copy`: the file keeps packets from the key frame on."""
    with av.open(str(tmp_path / "a.mp4"), "w") as out:
        video = out.add_stream("libx264", rate=25, options={"g": "250", "crf": "12"})
        video.height, video.width, video.pix_fmt = 64, 96, "yuv420p"
        for index, image in enumerate(coded_frames(230)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(video.encode(frame))
        out.mux(video.encode())
    path = restamped(tmp_path / "a.mp4", tmp_path / "cut.mp4", lambda s: s - 4.2)
    clip = media.open_clip(path, need_sound=False)
    assert len(clip) == 125
    assert [number_of(frame) for frame in clip.iter_frames()] == list(range(105, 230))
    with clip.reader() as frames:
        assert [number_of(frames[index]) for index in (124, 0, 60)] == [229, 105, 165]


@pytest.mark.parametrize("name", ["a.mkv", "a.mov"])
def test_a_second_sound_longer_than_the_pictures(tmp_path, name):
    tracks = [Track(VOICE, default=True), Track(noise(40))]
    clip = media.open_clip(write_file(tmp_path / name, coded_frames(150), tracks))
    assert len(clip) == 150 and clip.audio.size == 6 * RATE


def test_subtitles_longer_than_the_pictures(tmp_path, whole):
    first, last = "00:00:01,000 --> 00:00:02,000", "00:00:20,000 --> 00:00:30,000"
    (tmp_path / "s.srt").write_text(f"1\n{first}\nhello\n\n2\n{last}\nbye\n")
    path = tmp_path / "a.mkv"
    with (
        av.open(str(whole)) as film,
        av.open(str(tmp_path / "s.srt")) as texts,
        av.open(str(path), "w") as new,
    ):
        copies = {s: new.add_stream_from_template(s) for s in (*film.streams, *texts.streams)}
        for packet in (*texts.demux(), *film.demux()):
            if packet.dts is not None:
                packet.stream = copies[packet.stream]
                new.mux(packet)
    with av.open(str(path)) as made:
        assert made.duration > 29e6 and len(made.streams.subtitles) == 1
    clip = media.open_clip(path)
    assert len(clip) == 150 and clip.duration_s == pytest.approx(6)


def test_a_truncated_file_with_a_side_track_is_still_found(tmp_path):
    rng = np.random.default_rng(0)
    rough = rng.integers(0, 255, (250, 64, 96, 3), dtype=np.uint8)
    tracks = [Track(speech(10)), Track(noise(10))]
    path = write_file(tmp_path / "a.mkv", rough, tracks)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="truncated"):
        media.open_clip(path)
