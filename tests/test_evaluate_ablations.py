"""The ablations of Sec. 4.2: one setting each, the same frames, equal steps."""

import json
from dataclasses import asdict
from functools import cache

import numpy as np
import pytest
import torch

from tfhkit.background.images import Coarse
from tfhkit.errors import ParameterError
from tfhkit.evaluate.ablations import (
    ABLATIONS,
    FULL,
    NEED_GENERAL,
    ablated,
    general_only,
    run_ablations,
)
from tfhkit.evaluate.frames import score_frames
from tfhkit.evaluate.refine import Material
from tfhkit.landmarks.identity import ENCODERS, IdentityFeatures
from tfhkit.refine import (
    Generator,
    Refiner,
    TrainConfig,
    refine,
    refiner_config,
    start_from,
)
from tfhkit.refine.personal import PersonalFrames
from tfhkit.refine.spatial import build_encoder

SIZE, N, HELD = 32, 6, 4
COMMON = {"size_px": SIZE, "channels": (8, 16), "slots": 8, "spatial": "random"}
CONFIG = refiner_config("small", **COMMON)
TRAIN = TrainConfig(steps=2, batch=2, precision="float32", disc_channels=8, detail_from=0.5)
NAMES = [row.name for row in ABLATIONS]


@pytest.fixture(autouse=True, scope="module")
def quick_nets():
    """One thread, and one ResNet18 for all: it is frozen."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tfhkit.refine.refiner.build_encoder", cache(build_encoder))
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def material():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, N + HELD, SIZE, SIZE, 3), dtype=np.uint8)
    changed = np.zeros((N + HELD, SIZE, SIZE), np.uint8)
    changed[:, 8:24, 8:24] = 255
    features = rng.normal(size=(N, 128)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)

    def part(rows):
        frames, mask = np.arange(N + HELD)[rows], changed[rows]
        return Coarse(frames / 25, frames, pictures[0, rows], mask, mask, pictures[1, rows])

    identity = IdentityFeatures(features, np.ones(N, bool), ENCODERS["dlib"])
    points = rng.uniform(8, 24, (N, 68, 2)).astype(np.float32)
    own = PersonalFrames(part(slice(0, N)), points, identity)
    return Material(own, part(slice(N, None)))


@pytest.fixture(scope="module")
def general():
    torch.manual_seed(1)
    refiner = Refiner(CONFIG)
    key, value = (torch.nn.functional.normalize(torch.randn(1, d), dim=1) for d in (512, 128))
    refiner.memory.update(key, value)
    return refiner.eval()


@pytest.fixture(scope="module")
def rows(material, general):
    seen = []
    made = run_ablations(
        material, CONFIG, TRAIN, general, progress=lambda done, total, _: seen.append(done / total)
    )
    assert seen == sorted(seen) and seen[-1] == 1
    return {row.ablation.name: row for row in made}


@pytest.mark.parametrize("row", ABLATIONS, ids=NAMES)
def test_a_row_differs_from_the_full_model_in_its_setting_alone(row):
    made = ablated(CONFIG, row)
    if row.setting in ("identity", "attention", "window"):
        wanted = refiner_config("small", **COMMON, **{row.setting: row.value})
        assert made == wanted != CONFIG
    else:
        assert made == CONFIG
    before, after = flat(CONFIG), flat(made)
    changed = {name for name in before if before[name] != after[name]}
    # a net without identity has nowhere to put one
    extra = {"identity_dim"} if row.value == "none" else set()
    assert changed - extra == ({row.setting} if made != CONFIG else set())


def flat(config):
    content = asdict(config)
    return content.pop("generator") | content


def test_each_setting_is_changed_once():
    settings = [(row.setting, row.value) for row in ABLATIONS]
    assert len(set(settings)) == len(ABLATIONS) and settings[0] == ("", None)
    assert [row.name for row in ABLATIONS if row.setting in ("steps", "general")] == [*NEED_GENERAL]


@pytest.mark.slow
def test_all_rows_are_judged_on_the_same_frames_after_equal_training(rows, material):
    assert list(rows) == NAMES
    answers = {name: row.refined for name, row in rows.items()}
    scores = score_frames(material.held_out.real, answers, material.region)
    full = scores[FULL]["psnr_frames"]
    for name, row in rows.items():
        assert row.refined.shape == material.held_out.real.shape
        assert row.psnr == pytest.approx(scores[name]["psnr"])
        assert row.change == pytest.approx((scores[name]["psnr_frames"] - full).mean(), abs=1e-9)
        off = np.abs(row.refined.astype(float) - material.held_out.real).mean(-1)
        assert row.outside == pytest.approx(off[~material.region].mean())
        assert row.steps == (0 if name == "general only" else TRAIN.steps)
        if name == FULL:
            assert row.change == 0 and row.interval is None
        else:
            assert row.interval[0] <= row.change <= row.interval[1]
    assert rows["one frame"].parameters < rows[FULL].parameters
    assert rows["no identity, no memory"].parameters < rows["mean identity"].parameters
    net = Generator(CONFIG.generator)
    assert rows[FULL].parameters == sum(p.numel() for p in net.parameters())


@pytest.mark.slow
def test_general_only_is_the_general_refiner_with_its_own_memory(rows, material, general):
    large = start_from(general, refiner_config("small", **COMMON | {"size_px": 64}))
    large.load_state_dict(general.state_dict())  # crops of another size, the same weights
    assert general_only(large, CONFIG).config == CONFIG
    answer, _ = refine(general, material.held_out.render, material.held_out.times)
    assert np.array_equal(rows["general only"].refined, answer)
    assert rows["general only"].seconds == 0 and general.memory.used.sum() == 1


@pytest.fixture
def begun(monkeypatch, general):
    """What each training began with, by its configuration; nothing is trained."""
    seen = []

    def train(own, config, train, start, *_, **__):
        seen.append((config, start))
        refiner = start_from(general, config)
        refiner.memory.update(torch.eye(512)[:1], torch.eye(128)[:1])
        return refiner.eval(), {"trained_steps": train.steps, "seconds": 0.0}

    monkeypatch.setattr("tfhkit.evaluate.ablations.train_personal_refiner", train)
    return seen


@pytest.mark.slow
def test_every_other_row_but_personal_only_begins_with_the_general_weights(
    begun, material, general
):
    run_ablations(material, CONFIG, TRAIN, general, ["personal only", "no identity, no memory"])
    none = ablated(CONFIG, ABLATIONS[1])
    assert begun == [(CONFIG, general), (none, general), (CONFIG, None)]


@pytest.mark.slow
def test_without_general_weights_two_rows_are_left_out(begun, material):
    rows = run_ablations(material, CONFIG, TRAIN)
    assert [row.ablation.name for row in rows] == [n for n in NAMES if n not in NEED_GENERAL]
    assert [start for _, start in begun] == [None] * 5


@pytest.mark.slow
def test_rows_become_json(rows):
    numbers = json.loads(json.dumps([row.numbers() for row in rows.values()]))
    assert [row["name"] for row in numbers] == NAMES and "refined" not in numbers[0]
    assert numbers[1]["interval"] == list(rows[NAMES[1]].interval)


@pytest.mark.slow
def test_names_that_cannot_be_run(material):
    with pytest.raises(ParameterError, match="unknown ablation 'no teeth'; choose one of"):
        run_ablations(material, CONFIG, TRAIN, names=["no teeth"])
    with pytest.raises(ParameterError, match="'general only' needs general weights; give"):
        run_ablations(material, CONFIG, TRAIN, names=["general only"])
