"""Watching a notebook that runs in another process: its progress is shown here meanwhile."""

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOBase
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tfhkit.pipeline.course import Course
from tfhkit.pipeline.progress import clear_terminal, counted, in_words, moving_line
from tfhkit.progress import Progress

LOG_LINE_EVERY_S = 60.0


class Watch:
    """Shows the progress of a notebook that runs in another process, while the block lasts.

    A terminal gets one moving line, which vanishes. A notebook gets a bar (or a line in its
    runner's file). Anything else gets a line a minute, or none if the run has a progress file.

    Args:
        file: the file that TFHKIT_PROGRESS names.
        label: text before each line, e.g. the notebook's name.
        course: the run's `Course`.
        stream: where lines go; None for standard error.
    """

    def __init__(
        self, file: Path | str, label: str, course: Course, stream: TextIOBase | None = None
    ) -> None:
        self.file, self.label, self.course = Path(file), label, course
        self.stream = stream or sys.stderr
        self.read, self.doing = 0, ""
        self.bar: tqdm | None = None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self) -> "Watch":
        self.file.write_text("")
        self.began = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop.set()
        self.thread.join()
        clear_terminal()
        self.file.unlink(missing_ok=True)

    def _follow(self) -> None:
        next_line = time.monotonic() + LOG_LINE_EVERY_S
        while not self.stop.wait(0.5):
            for message in self._messages():
                self.doing = counted(message["text"], message["done"], message["total"])
                self.course.tell(message["done"], message["total"], message["text"])
            self.course.write("running")
            if self.course.draw(self.label):
                continue
            if self.stream.isatty():
                self._moving_line()
            elif time.monotonic() >= next_line and not self.course.file:
                next_line += LOG_LINE_EVERY_S
                self.stream.write("  ".join([self.label, *self._words()]) + "\n")
                self.stream.flush()

    def _messages(self) -> list[dict[str, Any]]:
        """The messages since the last call; a line that is not complete yet is left for later."""
        with self.file.open("rb") as log:
            log.seek(self.read)
            whole = log.read().rpartition(b"\n")
        self.read += len(whole[0]) + len(whole[1])
        return [json.loads(line) for line in whole[0].splitlines()]

    def _words(self) -> list[str]:
        spent = f"{time.monotonic() - self.began:.0f} s"
        left = f"about {in_words(self.course.left_s())} left"
        return [part for part in (spent, self.doing, left) if part]

    def _moving_line(self) -> None:
        if self.bar is None:
            look = "{desc} |{bar:20}| {percentage:3.0f}%{postfix}"
            self.bar = moving_line(1.0, bar_format=look)
        *doing, left = self._words()
        self.bar.n = self.course.share()
        self.bar.set_postfix_str(left, refresh=False)
        self.bar.set_description_str("  ".join([self.label, *doing]), refresh=True)


@contextmanager
def followed(file: Path | str, progress: Progress) -> Iterator[None]:
    """Pass on the progress of a run in another process, while the block lasts.

    Args:
        file: the file that its `tfhkit run --progress` names.
        progress: called as progress(done, total, text).
    """
    stop, text = threading.Event(), ""

    def follow() -> None:
        nonlocal text
        while not stop.wait(0.5):
            state = last_line(file)
            if state and state["state"] == "running" and state["step"]:
                text = f"running {state['step']} %"
                progress(round(100 * state["share"]), 100, text)

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if text:
        progress(100, 100, text)


def last_line(file: Path | str) -> dict[str, Any] | None:
    """The last complete line of a progress file (see `Course.line`); None if there is none."""
    try:
        with open(file, "rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 65536))
            lines = log.read().rpartition(b"\n")[0].splitlines()
        return json.loads(lines[-1]) if lines else None
    except (OSError, ValueError):
        return None
