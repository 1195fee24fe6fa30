"""Sound that ends early is told wherever the file says so; sound of a wrong scale or rate, too."""

import struct

import numpy as np
import pytest
from media_toys import RATE, Track, grey_frames, speech, write_file
from soundfile import write

from tfhkit import media
from tfhkit.audio import read_speech
from tfhkit.errors import InputError, ParameterError

VOICE = speech(4)
KINDS = {
    "a.aiff": ("AIFF", "PCM_16"),
    "a.au": ("AU", "PCM_16"),
    "a.caf": ("CAF", "PCM_16"),
    "a.w64": ("W64", "PCM_16"),
    "rf64.wav": ("RF64", "PCM_16"),
    "alaw.wav": ("WAV", "ALAW"),  # has a chunk with the number of samples
    "a.mp3": ("MP3", "MPEG_LAYER_III"),
    "a.ogg": ("OGG", "VORBIS"),
    "a.opus": ("OGG", "OPUS"),
}


@pytest.mark.parametrize("name", KINDS)
def test_sound_that_ends_early_is_refused(tmp_path, name):
    path, (kind, coding) = tmp_path / name, KINDS[name]
    write(path, VOICE, RATE, format=kind, subtype=coding)
    assert abs(media.read_audio(path).size - VOICE.size) < 200
    whole = path.read_bytes()
    if name == "a.mp3":  # also behind a tag as long as one with a cover picture
        whole = b"ID3\x04\0\0" + bytes([0, 0, 40, 0]) + bytes(40 << 7) + whole
    path.write_bytes(whole[: len(whole) // 2])
    words = "ends within a page of data, after" if kind == "OGG" else r"\S+ s can be read of 4\.0 s"
    with pytest.raises(InputError, match=f"{name}: is truncated: (it )?{words}") as raised:
        media.read_audio(path)
    assert float(str(raised.value).split(" s")[0].split()[-1].strip("s")) < 2.5 or kind == "OGG"


def test_a_truncated_avi_is_refused_as_speech(tmp_path):
    path = write_file(tmp_path / "a.avi", grey_frames(100), [Track(VOICE)], codec="mpeg4")
    assert abs(media.read_audio(path).size - VOICE.size) < 1700
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="a.avi: is truncated"):
        media.read_audio(path)


def test_an_mp3_without_a_count_is_read_to_its_end(tmp_path):
    write(path := tmp_path / "a.mp3", VOICE, RATE)
    content = path.read_bytes()
    at = max(content.find(b"Xing"), content.find(b"Info"))
    path.write_bytes(content[:at] + bytes(8) + content[at + 8 : len(content) // 2])
    assert 1.5 * RATE < media.read_audio(path).size < 2.5 * RATE


def test_samples_far_above_full_scale_are_refused_not_clipped(tmp_path):
    write(path := tmp_path / "a.wav", 32768 * VOICE, RATE, subtype="FLOAT")
    words = "reach .*, where 1 is full scale; scale them to .*divide by 32768"
    with pytest.raises(InputError, match=f"a.wav: samples of its sound {words}"):
        media.read_audio(path)
    with pytest.raises(ParameterError, match="audio: holds samples up to .*; divide 16-bit"):
        read_speech(32768 * VOICE)
    write(path, 3 * VOICE / np.abs(VOICE).max(), RATE, subtype="FLOAT")
    assert media.read_audio(path).max() == 1  # a little too loud


def test_a_rate_that_holds_no_speech_is_refused(tmp_path):
    write(path := tmp_path / "a.wav", VOICE, RATE)
    content = bytearray(path.read_bytes())
    content[24:28] = struct.pack("<I", 10)
    path.write_bytes(content)
    with pytest.raises(InputError, match="a.wav: its sound has 10 samples per second, too few"):
        media.read_audio(path)


@pytest.mark.parametrize(
    "name, text",
    [("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:5,\nb.ts\n#EXT-X-ENDLIST\n"),
     ("a.ffconcat", "ffconcat version 1.0\nfile b.ts\n")],
)  # fmt: skip
def test_a_list_of_files_is_no_clip(tmp_path, name, text):
    write_file(tmp_path / "b.ts", grey_frames(25), [Track(VOICE[:RATE], codec="aac")])
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=f"{name}: is a list of other files, not a video file"):
        media.open_clip(tmp_path / name, min_seconds=0)


def test_pictures_of_several_shapes_are_refused_and_of_several_sizes_are_not(tmp_path):
    one, other = tmp_path / "a.ts", tmp_path / "b.ts"
    how = {"min_seconds": 0, "need_sound": False}
    write_file(one, grey_frames(20))
    first = one.read_bytes()
    write_file(other, grey_frames(20, (32, 48)))
    one.write_bytes(first + other.read_bytes())
    assert len(media.open_clip(one, **how)) == 40
    write_file(other, grey_frames(20, (96, 64)))
    one.write_bytes(first + other.read_bytes())
    words = r"a.ts: its pictures change their shape at frame 20 \(to 64 x 96 pixels\); cut it"
    with pytest.raises(InputError, match=words):
        media.open_clip(one, **how)
