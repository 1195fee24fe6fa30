"""Spatial features for the memory's keys: a frozen network's answer to a rendered frame (Sec. 3.4).

The paper takes ResNet18's pool5, trained on ImageNet. The kit takes the first of `ENCODERS` that it
can have: that one, EfficientNet-Lite0, or a ResNet18 with random filters.
"""

import copy
import hashlib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from tfhkit.efficientnet import POOLED_DIM, open_efficientnet, why_missing
from tfhkit.errors import AssetError, KitWarning, ParameterError, check_shape
from tfhkit.resnet import ResNet18

IMAGENET_FILE = "resnet18-f37072fd.pth"  # torchvision's ResNet18_Weights.IMAGENET1K_V1
IMAGENET_SHA256_START = "f37072fd"  # torchvision names its files by their hash
FACE_PX = 128  # one face needs no 224 px, see docs/findings.md
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of ResNet18's training


@dataclass(frozen=True)
class Encoder:
    """A network that makes spatial features.

    Args:
        shown: what a reader calls it.
        dim: length of its features.
        size_px: side of the pictures that it gets.
        build: makes it from the seed of random filters.
    """

    shown: str
    dim: int
    size_px: int
    build: Callable[[int], nn.Module]


class Pool5(nn.Module):
    """ResNet18's pool5 of RGB pictures in [-1, 1].

    Args:
        path: file with ImageNet's weights; None leaves the filters random.
        seed: random seed of the random filters.
    """

    mean: Float[Tensor, "1 3 1 1"]
    std: Float[Tensor, "1 3 1 1"]

    def __init__(self, path: Path | None, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = ResNet18()
        if path is not None:
            self.net.load_state_dict(torch.load(path, weights_only=True, map_location="cpu"))
        for name, values in (("mean", _MEAN), ("std", _STD)):
            self.register_buffer(name, torch.tensor(values).view(1, 3, 1, 1))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 512"]:
        """Mean over the picture of the last features."""
        return self.net.pooled(((images + 1) / 2 - self.mean) / self.std)


class Lite0(nn.Module):
    """EfficientNet-Lite0's last features, averaged over the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.net = copy.deepcopy(open_efficientnet("lite0"))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1280"]:
        """Features of RGB pictures in [-1, 1]."""
        return self.net.pooled(images)


def _imagenet(seed: int) -> nn.Module:
    path = imagenet_weights_path()
    if path is None:
        raise AssetError(
            IMAGENET_FILE,
            "not in torch's cache (torch.hub.get_dir())",
            "torchvision's resnet18(weights='IMAGENET1K_V1') brings it; or use 'lite0', 'random'",
        )
    return Pool5(path)


ENCODERS = {
    "imagenet": Encoder("ResNet18, ImageNet weights", 512, FACE_PX, _imagenet),
    "lite0": Encoder(
        "EfficientNet-Lite0, ImageNet weights", POOLED_DIM, FACE_PX, lambda seed: Lite0()
    ),
    "random": Encoder("ResNet18, random weights", 512, FACE_PX, lambda seed: Pool5(None, seed)),
}


def imagenet_weights_path() -> Path | None:
    """torchvision's file in torch's cache, verified, or None when it is not there.

    Raises:
        AssetError: the file is there but is not what its name says.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / IMAGENET_FILE
    if not path.is_file():
        return None
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not digest.startswith(IMAGENET_SHA256_START):
        raise AssetError(
            path,
            f"SHA-256 starts with {digest[:8]}, not {IMAGENET_SHA256_START}",
            "delete it; torchvision's resnet18(weights='IMAGENET1K_V1') fetches it",
        )
    return path


def choose_spatial(spatial: str = "auto") -> str:
    """The name of a spatial encoder; "auto" is the first of ENCODERS whose file is there.

    EfficientNet-Lite0's file is fetched where it is absent; where that fails, a warning says so.

    Args:
        spatial: a key of ENCODERS, or "auto".
    Raises:
        ParameterError: another name. AssetError: ResNet18's file is there but has another hash.
    """
    if spatial in ENCODERS:
        return spatial
    if spatial != "auto":
        known = f"use auto or {list(ENCODERS)}"
        raise ParameterError("spatial", f"unknown encoder {spatial!r}", known)
    if imagenet_weights_path() is not None:
        return "imagenet"
    missing = why_missing("lite0")
    if not missing:
        return "lite0"
    warnings.warn(f"{missing}; random filters make the memory's keys", KitWarning, stacklevel=2)
    return "random"


def build_encoder(spatial: str, seed: int = 0) -> nn.Module:
    """A spatial encoder, frozen, on the CPU.

    Args:
        spatial: a key of ENCODERS.
        seed: random seed of the random filters.
    Raises:
        AssetError: its file is absent or wrong.
        ParameterError: another name.
    """
    if spatial not in ENCODERS:
        known = f"use one of {list(ENCODERS)}"
        raise ParameterError("spatial", f"unknown encoder {spatial!r}", known)
    return ENCODERS[spatial].build(seed).eval().requires_grad_(False)


@torch.no_grad()
def spatial_features(
    net: nn.Module, images: Shaped[np.ndarray, "..."], size_px: int, batch: int = 32
) -> Float[Tensor, "T C"]:
    """Spatial features of rendered frames, on the CPU.

    Args:
        net: from `build_encoder`.
        images: (T, S, S, 3) uint8 RGB.
        size_px: side that the pictures are resized to.
        batch: frames at a time.
    """
    check_shape("images", images, ("T", "S", "S", 3))
    device = next(net.parameters()).device
    out = []
    for start in range(0, len(images), batch):
        x = torch.as_tensor(images[start : start + batch], device=device)
        out.append(net(resized(x.permute(0, 3, 1, 2).float() / 127.5 - 1, size_px)).cpu())
    return torch.cat(out) if out else torch.zeros(0, 0)


def resized(images: Float[Tensor, "B C H W"], size_px: int) -> Float[Tensor, "B C h w"]:
    """Square pictures of another side: averaged to a smaller one, interpolated to a larger one."""
    if images.shape[-1] == size_px:
        return images
    if images.shape[-1] > size_px:
        return F.interpolate(images, size=(size_px, size_px), mode="area")
    return F.interpolate(images, size=(size_px, size_px), mode="bilinear", align_corners=False)
