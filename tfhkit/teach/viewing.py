"""A blind viewing test: which of two moving pictures is the real one? Votes go to a file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
from jaxtyping import UInt8

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.media import jpeg_bytes
from tfhkit.pipeline.front_end import is_live
from tfhkit.teach.display import picture_html, show_widget
from tfhkit.teach.votes import CATCH, REAL, SIDES, SIMULATED, Vote, read_votes

Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]  # by name: (real, generated)
GAP_PX = 12
MOST_S = 6.0  # longest part of a clip in one trial


@dataclass(frozen=True, eq=False)
class Trial:
    """One pair to judge.

    Args:
        name: name of the pair; the viewer does not see it.
        left, right: frames of the two clips.
        real_side: "left" or "right".
        fps: frames a second.
    """

    name: str
    left: UInt8[np.ndarray, "T H W 3"]
    right: UInt8[np.ndarray, "T H W 3"]
    real_side: str
    fps: float

    def frames(self) -> UInt8[np.ndarray, "T H _ 3"]:
        """Both clips side by side, so that they are always in step."""
        return np.concatenate([self.left, self.right], axis=2)


def make_trials(
    pairs: Pairs,
    fps: float,
    seed: int | Sequence[int] = 0,
    repeats: int = 1,
    easy: Pairs | None = None,
) -> tuple[Trial, ...]:
    """Pairs in random order, the real one on a random side.

    Args:
        pairs: by name, (real, generated): (T, H, W, 3) uint8 each, without sound.
        fps: frames a second.
        seed: random seed of the order and the sides; give each viewer another one.
        repeats: how often each pair is shown. Over the repeats the real clip is on both sides
            equally often; of a long clip each repeat shows another part.
        easy: pairs that anybody can tell apart. Each is shown once as a catch trial, named "catch:
            ...", to find viewers who do not look; never first.
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
    """Rows of a part of at most MOST_S; `place` in [0, 1] says where it lies."""
    n = min(n_frames, max(1, round(MOST_S * fps)))
    start = round(place * (n_frames - n))
    return slice(start, start + n)


def _trial(name, pair, side, fps):
    real, generated = pair
    both = (real, generated) if SIDES[side] == "left" else (generated, real)
    return Trial(name, *both, SIDES[side], float(fps))


def contact_sheet(trial: Trial, n: int = 5) -> UInt8[np.ndarray, "rows columns 3"]:
    """Some moments of a trial as one picture; the left clip is above, the right one below.

    Args:
        trial: the trial.
        n: number of moments, from left to right.
    """
    shown = np.linspace(0, len(trial.left) - 1, n).astype(int)
    rows = [np.concatenate(list(side[shown]), axis=1) for side in (trial.left, trial.right)]
    gap = np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([rows[0], gap, rows[1]])


@dataclass(frozen=True, eq=False)
class Experiment:
    """What a viewing test shows, and where its votes go; see `viewing_test`."""

    pairs: Pairs
    fps: float
    path: str | Path
    easy: Pairs
    repeats: int
    seed: int

    def trials(self, viewer: str) -> tuple[Trial, ...]:
        """The trials of a viewer, always the same ones in the same order."""
        seed = (self.seed, crc32(viewer.encode()))
        return make_trials(self.pairs, self.fps, seed, self.repeats, self.easy)

    def training(self) -> Trial | None:
        """The first trial, which does not count and tells which clip was real; or None."""
        if not self.easy:
            return None
        (name, pair), *_ = self.easy.items()
        return make_trials({name: pair}, self.fps, self.seed)[0]


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
            """Show a screen, or a fault on the current one."""
            self.serial += 1  # so that the same words arrive a second time, too
            message = message | {"serial": self.serial}
            with self.hold_sync():
                if message["kind"] == "fault":
                    self.fault = message
                else:
                    self.screen, self.film, self.fault = message, film, {}

    return ViewingTest


def simulated_votes(
    trials: Sequence[Trial], chances: Mapping[str, float], n_viewers: int = 12, seed: int = 0
) -> list[Vote]:
    """Votes that nobody cast, to try the analysis on; their viewers are called "simulated-1" ...

    Args:
        trials: what the viewers see.
        chances: by name of the trial, the probability of a correct vote.
        n_viewers: number of simulated viewers.
        seed: random seed of their votes.
    Returns:
        Votes as from `read_votes`.
    """
    rng = np.random.default_rng(seed)
    votes: list[Vote] = []
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
