"""studio(): a panel that makes a video of the reader's own clip and voice, in a notebook or a page.

The panel only shows and asks: `intake` takes what is chosen, uploaded or recorded, `jobs` runs the
series in a process of its own. A panel that is shown again, or a second one, follows the same run.
"""

import threading
import weakref
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError, TfhkitError
from tfhkit.pipeline import jobs, places
from tfhkit.pipeline.course import WEIGHTS_S
from tfhkit.pipeline.front_end import is_live
from tfhkit.pipeline.progress import in_words
from tfhkit.teach.display import show_widget
from tfhkit.teach.intake import Intake
from tfhkit.teach.results import links_of, videos_of
from tfhkit.teach.uploads import MAX_MB, MAX_SECONDS

STATIC = Path(__file__).parent / "static"
SCRIPTS = ("studio_media.js", "studio_recorder.js", "studio_job.js", "studio.js")
FOLLOW_S = 0.7
MAX_VIDEO_MB = 60  # largest video that is sent to the panel
PROFILES = {
    "quick": "quick: small networks, no graphics card",
    "full": "full: the paper's sizes, for a graphics card",
    "tiny": "tiny: rough, to try this panel",
}
_shown: list[Any] = []  # the panel that this kernel shows


def studio() -> None:
    """Show the panel in a live front end, else a note on what it does."""
    while _shown:
        _shown.pop().close()
    widget = _widget_class()() if is_live() else None
    if widget is not None:
        _shown.append(widget)
    show_widget(widget, _static(), "A panel that makes a video of your own clip and voice.")


def _static() -> str:
    """What is shown in the panel's place where nobody can press its buttons."""
    steps = (
        "choose, upload or record a clip (12 s or more of one person who speaks) and a voice;",
        "read the doctor's advice on the clip;",
        "press <b>Make the video</b>: a bar shows the remaining time, <b>Stop</b> ends the run, "
        "and the next press resumes it;",
        "play the video, and open the report.",
    )
    items = "".join(f"<li>{step}</li>" for step in steps)
    return (
        '<div class="tfhkit-studio-note" style="border:1px solid #999;border-radius:6px;'
        'padding:.6em 1em;max-width:44em"><p><b>Make your own video.</b> In a live JupyterLab, or '
        f"on the page that <code>make app</code> opens, a panel stands here:</p><ol>{items}</ol>"
        "<p>The same in a terminal: <code>make run CLIP=me.mp4 SPEECH=words.wav</code></p></div>"
    )


def profile_words() -> dict[str, str]:
    """By profile: what it is, and how long it takes on the sample clip."""
    return {
        name: f"{text} (about {in_words(60 * round(sum(WEIGHTS_S[name].values()) / 60))})"
        for name, text in PROFILES.items()
    }


@cache
def _widget_class():
    import anywidget
    import traitlets

    class Studio(anywidget.AnyWidget):
        _esm = "\n".join((STATIC / name).read_text(encoding="utf-8") for name in SCRIPTS)
        _css = (STATIC / "studio.css").read_text(encoding="utf-8")
        clip, voice, job = (traitlets.Dict().tag(sync=True) for _ in range(3))
        limits, profiles = (traitlets.Dict().tag(sync=True) for _ in range(2))
        name = traitlets.Unicode().tag(sync=True)

        def __init__(self):
            self.panel = Panel(weakref.proxy(self))
            super().__init__(limits={"mb": MAX_MB, "seconds": MAX_SECONDS},
                             profiles=profile_words(), **self.panel.first())  # fmt: skip
            self.on_msg(lambda _, content, buffers: self.panel.take(content, buffers))
            self.panel.follow()

        def close(self):
            self.panel.end()
            super().close()

    return Studio


class Panel:
    """The Python side of the panel: takes its messages, and keeps what it shows up to date.

    Args:
        widget: has attributes clip, voice, job and name, and `send(content, buffers)`.
    """

    def __init__(self, widget: Any) -> None:  # a widget or a proxy of one
        self.widget = widget
        self.front: dict[str, str] = {}
        self.intake, self.named = Intake(self._slot_changed), False
        self._ended, self._lock = threading.Event(), threading.Lock()
        self._looked_at: tuple[tuple, dict[str, Any]] | None = None  # a finished run, its results

    def first(self) -> dict[str, Any]:
        """What the panel shows at the beginning."""
        slots = self.intake.slots
        return {"clip": slots["clip"], "voice": slots["voice"], "job": self._job(),
                "name": jobs.suggest_name("sample")}  # fmt: skip

    def follow(self) -> None:
        """Follow the job, whoever started it, until `end` is called."""
        threading.Thread(target=self._follow, daemon=True).start()

    def end(self) -> None:
        """Stop following, and end what is running here; a job continues."""
        self._ended.set()
        self.intake.close()

    def _follow(self):
        while not self._ended.wait(FOLLOW_S):
            self.refresh()

    def refresh(self) -> None:
        """Show the job as it is now."""
        try:
            job = self._job()
            if job != self.widget.job:
                self.widget.job = job
        except ReferenceError:  # the panel is gone
            self._ended.set()

    def _job(self) -> dict[str, Any]:
        """The job as the panel shows it; {} if there was none."""
        with self._lock:
            state = jobs.job_state()
            if state is None:
                return {}
            state["left"] = in_words(state["left_s"])
            state["place"] = places.shown(state["out"])
            if state["state"] == "finished":
                key = (state["out"], state["began"], tuple(self.front.items()))
                if self._looked_at is None or self._looked_at[0] != key:
                    self._looked_at = key, self._results(state)
                state |= self._looked_at[1]
            return state

    def _results(self, state):
        links = links_of(state, self.front)
        return {"films": videos_of(state, links), "links": links}

    def _slot_changed(self, slot):
        setattr(self.widget, slot, self.intake.slots[slot])
        if not self.named:
            given = [self.intake.slots[s]["given"] or s for s in ("clip", "voice")]
            self.widget.name = jobs.suggest_name(*given)

    def take(self, content: Mapping[str, Any], buffers: Sequence[Any]) -> None:
        """Act on a message of the panel; a fault goes back to it as a sentence."""
        try:
            getattr(self, f"_do_{content['do']}")(content, buffers)
        except TfhkitError as error:
            self._say(content, " ".join(str(error).split()))
        except Exception as error:  # in a widget's callback it would pass unseen
            self._say(content, f"unexpected {type(error).__name__}: {error}")

    def _say(self, content, fault):
        self.widget.send({"about": content["do"], "number": content.get("number"), "fault": fault})

    def _do_hello(self, content, _):
        self.front = {"root": content.get("root") or "", "base": content.get("base") or "/"}
        self.refresh()

    def _do_ping(self, *_):
        self.widget.send({"about": "pong"})

    def _do_choose(self, content, _):
        self.intake.choose(content["slot"], content["given"].strip())

    def _do_begin(self, content, _):
        self.intake.begin(content["slot"], content["number"], content["name"], content["size"])
        self._received(content, 0)

    def _do_part(self, content, buffers):
        received = self.intake.add(content["number"], content["offset"], bytes(buffers[0]))
        self._received(content, received)

    def _received(self, content, received):
        self.widget.send({"about": "part", "number": content["number"], "received": received})

    def _do_cancel(self, content, _):
        self.intake.cancel(content["slot"])

    def _do_examine(self, *_):
        self.intake.examine()

    def _do_rename(self, content, _):
        jobs.check_name(content["name"])
        self.named, self.widget.name = True, content["name"]

    def _do_start(self, content, _):
        clip, voice = self.intake.given()
        jobs.start_job(content["name"], clip, voice, content["profile"])
        self.refresh()

    def _do_resume(self, *_):
        state = jobs.job_state()
        if state is None:
            raise InputError("runs", "hold no run to resume", "press Make the video")
        jobs.start_job(state["name"], state["clip"], state["speech"], state["profile"])
        self.refresh()

    def _do_stop(self, *_):
        jobs.stop_job()
        self.refresh()

    def _do_film(self, content, _):
        """Send a video of the latest run; other files are refused."""
        films = {film["file"]: film for film in self.widget.job.get("films", ())}
        if content["file"] not in films:
            raise InputError(content["file"], "is not a video of this run", "run it again")
        path = Path(self.widget.job["out"]) / content["file"]
        if path.stat().st_size > MAX_VIDEO_MB * 1e6:
            raise InputError(path, "is too large to be shown here", "open the file itself")
        answer = {"about": "film", "file": content["file"]}
        self.widget.send(answer, [path.read_bytes()])
