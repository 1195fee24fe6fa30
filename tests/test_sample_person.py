"""The sample clip's person, learned once with profile tiny: what is made of them. Slow."""

import json
from dataclasses import replace

import numpy as np
import pytest
from talk_toys import same, voice

from tfhkit import talk
from tfhkit.assets import fetch
from tfhkit.cli import main
from tfhkit.evaluate import recipes
from tfhkit.evaluate.written import score_written
from tfhkit.media import open_clip, video_metadata
from tfhkit.metrics import perceptual_available
from tfhkit.person import Person
from tfhkit.profiles import settings_of
from tfhkit.refine import general

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
    settings = replace(settings_of("tiny"), refine_steps=2, motion_epochs=1, held_back=0.12)
    rows = recipes.evaluate_recipes(learned.clip, learned.fit, settings)
    assert [row["recipe"] for row in rows] == ["rendering", "published"]
    assert rows[0]["lip_corr"] is None and rows[0]["psnr"] > 15
    for row in rows[1:]:
        low, high = row["gain_db_interval"]
        assert low <= row["psnr"] - rows[0]["psnr"] <= high
        assert -1 <= row["lip_corr"] <= 1 and 0 < row["hs"] <= 1 and 0 <= row["kept"] <= 1
    assert len({row["psnr"] for row in rows}) == 2
