"""Operate the kit's widgets as a reader does: every control by keyboard, every button.

A widget is found by the class `tfhkit-NAME` of its outermost element. `operate(page)` works on all
of them and returns what is wrong, as lines.
"""

import time

WIDGETS_JS = """
() => [...document.querySelectorAll('[class*="tfhkit-"]')].filter((e) => {
  const name = [...e.classList].find((c) => /^tfhkit-[a-z]+$/.test(c));
  if (!name || e.parentElement.closest('[class*="tfhkit-"]')) return false;
  e.dataset.testKind = name.slice(7);
  return true;
}).map((e, i) => { e.dataset.testNumber = String(i); return e.dataset.testKind; })
"""
LOST_JS = """
() => [...document.querySelectorAll('[data-mime-type="application/vnd.jupyter.widget-view+json"]')]
  .filter((e) => !e.querySelector('[class*="tfhkit-"]'))
  .map((e) => 'no widget of the kit: ' + (e.textContent.trim() || e.innerHTML).slice(0, 200))
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
LOOK_JS = """
async (root) => {
  const hash = (bytes) => {
    let h = 2166136261;
    for (const b of bytes) h = Math.imul(h ^ b, 16777619);
    return h + ':' + bytes.length;
  };
  const seen = [];
  for (const e of root.querySelectorAll('img, canvas, video, audio, svg')) {
    if (e.hidden) continue;
    if (e.tagName == 'IMG' && e.getAttribute('src'))
      seen.push(hash(new Uint8Array(await (await fetch(e.src)).arrayBuffer())));
    else if (e.tagName == 'CANVAS') seen.push(e.width ? e.toDataURL() : '');
    else if (e.play) seen.push(e.outerHTML + e.currentTime + e.paused);
    else seen.push(e.outerHTML);
  }
  const words = root.cloneNode(true);
  for (const e of words.querySelectorAll('output, style, script, .wait')) e.remove();
  return {picture: seen.join('|'), text: words.textContent, alt:
    [...root.querySelectorAll('img')].map((e) => e.alt).join('|')};
}
"""
IDLE_JS = "(root) => root.dataset.busy !== 'true'"
PATIENCE_S = 20  # other notebooks may be running


class Widget:
    """One widget in a page: `kind`, and `root`, its outermost element."""

    def __init__(self, page, number, kind):
        self.page, self.kind, self.faults = page, kind, []
        self.root = page.locator(f'[data-test-number="{number}"]').element_handle()

    def look(self):
        """What there is to see: dict with "picture" (all pixels), "alt" and "text"."""
        return self.root.evaluate(LOOK_JS)

    def answered(self):
        return self.root.evaluate("(root) => Number(root.dataset.answers || 0)")

    def after(self, act, what):
        """Do something and wait for the answer; returns the looks before and after.

        Args:
            act: function without arguments. what: words for a fault.
        """
        before, count = self.look(), self.answered()
        act()
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            if self.answered() > count and self.root.evaluate(IDLE_JS):
                break
            self.page.wait_for_timeout(15)
        else:
            self.faults.append(f"{what}: no answer")
        fault = self.root.evaluate("(root) => (root.querySelector('.fault') || {}).textContent")
        if fault:
            self.faults.append(f"{what}: {fault}")
        return before, self.look()

    def press(self, control, key):
        control.focus()
        self.page.keyboard.press(key)


def find_widgets(page):
    """The kit's widgets in a page, from top to bottom."""
    return [Widget(page, i, kind) for i, kind in enumerate(page.evaluate(WIDGETS_JS))]


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
        if not box or min(box["width"], box["height"]) < 20:
            widget.faults.append(f"has no size: {box}")
        OPERATE.get(widget.kind, lambda widget: None)(widget)
        faults += [f"{widget.kind} {number}: {fault}" for fault in widget.faults]
    return [widget.kind for widget in widgets], faults


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
    control = row.query_selector("input, select")
    return control.evaluate("(e) => e.type == 'checkbox' ? e.checked : e.value")


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


OPERATE = {"explorer": operate_explorer}
