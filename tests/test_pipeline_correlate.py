"""`tfhkit correlate`: the command on a made-up fit of the sample, and what it refuses."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tfhkit.cli import main
from tfhkit.cli.correlate import MEASURES, show_clips
from tfhkit.coefficients import SIZES, Coefficients
from tfhkit.fit import Crop, Fit
from tfhkit.media import open_clip, write_video
from tfhkit.pipeline.step import resolve
from tfhkit.stats import COLUMNS
from tfhkit.study.tables import pooled_p

KEYS = "paper_r paper_pairs shift_null_mean shift_null_std no_neighbours_r p_value".split()


def sample():
    return open_clip(resolve("clip", "sample", Path.cwd()))


@pytest.fixture(scope="module")
def fit_file(tmp_path_factory):
    """A fit of the sample whose head wanders, without the minute of a real one."""
    times = sample().times
    n = len(times)
    walk = np.cumsum(np.random.default_rng(0).standard_normal((n, 3)), axis=0)
    angles = (0.02 * walk).astype(np.float32)
    zero = {k: np.zeros((n, size), np.float32) for k, size in SIZES.items() if k != "angles"}
    coefficients = Coefficients(angles=angles, **zero)
    path = tmp_path_factory.mktemp("fit") / "fit.npz"
    landmarks = np.zeros((n, 68, 2), np.float32)
    fit = Fit(coefficients, landmarks, np.zeros(n, bool), times, Crop(1.0, 0.0, 0.0), "open")
    fit.save(path)
    return path


@pytest.mark.slow
def test_table_and_json(fit_file, tmp_path, capsys):
    table = tmp_path / "t.csv"
    options = ["--fit", str(fit_file), "--nulls", "39", "-o", str(table), "--json"]
    assert main(["correlate", "sample", *options]) == 0
    result = json.loads(capsys.readouterr().out)
    assert set(KEYS) <= set(result) and result["frames"] == len(sample())
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS and len(rows) == 16 + 14 * 7
    assert float(rows[0]["r"]) == pytest.approx(result["paper_r"], abs=1e-4)
    assert float(rows[1]["p"]) == pytest.approx(result["p_value"], abs=1e-4)
    assert [row["estimate"] for row in rows[:2]] == ["paper", "no_neighbours"]
    assert main(["correlate", "--fit", str(fit_file), "--nulls", "19", "--axis", "yaw"]) == 0
    text = capsys.readouterr().out
    assert "paper_r" in text and "voice pitch (st)" in text


@pytest.mark.parametrize(
    "options, words",
    [
        (["-o", "t.txt"], "t.txt: is not named .csv"),
        (["-o", "/proc/none/t.csv"], "cannot be written"),
        (["--frames", "20"], "--frames: 20 are too few"),
        (["--frames", "-1"], "--frames: -1 are too few"),
        (["--nulls", "5"], "5 surrogate tracks cannot give p = 0.05"),
        (["--axis", "nod"], "--axis: unknown 'nod'"),
        (["--radius", "nan"], "--radius: is nan"),
        (["--min-gap", "-1"], "--min-gap: is -1.0"),
        (["--fit", "none.npz"], "none.npz"),
    ],
)
def test_refusals_are_one_line(options, words, capsys):
    assert main(["correlate", "sample", *options]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


@pytest.mark.parametrize("n_frames, loud, words", [(140, 0.0, "silent"), (60, 0.1, "2.4 s long")])
def test_useless_clips_are_refused_before_the_fit(n_frames, loud, words, tmp_path, capsys):
    pictures = (np.full((64, 64, 3), k % 256, np.uint8) for k in range(n_frames))
    noise = loud * np.random.default_rng(0).standard_normal(640 * n_frames)
    clip, table = tmp_path / "clip.mp4", tmp_path / "t.csv"
    write_video(clip, pictures, 25, noise)
    assert main(["correlate", str(clip), "-o", str(table)]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1 and [*tmp_path.iterdir()] == [clip]


def _many(monkeypatch, fits):
    """Fits by the file's name, instead of minutes of fitting."""

    def made(clip, file, frames, progress, **_):
        return fits[Path(clip.path).stem]

    monkeypatch.setattr("tfhkit.pipeline.clip_fit.fit_for", made)


@pytest.mark.slow
def test_many_clips_have_a_row_each_a_mean_and_a_pooled_p(fit_file, tmp_path, monkeypatch, capsys):
    real, folder = resolve("clip", "sample", Path.cwd()), tmp_path / "clips"
    folder.mkdir()
    for name in "abc":
        shutil.copy(real, folder / f"{name}{real.suffix}")
    (folder / "d.mp4").write_bytes(b"no video")
    fit = Fit.load(fit_file)
    turned = fit.coefficients.angles[::-1], np.roll(fit.coefficients.angles, 40, axis=0)
    others = [replace(fit, coefficients=replace(fit.coefficients, angles=a)) for a in turned]
    _many(monkeypatch, dict(zip("abc", (fit, *others))))
    table = tmp_path / "all.csv"
    options = ["--nulls", "19", "-o", str(table), "--json"]
    assert main(["correlate", str(folder), *options]) == 1  # one failed
    result = json.loads(capsys.readouterr().out)
    assert [row["clip"] for row in result["rows"]] == ["a", "b", "c"]
    assert [one["clip"] for one in result["failures"]] == ["d"]
    for line, (value, p) in zip(result["summary"], MEASURES.values()):
        found, chance = ([row[key] for row in result["rows"]] for key in (value, p))
        assert line["mean"] == pytest.approx(np.mean(found), abs=1e-4)
        assert (line["min"], line["max"]) == (min(found), max(found))
        assert line["low"] <= line["mean"] <= line["high"]
        assert line["p"] == pytest.approx(pooled_p(chance), abs=1e-3)
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["clip", *COLUMNS] and len(rows) == 3 * (16 + 14 * 7)
    text = show_clips(result)
    assert "pooled p" in text and "failed: d:" in text and "(Fisher)" in text


def test_a_fit_is_that_of_one_clip(fit_file, capsys):
    assert main(["correlate", "sample", "virtual:2", "--fit", str(fit_file)]) == 2
    said = capsys.readouterr().err
    assert "belongs to one clip; name one clip" in said and said.count("\n") == 1


def test_a_fit_of_another_clip_is_refused(fit_file, tmp_path, capsys):
    whole = Fit.load(fit_file)
    cut = whole.coefficients.map(lambda part: part[:60])
    parts = (array[:60] for array in (whole.landmarks_px, whole.gap, whole.times))
    Fit(cut, *parts, whole.crop, "open").save(tmp_path / "short.npz")
    assert main(["correlate", "sample", "--fit", str(tmp_path / "short.npz")]) == 2
    assert "has 60 frames, the clip" in capsys.readouterr().err
    moved = replace(whole, times=whole.times * 1.04)
    other = replace(whole, report={"clip_sha256": "0" * 64})
    for fit in (moved, other):
        fit.save(tmp_path / "other.npz")
        assert main(["correlate", "sample", "--fit", str(tmp_path / "other.npz")]) == 2
        assert "other.npz: is of another clip; give the fit of this" in capsys.readouterr().err
