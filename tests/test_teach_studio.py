"""The panel behind its buttons: what is chosen, the doctor's words, runs, messages, addresses."""

import json
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest

from tfhkit.errors import InputError
from tfhkit.media import write_video, write_wav
from tfhkit.pipeline import jobs
from tfhkit.teach import app, checkup, results, studio
from tfhkit.teach.intake import Intake

FOUND = {
    "footage": {"seconds": 8.75, "frames": 105, "fps": 12.0, "face_px": 44.2, "face_share": 0.98,
                "yaw_deg": [-22.8, 8.3]},
    "problems": [
        {"stage": "05", "fault": "the face is small", "remedy": "come nearer", "stops": False},
        {"stage": "01", "fault": "is 3.4 s long", "remedy": "give more", "stops": True},
    ],
    "checks": [{"what": "a", "state": "ok", "text": ""}, {"what": "voice", "state": "fault",
                                                           "text": "espeak-ng: is missing"}],
}  # fmt: skip


class Widget(SimpleNamespace):
    """What the panel's widget is to its Python side."""

    def __init__(self):
        super().__init__(sent=[], job={}, name="")

    def send(self, content, buffers=()):
        self.sent.append((content, [bytes(buffer) for buffer in buffers]))


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def place(monkeypatch, tmp_path):
    """A folder with clip.mp4 and voice.wav; its doctor answers at once, its run is a script."""
    tone = (0.3 * np.sin(np.arange(24000) / 9)).astype(np.float32)
    frames = np.full((38, 48, 64, 3), 90, np.uint8)
    write_video(tmp_path / "clip.mp4", frames, 25, tone)
    write_wav(tmp_path / "voice.wav", tone)
    script = tmp_path / "run.py"
    script.write_text(
        "import json, pathlib, shutil, sys, time\n"
        "at = lambda name: sys.argv[sys.argv.index(name) + 1]\n"
        "out = pathlib.Path(at('--out'))\n"
        "(out / '05_memory_gan').mkdir(exist_ok=True)\n"
        f"video = out / '05_memory_gan/talking_head_speech.mp4'; shutil.copy({str(tmp_path)!r}"
        " + '/clip.mp4', video)\n"
        "(out / 'report.html').write_text('r')\n"
        "wait = at('--profile') == 'full' and at('--clip') == 'sample'\n"
        "state = dict(state='running', step='01_x', index=1, steps=2, done=3, total=9, text='w',"
        " share=0.5, elapsed_s=1.0, left_s=2.0)\n"
        "with open(at('--progress'), 'a') as log:\n"
        "    log.write(json.dumps(state) + '\\n'); log.flush(); time.sleep(30 * wait)\n"
        "    log.write(json.dumps({**state, 'state': 'finished', 'share': 1.0, 'report': 'r',"
        " 'videos': ['x/05_memory_gan/talking_head_speech.mp4']}) + '\\n')\n"
    )
    command = jobs._command
    monkeypatch.setattr(
        jobs, "_command", lambda record: [sys.executable, str(script), *command(record)[4:]]
    )
    monkeypatch.setattr(checkup.Checkup, "run", lambda self, tell: checkup.advice(FOUND))
    monkeypatch.setenv("TFHKIT_RUNS", str(tmp_path / "runs"))
    yield tmp_path
    ending = jobs.stop_job((0.0, 0.0))
    if ending:
        ending.join()
    for child in jobs._children:
        child.wait(10)


@pytest.fixture
def panel(place):
    widget = Widget()
    made = studio.Panel(widget)
    vars(widget).update(made.first())
    yield made
    made.end()


def send(panel, **content):
    panel.widget.sent.clear()
    buffers = content.pop("buffers", [])
    panel.take(content, buffers)
    return panel.widget.sent


def test_the_doctors_words():
    said = checkup.advice(FOUND)
    assert [row["kind"] for row in said] == ["fact", "stops", "stops", "advice"]
    assert said[0]["text"] == (
        "8.8 s, 105 frames, 12 per second; the face is 44 px wide and visible in 98% of "
        "the frames; the head turns from -23 to 8 degrees."
    )
    assert said[1]["text"] == "The kit lacks a part: voice: espeak-ng: is missing."
    assert said[2]["text"] == "It is 3.4 s long; give more."
    fine = checkup.advice({**FOUND, "problems": [], "checks": []})
    assert fine[-1] == {"kind": "fine", "text": "This clip will do."}


@pytest.mark.slow
def test_the_doctor_in_a_process_of_its_own(monkeypatch, tmp_path):
    doctor = tmp_path / "python"
    doctor.write_text(
        f"#!{sys.executable}\nimport json, os, sys, time\n"
        "open(os.environ['TFHKIT_PROGRESS'], 'a').write("
        '\'{"done": 5, "total": 10, "text": "landmarks"}\\n\')\n'
        "time.sleep(60 if 'slow' in sys.argv[-1] else 1)\n"
        "if 'bad' in sys.argv[-1]:\n"
        "    print(json.dumps({'error': sys.argv[-1] + ': is no video; choose', 'exit_code': 2}))\n"
        f"elif 'dies' not in sys.argv[-1]:\n    print(json.dumps({FOUND!r}))\n"
    )
    doctor.chmod(0o755)
    monkeypatch.setattr(checkup.sys, "executable", str(doctor))
    told = []
    assert checkup.Checkup("a.mp4").run(lambda *now: told.append(now)) == checkup.advice(FOUND)
    assert told[0] == (0.5, "landmarks")
    with pytest.raises(InputError, match="^bad.mp4: is no video; choose; choose another clip"):
        checkup.Checkup("bad.mp4").run(lambda *_: None)
    with pytest.raises(InputError, match="ended without an answer; run 'tfhkit doctor dies.mp4'"):
        checkup.Checkup("dies.mp4").run(lambda *_: None)
    slow = checkup.Checkup("slow.mp4")
    assert slow.run(lambda *_: slow.end()) is None


def test_an_upload_becomes_the_clip(panel, place):
    data = (place / "clip.mp4").read_bytes()
    half = len(data) // 2
    begin = {"do": "begin", "slot": "clip", "number": "n1", "name": "Me.mp4", "size": len(data)}
    assert send(panel, **begin) == [({"about": "part", "number": "n1", "received": 0}, [])]
    sent = send(panel, do="part", number="n1", offset=0, buffers=[data[:half]])
    assert sent[0][0]["received"] == half
    assert panel.widget.clip["state"] == "arriving" and not panel.widget.clip["given"]
    assert panel.widget.clip["share"] == pytest.approx(0.5, abs=0.01)
    fault = send(panel, do="start", name="x", profile="tiny")[0][0]["fault"]
    assert fault == "clip: is not there yet; choose one first"
    send(panel, do="part", number="n1", offset=half, buffers=[data[half:]])
    until(lambda: panel.widget.clip["state"] == "examined")
    clip = panel.widget.clip
    assert clip["given"].startswith(str(place / "runs" / "uploads" / "me-"))
    assert clip["label"] == "Me.mp4" and "64 x 48" in clip["facts"]
    assert clip["poster"].startswith("data:image/jpeg") and clip["advice"][0]["kind"] == "fact"
    assert panel.widget.name == "me"
    assert send(panel, do="part", number="n1", offset=0, buffers=[b"x"])[0][0]["received"] is None


def test_an_upload_that_is_no_clip_leaves_a_sentence_and_nothing_else(panel, place):
    for name, size, data, words in (
        ("a.mp4", 4, b"text", "a.mp4: is no video"),
        ("b.mp4", 10**10, None, "b.mp4: has 10000 MB, at most 500 MB"),
    ):
        send(panel, do="begin", slot="clip", number=name, name=name, size=size)
        if data:
            send(panel, do="part", number=name, offset=0, buffers=[data])
        until(lambda: panel.widget.clip["state"] == "refused")
        assert panel.widget.clip["fault"].startswith(words)
        assert panel.widget.voice["given"] == "sentence"
        assert not list((place / "runs" / "uploads").iterdir())
    send(panel, do="choose", slot="clip", given="sample")
    assert panel.widget.clip["state"] == "ready" and not panel.widget.clip["fault"]


def test_cancel_and_paths(panel, place):
    send(panel, do="begin", slot="voice", number="n", name="v.wav", size=9)
    send(panel, do="cancel", slot="voice")
    assert panel.widget.voice["given"] == "sentence"
    assert not list((place / "runs" / "uploads").iterdir())
    send(panel, do="choose", slot="voice", given=str(place / "voice.wav"))
    until(lambda: panel.widget.voice["state"] == "ready")
    assert panel.widget.voice["given"] == str(place / "voice.wav")
    send(panel, do="choose", slot="voice", given="nowhere.wav")
    assert "there is no such speech file" in panel.widget.voice["fault"]
    send(panel, do="choose", slot="voice", given="")
    assert "is a folder" in panel.widget.voice["fault"]


def test_a_run_from_start_to_film(panel, place):
    assert panel.widget.job == {}
    send(panel, do="hello", root=str(place / "runs"), base="/x/")
    assert send(panel, do="start", name="mine", profile="tiny") == []
    until(lambda: (panel.refresh(), panel.widget.job["state"] == "finished")[1])
    job = panel.widget.job
    base = "/x/tfhkit/runs/mine"
    assert job["links"] == {"base": base, "report": f"{base}/report.html"}
    film = job["films"][0]
    assert film["title"] == "driven by the voice" and film["poster"].startswith("data:image/jpeg")
    answer, buffers = send(panel, do="film", file=film["file"])[0]
    assert answer["about"] == "film" and buffers == [(place / "clip.mp4").read_bytes()]
    fault = send(panel, do="film", file="../../clip.mp4")[0][0]["fault"]
    assert "is not a video of this run" in fault
    assert send(panel, do="start", name="a/b", profile="tiny")[0][0]["fault"].startswith("name:")
    assert send(panel, do="rename", name="..")[0][0]["fault"].startswith("name:")
    send(panel, do="rename", name="other")
    send(panel, do="choose", slot="clip", given=str(place / "clip.mp4"))
    assert panel.widget.name == "other", "a name that was typed stays"
    assert "unexpected" in send(panel, do="dance")[0][0]["fault"]


def test_two_panels_follow_one_run(panel, place):
    second = studio.Panel(Widget())
    vars(second.widget).update(second.first())
    send(panel, do="start", name="mine", profile="full")
    until(lambda: (second.refresh(), second.widget.job.get("share") == 0.5)[1])
    assert second.widget.job["words"] == "step 1 of 2: 01_x, w 3/9"
    fault = send(second, do="start", name="other", profile="tiny")[0][0]["fault"]
    assert fault.startswith("mine: is at work since") and "one run at a time" in fault
    send(second, do="stop")
    until(lambda: (panel.refresh(), panel.widget.job["state"] == "stopped")[1])
    third = studio.Panel(Widget())  # as after a restart: what was chosen is not known any more
    vars(third.widget).update(third.first())
    send(third, do="resume")
    until(lambda: (third.refresh(), third.widget.job["state"] in ("running", "finished"))[1])
    assert third.widget.job["profile"] == "full" and third.widget.job["name"] == "mine"
    second.end()
    third.end()


def test_addresses_that_a_server_does_not_show_are_left_out(place, monkeypatch):
    state = {"out": str(place / "runs" / "my run"), "videos": []}
    nothing = {"base": "", "report": ""}
    assert results.links_of(state, {}) == nothing
    assert results.links_of(state, {"root": "/elsewhere", "base": "/"}) == nothing
    assert results.links_of(state, {"root": "", "base": "/"}) == nothing
    monkeypatch.setenv("TFHKIT_PAGE", "1")
    assert results.links_of(state, {"root": "", "base": "/"})["base"] == "/tfhkit/runs/my%20run"
    assert results.videos_of(state, nothing) == []


def test_at_first_the_sample_and_the_sentence_are_chosen():
    told = []
    intake = Intake(told.append)
    assert intake.given() == ("sample", "sentence") and told == []


def test_where_nobody_watches_a_note_stands(monkeypatch, capsys):
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    shown = []
    monkeypatch.setattr(studio, "show_widget", lambda *what: shown.append(what))
    studio.studio()
    widget, static, alt = shown[0]
    assert widget is None and "Make the video" in static and "make app" in static
    assert alt == "A panel that makes a video of your own clip and voice."


def test_the_page_is_of_one_cell_and_its_key_is_in_no_command_line(monkeypatch, place):
    cells = json.loads(app.PAGE.read_text())["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code"] and not cells[1]["outputs"]
    said, given = [], {}

    def server_class(ready):
        class Server:
            @staticmethod
            def launch_instance(options, token):
                assert not said, "the address is told when somebody listens there"
                given.update(options=options, token=token)
                ready()

        return Server

    for name in ("TFHKIT_LIVE", "TFHKIT_PAGE", "JUPYTER_PATH", "JUPYTER_PLATFORM_DIRS",
                 "PYDEVD_DISABLE_FILE_VALIDATION"):  # fmt: skip
        monkeypatch.setenv(name, "0")
    monkeypatch.setattr(app, "_server_class", server_class)
    app.open_page(browser=False, say=said.append)
    assert len(said) == 1 and f"?token={given['token']}" in said[0] and len(given["token"]) >= 30
    assert not any(given["token"] in option for option in given["options"])
    assert "--Voila.ip=127.0.0.1" in given["options"]
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="is taken; name another one with --port"):
            app.open_page(taken.getsockname()[1])
