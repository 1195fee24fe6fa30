"""A user study in JupyterLab: a vote of each kind, by key and by click, and after a reload."""

import csv

from lab import READY_JS

TOYS = """
import numpy as np
from tfhkit.teach.viewing import user_study
from tfhkit.teach.viewing_trials import ALL_THAT_ARE_BEST, BEST_OF_FIVE, SIMILARITY, Ballot
y, x = np.mgrid[:64, :64]

def ball(speed, colour=220, n=12):
    t = np.arange(n)[:, None, None]
    on = ((x - 32 - 16 * np.sin(t * speed)) ** 2 + (y - 32) ** 2 < 200)[..., None]
    return np.where(on, np.uint8(colour), np.uint8([40, 60, 60]))

five = {name: ball(0.3, 100 + 30 * k) for k, name in enumerate(("real", "a", "b", "c", "d"))}
pair = {"real": ball(0.3), "made": ball(0.5)}
sound = np.sin(1000 * np.arange(16000) / 16000).astype(np.float32) / 9
"""
STUDY = """
user_study([
    Ballot(BEST_OF_FIVE, {"clip": five}, 12, {"clip": sound}),
    Ballot((SIMILARITY,), {"pair": pair}, 12),
    Ballot((ALL_THAT_ARE_BEST,), {"clip": five}, 12, reference="real"),
], "study.csv")
"""
BALLOT = "from tfhkit.teach.ballot import show_ballot\nshow_ballot('study.csv')"


def trial(page, number, kind):
    """The widget, when it shows this trial and its pictures move."""
    where = f".tfhkit-viewing[data-trial='{number}'][data-ask={kind}][data-busy=false]"
    page.wait_for_selector(where)
    page.wait_for_function("() => +document.querySelector('.tfhkit-viewing').dataset.frame > 1")
    assert page.locator(".stage").evaluate("(stage) => stage.scrollWidth <= stage.clientWidth")
    return page.locator(where)


def test_a_vote_of_each_kind_and_a_reload(mini_notebook):
    notebook = mini_notebook([TOYS, STUDY, BALLOT])
    page = notebook.page
    notebook.show_cell(1)
    widget = page.locator(".tfhkit-viewing")
    assert "5 trials, about 1 minute" in widget.locator(".say").inner_text()
    widget.get_by_label("name").fill("ann")
    page.keyboard.press("Enter")
    shown = trial(page, 1, "best")
    assert shown.locator("canvas").count() == 5 and shown.locator(".panel button").count() == 5
    assert "best image quality" in shown.locator(".say").inner_text()
    page.keyboard.press("3")
    trial(page, 2, "best").get_by_role("button", name="E (5)").click()
    trial(page, 3, "best")
    notebook.save()
    page.reload()
    page.wait_for_function(READY_JS)
    notebook.run_cell(2)
    notebook.run_cell(1)
    widget.get_by_role("button", name="Go on as ann (2 of 5 done)").click()
    trial(page, 3, "best")
    page.keyboard.press("1")
    shown = trial(page, 4, "rating")
    assert shown.locator(".answers .vote").count() == 5
    page.keyboard.press("4")
    shown = trial(page, 5, "several")
    done = shown.get_by_role("button", name="Done (enter)")
    assert done.is_disabled() and "real, to compare with" in shown.locator(".stage").inner_text()
    assert shown.locator("canvas").count() == 5 and shown.locator(".panel button").count() == 4
    page.keyboard.press("2")
    shown.get_by_role("button", name="D (4)").click()
    page.keyboard.press("1")
    page.keyboard.press("1")  # and off again
    done.click()
    widget.get_by_text("Thank you. Your 5 votes are kept.").wait_for()
    rows = list(csv.DictReader((notebook.lab.root / "study.csv").read_text().splitlines()))
    orders = [row["shown"].split(" | ") for row in rows]
    assert [row["question"] for row in rows[:3]] == [
        "image quality",
        "lip synchronisation",
        "naturalness",
    ]
    assert [row["choice"] for row in rows[:3]] == [orders[0][2], orders[1][4], orders[2][0]]
    assert (rows[3]["rating"], rows[3]["choice"]) == ("4", "")
    assert rows[4]["choice"].split(" | ") == [orders[4][1], orders[4][3]]
    ballot = notebook.cell(2)
    ballot.get_by_text("5 votes by 1 viewer.").wait_for()
    assert "visual quality: a" in ballot.inner_text() and notebook.errors() == []
