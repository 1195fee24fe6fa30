"""What the votes of viewing tests and user studies say: shares, means, correlation, agreement."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import binomtest

from tfhkit.errors import ParameterError
from tfhkit.stats import (
    alpha_interval,
    crossed_correlation,
    crossed_mean_interval,
    krippendorff_alpha,
)
from tfhkit.teach.votes import CATCH, LEVELS, SIMULATED, Vote

Row = dict[str, Any]
DRAWS = 1000  # of each bootstrap


def any_simulated(votes: Sequence[Vote]) -> bool:
    """Whether some of the votes were cast by nobody."""
    return any(vote.viewer.startswith(SIMULATED) for vote in votes)


def analyse_votes(votes: Sequence[Vote]) -> Row:
    """Could the viewers tell which of two is real? Shares with exact intervals, against 0.5.

    Votes of one viewer are not independent, so the intervals are too narrow where few people
    voted often: see `viewers`. Catch trials are counted separately.

    Args:
        votes: from `read_votes`; those of other kinds are left out.
    Returns:
        dict: votes, viewers (counts, catch trials included), simulated (whether some are), share
        (correct), interval (low, high; 95 %, Clopper-Pearson), p_value (two-sided, against 0.5),
        seconds (median), overall (a row), trials (rows of the trials that count) and catch (rows
        of the catch trials). A row is a dict: trial, votes, share, low, high, p_value. Without
        votes that count, share, interval, p_value, seconds and overall are None.
    """
    votes = [vote for vote in votes if vote.kind == "real"]
    counted = [vote for vote in votes if not vote.clip.startswith(CATCH)]
    result: Row = {"votes": len(votes), "viewers": len({vote.viewer for vote in votes})}
    result["simulated"] = any_simulated(votes)
    result["trials"] = _rows(counted)
    result["catch"] = _rows([vote for vote in votes if vote.clip.startswith(CATCH)])
    if not counted:
        nothing = dict.fromkeys(("share", "interval", "p_value", "seconds", "overall"))
        return result | nothing
    overall = _share("all that count", counted)
    return result | {
        "share": overall["share"],
        "interval": (overall["low"], overall["high"]),
        "p_value": overall["p_value"],
        "seconds": float(np.median([vote.seconds for vote in counted])),
        "overall": overall,
    }


def _rows(votes):
    names = dict.fromkeys(vote.clip for vote in votes)
    return [_share(name, [vote for vote in votes if vote.clip == name]) for name in names]


def _share(name, votes):
    test = binomtest(sum(vote.correct for vote in votes), len(votes))
    low, high = exact_interval(test.k, test.n)
    row = {"trial": name, "votes": len(votes), "share": test.statistic}
    return row | {"low": low, "high": high, "p_value": float(test.pvalue)}


def exact_interval(k: int, n: int) -> tuple[float, float]:
    """95 % interval (low, high) of a share of k in n independent votes (Clopper-Pearson)."""
    ends = binomtest(k, n).proportion_ci(method="exact")
    return float(ends.low), float(ends.high)


def choice_shares(votes: Sequence[Vote], n_draws: int = DRAWS, seed: int = 0) -> list[Row]:
    """How often each version was chosen as the best, or among the best (Table 1, App. B).

    Args:
        votes: from `read_votes`; those of other kinds are left out.
        n_draws, seed: of the bootstrap over voters and clips.
    Returns:
        One dict for each question and version: kind, question, version, votes, viewers, clips,
        share (of the votes in which it was shown), low, high (95 %; exact for a single clip, on
        which each voter votes once). The shares of a question of the kind "best" sum to 1 if all
        versions are shown each time. A bootstrap cannot see beyond the votes: if nobody ever
        chose a version on several clips, its interval is 0 to 0.
    """
    rows = []
    for (kind, question), part in _by_question(votes, ("best", "several")).items():
        for version in _versions(part):

            def value(vote: Vote, version: str = version) -> float:
                return float(version in vote.choice) if version in vote.shown else np.nan

            grid = _grid(part, value)
            there = grid[np.isfinite(grid)]
            low, high = crossed_mean_interval(grid, n_draws, seed)
            if grid.shape[1] == 1:  # each voter once, so the votes are independent
                low, high = exact_interval(int(there.sum()), len(there))
            rows.append({
                "kind": kind, "question": question, "version": version,
                "votes": len(there), "viewers": len(grid),
                "clips": grid.shape[1], "share": float(np.nanmean(grid)), "low": low, "high": high,
            })  # fmt: skip
    return rows


def rating_summary(votes: Sequence[Vote], n_draws: int = DRAWS, seed: int = 0) -> list[Row]:
    """Mean ratings (Sec. 4.4).

    Args:
        votes: from `read_votes`; those of other kinds are left out.
        n_draws, seed: of the bootstrap over voters and clips.
    Returns:
        One dict for each question: question, viewers, clips, and as in `rating_of_counts`; low
        and high are the 95 % interval of the mean.
    """
    rows = []
    for (_, question), part in _by_question(votes, ("rating",)).items():
        grid = _grid(part, _rating)
        low, high = crossed_mean_interval(grid, n_draws, seed)
        counts = Counter(vote.rating for vote in part)
        row = {"question": question, "viewers": len(grid), "clips": grid.shape[1]}
        row |= rating_of_counts([counts[level] for level in LEVELS])
        rows.append(row | {"low": low, "high": high})
    return rows


def rating_of_counts(counts: Sequence[int]) -> Row:
    """Mean and shares of ratings that are known only by their counts.

    Args:
        counts: number of ratings 1, 2, 3, 4 and 5.
    Returns:
        dict: votes, counts, mean, similar (share of 4 and 5), not_similar (share of 1 and 2).
    Raises:
        ParameterError: not five counts, or no votes.
    """
    if len(counts) != len(LEVELS) or min(counts) < 0 or not sum(counts):
        raise ParameterError("counts", f"are {list(counts)}", "give five, not all of them 0")
    number = np.asarray(counts, float)
    return {
        "votes": int(number.sum()),
        "counts": tuple(int(count) for count in counts),
        "mean": float(number @ LEVELS / number.sum()),
        "similar": float(number[3:].sum() / number.sum()),
        "not_similar": float(number[:2].sum() / number.sum()),
    }


def ratings_against_scores(
    votes: Sequence[Vote], scores: Mapping[str, float], n_draws: int = DRAWS, seed: int = 0
) -> Row:
    """Does a score such as HS correlate with what people see? Pearson r, as in Sec. 4.4 (0.65).

    The paper does not say whether its r is over the means of the pairs or over single ratings.

    Args:
        votes: ratings of one question, from `read_votes`; other kinds are left out.
        scores: by name of the clip; clips without a score, or without ratings, are left out.
        n_draws, seed: of the bootstrap over voters and clips.
    Returns:
        dict: clips, votes (counts), r_means, means_interval, r_votes, votes_interval; and points,
        one dict for each clip: clip, score, mean, votes.
    Raises:
        InputError: fewer than four clips, or nothing varies.
    """
    rated = [vote for vote in votes if vote.kind == "rating" and vote.clip in scores]
    names = list(dict.fromkeys(vote.clip for vote in rated))
    grid = _grid(rated, _rating)
    values = np.array([scores[name] for name in names], float)
    found = crossed_correlation(grid, values, n_draws, seed)
    result: Row = {"clips": len(names), "votes": len(rated)}
    for key, (r, low, high) in found.items():
        result |= {f"r_{key}": r, f"{key}_interval": (low, high)}
    means, counts = np.nanmean(grid, 0), np.isfinite(grid).sum(0)
    result["points"] = [
        {"clip": name, "score": float(s), "mean": float(m), "votes": int(k)}
        for name, s, m, k in zip(names, values, means, counts)
    ]
    return result


def interval_of_r(r: float, n: int) -> tuple[float, float]:
    """95 % interval (low, high) of a published Pearson r over n pairs, by Fisher's z."""
    if n < 4 or not -1 < r < 1:
        raise ParameterError("r", f"{r} over {n} pairs", "give -1 < r < 1 over 4 pairs or more")
    ends = np.arctanh(r) + np.array([-1, 1]) * 1.959964 / np.sqrt(n - 3)
    low, high = np.tanh(ends)
    return float(low), float(high)


def agreement(votes: Sequence[Vote], n_draws: int = DRAWS, seed: int = 0) -> list[Row]:
    """Do the viewers agree with each other? Krippendorff's alpha for each question.

    For "best" the chosen version is a nominal category; for "several" each version of each clip
    is one unit, chosen or not; for "real" so is each trial, correct or not; ratings are taken as
    ranks (ordinal).

    Args:
        votes: from `read_votes`.
        n_draws, seed: of the bootstrap over voters and units.
    Returns:
        One dict for each question: kind, question, measure, viewers, units, alpha, low, high
        (95 %). NaN where it is not defined, for example with one voter.
    """
    rows = []
    for (kind, question), part in _by_question(votes).items():
        measure = "ordinal" if kind == "rating" else "nominal"
        grid = _codes(kind, part)
        low, high = alpha_interval(grid, measure, n_draws, seed)
        rows.append({
            "kind": kind, "question": question, "measure": measure,
            "viewers": len(grid), "units": grid.shape[1],
            "alpha": krippendorff_alpha(grid, measure), "low": low, "high": high,
        })  # fmt: skip
    return rows


def _codes(kind, votes):
    """(viewers, units) the votes of one question as numbers."""
    versions = _versions(votes)
    if kind == "several":
        chosen = [_grid(votes, lambda vote, v=v: float(v in vote.choice)) for v in versions]
        return np.concatenate(chosen, axis=1)
    values = {
        "rating": _rating,
        "best": lambda vote: float(versions.index(vote.choice[0])),
        "real": lambda vote: float(vote.correct),
    }
    return _grid(votes, values[kind])


def _rating(vote: Vote) -> float:
    return float(vote.rating or np.nan)


def _by_question(votes, kinds=None):
    """(kind, question) -> its votes, in the order of their first appearance."""
    parts = {}
    for vote in votes:
        if kinds is None or vote.kind in kinds:
            parts.setdefault((vote.kind, vote.question), []).append(vote)
    return parts


def _versions(votes):
    """Names of all versions that were shown; sorted, since their order on the screen is random."""
    return sorted({name for vote in votes for name in vote.shown})


def _grid(votes: Sequence[Vote], value: Callable[[Vote], float]) -> Float[np.ndarray, "V C"]:
    """Votes as a table of viewers and clips, NaN where there is none.

    A clip that a viewer judged several times is several clips.
    """
    viewers = {name: i for i, name in enumerate(dict.fromkeys(vote.viewer for vote in votes))}
    places: dict[tuple[str, int], int] = {}
    seen: Counter[tuple[str, str]] = Counter()
    cells = []
    for vote in votes:
        unit = (vote.clip, seen[vote.viewer, vote.clip])
        seen[vote.viewer, vote.clip] += 1
        cells.append((viewers[vote.viewer], places.setdefault(unit, len(places)), value(vote)))
    grid = np.full((len(viewers), len(places)), np.nan)
    for row, column, number in cells:
        grid[row, column] = number
    return grid
