"""Each stage on a real GPU, in seconds: the CPU's answers, steps that do not wait, memory."""

from contextlib import contextmanager
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
from render_toys import needs_pytorch3d
from talk_toys import toy_person, voice

from tfhkit.camera import Camera
from tfhkit.coefficients import neutral
from tfhkit.device import autocast_for
from tfhkit.efficientnet import EfficientNetLite
from tfhkit.face import load_model
from tfhkit.fit import Crop, fit_clip
from tfhkit.metrics import perceptual
from tfhkit.motion import MotionNet, MotionWeights, measure_normalisation, predict_motion
from tfhkit.motion import train as motion_training
from tfhkit.motion.folds import train_folds
from tfhkit.motion.model import copy_net
from tfhkit.refine import PairedFrames, Refiner, RunOptions, refine, refiner_config, train_config
from tfhkit.refine import train as training
from tfhkit.refine.data import draw_batch, training_frames
from tfhkit.refine.nets import build_nets
from tfhkit.refine.training_steps import gan_step, memory_step
from tfhkit.render import detailed_albedo, render
from tfhkit.talk import draw, drive
from tfhkit.talk import refine as refine_coarse

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here"),
]
CUDA = torch.device("cuda")
PAPER_GB = 8.0  # that a step of the paper's refiner may take


class Stopped(Exception):
    """Ends a training on its way."""


@contextmanager
def no_waiting():
    """An error where the host waits for the GPU."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def heads(n_frames=3):
    rng = np.random.default_rng(0)
    head = neutral(n_frames)
    pose = 0.1 * rng.normal(size=(n_frames, 6)).astype(np.float32)
    return head.with_motion(0.3 * rng.normal(size=(n_frames, 64)).astype(np.float32), pose)


@needs_pytorch3d
def test_pictures_by_pytorch3d_are_those_by_numba():
    model, parts, camera = load_model(), heads(), Camera(256)
    ours = render(model, parts, camera, supersample=2)
    theirs = render(model.to(CUDA), parts, camera, supersample=2)
    assert theirs.device.type == "cuda"
    apart = (ours - theirs.cpu()).abs().amax(-1)
    assert (apart > 3 / 255).float().mean() < 2e-3


def test_detailed_albedo():
    model, frame = load_model(subdivide=False), heads(1)
    image = (render(model, frame, Camera(192))[0, ..., :3] * 255).byte().numpy()
    expected = detailed_albedo(model, frame, image)
    apart = (detailed_albedo(model.to(CUDA), frame, image).cpu() - expected).abs()
    assert apart.mean() < 1e-3


def test_a_fit_of_some_frames():
    clip, seen, model = filmed_head()
    few = replace(PHOTOMETRIC, blurs_px=(1.2, 0.0), shared_steps=2, frame_steps=2)
    how = {"photometric": few, "crop": Crop(1.0, 0.0, 0.0), "texture_frames": 3}
    here, there = (fit_clip(clip, seen, m, **how) for m in (model, model.to(CUDA)))
    apart = np.abs(here.coefficients.angles - there.coefficients.angles)
    assert np.degrees(apart).max() < 0.1
    assert np.abs(here.coefficients.exp - there.coefficients.exp).mean() < 0.02


def test_the_mapping_learns_and_resumes(tmp_path):
    file, settings = tmp_path / "state", steady(6)
    how = {"device": CUDA, "checkpoint": file}
    whole, history = motion_training.train_motion([toy_track()], SMALL, settings, device=CUDA)
    assert history[-1]["total"] < history[1]["total"]

    def stop(done, total, text):
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        motion_training.train_motion([toy_track()], SMALL, settings, progress=stop, **how)
    begun = []
    _, again = motion_training.train_motion(
        [toy_track()], SMALL, settings, progress=lambda done, *_: begun.append(done), **how
    )
    assert begun[0] == 4
    assert [e["total"] for e in again[1:]] == pytest.approx([e["total"] for e in history[1:]], 0.02)


def test_folds_of_the_mapping():
    general = MotionWeights(MotionNet(SMALL).eval(), measure_normalisation([toy_track()]))
    nets, state = train_folds(toy_track(), general, steady(3), 2, device=CUDA)
    assert np.isfinite(state["best_loss"])
    assert all(p.device.type == "cpu" for net in nets for p in net.parameters())


def test_predicting_motion():
    audio, times = voice(2.0), np.arange(40) / 25
    weights = MotionWeights(MotionNet(SMALL).eval(), measure_normalisation([toy_track()]))
    expected = predict_motion(weights, audio, times)
    found = predict_motion(replace(weights, net=copy_net(weights.net).to(CUDA)), audio, times)
    assert all(close(a, b, 2e-3) for a, b in zip(found, expected))


def test_the_refiner_learns_and_resumes(tmp_path):
    train = replace(TRAIN, steps=8, losses=replace(LOSSES, perceptual=0.0), checkpoint_s=0.0)
    train = replace(train, log_every=1)
    whole, history = training.train_refiner(toy_pairs(), CONFIG, train, run=RunOptions(CUDA))
    assert whole.device.type == "cuda"

    def stop(done, total, text):
        if done == 5:
            raise Stopped

    run = RunOptions(CUDA, tmp_path / "state")
    with pytest.raises(Stopped):
        training.train_refiner(toy_pairs(), CONFIG, train, run=replace(run, progress=stop))
    _, again = training.train_refiner(toy_pairs(), CONFIG, train, run=run)
    assert again["resumed_from"] == 5
    assert [e["l1"] for e in again["steps"]] == pytest.approx(
        [e["l1"] for e in history["steps"]], rel=0.02
    )


@pytest.mark.parametrize("precision, levels", [("float32", 2), ("auto", 6)])
def test_refined_frames(precision, levels):
    torch.manual_seed(0)
    refiner, pairs = Refiner(CONFIG).eval(), toy_pairs()
    expected, kept = refine(refiner, pairs.renders, identity=pairs.identity, precision="float32")
    found, kept_there = refine(
        refiner.to(CUDA), pairs.renders, identity=pairs.identity, precision=precision
    )
    assert np.abs(found.astype(int) - expected).max() <= levels
    assert np.abs(kept_there - kept).max() < 0.05


def test_no_step_of_a_training_waits():
    losses = replace(LOSSES, perceptual=0.0)
    nets = build_nets(CONFIG, replace(TRAIN, losses=losses), None, CUDA)
    data = training_frames(toy_pairs(), CONFIG, CUDA)
    pool5 = torch.randn(len(data.renders), CONFIG.memory.feature_dim, device=CUDA)
    autocast = autocast_for("auto", CUDA)

    def step(number):
        picked, batch = draw_batch(data, TRAIN, 0, number)
        noise = torch.Generator().manual_seed(number)
        memory_step(nets, pool5, data, picked, noise)
        gan_step(nets, batch, data.identity[picked], losses, autocast)

    step(0)  # cuDNN and the optimisers make what they keep
    with no_waiting():
        for number in range(1, 6):
            step(number)


def test_networks_that_judge():
    rng = np.random.default_rng(0)
    real, made = rng.integers(0, 256, (2, 3, 64, 64, 3), dtype=np.uint8)
    torch.manual_seed(0)
    nets = EfficientNetLite("lite1").eval(), perceptual.LpipsNet().eval()
    for net, judge in zip(nets, (perceptual.perceptual_distance, perceptual.lpips)):
        expected = judge(real, made, None, net)
        assert close(judge(real, made, None, perceptual.on_device(net, CUDA)), expected, 5e-3)


def test_a_person_speaks(tmp_path):
    here = toy_person(tmp_path)
    motion = drive(here, voice())
    coarse = draw(here, motion)
    refined = refine_coarse(here, coarse)
    there = replace(here, device=CUDA)
    drawn = draw(there, drive(there, voice()))
    answer = refine_coarse(there, drawn)
    for a, b in ((drawn.render, coarse.render), (answer.pictures, refined.pictures)):
        assert (np.abs(a.astype(int) - b) > 8).mean() < 0.01


def test_a_step_of_the_paper_s_refiner_fits_into_memory():
    config = refiner_config("paper", slots=300, spatial="random")
    side, train = config.generator.size_px, train_config("paper", steps=2, batch=1)
    pictures = np.random.default_rng(0).integers(0, 256, (2, 4, side, side, 3), dtype=np.uint8)
    identity = np.eye(4, 128, dtype=np.float32)
    torch.cuda.reset_peak_memory_stats()
    training.train_refiner(PairedFrames(*pictures, identity), config, train, run=RunOptions(CUDA))
    assert torch.cuda.max_memory_allocated() / 1e9 < PAPER_GB
