"""Progress of a step: a bar in a live front end, single lines elsewhere."""

import contextlib
import html
import json
import os
import re
import sys
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from tfhkit.pipeline.front_end import ipython_shell, is_live
from tfhkit.progress import Progress

SHOWN_FROM_S = 1.0  # shorter work needs no bar
_PAUSE_S = {"runner": 0.5, "live": 0.2, "terminal": 0.1, "log": 20.0}
_MAX_LINES = 8
_ALIVE = "width:14em;max-width:40%;height:.8em;vertical-align:middle;margin-right:.6em"


def report_progress(name: str) -> Progress:
    """The progress callable of a step.

    Under the runner it tells the runner (through the file TFHKIT_PROGRESS) and keeps the stored
    notebook clean. In a live front end it is a bar that moves, and one line when the cell is
    done. Otherwise it prints a line now and then, about work that takes longer than two seconds.
    """
    file = os.environ.get("TFHKIT_PROGRESS")
    if file:
        return _to_file(file)
    return _LiveBars() if is_live() else _log(name, lambda text: print(text, flush=True))


def terminal_progress() -> Progress:
    """The progress callable of a command: a moving line on a terminal, which clears itself;
    otherwise a line now and then on standard error."""
    if os.environ.get("TFHKIT_PROGRESS"):
        return _to_file(os.environ["TFHKIT_PROGRESS"])
    if sys.stderr.isatty():
        return _Terminal()
    return _log("", lambda text: print(text, file=sys.stderr, flush=True))


class Line:
    """One kind of work that counts up, and how long it takes.

    Args:
        text: name of the work.
        done, total: how much of it is done, and how much there is.
        began: start of the work (seconds of a monotonic clock).
        now: time of this first message, on the same clock.
    """

    def __init__(self, text: str, done: int, total: int, began: float, now: float) -> None:
        self.spent = 0.0  # seconds of earlier rounds of the same work
        self._restart(text, done, total, began, now)

    def _restart(self, text: str, done: int, total: int, began: float, now: float) -> None:
        self.text, self.done, self.total = text, done, total
        self.began, self.at = began, now
        self._first = (done, now)  # the time until the first message is no measure of the rate

    def takes(self, text: str, done: int, total: int) -> bool:
        """Whether a message continues this line: the same work, or the same count continues."""
        goes_on = total == self.total and self.done <= done and self.done < self.total
        return goes_on or _head(text) == _head(self.text)

    def tell(self, text: str, done: int, total: int, now: float) -> None:
        """Take a message of this line (see `takes`)."""
        if total != self.total or done < self.done:
            self.spent += self.at - self.began
            self._restart(text, done, total, self.at, now)
        self.text, self.done, self.at = text, done, now

    @property
    def seconds(self) -> float:
        """Time spent on the work, up to the latest message."""
        return self.spent + self.at - self.began

    def left_s(self, now: float | None = None) -> float | None:
        """Seconds until it is done at the present rate; None while the rate is unknown."""
        done, since = self._first
        if self.done >= self.total:
            return 0.0
        if self.done <= done or self.at <= since:
            return None
        rate = (self.done - done) / (self.at - since)
        waited = 0.0 if now is None else now - self.at
        return max(0.0, (self.total - self.done) / rate - waited)

    def words(self, final: bool = False) -> str:
        """The line as text: "landmarks: 34 of 104, 3 s, about 7 s left", or "fitting: 33 %, 3 s"
        where the text ends with a percent sign."""
        count = f"{self.text}: {self.done} of {self.total}".lstrip(": ")
        if self.text.endswith("%"):
            count = f"{self.text[:-1].rstrip()}: {100 * self.done / self.total:.0f} %"
        parts = [count, in_words(self.seconds)]
        left = None if final or self.done >= self.total else self.left_s()
        return ", ".join(parts if left is None else [*parts, f"about {in_words(left)} left"])


def _head(text: str) -> str:
    """The part that does not change while the work continues: "refiner" of "refiner, L1 0.0123"."""
    return re.split(r"[,:(]", text)[0].strip()


def in_words(seconds: float) -> str:
    """A duration for people: "7 s", "4 min 10 s", "1 h 5 min"."""
    seconds = round(seconds)
    if seconds < 100:
        return f"{seconds} s"
    minutes, rest = divmod(seconds, 60)
    if minutes < 10:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def counted(text: str, done: int, total: int) -> str:
    """A message in a few words: "landmarks 34/104", or "running 00_start_here 22 %"."""
    if text.endswith("%"):
        return f"{text[:-1].rstrip()} {100 * done / total:.0f} %"
    return f"{text} {done}/{total}".lstrip()


class Lines:
    """The lines of all work that one cell or one command does.

    Args:
        began: when the cell or command began (seconds of a monotonic clock).
    """

    def __init__(self, began: float) -> None:
        self.all: list[Line] = []
        self.latest: Line | None = None
        self._last = began

    def tell(self, done: int, total: int, text: str, now: float) -> Line:
        """Take a message; returns the line that it belongs to."""
        found = [line for line in self.all if line.takes(text, done, total)]
        if self.latest in found:
            found = [self.latest]
        if found:
            found[0].tell(text, done, total, now)
        else:
            self.all.append(Line(text, done, total, self._last, now))
            found = self.all[-1:]
        self._last, self.latest = now, found[0]
        return found[0]


def _to_file(file: str) -> Progress:
    """Messages as JSON lines {"done", "total", "text"} at the end of a file."""
    last = {"at": 0.0}

    def progress(done, total, text=""):
        now = time.monotonic()
        if now - last["at"] < _PAUSE_S["runner"] and done < total:
            return
        last["at"] = now
        with contextlib.suppress(OSError), open(file, "a", encoding="utf-8") as log:
            log.write(json.dumps({"done": done, "total": total, "text": text}) + "\n")

    return progress


def _log(name: str, write: Callable[[str], None]) -> Progress:
    """A line now and then, and at the end of work that took longer than two seconds."""
    lines, said = Lines(time.monotonic()), {"at": time.monotonic()}

    def progress(done, total, text=""):
        now = time.monotonic()
        line = lines.tell(done, total, text, now)
        ended = done >= total and line.seconds >= 2 * SHOWN_FROM_S
        if ended or now - said["at"] >= _PAUSE_S["log"]:
            said["at"] = now
            write(f"{name}: {line.words()}".removeprefix(": "))

    return progress


_open_bars: list[tqdm] = []  # on the terminal


def clear_terminal() -> None:
    """Remove unfinished moving lines from the terminal, before something else is printed."""
    while _open_bars:
        _open_bars.pop().close()


def moving_line(total: float, bar_format: str) -> tqdm:
    """A tqdm bar on standard error that vanishes when it is closed."""
    tqdm.monitor_interval = 0  # no thread that watches the bars
    place = {"leave": False, "dynamic_ncols": True, "file": sys.stderr}
    bar = tqdm(total=total, bar_format=bar_format, **place)
    _open_bars.append(bar)
    return bar


class _Terminal:
    """A moving line for each kind of work, one at a time."""

    def __init__(self) -> None:
        self.lines, self.drawn = Lines(time.monotonic()), 0.0
        self.bar: tqdm | None = None

    def __call__(self, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        line = self.lines.tell(done, total, text, now)
        if done >= total:
            clear_terminal()
            self.bar = None
        elif now - self.drawn > _PAUSE_S["terminal"] and line.seconds > 0.3:
            self.drawn = now
            if self.bar is None or self.bar.total != total or self.bar not in _open_bars:
                clear_terminal()
                self.bar = moving_line(total, bar_format="{desc} |{bar:24}| {n_fmt}/{total_fmt}"
                                       "{postfix}")  # fmt: skip
            left = line.left_s()
            self.bar.n = done
            self.bar.set_description_str(text, refresh=False)
            self.bar.set_postfix_str("" if left is None else f"about {in_words(left)} left", False)
            self.bar.refresh()


class _LiveBars:
    """The bars of a live notebook: one below each cell, which becomes a line at the end."""

    def __init__(self) -> None:
        self.lines: Lines | None = None
        self.handle: Any = None  # IPython's, of the cell's bars
        self.began, self.drawn = time.monotonic(), 0.0
        events = ipython_shell().events
        events.register("pre_run_cell", self._cell_begins)
        events.register("post_run_cell", self._cell_ends)

    def _cell_begins(self, *_: Any) -> None:
        self.began, self.lines, self.handle = time.monotonic(), None, None

    def _cell_ends(self, *_: Any) -> None:
        if self.lines is not None and self.handle is not None:
            self._draw(self.lines, final=True)
        self.lines = self.handle = None

    def __call__(self, done: int, total: int, text: str = "") -> None:
        now = time.monotonic()
        if self.lines is None:
            self.lines = Lines(self.began)
        line = self.lines.tell(done, total, text, now)
        shown = self.handle is not None or line.seconds >= SHOWN_FROM_S
        if shown and (now - self.drawn >= _PAUSE_S["live"] or done >= total):
            self.drawn = now
            self._draw(self.lines)

    def _draw(self, told: Lines, final: bool = False) -> None:
        from IPython.display import display

        lines = [line for line in told.all if line.seconds >= SHOWN_FROM_S]
        lines = lines[-_MAX_LINES:]
        alive = None if final else told.latest
        words = [line.words(final or line is not alive) for line in lines]
        rows = [_row(line, text, line is alive) for line, text in zip(lines, words)]
        bundle = {"text/html": "\n".join(rows), "text/plain": "\n".join(words)}
        if self.handle is None:
            self.handle = display(bundle, raw=True, display_id=True)
        else:
            self.handle.update(bundle, raw=True)


def _row(line: Line, words: str, alive: bool) -> str:
    """One line as HTML, with a bar while its work continues."""
    bar = ""
    if alive and line.done < line.total:
        label = html.escape(line.text, quote=True)
        bar = (f'<progress aria-label="{label}" value="{line.done}" max="{line.total}" '
               f'style="{_ALIVE}"></progress>')  # fmt: skip
    return f'<div class="tfhkit-progress" style="font-size:.9em">{bar}{html.escape(words)}</div>'
