"""Votes of a blind viewing test: written row by row, read back, and what they say."""

import csv
import io
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import binomtest, pearsonr

from tfhkit.errors import InputError, ParameterError

if TYPE_CHECKING:  # its own module imports this one
    from tfhkit.teach.viewing import Trial

Vote = dict[str, Any]  # one row of COLUMNS

COLUMNS = ("time", "viewer", "trial", "left", "right", "choice", "correct", "seconds")
SIDES = ("left", "right")
REAL = "real"
SIMULATED = "simulated"  # beginning of the names of viewers who do not exist
CATCH = "catch: "  # beginning of the names of trials that are easy for all who look


def record_vote(path: str | Path, viewer: str, trial: "Trial", choice: str, seconds: float) -> Vote:
    """Append one vote to a table, as a whole row even if several people write at once.

    Args:
        path: the `.csv` file; created, with its header, if it is not there.
        viewer: who voted; a made-up name will do.
        trial: what the viewer saw.
        choice: "left" or "right", the side that the viewer took for the real one.
        seconds: how long the viewer took.
    Returns:
        The row.
    Raises:
        ParameterError: another choice. InputError: the file cannot be written.
    """
    if choice not in SIDES:
        raise ParameterError("choice", f"unknown {choice!r}", "choose 'left' or 'right'")
    names = {"left": trial.name, "right": trial.name, trial.real_side: REAL}
    row = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "viewer": viewer,
        "trial": trial.name,
        **names,
        "choice": choice,
        "correct": int(choice == trial.real_side),
        "seconds": round(float(seconds), 1),
    }
    write_rows(path, [row])
    return row


def write_rows(path: str | Path, rows: Iterable[Vote]) -> None:
    """Append rows in one piece, after a header if the file is new."""
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
            writer.writerows(rows)
            file.write((b"\n" if broken else b"") + text.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        fault = f"votes cannot be written ({error.strerror or error})"
        raise InputError(path, fault, "choose another file") from error


def read_votes(path: str | Path) -> tuple[list[Vote], int]:
    """The votes of a file; incomplete rows are left out.

    Returns:
        votes (`correct` as bool, `seconds` as float), and how many rows were left out. A file that
        does not exist has no votes.
    Raises:
        InputError: not a table of votes.
    """
    path = Path(path)
    if not path.is_file():
        return [], 0
    try:
        with path.open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file)
            rows, head = list(table), tuple(table.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(path, f"cannot be read ({error})", "give a table of votes") from error
    if head != COLUMNS:
        raise InputError(path, "is not a table of votes", f"its columns are {', '.join(COLUMNS)}")
    votes = [vote for row in rows if (vote := _vote(row))]
    return votes, len(rows) - len(votes)


def _vote(row: dict[str, Any]) -> Vote | None:
    """A row with its types, or None if it is incomplete."""
    sides = [side for side in SIDES if row["left" if side == "left" else "right"] == REAL]
    if None in row or row["choice"] not in SIDES or len(sides) != 1:
        return None
    try:
        seconds = float(row["seconds"])
    except (TypeError, ValueError):
        return None
    # counted again from the sides: `correct` is for those who open the file elsewhere
    return row | {"correct": row["choice"] == sides[0], "seconds": seconds}


def analyse_votes(votes: Sequence[Vote]) -> dict[str, Any]:
    """Could the viewers tell? Shares of correct votes with exact intervals, against chance (0.5).

    Votes of one viewer are not independent, so the intervals are too narrow where few people
    voted often: see `viewers`. Catch trials are counted separately.

    Args:
        votes: from `read_votes`.
    Returns:
        dict: votes, viewers (counts, catch trials included), simulated (whether all were), share
        (correct), interval (low, high; 95 %, Clopper-Pearson), p_value (two-sided, against 0.5),
        seconds (median), overall (a row), trials (rows of the trials that count) and catch (rows
        of the catch trials). A row is a dict: trial, votes, share, low, high, p_value. Without
        votes that count, share, interval, p_value, seconds and overall are None.
    """
    counted = [vote for vote in votes if not vote["trial"].startswith(CATCH)]
    viewers = {vote["viewer"] for vote in votes}
    result: dict[str, Any] = {"votes": len(votes), "viewers": len(viewers)}
    result["simulated"] = bool(votes) and all(name.startswith(SIMULATED) for name in viewers)
    result["trials"] = _rows(counted)
    result["catch"] = _rows([vote for vote in votes if vote["trial"].startswith(CATCH)])
    if not counted:
        nothing = dict.fromkeys(("share", "interval", "p_value", "seconds", "overall"))
        return result | nothing
    overall = _share("all that count", counted)
    return result | {
        "share": overall["share"],
        "interval": (overall["low"], overall["high"]),
        "p_value": overall["p_value"],
        "seconds": float(np.median([vote["seconds"] for vote in counted])),
        "overall": overall,
    }


def _rows(votes):
    names = dict.fromkeys(vote["trial"] for vote in votes)
    return [_share(name, [vote for vote in votes if vote["trial"] == name]) for name in names]


def _share(name, votes):
    test = binomtest(sum(vote["correct"] for vote in votes), len(votes))
    ends = test.proportion_ci(method="exact")
    row = {"trial": name, "votes": len(votes), "share": test.statistic}
    return row | {"low": float(ends.low), "high": float(ends.high), "p_value": float(test.pvalue)}


def score_against_votes(scores: ArrayLike, votes: ArrayLike) -> dict[str, Any]:
    """Does a score correlate with what people see? Pearson r over clips, as in Sec. 4.4 (0.65).

    Args:
        scores: (N,) score of each clip, such as HS.
        votes: (N,) the share of viewers who took the clip for the real one, or its mean rank.
    Returns:
        dict: r, interval (low, high; 95 %, Fisher's z), p_value, n.
    Raises:
        InputError: fewer than four clips, different counts, or nothing varies.
    """
    scores, votes = np.asarray(scores, float), np.asarray(votes, float)
    if scores.shape != votes.shape or scores.ndim != 1 or len(scores) < 4:
        fault = f"{len(scores)} scores and {len(votes)} votes"
        raise InputError("votes", fault, "give four clips or more, one score and one vote each")
    if not (np.isfinite(scores).all() and np.isfinite(votes).all()):
        raise InputError("votes", "are not all numbers", "leave clips without votes out")
    if np.ptp(scores) == 0 or np.ptp(votes) == 0:
        raise InputError("votes", "do not vary", "r needs clips that differ")
    found = pearsonr(scores, votes)
    low, high = found.confidence_interval()
    return {
        "r": float(found.statistic),
        "interval": (float(low), float(high)),
        "p_value": float(found.pvalue),
        "n": len(scores),
    }


def interval_of_r(r: float, n: int) -> tuple[float, float]:
    """95 % interval (low, high) of a published Pearson r over n pairs, by Fisher's z."""
    if n < 4 or not -1 < r < 1:
        raise ParameterError("r", f"{r} over {n} pairs", "give -1 < r < 1 over 4 pairs or more")
    ends = np.arctanh(r) + np.array([-1, 1]) * 1.959964 / np.sqrt(n - 3)
    low, high = np.tanh(ends)
    return float(low), float(high)
