"""Refining: what is refused, and what the edges of the allowed give."""

import numpy as np
import pytest
import torch

from tfhkit.device import choose_device
from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.refine import Refiner, refine, refiner_config, smooth_features
from tfhkit.refine.predict import keep_unchanged
from tfhkit.refine.spatial import build_encoder, choose_spatial, spatial_features

RENDERS = np.zeros((6, 32, 32, 3), np.uint8)
IDENTITY = np.eye(128, dtype=np.float32)[:6]


@pytest.fixture(scope="module")
def refiner():
    torch.manual_seed(0)
    made = Refiner(refiner_config("small", size_px=32, channels=(4, 8), slots=8, spatial="random"))
    query = torch.nn.functional.normalize(torch.randn(6, 512), dim=1)
    made.memory.update(query, torch.as_tensor(IDENTITY))
    return made.eval()


@pytest.mark.parametrize(
    "change, kind, words",
    [
        (
            {"renders": RENDERS[:, :16, :16]},
            ShapeError,
            r"renders: expected shape \(T, 32, 32, 3\)",
        ),
        ({"renders": RENDERS / 255.0}, InputError, "renders: are float64; give uint8"),
        ({"identity": IDENTITY[:, :64]}, ShapeError, r"identity: expected shape \(6, 128\)"),
        ({"identity": IDENTITY[:3]}, ShapeError, r"identity: expected shape \(6, 128\)"),
        ({"times": [0, 1]}, ShapeError, r"times: expected shape \(6\)"),
        ({"times": [0, 1, 2, 2, 4, 5]}, ParameterError, "times: do not increase"),
        ({"times": [0, 1, np.nan, 3, 4, 5]}, ParameterError, "times: do not increase"),
        ({"batch": 0}, ParameterError, "batch: 0; give 1 or more"),
        ({"precision": "half"}, ParameterError, "precision: unknown 'half'"),
    ],
)
def test_bad_input(refiner, change, kind, words):
    with pytest.raises(kind, match=words):
        refine(refiner, **{"renders": RENDERS, **change})


def test_no_frame_and_one_frame(refiner):
    for n in (0, 1):
        refined, attention = refine(refiner, RENDERS[:n])
        assert refined.shape == (n, 32, 32, 3) and attention.shape == (n, 32, 32)


def test_bfloat16_stays_within_one_grey_level(refiner):
    noise = np.random.default_rng(0).integers(0, 256, RENDERS.shape).astype(np.uint8)
    exact, attention = refine(refiner, noise, precision="float32")
    quick, other = refine(refiner, noise, precision="bfloat16")
    assert np.abs(exact.astype(int) - quick).max() <= 1 and exact.std() > 10
    assert np.abs(attention - other).max() < 0.02


def test_another_window_is_refused(refiner):
    with pytest.raises(ShapeError, match=r"window: expected shape \(B, 9, 32, 32\), got \(1, 3"):
        refiner.generator(torch.zeros(1, 3, 32, 32), torch.as_tensor(IDENTITY[:1]))


def test_names_that_are_not_known():
    with pytest.raises(ParameterError, match="device: unknown 'gpu7'"):
        choose_device("gpu7")
    for choose in (build_encoder, choose_spatial):
        with pytest.raises(ParameterError, match="spatial: unknown encoder 'places'; use"):
            choose("places")
    with pytest.raises(ShapeError, match="images: expected shape"):
        spatial_features(torch.nn.Identity(), RENDERS[..., 0], 32)
    with pytest.raises(ParameterError, match="times: do not increase"):
        smooth_features(torch.eye(3), [0, 2, 1])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_where_there_is_none():
    with pytest.raises(ParameterError, match="device: torch finds no CUDA here"):
        choose_device("cuda")


@pytest.mark.parametrize("kept", [0.0, 0.5])
def test_the_background_comes_through_untouched_whatever_the_attention(kept):
    rng = np.random.default_rng(1)
    renders, refined = rng.integers(0, 256, (2, 2, 64, 64, 3), dtype=np.uint8)
    attention = np.full((2, 64, 64), kept, np.float32)
    changed = np.zeros((2, 64, 64), np.uint8)
    changed[0, 20:40, 24:44] = 1  # nothing was changed in the second frame
    frames, a = keep_unchanged(refined, attention, renders, changed)
    face = changed[0] > 0
    away = np.ones((64, 64), bool)
    away[16:44, 20:48] = False
    assert (frames[0][away] == renders[0][away]).all() and (a[0][away] == 1).all()
    assert (frames[1] == renders[1]).all() and (a[1] == 1).all()
    assert (frames[0][face] == refined[0][face]).all() and (a[0][face] == kept).all()
    rest = ~away & ~face
    assert (a[0][rest] >= kept).all()
    with pytest.raises(ShapeError, match="changed: expected shape"):
        keep_unchanged(refined, attention, renders, changed[:, :32])
