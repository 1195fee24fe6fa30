"""The count of a viewing test's votes, as a table that follows the votes."""

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tfhkit.teach.votes import Vote, analyse_votes, read_votes

_SHOWN: dict[Path, list[Any]] = {}  # path of the votes -> handles of the outputs that show them
_CELL, _HEAD = "padding:2px 10px;text-align:right", "padding:2px 10px;text-align:left"


def show_ballot(path: str | Path) -> None:
    """Show the votes of a file; the table follows the votes of a viewing test in this notebook.

    Args:
        path: the `.csv` file of `viewing_test`.
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


def _lines(votes: Sequence[Vote], viewer: str | None) -> tuple[str, list[dict[str, Any]], str]:
    """A sentence, rows (name, votes, share, low, high), and a sentence on what is left out."""
    if not votes:
        return "No votes yet: run the viewing test above in JupyterLab, and ask somebody.", [], ""
    scored = [vote for vote in votes if vote["viewer"] != viewer]
    found = analyse_votes(scored)
    n_viewers = len({vote["viewer"] for vote in votes})
    head = (
        f"{len(votes)} vote{'s' * (len(votes) > 1)} by {n_viewers} viewer{'s' * (n_viewers > 1)}."
    )
    rows = [found["overall"], *found["trials"], *found["catch"]] if scored else []
    n_open = len(votes) - len(scored)
    tail = f"{n_open} of them by {viewer}, who is not finished: not counted yet." if n_open else ""
    return head, [row for row in rows if row], tail


def ballot_text(votes: Sequence[Vote], viewer: str | None = None) -> str:
    """The votes as text: see `ballot_html`."""
    head, rows, tail = _lines(votes, viewer)
    row = "{trial:30s} {votes:3d} votes, right {share:.2f} ({low:.2f} to {high:.2f})"
    return "\n".join([head, *(row.format(**r) for r in rows), *([tail] if tail else [])])


def ballot_html(votes: Sequence[Vote], viewer: str | None = None) -> str:
    """The votes as an HTML table: share of correct votes with its exact 95 % interval.

    Args:
        votes: from `read_votes`.
        viewer: see `refresh_ballots`.
    """
    head, rows, tail = _lines(votes, viewer)
    names = ("clip shown next to the real one", "votes", "right", "exact 95 % interval")
    looks = (_HEAD, *[_CELL] * 3)
    table = "".join(f'<th scope="col" style="{look}">{n}</th>' for look, n in zip(looks, names))
    table = f"<thead><tr>{table}</tr></thead>"
    for row in rows:
        interval = f"{100 * row['low']:.0f} to {100 * row['high']:.0f} %"
        cells = row["votes"], f"{100 * row['share']:.0f} %", interval
        table += f'<tr><th scope="row" style="{_HEAD};font-weight:normal">'
        table += f"{html.escape(row['trial'])}</th>"
        table += "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"
    body = f"<table>{table}</table>" if rows else ""
    return f"<p>{html.escape(head)}</p>{body}" + (f"<p>{html.escape(tail)}</p>" if tail else "")
