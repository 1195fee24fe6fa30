"""A blind viewing test: which of two moving pictures is the real one? Votes go to a file."""

import io
import time
import uuid
from dataclasses import dataclass

import numpy as np

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.series.front_end import is_live
from tfhkit.teach.votes import REAL, SIDES, SIMULATED, read_votes, record_vote

GAP_PX = 12


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
        """(T, H, 2 W + gap, 3) uint8: both side by side, in step."""
        gap = np.full((*self.left.shape[:2], GAP_PX, 3), 255, np.uint8)
        return np.concatenate([self.left, gap, self.right], axis=2)


def make_trials(pairs, fps, seed=0, repeats=1):
    """Pairs in random order, the real one on a random side.

    Args:
        pairs: dict of name -> (real, generated), each (T, H, W, 3) uint8, without sound.
        fps: frames a second.
        seed: of order and sides; give each viewer another one.
        repeats: how often each pair is shown; sides are balanced over the repeats.
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
        if name == REAL:
            raise InputError("pairs", f"one is called {REAL!r}", "name it after what it shows")
        check_shape(f"{name}: real", real, ("T", "H", "W", 3))
        check_shape(f"{name}: generated", generated, real.shape)
        if not (real.dtype == generated.dtype == np.uint8):
            raise InputError(name, "is not uint8", "scale it to 0..255 first")
        first = rng.integers(2)
        for k in range(repeats):
            side = SIDES[(first + k) % 2]
            both = (real, generated) if side == "left" else (generated, real)
            trials.append(Trial(name, *both, side, float(fps)))
    return tuple(trials[i] for i in rng.permutation(len(trials)))


def animation(frames, fps, quality=80):
    """Frames as an animated WebP that plays without end: bytes.

    Args:
        frames: (T, H, W, 3) uint8. fps: frames a second.
    """
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in frames]
    # whole milliseconds, but the right length over all
    edges = np.round(np.arange(len(frames) + 1) * 1000 / fps).astype(int)
    file, lengths = io.BytesIO(), np.diff(edges).tolist()
    pictures[0].save(
        file, "webp", save_all=True, append_images=pictures[1:], duration=lengths, loop=0,
        quality=quality, method=2,
    )  # fmt: skip
    return file.getvalue()


def contact_sheet(trial, n=5):
    """Some moments of a trial as one picture: (rows of left and right, 3) uint8, for paper.

    Args:
        trial: Trial. n: moments, from left to right; the left clip is above, the right one below.
    """
    shown = np.linspace(0, len(trial.left) - 1, n).astype(int)
    rows = [np.concatenate(list(side[shown]), axis=1) for side in (trial.left, trial.right)]
    gap = np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([rows[0], gap, rows[1]])


def viewing_test(trials, path, viewer=None):
    """Let somebody vote, trial by trial; without feedback until the last one.

    Where nobody sits in front of the notebook, one trial is shown as a picture, and how many
    votes the file holds.

    Args:
        trials: tuple of Trial.
        path: the `.csv` that votes are appended to.
        viewer: who votes; None makes up a name.
    Returns:
        None.
    Raises:
        InputError: no trials, or the file is not one of votes.
    """
    if not trials:
        raise InputError("trials", "are none", "make some with make_trials")
    votes, _ = read_votes(path)
    if is_live():
        _Session(trials, path, viewer or f"viewer-{uuid.uuid4().hex[:6]}").show()
        return
    from tfhkit.teach.explorer import explore

    def first_trial(number):
        """One trial of the viewing test: moments of the left clip above, of the right one below."""
        return contact_sheet(trials[number])

    explore(first_trial, number=[0])
    print(f"trial 1 of {len(trials)}; votes so far: {len(votes) or 'none yet'}")


class _Session:
    """One viewer's way through the trials."""

    def __init__(self, trials, path, viewer):
        import ipywidgets

        self.trials, self.path, self.viewer, self.cast = trials, path, viewer, []
        self.picture = ipywidgets.Image(format="webp", tooltip="two clips, side by side")
        self.text = ipywidgets.Label()
        self.buttons = [ipywidgets.Button(description=f"{side} is real") for side in SIDES]
        for side, button in zip(SIDES, self.buttons):
            button.on_click(lambda _, side=side: self.vote(side))
        self.box = ipywidgets.VBox([self.text, self.picture, ipywidgets.HBox(self.buttons)])
        self.ask()

    def show(self):
        from IPython.display import display

        display(self.box)

    def ask(self):
        trial = self.trials[len(self.cast)]
        self.picture.value = animation(trial.frames(), trial.fps)
        self.text.value = f"{len(self.cast) + 1} of {len(self.trials)}: which one is real?"
        self.began = time.monotonic()

    def vote(self, side):
        seconds = time.monotonic() - self.began
        try:
            row = record_vote(self.path, self.viewer, self.trials[len(self.cast)], side, seconds)
        except InputError as error:  # in a widget's callback it would pass unseen
            self.text.value = str(error)
            return
        self.cast.append(row)
        if len(self.cast) < len(self.trials):
            self.ask()
            return
        for button in self.buttons:
            button.disabled = True
        right = sum(row["correct"] for row in self.cast)
        self.text.value = f"Thank you. {right} of {len(self.cast)} were right; a coin gets half."


def simulated_votes(trials, chances, n_viewers=12, seed=0):
    """Votes that nobody cast, to try the analysis on; their viewers are called "simulated-1" ...

    Args:
        trials: tuple of Trial. chances: dict of trial name -> chance to be right.
        n_viewers: how many simulated viewers. seed: of their votes.
    Returns:
        list of dicts, as of `read_votes`.
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
