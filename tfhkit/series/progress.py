"""Progress of a step: a line that moves where somebody watches, few lines where nobody does."""

import json
import os
import sys
import threading
import time
from pathlib import Path

from tfhkit.series.front_end import is_live

_PAUSE_S = {"runner": 0.5, "live": 0.2, "log": 20.0}


def report_progress(name):
    """A callable (done, total, text) for a step.

    Under the runner it tells the runner (through the file TFHKIT_PROGRESS) and keeps the
    stored notebook clean; in a live front end it is one line that moves; else a line now and then.
    """
    file = os.environ.get("TFHKIT_PROGRESS")
    mode = "runner" if file else "live" if is_live() else "log"
    last = {"at": 0.0}

    def progress(done, total, text=""):
        now = time.monotonic()
        if now - last["at"] < _PAUSE_S[mode] and done < total:
            return
        last["at"] = now
        if mode == "runner":
            with open(file, "a", encoding="utf-8") as log:
                log.write(json.dumps({"done": done, "total": total, "text": text}) + "\n")
        elif mode == "live":
            print(f"\r{text} {done}/{total}   ", end="\n" if done >= total else "", flush=True)
        else:
            print(f"{name}: {text} {done}/{total}", flush=True)

    return progress


class Watch:
    """Shows the progress of a notebook that runs in another process, while the block lasts.

    Args:
        file: the file that TFHKIT_PROGRESS names.
        label: what stands before each line, e.g. the notebook's name.
        stream: where to write; a terminal gets one moving line, anything else a line a minute.
    """

    def __init__(self, file, label, stream=sys.stderr):
        self.file, self.label, self.stream = Path(file), label, stream
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
        if self.stream.isatty():
            self.stream.write("\r\033[K")
        self.file.unlink(missing_ok=True)

    def _follow(self):
        moving = self.stream.isatty()
        next_line = time.monotonic() + 60
        while not self.stop.wait(1.0):
            if not moving and time.monotonic() < next_line:
                continue
            next_line = time.monotonic() + 60
            seconds = time.monotonic() - self.began
            text = f"{self.label}  {seconds:4.0f} s  {self._latest()}"
            self.stream.write(f"\r\033[K{text[:100]}" if moving else text + "\n")
            self.stream.flush()

    def _latest(self):
        lines = self.file.read_text(encoding="utf-8").splitlines()
        if not lines:
            return ""
        try:
            state = json.loads(lines[-1])
        except ValueError:  # the line is being written
            return ""
        return f"{state['text']} {state['done']}/{state['total']}"
