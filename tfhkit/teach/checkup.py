"""The doctor's advice on a clip, in words, from a process of its own that can be ended."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError
from tfhkit.pipeline.jobs import job_environment
from tfhkit.pipeline.progress import Lines, in_words
from tfhkit.pipeline.watch import last_line

PAUSE_S = 0.3
Advice = list[dict[str, str]]  # kind ("fact", "stops", "advice" or "fine") and text


class Checkup:
    """`tfhkit doctor` on one clip.

    Args:
        path: the clip.
    """

    def __init__(self, path: str | Path) -> None:
        self.path, self._ended = path, False

    def end(self) -> None:
        """Stop it; `run` then returns None."""
        self._ended = True

    def run(self, tell: Callable[[float, str], None]) -> Advice | None:
        """Examine the clip.

        Args:
            tell: called now and then with the share that is done, in [0, 1], and a text.
        Returns:
            The `advice` on the clip, or None if `end` was called.
        Raises:
            InputError: the clip is not a video, or the examination failed.
        """
        with tempfile.TemporaryDirectory() as folder:
            progress, answer = Path(folder) / "progress", Path(folder) / "answer"
            command = [sys.executable, "-m", "tfhkit.cli", "doctor", "--json", str(self.path)]
            environment = job_environment() | {"TFHKIT_PROGRESS": str(progress)}
            with open(answer, "wb") as said:
                process = subprocess.Popen(
                    command, env=environment, stdin=subprocess.DEVNULL, stdout=said,
                    stderr=subprocess.DEVNULL,
                )  # fmt: skip
                try:
                    self._follow(process, progress, tell)
                finally:
                    process.kill()
                    process.wait()
            if self._ended:
                return None
            return _advice_of(answer.read_text(encoding="utf-8"), self.path)

    def _follow(self, process, progress, tell):
        lines = Lines(time.monotonic())
        while process.poll() is None and not self._ended:
            line = last_line(progress)
            if line:
                work = lines.tell(line["done"], line["total"], line["text"], time.monotonic())
                left = work.left_s()
                more = "" if left is None else f", about {in_words(left)} left"
                tell(line["done"] / max(line["total"], 1), f"{line['text']}{more}")
            time.sleep(PAUSE_S)


def _advice_of(text: str, path: str | Path) -> Advice:
    try:
        result = json.loads(text)
    except ValueError:
        remedy = f"run 'tfhkit doctor {path}' in a terminal to see why"
        raise InputError(path, "the check ended without an answer", remedy) from None
    if "error" in result:
        raise InputError(path, result["error"].removeprefix(f"{path}: "), "choose another clip")
    return advice(result)


def advice(result: Mapping[str, Any]) -> Advice:
    """What `tfhkit doctor --json` found, as sentences."""
    facts, problems = result["footage"], result["problems"]
    words = [f"{facts['seconds']:.1f} s, {facts['frames']} frames, {facts['fps']:.3g} per second"]
    if facts.get("face_px") is not None:
        words.append(f"the face is {facts['face_px']:.0f} px wide and visible in "
                     f"{facts['face_share']:.0%} of the frames")  # fmt: skip
    if "yaw_deg" in facts:
        low, high = facts["yaw_deg"]
        words.append(f"the head turns from {low:.0f} to {high:.0f} degrees")
    said = [{"kind": "fact", "text": "; ".join(words) + "."}]
    for check in result["checks"]:
        if check["state"] == "fault":
            text = f"The kit lacks a part: {check['what']}: {check['text']}."
            said.append({"kind": "stops", "text": text})
    for problem in sorted(problems, key=lambda problem: not problem["stops"]):
        text = f"{problem['fault']}; {problem['remedy']}."
        text = f"it {text}" if text.startswith(("is ", "has ", "cannot ")) else text
        kind = "stops" if problem["stops"] else "advice"
        said.append({"kind": kind, "text": text[0].upper() + text[1:]})
    if len(said) == 1:
        said.append({"kind": "fine", "text": "This clip will do."})
    return said
