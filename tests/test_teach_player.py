"""The player of videos in step: clips on one clock, small and marked, and the HTML around them."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from tfhkit.assets import shipped
from tfhkit.errors import InputError, ShapeError
from tfhkit.media import (
    SYNTHETIC_COMMENT,
    draw_mark,
    open_clip,
    read_audio,
    video_metadata,
    write_video,
)
from tfhkit.pipeline.places import kit_dir
from tfhkit.teach import clips, player
from tfhkit.teach.clips import embed, film_from, in_step
from tfhkit.teach.teaser import ALT

UNEVEN = np.array([0.0, 0.08, 0.1, 0.3, 0.34])


def plain_frames(n=5, height=48, width=64):
    """Frames of one colour each, none like another."""
    frames = np.zeros((n, height, width, 3), np.uint8)
    frames[..., 0], frames[..., 2] = np.linspace(40, 200, n)[:, None, None], 90
    return frames


def beep(seconds=0.4, at_s=0.2):
    audio = np.zeros(round(16000 * seconds))
    start = round(16000 * at_s)
    audio[start : start + 800] = 0.7 * np.sin(np.arange(800) * 0.4)
    return audio


@pytest.fixture
def shown(monkeypatch):
    """What `play` shows: a list of (HTML, plain text)."""
    found = []
    monkeypatch.setattr(player, "show_html", lambda content, alt: found.append((content, alt)))
    return found


class Elements(HTMLParser):
    """All elements of a piece of HTML as (tag, attributes), and the texts of its scripts."""

    def __init__(self, content):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, text):
        self.texts.append(text)

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


# --- clips


def test_a_clip_keeps_its_times_colours_and_sound(tmp_path):
    film = film_from((plain_frames(), UNEVEN, beep()), "real", recorded=True)
    (clip,) = embed({"real": film}, 240, 100_000)
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip.video)
    read = open_clip(path, min_seconds=0)
    assert np.allclose(read.times, UNEVEN, atol=2e-5)
    frames = np.stack(list(read.iter_frames())).astype(int)
    assert np.abs(frames - film.frames).mean() < 2, "the colours are others"
    loud = np.flatnonzero(np.abs(read.audio) > 0.3) / 16000
    assert abs(loud[0] - 0.2) < 0.002 and abs(loud[-1] - 0.25) < 0.002
    assert (clip.height, clip.width, clip.sound) == (48, 64, True)
    assert "synthetic" not in video_metadata(path)["comment"].lower()


def test_what_the_kit_made_is_marked_once_and_legibly(tmp_path):
    frames = plain_frames(3, 120, 160)
    (clip,) = embed({"made": film_from((frames, 25), "made")}, 240, 100_000)
    (tmp_path / "made.mp4").write_bytes(clip.video)
    assert video_metadata(tmp_path / "made.mp4")["comment"] == SYNTHETIC_COMMENT
    assert marked(tmp_path / "made.mp4")
    big = np.repeat(np.repeat(frames, 4, 1), 4, 2)
    write_video(tmp_path / "big.mp4", big, 25)  # with its mark
    for height_px in (480, 120):
        film = film_from(tmp_path / "big.mp4", "big")
        (clip,) = embed({"big": film}, height_px, 100_000)
        (tmp_path / "small.mp4").write_bytes(clip.video)
        assert clip.height == height_px and marked(tmp_path / "small.mp4")
        assert video_metadata(tmp_path / "small.mp4")["comment"] == SYNTHETIC_COMMENT
    write_video(tmp_path / "real.mp4", frames, 25, visible_mark=False, comment="a holiday")
    assert not film_from(tmp_path / "real.mp4", "real").synthetic


def marked(path):
    """Whether the lower right corner looks as `draw_mark` draws it."""
    clip = open_clip(path, min_seconds=0, need_sound=False)
    for frame, colour in zip(clip.iter_frames(), plain_frames(len(clip), 1, 1)):
        plain = np.broadcast_to(colour, frame.shape).astype(np.uint8)
        expected, off = draw_mark(plain).astype(int), plain.astype(int)
        where = np.abs(expected - off).sum(-1) > 90
        likeness = np.corrcoef((frame - off)[where].ravel(), (expected - off)[where].ravel())[0, 1]
        if likeness < 0.8:
            return False
    return True


def test_films_in_step_share_every_moment():
    slow = film_from((plain_frames(3), np.array([0.0, 0.2, 0.4])), "slow")
    fast = film_from((plain_frames(4), np.array([0.0, 0.1, 0.2001, 0.3]), beep(9)), "fast")
    one, two = in_step([slow, fast])
    assert np.allclose(one.times, [0, 0.1, 0.2, 0.3, 0.4]) and np.array_equal(one.times, two.times)
    for film, source, on_screen in ((one, slow, [0, 0, 1, 1, 2]), (two, fast, [0, 1, 2, 3, 3])):
        assert np.array_equal(film.frames, source.frames[on_screen])
    assert len(two.audio) == 6400, "silent when it is over"
    alone = in_step([slow])[0]
    assert np.array_equal(alone.times, slow.times) and np.array_equal(alone.frames, slow.frames)


@pytest.mark.slow
def test_clips_become_as_small_as_they_must():
    noise = np.random.default_rng(0).integers(0, 255, (12, 96, 128, 3), dtype=np.uint8)
    film = film_from((noise, 12), "noise", recorded=True)
    sizes = []
    for allowed in (10**9, 60_000, 25_000):
        (clip,) = embed({"noise": film}, 96, allowed)
        sizes.append(len(clip.video) + len(clip.poster))
        assert sizes[-1] <= allowed
    assert sizes == sorted(sizes, reverse=True)
    assert clip.height < 96 and clip.shown_px == 128, "as wide on the page"
    with pytest.raises(InputError, match="play: the videos take .* kB at the coarsest.*max_kb"):
        embed({"noise": film}, 96, 1000)


def test_films_are_cut_and_made_smaller_but_never_larger():
    film = film_from((plain_frames(50), 25, beep(2)), "long", seconds=1.0)
    assert len(film.frames) == 25 and film.end_s == pytest.approx(1.0)
    (clip,) = embed({"long": film}, 24, 10**9)
    assert (clip.height, clip.width) == (24, 32)
    (clip,) = embed({"long": film}, 4000, 10**9)
    assert (clip.height, clip.width) == (48, 64)


BAD = {
    "nothing": ({}, {}, InputError, "no film was given"),
    "a string of words": ({"a": "no.mp4"}, {}, InputError, r"no\.mp4: no such file"),
    "frames alone": ({"a": plain_frames()}, {}, InputError, "film 'a' is ndarray; give a path"),
    "a start behind the end": (
        {"a": (shipped("teaser.mp4"), 9.0)}, {}, InputError, r"teaser\.mp4: has 0 frames to show"
    ),
    "one frame": ({"a": (plain_frames(1), 25)}, {}, InputError, "a: has 1 frame to show"),
    "floats": ({"a": (plain_frames() / 255, 25)}, {}, ShapeError, "frames of uint8, got float64"),
    "grey": ({"a": (plain_frames()[..., 0], 25)}, {}, ShapeError, r"a: expected shape \(T, H"),
    "too few times": ({"a": (plain_frames(), UNEVEN[:3])}, {}, ShapeError, "a, times: expected"),
    "times back": ({"a": (plain_frames(), UNEVEN[::-1])}, {}, ShapeError, "times must increase"),
    "stereo": ({"a": (plain_frames(), 25, np.zeros((9, 2)))}, {}, ShapeError, "a, audio: expec"),
    "another title": (
        {"a": (plain_frames(), 25)}, {"recorded": ["b"]}, InputError, "'b' is not one of the films"
    ),
}  # fmt: skip


@pytest.mark.parametrize("films, options, kind, words", BAD.values(), ids=list(BAD))
def test_bad_films_are_refused_in_words(films, options, kind, words, shown):
    with pytest.raises(kind, match=words):
        player.play(films, "nothing", **options)
    assert not shown


# --- HTML


def test_the_output_carries_all_that_it_needs(shown):
    title = 'real <b> & "so"'
    films = {title: (plain_frames(), UNEVEN, beep()), "made": (plain_frames(), UNEVEN)}
    player.play(films, "Someone speaks.", recorded=[title], max_kb=40)
    ((content, alt),) = shown
    assert alt == "video: Someone speaks." and len(content) <= 40_000
    page = Elements(content)
    pictures, videos = page.of("img"), page.of("video")
    assert [p["alt"] for p in pictures] == [f"{title}: Someone speaks.", "made: Someone speaks."]
    assert all(p["src"].startswith("data:image/jpeg;base64,") for p in pictures)
    assert all(v["src"].startswith("data:video/mp4;base64,") for v in videos) and len(videos) == 2
    assert len(page.of("style")) == 1 and not page.of("b") and not page.of("a")
    assert not re.search(r"https?://", content), "it must play with the network off"
    facts = json.loads(next(text for text in page.texts if text.startswith('{"times"')))
    assert facts["times"] == UNEVEN.tolist() and facts["end"] == pytest.approx(0.4)
    sounds = [{"title": title, "sound": True}, {"title": "made", "sound": False}]
    assert facts["films"] == sounds and "</script>" not in json.dumps(facts).replace("<", "")


def test_links_lead_into_the_run_directory(shown, tmp_path, monkeypatch):
    film = {"made": (plain_frames(), UNEVEN)}
    path = tmp_path / "runs" / "mine" / "05_memory_gan" / "side_by_side.mp4"
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    player.play(film, "x", path)
    assert 'href="../05_memory_gan/side_by_side.mp4">full size: 05_mem' in shown[-1][0]
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    player.play(film, "x", path)
    assert "<a " not in shown[-1][0], "JupyterLab cannot open what lies outside of its folder"
    assert "05_memory_gan/side_by_side.mp4, in " in shown[-1][0]
    monkeypatch.chdir(kit_dir() / "notebooks")
    player.play(film, "x", kit_dir() / "runs" / "mine" / "05_memory_gan" / "a.mp4")
    assert 'href="../runs/mine/05_memory_gan/a.mp4"' in shown[-1][0]
    player.play(film, "x", tmp_path / "elsewhere.mp4")
    assert "full size" not in shown[-1][0]


def test_paths_are_films_too(shown, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    path = tmp_path / "run" / "05_memory_gan" / "talking.mp4"
    write_video(path, plain_frames(30), 25, beep(1.2))
    player.play({"talking": path}, "Someone speaks.", seconds=0.5)
    page = Elements(shown[0][0])
    (link,) = page.of("a")
    assert link["href"] == "../05_memory_gan/talking.mp4"
    facts = json.loads(next(text for text in page.texts if text.startswith('{"times"')))
    assert len(facts["times"]) == 13 and facts["films"] == [{"title": "talking", "sound": True}]


def test_a_film_may_begin_later(tmp_path):
    path = tmp_path / "talking.mp4"
    write_video(path, plain_frames(30), 25, beep(1.2, at_s=0.6))
    film = film_from((path, 0.4), "talking", height_px=24)
    assert len(film.frames) == 20 and film.times[0] == 0 and film.frames.shape[1:3] == (24, 32)
    red = film.frames[:, :12, :16, 0].mean((1, 2))
    assert np.allclose(red, np.linspace(40, 200, 30)[10:], atol=3), "frames 10 to 29"
    assert abs(np.flatnonzero(np.abs(film.audio) > 0.3)[0] / 16000 - 0.2) < 0.002
    assert film.synthetic and film.mark == 0.5, "its mark has become too small to read"


def test_stored_notebooks_link_to_the_run(shown, tmp_path, monkeypatch):
    from tfhkit.teach.build import _clean

    monkeypatch.setenv("TFHKIT_LIVE", "0")
    out = tmp_path / "sample"
    player.play({"made": (plain_frames(), 25)}, "x", out / "05_memory_gan" / "a.mp4")
    output = {"output_type": "display_data", "data": {"text/html": shown[0][0]}, "metadata": {}}
    notebook = {"cells": [{"cell_type": "code", "outputs": [output]}]}
    _clean(notebook, out)
    stored = "".join(output["data"]["text/html"])
    assert Elements(stored).of("a")[0]["href"] == "../runs/sample/05_memory_gan/a.mp4"


# --- the shipped video


def test_the_teaser_is_small_marked_and_has_sound():
    path = shipped("teaser.mp4")
    assert path.stat().st_size < 250_000
    assert video_metadata(path)["comment"] == SYNTHETIC_COMMENT
    clip = open_clip(path, min_seconds=2)
    assert (clip.height, clip.width) == (240, 648) and np.abs(read_audio(path)).max() > 0.1
    assert json.loads(path.with_suffix(".json").read_text())["content"] == ALT


def test_sound_is_coarser_than_in_a_result_but_clear():
    time_s = np.arange(16000) / 16000
    tone = 0.5 * np.sin(2 * np.pi * 440 * time_s * (1 + 0.2 * time_s))
    film = film_from((plain_frames(25), 25, tone), "tone")
    sizes = [len(clips._encode("tone", f, 26, 64).video) for f in (film, silent(film))]
    assert 3000 < sizes[0] - sizes[1] < 10_000, "bytes for a second of sound"


def silent(film):
    return clips.Film(film.frames, film.times, None, film.synthetic)
