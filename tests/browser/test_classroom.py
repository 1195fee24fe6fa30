"""The viewing test, the scrubber, a button and the checks, in JupyterLab."""

import csv

import pytest

TOYS = """
import numpy as np
y, x = np.mgrid[:96, :96]

def ball(speed, colour, n=24):
    t = np.arange(n)[:, None, None]
    on = ((x - 48 - 24 * np.sin(t * speed)) ** 2 + (y - 48) ** 2 < 400)[..., None]
    return np.where(on, np.uint8(colour), np.uint8([40, 60, 60]))

real, made, bad = (ball(*how) for how in ((0.3, 220), (0.31, 215), (0.9, 90)))
times = np.arange(24) / 12
sound = np.sin(1000 * np.arange(32000) / 16000).astype(np.float32) / 3
"""
VIEWING = """
from tfhkit.teach.viewing import viewing_test
viewing_test({"refined": (real, made)}, 12, "votes.csv", {"unrefined": (real, bad)})
"""
BALLOT = "from tfhkit.teach.ballot import show_ballot\nshow_ballot('votes.csv')"
SCRUBBER = """
from tfhkit.teach.scrubber import scrub
tracks = {"place (px)": {"x": 24 * np.sin(0.3 * np.arange(24)), "y": np.zeros(24)}}
scrub({"real": real, "bad": bad}, times, tracks, sound, "Two balls that swing.")
"""
CHECK = """\
from tfhkit.teach import NotAttempted, check

def twice(x):
    raise NotAttempted

check("twice", twice, [(1, 2), (2, 4)])
"""
BUTTON = """
from tfhkit.teach.action import offer
presses = []
offer("Train again", lambda: presses.append(1) or "It was removed.")
offer("Fail", lambda: 1 / 0)
"""


@pytest.fixture(scope="module")
def notebook(module_notebook):
    made = module_notebook([TOYS, VIEWING, BALLOT, SCRUBBER, CHECK, BUTTON])
    made.page.set_viewport_size({"width": 1000, "height": 600})  # a small window
    return made


def screen(widget, kind):
    widget.page.wait_for_selector(f".tfhkit-viewing[data-screen={kind}][data-busy=false]")
    return widget.locator(".say").inner_text()


def in_view(page, locator):
    box, size = locator.bounding_box(), page.viewport_size
    return box["y"] >= 0 and box["y"] + box["height"] <= size["height"] - 24  # the status bar


def votes(notebook):
    path = notebook.lab.root / "votes.csv"
    return list(csv.DictReader(path.read_text().splitlines()))


def test_a_viewer_votes_from_the_first_to_the_last_trial(notebook):
    page, ballot = notebook.page, notebook.cell(2)
    notebook.show_cell(1)
    widget = page.locator(".tfhkit-viewing")
    assert "No votes yet" in ballot.inner_text() and "3 trials" in screen(widget, "intro")
    widget.get_by_label("name").fill("me")
    page.keyboard.press("Enter")
    assert screen(widget, "trial").startswith("Training")
    for name in ("Left is real", "Replay", "Right is real"):
        assert in_view(page, widget.get_by_role("button", name=name))
    sizes = [canvas.bounding_box() for canvas in widget.locator("canvas").all()]
    assert {(box["width"], box["height"]) for box in sizes} == {(288, 288)}  # three times its own
    page.keyboard.press("ArrowLeft")
    assert "clip was filmed" in screen(widget, "told")
    page.keyboard.press("Enter")
    for number, key in enumerate(("ArrowLeft", "ArrowRight", None), 1):
        page.wait_for_selector(f".tfhkit-viewing[data-trial='{number}'][data-busy=false]")
        assert screen(widget, "trial").startswith(f"Trial {number} of 3")
        assert f"Votes so far: {number - 1}" in widget.locator(".tally").inner_text()
        page.wait_for_function("() => +document.querySelector('.tfhkit-viewing').dataset.frame > 1")
        if key:
            page.keyboard.press(key)
        else:
            widget.get_by_role("button", name="Right is real").click()
    assert "of your 2 votes were right" in screen(widget, "end")
    rows = votes(notebook)
    sides = [row["shown"].split(" | ").index(row["choice"]) for row in rows]
    assert sides == [0, 1, 1]  # the versions that stood left, right, right
    assert {row["viewer"] for row in rows} == {"me"} and float(rows[0]["seconds"]) < 60
    ballot.get_by_text("3 votes by 1 viewer.").wait_for()
    assert "catch: unrefined" in ballot.inner_text() and notebook.errors() == []


def test_a_trial_plays_twice_and_again_on_demand(notebook):
    page = notebook.page
    widget = page.locator(".tfhkit-viewing")
    widget.get_by_role("button", name="Next viewer").click()
    assert "3 trials" in screen(widget, "intro")
    widget.get_by_role("button", name="Start", exact=True).click()
    screen(widget, "trial")
    page.wait_for_selector(".tfhkit-viewing[data-plays=false]")  # four seconds
    assert widget.get_attribute("data-frame") == "23"
    page.keyboard.press(" ")
    page.wait_for_selector(".tfhkit-viewing[data-plays=true]")
    page.wait_for_function("() => +document.querySelector('.tfhkit-viewing').dataset.frame < 12")


def test_a_restarted_viewer_goes_on_and_a_fault_is_told(notebook):
    page = notebook.page
    widget = page.locator(".tfhkit-viewing")
    page.keyboard.press("ArrowLeft")
    screen(widget, "told")
    page.keyboard.press(" ")
    page.wait_for_selector(".tfhkit-viewing[data-trial='1'][data-busy=false]")
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".tfhkit-viewing[data-trial='2'][data-busy=false]")
    notebook.run_cell(1)  # as after a restart: the widget knows nothing
    screen(widget, "intro")
    widget.get_by_role("button", name="1 of 3 done").click()
    assert screen(widget, "trial").startswith("Trial 2 of 3")
    path = notebook.lab.root / "votes.csv"
    kept = path.rename(path.with_suffix(".kept"))
    path.mkdir()
    page.keyboard.press("ArrowRight")
    widget.get_by_text("votes cannot be written").wait_for()
    assert screen(widget, "trial").startswith("Trial 2 of 3")
    path.rmdir()
    kept.rename(path)
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".tfhkit-viewing[data-trial='3'][data-busy=false]")
    assert widget.locator(".fault").inner_text() == "" and len(votes(notebook)) == 5


def test_a_check_says_its_verdict_once(notebook):
    index = notebook.find("def twice")
    assert notebook.text(index) == "○ twice: not attempted\n" and len(notebook.outputs(index)) == 1
    notebook.edit(index, CHECK.replace("raise NotAttempted", "return 2 * x"))
    (output,) = notebook.run_cell(index)
    assert "".join(output["text"]) == "✓ twice: passed (2 cases)\n"
    notebook.edit(index, CHECK.replace("raise NotAttempted", "y = [x]\n    return y[x]"))
    (output,) = notebook.run_cell(index, may_fail=True)
    shown = notebook.cell(index).locator(".jp-OutputArea").inner_text().splitlines()
    assert shown == [
        "✗ twice, case 1 of 2: line 5: return y[x]: IndexError: list index out of range.",
        "  Called with x = 1",
    ]
    # a syntax error leaves the earlier function in the kernel; it must not be checked in its place
    notebook.edit(index, "def twice(x):\n    return 2 * x")
    notebook.run_cell(index)
    notebook.edit(index, "def twice(x):\n    return 2 * * x")
    notebook.run_cell(index, may_fail=True)
    notebook.edit(index, "check('twice', twice, [(1, 2)])")
    notebook.run_cell(index, may_fail=True)
    shown = notebook.cell(index).locator(".jp-OutputArea").inner_text()
    assert shown.startswith("✗ twice: the function's cell has an error and was not run; line 2: ")
    notebook.edit(index, "'done'")
    notebook.run_cell(index)


def test_a_button_tells_what_it_did(notebook):
    index = notebook.find("offer(")
    good, bad = notebook.show_cell(index).locator(".tfhkit-action").all()
    good.get_by_role("button", name="Train again").click()
    good.get_by_text("It was removed.").wait_for()
    assert good.get_by_role("button").is_disabled()
    bad.get_by_role("button").click()
    bad.get_by_text("ZeroDivisionError: division by zero").wait_for()
    assert bad.get_by_role("button").is_enabled() and notebook.errors() == []


SIXTH = """
async () => {
  const root = document.querySelector('.tfhkit-scrubber');
  while (Number(root.dataset.frame) < 6) await new Promise(requestAnimationFrame);
  return performance.now();
}
"""
SEEN = """
(root) => [...root.querySelectorAll('canvas')].map((canvas) => {
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  let sum = 0;
  for (let i = 0; i < pixels.length; i += 4) sum = (sum * 31 + pixels[i] + 1) % 1000003;
  return sum;
})
"""


@pytest.fixture
def scrubber(notebook):
    notebook.show_cell(notebook.find("scrub("))
    widget = notebook.page.locator(".tfhkit-scrubber[data-ready=true]")
    widget.wait_for()
    return widget


def frame_is(widget, number):
    widget.page.wait_for_function(
        "(n) => document.querySelector('.tfhkit-scrubber').dataset.frame == n", arg=str(number)
    )
    return widget.evaluate(SEEN)


def test_the_scrubber_steps_by_keys_buttons_slider_and_curve(notebook, scrubber):
    page, seen = notebook.page, [frame_is(scrubber, 0)]
    scrubber.evaluate("(root) => root.focus()")
    page.keyboard.press("ArrowRight")
    seen.append(frame_is(scrubber, 1))
    scrubber.get_by_role("button", name="one frame on").click()
    seen.append(frame_is(scrubber, 2))
    scrubber.get_by_role("slider", name="frame").fill("12")
    seen.append(frame_is(scrubber, 12))
    page.keyboard.press("ArrowLeft")
    frame_is(scrubber, 11)
    for panel in zip(*seen):
        assert len(set(panel)) == len(seen)  # each panel changes with every step
    assert scrubber.locator("output").inner_text() == "frame 11, 0.92 s"
    assert scrubber.locator(".legend b").first.inner_text() == "-3.79"  # 24 sin(3.3)
    area = scrubber.locator(".area").last
    box = area.bounding_box()
    area.click(position={"x": box["width"] * 20 / 23, "y": 10})
    frame_is(scrubber, 20)
    scrubber.get_by_role("button", name="one frame back").click()
    frame_is(scrubber, 19)


def test_the_scrubber_plays_in_time_without_a_kernel(notebook, scrubber):
    page = notebook.page
    for session in notebook.lab.ask("api/sessions"):
        if session["path"] == notebook.path.name:
            notebook.lab.ask(f"api/sessions/{session['id']}", "DELETE")
    scrubber.get_by_role("slider", name="frame").fill("0")
    frame_is(scrubber, 0)
    scrubber.get_by_label("Speed").select_option("0.5")
    scrubber.evaluate("(root) => root.focus()")
    began_ms = page.evaluate("() => performance.now()")
    page.keyboard.press(" ")
    page.wait_for_selector(".tfhkit-scrubber[data-plays=true]")
    came_ms = page.evaluate(SIXTH)
    page.keyboard.press(" ")
    page.wait_for_selector(".tfhkit-scrubber[data-plays=false]")
    assert came_ms - began_ms > 990, "six frames of 12 in a second never come sooner at half speed"
    scrubber.get_by_label("Speed").select_option("1")
    scrubber.get_by_role("slider", name="frame").fill("20")
    scrubber.get_by_role("button", name="Play").click()
    page.wait_for_selector(".tfhkit-scrubber[data-plays=false][data-frame='23']")  # ends by itself
    scrubber.get_by_label("Loop").check()
    scrubber.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelector('.tfhkit-scrubber').dataset.frame == 23")
    page.wait_for_function("() => document.querySelector('.tfhkit-scrubber').dataset.frame == 3")
    scrubber.get_by_role("button", name="Pause").click()
