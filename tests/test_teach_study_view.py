"""The view of a study: its measures, what is shown and saved, the picture, a small study."""

import csv
import json
import shutil
import subprocess

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pytest

from tfhkit.errors import InputError, ParameterError
from tfhkit.study.motion_stages import HEAD, PAIRS, VOICE
from tfhkit.study.results import Study
from tfhkit.study.settings import StudySettings
from tfhkit.study.tables import summarise
from tfhkit.study.work import COLUMNS
from tfhkit.teach.study_view import (
    STATIC,
    Choice,
    _for_widget,
    curves_of,
    draw_study,
    measures_of,
    open_study,
    show_study,
    shown_rows,
    small_study,
)

LAGS_S = [-0.08, 0.0, 0.08, 0.16]


def made_study(lags=True):
    """Four clips; the last one failed before its correlation, and has a fit alone."""
    rows, about = [], {}
    for k in range(3):
        clip, values = f"c{k}", {"p": 0.2, "low": 0.1 * k, "high": 0.4 + 0.1 * k, "n": 9}
        for measure, method in ((PAIRS, "clip"), ("HS", "ours, drawn")):
            one = {"clip": clip, "stage": "correlation", "measure": measure, "method": method,
                   "value": 0.3 + 0.1 * k, **values}  # fmt: skip
            rows.append({name: one[name] for name in COLUMNS})
        curve = [0.01 * k, 0.02, 0.5 + 0.01 * k, 0.03]
        curves = {axis: dict.fromkeys((*VOICE, "MFCC c3"), curve) for axis in HEAD}
        known = {"lags_s": LAGS_S, "chance_95": 0.4, "curves": curves}
        about[clip] = {"correlation": {"lags": known} if lags else {}}
    about["c3"] = {"doctor": {}}
    rows = rows[::-1]
    return Study("mine", StudySettings(), rows, summarise(rows), [], about, {c: {} for c in about})


def test_what_is_shown_is_what_is_saved(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **more: shown.append(data))
    study, path = made_study(), tmp_path / "rows.csv"
    show_study(study, Choice(axis="yaw", lag_s=0.1), save=path)
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["clip"] for row in rows] == ["c0", "c1", "c2", "c3"]
    assert [float(row["value"]) for row in rows[:3]] == pytest.approx([0.3, 0.4, 0.5])
    assert rows[0]["lag_s"] == "0.08" and rows[0]["axis"] == "yaw"  # the nearest frame's
    assert [float(row[f"r, {VOICE[0]}"]) for row in rows[:3]] == pytest.approx([0.5, 0.51, 0.52])
    assert rows[3]["value"] == rows[3][f"r, {VOICE[0]}"] == ""
    alt = shown[0]["text/plain"]
    assert "of 3 clips, mean 0.40, 0.30 to 0.50" in alt and "<img" in shown[0]["text/html"]


def test_the_picture_shows_clips_the_lag_and_the_chosen_clips_curves():
    figure = draw_study(made_study(), Choice(clip="c1", axis="roll", lag_s=0.08))
    left, middle, right = figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["mean", "c0", "c1", "c2"]
    assert left.get_title().startswith("mean 0.40, pooled p = ")
    assert middle.get_title() == "head roll, lag +0.08 s" and right.get_title() == "c1: head roll"
    drawn = {line.get_label(): line.get_ydata() for line in right.lines}
    assert drawn[VOICE[0]] == pytest.approx([0.01, 0.02, 0.51, 0.03])
    assert drawn[f"{VOICE[0]}, mean"] == pytest.approx([0.01, 0.02, 0.51, 0.03])
    plt.close(figure)


def test_a_study_without_curves_still_shows_its_clips():
    study = made_study(lags=False)
    figure = draw_study(study)
    assert "no curves over lags" in figure.axes[2].texts[0].get_text()
    assert curves_of(study, "c0", "pitch") == {}
    plt.close(figure)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (Choice(measure="PSNR"), "measure: there is no 'PSNR'; choose among pairs"),
        (Choice(clip="d"), "clip: there is no 'd'; choose among c0, c1"),
        (Choice(axis="nod"), "axis: unknown 'nod'; choose pitch"),
    ],
)
def test_choices_that_are_not_there(choice, words):
    with pytest.raises(ParameterError, match=words):
        shown_rows(made_study(), choice)


def test_no_numbers_and_no_study(tmp_path):
    with pytest.raises(ParameterError, match="empty has no numbers"):
        shown_rows(Study("empty", StudySettings(), [], [], [], {}, {}), Choice())
    with pytest.raises(InputError, match="is not a study"):
        open_study(str(tmp_path))


def test_a_small_study_finds_the_lag_of_a_head_that_follows_its_voice():
    times, rng, clips = np.arange(120) / 12, np.random.default_rng(3), {}
    for name in "a":
        loud = np.interp(np.arange(160_000) / 16_000, np.arange(41) / 4, rng.random(41))
        sound = loud * rng.standard_normal(160_000) * 0.2
        heard = np.log10(np.interp(times - 3 / 12, np.arange(160_000) / 16_000, loud) + 0.02)
        angles = np.stack([heard, *rng.standard_normal((2, 120))], 1) * 0.1
        clips[name] = sound, times, angles
    study = small_study(clips, StudySettings(n_null=19))
    assert study.clips == ("a",) and next(iter(measures_of(study))) == PAIRS
    for name in clips:
        lags = study.about[name]["correlation"]["lags"]
        r = curves_of(study, name, "pitch")[VOICE[0]]
        assert lags["lags_s"][int(np.argmax(r))] == pytest.approx(0.25, abs=0.09)
        assert max(r) > 0.6
    json.dumps(study.about)


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no Node.js")
def test_the_front_end_saves_the_same_rows(tmp_path):
    study, choice = made_study(), Choice(PAIRS, "c1", "yaw", 0.1)
    (tmp_path / "view.mjs").write_text(
        (STATIC / "study_view.js").read_text() + "\nexport { csvOf, shownRows };\n"
    )
    (tmp_path / "data.json").write_text(json.dumps(_for_widget(study, choice)))
    (tmp_path / "ask.mjs").write_text(
        'import { readFileSync } from "fs"; import { csvOf, shownRows } from "./view.mjs";'
        'const study = JSON.parse(readFileSync("data.json"));'
        "process.stdout.write(csvOf(shownRows(study, study.choice).rows));"
    )
    made = subprocess.run(["node", "ask.mjs"], cwd=tmp_path, capture_output=True, check=True)
    found = list(csv.DictReader(made.stdout.decode().splitlines()))
    for ours, theirs in zip(shown_rows(study, choice), found, strict=True):
        assert list(ours) == list(theirs)
        for name, value in ours.items():
            said = theirs[name]
            number = isinstance(value, float)
            assert float(said) == pytest.approx(value) if number else said == str(value or "")
