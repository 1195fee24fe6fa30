"""A blind viewing test: which of two moving pictures is the real one? Votes go to a file."""

from dataclasses import dataclass
from functools import cache
from zlib import crc32

import numpy as np

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.media import jpeg_bytes
from tfhkit.pipeline.front_end import is_live
from tfhkit.teach.display import picture_html, show_widget
from tfhkit.teach.votes import CATCH, REAL, SIDES, SIMULATED, read_votes

GAP_PX = 12
MOST_S = 6.0  # of a clip in one trial


@dataclass(frozen=True, eq=False)
class Trial:
    """One pair to judge.

    Args:
        name: what is shown beside the real one; the viewer does not see it.
        left, right: (T, H, W, 3) uint8.
        real_side: "left" or "right".
        fps: frames a second.
    """

    name: str
    left: np.ndarray
    right: np.ndarray
    real_side: str
    fps: float

    def frames(self):
        """(T, H, 2 W, 3) uint8: both side by side, so that they are always in step."""
        return np.concatenate([self.left, self.right], axis=2)


def make_trials(pairs, fps, seed=0, repeats=1, easy=None):
    """Pairs in random order, the real one on a random side.

    Args:
        pairs: dict of name -> (real, generated), each (T, H, W, 3) uint8, without sound.
        fps: frames a second.
        seed: seed of order and sides (anything that `numpy.random.default_rng` takes); give each
            viewer another one.
        repeats: how often each pair is shown. Over them the real one is on both sides equally
            often; of a long clip each shows another part.
        easy: pairs that anybody can tell apart. Each comes once as a catch trial, named "catch:
            ...", to see who does not look; never first.
    Returns:
        tuple of Trial.
    Raises:
        ShapeError: the two of a pair differ in shape. InputError: not uint8, or a pair that is
            called "real". ParameterError: fps or repeats.
    """
    if not fps > 0 or repeats < 1:
        fault = f"fps {fps}, repeats {repeats}"
        raise ParameterError("trials", fault, "give a positive rate and one repeat or more")
    rng, trials = np.random.default_rng(seed), []
    for name, (real, generated) in pairs.items():
        _check_pair(name, real, generated)
        first = rng.integers(2)
        for k in range(repeats):
            part = _part(len(real), fps, k / max(repeats - 1, 1))
            trials.append(_trial(name, (real[part], generated[part]), (first + k) % 2, fps))
    ordered = [trials[i] for i in rng.permutation(len(trials))]
    for name, (real, generated) in (easy or {}).items():
        _check_pair(name, real, generated)
        part = _part(len(real), fps, 0)
        catch = _trial(CATCH + name, (real[part], generated[part]), rng.integers(2), fps)
        ordered.insert(rng.integers(min(1, len(ordered)), len(ordered) + 1), catch)
    return tuple(ordered)


def _check_pair(name, real, generated):
    if name == REAL:
        raise InputError("pairs", f"one is called {REAL!r}", "name it after what it shows")
    check_shape(f"{name}: real", real, ("T", "H", "W", 3))
    check_shape(f"{name}: generated", generated, real.shape)
    if not (real.dtype == generated.dtype == np.uint8):
        raise InputError(name, "is not uint8", "scale it to 0..255 first")


def _part(n_frames, fps, place):
    """Rows of a stretch of at most MOST_S; `place` in [0, 1] says where it lies."""
    n = min(n_frames, max(1, round(MOST_S * fps)))
    start = round(place * (n_frames - n))
    return slice(start, start + n)


def _trial(name, pair, side, fps):
    real, generated = pair
    both = (real, generated) if SIDES[side] == "left" else (generated, real)
    return Trial(name, *both, SIDES[side], float(fps))


def contact_sheet(trial, n=5):
    """Some moments of a trial as one picture: (rows of left and right, 3) uint8, for paper.

    Args:
        trial: Trial. n: moments, from left to right; the left clip is above, the right one below.
    """
    shown = np.linspace(0, len(trial.left) - 1, n).astype(int)
    rows = [np.concatenate(list(side[shown]), axis=1) for side in (trial.left, trial.right)]
    gap = np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([rows[0], gap, rows[1]])


@dataclass(frozen=True, eq=False)
class Experiment:
    """What a viewing test shows, and where its votes go; see `viewing_test`."""

    pairs: dict
    fps: float
    path: object
    easy: dict
    repeats: int
    seed: int

    def trials(self, viewer):
        """The trials of a viewer, always the same ones in the same order: tuple of Trial."""
        seed = (self.seed, crc32(viewer.encode()))
        return make_trials(self.pairs, self.fps, seed, self.repeats, self.easy)

    def training(self):
        """The trial that comes first, does not count, and says which one was real; or None."""
        if not self.easy:
            return None
        (name, pair), *_ = self.easy.items()
        return make_trials({name: pair}, self.fps, self.seed)[0]


def viewing_test(pairs, fps, path, easy=None, repeats=2, seed=0):
    """Let people vote which of two clips is real, trial by trial, in a live front end.

    A viewer gives a name (any will do), which decides the order and the sides. A training trial
    comes first and tells the answer; after that nothing is told until the last vote. Each vote is
    written at once, so a viewer whose kernel was restarted resumes where they stopped. Where
    nobody sits in front of the notebook, one trial is shown as a picture.

    Args:
        pairs, fps, repeats: see `make_trials`.
        path: the `.csv` that votes are appended to.
        easy: pairs that anybody can tell apart, for the training trial and as catch trials, which
            are reported apart from the others.
        seed: seed of order and sides, together with the viewer's name.
    Raises:
        InputError: no pairs, or the file is not one of votes. Others: see `make_trials`.
    """
    if not pairs:
        raise InputError("pairs", "are none", "give a dict of name -> (real, generated)")
    experiment = Experiment(pairs, fps, path, easy or {}, repeats, seed)
    votes, _ = read_votes(path)
    trials = experiment.trials("paper")
    alt = (
        f"One trial of the viewing test on paper: {min(5, len(trials[0].left))} moments, the left "
        "clip above, the right one below."
    )
    here = "To vote, open this notebook in JupyterLab and run this cell."
    caption = f"<figcaption><small>{alt} {here} Votes so far: {len(votes)}.</small></figcaption>"
    picture = picture_html(jpeg_bytes(contact_sheet(trials[0]), 85), alt, "image/jpeg")
    static = f'<figure style="margin:0">{picture}{caption}</figure>'
    widget = _widget_class()(experiment) if is_live() else None
    show_widget(widget, static, f"{alt} {here} Votes so far: {len(votes)}.")


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
        fault = traitlets.Dict().tag(sync=True)

        def __init__(self, experiment):
            super().__init__()
            self.serial = 0
            self.session = Session(experiment, self.tell)
            self.on_msg(lambda _, message, __: self.session.hear(message))
            self.session.show()

        def tell(self, message, film):
            """Show a screen, or a fault on the one that is shown."""
            self.serial += 1  # so that the same words arrive a second time, too
            message = message | {"serial": self.serial}
            with self.hold_sync():
                if message["kind"] == "fault":
                    self.fault = message
                else:
                    self.screen, self.film, self.fault = message, film, {}

    return ViewingTest


def simulated_votes(trials, chances, n_viewers=12, seed=0):
    """Votes that nobody cast, to try the analysis on; their viewers are called "simulated-1" ...

    Args:
        trials: tuple of Trial. chances: dict of trial name -> chance to be right.
        n_viewers: how many simulated viewers. seed: random seed of their votes.
    Returns:
        list of dicts, as from `read_votes`.
    """
    rng, votes = np.random.default_rng(seed), []
    for k in range(n_viewers):
        for trial in trials:
            right = rng.random() < chances[trial.name]
            other = SIDES[trial.real_side == "left"]
            names = {"left": trial.name, "right": trial.name, trial.real_side: REAL}
            votes.append({
                "time": "", "viewer": f"{SIMULATED}-{k + 1}", "trial": trial.name, **names,
                "choice": trial.real_side if right else other, "correct": bool(right),
                "seconds": round(float(rng.gamma(4, 2)), 1),
            })  # fmt: skip
    return votes
