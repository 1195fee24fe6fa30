"""One refiner for many people: who is trained on, who is judged, and what a row says."""

from functools import cache

import numpy as np
import pytest
import torch

from tfhkit.cli.evaluate import evaluate_memory, show
from tfhkit.errors import ParameterError
from tfhkit.evaluate import many_people
from tfhkit.evaluate.many_people import BASELINE, SCORES, VARIANTS, evaluate_many_people
from tfhkit.refine import TrainConfig, refiner_config
from tfhkit.refine.spatial import build_encoder
from tfhkit.virtual.pairs import STRETCH, Pairs

SIZE, DIM = 32, 128
TRAIN = TrainConfig(steps=2, batch=2, precision="float32", disc_channels=8, detail_from=0.5)


def pairs_of(n_speakers, stretches, seed=0, **_):
    """People of one colour each, whose identity features are all different."""
    rng = np.random.default_rng(seed)
    n = n_speakers * stretches * STRETCH
    speaker = np.repeat(np.arange(n_speakers), stretches * STRETCH)
    reals = np.broadcast_to(
        rng.integers(40, 215, (n_speakers, 3), dtype=np.uint8)[speaker][:, None, None],
        (n, SIZE, SIZE, 3),
    ).copy()
    features = rng.normal(size=(n_speakers, DIM)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    changed = np.zeros((n, SIZE, SIZE), np.uint8)
    changed[:, 8:24, 8:24] = 255
    frames = np.arange(n) % STRETCH + 100 * (np.arange(n) // STRETCH)
    points = rng.uniform(8, 24, (n, 68, 2)).astype(np.float32)
    renders = (reals // 2).astype(np.uint8)
    return Pairs(renders, reals, changed, features[speaker], points, frames, speaker + seed)


@pytest.fixture
def small(monkeypatch):
    """Toys instead of films and of 128 px nets; what each training saw."""
    trained = []

    def config(size, **how):
        how |= {"spatial": "random"}
        return refiner_config(size, size_px=SIZE, channels=(8, 16), slots=8, **how)

    real_train = many_people.train_refiner

    def train(shown, *rest, **how):
        trained.append((rest[0].identity, shown))
        return real_train(shown, *rest, **how)

    monkeypatch.setattr(many_people, "make_pairs", pairs_of)
    monkeypatch.setattr(many_people, "refiner_config", config)
    monkeypatch.setattr(many_people, "train_refiner", train)
    monkeypatch.setattr(many_people, "SCORES", {name: SCORES[name] for name in ("psnr", "ssim")})
    monkeypatch.setattr("tfhkit.refine.refiner.build_encoder", cache(build_encoder))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield trained
    torch.set_num_threads(threads)


@pytest.mark.slow
def test_known_people_are_judged_on_frames_that_were_not_trained_on(small):
    result = evaluate_many_people(4, 3, train=TRAIN)
    assert len(small) == len({(v.identity, v.spatial) for v in VARIANTS})
    for _, shown in small:
        assert len(shown.renders) == 4 * many_people.TRAIN_STRETCHES * STRETCH
        assert set(shown.frames // 100 % 3) == {0, 1}  # the third stretch is held out
    rows = result["many_people"]
    assert [(row["people"], row["name"]) for row in rows] == [
        (people, variant.name) for people in ("known", "unknown") for variant in VARIANTS
    ]
    for row in rows:
        assert row["low"] <= row["change"] <= row["high"]
        assert np.isfinite([row["psnr"], row["ssim"]]).all()
        if row["name"] == BASELINE:
            assert row["change"] == row["low"] == row["high"] == 0


@pytest.mark.slow
def test_the_change_is_the_mean_over_people_of_the_difference(small, monkeypatch):
    """Answers of known error: the first half of the people right, the others off by 10 levels."""

    def answer(refiner, renders, identity=None):
        frames = np.full_like(renders, 100)
        if refiner.config.identity == "memory":
            frames[:] = 90
        return frames, None

    def grey(*count, **how):
        pairs = pairs_of(*count, **how)
        pairs.reals[:] = 80
        return pairs

    monkeypatch.setattr(many_people, "make_pairs", grey)
    monkeypatch.setattr("tfhkit.virtual.pretrain.refiner.refine", answer)
    rows = evaluate_many_people(4, 3, train=TRAIN)["many_people"]
    change = {row["name"]: row["change"] for row in rows if row["people"] == "unknown"}
    assert change["memory, random keys"] == pytest.approx(20 * np.log10(2))
    assert change["no identity"] == pytest.approx(0)


@pytest.mark.slow
def test_the_oracle_is_given_the_frames_own_identity(small, monkeypatch):
    asked = []

    def answer(refiner, renders, identity=None):
        asked.append(identity)
        return renders, None

    monkeypatch.setattr("tfhkit.virtual.pretrain.refiner.refine", answer)
    evaluate_many_people(2, 2, train=TRAIN)
    given = [identity for identity in asked if identity is not None]
    assert len(given) == 4 and all(identity.shape == (STRETCH, DIM) for identity in given)


@pytest.mark.slow
def test_the_command_shows_the_rows(small):
    result = evaluate_memory(4, steps=2)
    assert result["known"] == 4 and result["unknown"] == 2 and result["steps"] == 2
    assert "mean identity" in show(result) and "known" in show(result)


def test_two_people_are_needed():
    with pytest.raises(ParameterError, match="n_unknown.*give 2 or more"):
        evaluate_many_people(4, 1)
    with pytest.raises(ParameterError, match="--speakers.*take 4 or more"):
        evaluate_memory(3)
