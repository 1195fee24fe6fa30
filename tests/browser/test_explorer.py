"""explore() in JupyterLab: every control changes the picture, and a saved one stays to be seen."""

import re

import pytest
from lab import Notebook
from watch import errors_in

CELLS = [
    """
import matplotlib.pyplot as plt
import numpy as np
from tfhkit.teach import explore

calls = []

def square(level=2, blue_deg=0.0, kind="plain", on=True):
    \"\"\"A grey square.\"\"\"
    calls.append((level, blue_deg, kind, on))
    colour = (20 * level, 20 * level * on, 2 * blue_deg)
    stripes = 100 if kind == "striped" else 0
    picture = np.full((64, 96, 3), colour, np.uint8)
    picture[::8] = stripes
    return picture

explore(square, level=(0, 10), blue_deg=(0.0, 90.0), kind=["plain", "striped"], on=True)
""",
    """
def wave(speed=1.0):
    x = np.linspace(0, 6, 200)
    plt.figure(figsize=(5, 2))
    plt.plot(x, np.sin(speed * x))
    plt.xlabel("time (s)")

explore(wave, speed=(0.0, 5.0))
""",
    "explore(lambda x=1: f'{6 // x} pieces', x=(0, 3))",
    "print(calls[-1], len(calls))",
]


@pytest.fixture(scope="module")
def notebook(module_notebook):
    return module_notebook(CELLS)


def widget(notebook, index):
    found = notebook.cell(index).locator(".tfhkit-explorer")
    found.scroll_into_view_if_needed()
    return found


def settled(found):
    """Wait until the last question is answered; gives the picture's address and text."""
    idle = "root => root.dataset.busy === 'false'"
    found.page.wait_for_function(idle, arg=found.element_handle())
    image = found.locator(".view img")
    if not image.count():
        return None, None
    return image.get_attribute("src"), image.get_attribute("alt")


def test_every_control_changes_the_picture(notebook):
    found = widget(notebook, 0)
    seen = [settled(found)]
    for act in (
        lambda: found.get_by_label("level", exact=True).press("ArrowRight"),
        lambda: found.get_by_label("blue (deg)", exact=True).press("PageUp"),
        lambda: found.get_by_label("kind").select_option("striped"),
        lambda: found.get_by_label("on", exact=True).press("Space"),
        lambda: found.get_by_role("button", name="level: one step more").click(),
        lambda: found.get_by_role("button", name="level: one step less").click(),
        lambda: found.get_by_role("button", name="Random").click(),
        lambda: found.get_by_role("button", name="Reset").click(),
    ):
        act()
        seen.append(settled(found))
        assert seen[-1][0] != seen[-2][0], f"nothing changed: {seen[-1][1]}"
    assert seen[0][1] == seen[-1][1] == (
        "A grey square: level 2, blue (deg) 0, kind plain, on True."
    )
    assert "level 3" in seen[1][1] and "kind striped" in seen[3][1] and "on False" in seen[4][1]
    assert notebook.errors() == []


def test_random_never_stays_where_it_is(notebook):
    found = widget(notebook, 0)
    found.evaluate("() => { Math.kept = Math.random; Math.random = () => 0.5; }")
    seen = []
    for _ in range(3):
        found.get_by_role("button", name="Random").click()
        seen.append(settled(found)[1])
    found.evaluate("() => { Math.random = Math.kept; }")
    found.get_by_role("button", name="Reset").click()
    assert seen[0] != seen[1] != seen[2], seen
    settled(found)


def test_on_a_phone_the_values_can_be_read(notebook):
    found = widget(notebook, 0)
    found.evaluate("root => root.style.width = '280px'")
    frame = found.bounding_box()
    for shown in found.locator("output").all():
        box = shown.bounding_box()
        assert box["x"] + box["width"] <= frame["x"] + frame["width"] and box["width"] > 40
        assert shown.evaluate("it => it.scrollWidth <= it.clientWidth"), shown.inner_text()
    found.evaluate("root => root.style.width = ''")


def test_while_dragging_the_last_values_win_and_calls_do_not_pile_up(notebook):
    found = widget(notebook, 0)
    before = int(found.get_attribute("data-answers") or 0)
    found.get_by_label("blue (deg)", exact=True).evaluate(
        """slider => { for (let i = 1; i <= 60; i++) {
        slider.value = String(i); slider.dispatchEvent(new Event("input")); } }"""
    )
    _, alt = settled(found)
    assert "blue (deg) 60" in alt
    assert int(found.get_attribute("data-answers")) - before <= 3


def test_a_figure_answers_as_well(notebook):
    found = widget(notebook, 1)
    first = settled(found)
    found.get_by_label("speed", exact=True).press("End")
    second = settled(found)
    assert second[0] != first[0] and "speed 5" in second[1] and "time (s)" in second[1]
    size = "image => [image.naturalWidth, image.naturalHeight]"
    assert found.locator(".view img").evaluate(size)[0] > 300


def test_an_error_is_told_in_the_widget_and_goes_away(notebook):
    found = widget(notebook, 2)
    found.get_by_label("x", exact=True).press("ArrowLeft")
    settled(found)
    fault = found.locator(".fault[role=alert]")
    assert fault.text_content().startswith("ZeroDivisionError")
    found.get_by_label("x", exact=True).press("End")
    settled(found)
    assert fault.text_content() == "" and "2 pieces" in found.text_content()


def test_saved_and_opened_again_the_picture_is_there(notebook, lab, context):
    saved = notebook.save()
    outputs = [o for cell in saved["cells"] for o in cell["outputs"] if "data" in o]
    assert not any("widget-view" in kind for o in outputs for kind in o["data"])
    again = Notebook(context.new_page(), lab, notebook.path.name)
    try:
        assert "not found" not in again.cell(0).inner_text()
        alt = again.cell(0).locator(".jp-OutputArea img").get_attribute("alt")
        assert alt.startswith("A grey square")
        assert errors_in(again.page) == []
    finally:
        again.close()


def test_exported_pages_show_the_picture(notebook, lab):
    from nbconvert import HTMLExporter

    notebook.save()
    page, _ = HTMLExporter(template_name="basic").from_filename(str(notebook.path))
    assert len(re.findall('<img alt="(A grey square|wave: speed 1. Plot over time)', page)) == 2
