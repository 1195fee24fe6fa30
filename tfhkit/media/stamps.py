"""Clocks that jump: where a file's time stamps start again or leap, its parts are joined.

Files that were put together from several (`cat a.ts b.ts`) start again at every part; a counter
of 33 bits wraps after 26.5 hours; an encoder's clock leaps when it is set.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from tfhkit.errors import InputError

BACK_S = 0.5  # a step back by less is a repeated or late stamp, and that frame is dropped
FORWARD_S = 10.0  # a longer pause may be a leap of the clock; FFmpeg asks from here on, too
MATCH_S = 2.0  # parts have up to so much more sound than picture at their ends
REMEDY = "write its stamps anew, e.g. ffmpeg -i in -c:v libx264 -c:a aac out.mp4"


@dataclass(frozen=True)
class Join:
    """Where the stamps of the pictures jump, in units of their track.

    Args:
        index: the first frame of the later part.
        end: stamp at which the earlier part ends.
        start: stamp of the later part's first frame.
        shift: what is added to the stamps from there on.
    """

    index: int
    end: int
    start: int
    shift: int


@dataclass(frozen=True)
class Span:
    """A stretch of sound without a jump, in seconds of the container's clock."""

    start_s: float
    end_s: float


def find_joins(
    path: str | Path, stamps: Int[np.ndarray, "T"], unit_s: float, spans: list[Span]
) -> tuple[Join, ...]:
    """The jumps of the pictures' clock.

    A leap forward through which the sound goes on is a picture that stood still, and no jump.

    Args:
        path: for messages.
        stamps: of the frames, in the file's order. unit_s: seconds of one unit.
        spans: of the sound; none where there is no sound.
    Raises:
        InputError: the pictures' clock steps back and the sound's does not.
    """
    steps = np.diff(stamps)
    usual = int(np.median(steps))
    joins: list[Join] = []
    shift = 0
    for before in np.flatnonzero((steps * unit_s < -BACK_S) | (steps * unit_s > FORWARD_S)):
        end, start = int(stamps[before]) + usual, int(stamps[before + 1])
        if not _sound_jumps(spans, end * unit_s, start * unit_s):
            if start > end:
                continue
            at = (end + shift - int(stamps[0])) * unit_s
            fault = f"its pictures' time stamps jump back by {(end - start) * unit_s:.1f} s at"
            raise InputError(path, f"{fault} {at:.1f} s, and those of its sound do not", REMEDY)
        shift += end - start
        joins.append(Join(int(before) + 1, end, start, shift))
    return tuple(joins)


def _sound_jumps(spans, end_s, start_s):
    """Whether the sound jumps as the pictures do, or has nothing to say about it."""
    for one, other in zip(spans, spans[1:]):
        if abs((other.start_s - one.end_s) - (start_s - end_s)) < MATCH_S:
            return True
    return not any(one.start_s < end_s - 1 and one.end_s > end_s + 1 for one in spans)


def joined(stamps: Int[np.ndarray, "T"], joins: tuple[Join, ...]) -> Int[np.ndarray, "T"]:
    """The stamps without their jumps."""
    stamps = stamps.copy()
    shift = 0
    for join in joins:
        stamps[join.index :] += join.shift - shift
        shift = join.shift
    return stamps


@dataclass
class SoundClock:
    """Places the blocks of a sound on one clock, whose jumps are those of the pictures.

    Args:
        path: for messages.
        shifts_s: what may be added to its stamps, part by part; None: the sound has no pictures,
            and its parts follow each other.
        last_s: end of the pictures.
        moved: whether the last block that was placed begins another part.
    """

    path: str | Path
    shifts_s: tuple[float, ...] | None = None
    last_s: float = np.inf
    moved: bool = False
    _shift_s: float = 0.0
    _stamp_s: float | None = None

    def place(self, stamp_s: float, length_s: float, expected_s: float) -> float:
        """Seconds at which a block is heard.

        Args:
            stamp_s: its stamp. length_s: its length. expected_s: where the sound ended so far.
        Raises:
            InputError: its stamps jump, and those of the pictures do not.
        """
        jump = 0.0 if self._stamp_s is None else stamp_s - self._stamp_s
        self._stamp_s = stamp_s + length_s
        before_s = self._shift_s
        if not -BACK_S <= jump <= BACK_S:
            if self.shifts_s is not None:
                self._follow(stamp_s, expected_s)
            elif not -BACK_S <= jump <= FORWARD_S:
                self._shift_s = expected_s - stamp_s
        self.moved = self._shift_s != before_s
        return stamp_s + self._shift_s

    def _follow(self, stamp_s, expected_s):
        """Take the shift of the pictures that continues the sound best."""
        shifts = (self._shift_s, *self.shifts_s)
        nearest = min(shifts, key=lambda shift_s: abs(stamp_s + shift_s - expected_s))
        at_s = stamp_s + nearest
        lost = at_s > self.last_s > expected_s + BACK_S and at_s > expected_s + FORWARD_S
        if at_s < expected_s - (BACK_S if nearest == self._shift_s else MATCH_S) or lost:
            by_s = abs(at_s - expected_s)
            fault = f"its sound's time stamps jump {'forward' if lost else 'back'} by {by_s:.1f} s"
            where = f"at {expected_s:.1f} s, and those of its pictures do not"
            raise InputError(self.path, f"{fault} {where}", REMEDY)
        self._shift_s = nearest
