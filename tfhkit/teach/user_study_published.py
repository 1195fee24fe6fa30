"""The votes of the paper's user studies, as far as it prints them, and what follows from them."""

from typing import Any

from tfhkit.teach.user_study import exact_interval, interval_of_r, rating_of_counts

# Sec. 4.3, Table 1: percent of 600 votes (20 participants, 30 groups) for each question
TABLE_1 = {
    "DAVS": {"image quality": 2.17, "lip synchronisation": 2.33, "naturalness": 2.67},
    "You said that": {"image quality": 3.50, "lip synchronisation": 20.50, "naturalness": 4.17},
    "ATVG": {"image quality": 5.67, "lip synchronisation": 32.33, "naturalness": 9.50},
    "Ours-P": {"image quality": 88.67, "lip synchronisation": 44.83, "naturalness": 83.67},
}
TABLE_1_PARTICIPANTS, TABLE_1_GROUPS = 20, 30
# Sec. 4.4: number of ratings 1 to 5 by 20 participants on 15 pairs, and what the paper says of them
RATINGS = (25, 47, 35, 110, 83)
RATINGS_PARTICIPANTS, RATINGS_PAIRS = 20, 15
RATINGS_SAID = {"mean": 3.60, "similar": 0.643, "not_similar": 0.240}
RATINGS_R = 0.65
# App. B: percent of 11 participants who chose N frames among the best
FRAMES = {100: 0.0, 200: 0.0, 300: 36.4, 500: 36.4, 800: 63.6}
FRAMES_PARTICIPANTS = 11

Row = dict[str, Any]


def table_1_rows() -> list[Row]:
    """Table 1 as counts of votes.

    Returns:
        One dict for each method and question: version, question, said (percent), votes, total,
        share, low, high. The counts are whole: percent of 600, rounded as printed. The interval is
        exact for independent votes; single votes are not published, so a wider one that takes
        voters and groups into account cannot be computed.
    """
    total = TABLE_1_PARTICIPANTS * TABLE_1_GROUPS
    return [
        {"version": method, "question": question} | _row(percent, total)
        for method, row in TABLE_1.items()
        for question, percent in row.items()
    ]


def frames_rows() -> list[Row]:
    """App. B as counts of participants: frames, said (percent), votes, total, share, low, high."""
    return [{"frames": n} | _row(percent, FRAMES_PARTICIPANTS) for n, percent in FRAMES.items()]


def _row(percent, total):
    votes = round(percent / 100 * total)
    low, high = exact_interval(votes, total)
    row = {"said": percent, "votes": votes, "total": total}
    return row | {"share": votes / total, "low": low, "high": high}


def ratings_row() -> Row:
    """Sec. 4.4 from its counts, as `rating_of_counts`.

    Returns:
        dict: as there, and r_pairs and r_ratings: 95 % intervals of the paper's r if it is over
        the 15 pairs, or over 300 ratings that are independent (which they are not).
    """
    n = RATINGS_PARTICIPANTS * RATINGS_PAIRS
    return rating_of_counts(RATINGS) | {
        "r_pairs": interval_of_r(RATINGS_R, RATINGS_PAIRS),
        "r_ratings": interval_of_r(RATINGS_R, n),
    }
