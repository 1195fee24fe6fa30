"""Votes of viewing tests and user studies: one table for all kinds, row by row, and merged."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfhkit.errors import InputError, ParameterError

if TYPE_CHECKING:  # its own module imports this one
    from tfhkit.teach.viewing_trials import Trial

COLUMNS = ("time", "viewer", "kind", "question", "clip", "shown", "choice", "rating", "seconds")
# which of two is real; the best of some; a rating from 1 to 5; all that are best
KINDS = ("real", "best", "rating", "several")
LEVELS = (1, 2, 3, 4, 5)  # of a rating
BETWEEN = " | "  # between the names in one cell
SIDES = ("left", "right")
REAL = "real"
SIMULATED = "simulated"  # beginning of the names of viewers who do not exist
CATCH = "catch: "  # beginning of the names of trials that are easy for all who look


@dataclass(frozen=True)
class Vote:
    """One answer of one viewer; a row of the table.

    Args:
        time: when, ISO 8601 in UTC; empty for a simulated vote.
        viewer: who voted; a made-up name will do.
        kind: one of KINDS.
        question: name of the question.
        clip: name of the clip, or of the pair.
        shown: names of the versions, in the order in which they were shown.
        choice: names of those that were chosen; none for a rating.
        rating: 1 to 5, or None.
        seconds: how long the viewer took.
    """

    time: str
    viewer: str
    kind: str
    question: str
    clip: str
    shown: tuple[str, ...]
    choice: tuple[str, ...]
    rating: int | None
    seconds: float

    @property
    def correct(self) -> bool:
        """Whether the real version was chosen, and nothing else."""
        return self.choice == (REAL,)

    @property
    def key(self) -> tuple[str, str, str]:
        """What was asked about what: kind, question, clip."""
        return self.kind, self.question, self.clip

    def row(self) -> dict[str, Any]:
        """Its cells of the table."""
        return {
            "time": self.time,
            "viewer": self.viewer,
            "kind": self.kind,
            "question": self.question,
            "clip": self.clip,
            "shown": BETWEEN.join(self.shown),
            "choice": BETWEEN.join(self.choice),
            "rating": "" if self.rating is None else self.rating,
            "seconds": self.seconds,
        }


def make_vote(
    viewer: str, trial: "Trial", answer: Sequence[int], seconds: float, time: str = ""
) -> Vote:
    """A viewer's answer to a trial.

    Args:
        viewer: who voted.
        trial: what the viewer saw.
        answer: a rating (one number from 1 to 5), else the chosen places, from 0 on the left:
            one of them, or for the kind "several" one or more.
        seconds: how long the viewer took.
        time: when.
    Raises:
        ParameterError: not an answer to this kind of question.
    """
    kind, places = trial.question.kind, sorted(set(answer))
    allowed = LEVELS if kind == "rating" else tuple(range(len(trial.shown)))
    few = len(places) >= 1 if kind == "several" else len(places) == 1
    if not few or not set(places) <= set(allowed):
        fault = f"{list(answer)} does not answer a question of the kind {kind!r}"
        number = "one or more" if kind == "several" else "one"
        raise ParameterError("choice", fault, f"choose {number} of {list(allowed)}")
    rated = kind == "rating"
    return Vote(
        time=time,
        viewer=viewer,
        kind=kind,
        question=trial.question.name,
        clip=trial.clip,
        shown=trial.shown,
        choice=() if rated else tuple(trial.shown[place] for place in places),
        rating=places[0] if rated else None,
        seconds=round(float(seconds), 1),
    )


def record_vote(
    path: str | Path, viewer: str, trial: "Trial", answer: Sequence[int], seconds: float
) -> Vote:
    """Append one vote to a table, as a whole row even if several people write at once.

    Args:
        path: the `.csv` file; created, with its header, if it is not there.
        viewer, trial, answer, seconds: as in `make_vote`.
    Returns:
        The vote.
    Raises:
        ParameterError: not an answer. InputError: the file cannot be written.
    """
    now = datetime.now(UTC).isoformat(timespec="seconds")
    vote = make_vote(viewer, trial, answer, seconds, now)
    append_votes(path, [vote])
    return vote


def append_votes(path: str | Path, votes: Iterable[Vote]) -> None:
    """Append votes in one piece, after a header if the file is new.

    Raises:
        InputError: the file cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a+b") as file:
            file.seek(0, os.SEEK_END)
            head, broken = file.tell() == 0, False
            if not head:  # a row that a crash cut short must not swallow the next one
                file.seek(-1, os.SEEK_END)
                broken = file.read(1) != b"\n"
            text = io.StringIO(newline="")
            writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
            if head:
                writer.writeheader()
            writer.writerows(vote.row() for vote in votes)
            file.write((b"\n" if broken else b"") + text.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        fault = f"votes cannot be written ({error.strerror or error})"
        raise InputError(path, fault, "choose another file") from error


def read_votes(path: str | Path) -> tuple[list[Vote], list[str]]:
    """The votes of a file; rows that are no votes are left out.

    Returns:
        The votes, and one line for each row that was left out: its number (as a spreadsheet
        counts), the fault, and what to do. A file that does not exist has no votes.
    Raises:
        InputError: not a table of votes.
    """
    numbered, faults = _read(Path(path))
    return [vote for _, vote in numbered], faults


def _read(path):
    """Votes with the numbers of their rows, and the faults."""
    if not path.is_file():
        return [], []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:  # spreadsheets add a mark
            table = csv.DictReader(file)
            rows, head = list(table), tuple(table.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"cannot be read ({error})", "give a table of votes") from error
    if head != COLUMNS:
        raise InputError(path, "is not a table of votes", f"its columns are {', '.join(COLUMNS)}")
    votes, faults = [], []
    for number, row in enumerate(rows, 2):
        try:
            votes.append((number, _vote(row)))
        except ValueError as fault:
            faults.append(f"{path.name}, row {number}: {fault}; correct or delete the row")
    return votes, faults


def _vote(row: dict[str, Any]) -> Vote:
    """A row with its types; ValueError says what is wrong with it."""
    if None in row or None in row.values():
        raise ValueError(f"does not have {len(COLUMNS)} cells")
    if row["kind"] not in KINDS:
        raise ValueError(f"unknown kind {row['kind']!r}")
    if not row["viewer"].strip():
        raise ValueError("has no viewer")
    shown, choice = (
        tuple(name for name in row[key].split(BETWEEN) if name) for key in ("shown", "choice")
    )
    if len(shown) < 2 or not set(choice) <= set(shown):
        raise ValueError(f"the choice {row['choice']!r} was not among what was shown")
    rated, several = row["kind"] == "rating", row["kind"] == "several"
    if rated and row["rating"] not in map(str, LEVELS):
        raise ValueError(f"the rating {row['rating']!r} is not one of 1 to 5")
    if not rated and (not choice or len(choice) > 1 and not several):
        raise ValueError(f"{len(choice)} versions are chosen")
    try:
        seconds = float(row["seconds"])
    except ValueError:
        raise ValueError(f"the seconds {row['seconds']!r} are not a number") from None
    typed = {"shown": shown, "choice": choice, "seconds": seconds}
    return Vote(**row | typed | {"rating": int(row["rating"]) if rated else None})


@dataclass(frozen=True)
class Merged:
    """Votes of several files; see `merge_votes`.

    Args:
        votes: all votes, each once, in the order of the files.
        n_files: number of files with votes.
        n_duplicates: number of rows that were dropped because they had been read before.
        faults: one line for each row or file that was left out, with what to do.
    """

    votes: tuple[Vote, ...]
    n_files: int
    n_duplicates: int
    faults: tuple[str, ...]


def merge_votes(paths: Iterable[str | Path]) -> Merged:
    """The votes of a class: one file from each computer, read together.

    A row that was read before (a file that was copied, or handed in twice) is dropped. Where a
    viewer answers a question a second time, in another file, the first answer stays and the
    second is named as a fault: two people may have chosen the same name.

    Args:
        paths: `.csv` files of votes.
    """
    votes: dict[Vote, str] = {}  # -> name of the file
    answered: dict[tuple, str] = {}
    n_files, n_duplicates, faults = 0, 0, []
    for path in map(Path, paths):
        try:
            if not path.is_file():
                raise InputError(path, "is not there", "check its name")
            found, bad = _read(path)
        except InputError as error:
            faults.append(f"{path.name}: {error.fault}; {error.remedy}")
            continue
        faults += bad
        n_files += bool(found)
        here = {}
        for number, vote in found:
            answer = (vote.viewer, *vote.key)
            if vote in votes:
                n_duplicates += 1
            elif answer in answered:
                faults.append(
                    f"{path.name}, row {number}: {vote.viewer!r} answered {vote.question!r} on "
                    f"{vote.clip!r} in {answered[answer]}, too; if these are two people, rename one"
                )
            else:
                votes[vote] = path.name
                here[answer] = path.name
        answered |= here
    return Merged(tuple(votes), n_files, n_duplicates, tuple(faults))
