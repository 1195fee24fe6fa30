"""The count of the votes of viewing tests and user studies, as tables that follow the votes."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfhkit.teach.user_study import (
    agreement,
    analyse_votes,
    any_simulated,
    choice_shares,
    rating_summary,
)
from tfhkit.teach.votes import Vote, read_votes

_SHOWN: dict[Path, list[Any]] = {}  # path of the votes -> handles of the outputs that show them
_CELL, _HEAD = "padding:2px 10px;text-align:right", "padding:2px 10px;text-align:left"
DRAWS = 300  # of the bootstrap; the tables follow every vote

Table = tuple[tuple[str, ...], list[tuple[str, ...]]]  # head and rows


def show_ballot(path: str | Path) -> None:
    """Show the votes of a file; the tables follow the votes that are cast in this notebook.

    Args:
        path: the `.csv` file of `viewing_test` and `user_study`.
    Raises:
        InputError: the file is not a table of votes.
    """
    from IPython.display import display

    handle = display(_bundle(path), display_id=True, raw=True)
    if handle is not None:
        _SHOWN.setdefault(Path(path).resolve(), []).append(handle)


def refresh_ballots(path: str | Path, viewer: str | None = None) -> None:
    """Update the votes wherever they are shown.

    Args:
        path: the `.csv` file.
        viewer: one who has not finished; their votes are counted, not scored.
    """
    for handle in _SHOWN.get(Path(path).resolve(), ()):
        handle.update(_bundle(path, viewer), raw=True)


def _bundle(path: str | Path, viewer: str | None = None) -> dict[str, str]:
    votes, _ = read_votes(path)
    return {"text/html": ballot_html(votes, viewer), "text/plain": ballot_text(votes, viewer)}


def _content(votes: Sequence[Vote], viewer: str | None) -> tuple[str, list[Table], str]:
    """A sentence, the tables, and a sentence on what is left out."""
    if not votes:
        return "No votes yet: run the cell above in JupyterLab, and ask somebody.", [], ""
    scored = [vote for vote in votes if vote.viewer != viewer]
    n_viewers = len({vote.viewer for vote in votes})
    head = "SIMULATED votes, which nobody cast: " * any_simulated(votes)
    head += f"{len(votes)} vote{'s' * (len(votes) > 1)} by {n_viewers} "
    head += f"viewer{'s' * (n_viewers > 1)}."
    tables = [table for table in (_pairs(scored), _choices(scored), _ratings(scored)) if table[1]]
    n_open = len(votes) - len(scored)
    tail = f"{n_open} of them by {viewer}, who is not finished: not counted yet." if n_open else ""
    return head, tables, tail


def _pairs(votes):
    found = analyse_votes(votes)
    rows = [row for row in (found["overall"], *found["trials"], *found["catch"]) if row]
    head = ("clip shown next to the real one", "votes", "right", "exact 95 % interval")
    return head, [
        (row["trial"], f"{row['votes']}", _percent(row["share"]), _span(row)) for row in rows
    ]


def _choices(votes):
    shares = choice_shares(votes, DRAWS)
    alphas = {(row["kind"], row["question"]): row["alpha"] for row in agreement(votes, 0)}
    head = ("chosen as best", "votes", "share", "95 % interval", "alpha")
    return head, [
        (
            f"{row['question']}: {row['version']}",
            f"{row['votes']}",
            _percent(row["share"]),
            _span(row),
            _number(alphas[row["kind"], row["question"]]),
        )
        for row in shares
    ]


def _ratings(votes):
    alphas = {row["question"]: row["alpha"] for row in agreement(votes, 0)}
    head = ("rating from 1 to 5", "votes", "mean", "95 % interval", "alpha")
    return head, [
        (
            row["question"],
            f"{row['votes']}",
            f"{row['mean']:.2f}",
            "-" if row["low"] != row["low"] else f"{row['low']:.2f} to {row['high']:.2f}",
            _number(alphas[row["question"]]),
        )
        for row in rating_summary(votes, DRAWS)
    ]


def _percent(share):
    return f"{100 * share:.0f} %"


def _span(row):
    """An interval of a share; a single vote has none."""
    if row["low"] != row["low"]:
        return "-"
    return f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %"


def _number(value):
    return "-" if value != value else f"{value:.2f}"


def ballot_text(votes: Sequence[Vote], viewer: str | None = None) -> str:
    """The votes as text: see `ballot_html`."""
    head, tables, tail = _content(votes, viewer)
    lines = [head]
    for names, rows in tables:
        for row in (names, *rows):
            lines.append(f"{row[0]:40s}" + "".join(f"{cell:>16s}" for cell in row[1:]))
    return "\n".join([*lines, *([tail] if tail else [])])


def ballot_html(votes: Sequence[Vote], viewer: str | None = None) -> str:
    """The votes as HTML tables, one for each kind of question.

    Shares of correct votes have exact 95 % intervals, shares of the best and mean ratings those
    of a bootstrap over voters and clips; alpha is Krippendorff's, the agreement between voters.

    Args:
        votes: from `read_votes`.
        viewer: see `refresh_ballots`.
    """
    head, tables, tail = _content(votes, viewer)
    body = "".join(_html(*table) for table in tables)
    return f"<p>{html.escape(head)}</p>{body}" + (f"<p>{html.escape(tail)}</p>" if tail else "")


def _html(names, rows):
    looks = (_HEAD, *[_CELL] * (len(names) - 1))
    table = "".join(f'<th scope="col" style="{look}">{n}</th>' for look, n in zip(looks, names))
    table = f"<thead><tr>{table}</tr></thead>"
    for name, *cells in rows:
        table += f'<tr><th scope="row" style="{_HEAD};font-weight:normal">{html.escape(name)}</th>'
        table += "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"
    return f"<table>{table}</table>"
