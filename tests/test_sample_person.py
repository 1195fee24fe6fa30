"""The sample clip's person, learned once with profile tiny: what is made of them. Slow."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from talk_toys import same, voice

from tfhkit import talk
from tfhkit.assets import fetch
from tfhkit.cli import main
from tfhkit.evaluate import frames, recipes
from tfhkit.evaluate.ablations import FULL
from tfhkit.evaluate.written import score_written
from tfhkit.media import open_clip, video_metadata
from tfhkit.metrics import perceptual_available
from tfhkit.person import Person
from tfhkit.profiles import PROFILES, settings_of
from tfhkit.refine import general
from tfhkit.study import one_frame, picture_stages
from tfhkit.study.settings import StudySettings
from tfhkit.study.work import ClipWork

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("sample") / "me"


@pytest.fixture(scope="module")
def learned(folder):
    """The person as `learn` gives it; its directory is `folder`."""
    return talk.learn(fetch("sample_clip"), "tiny", folder)


def test_a_person_is_learned_from_the_sample_clip(learned, folder):
    assert learned.scores["psnr_db"] > learned.scores["psnr_db_unrefined"] > 15
    assert sorted(p.name for p in folder.iterdir()) == [
        "clip.mp4", "fit.npz", "mapping.json", "mapping.safetensors", "person.json",
        "refiner.json", "refiner.safetensors",
    ]  # fmt: skip
    again = Person.load(folder)
    first, second = (talk.drive(p, voice()) for p in (learned, again))
    assert same(first, second)
    pictures = [talk.refine(p, talk.draw(p, first[:3])).pictures for p in (learned, again)]
    assert np.array_equal(*pictures)


def test_a_written_video_of_the_sample_is_scored(learned, tmp_path):
    numbers = score_written(learned, tmp_path / "out.mp4").summary()
    film = open_clip(tmp_path / "out.mp4", min_seconds=0)
    held = learned.fit.times[learned.held]
    assert np.allclose(film.times, held - held[0], atol=2e-3)
    assert "ynthetic" in str(video_metadata(tmp_path / "out.mp4"))
    assert 0 < numbers["naturalness"]["mean"] < 1
    assert 0 < numbers["lmd_mouth_aligned"] <= numbers["lmd_mouth_written"] < 0.2
    assert numbers["hs_repeated"] > 0.9 and 0 < numbers["hs_written"] < 1


def test_the_refiner_is_judged_by_the_command(learned, folder, capfd, monkeypatch):
    asked = []
    monkeypatch.setattr(general, "general_refiner", asked.append)
    monkeypatch.setitem(PROFILES, "quick", replace(PROFILES["quick"], motion_epochs=2))
    monkeypatch.setattr(frames, "N_DEEP", 16)
    monkeypatch.setattr(frames, "N_IDENTITY", 4)
    options = ["--fit", str(folder / "fit.npz"), "--steps", "12", "--frames", "70"]
    assert main(["evaluate", "refine", *options, "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert asked == ["small"] and result["from_general"] is False
    assert result["steps"] == 12
    assert result["train_frames"] <= 70 and result["held_frames"] <= len(learned.clip) - 70
    kinds = {"true", "predicted", "predicted_expression"}
    names = ["psnr", "ssim", "lmd", "flicker_ratio", "identity_similarity"]
    for name in [*names, "perceptual"] if perceptual_available() else names:
        assert set(result[name]) == {"refined", "unrefined", "nearest_frame"}
        assert all(set(part) == kinds for part in result[name].values())
    low, high = result["psnr_gain_db_interval"]
    assert low < result["psnr_gain_db"] < high
    assert result["lmd_not_found"]["unrefined"]["true"] < 0.1
    # where the head stood, the rendering's mouth is nearer to the real one than another frame's
    assert result["lmd"]["unrefined"]["true"] < result["lmd"]["nearest_frame"]["true"]
    assert result["psnr"]["unrefined"]["true"] > result["psnr"]["unrefined"]["predicted"]
    assert 0.5 < result["peak_memory_gb"] < 16 and result["fps"] > 0


def test_a_clip_judged_under_recipes(learned, monkeypatch):
    """One row for each recipe, and the rendering; the numbers are those of the parts."""
    monkeypatch.setattr(recipes, "RECIPES", ("published",))
    settings = replace(
        settings_of("tiny"),
        refine_fewest_steps=2,
        refine_most_steps=2,
        motion_epochs=1,
        held_back=0.12,
    )
    rows = recipes.evaluate_recipes(learned.clip, learned.fit, settings)
    assert [row["recipe"] for row in rows] == ["rendering", "published"]
    assert rows[0]["lip_corr"] is None and rows[0]["psnr"] > 15
    for row in rows[1:]:
        low, high = row["gain_db_interval"]
        assert low <= row["psnr"] - rows[0]["psnr"] <= high
        assert -1 <= row["lip_corr"] <= 1 and 0 < row["hs"] <= 1 and 0 <= row["kept"] <= 1
    assert len({row["psnr"] for row in rows}) == 2


def rows_by_name(found):
    return {(one["measure"], one["method"]): one["value"] for one in found[0]}


def test_the_pictures_of_a_study(learned, folder, tmp_path, monkeypatch):
    """Every stage of `tfhkit study` with pictures, on the person who is learned already."""
    shutil.copytree(folder, tmp_path / "clip" / "learned")
    monkeypatch.setattr(picture_stages, "LENGTHS", (20, 60, 10_000))
    monkeypatch.setattr(picture_stages, "FEW", (1, 4))
    monkeypatch.setattr(one_frame, "MOST_FRAMES", 12)
    monkeypatch.setattr(frames, "N_DEEP", 6)
    monkeypatch.setattr(frames, "N_IDENTITY", 2)
    settings = StudySettings(profile="tiny", train_frames=60, image_frames=16, n_null=19)
    work = ClipWork(learned.clip, tmp_path / "clip", settings)
    assert len(work.fit) == len(learned.fit), "the fit is not made anew"

    pictures = rows_by_name(picture_stages.judge_frames(work))
    for method in ("ours", "rendering", "nearest frame"):
        for mark in ("", ", lips from sound"):
            assert 10 < pictures[f"PSNR, dB{mark}", method] < 40
            assert 0 < pictures[f"SSIM{mark}", method] < 1
    assert pictures["mouth distance, share of the eyes'", "ours"] > 0
    assert 0.5 < pictures["likeness of the person, cosine", "ours"] < 1

    written = rows_by_name(picture_stages.judge_written(work))
    assert 0 < written["naturalness", "ours"] < 1
    assert written["HS of the written video", "real, found twice"] > 0.5  # of 1.3 s

    lengths = rows_by_name(picture_stages.judge_lengths(work))
    names = {"rendering", picture_stages.GENERAL, "N = 20", "N = 60"}  # no clip has 10,000 frames
    assert {method for _, method in lengths} == names
    error_mm = {method: mm for (measure, method), mm in lengths.items() if "mm" in measure}
    assert error_mm["N = 60"] != error_mm[picture_stages.GENERAL]
    assert "N = 20" not in error_mm, "1.7 s are too few for a mapping"
    assert lengths["PSNR, dB", "N = 20"] != lengths["PSNR, dB", "N = 60"]

    few = rows_by_name(picture_stages.judge_few(work))
    names = {picture_stages.few_label(n, a) for n in (1, 4)
             for a in (picture_stages.LOW, picture_stages.DETAILED)}  # fmt: skip
    assert {method for _, method in few} == names
    one = [few["PSNR, dB", picture_stages.few_label(1, a)]
           for a in (picture_stages.LOW, picture_stages.DETAILED)]  # fmt: skip
    assert one[0] != one[1], "the albedo is another one"

    parts = rows_by_name(picture_stages.ablate(work))
    assert parts["PSNR, dB", FULL] > 10 and ("PSNR minus full model, dB", FULL) not in parts
    changes = [value for (measure, _), value in parts.items() if "minus" in measure]
    assert len(changes) >= 5 and any(changes)

    alone = rows_by_name(one_frame.judge_one_frame(work))
    methods = one_frame.OURS_G, one_frame.UNREFINED, one_frame.FROZEN_MOUTH, one_frame.COPIED
    for method in methods:
        assert 10 < alone["PSNR as published, dB", method] < 60
        assert alone[one_frame.LMD_SUM, method] == pytest.approx(
            20 * alone[one_frame.LMD_MEAN, method]
        )
