"""Sound that ends early is told wherever the file says so; sound of a wrong scale or rate, too."""

import struct
from fractions import Fraction

import av
import numpy as np
import pytest
from media_toys import RATE, Track, grey_frames, speech, write_file
from soundfile import write

from tfhkit import media
from tfhkit.audio import read_speech
from tfhkit.errors import InputError, ParameterError
from tfhkit.media.mix import swing

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


def joined_parts(path, *parts):
    """A transport stream of parts of 20 frames: (height, width), shape of the pixels."""
    whole = b""
    for size, aspect in parts:

        def tag(stream, aspect=aspect):
            stream.options = {"g": "12", "bf": "3", "b-adapt": "0"}  # frames come out late
            stream.codec_context.sample_aspect_ratio = Fraction(aspect)

        whole += write_file(path, grey_frames(20, size), set_up=tag).read_bytes()
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize("aspects, shown", [((2, 1), 48), ((1, 2), 96)])
def test_pixels_that_change_their_shape_are_refused(tmp_path, aspects, shown):
    path = joined_parts(tmp_path / "a.ts", *(((64, 48), aspect) for aspect in aspects))
    words = rf"change their shape at frame (1[5-9]|20) \(to {shown} x 64 pixels\); cut it there"
    with pytest.raises(InputError, match=words):
        media.open_clip(path, min_seconds=0, need_sound=False)


@pytest.mark.parametrize("parts", [[((64, 48), 2), ((64, 96), 1)], [((64, 96), 1), ((64, 48), 2)]])
def test_pictures_of_one_displayed_shape_are_taken(tmp_path, parts):
    path = joined_parts(tmp_path / "a.ts", *parts)
    clip = media.open_clip(path, min_seconds=0, need_sound=False)
    assert (len(clip), clip.height, clip.width) == (40, 64, 96)
    height, width = parts[0][0]
    assert clip.pictures.names == (f"1 ({width} x {height})",)  # of the first part
    assert {frame.shape for frame in clip.iter_frames()} == {(64, 96, 3)}


def test_an_avi_with_dropped_frames_is_whole(tmp_path):
    """They are empty chunks, which its header counts."""
    path, kept = tmp_path / "a.avi", [k for k in range(125) if k % 10 != 9]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=25)
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        for index, image in zip(kept, grey_frames(len(kept))):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    with av.open(str(path)) as made:
        assert made.streams.video[0].frames == 125
    clip = media.open_clip(path, need_sound=False)
    np.testing.assert_allclose(clip.times, np.array(kept) / 25, atol=1e-6)
    content = path.read_bytes()
    path.write_bytes(content[: content.find(b"idx1") * 8 // 10])
    with pytest.raises(InputError, match=r"a.avi: is truncated: .* can be read of 5\.0 s"):
        media.open_clip(path, need_sound=False)


@pytest.mark.parametrize("offset, codec", [(0.5, "flac"), (-0.02, "aac")])
def test_a_constant_offset_is_silence(tmp_path, offset, codec):
    """A muted microphone; filters ring where the offset begins and ends."""
    level = np.full(4 * 44_100, offset, np.float32)
    write(tmp_path / "a.wav", level, 44_100)
    words = rf"its sound is silent \(a constant offset of {offset}\); give a recording"
    with pytest.raises(InputError, match=words):
        media.read_audio(tmp_path / "a.wav")
    film = write_file(
        tmp_path / "a.mp4", grey_frames(100), [Track(level, 0, "mono", 44_100, codec)]
    )
    with pytest.raises(InputError, match=words):
        media.open_clip(film)
    with pytest.raises(InputError, match="is silent from end to end"):
        read_speech(level)


def test_quiet_speech_on_an_offset_is_heard(tmp_path):
    quiet = 2e-3 * VOICE / np.abs(VOICE).max()
    write(tmp_path / "a.wav", quiet + 0.5, RATE, subtype="FLOAT")
    np.testing.assert_allclose(media.read_audio(tmp_path / "a.wav"), quiet + 0.5, atol=1e-6)
    assert swing(quiet, RATE) == pytest.approx(2e-3, rel=0.1)
    assert swing(quiet[3:] + 0.5, RATE) == pytest.approx(swing(quiet[3:], RATE), rel=1e-3)


@pytest.mark.parametrize("plain", [True, False])
def test_24_bits_in_32_are_whole_numbers_where_the_header_says_so(tmp_path, plain):
    """FFmpeg takes them for Cool Edit's floats, which are not in the extended format."""
    stereo = np.stack([VOICE, 0.5 * VOICE], 1).astype(np.float64)
    whole = np.round(stereo * 2**23).astype("<i4") << 8
    data = whole.tobytes() if plain else (stereo * 2**23).astype("<f4").tobytes()
    form = struct.pack("<HHIIHH", 0xFFFE if plain else 1, 2, RATE, 8 * RATE, 8, 32 if plain else 24)
    if plain:
        guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
        form += struct.pack("<HHI", 22, 24, 3) + guid
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data"
    body += struct.pack("<I", len(data)) + data
    (tmp_path / "a.wav").write_bytes(b"RIFF" + struct.pack("<I", len(body)) + body)
    np.testing.assert_allclose(media.read_audio(tmp_path / "a.wav"), stereo.mean(1), atol=1e-6)
