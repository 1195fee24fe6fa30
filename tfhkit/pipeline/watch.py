"""Watching a notebook that runs in another process: its progress here, while it works."""

import json
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

from tfhkit.pipeline.progress import clear_terminal, counted, in_words, moving_line

LOG_LINE_EVERY_S = 60.0


class Watch:
    """Shows the progress of a notebook that runs in another process, while the block lasts.

    A terminal gets one moving line, which vanishes; a notebook a bar of its own (or its runner's
    file); anything else a line a minute, or none where the run's progress goes to a file.

    Args:
        file: the file that TFHKIT_PROGRESS names.
        label: the text before each line, e.g. the notebook's name.
        course: the run's `Course`.
        stream: where lines go; None for standard error.
    """

    def __init__(self, file, label, course, stream=None):
        self.file, self.label, self.course = Path(file), label, course
        self.stream = stream or sys.stderr
        self.read, self.doing, self.bar = 0, "", None
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._follow, daemon=True)

    def __enter__(self):
        self.file.write_text("")
        self.began = time.monotonic()
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.thread.join()
        clear_terminal()
        self.file.unlink(missing_ok=True)

    def _follow(self):
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

    def _messages(self):
        """The messages that came since the last look; half a line waits for its rest."""
        with self.file.open("rb") as log:
            log.seek(self.read)
            whole = log.read().rpartition(b"\n")
        self.read += len(whole[0]) + len(whole[1])
        return [json.loads(line) for line in whole[0].splitlines()]

    def _words(self):
        spent = f"{time.monotonic() - self.began:.0f} s"
        left = f"about {in_words(self.course.left_s())} left"
        return [part for part in (spent, self.doing, left) if part]

    def _moving_line(self):
        if self.bar is None:
            look = "{desc} |{bar:20}| {percentage:3.0f}%{postfix}"
            self.bar = moving_line(1.0, bar_format=look)
        *doing, left = self._words()
        self.bar.n = self.course.share()
        self.bar.set_postfix_str(left, refresh=False)
        self.bar.set_description_str("  ".join([self.label, *doing]), refresh=True)


@contextmanager
def followed(file, progress):
    """While the block lasts, hand the progress of another process's run to a callable.

    Args:
        file: what its `tfhkit run --progress` names. progress: callable (done, total, text).
    """
    stop, text = threading.Event(), ""

    def follow():
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


def last_line(file):
    """The last whole line of a progress file as a dict; None where there is none."""
    try:
        with open(file, "rb") as log:
            log.seek(0, 2)
            log.seek(max(0, log.tell() - 65536))
            lines = log.read().rpartition(b"\n")[0].splitlines()
        return json.loads(lines[-1]) if lines else None
    except (OSError, ValueError):
        return None
