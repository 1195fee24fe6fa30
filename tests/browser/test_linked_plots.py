"""plotly figures, linked plots and the map of the memory, in JupyterLab and as exported pages."""

import subprocess
import sys
import time

import pytest
from lab import Notebook
from watch import errors_in
from widgets import PATIENCE_S

from tfhkit.pipeline.places import kit_dir

TOYS = f"""
import sys
sys.path.insert(0, {str(kit_dir() / "tests")!r})
import numpy as np
from plot_toys import answers, face_at, small_memory, talker
"""
PAIRS = """
from tfhkit.teach.brushing import show_linked_pairs
*talk, pairs = talker()
broken = [False]
show_linked_pairs(*talk, pairs, lambda i: 1 / 0 if broken[0] else face_at(i), min_gap_s=0.5)
"""
HEAD = """
from tfhkit.face import load_model
from tfhkit.teach.head_mesh import Colouring, skin_colours, still_heads, turning_head
from tfhkit.teach.hover import show_plotly
model = load_model(subdivide=False)
moved = Colouring(100 * model.exp_basis[0].norm(dim=-1).numpy(), "mm")
colourings = {"own colours": skin_colours(model.mean_tex), "expression": moved}
figure = turning_head(model, model.mean_shape, colourings, n_verts=400)
show_plotly(figure, "A head.", still_heads(model, np.zeros(80, np.float32), colourings, 64))
"""
CURVES = """
import matplotlib.pyplot as plt
from tfhkit.teach.hover_plots import calibration_curves, pose_over_time
gap = np.arange(60) == 20
plot, axis = plt.subplots(figsize=(4, 2))
axis.plot(talk[1], talk[2])
show_plotly(pose_over_time(talk[1], talk[2], talk[2] + 0.02, gap), "Three angles.", plot)
"""
MENU = """
degrees = np.linspace(0, 20, 9)
kinds = {k: {"offset": 1 - degrees / s} for k, s in (("all three", 25), ("yaw", 75))}
plot, axis = plt.subplots(figsize=(4, 2))
show_plotly(calibration_curves(degrees, kinds, 0.7), "Two curves.", plot)
"""
SLOTS = """
from tfhkit.teach.slot_map import show_slots
yaw = np.array([0.0, 10.0, 20.0, 40.0])
show_slots(small_memory()[0], answers([2, 1, 1, 1, 2]), *small_memory()[1:], yaw, "yaw (degrees)")
"""
CELLS = [TOYS, PAIRS, HEAD, CURVES, MENU, SLOTS]
PIXELS = "(canvas) => canvas.toDataURL()"
OTHER_PIXELS = "([canvas, old]) => canvas.toDataURL() !== old"
ANSWERED = """
() => {
  const root = document.querySelector('.tfhkit-brushing');
  return root.dataset.shown || root.querySelector('.fault').textContent;
}
"""
SHOWN = "() => document.querySelector('.tfhkit-brushing').dataset.shown"
SIZE = """
([low, high, height]) => {
  const box = document.querySelector('.js-plotly-plot .svg-container').getBoundingClientRect();
  return low < box.width && box.width < high && box.height === height;
}
"""
LOADED = """
() => [...document.querySelectorAll('.tfhkit-brushing figure img')]
  .every((img) => img.complete && img.naturalWidth)
"""


@pytest.fixture(scope="module")
def notebook(module_notebook):
    return module_notebook(CELLS)


@pytest.fixture
def linked(notebook):
    """The linked plots, with a pair shown."""
    notebook.show_cell(1)
    root = notebook.page.locator(".tfhkit-brushing")
    notebook.page.wait_for_function(SHOWN)
    return root


def press(root, name):
    button = root.get_by_role("button", name=name)
    button.focus()
    button.press("Enter")


def n_pairs(root):
    return int(root.locator(".count").inner_text().split()[0])


def test_everything_is_drawn_without_a_fault(notebook):
    page = notebook.page
    things = (".tfhkit-brushing canvas.pairs", ".gl-container canvas", ".main-svg", ".main-svg",
              ".tfhkit-slotmap svg")  # fmt: skip
    for index, thing in enumerate(things, 1):
        notebook.show_cell(index).locator(thing).first.wait_for()
    page.wait_for_function(SHOWN)
    assert notebook.errors() == []


# --- linked plots


def test_the_next_pair_is_shown_and_heard(notebook, linked):
    page, before = notebook.page, linked.get_attribute("data-shown")
    drawn = [linked.locator(f"canvas.{name}") for name in ("time", "pairs")]
    pixels = [canvas.evaluate(PIXELS) for canvas in drawn]
    press(linked, "Next pair")
    page.wait_for_function(f"() => ({SHOWN})() && ({SHOWN})() !== '{before}'")
    page.wait_for_function(LOADED)
    for canvas, old in zip(drawn, pixels):
        page.wait_for_function(OTHER_PIXELS, arg=[canvas.element_handle(), old])
    frames = linked.get_attribute("data-shown").split()
    assert [figure.inner_text().split()[2].strip(",") for figure in
            linked.locator("figcaption").all()] == frames  # fmt: skip
    page.wait_for_function(
        "() => document.querySelector('.tfhkit-brushing').dataset.played?.endsWith('AB')"
    )
    press(linked, "Previous pair")
    page.wait_for_function(f"() => ({SHOWN})() === '{before}'")


def test_a_dot_is_chosen_with_the_mouse(notebook, linked):
    before, dots = linked.get_attribute("data-shown"), linked.locator("canvas.pairs")
    box = dots.bounding_box()
    for share in (0.3, 0.45, 0.6):
        dots.click(position={"x": share * box["width"], "y": 0.6 * box["height"]})
        notebook.page.wait_for_function(SHOWN)
        if linked.get_attribute("data-shown") != before:
            return
    raise AssertionError("no dot was chosen")


def test_sounds_are_loud_enough_to_hear(notebook, linked):
    box = linked.locator("input[type=checkbox]")
    assert box.is_checked()
    linked.get_by_label("from").fill("0.2")
    linked.get_by_label("from").press("Tab")
    linked.get_by_label("to", exact=True).fill("0.6")
    linked.get_by_label("to", exact=True).press("Tab")
    press(linked, "Next pair")
    press(linked, "Play both sounds")
    notebook.page.wait_for_function(
        "() => document.querySelector('.tfhkit-brushing').dataset.peak > 0.3"
    )
    press(linked, "Whole clip")


def test_a_range_of_time_chooses_pairs(notebook, linked):
    every, canvas = n_pairs(linked), linked.locator("canvas.time")
    box, mouse = canvas.bounding_box(), notebook.page.mouse
    mouse.move(box["x"] + 300, box["y"] + 100)
    mouse.down()
    mouse.move(box["x"] + 420, box["y"] + 100, steps=4)
    mouse.up()
    assert 0 < n_pairs(linked) < every
    press(linked, "Whole clip")
    assert n_pairs(linked) == every
    for name, key, fewer in (("least time", "End", True), ("least time", "Home", False),
                             ("radius", "End", False)):  # fmt: skip
        slider = linked.get_by_label(name)
        slider.focus()
        slider.press(key)
        assert (n_pairs(linked) < every) == fewer, name


def test_a_fault_in_python_is_said_in_the_widget(notebook, linked):
    notebook.edit(0, "broken[0] = True")
    notebook.run_cell(0)
    for _ in range(12):  # a pair with a frame that was not seen before
        press(linked, "Next pair")
        notebook.page.wait_for_function(ANSWERED)
        if linked.locator(".fault").inner_text():
            break
    assert linked.locator(".fault").inner_text() == "ZeroDivisionError: division by zero"
    notebook.edit(0, "broken[0] = False")
    notebook.run_cell(0)
    press(linked, "Next pair")
    notebook.page.wait_for_function(SHOWN)
    assert linked.locator(".fault").inner_text() == ""


# --- plotly


def test_the_head_turns_says_its_numbers_and_changes_colour(notebook):
    cell, page = notebook.show_cell(2), notebook.page
    canvas = cell.locator(".gl-container canvas").first
    box, mouse = canvas.bounding_box(), page.mouse
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    cell.locator(".updatemenu-header").click()
    cell.locator(".updatemenu-dropdown-button").nth(1).click()
    cell.locator(".colorbar, .cbtitle").first.wait_for()
    before = canvas.screenshot()
    mouse.move(x - 4, y + 60)
    mouse.move(x, y + 70, steps=3)
    label = cell.locator(".hovertext").first
    label.wait_for()
    assert "mm" in label.text_content()
    mouse.down()
    mouse.move(x + 60, y + 70, steps=3)
    mouse.up()
    mouse.move(5, 5)
    until = time.monotonic() + PATIENCE_S
    while canvas.screenshot() == before:
        assert time.monotonic() < until, "the head does not turn"
    page.set_viewport_size({"width": 900, "height": 900})
    page.wait_for_function(SIZE, arg=[0, box["width"] - 200, box["height"]])
    page.set_viewport_size({"width": 1280, "height": 900})
    page.wait_for_function(SIZE, arg=[box["width"] - 1, box["width"] + 1, box["height"]])


def test_a_curve_says_its_numbers(notebook):
    cell = notebook.show_cell(3)
    box = cell.locator(".nsewdrag").bounding_box()
    notebook.page.mouse.move(box["x"] + 200, box["y"] + 80)
    notebook.page.mouse.move(box["x"] + 210, box["y"] + 90)
    label = cell.locator(".hoverlayer .legend")
    label.wait_for()
    assert all(name in label.text_content() for name in ("pitch", "yaw", "roll", "frame"))


def test_a_menu_changes_a_curve(notebook):
    cell = notebook.show_cell(4)
    line = cell.locator(".scatterlayer .js-line").first
    before = line.get_attribute("d")
    cell.locator(".updatemenu-header").click()
    cell.locator(".updatemenu-dropdown-button").nth(1).click()
    notebook.page.wait_for_function(
        "([line, old]) => line.getAttribute('d') !== old", arg=[line.element_handle(), before]
    )


# --- the memory


def test_slots_show_their_frames(notebook):
    notebook.show_cell(5)
    root = notebook.page.locator(".tfhkit-slotmap")
    check_slots(root)


def check_slots(root):
    assert root.get_attribute("data-slot") == "1", "the one that is read most"
    press(root, "Next")
    assert root.get_attribute("data-slot") == "2"
    assert root.locator("figure").all_inner_texts() == ["frame 14", "cos 0.90", "cos 0.50"]
    root.locator("svg").nth(1).locator(".dot").nth(1).hover()
    assert root.get_attribute("data-slot") == "1"
    root.locator(".dot[data-slot='0']").first.click()
    assert root.locator(".side p").nth(1).inner_text() == "read by 0 of 5 frames"
    root.locator("select").select_option(index=0)
    assert root.get_attribute("data-slot") == "1"
    assert root.locator("figure div").first.evaluate(
        "(e) => e.clientWidth > 40 && getComputedStyle(e).backgroundImage.startsWith('url')"
    )


# --- without a kernel


def test_a_saved_notebook_keeps_something_to_see(notebook, lab, context, page):
    for index in (2, 3, 4):
        notebook.show_cell(index)
    saved = notebook.save()
    outputs = [cell["outputs"][-1] for cell in saved["cells"][1:]]
    kinds = [set(output["data"]) for output in outputs]
    plotly = "application/vnd.plotly.v1+json"
    assert kinds == [{"text/html", "text/plain"} | more for more in
                     (set(), {plotly}, {plotly}, {plotly}, set())]  # fmt: skip
    folder = lab.root / "exported"
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "html", "--log-level=ERROR",
               "--output-dir", str(folder), str(notebook.path)]  # fmt: skip
    subprocess.run(command, check=True)
    context.set_offline(True)
    try:
        page.goto((folder / f"{notebook.path.stem}.html").as_uri(), wait_until="load")
        pictures = page.locator("img").evaluate_all(
            "(all) => all.map((i) => [i.alt, i.naturalWidth])"
        )
        assert len(pictures) == 4 and all(alt and width for alt, width in pictures)
        check_slots(page.locator(".tfhkit-slotmap"))
    finally:
        context.set_offline(False)
    assert not [line for line in errors_in(page) if not line.startswith(("request", "console"))]
    check_reopened(lab, context, notebook.path)


def check_reopened(lab, context, path):
    """The stored notebook, as a file that nobody runs: pictures, and plotly without a kernel."""
    again = path.with_name("stored.ipynb")
    again.write_bytes(path.read_bytes())
    stored = Notebook(context.new_page(), lab, again.name)
    try:
        assert stored.state()["ran"] == len(CELLS), "nothing runs"
        assert stored.show_cell(1).locator("img").get_attribute("alt").startswith("Waveform")
        stored.show_cell(2).locator(".gl-container canvas").first.wait_for()
        stored.show_cell(3).locator(".main-svg").first.wait_for()
        assert stored.page.locator(".tfhkit-slotmap").count() == 1
        assert stored.errors() == []
    finally:
        stored.close()
