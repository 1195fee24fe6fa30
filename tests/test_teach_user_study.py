"""User studies: blind ballots, one table of votes for all kinds, and analyses of known answers."""

import numpy as np
import pytest

from tfhkit.errors import InputError, ParameterError
from tfhkit.media import SR_HZ
from tfhkit.teach.ballot import ballot_html, ballot_text
from tfhkit.teach.user_study import (
    agreement,
    choice_shares,
    rating_of_counts,
    rating_summary,
    ratings_against_scores,
)
from tfhkit.teach.user_study_published import (
    RATINGS_SAID,
    TABLE_1,
    frames_rows,
    ratings_row,
    table_1_rows,
)
from tfhkit.teach.user_study_simulated import simulated_votes
from tfhkit.teach.viewing import study_experiment, user_study
from tfhkit.teach.viewing_session import Session
from tfhkit.teach.viewing_trials import (
    ALL_THAT_ARE_BEST,
    BEST_OF_FIVE,
    SIMILARITY,
    Ballot,
    Question,
    contact_sheet,
)
from tfhkit.teach.votes import append_votes, make_vote, merge_votes, read_votes, record_vote

FIVE = ("real", "refined", "unrefined", "nearest", "still")


def film(grey, n=4):
    return np.full((n, 8, 8, 3), grey, np.uint8)


def best_ballot(n_clips=1, names=FIVE):
    clips = {
        f"clip {k}": {name: film(20 * i) for i, name in enumerate(names)} for k in range(n_clips)
    }
    return Ballot(BEST_OF_FIVE, clips, 10, {"clip 0": np.ones(SR_HZ, np.float32)})


def rating_ballot(n_clips=15):
    return Ballot(
        (SIMILARITY,),
        {f"pair {k}": {"real": film(0), "generated": film(9)} for k in range(n_clips)},
        10,
    )


def several_ballot():
    versions = {"real": film(0)} | {str(n): film(n // 5) for n in (100, 200, 300, 500, 800)}
    return Ballot((ALL_THAT_ARE_BEST,), {"clip": versions}, 10, reference="real")


@pytest.fixture
def study(tmp_path):
    """An experiment with all kinds of questions: 3 + 2 + 1 trials."""
    return study_experiment([best_ballot(), rating_ballot(2), several_ballot()], tmp_path / "v.csv")


def test_the_order_is_blind_random_and_the_viewers_own(study):
    trials = study.trials("ann")
    assert [t.question.kind for t in trials] == ["best"] * 3 + ["rating"] * 2 + ["several"]
    assert len({t.shown for t in trials[:3]}) == 1  # three questions about the same five
    for trial in trials:
        ballot = {"best": FIVE, "rating": ("real", "generated")}
        names = ballot.get(trial.question.kind, ("100", "200", "300", "500", "800"))
        assert sorted(trial.shown) == sorted(names)
    greys = [int(view[0, 0, 0, 0]) // 20 for view in trials[0].views]
    assert [FIVE[k] for k in greys] == list(trials[0].shown)
    assert [t.shown for t in study.trials("ann")] == [t.shown for t in trials]
    ballot, rng = best_ballot(), np.random.default_rng(0)
    first = [ballot.trials(rng)[0].shown[0] for _ in range(100)]
    assert all(8 <= first.count(name) <= 32 for name in FIVE)  # 20 each by chance
    assert len(trials[-1].panels()) == 6 and trials[-1].panels()[0].max() == 0
    assert contact_sheet(trials[-1], 2).shape == (6 * 8 + 5 * 12, 16, 3)
    assert len(trials[0].audio) == round(0.4 * SR_HZ) and trials[3].audio is None


def test_a_viewer_answers_every_kind_and_resumes(study):
    screens, sounds = [], []

    def send(message, film, sound):
        screens.append(message)
        sounds.append(len(sound))

    session = Session(study, send)
    session.hear({"kind": "begin", "viewer": "ann"})
    answers = ([3], [1], [0], [5], [2], [1, 4])
    for number, answer in enumerate(answers):
        if number == 4:  # the kernel was restarted
            session = Session(study, send)
            session.show()
            assert screens[-1]["unfinished"] == {"name": "ann", "cast": 4}
            session.hear({"kind": "begin", "viewer": "ann"})
        shown = screens[-1]
        assert shown["number"] == number and (sounds[-1] > 0) == (number < 3)
        assert not set(FIVE) & {str(value) for value in shown.values()}  # nothing tells a name
        session.hear({"kind": "vote", "answer": answer, "number": number, "seconds": 3})
    assert screens[-1]["text"] == "Thank you. Your 6 votes are kept."
    votes, faults = read_votes(study.path)
    trials = study.trials("ann")
    assert not faults and [vote.key for vote in votes] == [trial.key for trial in trials]
    assert votes[0].choice == (trials[0].shown[3],) and votes[0].shown == trials[0].shown
    assert [vote.rating for vote in votes] == [None, None, None, 5, 2, None]
    assert votes[5].choice == (trials[5].shown[1], trials[5].shown[4])
    assert {vote.viewer for vote in votes} == {"ann"} and all(vote.time for vote in votes)


def test_an_answer_that_does_not_fit_is_refused(study):
    best, *_, rating, several = study.trials("ann")
    bad = (best, []), (best, [0, 1]), (best, [5]), (rating, [0]), (rating, [6]), (several, [])
    for trial, answer in bad:
        with pytest.raises(ParameterError, match="does not answer a question of the kind"):
            make_vote("ann", trial, answer, 1)
    assert make_vote("ann", several, [4, 0, 4], 1).choice == (several.shown[0], several.shown[4])


def test_the_files_of_a_class_are_merged(study, tmp_path):
    files = [tmp_path / f"{name}.csv" for name in ("ann", "ben", "eve")]
    for path in files:
        for trial in study.trials(path.stem):
            record_vote(path, path.stem, trial, [1], 2)
    copied = tmp_path / "copy.csv"
    copied.write_text("\ufeff" + files[0].read_text())  # as a spreadsheet writes it
    record_vote(files[1], "ann", study.trials("ann")[0], [2], 2)  # another Ann
    with files[2].open("a") as file:
        file.write("t,eve,rating,head pose similarity,pair 0,real | generated,,9,1\n")
        file.write("t,eve,poll,q,c,a | b,a,,1\n")
        file.write("t,eve,best,q,c,a | b,x,,1\n")
        file.write("t,eve,best,q,c,a | b,a,,soon\n")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    merged = merge_votes([*files, copied, tmp_path / "other.csv", tmp_path / "none.csv"])
    assert len(merged.votes) == 18 and (merged.n_files, merged.n_duplicates) == (4, 6)
    words = (
        "ben.csv, row 8: 'ann' answered 'image quality' on 'clip 0' in ann.csv, too; if these are",
        "eve.csv, row 8: the rating '9' is not one of 1 to 5; correct or delete the row",
        "eve.csv, row 9: unknown kind 'poll'; correct",
        "eve.csv, row 10: the choice 'x' was not among what was shown",
        "eve.csv, row 11: the seconds 'soon' are not a number",
        "other.csv: is not a table of votes; its columns are time, viewer, kind",
        "none.csv: is not there; check its name",
    )
    found = sorted(merged.faults)
    assert len(found) == len(words)
    for fault, start in zip(found, sorted(words)):
        assert fault.startswith(start) and "\n" not in fault
    append_votes(tmp_path / "all.csv", merged.votes)
    assert read_votes(tmp_path / "all.csv") == (list(merged.votes), [])


def test_published_counts_give_the_published_numbers():
    found = ratings_row()
    assert found["votes"] == 300 and round(found["mean"], 2) == RATINGS_SAID["mean"] == 3.60
    assert round(100 * found["similar"], 1) == 64.3 and round(100 * found["not_similar"], 1) == 24.0
    rows = table_1_rows()
    for row in rows:
        assert round(100 * row["share"], 2) == row["said"] and row["low"] < row["share"]
    for question in TABLE_1["DAVS"]:  # nobody chose the original video, or nobody could
        assert sum(row["votes"] for row in rows if row["question"] == question) == 600
    assert [row["votes"] for row in frames_rows()] == [0, 0, 4, 4, 7]
    assert [round(100 * row["share"], 1) for row in frames_rows()] == [0, 0, 36.4, 36.4, 63.6]


def test_known_preferences_are_found_again():
    study = study_experiment([best_ballot(8, list(TABLE_1))], "none.csv")
    wanted = {q.name: {m: row[q.name] for m, row in TABLE_1.items()} for q in BEST_OF_FIVE}
    votes = simulated_votes(study.trials, wanted, 16, seed=1)
    rows = choice_shares(votes)
    assert len(rows) == 12 and {row["votes"] for row in rows} == {128}
    hits = [r["low"] <= wanted[r["question"]][r["version"]] / 100 <= r["high"] for r in rows]
    assert sum(hits) >= 10  # of twelve 95 % intervals
    for row in agreement(votes):  # the same chances for every clip: no agreement on clips
        assert row["measure"] == "nominal" and row["low"] < 0 < row["high"]
    assert "SIMULATED votes, which nobody cast" in ballot_html(votes)


def test_ratings_and_their_correlation_with_a_score():
    ballot = rating_ballot()
    study = study_experiment([ballot], "none.csv")
    scores = {clip: 0.3 + 0.05 * k for k, clip in enumerate(ballot.clips)}
    means = {clip: 1 + 4 * score for clip, score in scores.items()}
    votes = simulated_votes(study.trials, {SIMILARITY.name: means}, 20, spread=0.5)
    (row,) = rating_summary(votes)
    every = [vote.rating for vote in votes]
    assert row["mean"] == pytest.approx(np.mean(every)) and sum(row["counts"]) == 300
    assert row["low"] < row["mean"] < row["high"]
    found = ratings_against_scores(votes, scores)
    assert found["clips"] == 15 and found["r_means"] > 0.9 > found["r_votes"] > 0.4
    x = [scores[vote.clip] for vote in votes]
    assert found["r_votes"] == pytest.approx(np.corrcoef(x, every)[0, 1])
    (agreed,) = agreement(votes)
    assert agreed["measure"] == "ordinal" and 0 < agreed["low"] < agreed["alpha"] < 0.7
    with pytest.raises(InputError, match="four clips"):
        ratings_against_scores(votes, {"pair 1": 1.0})


def test_several_can_be_the_best():
    study = study_experiment([several_ballot()], "none.csv")
    trial = study.trials("x")[0]
    picks = [("800",)] * 4 + [("300", "500"), ("300", "800")] * 2
    votes = [
        make_vote(f"v{k}", trial, [trial.shown.index(name) for name in pick], 1)
        for k, pick in enumerate(picks)
    ]
    shares = {row["version"]: row["share"] for row in choice_shares(votes)}
    assert shares == {"100": 0, "200": 0, "300": 0.5, "500": 0.25, "800": 0.75}
    (row,) = agreement(votes)
    assert (row["viewers"], row["units"]) == (8, 5) and 0 < row["alpha"] < 1
    chances = {"100": 0.0, "200": 0.0, "300": 0.364, "500": 0.364, "800": 0.636}
    drawn = simulated_votes(study.trials, {ALL_THAT_ARE_BEST.name: chances}, 300)
    for row in choice_shares(drawn, 10):
        assert row["share"] == pytest.approx(chances[row["version"]], abs=0.08)
    same = [make_vote(f"v{k}", trial, [0, 1], 1) for k in range(3)]
    assert agreement(same)[0]["alpha"] == 1


def test_the_tables_of_a_ballot(study):
    votes = [make_vote(viewer, trial, [1], 1) for viewer in "ab" for trial in study.trials(viewer)]
    text = ballot_text(votes)
    assert text.startswith("12 votes by 2 viewers.") and "SIMULATED" not in text
    for words in ("image quality: still", "head pose similarity", "visual quality: 800"):
        assert words in text and f">{words}</th>" in ballot_html(votes)
    alone = ballot_text(votes[:1])
    assert "3 to 100 %" in alone and alone.splitlines()[-1].endswith(" -")  # exact; no agreement


def test_a_headless_run_shows_each_ballot_once(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    user_study([best_ballot(2), rating_ballot(), several_ballot()], tmp_path / "v.csv")
    html, text = shown[0]["text/html"], shown[0]["text/plain"]
    assert html.count("<img alt=") == 3 and "Votes so far: 0." in text
    for words in ("clips A to E from the top", "the real clip above, below it clips A to E"):
        assert words in text
    assert not any(name in html for name in FIVE[1:])


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: Question("poll", "x", "?"), ParameterError, "unknown 'poll'"),
        (lambda: Ballot((), {"a": {}}, 10), ParameterError, "give one question"),
        (lambda: Ballot((SIMILARITY,), {"a": {"x": film(0), "y": film(0)}}, 9), InputError, "real"),
        (lambda: Ballot(BEST_OF_FIVE, {"a": {"x": film(0)}}, 9), InputError, "has 1 versions"),
        (
            lambda: Ballot(BEST_OF_FIVE, {"a": {"x": film(0)}}, 9, reference="real"),
            InputError,
            "has no version 'real'",
        ),
        (
            lambda: Ballot(BEST_OF_FIVE, {"a": {"x | y": film(0), "z": film(0)}}, 9),
            InputError,
            "leave out",
        ),
        (lambda: study_experiment([], "v.csv"), InputError, "are none"),
        (lambda: rating_of_counts([1, 2]), ParameterError, "give five"),
        (
            lambda: simulated_votes(study_experiment([best_ballot()], "v").trials, {}),
            InputError,
            "have no value for",
        ),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()
