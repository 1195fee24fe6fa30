"""The encoder behind the memory's keys: the order of choice, and weights of another encoder."""

import hashlib
import json

import numpy as np
import pytest
import torch

from tfhkit.errors import AssetError, InputError
from tfhkit.refine import Refiner, load_refiner, refiner_config, retrieve_identity, save_refiner
from tfhkit.refine import spatial as encoders
from tfhkit.refine.spatial import IMAGENET_FILE, build_encoder, choose_spatial, spatial_features
from tfhkit.resnet import ResNet18

SMALL = {"size_px": 32, "channels": (4, 8), "slots": 8}
PICTURES = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype(np.uint8)


@pytest.fixture
def no_resnet(tmp_path, monkeypatch):
    """torch's cache without ResNet18's file: its folder."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


@pytest.fixture
def no_lite0(monkeypatch):
    monkeypatch.setattr(encoders, "why_missing", lambda name: f"{name}: absent")

    def fails(name):
        raise AssetError(name, "absent", "fetch it")

    monkeypatch.setattr(encoders, "open_efficientnet", fails)


def test_lite0_stands_in_for_resnet18(no_resnet, monkeypatch):
    monkeypatch.setattr(encoders, "why_missing", lambda name: "")
    assert choose_spatial() == "lite0" and choose_spatial("random") == "random"
    config = refiner_config("small", **SMALL)
    assert config.spatial == "lite0" and config.memory.feature_dim == 1280
    assert Refiner(config).memory.fc.in_features == 1280
    with pytest.raises(AssetError, match="not in torch's cache.*or use 'lite0'"):
        build_encoder("imagenet")


def test_random_filters_are_the_last_choice(no_resnet, no_lite0):
    with pytest.warns(UserWarning, match="lite0: absent; random filters make the memory's keys"):
        config = refiner_config("small", **SMALL)
    assert config.spatial == "random" and config.memory.feature_dim == 512


def test_resnet18_comes_first_where_its_file_is_right(no_resnet, monkeypatch):
    file = no_resnet / IMAGENET_FILE
    file.write_bytes(b"something else")
    with pytest.raises(AssetError, match="SHA-256 starts with"):
        refiner_config("small", **SMALL)
    net = ResNet18()
    torch.save(net.state_dict(), file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(encoders, "IMAGENET_SHA256_START", digest[:8])
    assert choose_spatial() == "imagenet"
    white = np.full((1, 128, 128, 3), 255, np.uint8)
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406),
                                                            (0.229, 0.224, 0.225)))  # fmt: skip
    with torch.no_grad():
        wanted = net.eval().pooled((torch.ones(1, 3, 128, 128) - mean) / std)
    torch.testing.assert_close(spatial_features(build_encoder("imagenet"), white, 128), wanted)


def test_random_filters_come_from_their_seed():
    one, same, other = (
        spatial_features(build_encoder("random", seed), PICTURES, 32) for seed in (3, 3, 4)
    )
    assert one.shape == (2, 512) and torch.equal(one, same) and not torch.equal(one, other)


def test_pictures_come_at_the_size_that_the_encoder_expects():
    class Sides(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, images):
            return torch.tensor([[*images.shape[-2:], images.mean()]]).repeat(len(images), 1)

    flat = np.full((3, 32, 32, 3), 255, np.uint8)
    for size_px in (16, 32, 224):
        assert spatial_features(Sides(), flat, size_px).tolist() == [[size_px, size_px, 1.0]] * 3
    assert len(spatial_features(Sides(), flat[:0], 32)) == 0


def saved(folder, spatial):
    path = folder / "r.safetensors"
    save_refiner(Refiner(refiner_config("small", **SMALL, spatial=spatial)).eval(), path)
    return path


def rewrite(path, change):
    about = json.loads(path.with_suffix(".json").read_text())
    change(about["config"])
    path.with_suffix(".json").write_text(json.dumps(about))


def test_saved_weights_say_their_encoder(tmp_path):
    path = saved(tmp_path, "lite0")
    assert json.loads(path.with_suffix(".json").read_text())["config"]["spatial"] == "lite0"
    assert load_refiner(path).config.memory.feature_dim == 1280


def test_weights_from_before_there_was_a_choice_are_read(tmp_path):
    path = saved(tmp_path, "random")
    rewrite(path, lambda config: config["memory"].pop("feature_dim"))
    assert load_refiner(path).config.memory.feature_dim == 512


@pytest.mark.parametrize(
    "change, words",
    [
        ({"spatial": "lite0"}, "length 512, of ResNet18.*says EfficientNet-Lite0.*length 1280; re"),
        ({"spatial": "dino"}, r"made with the spatial encoder 'dino'; this kit has \['imagenet'"),
    ],
)
def test_weights_of_another_encoder_are_refused_in_one_line(tmp_path, change, words):
    path = saved(tmp_path, "random")
    rewrite(path, lambda config: config.update(change))
    with pytest.raises(InputError, match=words) as caught:
        load_refiner(path)
    assert "\n" not in str(caught.value)


def test_features_of_another_length_are_refused(tmp_path):
    path = saved(tmp_path, "random")
    rewrite(path, lambda config: config["memory"].update(feature_dim=1280))
    rewrite(path, lambda config: config.update(spatial="lite0"))
    with pytest.raises(InputError, match="length 512, of ResNet18.*says EfficientNet-Lite0"):
        load_refiner(path)


def test_a_memory_whose_encoder_is_absent_says_which(no_resnet, no_lite0):
    for name, shown in (("imagenet", "ResNet18, ImageNet"), ("lite0", "EfficientNet-Lite0")):
        refiner = Refiner(refiner_config("small", **SMALL, spatial=name)).eval()
        with pytest.raises(AssetError, match=f"keys were made with {shown}.*or train again"):
            retrieve_identity(refiner, PICTURES)
