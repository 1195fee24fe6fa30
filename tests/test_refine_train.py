"""Training and use: overfitting, resuming, held-out frames, files, identity features, pasting."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.errors import InputError, MissingBackend, ParameterError, ShapeError
from tfhkit.refine import (
    PairedFrames,
    Refiner,
    RunOptions,
    TrainConfig,
    load_refiner,
    refine,
    refiner_config,
    region_weight,
    retrieve_identity,
    save_refiner,
    train_refiner,
)
from tfhkit.refine.data import batch_rows, window_indices
from tfhkit.refine.train import _share_done, share_of_rate

SIZE = 32


pytestmark = pytest.mark.usefixtures("one_thread")


def toy(n=12, seed=0):
    """Discs that move over a still background; the rendering shows them in a flat colour."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    behind = rng.integers(0, 256, (SIZE // 4, SIZE // 4, 3)).repeat(4, 0).repeat(4, 1)
    reals, renders, masks = [], [], []
    for t in range(n):
        cx, cy = 16 + 5 * np.sin(t / 2), 16 + 3 * np.cos(t / 3)
        mask = (x - cx) ** 2 + (y - cy) ** 2 < 64
        eye = (x - cx + 3) ** 2 + (y - cy + 2) ** 2 < 4
        real = np.where(mask[..., None], np.array([200, 140, 110]), behind)
        real[eye & mask] = (150, 100, 80)
        reals.append(real)
        renders.append(np.where(mask[..., None], np.array([150, 150, 150]), behind))
        masks.append(mask)
    identity = rng.normal(size=(2, 128))[np.arange(n) * 2 // n] + 0.02 * rng.normal(size=(n, 128))
    identity = (identity / np.linalg.norm(identity, axis=1, keepdims=True)).astype(np.float32)
    return np.uint8(renders), np.uint8(reals), identity, np.array(masks)


def toy_pairs():
    return PairedFrames(*toy()[:3])


CONFIG = refiner_config("small", size_px=SIZE, channels=(8, 16, 24), slots=16, spatial="random")
TRAIN = TrainConfig(steps=12, batch=3, precision="float32", detail_from=0.5, disc_channels=8)


def psnr(a, b, mask):
    return 10 * np.log10(255**2 / ((a.astype(float) - b)[mask] ** 2).mean())


@pytest.mark.slow
def test_training_beats_the_rendering():
    renders, reals, identity, masks = toy(16)
    train = replace(TRAIN, steps=100, lr=3e-3, detail_from=0.8, log_every=5)
    pairs = PairedFrames(renders[:12], reals[:12], identity[:12], weight=region_weight(masks[:12]))
    run = RunOptions(held_out=(renders[12:], reals[12:], masks[12:]))
    refiner, history = train_refiner(pairs, CONFIG, train, run=run)
    losses = [entry["l1"] for entry in history["steps"]]
    assert losses[-1] < 0.4 * losses[0]
    refined, attention = refine(refiner, renders[12:])
    before = psnr(renders[12:], reals[12:], masks[12:])
    after = psnr(refined, reals[12:], masks[12:])
    assert after > before + 4
    assert history["validation"][-1]["psnr_db"] == pytest.approx(after, abs=1e-3)
    assert attention[~masks[12:]].mean() > attention[masks[12:]].mean() + 0.2  # Eq. 3 at work
    assert {"gan", "discriminator"} <= set(history["steps"][-1])


@pytest.mark.slow
@pytest.mark.parametrize("identity_mode", ["memory", "mean", "none"])
def test_resuming_equals_not_stopping(tmp_path, identity_mode):
    small = {"size_px": SIZE, "channels": (8, 16), "slots": 8, "spatial": "random"}
    config = refiner_config("small", **small, dropout=0.3, identity=identity_mode)
    muon = 0.02 if identity_mode == "memory" else 0.0
    train = replace(TRAIN, steps=8, shift_px=2, flip=True, checkpoint_s=0, layers_lr=muon)
    whole, told = train_refiner(toy_pairs(), config, train, seed=4)

    class Killed(Exception):
        pass

    def kill(done, total, text):
        if done == 5 and total == 8:
            raise Killed

    path = tmp_path / "state.safetensors"
    with pytest.raises(Killed):
        run = RunOptions(checkpoint=path, progress=kill)
        train_refiner(toy_pairs(), config, train, seed=4, run=run)
    run = RunOptions(checkpoint=path)
    again, history = train_refiner(toy_pairs(), config, train, seed=4, run=run)
    assert history["resumed_from"] == 5 and history["trained_steps"] == 8
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert history["steps"] == told["steps"]


@pytest.mark.slow
def test_same_seed_same_weights_and_the_callers_random_numbers_stay():
    train = replace(TRAIN, steps=3)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    runs = [train_refiner(toy_pairs(), CONFIG, train, seed=s)[0] for s in (1, 1, 2)]
    assert torch.equal(torch.rand(3), expected)
    first, same, other = (run.generator.stem[1].weight for run in runs)
    assert torch.equal(first, same) and not torch.equal(first, other)


@pytest.mark.slow
def test_a_checkpoint_of_other_data_is_not_continued(tmp_path):
    pairs, train = toy_pairs(), replace(TRAIN, steps=3)
    run = RunOptions(checkpoint=tmp_path / "state.safetensors")
    train_refiner(pairs, CONFIG, train, run=run)
    assert train_refiner(pairs, CONFIG, train, run=run)[1]["resumed_from"] == 3
    other = replace(pairs, reals=255 - pairs.reals)
    assert train_refiner(other, CONFIG, train, run=run)[1]["resumed_from"] == 0


def test_a_checkpoint_cut_short(tmp_path):
    path, train = tmp_path / "state.safetensors", replace(TRAIN, steps=2)
    run = RunOptions(checkpoint=path)
    train_refiner(toy_pairs(), CONFIG, train, run=run)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="cut short"):
        train_refiner(toy_pairs(), CONFIG, train, run=run)


def test_budget_stops_early():
    train = replace(TRAIN, steps=1000, budget_s=0.2)
    assert train_refiner(toy_pairs(), CONFIG, train)[1]["trained_steps"] < 1000


def test_the_clock_does_not_matter_to_a_machine_that_is_fast_enough():
    train = replace(TRAIN, steps=1000, budget_s=300.0)
    assert _share_done(train, 1, 5.0) == 0.001  # slow first steps
    assert _share_done(train, 400, 60.0) == 0.4
    assert _share_done(train, 100, 60.0) == 0.2  # too slow: the time counts
    assert _share_done(train, 999, 300.0) == 1.0


def test_frames_without_a_face_are_skipped_and_counted():
    pairs = toy_pairs()
    pairs.identity[[2, 5]] = 0
    refiner, history = train_refiner(pairs, CONFIG, replace(TRAIN, steps=8))
    assert history["n_skipped"] == 2
    assert not set(refiner.memory.writer.tolist()) & {2, 5}
    alone = np.where(np.arange(12)[:, None] == 3, pairs.identity, 0)
    with pytest.raises(InputError, match="1 of 12 show a face"):
        train_refiner(replace(pairs, identity=alone), CONFIG, TRAIN)


@pytest.mark.parametrize(
    "change, words",
    [
        ({"identity": np.zeros((12, 64), np.float32)}, r"identity: expected shape \(12, 128\)"),
        ({"reals": np.zeros((11, SIZE, SIZE, 3), np.uint8)}, "reals: expected shape"),
        ({"renders": np.zeros((12, 16, 16, 3), np.uint8)}, "renders: expected shape"),
        ({"frames": np.zeros(12, int)}, "increasing frame numbers"),
    ],
)
def test_wrong_arrays(change, words):
    with pytest.raises(ShapeError, match=words):
        train_refiner(replace(toy_pairs(), **change), CONFIG, TRAIN)


def test_refining_is_repeatable_and_independent_of_the_batch():
    renders = toy()[0]
    refiner = trained(dropout=0.5)
    one, attention = refine(refiner, renders)
    for batch in (16, 5):
        again, _ = refine(refiner, renders, batch=batch)
        assert np.abs(one.astype(int) - again).max() <= 1
    assert one.shape == renders.shape and one.dtype == np.uint8
    assert attention.shape == renders.shape[:3] and attention.dtype == np.float32
    with pytest.raises(ShapeError, match="renders: expected shape"):
        refine(refiner, renders[:, :16])


def trained(**changes):
    small = {"size_px": SIZE, "channels": (8, 16), "slots": 16, "spatial": "random"}
    config = refiner_config("small", **small | changes)
    return train_refiner(toy_pairs(), config, replace(TRAIN, steps=6))[0]


def test_memory_answers_with_stored_identities():
    refiner, renders = trained(), toy()[0]
    found = retrieve_identity(refiner, renders, looked=np.arange(len(renders)))
    assert len(found.slots) == len(renders) and refiner.memory.used[found.slots].all()
    assert np.allclose(found.identity.norm(dim=-1), 1, atol=1e-5)


def test_files(tmp_path):
    refiner, renders = trained(), toy()[0]
    save_refiner(refiner, tmp_path / "refiner.safetensors")
    again = load_refiner(tmp_path / "refiner.safetensors")
    assert again.config == refiner.config
    assert np.array_equal(refine(refiner, renders)[0], refine(again, renders)[0])


def test_half_the_size_nearly_the_same(tmp_path):
    refiner, renders = trained(), toy()[0]
    for name, half in (("whole", False), ("half", True)):
        save_refiner(refiner, tmp_path / f"{name}.safetensors", {"seed": 1}, half)
    whole, half = ((tmp_path / f"{n}.safetensors").stat().st_size for n in ("whole", "half"))
    assert half < 0.6 * whole
    about = json.loads((tmp_path / "half.json").read_text())
    assert about["card"] == {"seed": 1} and len(about["sha256"]) == 64
    off = (
        refine(refiner, renders)[0].astype(int)
        - refine(load_refiner(tmp_path / "half.safetensors"), renders)[0]
    )
    assert np.abs(off).max() <= 3


def test_broken_files(tmp_path):
    path = tmp_path / "refiner.safetensors"
    with pytest.raises(InputError, match="no such file"):
        load_refiner(path)
    save_refiner(Refiner(CONFIG), path)
    whole, beside = path.read_bytes(), path.with_suffix(".json")
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut short"):
        load_refiner(path)
    path.write_bytes(whole)
    beside.write_text(beside.read_text().replace('"value_dim": 128', '"value_dim": 512'))
    with pytest.raises(InputError, match="another size or encoder"):
        load_refiner(path)
    beside.write_text("{}")
    with pytest.raises(InputError, match="does not describe weights"):
        load_refiner(path)


def test_bad_settings():
    with pytest.raises(ParameterError, match="unknown mode"):
        refiner_config(identity="best")
    with pytest.raises(ParameterError, match="unknown encoder"):
        refiner_config(encoder="facenet")
    with pytest.raises(ParameterError, match="unknown 'half'"):
        train_refiner(toy_pairs(), CONFIG, replace(TRAIN, precision="half"))
    with pytest.raises(ParameterError, match="another configuration"):
        train_refiner(toy_pairs(), CONFIG, TRAIN, start=trained())
    other = replace(CONFIG, spatial="lite0")
    words = "start: has a memory made with EfficientNet-Lite0.*takes ResNet18, random weights; use"
    with pytest.raises(ParameterError, match=words):
        train_refiner(toy_pairs(), CONFIG, TRAIN, start=Refiner(other))


@pytest.mark.parametrize("name", ["steps", "batch", "log_every", "validate_every"])
def test_a_training_of_nothing(name):
    with pytest.raises(ParameterError, match=f"{name}: is 0; give 1 or more"):
        TrainConfig(**{name: 0})


def test_pictures_are_bytes():
    pairs = toy_pairs()
    with pytest.raises(InputError, match="renders: are float32, expected uint8"):
        train_refiner(replace(pairs, renders=pairs.renders.astype(np.float32)), CONFIG, TRAIN)


def test_going_on_from_a_general_refiner():
    start = trained()
    before = start.generator.stem[1].weight.clone()
    pairs, train = toy_pairs(), replace(TRAIN, steps=2)
    refiner, _ = train_refiner(pairs, start.config, train, start)
    moved = (refiner.generator.stem[1].weight - before).abs().max()
    assert 0 < moved < 0.02
    mean = torch.as_tensor(pairs.identity).mean(0)
    assert torch.allclose(refiner.mean_identity, mean, atol=1e-6)  # of these frames, not of those


def test_a_watcher_sees_every_entry():
    renders, reals, identity, masks = toy()
    seen = []
    run = RunOptions(
        held_out=(renders[:2], reals[:2], masks[:2]),
        watch=lambda state: seen.append((len(state["steps"]), len(state["validation"]))),
    )
    pairs = PairedFrames(renders, reals, identity)
    _, history = train_refiner(pairs, CONFIG, replace(TRAIN, steps=4, log_every=1), run=run)
    assert seen == [(1, 0), (2, 0), (3, 0), (4, 0), (4, 1)]
    assert len(history["steps"]) == 4


def test_windows_do_not_reach_across_jumps():
    rows = window_indices(6, 3, frames=[0, 1, 2, 9, 10, 11])
    assert rows.tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [3, 3, 3], [3, 3, 4], [3, 4, 5]]
    assert window_indices(3, 1).tolist() == [[0], [1], [2]]


def test_batches_are_epochs_of_all_frames():
    rows = np.concatenate([batch_rows(10, 4, step, 0) for step in range(5)])
    assert sorted(rows[:10]) == sorted(rows[10:]) == list(range(10))
    assert not np.array_equal(rows[:10], rows[10:])


def test_missing_backends(tmp_path):
    from tfhkit.landmarks.identity import open_encoder

    with pytest.raises(MissingBackend, match="give the path of an ArcFace ONNX file"):
        open_encoder("arcface")
    with pytest.raises(ParameterError, match="unknown backend"):
        open_encoder("facenet")
    broken = tmp_path / "net.onnx"
    broken.write_bytes(b"no model")
    with pytest.raises(InputError, match="cannot be read as ONNX"):
        open_encoder("arcface", broken)


def test_the_learning_rate_rises_and_falls():
    rising = replace(TRAIN, warm_up=4)
    rates = [share_of_rate(rising, step, step / TRAIN.steps) for step in range(TRAIN.steps)]
    assert rates[0] == pytest.approx(0.25) and np.argmax(rates) == 3 and rates[-1] < 0.05
    plain = replace(TRAIN, warm_up=0, decay=False)
    assert [share_of_rate(plain, step, 0.5) for step in (0, 7)] == [1, 1]
