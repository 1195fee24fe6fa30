"""How far a run of the series is, and when it will be done: for its terminal and for programs."""

import contextlib
import json
import time
from pathlib import Path

from tfhkit.errors import InputError, TfhkitError
from tfhkit.pipeline.front_end import in_notebook
from tfhkit.pipeline.progress import Lines, report_progress

# Seconds of each notebook on the sample clip, two cores, with its kernel's start; measured
# for quick and tiny. What a run takes differs by clip and machine, which `Course` finds out.
WEIGHTS_S = {
    "quick": {"00": 4, "01": 40, "02": 30, "03": 35, "04": 17, "05": 290, "06": 10, "07": 30},
    "tiny": {"00": 9, "01": 40, "02": 32, "03": 47, "04": 19, "05": 38, "06": 16, "07": 32},
    "full": {"00": 5, "01": 60, "02": 60, "03": 120, "04": 30, "05": 4000, "06": 20, "07": 40},
}
UNKNOWN_S = 8.0  # of a notebook that is not one of the series
PRIOR_S = 20.0  # so many seconds of finished steps count as much as the table


class Course:
    """The steps of a run, what they took and what is left of them.

    Args:
        file: path that gets a JSON line for each change, see `line`; or None.
    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, file=None):
        self.began = self.step_began = time.monotonic()
        self.expected, self.took, self.passed = {}, {}, set()  # seconds; seconds; names
        self.step, self.lines, self._share = None, Lines(self.began), 0.0
        self._bar = report_progress("run") if in_notebook() else None
        self.file = file and Path(file).absolute()  # papermill changes the current folder
        if self.file:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self.file.write_text("")
            except OSError as error:
                fault = f"cannot be written ({error.strerror or error})"
                raise InputError(self.file, fault, "choose another file") from None
        self.write("running")

    def plan(self, names, profile):
        """Which notebooks will run, in their order, in which profile."""
        weights = WEIGHTS_S.get(profile, {})
        self.expected = {name: float(weights.get(name[:2], UNKNOWN_S)) for name in names}

    def begin(self, name):
        """A step begins."""
        self.step, self.step_began = name, time.monotonic()
        self.lines = Lines(self.step_began)
        self.write("running")

    def tell(self, done, total, text):
        """A message of the step at work."""
        self.lines.tell(done, total, text, time.monotonic())

    def end(self, name, ran):
        """A step is over; `ran` is False where an earlier result was kept."""
        if ran:
            self.took[name] = time.monotonic() - self.step_began
        self.passed.add(name)
        self.step, self.lines = None, Lines(time.monotonic())
        self.write("running")
        self.draw(name)

    def draw(self, name):
        """Where a notebook runs the series: its bar. Gives whether there is one."""
        if self._bar is not None:
            self._bar(round(100 * self.share()), 100, f"running {name} %")
        return self._bar is not None

    def pace(self):
        """Seconds that a second of the table takes here."""
        expected = sum(self.expected[name] for name in self.took)
        return (PRIOR_S + sum(self.took.values())) / (PRIOR_S + expected)

    def left_s(self):
        """Estimated seconds until the run is done."""
        pace, now = self.pace(), time.monotonic()
        ahead = [name for name in self.expected if name not in self.passed and name != self.step]
        left = sum(self.expected[name] for name in ahead) * pace
        if self.step is not None:
            spent, latest = now - self.step_began, self.lines.latest
            by_phase = latest.left_s(now) if latest else None
            rest = max(self.expected[self.step] * pace - spent, by_phase or 0.0)
            left += rest or 0.1 * spent  # longer than expected: it may take a little more
        return left

    def share(self):
        """Share of the run's time that has passed, in [0, 1]; it never goes back."""
        spent = time.monotonic() - self.began
        if self.expected and len(self.passed) == len(self.expected):
            self._share = 1.0
        elif self.expected and spent > 0:
            self._share = max(self._share, spent / (spent + self.left_s()))
        return self._share

    def line(self, state):
        """The state as a dict: state ("running", "finished", "failed" or "stopped"), at (Unix
        time), step, index (from 1), steps, done, total, text, share, elapsed_s, left_s; the last
        line of a run that made a report also has report and videos (paths)."""
        latest, names = self.lines.latest, list(self.expected)
        return {
            "state": state,
            "at": round(time.time(), 2),
            "step": self.step,
            "index": names.index(self.step) + 1 if self.step else len(self.passed),
            "steps": len(names),
            "done": latest.done if latest else 0,
            "total": latest.total if latest else 0,
            "text": latest.text if latest else "",
            "share": round(self.share(), 4),
            "elapsed_s": round(time.monotonic() - self.began, 1),
            "left_s": round(self.left_s(), 1) if state == "running" else 0.0,
        }

    def write(self, state, **more):
        """Add a line to the file, where there is one; a full disk is no reason to stop here."""
        if self.file:
            with contextlib.suppress(OSError), self.file.open("a", encoding="utf-8") as log:
                log.write(json.dumps({**self.line(state), **more}) + "\n")


@contextlib.contextmanager
def closing(course, more):
    """How a run ends is told to its Course too, however it ends.

    Args:
        more: dict that the run fills with what the last line shall hold besides (report, videos).
    """
    try:
        yield
    except KeyboardInterrupt:
        course.write("stopped", text="stopped; the steps that were finished are kept")
        raise
    except TfhkitError as error:
        course.write("failed", text=" ".join(str(error).split()))
        raise
    except BaseException as error:
        course.write("failed", text=f"unexpected {type(error).__name__}: {error}")
        raise
    course.write("finished", **more)
