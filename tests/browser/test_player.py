"""The player in Chromium: on a plain page, in an exported notebook, in JupyterLab, not trusted."""

import json
import warnings

import numpy as np
import pytest
from lab import Notebook

from tfhkit.teach import player

FPS, SECONDS = 25, 4
N_BITS = 7  # of a frame's number, painted as bars
TITLES = ("first", "second", "third")
FRAMES = """
(bits) => [...document.querySelectorAll('.tfhkit-player video')].map((video) => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  const pen = canvas.getContext('2d');
  pen.drawImage(video, 0, 0);
  const bar = canvas.width / bits, row = pen.getImageData(0, 8, canvas.width, 1).data;
  let number = 0;
  for (let bit = 0; bit < bits; bit++)
    if (row[4 * Math.floor((bit + 0.5) * bar)] > 128) number += 2 ** bit;
  return number;
})
"""
ALL_SHOW = f"([bits, number]) => ({FRAMES.strip()})(bits).every((shown) => shown === number)"
VIDEOS = "const videos = [...document.querySelectorAll('.tfhkit-player video')];"
PUSH = f"""
async ([film, by_s, near_s]) => {{
  {VIDEOS}
  const [clock, pushed] = [videos[0], videos[film]], rates = [];
  const apart = () => pushed.currentTime - clock.currentTime;
  pushed.currentTime = clock.currentTime + by_s;
  await new Promise((done) => pushed.addEventListener('seeked', done, {{once: true}}));
  while (!clock.paused && !pushed.ended) {{
    await new Promise(requestAnimationFrame);
    rates.push(pushed.playbackRate / clock.playbackRate);
    if (!pushed.seeking && Math.abs(apart()) < near_s) return {{back: !clock.paused, rates}};
  }}
  return {{back: false, rates}};
}}
"""
LOOP = f"""
async () => {{
  {VIDEOS}
  const root = document.querySelector('.tfhkit-player');
  const frames = [], turns = [];
  while (turns.length < 2) {{
    await new Promise(requestAnimationFrame);
    frames.push(Number(root.dataset.frame));
    if (frames.at(-1) < frames.at(-2)) {{
      while (videos.some((v) => v.seeking || v.paused)) await new Promise(requestAnimationFrame);
      turns.push(videos.map((v) => v.currentTime));
    }}
  }}
  return {{frames, turns}};
}}
"""
RATES = f"""
async (n) => {{
  {VIDEOS}
  const rates = [];
  for (let k = 0; k < n; k++) {{
    await new Promise(requestAnimationFrame);
    rates.push(videos.map((v) => v.playbackRate));
  }}
  return rates;
}}
"""
MUTED = "() => [...document.querySelectorAll('.tfhkit-player video')].map((v) => v.muted)"


def numbered_frames(offset=0):
    """Frames that show their number as bars, black or white, in a picture of 112 x 64."""
    numbers = np.arange(FPS * SECONDS)
    bits = (numbers[:, None] >> np.arange(N_BITS)) & 1
    bars = np.repeat(bits, 16, axis=1)[:, None, :, None] * 255
    frames = np.broadcast_to(bars, (len(numbers), 64, 16 * N_BITS, 3)).astype(np.uint8)
    frames[:, 40:, :, 0] = 60 * offset + 60  # a colour of its own below
    return frames


@pytest.fixture(scope="module")
def content():
    """HTML of a player of three films, two of them with sound."""
    tone = 0.1 * np.sin(np.arange(16000 * SECONDS) * 0.2)
    sounds = (tone, tone[::-1], None)
    films = {
        title: (numbered_frames(i), FPS, sound)
        for i, (title, sound) in enumerate(zip(TITLES, sounds))
    }
    shown = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(player, "show_html", lambda html, alt: shown.append(html))
        player.play(films, "Bars that count.", width_px=200)
    return shown[0]


@pytest.fixture(scope="module")
def view(context, content):
    """The player on a plain page, and the faults of that page."""
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" else None)
    page.set_content(f"<!doctype html><title>player</title>{content}")
    yield page
    page.close()
    assert faults == []


def press(page, words):
    page.get_by_role("button", name=words).click()


def wait_for_frame(page, number):
    """Wait until the player says this frame, and all pictures have arrived there."""
    page.wait_for_function(
        "(n) => document.querySelector('.tfhkit-player').dataset.frame == n"
        " && [...document.querySelectorAll('.tfhkit-player video')].every((v) => !v.seeking)",
        arg=number,
    )


def all_show(page, number):
    """Wait until the player says this frame and all films show it, and nothing else."""
    wait_for_frame(page, number)
    page.wait_for_function(ALL_SHOW, arg=[N_BITS, number])  # it is painted a little later


def frame_of(page):
    """Number of the frame that the player says."""
    return int(page.locator(".tfhkit-player").get_attribute("data-frame"))


def test_pictures_with_words_stand_there_before_play(view):
    videos = view.locator(".tfhkit-player video")
    assert videos.count() == 3 and view.locator(".tfhkit-player img").count() == 0
    for i, title in enumerate(TITLES):
        assert videos.nth(i).get_attribute("poster").startswith("data:image/jpeg")
        assert videos.nth(i).get_attribute("aria-label") == f"{title}: Bars that count."
        assert videos.nth(i).bounding_box()["width"] == pytest.approx(200)
        assert videos.nth(i).evaluate("(v) => v.paused && v.currentTime === 0")
    assert view.locator(".readout").inner_text() == "0.00 s of 4.00 s, frame 0 of 0 to 99"
    assert view.evaluate(MUTED) == [False, True, True]


def test_a_step_is_one_frame_in_all_films(view):
    for _ in range(3):
        press(view, "one frame forward")
    all_show(view, 3)
    press(view, "one frame back")
    all_show(view, 2)
    view.locator(".films").focus()
    for key, number in (("ArrowRight", 3), ("ArrowLeft", 2), ("End", 99), ("ArrowRight", 99),
                        ("Home", 0), ("ArrowLeft", 0)):  # fmt: skip
        view.keyboard.press(key)
        all_show(view, number)


def test_the_slider_goes_to_any_moment(view):
    slider = view.get_by_label("time", exact=True)
    for seconds, number in (("1.21", 30), ("3.96", 99), ("0.83", 20)):
        slider.fill(seconds)
        all_show(view, number)
    assert slider.get_attribute("aria-valuetext") == "0.80 s of 4.00 s, frame 20 of 0 to 99"
    slider.press("ArrowRight")
    wait_for_frame(view, 21)


@pytest.fixture
def slowly(view):
    """The player, playing from its start at a quarter of the speed: 16 seconds."""
    view.get_by_label("speed").select_option("0.25")
    view.get_by_label("time", exact=True).fill("0")
    press(view, "play or pause")
    view.wait_for_function("() => document.querySelector('.tfhkit-player').dataset.frame > 1")
    yield view
    if view.get_by_role("button", name="play or pause").inner_text() == "Pause":
        press(view, "play or pause")
    view.get_by_label("speed").select_option("1")


@pytest.mark.parametrize("film, by_s", [(1, 0.15), (2, -0.08)])
def test_a_film_that_is_not_in_step_catches_up_or_waits(slowly, film, by_s):
    came = slowly.evaluate(PUSH, [film, by_s, 0.02])
    assert came["back"], "the films stay apart"
    assert min(came["rates"]) < 0.9 if by_s > 0 else max(came["rates"]) > 1.1


def test_a_film_that_is_far_away_is_put_back(slowly):
    came = slowly.evaluate(PUSH, [2, 1.2, 0.25])
    assert came["back"], "the films stay apart"


def test_films_play_and_pause_at_the_same_frame(view):
    view.get_by_label("time", exact=True).fill("0")
    press(view, "play or pause")
    view.wait_for_function("() => document.querySelector('.tfhkit-player').dataset.frame > 40")
    press(view, "play or pause")
    assert frame_of(view) > 40
    all_show(view, frame_of(view))


def test_it_stops_at_the_end_and_starts_again(view):
    view.get_by_label("time", exact=True).fill("3.7")
    press(view, "play or pause")
    view.wait_for_function("() => document.querySelector('.play').textContent == 'Play'")
    wait_for_frame(view, 99)
    press(view, "play or pause")
    view.wait_for_function("() => document.querySelector('.tfhkit-player').dataset.frame < 50")
    press(view, "play or pause")


def test_a_loop_stays_in_its_range(view):
    slider = view.get_by_label("time", exact=True)
    for seconds, words in (("0.81", "loop from"), ("1.41", "loop up to")):
        slider.fill(seconds)
        press(view, words)
    assert view.get_by_role("status").inner_text() == "loop: frames 20 to 35"
    press(view, "play or pause")
    view.wait_for_function("() => document.querySelector('.tfhkit-player').dataset.frame == 20")
    seen = view.evaluate(LOOP)
    press(view, "play or pause")
    assert set(seen["frames"]) <= set(range(20, 36))
    assert all(0.8 <= s < 1.44 for turn in seen["turns"] for s in turn), "all begin anew"
    view.locator(".films").focus()
    view.keyboard.press("Escape")
    assert view.get_by_role("status").inner_text() == ""
    assert view.get_by_role("button", name="without a loop").is_disabled()


def test_one_sound_is_heard_or_none(view):
    sound = view.get_by_label("sound")
    assert sound.locator("option").all_inner_texts() == ["first", "second", "none"]
    for choice, muted in (("second", [True, False, True]), ("none", [True] * 3),
                          ("first", [False, True, True])):  # fmt: skip
        sound.select_option(choice)
        assert view.evaluate(MUTED) == muted


def test_half_speed_is_everybodys(view):
    view.get_by_label("speed").select_option("0.5")
    view.get_by_label("time", exact=True).fill("0")
    press(view, "play or pause")
    view.wait_for_function("() => document.querySelector('.tfhkit-player').dataset.frame > 2")
    rates = np.array(view.evaluate(RATES, 20))
    press(view, "play or pause")
    view.get_by_label("speed").select_option("1")
    assert (rates[:, 0] == 0.5).all(), "the one that leads"
    assert (rates >= 0.75 * 0.5).all() and (rates <= 1.25 * 0.5).all(), "those that follow"


def test_it_fits_a_phone(context, content):
    page = context.new_page()
    page.set_viewport_size({"width": 360, "height": 740})
    page.set_content(f"<!doctype html><title>player</title>{content}")
    page.locator(".controls").wait_for()
    boxes = [page.locator("video").nth(i).bounding_box() for i in range(3)]
    assert len({round(box["y"]) for box in boxes}) == 1, "side by side"
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 360
    page.close()


# --- in notebooks


def write_stored(path, content):
    """A notebook with the player as a stored output."""
    output = {"output_type": "display_data", "data": {"text/html": content, "text/plain": "x"}}
    cell = {"cell_type": "code", "id": "a", "source": "", "execution_count": 1, "metadata": {}}
    cell["outputs"] = [output | {"metadata": {}}]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    notebook = {"cells": [cell], "metadata": {"kernelspec": kernel}, "nbformat": 4}
    path.write_text(json.dumps(notebook | {"nbformat_minor": 5}), encoding="utf-8")
    return path


def test_it_plays_in_an_exported_notebook(context, content, tmp_path):
    from nbconvert import HTMLExporter

    path = write_stored(tmp_path / "exported.ipynb", content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text, _ = HTMLExporter(template_name="lab").from_filename(str(path))
    path.with_suffix(".html").write_text(text, encoding="utf-8")
    page = context.new_page()
    page.route("http*://**", lambda route: route.abort())  # the network is off
    page.goto(path.with_suffix(".html").as_uri())
    press(page, "play or pause")
    page.wait_for_function("() => document.querySelector('.tfhkit-player').dataset.frame > 5")
    press(page, "play or pause")
    page.close()


def test_it_plays_in_jupyterlab(mini_notebook, lab, content):
    (lab.root / "player.html").write_text(content, encoding="utf-8")
    show = "from tfhkit.teach.display import show_html\nshow_html(open('player.html').read(), 'x')"
    notebook = mini_notebook([show, "1 + 1"])
    page = notebook.page
    notebook.select(0)
    press(page, "play or pause")
    page.wait_for_function("() => document.querySelector('.tfhkit-player').dataset.frame > 5")
    press(page, "play or pause")
    page.locator(".films").focus()
    for key in ("Home", "ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    wait_for_frame(page, 2)
    active = page.evaluate("() => window.tfhkitPanel().content.activeCellIndex")
    assert active == 0, "the player's keys are its own"
    assert notebook.errors() == []


def test_a_notebook_that_is_not_trusted_shows_pictures(context, lab, content):
    write_stored(lab.root / "untrusted.ipynb", content)
    notebook = Notebook(context.new_page(), lab, "untrusted.ipynb")
    pictures = notebook.page.locator(".jp-OutputArea-output img")
    pictures.first.wait_for()
    assert pictures.count() == 3 and notebook.page.locator(".controls").count() == 0
    for i, title in enumerate(TITLES):
        assert pictures.nth(i).get_attribute("alt") == f"{title}: Bars that count."
        assert pictures.nth(i).is_visible()
        assert pictures.nth(i).evaluate("(p) => p.naturalWidth") == 112
    assert notebook.errors() == []
    notebook.close()
