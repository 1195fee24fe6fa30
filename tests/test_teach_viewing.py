"""The blind viewing test: fair trials, votes that survive, shares with exact intervals."""

import io

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binomtest

from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.teach.viewing import (
    animation,
    contact_sheet,
    make_trials,
    simulated_votes,
    viewing_test,
)
from tfhkit.teach.votes import (
    analyse_votes,
    interval_of_r,
    read_votes,
    record_vote,
    score_against_votes,
)

REAL, OTHER = np.full((6, 20, 24, 3), 200, np.uint8), np.full((6, 20, 24, 3), 60, np.uint8)
PAIRS = {"a": (REAL, OTHER), "b": (REAL, OTHER)}


def test_trials_show_the_real_one_on_its_side_and_both_sides_alike():
    trials = make_trials(PAIRS, 10, seed=1, repeats=4)
    assert len(trials) == 8
    for trial in trials:
        assert getattr(trial, trial.real_side).mean() == 200
        assert sorted((trial.left.mean(), trial.right.mean())) == [60, 200]
    for name in PAIRS:
        sides = [trial.real_side for trial in trials if trial.name == name]
        assert sides.count("left") == 2
    sides = {make_trials({"a": PAIRS["a"]}, 10, seed)[0].real_side for seed in range(12)}
    assert sides == {"left", "right"}


def test_animation_has_all_frames_and_lasts_as_long():
    trial = make_trials(PAIRS, 12, seed=0)[0]
    moving = np.random.default_rng(0).integers(0, 255, trial.frames().shape, np.uint8)
    with Image.open(io.BytesIO(animation(moving, 12))) as image:
        assert image.n_frames == 6 and image.size == (24 * 2 + 12, 20)
    assert contact_sheet(trial, 3).shape == (52, 72, 3)


def test_votes_survive_a_row_that_was_cut_short(tmp_path):
    path = tmp_path / "new" / "votes.csv"
    trials = make_trials(PAIRS, 10, seed=3)
    for trial in trials:
        record_vote(path, "x", trial, trial.real_side, 2.5)
    with path.open("a") as file:
        file.write("2026-01-01,x,a,re")
    wrong = "left" if trials[0].real_side == "right" else "right"
    record_vote(path, "x", trials[0], wrong, 1.0)
    votes, left_out = read_votes(path)
    assert [vote["correct"] for vote in votes] == [True, True, False] and left_out == 1
    assert path.read_text().count("time,viewer") == 1
    assert read_votes(tmp_path / "none.csv") == ([], 0)


def test_shares_are_exact():
    trials = make_trials(PAIRS, 10)
    votes = simulated_votes(trials, {"a": 1.0, "b": 0.0}, n_viewers=9)
    result = analyse_votes(votes)
    assert result["simulated"] and result["votes"] == 18 and result["viewers"] == 9
    assert result["share"] == 0.5 and result["p_value"] == pytest.approx(1)
    rows = {row["trial"]: row for row in result["trials"]}
    interval = binomtest(9, 9).proportion_ci(method="exact")
    assert (rows["a"]["low"], rows["a"]["high"]) == (interval.low, 1.0)
    assert rows["a"]["low"] == pytest.approx(0.025 ** (1 / 9)) and rows["b"]["share"] == 0
    assert analyse_votes([])["share"] is None and analyse_votes([])["votes"] == 0


def test_scores_against_votes():
    found = score_against_votes([0.1, 0.2, 0.3, 0.4, 0.5], [1, 3, 2, 5, 4])
    assert found["r"] == pytest.approx(0.8) and found["interval"] == pytest.approx(
        interval_of_r(0.8, 5)
    )
    assert interval_of_r(0.65, 15) == pytest.approx((0.21, 0.87), abs=0.01)


def test_a_headless_run_shows_one_trial(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("TFHKIT_LIVE", "0")
    monkeypatch.setattr("IPython.display.display", lambda *_, **__: None)
    viewing_test(make_trials(PAIRS, 10), tmp_path / "v.csv")
    assert "votes so far: none yet" in capsys.readouterr().out


def test_a_viewer_votes_by_buttons_without_feedback(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setenv("TFHKIT_LIVE", "1")
    monkeypatch.setattr("IPython.display.display", shown.append)
    trials = make_trials(PAIRS, 10, seed=5)
    viewing_test(trials, tmp_path / "v.csv", "me")
    text, _, buttons = shown[0].children
    left, right = buttons.children
    left.click()
    assert text.value == "2 of 2: which one is real?"
    right.click()
    assert text.value.startswith("Thank you.") and left.disabled
    votes, _ = read_votes(tmp_path / "v.csv")
    assert [vote["choice"] for vote in votes] == ["left", "right"]
    assert [vote["trial"] for vote in votes] == [trial.name for trial in trials]


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: make_trials({"a": (REAL, OTHER[:3])}, 10), ShapeError, "a: generated"),
        (lambda: make_trials({"real": (REAL, OTHER)}, 10), InputError, "one is called 'real'"),
        (lambda: make_trials({"a": (REAL / 255, OTHER)}, 10), InputError, "is not uint8"),
        (lambda: make_trials(PAIRS, 0), ParameterError, "give a positive rate"),
        (lambda: viewing_test((), "x.csv"), InputError, "trials: are none"),
        (
            lambda: record_vote("x", "v", make_trials(PAIRS, 9)[0], "up", 1),
            ParameterError,
            "choose",
        ),
        (lambda: score_against_votes([1, 2, 3], [1, 2, 3]), InputError, "four clips or more"),
        (lambda: score_against_votes([1] * 4, [1, 2, 3, 4]), InputError, "do not vary"),
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
