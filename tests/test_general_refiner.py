"""The general refiner: what is shipped, and a small training of one."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tfhkit.assets import shipped
from tfhkit.errors import AssetError, InputError, ParameterError
from tfhkit.refine import Refiner, refine, refiner_config, save_refiner
from tfhkit.refine.general import FILE, general_refiner
from tfhkit.virtual.pairs import STRETCH, Pairs, speaker_pairs
from tfhkit.virtual.pretrain.mapping import MappingSettings
from tfhkit.virtual.pretrain.refiner import RefinerSettings, pair_scores, train_general_refiner


def test_the_shipped_weights_are_small_and_say_where_they_come_from():
    path = shipped(FILE.format("small"))
    assert path.stat().st_size < 15e6
    card = json.loads(path.with_suffix(".json").read_text())["card"]
    assert card["licence"] == "CC0" and "no pictures of people" in card["data"]
    scores = card["scores"]
    assert scores["psnr_db"] > scores["psnr_db_unrefined"] + 1
    assert scores["ssim"] > scores["ssim_unrefined"]


@pytest.mark.slow
def test_the_shipped_weights_refine_an_unknown_virtual_person():
    pairs = speaker_pairs(90_500, stretches=1)
    scores = pair_scores(general_refiner(), pairs)
    assert scores["psnr_db"] > scores["psnr_db_unrefined"] + 1


def test_scores_of_a_refiner_that_copies_are_those_of_the_rendering():
    refiner = Refiner(refiner_config("small", size_px=32, channels=(8, 16), identity="mean"))
    final = refiner.generator.attention[-2]
    final.weight.data.zero_()
    final.bias.data.fill_(50.0)  # A = 1: copies
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 2 * STRETCH, 32, 32, 3), dtype=np.uint8)
    frames = np.concatenate([np.arange(STRETCH), 100 + np.arange(STRETCH)])
    n = len(frames)
    rest = np.zeros((n, 128)), np.zeros((n, 68, 2)), frames, np.zeros(n, int)
    pairs = Pairs(*pictures, np.full(pictures.shape[1:4], 255, np.uint8), *rest)
    scores = pair_scores(refiner.eval(), pairs)
    assert scores["psnr_db"] == pytest.approx(scores["psnr_db_unrefined"], abs=0.01)
    assert scores["ssim"] == pytest.approx(scores["ssim_unrefined"], abs=0.001)


def test_other_sizes_have_none_unless_a_file_is_given(tmp_path):
    assert general_refiner("paper") is None
    path = tmp_path / "general.safetensors"
    save_refiner(Refiner(refiner_config("medium", size_px=64)), path)
    assert general_refiner("medium", path).config.generator.size_px == 64
    with pytest.raises(InputError, match="'small' has.*give general weights of this size"):
        general_refiner("small", path)


def test_weights_that_were_trained_into_the_assets_are_found(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHKIT_ASSETS", str(tmp_path))
    assert general_refiner("medium") is None
    path = tmp_path / FILE.format("medium")
    save_refiner(Refiner(refiner_config("medium", size_px=64)), path)
    assert general_refiner("medium").config.generator.size_px == 64
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AssetError, match="SHA-256"):
        general_refiner("medium")


@pytest.mark.parametrize("kind", [MappingSettings, RefinerSettings])
@pytest.mark.parametrize("nobody", [{"n_speakers": 0}, {"held_out": 0}])
def test_nobody_to_learn_from(kind, nobody):
    with pytest.raises(ParameterError, match="at least one"):
        kind(**nobody)


@pytest.mark.slow
def test_a_stopped_training_goes_on_and_cleans_up(tmp_path):
    path = tmp_path / "g.safetensors"
    settings = RefinerSettings(n_speakers=1, stretches=1, held_out=1, steps=4, batch=2, slots=8)

    def stop(done, total, text):
        if text.startswith("refiner"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_general_refiner(path, settings, workers=1, progress=stop)
    assert not path.exists() and len(list((tmp_path / "g.work").glob("pairs*"))) == 2
    refiner = train_general_refiner(path, settings, workers=1)
    assert [file.name for file in sorted(tmp_path.iterdir())] == ["g.json", "g.safetensors"]
    again = general_refiner("small", path)
    picture = np.random.default_rng(0).integers(0, 256, (3, 128, 128, 3), dtype=np.uint8)
    off = refine(refiner, picture)[0].astype(int) - refine(again, picture)[0]
    assert np.abs(off).max() <= 3  # stored as 16-bit floats
    assert replace(again.config, smooth_s=1.0) == replace(refiner.config, smooth_s=1.0)
