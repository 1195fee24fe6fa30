"""The report and the notebooks' pages in Chromium, from files: no server, no network."""

import pytest
from report_toys import Reader, targets, toy_run
from watch import errors_in, watch

PHONE = {"width": 390, "height": 844}
LESSON = "notebooks/01_3dmm_fitting.html"
WIDER_JS = """
() => [...document.querySelectorAll('body *')].filter((e) => {
  const box = e.getBoundingClientRect();
  for (let p = e; p; p = p.parentElement)
    if (['auto', 'scroll', 'hidden'].includes(getComputedStyle(p).overflowX)) return false;
  return box.width && box.right > innerWidth + 1;
}).map((e) => e.outerHTML.slice(0, 80))
"""
CLEAR_JS = """
() => {
  const [paper, ink] = ['backgroundColor', 'color'].map((name) => {
    const parts = getComputedStyle(document.body)[name].match(/[\\d.]+/g).slice(0, 3);
    return parts.map((v) => v / 255).map((v) => v > 0.04 ? ((v + 0.055) / 1.055) ** 2.4 : v / 12.92)
      .reduce((sum, v, k) => sum + v * [0.2126, 0.7152, 0.0722][k], 0);
  });
  return [paper, ink];
}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "run"
    toy_run(out)
    return out


@pytest.fixture
def opened(context, run):
    """Opens a file of the run in a page; what it asks for outside of files is in `asked`."""
    pages = []

    def open_file(name="report.html", **media):
        page = watch(context.new_page())
        pages.append(page)
        page.asked = []
        page.on("request", lambda request: page.asked.append(request.url))
        page.emulate_media(**media)
        page.goto((run / name).as_uri())
        return page

    yield open_file
    for page in pages:
        page.close()


def outside(page):
    return [url for url in page.asked if not url.startswith(("file:", "data:"))]


@pytest.mark.parametrize("name", ["report.html", "notebooks/00_start_here.html", LESSON])
def test_nothing_is_wrong_and_no_server_is_asked(opened, run, name):
    page = opened(name)
    assert errors_in(page) == [] and outside(page) == []
    landmarks = page.locator("main"), page.locator("h1"), page.locator("nav").first
    assert [part.count() for part in landmarks] == [1, 1, 1]
    found = list(targets((run / name).parent, page.content()))
    lacking = {file.name for file in found if not file.is_file()}
    assert found and lacking <= {"other.ipynb"}  # which a lesson of the toys names on purpose


def test_a_video_shows_a_poster_and_starts_on_a_click(opened):
    page = opened()
    video, button = page.locator("video"), page.locator("button.play")
    video.scroll_into_view_if_needed()
    box = video.bounding_box()
    assert box["width"] >= 400 and box["width"] / box["height"] == pytest.approx(1.5, abs=0.02)
    assert video.get_attribute("poster") and button.is_visible()
    assert button.bounding_box() == pytest.approx(box, abs=1)
    page.wait_for_function("document.querySelector('video').readyState >= 1")  # only its metadata
    page.mouse.click(box["x"] + 0.8 * box["width"], box["y"] + 0.3 * box["height"])
    page.wait_for_function("document.querySelector('video').currentTime > 0.1")
    assert button.is_hidden() and video.evaluate("v => v.controls && !v.paused")
    video.evaluate("v => v.pause()")
    assert button.is_hidden(), "its own controls take over"


def test_a_video_starts_by_the_keyboard(opened):
    page = opened()
    button = page.get_by_role("button", name="Play: Held-out part, side by side")
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('video').currentTime > 0.1")
    assert page.evaluate("document.activeElement.tagName") == "VIDEO"


@pytest.mark.parametrize("name", ["report.html", LESSON])
def test_a_phone_needs_no_scrolling_sideways(opened, name):
    page = opened(name)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    assert page.evaluate(WIDER_JS) == []
    if name == LESSON:
        editor = page.locator(".jp-InputArea-editor").first
        assert editor.evaluate("""e => [e, ...e.querySelectorAll('*')].some(
            (p) => p.scrollWidth > p.clientWidth && getComputedStyle(p).overflowX == 'auto')""")


@pytest.mark.parametrize("name", ["report.html", LESSON])
def test_dark_and_light(opened, name):
    for scheme in ("light", "dark"):
        paper, ink = opened(name, color_scheme=scheme).evaluate(CLEAR_JS)
        assert (paper > ink) == (scheme == "light")
        bright, dim = max(paper, ink), min(paper, ink)
        assert (bright + 0.05) / (dim + 0.05) > 7, "text is hard to read"


def test_print_shows_frames_instead_of_players(opened):
    page = opened(media="print", color_scheme="dark")
    assert page.locator(".player").is_hidden() and page.locator("nav").is_hidden()
    strip = page.locator("img.strip")
    assert strip.is_visible() and strip.evaluate("i => i.naturalWidth") > 200
    paper, ink = page.evaluate(CLEAR_JS)
    assert paper == pytest.approx(1) and ink == pytest.approx(0)


def test_formulas_are_drawn(opened):
    page = opened(LESSON)
    page.wait_for_function("document.fonts.ready.then(() => true)")
    assert page.evaluate("document.fonts.check('16px \"kit math\"')")
    inline, block = page.locator("math").nth(0), page.locator("math").nth(1)
    assert "𝜷" in inline.text_content() and "\\" not in page.locator("main").inner_text()
    low = block.locator("munder").evaluate("""e => e.children[1].getBoundingClientRect().top
        - e.children[0].getBoundingClientRect().bottom""")
    assert low > -6, "the limit stands below its name"
    over, under = (block.locator("mfrac > *").nth(k).bounding_box() for k in (0, 1))
    assert over["y"] + over["height"] <= under["y"] + 1
    assert block.bounding_box()["height"] > 1.5 * inline.bounding_box()["height"]


def test_without_scripts_a_video_has_its_own_controls(chromium, run):
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((run / "report.html").as_uri())
    reader = Reader(page.content())
    assert "controls" in reader.all("video")[0] and page.locator("button.play").is_hidden()
    context.close()
