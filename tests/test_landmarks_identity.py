"""Identity features: what is refused, files of them, and ArcFace files made by hand."""

import numpy as np
import pytest

from tfhkit.errors import InputError, ParameterError
from tfhkit.landmarks.identity import ENCODERS, IdentityFeatures, identity_features

IMAGES = np.zeros((2, 64, 64, 3), np.uint8)
POINTS = np.random.default_rng(0).uniform(10, 54, (2, 68, 2)).astype(np.float32)


def field(number, content):
    """One field of a protocol buffer: a number, a text or nested fields."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    content = content.encode() if isinstance(content, str) else content
    return bytes([number << 3 | 2, len(content)]) + content


def tensor_of(name, *shape):
    sizes = b"".join(field(1, field(1, size)) for size in shape)
    return field(1, name) + field(2, field(1, field(1, 1) + field(2, sizes)))


def onnx_file(path, operation):
    """A net of one layer from (1, 3, 112, 112)."""
    node = field(1, "in") + field(2, "out") + field(4, operation)
    graph = field(1, node) + field(2, "g")
    graph += field(11, tensor_of("in", 1, 3, 112, 112)) + field(12, tensor_of("out", 1, 3))
    path.write_bytes(field(1, 7) + field(8, field(2, 11)) + field(7, graph))
    return path


def test_an_onnx_file_of_another_length_is_no_arcface(tmp_path):
    path = onnx_file(tmp_path / "other.onnx", "GlobalAveragePool")
    with pytest.raises(InputError, match="other.onnx: gives 3 numbers, expected 512"):
        identity_features(IMAGES, POINTS, "arcface", path)


@pytest.mark.parametrize("content", [b"", b"not a net" * 99])
def test_a_file_that_is_not_onnx(tmp_path, content):
    (tmp_path / "x.onnx").write_bytes(content)
    with pytest.raises(InputError, match="x.onnx: cannot be read as ONNX"):
        identity_features(IMAGES, POINTS, "arcface", tmp_path / "x.onnx")


def test_a_net_that_cannot_take_the_picture(tmp_path, monkeypatch):
    import cv2

    class Net:
        def setInput(self, blob):
            assert blob.shape == (1, 3, 112, 112)

        def forward(self):
            raise cv2.error("wrong size")

    path = tmp_path / "large.onnx"
    path.write_bytes(b"x")
    monkeypatch.setattr(cv2.dnn, "readNetFromONNX", lambda _: Net())
    with pytest.raises(InputError, match="large.onnx: does not take a 112 x 112 picture"):
        identity_features(IMAGES, POINTS, "arcface", path)


def test_bad_arguments():
    with pytest.raises(InputError, match="images: are float32; give uint8"):
        identity_features(IMAGES.astype(np.float32), POINTS)
    with pytest.raises(ParameterError, match="every: 0; give 1 or more"):
        identity_features(IMAGES, POINTS, every=0)
    with pytest.raises(InputError, match="no frame shows a face"):
        identity_features(IMAGES, POINTS * np.nan)


def test_features_made_before_are_taken_for_their_clip_only(tmp_path):
    made = np.random.default_rng(1).normal(size=(5, 128)).astype(np.float32)
    kept = IdentityFeatures(made, np.arange(5) != 3, ENCODERS["dlib"])
    kept.save(tmp_path / "identity.npz")
    back = IdentityFeatures.load(tmp_path / "identity.npz", 5).of(np.array([3, 4]))
    assert np.array_equal(back.features, made[3:]) and back.found.tolist() == [False, True]
    assert back.encoder == ENCODERS["dlib"] and back.n_skipped == 1
    with pytest.raises(InputError, match="is of a clip of 5 frames, this one has 6"):
        IdentityFeatures.load(tmp_path / "identity.npz", 6)


@pytest.mark.parametrize("content", [{}, {"features": 1}, {"encoder": "dlib", "found": np.ones(2)}])
def test_another_file_is_no_file_of_features(tmp_path, content):
    np.savez(tmp_path / "other.npz", **content)
    with pytest.raises(InputError, match="holds no identity features"):
        IdentityFeatures.load(tmp_path / "other.npz", 2)
    with pytest.raises(InputError, match="is not a file of identity features"):
        IdentityFeatures.load(tmp_path / "none.npz", 2)
