"""Blind viewing tests and user studies in a notebook: people look, and their votes go to a file."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np

from tfhkit.errors import InputError
from tfhkit.media import jpeg_bytes
from tfhkit.pipeline.front_end import is_live
from tfhkit.teach.display import picture_html, show_widget
from tfhkit.teach.viewing_trials import Ballot, Pairs, Trial, contact_sheet, make_trials
from tfhkit.teach.votes import read_votes

SECONDS_EACH = 12  # that a vote takes, roughly
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"  # of the versions on the screen


@dataclass(frozen=True, eq=False)
class Experiment:
    """What a widget shows, and where its votes go.

    Args:
        make: the trials from a seed.
        path: the `.csv` file of the votes.
        seed: random seed, used together with the viewer's name.
        intro: what a viewer reads before the first trial.
        practice: a trial that does not count and tells which clip was real, or None.
    """

    make: Callable[[tuple[int, int]], tuple[Trial, ...]]
    path: str | Path
    seed: int
    intro: str
    practice: Trial | None = None

    def trials(self, viewer: str) -> tuple[Trial, ...]:
        """The trials of a viewer, always the same ones in the same order."""
        return self.make((self.seed, crc32(viewer.encode())))


def viewing_experiment(
    pairs: Pairs,
    fps: float,
    path: str | Path,
    easy: Pairs | None = None,
    repeats: int = 2,
    seed: int = 0,
) -> Experiment:
    """Which of two clips is real: see `viewing_test`."""
    if not pairs:
        raise InputError("pairs", "are none", "give a dict of name -> (real, generated)")
    practice = None
    if easy:
        (name, pair), *_ = easy.items()
        practice = make_trials({name: pair}, fps, seed)[0]
    intro = "Two clips play side by side, without sound. One was filmed, one was made: which one "
    intro += "is real? "
    if practice:
        intro += "Before the trials comes one for training, which does not count. "

    def make(seeds: tuple[int, int]) -> tuple[Trial, ...]:
        return make_trials(pairs, fps, seeds, repeats, easy)

    make((seed, 0))  # so that a fault is told now
    return Experiment(make, path, seed, intro, practice)


def study_experiment(ballots: Sequence[Ballot], path: str | Path, seed: int = 0) -> Experiment:
    """Questions about some clips: see `user_study`."""
    if not ballots:
        raise InputError("ballots", "are none", "give one or more")

    def make(seeds: tuple[int, int]) -> tuple[Trial, ...]:
        rng = np.random.default_rng(seeds)
        return tuple(trial for ballot in ballots for trial in ballot.trials(rng))

    intro = "Clips play side by side, in random order and without names. "
    if any(ballot.audio for ballot in ballots):
        intro += "Some have sound: turn it on. "
    return Experiment(make, path, seed, intro)


def viewing_test(
    pairs: Pairs,
    fps: float,
    path: str | Path,
    easy: Pairs | None = None,
    repeats: int = 2,
    seed: int = 0,
) -> None:
    """Let people vote which of two clips is real, trial by trial, in a live front end.

    A viewer gives a name (any will do), which decides the order and the sides. A training trial
    comes first and tells the answer; after that nothing is told until the last vote. Each vote is
    written at once, so a viewer whose kernel was restarted resumes where they stopped. A headless
    run shows one trial as a picture.

    Args:
        pairs, fps, repeats: see `make_trials`.
        path: the `.csv` file that votes are appended to.
        easy: pairs that anybody can tell apart, for the training trial and as catch trials, which
            are reported separately.
        seed: random seed of the order and the sides, used together with the viewer's name.
    Raises:
        InputError: no pairs, or the file is not a table of votes. Others: see `make_trials`.
    """
    experiment = viewing_experiment(pairs, fps, path, easy, repeats, seed)
    _show(experiment, experiment.trials("paper")[:1])


def user_study(ballots: Sequence[Ballot], path: str | Path, seed: int = 0) -> None:
    """Let people answer questions about clips, one at a time, in a live front end.

    As in the paper: the best of some clips (Table 1), a rating of two clips from 1 to 5
    (Sec. 4.4), and all that are best (App. B). The order of clips and versions is random and
    follows from the seed and the viewer's name; the screen shows no names. Each vote is written
    at once, so a viewer whose kernel was restarted resumes where they stopped. A headless run
    shows the first trial of each ballot as a picture.

    Args:
        ballots: what is asked about which clips, part by part.
        path: the `.csv` file that votes are appended to.
        seed: random seed, used together with the viewer's name.
    Raises:
        InputError: no ballots, or the file is not a table of votes.
    """
    experiment = study_experiment(ballots, path, seed)
    trials = experiment.trials("paper")
    firsts = np.cumsum([0, *(len(b.clips) * len(b.questions) for b in ballots[:-1])])
    _show(experiment, [trials[first] for first in firsts])


def _show(experiment, trials):
    """The widget in a live front end, with trials on paper as its static picture."""
    n_votes = len(read_votes(experiment.path)[0])
    here = "To vote, open this notebook in JupyterLab and run this cell. "
    here += f"Votes so far: {n_votes}."
    figures, texts = "", []
    for trial in trials:
        alt = describe_trial(trial)
        picture = picture_html(jpeg_bytes(contact_sheet(trial), 80), alt, "image/jpeg")
        figures += f"{picture}<figcaption><small>{alt}</small></figcaption>"
        texts.append(alt)
    static = f'<figure style="margin:0">{figures}<p><small>{here}</small></p></figure>'
    widget = _widget_class()(experiment) if is_live() else None
    show_widget(widget, static, " ".join([*texts, here]))


def describe_trial(trial: Trial) -> str:
    """A sentence on a trial's picture on paper; it does not tell which version is which."""
    n = min(5, len(trial.views[0]))
    if trial.question.kind == "real":
        rows = "the left clip above, the right one below"
    elif trial.question.kind == "rating":
        rows = "one clip above, the other one below"
    else:
        rows = f"clips {LETTERS[0]} to {LETTERS[len(trial.views) - 1]} from the top"
    if trial.reference is not None:
        rows = f"the real clip above, below it {rows}"
    moments = f"{n} moment{'s' * (n > 1)}"
    return f"One trial of the viewing test on paper, {trial.question.text!r}: {moments}, {rows}."


@cache
def _widget_class():
    """The widget, defined when it is needed: anywidget is slow to import."""
    import anywidget
    import traitlets

    from tfhkit.teach.film import script, style
    from tfhkit.teach.viewing_session import Session

    class ViewingTest(anywidget.AnyWidget):
        _esm, _css = script("film", "viewing"), style("viewing")
        screen = traitlets.Dict().tag(sync=True)
        film = traitlets.Bytes().tag(sync=True)
        sound = traitlets.Bytes().tag(sync=True)
        fault = traitlets.Dict().tag(sync=True)

        def __init__(self, experiment):
            super().__init__()
            self.serial = 0
            self.session = Session(experiment, self.tell)
            self.on_msg(lambda _, message, __: self.session.hear(message))
            self.session.show()

        def tell(self, message, film, sound):
            """Show a screen, or a fault on the current one."""
            self.serial += 1  # so that the same words arrive a second time, too
            message = message | {"serial": self.serial}
            with self.hold_sync():
                if message["kind"] == "fault":
                    self.fault = message
                else:
                    self.screen, self.film, self.sound = message, film, sound
                    self.fault = {}

    return ViewingTest
