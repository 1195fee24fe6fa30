"""Flicker, LPIPS and identity: injected errors are seen, smooth motion is not, weights are read."""

import cv2
import numpy as np
import pytest
import torch

from tfhkit.errors import AssetError, InputError, MissingBackend, ShapeError
from tfhkit.metrics import (
    flicker,
    flicker_ratio,
    identity_similarity,
    lpips,
    lpips_available,
    motion_between,
    perceptual,
)

SIZE, N = 48, 24


def shifted(image, x, y=0.0):
    matrix = np.array([[1, 0, x], [0, 1, y]], np.float32)
    moved = cv2.warpAffine(
        image, matrix, (SIZE, SIZE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return np.clip(np.rint(moved), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def image():
    rng = np.random.default_rng(0)
    return (
        cv2.GaussianBlur(rng.uniform(0, 255, (SIZE, SIZE, 3)).astype(np.float32), (0, 0), 3) * 3
        - 255
    )


@pytest.fixture(scope="module")
def real(image):
    """A textured picture that swings by 3 px, once in the clip."""
    return np.stack([shifted(image, 3 * np.sin(2 * np.pi * t / N)) for t in range(N)])


def test_second_differences_of_known_tracks():
    ramp = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((8, 8, 3), np.uint8)
    assert flicker(10 * ramp) == 0  # even change is no flicker
    assert flicker(10 * (ramp % 2)) == pytest.approx(20)
    mask = np.zeros((8, 8), bool)
    mask[:4] = True
    half = 10 * (ramp % 2) * mask[..., None]
    assert flicker(half, mask) == pytest.approx(20) and flicker(half, ~mask) == 0
    only = np.zeros((5, 8, 8), np.uint8)
    only[3, :4] = 255
    assert flicker(half, only) == pytest.approx(20)


def injected(real, image, kind, size):
    rng = np.random.default_rng(1)
    if kind == "brightness":
        return np.clip(real + rng.normal(0, size, (N, 1, 1, 1)), 0, 255).round().astype(np.uint8)
    return np.stack([shifted(frame.astype(np.float32), *rng.normal(0, size, 2)) for frame in real])


@pytest.mark.parametrize("kind, sizes", [("brightness", (2, 4)), ("jitter", (0.25, 0.5))])
def test_injected_flicker_is_seen_and_better_along_the_motion(real, image, kind, sizes):
    motion = motion_between(real)
    worse = [injected(real, image, kind, size) for size in sizes]
    plain = [flicker_ratio(real, bad) for bad in worse]
    along = [flicker_ratio(real, bad, motion=motion) for bad in worse]
    assert 1.1 < plain[0] < plain[1] and 1.5 < along[0] < along[1]
    assert all(a > p for a, p in zip(along, plain))


def test_smooth_motion_and_slow_light_are_no_flicker(real, image):
    t = np.arange(N)
    drift = np.stack([shifted(frame.astype(np.float32), 0.1 * i) for i, frame in enumerate(real)])
    light = np.clip(real + (8 * np.sin(2 * np.pi * t / N))[:, None, None, None], 0, 255)
    light = light.round().astype(np.uint8)
    for smooth in (drift, light):
        assert flicker_ratio(real, smooth) < 1.15
    # along the motion hardly anything is left of the real clip, so the same is more of it
    motion = motion_between(real)
    assert flicker(real, motion=motion) < 0.8 * flicker(real)
    assert flicker_ratio(real, real, motion=motion) == 1
    blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 2) for frame in real])
    assert flicker_ratio(real, blurred) < 0.9


def test_motion_is_where_pixels_go(image):
    pair = np.stack([shifted(image, 0), shifted(image, 2)])
    there, back = motion_between(pair)[0]
    inner = slice(12, -12)
    grid = np.arange(SIZE)
    assert np.abs((there[..., 0] - grid)[inner, inner] - 2).mean() < 0.3
    assert np.abs((back[..., 0] - grid)[inner, inner] + 2).mean() < 0.3


def test_what_cannot_flicker(real):
    with pytest.raises(InputError, match="2 cannot flicker; give three or more"):
        flicker(real[:2])
    with pytest.raises(InputError, match="mask: is empty"):
        flicker(real, np.zeros((SIZE, SIZE)))
    with pytest.raises(InputError, match="real frames: do not change at all"):
        flicker_ratio(np.repeat(real[:1], 4, 0), real[:4])
    with pytest.raises(InputError, match="motion: is of 3 frames, not of 24"):
        flicker(real, motion=motion_between(real[:3]))
    with pytest.raises(ShapeError, match="generated"):
        flicker_ratio(real, real[:-1])


@pytest.fixture(scope="module")
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return perceptual.LpipsNet().eval()


def test_lpips_is_zero_for_equal_images_and_grows_with_noise(net, real):
    rng = np.random.default_rng(0)
    frames = np.stack([cv2.resize(frame, (64, 64)) for frame in real[:3]])
    assert np.array_equal(lpips(frames, frames, net=net), np.zeros(3))
    noise = rng.normal(size=frames.shape)
    noisy = [np.clip(frames + s * noise, 0, 255).astype(np.uint8) for s in (5, 20, 60)]
    scores = [lpips(frames, bad, net=net) for bad in noisy]
    assert (scores[0] > 0).all() and (np.diff(scores, axis=0) > 0).all()
    swapped = lpips(noisy[1], frames, net=net)
    np.testing.assert_allclose(scores[1], swapped, rtol=1e-5)
    assert scores[1][0] == pytest.approx(lpips(frames[:1], noisy[1][:1], net=net)[0], rel=1e-5)


def test_lpips_looks_inside_its_mask(net, real):
    frames = np.stack([cv2.resize(frame, (128, 128)) for frame in real[:1]])
    bad = frames.copy()
    bad[:, :, 100:] = 255 - bad[:, :, 100:]
    left, right = np.zeros((2, 1, 128, 128), np.uint8)
    left[:, :, :24] = right[:, :, 100:] = 255
    assert lpips(frames, bad, left, net)[0] < 0.05 * lpips(frames, bad, right, net)[0]
    everywhere = lpips(frames, bad, np.ones_like(left), net)
    np.testing.assert_allclose(everywhere, lpips(frames, bad, net=net), rtol=1e-5)


def test_lpips_reads_verified_weights_only(monkeypatch, tmp_path, net, real):
    files = tmp_path / "trunk.pth", tmp_path / "linear.pth"
    monkeypatch.setattr(perceptual, "_weight_files", lambda: files)
    perceptual.open_lpips.cache_clear()
    assert not lpips_available()
    with pytest.raises(MissingBackend, match="'lpips' is not available; 'pip install --no-deps"):
        lpips(real, real)
    torch.save({f"features.{k}": v for k, v in net.features.state_dict().items()}, files[0])
    torch.save({f"lin{k}.model.1.weight": w.data.view(1, -1, 1, 1)
                for k, w in enumerate(net.linear)}, files[1])  # fmt: skip
    assert lpips_available()
    with pytest.raises(AssetError, match=r"trunk.pth: SHA-256 is \w{8}..., not 7be5be79"):
        lpips(real, real)
    monkeypatch.setattr(perceptual, "_verified", lambda path, expected: path)
    first, second = real[:2].repeat(2, 1).repeat(2, 2), real[2:4].repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(lpips(first, second), lpips(first, second, net=net))
    perceptual.open_lpips.cache_clear()


def test_identity_similarity_is_a_cosine_and_nan_without_a_face(monkeypatch):
    from types import SimpleNamespace

    def features(images, points, **_):
        found = np.isfinite(points).all((1, 2))
        value = images[:, 0, 0].astype(np.float32)
        value = value / np.linalg.norm(value, axis=1, keepdims=True)
        return SimpleNamespace(features=value * found[:, None], found=found)

    monkeypatch.setattr(perceptual, "identity_features", features)
    a = np.zeros((3, 8, 8, 3), np.uint8)
    a[..., 0] = 100
    b = a.copy()
    b[1, ..., 1] = 100
    points = np.zeros((3, 68, 2))
    points[2] = np.nan
    cosine = identity_similarity(a, b, points)
    np.testing.assert_allclose(cosine, [1, np.sqrt(0.5), np.nan], rtol=1e-6)
    nowhere = np.full((3, 68, 2), np.nan)
    assert np.isnan(identity_similarity(a, b, np.zeros((3, 68, 2)), nowhere)).all()
    with pytest.raises(ShapeError, match="generated"):
        identity_similarity(a, b[:2], points)
