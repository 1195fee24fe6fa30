"""Progress: which messages belong together, remaining time, what is shown where, a run's end."""

import io
import json
import re
import sys
import time

import pytest

from tfhkit.errors import InputError
from tfhkit.pipeline import course as courses
from tfhkit.pipeline import progress as shown
from tfhkit.pipeline.course import Course, closing
from tfhkit.pipeline.progress import Lines, in_words, report_progress, terminal_progress
from tfhkit.pipeline.watch import Watch, followed, last_line


@pytest.fixture
def clock(monkeypatch):
    """A clock of the kit that stands still: `clock.t += 1`."""

    class Clock:
        t = 100.0

        def monotonic(self):
            return self.t

        time = staticmethod(time.time)

    clock = Clock()
    monkeypatch.setattr(shown, "time", clock)
    monkeypatch.setattr(courses, "time", clock)
    return clock


def test_the_remaining_time_is_by_the_rate_since_the_first_message():
    lines = Lines(began=0.0)
    line = lines.tell(1, 104, "landmarks", 5.0)  # the detector took 4.9 s to load
    assert line.left_s() is None and line.words() == "landmarks: 1 of 104, 5 s"
    lines.tell(11, 104, "landmarks", 6.0)
    assert line.left_s() == pytest.approx(9.3)
    assert line.left_s(now=8.0) == pytest.approx(7.3)
    assert line.words() == "landmarks: 11 of 104, 6 s, about 9 s left"
    lines.tell(104, 104, "landmarks", 15.0)
    assert line.left_s() == 0 and line.words() == "landmarks: 104 of 104, 15 s"


def test_messages_of_the_same_work_are_one_line():
    lines = Lines(began=0.0)
    first = lines.tell(1, 900, "refiner, L1 0.0521", 1.0)
    assert lines.tell(2, 900, "refiner, L1 0.0467", 2.0) is first
    assert lines.tell(3, 900, "name of another clip", 3.0) is first  # the count goes on
    judging = lines.tell(1, 4, "judging", 4.0)
    crops = lines.tell(20, 48, "landmarks of crops", 5.0)
    lines.tell(48, 48, "landmarks of crops", 6.0)
    assert lines.tell(2, 4, "judging", 7.0) is judging
    assert lines.tell(1, 48, "landmarks of crops", 8.0) is crops  # a second round
    lines.tell(48, 48, "landmarks of crops", 10.0)
    assert len(lines.all) == 3 and crops.seconds == pytest.approx(2 + 4)
    assert crops.words() == "landmarks of crops: 48 of 48, 6 s"


def test_a_percentage_reads_as_one():
    line = Lines(began=0.0).tell(37, 100, "running 01_3dmm_fitting %", 4.0)
    assert line.words() == "running 01_3dmm_fitting: 37 %, 4 s"
    assert shown.counted(line.text, 37, 100) == "running 01_3dmm_fitting 37 %"
    assert shown.counted("landmarks", 3, 104) == "landmarks 3/104"


@pytest.mark.parametrize(
    "seconds, words",
    [(0.4, "0 s"), (7.2, "7 s"), (99, "99 s"), (120, "2 min"), (250, "4 min 10 s"),
     (1800, "30 min"), (3900, "1 h 5 min")],
)  # fmt: skip
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words


def test_a_log_gets_few_lines_about_what_takes_long(monkeypatch, capsys, clock):
    monkeypatch.delenv("TFHKIT_PROGRESS", raising=False)
    progress = report_progress("03")
    for i in range(1000):  # takes no time, so it needs no line
        progress(i + 1, 1000, "loading")
    assert not capsys.readouterr().out
    for i in range(60):
        clock.t += 1
        progress(i + 1, 60, "motion: 0.5")
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "03: motion: 0.5: 20 of 60, 20 s, about 40 s left",
        "03: motion: 0.5: 40 of 60, 40 s, about 20 s left",
        "03: motion: 0.5: 60 of 60, 60 s",
    ]


def test_a_terminal_gets_a_moving_line_that_vanishes(monkeypatch, clock):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("TFHKIT_PROGRESS", raising=False)
    monkeypatch.setattr(sys, "stderr", Terminal())
    progress = terminal_progress()
    for i in range(8):
        clock.t += 1
        progress(i + 1, 10, "fitting a face with a long name")
    text = sys.stderr.getvalue()
    assert "5/10" in text and "about 2 s left" in text and "\n" not in text
    shown.clear_terminal()  # what an error does
    assert re.search(r"\r *\r$", sys.stderr.getvalue())
    progress(10, 10, "fitting a face with a long name")
    assert not shown._open_bars


class _Shell:
    """IPython's events and displays, as far as the bars use them."""

    def __init__(self):
        self.events, self.hooks, self.shown = self, {}, []

    def register(self, name, hook):
        self.hooks[name] = hook

    def display(self, bundle, raw, display_id=None):
        self.shown.append(bundle)
        return self

    def update(self, bundle, raw):
        self.shown[-1] = bundle


def test_a_live_cell_gets_a_bar_and_keeps_one_line(monkeypatch, clock):
    import builtins

    import IPython.display

    shell = _Shell()
    monkeypatch.setattr(builtins, "get_ipython", lambda: shell, raising=False)
    monkeypatch.setattr(IPython.display, "display", shell.display)
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    monkeypatch.delenv("TFHKIT_PROGRESS", raising=False)
    progress = report_progress("01")
    for cell in range(2):
        shell.hooks["pre_run_cell"](None)
        progress(3, 3, "quick work")
        assert len(shell.shown) == cell, "what is over at once has no bar"
        for i in range(3):
            clock.t += 1
            progress(i + 1, 4, "fitting <b>")
        assert len(shell.shown) == cell + 1
        bar = shell.shown[-1]["text/html"]
        assert '<progress aria-label="fitting &lt;b&gt;" value="3" max="4"' in bar
        assert "fitting &lt;b&gt;: 3 of 4, 3 s, about 1 s left" in bar
        shell.hooks["post_run_cell"](None)  # early stopping, or an error
        assert shell.shown[-1]["text/plain"] == "fitting <b>: 3 of 4, 3 s"
        assert "<progress" not in shell.shown[-1]["text/html"]


def test_the_share_of_a_run_learns_this_machines_pace(clock):
    course = Course()
    first, second, last = (courses.WEIGHTS_S["quick"][number] for number in ("00", "01", "05"))
    course.plan(["00_start_here", "01_3dmm_fitting", "05_memory_gan"], "quick")
    assert course.left_s() == first + second + last
    course.begin("00_start_here")
    clock.t += 8
    course.end("00_start_here", ran=True)
    pace = (courses.PRIOR_S + 8) / (courses.PRIOR_S + first)
    assert course.left_s() == pytest.approx((second + last) * pace)
    course.begin("01_3dmm_fitting")
    course.end("01_3dmm_fitting", ran=False)  # kept: says nothing of the pace
    course.begin("05_memory_gan")
    clock.t += 29
    assert course.left_s() == pytest.approx(last * pace - 29)
    share = course.share()
    assert share == pytest.approx(37 / (37 + last * pace - 29))
    course.tell(1, 1000, "refiner, L1 0.1")
    clock.t += 1
    course.tell(2, 1000, "refiner, L1 0.1")
    assert course.left_s() == pytest.approx(998) and course.share() == share  # never back
    clock.t += 998
    course.tell(1000, 1000, "refiner, L1 0.1")
    assert 0 < course.left_s() < 0.2 * 1028  # over its time: a little more
    course.end("05_memory_gan", ran=True)
    assert course.left_s() == 0 and course.share() == 1


def test_how_a_run_ends_is_written(tmp_path):
    def lines(path):
        return [json.loads(line) for line in path.read_text().splitlines()]

    ended, failed, stopped = (tmp_path / name for name in ("a", "b", "c"))
    course, more = Course(ended), {}
    with closing(course, more):
        course.plan(["00_x", "01_y"], "tiny")
        for name in ("00_x", "01_y"):
            course.begin(name)
            course.end(name, ran=True)
        more["report"] = "runs/x/report.html"
    told = lines(ended)
    assert [line["index"] for line in told] == [0, 1, 1, 2, 2, 2]
    assert [line["state"] for line in told] == ["running"] * 5 + ["finished"]
    assert told[-1]["report"] == "runs/x/report.html" and told[-1]["share"] == 1
    assert last_line(ended) == told[-1] and last_line(tmp_path / "none") is None
    with pytest.raises(InputError), closing(Course(failed), {}):
        raise InputError("clip.mp4", "is not\n a video", "give one")
    assert lines(failed)[-1]["text"] == "clip.mp4: is not a video; give one"
    with pytest.raises(KeyboardInterrupt), closing(Course(stopped), {}):
        raise KeyboardInterrupt
    assert lines(stopped)[-1]["state"] == "stopped"
    with pytest.raises(InputError, match="cannot be written"):
        Course(ended / "below a file")


def test_a_watch_reads_messages_as_they_come(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHKIT_PROGRESS", str(tmp_path / "messages"))
    course = Course(tmp_path / "run")
    course.plan(["03_lstm_training"], "tiny")
    course.begin("03_lstm_training")
    seen = []
    with followed(tmp_path / "run", lambda *now: seen.append(now)):
        with Watch(tmp_path / "messages", "03", course, io.StringIO()) as watch:
            (tmp_path / "messages").write_text('{"done": 1, "to')
            assert watch._messages() == []
            report_progress("03")(10, 10, "epochs")
            (tmp_path / "messages").write_text('{"done": 10, "total": 10, "text": "epochs"}\n')
            wait_for = time.monotonic() + 5
            while not seen or course.lines.latest is None:
                assert time.monotonic() < wait_for
                time.sleep(0.05)
    assert last_line(tmp_path / "run")["text"] == "epochs"
    assert {text for _, _, text in seen} == {"running 03_lstm_training %"}
    assert seen[0][0] < 100 and seen[-1][:2] == (100, 100), "the end is told, too"
    assert not (tmp_path / "messages").exists()
