"""The kit's widgets in a page: found by the class `tfhkit-NAME` of their outermost element."""

import time

WIDGETS_JS = """
() => [...document.querySelectorAll('[class*="tfhkit-"]')].filter((e) => {
  const name = [...e.classList].find((c) => /^tfhkit-[a-z]+$/.test(c));
  if (!name || e.parentElement.closest('[class*="tfhkit-"]')) return false;
  e.dataset.testKind = name.slice(7);
  return true;
}).map((e, i) => { e.dataset.testNumber = String(i); return e.dataset.testKind; })
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
    if (!e.checkVisibility()) continue;
    if (e.tagName == 'IMG' && e.getAttribute('src'))
      seen.push(hash(new Uint8Array(await (await fetch(e.src)).arrayBuffer())));
    else if (e.tagName == 'CANVAS') seen.push(e.width ? e.toDataURL() : '');
    else if (e.play) seen.push(e.outerHTML + e.currentTime + e.paused);
    else seen.push(e.outerHTML);
  }
  const words = root.cloneNode(true);
  for (const e of words.querySelectorAll('output, style, script, .wait')) e.remove();
  const data = JSON.stringify({...root.dataset, busy: null});
  return {picture: seen.join('|'), text: words.textContent, data, alt:
    [...root.querySelectorAll('img')].map((e) => e.alt).join('|')};
}
"""
IDLE_JS = "(root) => root.dataset.busy !== 'true'"
PATIENCE_S = 60  # other notebooks may be running


class Widget:
    """One widget in a page: `kind`, and `root`, its outermost element."""

    def __init__(self, page, number, kind):
        self.page, self.kind, self.faults = page, kind, []
        self.root = page.locator(f'[data-test-number="{number}"]').element_handle()

    def look(self):
        """What there is to see: dict with "picture" (all pixels), "alt" and "text"."""
        return self.root.evaluate(LOOK_JS)

    def still(self, patience_s=10):
        """Wait until nothing moves by itself; returns the last look, or None."""
        until, before = time.monotonic() + patience_s, self.look()
        while time.monotonic() < until:
            self.page.wait_for_timeout(120)
            after = self.look()
            if after == before:
                return after
            before = after
        return None

    def changed_from(self, before, patience_s=3):
        """Whether something else is to be seen soon."""
        until = time.monotonic() + patience_s
        while self.look() == before:
            if time.monotonic() > until:
                return False
            self.page.wait_for_timeout(30)
        return True

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
