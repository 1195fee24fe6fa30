"""Progress of a run of the series and the time left, for its terminal and for programs."""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError, TfhkitError
from tfhkit.pipeline.front_end import in_notebook
from tfhkit.pipeline.progress import Lines, report_progress

# Seconds of each notebook on the sample clip, two cores, with its kernel's start; measured
# for quick and tiny. Other clips and machines differ from it: `Course` measures by how much.
WEIGHTS_S = {
    "quick": {"00": 7, "01": 50, "02": 55, "03": 85, "04": 28, "05": 480, "06": 28, "07": 48},
    "tiny": {"00": 9, "01": 40, "02": 32, "03": 47, "04": 19, "05": 38, "06": 16, "07": 32},
    "full": {"00": 5, "01": 60, "02": 60, "03": 120, "04": 30, "05": 4000, "06": 20, "07": 40},
}
UNKNOWN_S = 8.0  # for a notebook that is not in the table
PRIOR_S = 20.0  # the table weighs as much as this many seconds of finished steps


class Course:
    """The steps of a run: the time that they took, and the time left.

    Args:
        file: the progress file, which gets a JSON line for each change, see `line`; None for none.
    Raises:
        InputError: the file cannot be written.
    """

    def __init__(self, file: Path | str | None = None) -> None:
        self.began = self.step_began = time.monotonic()
        self.expected: dict[str, float] = {}  # seconds of each step by the table
        self.took: dict[str, float] = {}  # seconds of the steps that ran
        self.passed: set[str] = set()
        self.step: str | None = None
        self.lines, self._share = Lines(self.began), 0.0
        self._bar = report_progress("run") if in_notebook() else None
        self.file = Path(file).absolute() if file else None  # papermill changes the current folder
        if self.file:
            try:
                self.file.parent.mkdir(parents=True, exist_ok=True)
                self.file.write_text("")
            except OSError as error:
                fault = f"cannot be written ({error.strerror or error})"
                raise InputError(self.file, fault, "choose another file") from None
        self.write("running")

    def plan(self, names: Iterable[str], profile: str) -> None:
        """Take the notebooks that will run, in their order, and the profile."""
        weights = WEIGHTS_S.get(profile, {})
        self.expected = {name: float(weights.get(name[:2], UNKNOWN_S)) for name in names}

    def begin(self, name: str) -> None:
        """A step begins."""
        self.step, self.step_began = name, time.monotonic()
        self.lines = Lines(self.step_began)
        self.write("running")

    def tell(self, done: int, total: int, text: str) -> None:
        """Take a message of the running step."""
        self.lines.tell(done, total, text, time.monotonic())

    def end(self, name: str, ran: bool) -> None:
        """A step is over; `ran` is False if an earlier result was kept."""
        if ran:
            self.took[name] = time.monotonic() - self.step_began
        self.passed.add(name)
        self.step, self.lines = None, Lines(time.monotonic())
        self.write("running")
        self.draw(name)

    def draw(self, name: str) -> bool:
        """Move the bar of a notebook that runs the series; returns whether there is one."""
        if self._bar is not None:
            self._bar(round(100 * self.share()), 100, f"running {name} %")
        return self._bar is not None

    def pace(self) -> float:
        """Time on this machine, as a multiple of the time in the table."""
        expected = sum(self.expected[name] for name in self.took)
        return (PRIOR_S + sum(self.took.values())) / (PRIOR_S + expected)

    def left_s(self) -> float:
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

    def share(self) -> float:
        """Share of the run's time that has passed, in [0, 1]; it never decreases."""
        spent = time.monotonic() - self.began
        if self.expected and len(self.passed) == len(self.expected):
            self._share = 1.0
        elif self.expected and spent > 0:
            self._share = max(self._share, spent / (spent + self.left_s()))
        return self._share

    def line(self, state: str) -> dict[str, Any]:
        """One line of the progress file.

        Its entries are state ("running", "finished", "failed" or "stopped"), at (Unix time), step,
        index (from 1), steps, done, total, text, share, elapsed_s, left_s. The last line of a run
        that made a report also has report and videos (paths).
        """
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

    def write(self, state: str, **more: Any) -> None:
        """Add a line to the progress file, if there is one; a full disk does not stop the run."""
        if self.file:
            with contextlib.suppress(OSError), self.file.open("a", encoding="utf-8") as log:
                log.write(json.dumps({**self.line(state), **more}) + "\n")


@contextlib.contextmanager
def closing(course: Course, more: dict[str, Any]) -> Iterator[None]:
    """Write to the progress file how the run in this block ends.

    Args:
        course: the run's `Course`.
        more: further entries of the last line (report, videos); the block fills it.
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
