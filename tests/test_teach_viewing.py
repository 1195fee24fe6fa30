"""The blind viewing test: fair trials, votes that survive, shares with exact intervals."""

import numpy as np
import pytest
from scipy.stats import binomtest

from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.media import read_picture
from tfhkit.teach.ballot import ballot_html, ballot_text, refresh_ballots, show_ballot
from tfhkit.teach.film import pack_film
from tfhkit.teach.user_study import analyse_votes, interval_of_r
from tfhkit.teach.user_study_simulated import simulated_votes
from tfhkit.teach.viewing import viewing_experiment, viewing_test
from tfhkit.teach.viewing_session import Session
from tfhkit.teach.viewing_trials import contact_sheet, make_trials
from tfhkit.teach.votes import CATCH, SIDES, read_votes, record_vote

REAL, OTHER = np.full((6, 20, 24, 3), 200, np.uint8), np.full((6, 20, 24, 3), 60, np.uint8)
PAIRS = {"a": (REAL, OTHER), "b": (REAL, OTHER)}


def test_trials_show_the_real_one_on_its_side_and_both_sides_alike():
    trials = make_trials(PAIRS, 10, seed=1, repeats=4)
    assert len(trials) == 8
    for trial in trials:
        assert trial.views[SIDES.index(trial.real_side)].mean() == 200
        assert sorted(view.mean() for view in trial.views) == [60, 200]
    for name in PAIRS:
        sides = [trial.real_side for trial in trials if trial.clip == name]
        assert sides.count("left") == 2
    sides = {make_trials({"a": PAIRS["a"]}, 10, seed)[0].real_side for seed in range(12)}
    assert sides == {"left", "right"}


def test_catch_trials_are_among_them_but_never_first():
    for seed in range(20):
        trials = make_trials(PAIRS, 10, seed, repeats=2, easy={"bad": (REAL, OTHER)})
        names = [trial.clip for trial in trials]
        assert len(names) == 5 and names.count(CATCH + "bad") == 1 and names[0] in PAIRS
    places = {
        [t.clip for t in make_trials(PAIRS, 10, k, 2, PAIRS)].index(CATCH + "a") for k in range(30)
    }
    assert len(places) >= 4


def test_repeats_of_a_long_clip_show_other_parts():
    real = np.arange(100, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8)
    trials = make_trials({"a": (real, real)}, 10, 0, repeats=3)
    assert sorted(int(trial.views[0][0, 0, 0, 0]) for trial in trials) == [0, 20, 40]
    assert {len(trial.views[0]) for trial in trials} == {60}


def test_a_film_is_a_run_of_pictures(tmp_path):
    moving = np.random.default_rng(0).integers(0, 255, (3, 20, 48, 3), np.uint8)
    film, data = pack_film(moving, 95)
    assert (film["height"], film["width"]) == (20, 48) and sum(film["sizes"]) == len(data)
    (tmp_path / "last.jpg").write_bytes(data[-film["sizes"][-1] :])
    last = read_picture(tmp_path / "last.jpg")
    assert np.abs(last.astype(int) - moving[2]).mean() < np.abs(last.astype(int) - moving[1]).mean()
    assert contact_sheet(make_trials(PAIRS, 10)[0], 3).shape == (52, 72, 3)


def test_votes_survive_a_row_that_was_cut_short(tmp_path):
    path = tmp_path / "new" / "votes.csv"
    trials = make_trials(PAIRS, 10, seed=3)
    for trial in trials:
        record_vote(path, "x", trial, [SIDES.index(trial.real_side)], 2.5)
    with path.open("a") as file:
        file.write("2026-01-01,x,a,re")
    record_vote(path, "x", trials[0], [1 - SIDES.index(trials[0].real_side)], 1.0)
    votes, left_out = read_votes(path)
    assert [vote.correct for vote in votes] == [True, True, False]
    assert left_out == ["votes.csv, row 4: does not have 9 cells; correct or delete the row"]
    assert path.read_text().count("time,viewer") == 1
    assert read_votes(tmp_path / "none.csv") == ([], [])


def test_shares_are_exact():
    trials = make_trials(PAIRS, 10)
    votes = simulated_votes(lambda _: trials, {"real": {"a": 1.0, "b": 0.0}}, n_viewers=9)
    result = analyse_votes(votes)
    assert result["simulated"] and result["votes"] == 18 and result["viewers"] == 9
    assert result["share"] == 0.5 and result["p_value"] == pytest.approx(1)
    rows = {row["trial"]: row for row in result["trials"]}
    interval = binomtest(9, 9).proportion_ci(method="exact")
    assert (rows["a"]["low"], rows["a"]["high"]) == (interval.low, 1.0)
    assert rows["a"]["low"] == pytest.approx(0.025 ** (1 / 9)) and rows["b"]["share"] == 0
    assert analyse_votes([])["share"] is None and analyse_votes([])["votes"] == 0


def test_the_interval_of_a_published_correlation():
    assert interval_of_r(0.65, 15) == pytest.approx((0.21, 0.87), abs=0.01)


def test_catch_trials_are_counted_apart():
    trials = make_trials(PAIRS, 10, 0, 2, {"bad": (REAL, OTHER)})
    chances = {"real": {"a": 0.0, "b": 0.0, CATCH + "bad": 1.0}}
    votes = simulated_votes(lambda _: trials, chances, n_viewers=3)
    result = analyse_votes(votes)
    assert result["votes"] == 15 and result["share"] == 0 and result["overall"]["votes"] == 12
    assert [row["trial"] for row in result["trials"]] and result["catch"][0]["share"] == 1
    assert analyse_votes([v for v in votes if v.clip == CATCH + "bad"])["share"] is None


def test_a_headless_run_shows_one_trial(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    viewing_test(PAIRS, 10, tmp_path / "v.csv")
    assert set(shown[0]) == {"text/html", "text/plain"}
    assert shown[0]["text/html"].count('<img alt="One trial of the viewing test on paper') == 1
    assert "Votes so far: 0." in shown[0]["text/plain"]


class Browser:
    """What a session shows: the last screen, its film, the last fault."""

    def __init__(self):
        self.screen, self.film, self.fault = {}, b"", ""

    def __call__(self, message, film, sound):
        if message["kind"] == "fault":
            self.fault = message["text"]
        else:
            self.screen, self.film, self.fault = message, film, ""


@pytest.fixture
def session(tmp_path):
    """A session on its first screen, and what it shows."""
    browser = Browser()
    experiment = viewing_experiment(PAIRS, 10, tmp_path / "v.csv", {"bad": (REAL, OTHER)})
    made = Session(experiment, browser)
    made.show()
    return made, browser


def vote(session, browser, *answer):
    number = browser.screen["number"]
    message = {"kind": "vote", "answer": answer or (0,), "number": number, "seconds": 2}
    session.hear(message)


def test_a_viewers_way_through_the_trials(session):
    session, browser = session
    path = session.experiment.path
    assert browser.screen["kind"] == "intro" and browser.screen["total"] == 5
    session.hear({"kind": "begin", "viewer": "  a   b "})
    assert browser.screen["number"] == -1 and len(browser.film) > 100  # the training trial
    real_side = session.experiment.practice.real_side
    vote(session, browser, SIDES.index(real_side))
    assert browser.screen["text"].startswith(f"Right: the {real_side} clip was filmed")
    session.hear({"kind": "go"})
    for number in range(5):
        assert browser.screen["number"] == number and read_votes(path)[0][number:] == []
        assert f"Votes so far: {number}" in browser.screen["tally"]
        assert not {"text", "table"} & set(browser.screen)  # nothing is told
        vote(session, browser)
        session.hear({"kind": "vote", "answer": [0], "number": number, "seconds": 2})  # twice
    votes, _ = read_votes(path)
    assert len(votes) == 5 and {v.viewer for v in votes} == {"a b"}
    assert [v.clip for v in votes] == [t.clip for t in session.experiment.trials("a b")]
    # both sides equally often: who always says "left" is right half the time
    assert browser.screen["text"].startswith(
        "Thank you. 2 of your 4 votes were right; tossing a coin gets 2"
    )
    assert "bad" in browser.screen["table"]
    session.hear({"kind": "next"})
    assert browser.screen["kind"] == "intro" and browser.screen["unfinished"] is None
    session.hear({"kind": "begin", "viewer": "a b"})
    assert "has cast all 5 votes" in browser.fault and browser.screen["kind"] == "intro"


def test_a_viewer_goes_on_after_a_restart(session):
    first, browser = session
    first.hear({"kind": "begin", "viewer": "x"})
    vote(first, browser)
    first.hear({"kind": "go"})
    vote(first, browser)
    vote(first, browser)
    again, browser = Session(first.experiment, Browser()), None
    browser = again.send
    again.show()
    assert browser.screen["unfinished"] == {"name": "x", "cast": 2}
    again.hear({"kind": "begin", "viewer": "x"})
    assert browser.screen["number"] == 2  # no training a second time
    for _ in range(3):
        vote(again, browser)
    trials = [v.clip for v in read_votes(first.experiment.path)[0]]
    assert trials == [trial.clip for trial in first.experiment.trials("x")]


def test_a_file_that_cannot_be_written_is_said_in_the_widget(session):
    session, browser = session
    session.experiment.path.mkdir()
    session.hear({"kind": "begin", "viewer": "x"})
    vote(session, browser)
    session.hear({"kind": "go"})
    vote(session, browser)
    assert "votes cannot be written" in browser.fault and browser.screen["number"] == 0
    session.experiment.path.rmdir()
    vote(session, browser)
    assert browser.fault == "" and browser.screen["number"] == 1
    session.hear({"kind": "begin", "viewer": "  "})
    assert "type any name" in browser.fault
    session.hear({"kind": "nonsense"})
    assert "KeyError" in browser.fault


def test_the_ballot_follows_the_votes(tmp_path, monkeypatch):
    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(data["text/plain"])

    def display(data, display_id, raw):
        shown.append(data["text/plain"])
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    path = tmp_path / "v.csv"
    show_ballot(path)
    trial = make_trials(PAIRS, 10, 0)[0]
    record_vote(path, "<x>", trial, [SIDES.index(trial.real_side)], 2)
    refresh_ballots(path, "<x>")
    refresh_ballots(path)
    assert "No votes yet" in shown[0] and "100 %" not in shown[1] and "not counted yet" in shown[1]
    assert shown[2].splitlines()[-1].split() == "a 1 100 % 3 to 100 %".split()
    votes, _ = read_votes(path)
    assert "&lt;x&gt;" in ballot_html(votes, "<x>") and "3 to 100 %" in ballot_html(votes)
    assert ballot_text([]) == "No votes yet: run the cell above in JupyterLab, and ask somebody."


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: make_trials({"a": (REAL, OTHER[:3])}, 10), ShapeError, "a: generated"),
        (lambda: make_trials({"real": (REAL, OTHER)}, 10), InputError, "one is called 'real'"),
        (lambda: make_trials({"a": (REAL / 255, OTHER)}, 10), InputError, "is not uint8"),
        (lambda: make_trials(PAIRS, 0), ParameterError, "give a positive rate"),
        (lambda: viewing_test({}, 10, "x.csv"), InputError, "pairs: are none"),
        (
            lambda: record_vote("x", "v", make_trials(PAIRS, 9)[0], [2], 1),
            ParameterError,
            "choose one of",
        ),
        (lambda: interval_of_r(1.0, 9), ParameterError, "4 pairs or more"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_another_table_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="is not a table of votes"):
        read_votes(tmp_path / "t.csv")
