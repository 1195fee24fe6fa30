"""What goes wrong in a page: messages of the browser, and faults that can be seen in it."""

import time

# Messages of other people's code that say nothing about the kit: (words, why).
NOISE = ()
SETTLE_MS = 200  # an output is drawn a little after it has come
FAULTS_JS = """
() => {
  const faults = [], cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')];
  const place = (e) => `cell ${cells.indexOf(e.closest('.jp-Cell'))}`;
  const name = (e) => {
    const kit = e.closest('[class*=tfhkit-]');
    return (cells.length ? `${place(e)}, ` : '') + (kit ? kit.className : e.outerHTML);
  };
  const room = cells.length ? '.jp-Notebook ' : '';  // not JupyterLab's own pictures
  const short = (text) => text.trim().replace(/\\s+/g, ' ').slice(0, 300);
  for (const words of ['Click to show javascript error', 'Error displaying widget',
                       'Error creating widget', 'widget model not found'])
    for (const e of document.querySelectorAll('.jp-OutputArea-output, .jupyter-widgets'))
      if (e.textContent.toLowerCase().includes(words.toLowerCase())
          && !e.querySelector('.jp-OutputArea-output'))
        faults.push('widget error: ' + short(e.textContent));
  for (const e of document.querySelectorAll('[data-mime-type]')) {
    const kind = (e.getAttribute('data-mime-type') || '').replace('application/vnd.jupyter.', '');
    if (['stderr', 'error'].includes(kind))
      faults.push(`${kind}: ${place(e)}: ` + short(e.textContent));
  }
  for (const e of document.querySelectorAll('audio, video')) {
    const live = e.srcObject || e.currentSrc || e.src || e.querySelector('source[src]');
    if (!live && !e.hasAttribute('data-waits')) faults.push('empty player: ' + short(name(e)));
    if (e.error) faults.push(`player: ${e.error.message || e.error.code}: ` + short(name(e)));
  }
  for (const e of document.querySelectorAll(room + 'img')) {
    if (!e.checkVisibility()) continue;
    const alt = (e.getAttribute('alt') || '').trim().toLowerCase();  // Lab writes "Image"
    if (['', 'image'].includes(alt) && e.getAttribute('role') != 'presentation')
      faults.push('picture without alternative text: ' + short(name(e)));
    if (e.complete && e.getAttribute('src') && !e.naturalWidth)
      faults.push('broken picture: ' + short(name(e)));
  }
  return [...new Set(faults)];
}
"""
WAITING_JS = """
() => [...document.querySelectorAll('.jp-OutputArea-output, .jupyter-widgets')]
  .some((e) => /^\\s*Loading widget\\.\\.\\.\\s*$/.test(e.textContent))
"""


class Watch:
    """Messages of one page, collected from its beginning: `faults` is a list of lines."""

    def __init__(self, page):
        self.page, self.faults = page, []
        page.on("pageerror", lambda error: self._note("page error", str(error)))
        page.on("console", self._console)
        page.on("requestfailed", self._failed)
        page.on("response", self._response)
        page.on("crash", lambda _: self._note("page", "crashed"))

    def _console(self, message):
        if message.type == "error":
            place = message.location.get("url", "") if message.location else ""
            self._note("console", f"{message.text} ({place})" if place else message.text)

    def _failed(self, request):
        # a request that a page gives up itself, as a player does when its source changes, is none
        if request.failure != "net::ERR_ABORTED":
            self._note("request", f"{request.failure}: {request.url}")

    def _response(self, response):
        if response.status >= 400:
            self._note("request", f"{response.status}: {response.url}")

    def _note(self, kind, text):
        if not any(words in text for words, _ in NOISE):
            self.faults.append(f"{kind}: {' '.join(text.split())[:500]}")


_WATCHES = {}
background = set()  # pages in which something runs for a later test: no screenshots of them


def watch(page):
    """Collect a page's messages; call it before the page goes anywhere."""
    _WATCHES[page] = Watch(page)
    page.on("close", lambda _: (_WATCHES.pop(page, None), background.discard(page)))
    return page


def errors_in(page, patience_s=60):
    """All that is wrong in a page now, as lines; empty where nothing is.

    Messages of the browser since the page was opened, error outputs and stderr of a notebook,
    widgets that failed or keep loading, players without a source, pictures without alternative
    text.

    Args:
        page: a page made by the fixtures. patience_s: for widgets that still load.
    """
    until = time.monotonic() + patience_s
    page.wait_for_timeout(SETTLE_MS)
    while page.evaluate(WAITING_JS) and time.monotonic() < until:
        page.wait_for_timeout(100)
    waiting = ["widget: 'Loading widget...' stays"] if page.evaluate(WAITING_JS) else []
    return [*_WATCHES[page].faults, *waiting, *page.evaluate(FAULTS_JS)]


def forget_errors(page):
    """Forget the messages so far, for tests that provoke some."""
    _WATCHES[page].faults.clear()
