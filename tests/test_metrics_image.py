"""PSNR, SSIM and LMD: known errors, properties, parity, and the published variant's trap."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from skimage.metrics import structural_similarity

from tfhkit.errors import InputError, ParameterError, ShapeError
from tfhkit.metrics import detail_ratio, lmd, psnr, psnr_published, resize_published, ssim

IMAGE = np.random.default_rng(0).integers(0, 200, (32, 40, 3), np.uint8)


@pytest.mark.parametrize("error", [1, 5, 40])
def test_psnr_of_a_known_error(error):
    assert psnr(IMAGE, IMAGE + np.uint8(error)) == pytest.approx(20 * np.log10(255 / error))


def test_psnr_is_per_frame_and_signed_differences_count():
    frames = np.stack([IMAGE, IMAGE, IMAGE])
    other = np.stack([IMAGE, IMAGE + np.uint8(3), IMAGE + np.uint8(9)])
    values = psnr(frames, other)
    assert values.shape == (3,) and np.isinf(values[0])
    np.testing.assert_allclose(values[1:], psnr(other, frames)[1:])


def test_mask_restricts():
    mask = np.zeros((32, 40), np.uint8)
    mask[:16] = 255
    other = IMAGE.copy()
    other[16:] = 255 - other[16:]
    assert np.isinf(psnr(IMAGE, other, mask)) and np.isfinite(psnr(IMAGE, other))
    assert ssim(IMAGE, other, mask > 0) > 0.85 > ssim(IMAGE, other)
    per_frame = psnr(IMAGE[None], other[None], (mask == 0)[None])
    assert per_frame.shape == (1,) and per_frame[0] < 15


def test_ssim_is_scikit_images():
    other = np.clip(
        IMAGE.astype(int) + np.random.default_rng(1).integers(-9, 9, IMAGE.shape), 0, 255
    )
    other = other.astype(np.uint8)
    plain = structural_similarity(IMAGE, other, channel_axis=-1)
    assert ssim(IMAGE, other, window="box") == pytest.approx(plain)
    wang = structural_similarity(
        IMAGE, other, channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim(IMAGE, other) == pytest.approx(wang)


@settings(max_examples=15, deadline=None)
@given(arrays(np.uint8, (2, 12, 12, 3)))
def test_ssim_of_itself_is_one_and_symmetric(images):
    assert ssim(images[0], images[0]) == pytest.approx(1)
    assert ssim(images[0], images[1]) == pytest.approx(ssim(images[1], images[0]))


def test_every_measure_sees_noise():
    rng = np.random.default_rng(2)
    last = np.inf, 1.01
    for sigma in (2, 8, 30):
        noisy = np.clip(IMAGE + rng.normal(0, sigma, IMAGE.shape), 0, 255).astype(np.uint8)
        now = psnr(IMAGE, noisy), ssim(IMAGE, noisy)
        assert now[0] < last[0] and now[1] < last[1]
        last = now


def test_published_psnr_agrees_for_small_errors_and_wraps_for_large_ones():
    grey = np.full((256, 256, 3), 100, np.uint8)
    assert psnr_published(grey, grey + np.uint8(9)) == pytest.approx(psnr(grey, grey + np.uint8(9)))
    assert psnr_published(grey, grey + np.uint8(16)) == 100  # 16 squared is 0 in 8 bits
    black, white = np.zeros_like(grey), np.full_like(grey, 255)
    assert psnr(black, white) == pytest.approx(0)
    assert psnr_published(black, white) > 45
    rng = np.random.default_rng(3)
    first, second = (rng.integers(0, 256, grey.shape, np.uint8) for _ in range(2))
    assert 27 < psnr_published(first, second) < 29 and psnr(first, second) < 9
    assert resize_published(np.zeros((2, 64, 64, 3), np.uint8)).shape == (2, 256, 256, 3)


def face(seed=0, n_frames=4):
    points = 40 * np.random.default_rng(seed).standard_normal((n_frames, 68, 2)) + 100
    points[:, 36], points[:, 45] = (70.0, 90.0), (130.0, 90.0)  # 60 px apart
    return points.astype(np.float32)


def test_lmd_of_a_known_error():
    real = face()
    moved = real + np.float32([3, 4])
    np.testing.assert_allclose(lmd(real, moved, align="none"), 5, rtol=1e-5)
    np.testing.assert_allclose(lmd(real, moved), 0, atol=1e-4)
    np.testing.assert_allclose(
        lmd(real, moved, points="all", align="none", unit="interocular"), 5 / 60, rtol=1e-5
    )


def test_lmd_looks_where_it_is_told():
    real = face()
    jaw = real.copy()
    jaw[:, :17] += 10
    assert not lmd(real, jaw).any() and not lmd(real, jaw, points="inner").any()
    np.testing.assert_allclose(lmd(real, jaw, points="all", align="none"), np.sqrt(200) * 17 / 68)
    lips = real.copy()
    lips[:, 57, 1] += 20  # one of twenty points; its centre moves by 1 px
    np.testing.assert_allclose(lmd(real, lips), (19 + 19 * 1) / 20, rtol=1e-4)


def test_lmd_leaves_out_frames_without_a_face():
    real, other = face(), face(1)
    other[2] = np.nan
    values = lmd(real, other)
    assert np.isnan(values[2]) and np.isfinite(values[[0, 1, 3]]).all()


@pytest.mark.parametrize(
    "call, error, words",
    [
        (lambda: psnr(IMAGE, IMAGE[:16]), ShapeError, "expected shape .32, 40, 3. as real"),
        (lambda: psnr(IMAGE, IMAGE[..., :2]), ShapeError, "as real"),
        (lambda: ssim(IMAGE / 255, IMAGE / 255), InputError, "float64, expected uint8"),
        (lambda: psnr(IMAGE, IMAGE, np.zeros((32, 40))), InputError, "mask: is empty"),
        (lambda: psnr(IMAGE, IMAGE, np.ones((31, 40))), ShapeError, "mask: expected shape"),
        (lambda: ssim(IMAGE[:8], IMAGE[:8]), ShapeError, "at least 11 px"),
        (lambda: ssim(IMAGE, IMAGE, window="7x7"), ParameterError, "choose 'gauss' or 'box'"),
        (lambda: lmd(face(), face(n_frames=5)), ShapeError, "generated_px: expected"),
        (lambda: lmd(face(), face(), points="lips"), ParameterError, "choose one of mouth"),
        (lambda: lmd(face() * np.nan, face()), InputError, "no frame has a face"),
    ],
)
def test_bad_input_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


@pytest.mark.slow
def test_landmarks_of_crops():
    from skimage.data import astronaut

    from tfhkit.metrics import detect_crops

    crop = np.ascontiguousarray(astronaut()[30:190, 145:305])
    images = np.stack([crop, np.zeros_like(crop), np.roll(crop, 4, axis=1)])
    points = detect_crops(images, backend="dlib")
    assert points.shape == (3, 68, 2) and np.isnan(points[1]).all()
    np.testing.assert_allclose((points[2] - points[0]).mean(0), [4, 0], atol=1)
    assert 30 < points[0, 45, 0] - points[0, 36, 0] < 80  # the eyes of a face 160 px wide


def test_detail_of_half_the_contrast_is_a_quarter():
    assert detail_ratio(IMAGE, IMAGE) == 1
    assert detail_ratio(2 * (IMAGE // 2), IMAGE // 2) == pytest.approx(0.25)
    frames = np.stack([IMAGE, IMAGE])
    soft = frames.copy()
    soft[:, 16:] = 100
    mask = np.zeros(IMAGE.shape[:2], bool)
    mask[:15] = True
    assert detail_ratio(frames, soft, mask) == 1 and detail_ratio(frames, soft, ~mask) < 0.2


def test_detail_of_nothing_is_refused():
    flat = np.full_like(IMAGE, 7)
    with pytest.raises(InputError, match="one colour"):
        detail_ratio(flat, IMAGE)
    with pytest.raises(InputError, match="mask: is empty"):
        detail_ratio(IMAGE, IMAGE, np.zeros(IMAGE.shape[:2]))
    with pytest.raises(ShapeError):
        detail_ratio(IMAGE, IMAGE[1:])
