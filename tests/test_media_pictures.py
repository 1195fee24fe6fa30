"""Colours, orientation, transparency and names come out as they are meant."""

import os
import struct
import warnings
import zlib
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from media_toys import speech, write_file
from PIL import Image

from tfhkit import media
from tfhkit.errors import InputError
from tfhkit.media.colour import ROUNDED, Colours, rgb
from tfhkit.media.pictures import BACKDROP
from tfhkit.media.turning import quarter_turn

# skin, greys, strong colours; in SDR, BT.709
PATCHES = np.array(
    [[224, 172, 150], [141, 85, 62], [255, 255, 255], [128, 128, 128], [60, 60, 60],
     [30, 90, 160], [90, 160, 60], [180, 40, 40]]
)  # fmt: skip
TO_2020 = np.array(
    [[0.627404, 0.329283, 0.043313], [0.069097, 0.919540, 0.011362], [0.016391, 0.088013, 0.895595]]
)
P3_TO_709 = np.array(
    [[1.22494, -0.22494, 0.0], [-0.04206, 1.04206, 0.0], [-0.01964, -0.07864, 1.09827]]
)
WEIGHTS = {1: (0.2126, 0.0722), 5: (0.299, 0.114), 7: (0.212, 0.087), 9: (0.2627, 0.0593)}


def pq(nits):
    y = (nits / 1e4) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * y) / (1 + 18.6875 * y)) ** 78.84375


def hlg(nits):
    scene = (nits / 1000) ** (1 / 1.2)
    high = 0.17883277 * np.log(np.maximum(12 * scene - 0.28466892, 1e-9)) + 0.55991073
    return np.where(scene <= 1 / 12, np.sqrt(3 * scene), high)


def coded(signal, matrix, full=False, bits=10):
    """R'G'B' patches as a frame of Y'CbCr, 16 pixels each."""
    red, blue = WEIGHTS[matrix]
    luma = signal @ [red, 1 - red - blue, blue]
    chroma = [(signal[:, k] - luma) / (2 - 2 * w) for k, w in ((2, blue), (0, red))]
    unit = 2 ** (bits - 8)
    top = 2**bits - 1
    planes = [luma * top, *(c * top + 128 * unit for c in chroma)]
    if not full:
        planes = [(16 + 219 * luma) * unit, *((128 + 224 * c) * unit for c in chroma)]
    frame = av.VideoFrame(16 * len(signal), 32, "yuv444p10le" if bits == 10 else "yuv444p")
    kind = np.uint16 if bits == 10 else np.uint8
    for plane, values in zip(frame.planes, planes):
        row = np.repeat(np.rint(values).clip(0, top), 16).astype(kind)
        pixels = np.zeros((32, plane.line_size // row.itemsize), kind)
        pixels[:, : len(row)] = row
        plane.update(pixels)
    frame.colorspace, frame.color_range = matrix, 2 if full else 1
    return frame


def seen(path, signal, transfer, primaries, matrix, full=False, bits=10):
    """What the kit shows of a clip with these patches: (n, 3), the middle of each."""

    def tag(stream):
        context = stream.codec_context
        context.color_trc, context.color_primaries = transfer, primaries
        context.colorspace, context.color_range = matrix, 2 if full else 1

    frames = [coded(signal, matrix, full, bits) for _ in range(30)]
    write_file(path, frames, codec="ffv1", pix_fmt=frames[0].format.name, set_up=tag)
    clip = media.open_clip(path, min_seconds=1, need_sound=False)
    assert clip.coding.colours.transfer == transfer
    return next(clip.iter_frames(17))[16, 8::16].astype(int)


@pytest.mark.parametrize("white", [100, 203])
@pytest.mark.parametrize("transfer, curve", [(16, pq), (18, hlg)])
def test_hdr_comes_back_as_the_sdr_it_was_made_from(tmp_path, transfer, curve, white):
    light = white * (PATCHES / 255) ** 2.4 @ TO_2020.T
    found = seen(tmp_path / "a.mkv", curve(light), transfer, 9, 9)
    # at 203 the whites are rolled off, as there may be highlights above them
    assert np.abs(found - PATCHES).max() <= 4


@pytest.mark.parametrize("transfer, curve", [(16, pq), (18, hlg)])
def test_highlights_leave_skin_and_greys_alone(tmp_path, transfer, curve):
    lamp = np.array([[900.0, 900, 900], [400, 400, 400]])
    light = np.concatenate([203 * (PATCHES / 255) ** 2.4 @ TO_2020.T, lamp])
    found = seen(tmp_path / "a.mkv", curve(light), transfer, 9, 9)
    kept = PATCHES.max(1) < 230
    assert np.abs(found[:-2] - PATCHES)[kept].max() <= 4
    assert 225 < found[2].min() < found[-1].min() < found[-2].min() <= 255


def test_hdr_with_some_tags_missing_is_still_wide(tmp_path):
    light = 100 * (PATCHES / 255) ** 2.4 @ TO_2020.T
    frame = coded(pq(light), 9)
    frame.colorspace = 2
    found = rgb(frame, 32, frame.width, Colours(16, 2, 100.0))[16, 8::16].astype(int)
    assert np.abs(found - PATCHES).max() <= 4


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("matrix", WEIGHTS)
def test_matrices_ranges_and_depths(tmp_path, matrix, bits, full):
    found = seen(tmp_path / "a.mkv", PATCHES / 255, 1, 1, matrix, full, bits)
    assert np.abs(found - PATCHES).max() <= 2


@pytest.mark.parametrize(
    "primaries, matrix, into", [(9, 9, TO_2020), (12, 1, np.linalg.inv(P3_TO_709))]
)
def test_wide_primaries_without_hdr(tmp_path, primaries, matrix, into):
    signal = (((PATCHES / 255) ** 2.4) @ into.T).clip(0, 1) ** (1 / 2.4)
    found = seen(tmp_path / "a.mkv", signal, 1, primaries, matrix)
    assert np.abs(found - PATCHES).max() <= 3


@pytest.mark.parametrize("transfer, matrix, words", [(8, 1, "linear light"), (1, 14, "ICtCp")])
def test_codings_that_would_come_out_wrong_are_refused(tmp_path, transfer, matrix, words):
    WEIGHTS.setdefault(14, WEIGHTS[1])
    with pytest.raises(InputError, match=rf"unusual way \({words}\); convert it, e\.g\. ffmpeg"):
        seen(tmp_path / "a.mkv", PATCHES / 255, transfer, 1, matrix)
    WEIGHTS.pop(14, None)


def cornered(n=30, size=(64, 96)):
    """Grey, with a red corner at the upper left and a green edge at the top right."""
    frames = np.full((n, *size, 3), 110, np.uint8)
    frames[:, :16, :16] = (230, 20, 20)
    frames[:, :16, -16:] = (20, 200, 20)
    return frames


TURNS = {  # what was done to the picture, and the matrix that undoes it, by hand
    "upright": (lambda p: p, (1, 0, 0, 1)),
    "quarter": (lambda p: np.rot90(p, 1), (0, 1, -1, 0)),
    "half": (lambda p: np.rot90(p, 2), (-1, 0, 0, -1)),
    "three quarters": (lambda p: np.rot90(p, 3), (0, -1, 1, 0)),
    "mirrored": (lambda p: p[:, ::-1], (-1, 0, 0, 1)),
    "flipped": (lambda p: p[::-1], (1, 0, 0, -1)),
    "transposed": (lambda p: p.swapaxes(0, 1), (0, 1, 1, 0)),
    "transposed the other way": (lambda p: np.rot90(p, 2).swapaxes(0, 1), (0, -1, -1, 0)),
}


@pytest.mark.parametrize("aspect", [None, (3, 2), (1, 2)])
@pytest.mark.parametrize("name", TURNS)
def test_all_eight_orientations(tmp_path, name, aspect):
    disturb, (a, b, c, d) = TURNS[name]
    frames = np.ascontiguousarray([disturb(frame) for frame in cornered()])

    def tag(stream):
        stream.set_display_matrix([a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30])
        if aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(*aspect)

    path = write_file(tmp_path / "a.mov", frames, set_up=tag)
    clip = media.open_clip(path, min_seconds=1, need_sound=False)
    height, width = frames[0].shape[:2]
    width = width if aspect is None else round(width * aspect[0] / aspect[1])
    assert (clip.height, clip.width) == ((width, height) if a == 0 else (height, width))
    frame = next(clip.iter_frames(20))
    assert frame.shape == (clip.height, clip.width, 3)
    upper_left, upper_right, *lower = (frame[y, x].astype(int) for y in (4, -5) for x in (4, -5))
    assert upper_left[0] > 180 and upper_left[1] < 80
    assert upper_right[1] > 150 and upper_right[0] < 80
    assert all(np.abs(corner - 110).max() < 25 for corner in lower)


CUT = np.full((40, 60, 3), (30, 60, 200), np.uint8)  # BGR
CUT[:20, :30] = (10, 250, 10)
ALPHA = np.full((40, 60), 255, np.uint8)
ALPHA[:, :20], ALPHA[:, 20:25] = 0, 128


@pytest.mark.parametrize(
    "name, pixels",
    {
        "a.png": np.dstack([CUT, ALPHA]),
        "a.webp": np.dstack([CUT, ALPHA]),
        "deep.png": np.dstack([CUT, ALPHA]).astype(np.uint16) * 257,
    }.items(),
)
def test_a_cut_out_is_put_before_a_plain_background(tmp_path, name, pixels):
    options = [cv2.IMWRITE_WEBP_QUALITY, 101] if name.endswith("webp") else []
    cv2.imwrite(str(tmp_path / name), pixels, options)
    picture = media.read_picture(tmp_path / name).astype(int)
    assert (picture[:, :20] == BACKDROP).all()
    blend = (CUT[30, 22, ::-1].astype(float) * 128 + BACKDROP * 127) / 255
    assert np.abs(picture[30, 22] - blend).max() < 2
    np.testing.assert_array_equal(picture[:, 25:], CUT[:, 25:, ::-1])


def png_chunk(kind, body):
    whole = kind + body
    return struct.pack(">I", len(body)) + whole + struct.pack(">I", zlib.crc32(whole))


def png(colour, rows, *chunks, depth=8):
    """A PNG file by hand: `colour` is its colour type, rows (H, bytes) uint8."""
    width = rows.shape[1] // {0: 1, 3: 1, 4: 2, 6: 4}[colour]
    head = struct.pack(">IIBBBBB", width, len(rows), depth, colour, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    parts = [png_chunk(b"IHDR", head), *chunks, png_chunk(b"IDAT", body), png_chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def test_a_palette_with_transparency(tmp_path):
    rows = np.ones((20, 30), np.uint8)
    rows[:, :10] = 0
    palette = png_chunk(b"PLTE", bytes([255, 0, 0, 40, 80, 120]))
    (tmp_path / "a.png").write_bytes(png(3, rows, palette, png_chunk(b"tRNS", bytes([0]))))
    picture = media.read_picture(tmp_path / "a.png")
    assert (picture[:, :10] == BACKDROP).all() and (picture[:, 10:] == (40, 80, 120)).all()


def test_grey_with_alpha(tmp_path):
    rows = np.full((20, 30, 2), (90, 255), np.uint8)
    rows[:, :10, 1] = 0
    (tmp_path / "a.png").write_bytes(png(4, rows.reshape(20, 60)))
    picture = media.read_picture(tmp_path / "a.png")
    assert (picture[:, :10] == BACKDROP).all() and (picture[:, 10:] == 90).all()


@pytest.mark.parametrize("orientation, undo", [(3, 2), (6, -1), (8, 1)])
def test_a_cut_out_that_has_to_be_turned(tmp_path, orientation, undo):
    body = (
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0" + bytes([orientation]) + b"\0\0\0\0\0\0"
    )
    rows = np.dstack([CUT[..., ::-1], ALPHA]).reshape(40, 240)
    (tmp_path / "a.png").write_bytes(png(6, rows, png_chunk(b"eXIf", body)))
    picture = media.read_picture(tmp_path / "a.png")
    behind = np.rot90(ALPHA == 0, undo)
    assert picture.shape[:2] == behind.shape and (picture[behind] == BACKDROP).all()
    front = np.rot90(ALPHA == 255, undo)
    np.testing.assert_array_equal(picture[front], np.rot90(CUT[..., ::-1], undo)[front])


def test_an_opaque_picture_keeps_its_numbers(tmp_path):
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    opaque = np.dstack([pixels, np.full((30, 40), 255, np.uint8)])
    for name, content in (("a.png", pixels), ("b.png", opaque)):
        cv2.imwrite(str(tmp_path / name), content)
        np.testing.assert_array_equal(media.read_picture(tmp_path / name), pixels[..., ::-1])


NAMES = ["2024-11-14T22:57.mp4", "a%03d#x?.mp4", "file:a.mp4", "-a.mp4", "a..mp4", " a .mp4",
         "Zoë \u2603.mp4", "x" * 251 + ".mp4"]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_name(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = media.check_writable(name, ".mp4")
    assert not list(tmp_path.iterdir())
    media.write_video(path, cornered(110), 25, speech(5))
    assert [found.name for found in tmp_path.iterdir()] == [name]
    clip = media.open_clip(name)
    assert len(clip) == 110 and len(list(clip.iter_frames(105))) == 5
    assert media.read_audio(name).size > 60_000
    media.check_writable(name, ".mp4")
    assert len(media.open_clip(name)) == 110  # what was there is there


@pytest.mark.parametrize(
    "name, words",
    [
        ("x" * 252 + ".mp4", "too long"),
        ("\udce9.mp4", "not valid UTF-8"),
        ("a.mp4.", "not named .mp4"),
        ("nul\0.mp4", "null"),
        ("file/a.mp4", "cannot be written"),
        ("folder.mp4", "is a folder"),
    ],
)
def test_names_that_cannot_be_written_are_refused_before_work_begins(tmp_path, name, words):
    (tmp_path / "file").touch()
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(InputError, match=words) as caught:
        media.check_writable(tmp_path / name, ".mp4")
    assert str(caught.value).encode() and "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["x" * 300, "\udce9.mp4", "nul\0.mp4", "file/a.mp4"])
@pytest.mark.parametrize("read", [media.open_clip, media.read_audio, media.read_picture])
def test_names_that_cannot_be_read_give_one_line(tmp_path, name, read):
    (tmp_path / "file").touch()
    with pytest.raises(InputError) as caught:
        read(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_pictures_that_would_hang_or_crash_give_one_line(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(InputError, match="pipe.png: is not a file; give a JPEG or PNG file"):
        media.read_picture(tmp_path / "pipe.png")
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0))
    rest = png_chunk(b"IDAT", zlib.compress(bytes(1000))) + png_chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + rest)
    with pytest.raises(InputError, match="a.png: is too large for a picture, or broken; scale it"):
        media.read_picture(tmp_path / "a.png")


def test_frames_with_data_that_pyav_has_no_name_for(tmp_path):
    """Its list of the frame's data cannot be read then, and the turn comes from elsewhere."""
    Image.fromarray(cornered(1)[0]).save(tmp_path / "a.tif")  # FFmpeg hands on its tags as EXIF
    with pytest.raises(InputError, match=r"a.tif: is not a video \(1 picture\)"):
        media.open_clip(tmp_path / "a.tif")


@pytest.mark.parametrize("name", ["upright", "quarter", "half", "three quarters"])
def test_the_turn_without_the_list_of_data(tmp_path, name):
    _, (a, b, c, d) = TURNS[name]
    matrix = [a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30]
    write_file(tmp_path / "a.mov", cornered(2), set_up=lambda s: s.set_display_matrix(matrix))
    with av.open(str(tmp_path / "a.mov")) as container:
        frame = next(container.decode(video=0))
        assert quarter_turn(frame) == (a, b, c, d)


def test_an_unknown_kind_of_video_gives_one_line(tmp_path):
    with pytest.raises(InputError, match=r"name a file that ends in \.mp4"):
        media.write_video(tmp_path / "a.txt", cornered(2), 25)
    assert not list(tmp_path.iterdir())


def write_tracks(path, sizes, counts, default):
    """A file with square picture tracks of these sides, numbers of frames, and default one."""
    with av.open(str(path), "w") as out:
        streams = [out.add_stream("libx264", rate=25) for _ in sizes]
        for index, (stream, size) in enumerate(zip(streams, sizes, strict=True)):
            stream.width = stream.height = size
            stream.pix_fmt = "yuv420p"
            stream.disposition = av.stream.Disposition.default if index == default else 0
        for stream, size, count in zip(streams, sizes, counts, strict=True):
            for _ in range(count):
                image = np.full((size, size, 3), 2 * size, np.uint8)
                out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
            out.mux(stream.encode())


@pytest.mark.parametrize(
    "default, number, reason",
    [(None, 2, "no other is larger"), (0, 1, "default"), (1, 2, "default")],
)
def test_of_several_picture_tracks_the_default_or_largest_is_taken(
    tmp_path, default, number, reason
):
    path, sizes = tmp_path / "a.mkv", (32, 64)
    write_tracks(path, sizes, (10, 10), default)
    clip = media.open_clip(path, min_seconds=0, need_sound=False)
    assert (clip.pictures.number, clip.pictures.count) == (number, 2)
    assert clip.pictures.names == ("1 (32 x 32)", "2 (64 x 64)")
    assert clip.pictures.reason == reason and clip.width == sizes[number - 1]
    assert abs(next(clip.iter_frames()).mean() - 2 * clip.width) < 3


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
@pytest.mark.parametrize("still", [0, 1])
def test_a_picture_track_with_hardly_any_frames_is_passed_over(tmp_path, name, still):
    """A poster, larger than the film and the default track, but not marked as a cover."""
    path, counts, sizes = tmp_path / name, [30, 30], [32, 32]
    counts[still], sizes[still] = 1, 64
    write_tracks(path, sizes, counts, default=still)
    clip = media.open_clip(path, min_seconds=0, need_sound=False)
    assert (len(clip), clip.width, clip.pictures.number) == (30, 32, 2 - still)
    if name != "a.ts":  # which marks no track as the default one
        assert clip.pictures.names[still] == f"{still + 1} (64 x 64)"
    assert clip.pictures.reason == f"{still + 1} has hardly any pictures"
    with clip.reader() as frames:
        assert all(frames[index].shape == (32, 32, 3) for index in (29, 0, 15))


def test_frames_of_many_kinds_in_turn_come_out_as_each_would_alone():
    rng = np.random.default_rng(0)
    frames = []
    for height, width, coding in ((48, 64, "yuv420p"), (96, 32, "yuv444p"), (48, 64, "nv12")):
        pixels = rng.integers(0, 255, (height, width, 3), np.uint8)
        frames.append(av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=coding))
    for frame in frames * 2:
        for height in (frame.height, 16):
            how = {"height": height, "width": 24, "interpolation": ROUNDED}
            alone = frame.reformat(format="rgb24", **how).to_ndarray()
            np.testing.assert_array_equal(rgb(frame, height, 24), alone)


def icc_profile(colorants):
    """A matrix profile with sRGB's tone curve; colorants (3, 3) XYZ of R, G, B under D50."""

    def fixed(values):
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0)
    curve += fixed((2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045))
    name = b"desc" + bytes(4) + struct.pack(">I", 3) + b"P3\0" + bytes(78)
    parts = {b"desc": name, b"cprt": b"text" + bytes(4) + b"none\0"}
    parts[b"wtpt"] = b"XYZ " + bytes(4) + fixed((0.9642, 1.0, 0.8249))
    for channel, xyz in zip((b"r", b"g", b"b"), colorants):
        parts[channel + b"XYZ"] = b"XYZ " + bytes(4) + fixed(xyz)
        parts[channel + b"TRC"] = curve
    table, body = struct.pack(">I", len(parts)), b""
    for tag, content in parts.items():
        table += tag + struct.pack(">II", 132 + 12 * len(parts) + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(">I4sI4s4s4s", 128 + len(table) + len(body), b"none", 0x02400000,
                       b"mntr", b"RGB ", b"XYZ ")  # fmt: skip
    head += bytes(12) + b"acsp" + bytes(28) + fixed((0.9642, 1.0, 0.8249)) + bytes(48)
    return head + table + body


P3_D50 = ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407))


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_a_photo_in_display_p3_comes_out_in_srgb(tmp_path, kind):
    linear = np.where(
        PATCHES / 255 <= 0.04045, PATCHES / 255 / 12.92, ((PATCHES / 255 + 0.055) / 1.055) ** 2.4
    )
    wide = linear @ np.linalg.inv(P3_TO_709).T
    coded = np.where(wide <= 0.0031308, 12.92 * wide, 1.055 * wide.clip(0) ** (1 / 2.4) - 0.055)
    stored = np.rint(255 * coded).astype(np.uint8)[:, None].repeat(32, 0).repeat(32, 1)
    path, how = tmp_path / f"photo.{kind}", {"icc_profile": icc_profile(P3_D50)}
    exact = {"jpg": {"quality": 100, "subsampling": 0}, "webp": {"lossless": True}}.get(kind, {})
    Image.fromarray(stored).save(path, **how, **exact)
    found = media.read_picture(path)[16::32, 16].astype(int)
    assert np.abs(stored[16::32, 16].astype(int) - PATCHES).max() > 8
    np.testing.assert_allclose(found, PATCHES, atol=3)


def test_a_photo_of_many_pixels_is_read_without_a_warning(tmp_path, monkeypatch):
    pixels = np.full((40, 40, 3), (200, 120, 90), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png", icc_profile=icc_profile(P3_D50))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow warns from here on
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.abs(media.read_picture(tmp_path / "photo.png").astype(int) - pixels).max() > 5


@pytest.mark.parametrize("profile", [b"no profile", icc_profile(P3_D50)[:200]])
def test_a_broken_profile_says_nothing(tmp_path, profile):
    pixels = np.full((40, 40, 3), (200, 120, 90), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png", icc_profile=profile)
    np.testing.assert_array_equal(media.read_picture(tmp_path / "photo.png"), pixels)
