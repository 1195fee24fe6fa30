"""The panel in Chromium, on its page and in JupyterLab: key, uploads, recordings, runs; bars."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest
from studio_toys import slow_notebooks
from watch import errors_in, forget_errors, watch

from tfhkit.media import write_video
from tfhkit.pipeline import jobs
from tfhkit.pipeline.places import kit_dir

PANEL = ".tfhkit-studio"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the toy series in nb/ and clip.mp4; runs go to runs/."""
    folder = tmp_path_factory.mktemp("studio")
    slow_notebooks(folder / "nb")
    frames = np.random.default_rng(0).integers(0, 255, (25 * 5, 48, 64, 3), dtype=np.uint8)
    tone = (0.3 * np.sin(np.arange(16000 * 5) / 9)).astype(np.float32)
    write_video(folder / "clip.mp4", frames, 25, tone)
    spare = 12_000_000  # more than a message of the server may hold
    with open(folder / "clip.mp4", "ab") as file:
        file.write((spare + 8).to_bytes(4, "big") + b"free" + bytes(spare))
    (folder / "text.mp4").write_text("a text " * 100)
    (folder / "notes.txt").write_text("notes")
    with open(folder / "large.mp4", "wb") as file:
        file.truncate(501_000_000)
    yield folder
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TFHKIT_RUNS", str(folder / "runs"))
        ending = jobs.stop_job((0.0, 0.0))
        if ending:
            ending.join()


def environment(place):
    return {
        "TFHKIT_RUNS": str(place / "runs"),
        "TFHKIT_NOTEBOOKS": str(place / "nb"),
        "OMP_WAIT_POLICY": "PASSIVE",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="module")
def address(chromium, place):
    """The address that `tfhkit app` prints."""
    command = [sys.executable, "-m", "tfhkit.cli", "app", "--no-browser"]
    with open(place / "app.log", "w") as log:
        server = subprocess.Popen(
            command,
            cwd=kit_dir(),
            env={**os.environ, **environment(place)},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    line = server.stdout.readline()
    assert line.startswith("the page is at http://127.0.0.1:")
    yield line.split()[4]
    server.terminate()
    server.wait(120)
    server.stdout.close()


@pytest.fixture(scope="module")
def open_page(chromium, address):
    """A function that opens the page and waits for the panel; options are of the context."""
    contexts = []

    def open_one(granted=True, **options):
        context = chromium.new_context(**{"viewport": {"width": 1000, "height": 900}, **options})
        contexts.append(context)
        context.set_default_timeout(120_000)
        if granted:
            context.grant_permissions(["camera", "microphone"])
        page = watch(context.new_page())
        page.goto(address)
        page.wait_for_selector(PANEL)
        return page

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def page(open_page):
    return open_page()


def part(page, name):
    """One of the panel's three boxes: clip, voice or job."""
    return page.locator(f"{PANEL} fieldset.{name}")


def press(where, name):
    where.get_by_role("button", name=name, exact=True).click()


def wait_text(locator, words):
    locator.filter(has_text=words).first.wait_for()


def test_without_the_key_there_is_nothing_to_see(address):
    bare = address.split("?")[0]
    for path in ("", "?token=wrong", "tfhkit/runs/.job.json", "api/kernels"):
        with pytest.raises(urllib.error.HTTPError) as refusal:
            urllib.request.urlopen(bare + path, timeout=20)
        assert refusal.value.code in (403, 404)
        refusal.value.close()


def test_uploads_are_taken_or_refused_in_a_sentence(page, place):
    clip = part(page, "clip")
    clip.get_by_label("Upload a file").check()
    chooser = clip.locator("input[type=file]")
    for name, words in (
        ("notes.txt", "notes.txt: is no video; choose a video"),
        ("large.mp4", "large.mp4: has 501 MB, at most 500 MB are taken"),
        ("text.mp4", "text.mp4: is no video"),
    ):
        chooser.set_input_files(place / name)
        wait_text(clip.locator(".fault"), words)
    chooser.set_input_files(place / "clip.mp4")
    wait_text(clip.locator(".about"), "Chosen: clip.mp4, 5.0 s, 64 x 48")
    assert clip.locator(".about img").get_attribute("alt") == "first frame of clip.mp4"
    press(clip, "Skip")  # the doctor's look
    clip.get_by_role("button", name="Ask the doctor").wait_for()
    assert part(page, "job").get_by_label("Name").input_value() == "clip"
    kept = list((place / "runs" / "uploads").iterdir())
    assert len(kept) == 1 and kept[0].read_bytes() == (place / "clip.mp4").read_bytes()
    assert errors_in(page) == []


def test_recording_waits_for_consent_and_gives_a_clip(page):
    clip, voice = part(page, "clip"), part(page, "voice")
    voice.get_by_label("Record with a microphone").check()
    clip.get_by_label("Record with a camera").check()
    record = clip.get_by_role("button", name="Record", exact=True)
    assert record.is_disabled()
    clip.get_by_label("Everyone whom I record").check()
    assert record.is_enabled() and voice.locator(".consent input").is_checked()
    record.click()
    wait_text(clip.locator(".length"), re.compile("recording 0:0[1-9] of at most 10:00"))
    assert clip.locator("video.preview").evaluate("v => v.muted && v.videoWidth > 0")
    press(clip, "Stop recording")
    wait_text(clip.locator(".length"), "recorded")
    press(clip, "Use this recording")
    wait_text(clip.locator(".about"), "Chosen: recording.webm, ")
    press(clip, "Skip")

    press(voice, "Record")
    wait_text(voice.locator(".length"), re.compile("recording 0:0[1-9]"))
    assert voice.get_by_label("loudness").is_visible()
    press(voice, "Stop recording")
    press(voice, "Use this recording")
    wait_text(voice.locator(".about"), "Chosen: recording.webm, ")
    press(voice, "Discard")
    assert record.is_hidden() or clip.locator("video.preview").is_visible()
    assert errors_in(page) == []


def test_a_refused_or_missing_microphone_is_said(open_page):
    page = open_page(granted=False)
    voice = part(page, "voice")
    voice.get_by_label("Record with a microphone").check()
    voice.get_by_label("Everyone whom I record").check()
    press(voice, "Record")
    fault = voice.locator(".recorder .fault")
    wait_text(fault, "The browser does not allow the microphone; allow it in the browser's bar")
    for name, words in (("NotFoundError", "finds no microphone; connect one, or upload a file"),
                        ("NotReadableError", "Another program holds the microphone")):  # fmt: skip
        page.evaluate(
            "(name) => { navigator.mediaDevices.getUserMedia ="
            " () => Promise.reject(new DOMException('', name)); }",
            name,
        )
        press(voice, "Record")
        wait_text(fault, words)
    page.evaluate("() => Object.defineProperty(window, 'isSecureContext', {value: false})")
    press(voice, "Record")
    wait_text(fault, "browsers allow them at http://127.0.0.1 and over https only")
    page.context.close()


def test_a_run_on_two_pages(page, open_page, place):
    phone = open_page(viewport={"width": 390, "height": 800})
    for one in (page, phone):
        part(one, "clip").get_by_label("Sample clip").check()
        part(one, "voice").get_by_label("The kit's sentence").check()
    job, other = part(page, "job"), part(phone, "job")
    job.get_by_label("Name").fill("a b")
    job.get_by_label("Name").press("Tab")
    wait_text(job.locator("p.fault"), "name: 'a b' is not one; use up to 60 letters")
    job.get_by_label("Name").fill("mine")
    job.get_by_label("Size").select_option("tiny")
    press(job, "Make the video")
    wait_text(other.locator(".words"), "mine: ")
    assert other.get_by_role("button", name="Make the video").is_disabled()
    wait_text(other.locator(".words"), "painting")
    wait_text(other.locator(".words"), "left")
    assert float(other.locator("progress").get_attribute("value")) > 0
    press(other, "Stop")
    wait_text(job.locator(".said"), "mine: stopped; what was finished is kept")
    press(job, "Resume mine")
    wait_text(other.locator(".words"), "mine: ")
    for one in (job, other):
        video = one.locator("video")
        video.wait_for()
        assert video.get_attribute("aria-label") == "video driven by the voice"
        assert video.get_attribute("poster").startswith("data:image/jpeg")
        one.page.wait_for_function("(v) => v.src", arg=video.element_handle())
        video.evaluate("(v) => v.play()")
        assert video.evaluate("(v) => v.videoWidth") == 96
    assert phone.evaluate("document.documentElement.scrollWidth") <= 390
    with page.context.expect_page() as opened:
        job.get_by_role("link", name="Open the report").click()
    opened.value.wait_for_load_state()
    report = opened.value
    assert report.url.split("?")[0].endswith("/tfhkit/runs/mine/report.html")
    assert report.locator("h1").is_visible()
    report.locator("video").first.evaluate("(v) => v.play()")  # it lies beside the report
    assert report.locator("video").first.evaluate("(v) => v.videoWidth") == 96
    assert report.evaluate("() => fetch('/api/kernels').then(() => 'asked', () => 'refused')") == (
        "refused"
    )
    opened.value.close()
    assert errors_in(page) == [] and errors_in(phone) == []


@pytest.fixture(scope="module")
def notebook(module_notebook, place):
    """A notebook in JupyterLab: its environment, the panel, two seconds of work with a bar."""
    return module_notebook(
        [f"import os\nos.environ.update({environment(place)!r})",
         "from tfhkit.teach.studio import studio\n\nstudio()",
         "import time\nfrom tfhkit.pipeline.progress import report_progress\n"
         "progress = report_progress('x')",
         "for i in range(25):\n    time.sleep(0.1)\n    progress(i + 1, 25, 'counting')\n"
         "    while i == 20 and not os.path.exists('seen'):\n        time.sleep(0.1)\n"
         "        progress(i + 1, 25, 'counting')"],
        run=False,
    )  # fmt: skip


def test_a_bar_in_a_live_cell_ends_as_one_line(notebook):
    notebook.start()
    bar = notebook.page.locator("progress[aria-label=counting]")
    bar.wait_for()
    wait_text(notebook.page.locator(".tfhkit-progress"), " left")
    (notebook.lab.root / "seen").touch()
    notebook.wait()
    assert bar.count() == 0
    (line,) = [output["data"]["text/plain"] for output in notebook.outputs(3)]
    assert re.fullmatch(r"counting: 25 of 25, \d+ s", line)
    cells = notebook.save()["cells"]
    assert len(cells[3]["outputs"]) == 1 and "progress aria" not in str(cells[3])
    panel = cells[1]["outputs"][0]["data"]
    assert set(panel) == {"text/html", "text/plain"} and "Make the video" in str(panel)
    assert notebook.errors() == []


def test_a_restarted_kernel_loses_nothing(notebook):
    page = notebook.page
    job = part(page, "job")
    job.get_by_label("Name").fill("other")
    job.get_by_label("Name").press("Tab")
    press(job, "Make the video")
    wait_text(job.locator(".words"), "other: ")
    page.evaluate("() => window.tfhkitPanel().sessionContext.session.kernel.restart()")
    page.locator(f"{PANEL} .banner").filter(has_text="does not answer").wait_for()
    forget_errors(page)
    notebook.run_all()
    wait_text(job, "other: ")  # the run goes on, or is finished by now
    assert "ended without" not in job.inner_text()
    assert notebook.errors() == []
