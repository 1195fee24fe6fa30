"""What a viewer is asked, trial by trial: questions, clips in blind order, and their parts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.media import SR_HZ
from tfhkit.teach.votes import BETWEEN, CATCH, KINDS, REAL, SIDES

Pairs = Mapping[str, tuple[np.ndarray, np.ndarray]]  # by name: (real, generated)
Versions = Mapping[str, np.ndarray]  # by name: frames of one clip
GAP_PX = 12
MOST_S = 6.0  # longest part of a clip in one trial


@dataclass(frozen=True)
class Question:
    """What a viewer is asked.

    Args:
        kind: "real" (which of two is real), "best" (one of some), "rating" (two clips, 1 to 5) or
            "several" (all that are best).
        name: short name for the table of votes.
        text: what the viewer reads.
        levels: words for the ratings 1 to 5.
    """

    kind: str
    name: str
    text: str
    levels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ParameterError("kind", f"unknown {self.kind!r}", f"choose one of {KINDS}")


WHICH_IS_REAL = Question("real", "real", "Which clip is real, the left or the right one?")
BEST_OF_FIVE = (  # Sec. 4.3, Table 1
    Question("best", "image quality", "Which clip has the best image quality?"),
    Question("best", "lip synchronisation", "In which clip do the lips fit the sound best?"),
    Question("best", "naturalness", "Which clip shows the most natural talking?"),
)
SIMILARITY = Question(  # Sec. 4.4
    "rating",
    "head pose similarity",
    "How similar are the head poses of the two clips?",
    ("not similar", "maybe not similar", "don't know", "maybe similar", "similar"),
)
ALL_THAT_ARE_BEST = Question(  # App. B
    "several", "visual quality", "Which clips have the best visual quality? Choose one or more."
)


@dataclass(frozen=True, eq=False)
class Trial:
    """One question about one clip.

    Args:
        question: the question.
        clip: name of the clip, or of the pair; the viewer does not see it.
        shown: names of the versions from left to right; the viewer does not see them.
        views: frames of the versions, in this order.
        fps: frames a second.
        reference: frames of a version that is shown first and said to be the real one, or None.
        audio: sound of these frames, mono, 16 kHz, or None.
    """

    question: Question
    clip: str
    shown: tuple[str, ...]
    views: tuple[UInt8[np.ndarray, "T H W 3"], ...]
    fps: float
    reference: UInt8[np.ndarray, "T H W 3"] | None = None
    audio: Float[np.ndarray, "N"] | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """As `Vote.key`."""
        return self.question.kind, self.question.name, self.clip

    @property
    def real_side(self) -> str:
        """The side of the real one of two: "left" or "right"."""
        return SIDES[self.shown.index(REAL)]

    def panels(self) -> tuple[UInt8[np.ndarray, "T H W 3"], ...]:
        """All that is shown, from left to right; the reference, if there is one, comes first."""
        return self.views if self.reference is None else (self.reference, *self.views)

    def frames(self) -> UInt8[np.ndarray, "T H _ 3"]:
        """All panels side by side, so that they are always in step."""
        return np.concatenate(self.panels(), axis=2)


@dataclass(frozen=True, eq=False)
class Ballot:
    """One part of a user study: the same questions about each of some clips.

    Args:
        questions: one or more; all about a clip come one after the other, in this order.
        clips: by name of the clip, its versions: by name, (T, H, W, 3) uint8 of one size. For a
            rating two versions, of which one is called "real".
        fps: frames a second.
        audio: by name of the clip, its sound from the first frame on, mono, 16 kHz.
        reference: name of a version that is shown apart and cannot be chosen; None if all can.
    """

    questions: Sequence[Question]
    clips: Mapping[str, Versions]
    fps: float
    audio: Mapping[str, np.ndarray] = field(default_factory=dict)
    reference: str | None = None

    def __post_init__(self) -> None:
        if not self.questions or not self.clips or not self.fps > 0:
            fault = f"{len(self.questions)} questions, {len(self.clips)} clips, fps {self.fps}"
            raise ParameterError("ballot", fault, "give one question, one clip and a positive rate")
        for clip, versions in self.clips.items():
            self._check(clip, versions)

    def _check(self, clip: str, versions: Versions) -> None:
        if self.reference is not None and self.reference not in versions:
            raise InputError(clip, f"has no version {self.reference!r}", "add it, or give another")
        for name, frames in versions.items():
            check_frames(f"{clip}: {name}", frames, next(iter(versions.values())))
            if BETWEEN in name:
                raise InputError(clip, f"a version is called {name!r}", f"leave out {BETWEEN!r}")
        n = len(versions) - (self.reference is not None)
        rated = any(question.kind == "rating" for question in self.questions)
        if n < 2 or rated and (n != 2 or REAL not in versions):
            need = f"two, one called {REAL!r}" if rated else "two or more to choose from"
            raise InputError(clip, f"has {n} versions: {', '.join(versions)}", f"give {need}")

    def trials(self, rng: np.random.Generator) -> list[Trial]:
        """All trials: clips and versions in random order, the questions in theirs."""
        names, trials = list(self.clips), []
        for clip in (names[i] for i in rng.permutation(len(names))):
            versions = dict(self.clips[clip])
            reference = versions.pop(self.reference) if self.reference else None
            shown = tuple(list(versions)[i] for i in rng.permutation(len(versions)))
            part = part_of(len(versions[shown[0]]), self.fps, 0)
            n = part.stop - part.start
            trials += [
                Trial(
                    question,
                    clip,
                    shown,
                    tuple(versions[name][part] for name in shown),
                    float(self.fps),
                    None if reference is None else reference[part],
                    _sound(self.audio.get(clip), n / self.fps),
                )
                for question in self.questions
            ]
        return trials


def _sound(audio, duration_s):
    """The first seconds of a sound, filled up with silence."""
    if audio is None:
        return None
    n = round(duration_s * SR_HZ)
    return np.pad(np.asarray(audio, np.float32)[:n], (0, max(0, n - len(audio))))


def make_trials(
    pairs: Pairs,
    fps: float,
    seed: int | Sequence[int] = 0,
    repeats: int = 1,
    easy: Pairs | None = None,
) -> tuple[Trial, ...]:
    """Which of two is real: pairs in random order, the real one on a random side.

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
            part = part_of(len(real), fps, k / max(repeats - 1, 1))
            trials.append(_pair(name, name, (real[part], generated[part]), (first + k) % 2, fps))
    ordered = [trials[i] for i in rng.permutation(len(trials))]
    for name, (real, generated) in (easy or {}).items():
        _check_pair(name, real, generated)
        part = part_of(len(real), fps, 0)
        catch = _pair(CATCH + name, name, (real[part], generated[part]), rng.integers(2), fps)
        ordered.insert(rng.integers(min(1, len(ordered)), len(ordered) + 1), catch)
    return tuple(ordered)


def _check_pair(name, real, generated):
    if name == REAL or BETWEEN in name:
        raise InputError("pairs", f"one is called {name!r}", "name it after what it shows")
    check_frames(f"{name}: real", real, real)
    check_frames(f"{name}: generated", generated, real)


def check_frames(name: str, frames: np.ndarray, first: np.ndarray) -> None:
    """Raise unless frames are (T, H, W, 3) uint8 and as many and as large as the first ones."""
    check_shape(name, frames, ("T", "H", "W", 3))
    check_shape(name, frames, first.shape)
    if frames.dtype != np.uint8:
        raise InputError(name, "is not uint8", "scale it to 0..255 first")


def part_of(n_frames: int, fps: float, place: float) -> slice:
    """Rows of a part of at most MOST_S; `place` in [0, 1] says where it lies."""
    n = min(n_frames, max(1, round(MOST_S * fps)))
    start = round(place * (n_frames - n))
    return slice(start, start + n)


def _pair(clip, name, pair, side, fps):
    shown, (real, generated) = (REAL, name), pair
    views = (real, generated)
    if SIDES[side] == "right":
        shown, views = shown[::-1], views[::-1]
    return Trial(WHICH_IS_REAL, clip, shown, views, float(fps))


def contact_sheet(trial: Trial, n: int = 5) -> UInt8[np.ndarray, "rows columns 3"]:
    """Some moments of a trial as one picture; each panel is a row.

    Args:
        trial: the trial; its left panel is the row above, and so on.
        n: number of moments, from left to right.
    """
    panels = trial.panels()
    moments = np.linspace(0, len(panels[0]) - 1, n).astype(int)
    rows = [np.concatenate(list(panel[moments]), axis=1) for panel in panels]
    gap = np.full((GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    return np.concatenate([part for row in rows for part in (gap, row)][1:])
