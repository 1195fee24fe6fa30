"""The device: its names and errors; every stage on a pretended CUDA does what it does on the CPU.

`pretend_cuda` raises where tensors of two devices meet or one on CUDA goes to NumPy, and counts
what makes the host wait.
"""

from dataclasses import replace

import numpy as np
import pytest
import torch
from device_toys import (
    CONFIG,
    LOSSES,
    SMALL,
    TRAIN,
    close,
    filmed_head,
    steady,
    toy_pairs,
    toy_track,
)
from fit_toys import SETTINGS as PHOTOMETRIC
from pretend_cuda import CUDA, moved, pretended
from render_toys import toy_coefficients, toy_model
from talk_toys import toy_person, voice

from tfhkit.camera import Camera
from tfhkit.device import auto_precision, choose_device, explain_full_memory
from tfhkit.errors import InputError, ParameterError
from tfhkit.fit import Crop, fit_clip
from tfhkit.motion import (
    MotionConfig,
    MotionNet,
    MotionWeights,
    measure_normalisation,
    predict_motion,
    train_motion,
    train_personal,
)
from tfhkit.motion import train as motion_training
from tfhkit.refine import LossWeights, RunOptions, TrainConfig, refiner_config
from tfhkit.refine import train as training
from tfhkit.refine.data import draw_batch, training_frames
from tfhkit.refine.memory import WRITERS, Memory, MemoryConfig
from tfhkit.refine.nets import build_nets
from tfhkit.refine.training_steps import gan_step, memory_step
from tfhkit.render import detailed_albedo, rasterize, render
from tfhkit.render.shading import draw_differentiable, posed_verts, vertex_colours
from tfhkit.talk import draw, draw_own, drive, refine
from tfhkit.weights import CHECKPOINT_BYTES, checkpoint_spacing

NO_CUDA = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")


pytestmark = pytest.mark.usefixtures("one_thread")


# Names and errors


@pytest.mark.parametrize("name", ["gpu7", "cuda:x", "meta", "mps:0"])
def test_unknown_devices_are_refused(name):
    with pytest.raises(ParameterError, match=f"device: unknown '{name}'; use auto, cpu, cuda"):
        choose_device(name)


@NO_CUDA
def test_cuda_where_there_is_none():
    with pytest.raises(ParameterError, match="device: torch finds no CUDA here; use auto or cpu"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_more_gpus_than_there_are():
    with pretended():
        assert choose_device("auto").type == choose_device("cuda:0").type == "cuda"
        with pytest.raises(ParameterError, match="there is no cuda:7: torch finds 1"):
            choose_device("cuda:7")


@NO_CUDA
def test_auto_may_have_to_find_a_gpu(monkeypatch):
    monkeypatch.setenv("TFHKIT_REQUIRE_GPU", "1")
    with pytest.raises(ParameterError, match="no CUDA here, and TFHKIT_REQUIRE_GPU=1"):
        choose_device("auto")
    assert choose_device("cpu").type == "cpu"


@NO_CUDA
def test_a_driver_that_is_too_old_is_named(monkeypatch):
    def init():
        raise RuntimeError("The NVIDIA driver on your system is too old (found version 11040).")

    monkeypatch.setattr(torch.cuda, "init", init)
    with pytest.raises(ParameterError, match="driver is too old for this torch.*update the driver"):
        choose_device("cuda")
    with pytest.warns(UserWarning, match="too old.*the CPU is used"):
        assert choose_device("auto").type == "cpu"


def test_full_memory_says_what_to_lower():
    @explain_full_memory("training the refiner")
    def work():
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3 GiB\nmore lines")

    with pytest.raises(InputError, match="memory while training the refiner; lower refine_px") as e:
        work()
    assert "\n" not in str(e.value) and "finished stages are kept" in str(e.value)


@pytest.mark.parametrize("capability, expected", [((7, 5), "float32"), ((8, 0), "bfloat16")])
def test_bfloat16_only_where_the_gpu_has_it(monkeypatch, capability, expected):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert auto_precision(torch.device("cuda")) == expected


# The pretended device


def test_the_pretended_device_obeys_the_rules():
    with pretended() as gpu:
        there, here = torch.ones(3, device="cuda"), torch.ones(3)
        assert there.device == CUDA and (2 * there).device == CUDA
        assert torch.zeros_like(there).device == CUDA and there.cpu().device.type == "cpu"
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            there + here
        with pytest.raises(RuntimeError, match="expected all tensors on one device"):
            here[there.long()]
        for read in (lambda: there.numpy(), lambda: np.asarray(there)):
            with pytest.raises(TypeError, match="can't convert cuda"):
                read()
        before = len(gpu.waits)
        assert float(there.sum()) == 3 and there[there > 0].shape == (3,)
        assert len(gpu.waits) == before + 2


# Rendering


def on_cuda(model, coefficients):
    return model.to("cuda"), coefficients.map(lambda part: part.to("cuda"))


def test_rendering_and_shading():
    model, parts, camera = toy_model(), toy_coefficients(2), Camera(48)
    shown = torch.ones(len(model.faces), dtype=torch.bool)
    verts = posed_verts(model, parts)
    colours = vertex_colours(model, parts, verts)
    expected = draw_differentiable(verts, colours, model.faces, shown, camera, "numba", 2)
    with pretended():
        there, moved_parts = on_cuda(model, parts)
        found = posed_verts(there, moved_parts).requires_grad_()
        shaded = vertex_colours(there, moved_parts, found)
        drawn = draw_differentiable(found, shaded, there.faces, shown.cuda(), camera, "numba", 2)
        drawn.sum().backward()
        assert drawn.device == found.grad.device == CUDA
        assert rasterize(found, there.faces, camera).zbuf.device == CUDA
        assert close(found, verts) and close(shaded, colours, 1e-4) and close(drawn, expected, 1e-3)
        plain = render(there, moved_parts, camera)
        assert plain.device == CUDA and close(plain, render(model, parts, camera), 1e-3)


def test_detailed_albedo():
    model, frame = toy_model(), toy_coefficients(1)
    image = (render(model, frame, Camera(96))[0, ..., :3] * 255).round().to(torch.uint8).numpy()
    expected = detailed_albedo(model, frame, image)
    with pretended():
        for given in (frame, frame.map(lambda part: part.numpy())):
            found = detailed_albedo(model.to("cuda"), given, image)
            assert found.device == CUDA and close(found, expected, 1e-4)


# Fitting


@pytest.mark.slow
def test_a_clip_s_fit():

    clip, seen, model = filmed_head()
    few = replace(PHOTOMETRIC, blurs_px=(1.2, 0.0), shared_steps=1, frame_steps=1)
    how = {"photometric": few, "crop": Crop(1.0, 0.0, 0.0), "texture_frames": 3}
    expected = fit_clip(clip, seen, model, **how)
    with pretended():
        found = fit_clip(clip, seen, model.to("cuda"), **how)
    assert isinstance(found.coefficients.exp, np.ndarray)
    assert close(found.coefficients.to_vector(), expected.coefficients.to_vector(), 2e-3)
    assert close(found.sigma_deg, expected.sigma_deg, 1e-3)


# Motion


def same_weights(a, b, tolerance=1e-4):
    pairs = zip(a.state_dict().values(), b.state_dict().values())
    return all(close(x, y, tolerance) for x, y in pairs)


@pytest.mark.slow
def test_training_the_mapping_and_its_folds():
    model, track = toy_model(), toy_track()
    expected, history = train_motion([track], SMALL, steady(), model=model)
    tuned, _ = train_personal(track, expected, steady(), model=model)
    with pretended():
        there = model.to("cuda")
        found, again = train_motion([track], SMALL, steady(), model=there, device="cuda")
        assert next(found.net.parameters()).device.type == "cpu"
        other, _ = train_personal(track, found, steady(), model=there, device="cuda")
    assert same_weights(found.net, expected.net) and same_weights(other.net, tuned.net, 1e-3)
    assert close(found.norm.pose_spread, expected.norm.pose_spread, 1e-3)
    assert [e["total"] for e in again[1:]] == pytest.approx([e["total"] for e in history[1:]], 1e-4)


def test_an_epoch_of_the_mapping_reads_its_losses_once(monkeypatch):
    with pretended() as gpu:
        net = MotionNet(SMALL).to("cuda")
        settings = replace(steady(), sequences_per_epoch=40)
        model = toy_model().to("cuda")
        known = motion_training.training_set([toy_track()], settings, SMALL, None, model, "cuda")
        optimiser = motion_training.adam(net, settings)
        gpu.waits.clear()
        motion_training.train_epoch(net, optimiser, known, settings, 1, False)
        assert gpu.waits == ["tolist"]


def test_the_mark_of_a_training_is_the_same_on_every_device():
    settings = steady()
    net = MotionNet(SMALL)
    known = motion_training.training_set([toy_track()], settings, SMALL, None, None, "cpu")
    mark = motion_training.training_mark(net, known, settings)
    other = motion_training.training_set([toy_track(seed=1)], settings, SMALL, None, None, "cpu")
    assert mark != motion_training.training_mark(net, other, settings)
    assert mark != motion_training.training_mark(MotionNet(SMALL), known, settings)
    with pretended():
        there = motion_training.training_set([toy_track()], settings, SMALL, None, None, "cuda")
        assert motion_training.training_mark(moved(net), there, settings) == mark


def test_predicting_motion():
    audio, times = voice(2.0), np.arange(40) / 25
    weights = MotionWeights(MotionNet(SMALL).eval(), measure_normalisation([toy_track()]))
    expected = predict_motion(weights, audio, times)
    with pretended():
        found = predict_motion(replace(weights, net=moved(weights.net)), audio, times)
    assert all(close(a, b) for a, b in zip(found, expected))


# Refinement


@pytest.fixture
def random_lite0(monkeypatch):
    """EfficientNet-Lite0 without its file."""
    from tfhkit import efficientnet
    from tfhkit.refine import nets

    torch.manual_seed(0)
    net = efficientnet.EfficientNetLite("lite0").eval().requires_grad_(False)
    monkeypatch.setattr(nets, "open_efficientnet", lambda name: net)
    monkeypatch.setattr(nets, "why_missing", lambda name: "")
    return net


@pytest.mark.slow
def test_training_the_refiner_with_all_terms(random_lite0):
    pairs = toy_pairs()
    held_out = pairs.renders[:2], pairs.reals[:2], None
    expected, history = training.train_refiner(
        pairs, CONFIG, TRAIN, run=RunOptions("cpu", held_out=held_out)
    )
    with pretended():
        found, again = training.train_refiner(
            pairs, CONFIG, TRAIN, run=RunOptions("cuda", held_out=held_out)
        )
        assert found.device == CUDA
        assert same_weights(found.memory, expected.memory, 1e-3)
    first, other = history["steps"][0], again["steps"][0]
    assert set(first) > {"perceptual", "contrast", "gradient", "gan", "discriminator", "triplet"}
    assert [other[name] for name in first] == pytest.approx([*first.values()], rel=1e-3)


@pytest.mark.slow
def test_no_step_of_the_refiner_waits_for_the_gpu(random_lite0):
    from contextlib import nullcontext

    with pretended() as gpu:
        nets = build_nets(CONFIG, TRAIN, None, CUDA)
        data = training_frames(toy_pairs(), CONFIG, "cuda")
        pool5 = torch.randn(len(data.renders), CONFIG.memory.feature_dim, device="cuda")
        for step in range(6):  # the memory has 4 slots: empty, full and replaced ones are met
            gpu.waits.clear()
            noise = torch.Generator().manual_seed(step)
            picked, batch = draw_batch(data, TRAIN, 0, step)
            memory_step(nets, pool5, data, picked, noise)
            gan_step(nets, batch, data.identity[picked], LOSSES, nullcontext)
            assert gpu.waits == []


def test_no_step_of_the_query_layer_where_its_loss_is_0():
    nets = build_nets(CONFIG, replace(TRAIN, losses=LossWeights()), None, torch.device("cpu"))
    with pretended():
        there = build_nets(CONFIG, replace(TRAIN, losses=LossWeights()), nets.refiner, CUDA)
        layer, before = there.refiner.memory.fc, nets.refiner.memory.fc.weight.detach().clone()
        for factor, moves in ((1.0, True), (0.0, False), (1.0, True)):
            loss = factor * layer(torch.ones(2, CONFIG.memory.feature_dim, device="cuda")).square()
            there.step_memory(loss.mean())
            changed = not torch.equal(layer.weight.detach().cpu(), before)
            assert changed == moves
            before = layer.weight.detach().cpu().clone()


def one_by_one(memory, query, value, frames, generator):
    """`Memory.update` as it reads in words, with numbers in place of tensors."""
    written = []
    for q, v, number in zip(query, value, frames.tolist()):
        noise = torch.rand(memory.config.slots, generator=generator) * 8 - 4
        similarity = (memory.keys @ q).masked_fill(~memory.used, -2.0)
        slot = int(similarity.argmax())
        memory.age += 1
        if memory.used[slot] and memory.values[slot] @ v > memory.config.match:
            memory.keys[slot] = torch.nn.functional.normalize(memory.keys[slot] + q, dim=0)
        else:
            empty = (~memory.used).nonzero()
            if len(empty):
                slot = int(empty[0])
            elif len(set(written)) == memory.config.slots:
                slot = int(memory.age.argmax())
            else:
                age = memory.age + noise
                age[written] = -torch.inf
                slot = int(age.argmax())
            memory.keys[slot], memory.values[slot], memory.writes[slot] = q, v, 0
            memory.writers[slot] = -1
        memory.age[slot] = 0
        memory.writes[slot] += 1
        others = [w for w in memory.writers[slot].tolist() if w not in (number, -1)]
        memory.writers[slot] = torch.tensor(([number, *others] + [-1] * WRITERS)[:WRITERS])
        written.append(slot)
    return written


@pytest.mark.slow
@pytest.mark.parametrize("slots, batch", [(5, 1), (5, 3), (3, 5), (12, 4)])
def test_the_memory_s_update_without_reading_a_number(slots, batch):
    config = MemoryConfig(slots=slots, key_dim=6, value_dim=4, top_k=2, match=0.9, feature_dim=7)
    rng = np.random.default_rng(slots + batch)
    people = torch.nn.functional.normalize(torch.as_tensor(rng.normal(size=(4, 4))).float(), dim=-1)
    spoken, ours = Memory(config), Memory(config)
    with pretended() as gpu:
        there = Memory(config).to("cuda")
    for step in range(30):
        who = torch.as_tensor(rng.integers(0, 4, batch))
        query = torch.as_tensor(rng.normal(size=(batch, 6))).float()
        query, frames = torch.nn.functional.normalize(query, dim=-1), torch.arange(batch) % 3 + step
        seeds = [torch.Generator().manual_seed(step) for _ in range(3)]
        expected = one_by_one(spoken, query, people[who], frames, seeds[0])
        assert ours.update(query, people[who], frames, seeds[1]).tolist() == expected
        with pretended() as gpu:
            given = query.to("cuda"), people[who].to("cuda"), frames.to("cuda")
            gpu.waits.clear()
            there.update(*given, seeds[2])
            assert gpu.waits == []
    for name, table in spoken.named_buffers():
        assert torch.equal(table, getattr(ours, name)), name
        with pretended():
            assert torch.equal(table, getattr(there, name).cpu()), name


# A person


@pytest.mark.slow
def test_a_person_who_lives_on_the_gpu_speaks_alike(tmp_path):
    here = toy_person(tmp_path)
    motion = drive(here, voice())
    coarse = draw(here, motion)
    refined = refine(here, coarse)
    own = draw_own(here, here.held)
    with pretended():
        there = replace(here, device="cuda")
        assert there.model.device == there.refiner.device == CUDA
        moving = drive(there, voice())
        drawn = draw(there, moving)
        answer = refine(there, drawn)
        beside = draw_own(there, there.held)
        replace(there, device="cpu")  # back again, since the nets are shared
    assert close(moving.exp, motion.exp, 1e-4) and close(moving.pose, motion.pose, 1e-4)
    for a, b in ((drawn.render, coarse.render), (answer.pictures, refined.pictures)):
        assert np.abs(a.astype(int) - b).max() <= 2
    assert np.abs(beside.render.astype(int) - own.render).max() <= 2


@pytest.mark.slow
def test_judging_by_networks():
    from tfhkit.efficientnet import EfficientNetLite
    from tfhkit.metrics import perceptual

    rng = np.random.default_rng(0)
    real, made = rng.integers(0, 256, (2, 3, 64, 64, 3), dtype=np.uint8)
    mask = rng.random((3, 64, 64)) > 0.5
    torch.manual_seed(0)
    nets = EfficientNetLite("lite1").eval(), perceptual.LpipsNet().eval()
    for net, judge in zip(nets, (perceptual.perceptual_distance, perceptual.lpips)):
        expected = judge(real, made, mask, net)
        with pretended():
            found = judge(real, made, mask, perceptual.on_device(net, "cuda"))
        assert isinstance(found, np.ndarray) and close(found, expected)


# Checkpoints


@pytest.mark.parametrize("size, steps", [("small", 900), ("medium", 6000), ("paper", 18000)])
def test_checkpoints_of_a_training_are_few_where_they_are_large(size, steps):
    with torch.device("meta"):
        config = refiner_config(size, spatial="random")
        nets = build_nets(config, TrainConfig(losses=LossWeights()), None, torch.device("meta"))
    spacing = checkpoint_spacing(steps, nets.modules, nets.optimisers)
    tensors = [t for module in nets.modules.values() for t in module.state_dict().values()]
    least = sum(t.numel() * t.element_size() for t in tensors)
    assert (steps // spacing) * least < CHECKPOINT_BYTES
    assert spacing < (100 if size == "small" else steps)  # quick saves as often as its clock says


def test_folds_of_the_paper_s_size_keep_nothing_on_their_way():
    with torch.device("meta"):
        net = MotionNet(MotionConfig.of_size("paper"))
    modules = {f"{name}{k}": net for name in ("net", "best") for k in range(5)}
    optimisers = {f"adam{k}": torch.optim.AdamW(net.parameters()) for k in range(5)}
    assert checkpoint_spacing(100, modules, optimisers) > 100
