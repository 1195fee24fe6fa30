"""Operate the kit's widgets as a reader does: every control by keyboard, every button."""

import json

from widgets import find_widgets

LOST_JS = """
() => [...document.querySelectorAll('[data-mime-type="application/vnd.jupyter.widget-view+json"]')]
  .filter((e) => !e.querySelector('[class*="tfhkit-"]'))
  .map((e) => 'no widget of the kit: ' + (e.textContent.trim() || e.innerHTML).slice(0, 200))
"""
PLOTLY_JS = """
() => [...document.querySelectorAll('.js-plotly-plot')].map((e) => {
  const drawn = e.querySelector('.main-svg'), box = drawn && drawn.getBoundingClientRect();
  return box && box.width > 50 && box.height > 50;
})
"""
UNNAMED_JS = """
(root) => [...root.querySelectorAll('button, input, select, textarea, a, [role=slider]')]
  .filter((e) => {
    const texts = [e.getAttribute('aria-label'), e.getAttribute('title'),
      ...[...(e.labels || [])].map((label) => label.textContent)];
    for (const id of (e.getAttribute('aria-labelledby') || '').split(' '))
      texts.push((document.getElementById(id) || {}).textContent);
    if (['BUTTON', 'A'].includes(e.tagName)) texts.push(e.textContent);
    return e.checkVisibility() && !texts.some((text) => (text || '').trim());
  }).map((e) => 'no accessible name: ' + e.outerHTML.slice(0, 120))
"""
CONTROLS_JS = """
(root) => [...root.querySelectorAll('button, select, input')].filter((e) => e.checkVisibility()
  && !e.disabled)
"""
NAME_JS = """
(e) => (e.getAttribute('aria-label') || (e.labels && e.labels.length && e.labels[0].textContent)
  || e.textContent || e.title).trim()
"""
VALUE_JS = "(e) => e.type == 'checkbox' ? e.checked : e.value"


def operate(page):
    """Operate all widgets of a page.

    Returns:
        kinds, faults: the widgets that were found, and what is wrong with them (lines).
    """
    widgets = find_widgets(page)
    faults = page.evaluate(LOST_JS)
    for number, widget in enumerate(widgets):
        widget.root.scroll_into_view_if_needed()
        widget.faults += widget.root.evaluate(UNNAMED_JS)
        box = widget.root.bounding_box()
        if not box or min(box["width"], box["height"]) < 15:
            widget.faults.append(f"has no size: {box}")
        if widget.kind in OPERATE:
            OPERATE[widget.kind](widget)
        else:
            widget.faults.append("is of a kind that operating.py does not know")
        faults += [f"{widget.kind} {number}: {fault}" for fault in widget.faults]
    plots = page.evaluate(PLOTLY_JS)
    faults += [f"plotly figure {i} is not drawn" for i, drawn in enumerate(plots) if not drawn]
    return [widget.kind for widget in widgets] + ["plotly"] * len(plots), faults


def operate_explorer(widget):
    """Every control by keyboard, every button; `Reset` brings everything back."""
    root, first = widget.root, widget.look()
    rows = root.query_selector_all(".row")
    starts = [_value(row) for row in rows]
    for row in rows:
        _operate_row(widget, row)
    buttons = {b.inner_text(): b for b in root.query_selector_all(".buttons button")}
    if "Random" in buttons:
        before = [_value(row) for row in rows]
        widget.after(buttons["Random"].click, "Random")
        if before == [_value(row) for row in rows]:
            widget.faults.append("Random moves nothing")
    widget.after(buttons["Reset"].click, "Reset")
    if starts != [_value(row) for row in rows] or first["alt"] != widget.look()["alt"]:
        widget.faults.append("Reset does not bring the start back")


def _value(row):
    return row.query_selector("input, select").evaluate(VALUE_JS)


def _operate_row(widget, row):
    control, name = row.query_selector("input, select"), row.inner_text().split("\n")[0]
    kind = control.evaluate("(e) => e.type")
    if kind == "checkbox":
        keys = ["Space"]
    elif kind == "range":
        last = control.evaluate("(e) => e.valueAsNumber + Number(e.step) > Number(e.max)")
        keys = ["ArrowLeft" if last else "ArrowRight", "Home", "End"]
    else:
        first = control.evaluate("(e) => e.selectedIndex == 0")
        keys = ["ArrowDown"] * (control.evaluate("(e) => e.length") - 1)
        keys = keys if first else ["ArrowUp"]
    told = moved = False
    for key in keys:
        value = _value(row)
        if moved or (key == "Home" and control.evaluate("(e) => e.value == e.min")):
            continue
        before, after = widget.after(lambda key=key: widget.press(control, key), name)
        told = told or _value(row) != value
        moved = moved or any(before[k] != after[k] for k in ("picture", "text"))
    if not told:
        widget.faults.append(f"{name}: its value does not change with the keyboard")
    if not moved:
        widget.faults.append(f"{name}: the picture never changes")
    for button in row.query_selector_all("button"):
        value = _value(row)
        low, high = control.evaluate("(e) => [e.value == e.min, e.value == e.max]")
        if (low and "less" in button.get_attribute("aria-label")) or (
            high and "more" in button.get_attribute("aria-label")
        ):
            continue
        widget.after(lambda button=button: widget.press(button, "Enter"), f"{name}, step")
        if _value(row) == value:
            widget.faults.append(f"{name}: {button.get_attribute('aria-label')} does nothing")


def stir(widget):
    """Use every control once: a button or a slider must change what there is to see."""
    controls = widget.root.evaluate_handle(CONTROLS_JS).get_properties().values()
    for control in (handle.as_element() for handle in controls):
        if not control.is_visible() or not control.is_enabled():
            continue
        name, kind = control.evaluate(NAME_JS), control.evaluate("(e) => e.type")
        before = widget.still()
        if before is None:
            widget.faults.append(f"does not come to rest before {name!r} is used")
            return
        if not _use(widget, control, kind, before) and not _use_at_start(widget, control, kind):
            widget.faults.append(f"{name!r} changes nothing")
        if kind in ("button", "submit") and widget.still(2) is None:
            widget.press(control, "Enter")  # it started something: stop it


def _use(widget, control, kind, before):
    """Whether the key that a control is made for changes something."""
    value = control.evaluate(VALUE_JS)
    last = kind == "range" and control.evaluate("(e) => Number(e.value) >= Number(e.max)")
    widget.press(control, "ArrowLeft" if last else KEYS.get(kind, "Enter"))
    if kind in ("checkbox", "select-one", "number", "text"):
        return control.evaluate(VALUE_JS) != value
    return widget.changed_from(before)


def _use_at_start(widget, control, kind):
    """As `_use`, where the widget's slider is at its start: "next" does nothing at the end."""
    slider = widget.root.query_selector("input[type=range]")
    if not slider or not slider.is_visible():
        return False
    widget.press(slider, "Home")
    return _use(widget, control, kind, widget.still())


def operate_viewing(widget):
    """A viewer says a name, starts, and votes once."""
    root, page = widget.root, widget.page
    root.query_selector("input").fill("tester")
    widget.press(root.query_selector("form button"), "Enter")
    page.wait_for_function("(root) => root.dataset.screen == 'trial'", arg=root)
    before = widget.look()["data"]
    page.wait_for_function("(root) => Number(root.dataset.frame) > 2", arg=root)
    root.query_selector("button.vote").click()
    page.wait_for_function("([root, old]) => root.dataset.screen + root.dataset.trial != old",
                           arg=[root, "trial" + json.loads(before)["trial"]])  # fmt: skip


def press_once(widget):
    """The one button of an action: it tells what it did."""
    root = widget.root
    widget.press(root.query_selector("button"), "Enter")
    widget.page.wait_for_function(
        "(root) => root.querySelector('[role=status]').textContent.trim()", arg=root
    )


def only_look(widget):
    """It has no controls, or some that start long work or the camera; see its own tests."""


KEYS = {
    "checkbox": "Space",
    "range": "ArrowRight",
    "select-one": "ArrowDown",
    "number": "1",
    "text": "x",
}
OPERATE = {
    "explorer": operate_explorer,
    "player": stir,
    "scrubber": stir,
    "brushing": stir,
    "study": stir,
    "slotmap": stir,
    "viewing": operate_viewing,
    "action": press_once,
    "studio": only_look,
    "progress": only_look,
}
