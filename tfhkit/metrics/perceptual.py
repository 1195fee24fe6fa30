"""Metrics by trained networks: perceptual distance, LPIPS where it is installed, identity."""

import copy
import hashlib
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from torch import Tensor, nn

from tfhkit.efficientnet import (
    EfficientNetLite,
    feature_distance,
    mean_inside,
    open_efficientnet,
    why_missing,
)
from tfhkit.errors import AssetError, MissingBackend, check_shape
from tfhkit.landmarks.identity import identity_features

TRUNK_FILE = "alexnet-owt-7be5be79.pth"  # torchvision's AlexNet_Weights.IMAGENET1K_V1
TRUNK_SHA256 = "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02"
LINEAR_SHA256 = "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0"
WIDTHS = (64, 192, 384, 256, 256)
_ENDS = (2, 5, 8, 10, 12)  # in AlexNet's layers: behind each of the five ReLUs
# channels in and out, kernel, stride, padding
_CONVOLUTIONS = ((3, 64, 11, 4, 2), (64, 192, 5, 1, 2), (192, 384, 3, 1, 1), (384, 256, 3, 1, 1),
                 (256, 256, 3, 1, 1))  # fmt: skip
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_BATCH = 32
_PLACED: dict[tuple[nn.Module, str], nn.Module] = {}  # shared networks' copies, see `on_device`
Net = TypeVar("Net", bound=nn.Module)


class LpipsNet(nn.Module):
    """AlexNet's five feature maps and one weight per channel; random until weights are loaded."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _alexnet()
        self.linear = nn.ParameterList(nn.Parameter(torch.rand(width)) for width in WIDTHS)

    def forward(
        self,
        first: Float[Tensor, "B 3 H W"],
        second: Float[Tensor, "B 3 H W"],
        mask: Float[Tensor, "B 1 H W"] | None = None,
    ) -> Float[Tensor, "B"]:
        """Distances (B,) of two batches (B, 3, H, W) in [-1, 1]; mask (B, 1, H, W) float."""
        start = 0
        shift, scale = (first.new_tensor(v).view(1, 3, 1, 1) for v in (_SHIFT, _SCALE))
        x = (torch.cat([first, second]) - shift) / scale
        total = x.new_zeros(len(first))
        for end, weight in zip(_ENDS, self.linear):
            for layer in self.features[start:end]:
                x = layer(x)
            start = end
            a, b = (x / (x.norm(dim=1, keepdim=True) + 1e-10)).chunk(2)
            apart = ((a - b).square() * weight.view(1, -1, 1, 1)).sum(1)
            total = total + mean_inside(apart, mask)
        return total


def _alexnet():
    """The convolutions of AlexNet, numbered as torchvision's `alexnet().features` are."""
    first, second, *others = (
        nn.Conv2d(n_in, n_out, kernel_size, stride, padding)
        for n_in, n_out, kernel_size, stride, padding in _CONVOLUTIONS
    )
    layers: list[nn.Module] = [first, nn.ReLU(), nn.MaxPool2d(3, 2), second, nn.ReLU()]
    layers.append(nn.MaxPool2d(3, 2))
    for convolution in others:
        layers += [convolution, nn.ReLU()]
    return nn.Sequential(*layers)


@torch.no_grad()
def lpips(
    real: np.ndarray,
    generated: np.ndarray,
    mask: Shaped[np.ndarray, "..."] | None = None,
    net: LpipsNet | None = None,
    device: str | torch.device = "cpu",
) -> Float[np.ndarray, "T"]:
    """Learned perceptual distance, per frame; 0 for equal images, lower is better.

    Args:
        real, generated: (T, H, W, 3) uint8, 64 px or more.
        mask: (T, H, W), where to look; each feature map is averaged over its share. None for
            everywhere, as published.
        net: LpipsNet; None takes the published weights.
        device: where those run; a given network runs where it is.
    Returns:
        (T,) float64.
    Raises:
        MissingBackend: the weights are not there. AssetError: a file has another hash.
        ShapeError: sizes differ.
    Source: Zhang et al. 2018, version 0.1, AlexNet.
    """
    check_shape("real", real, ("T", "H", "W", 3))
    check_shape("generated", generated, real.shape)
    net, out = net or on_device(open_lpips(), device), []
    place = next(net.parameters()).device
    for first in range(0, len(real), _BATCH):
        part = slice(first, first + _BATCH)
        inside = None if mask is None else _inside(mask[part]).to(place)
        pair = (as_unit(frames[part]).to(place) for frames in (real, generated))
        out.append(net(*pair, inside).double().cpu().numpy())
    return np.concatenate(out)


@torch.no_grad()
def perceptual_distance(
    real: np.ndarray,
    generated: np.ndarray,
    mask: Shaped[np.ndarray, "..."] | None = None,
    net: EfficientNetLite | None = None,
    device: str | torch.device = "cpu",
) -> Float[np.ndarray, "T"]:
    """How different frames look to EfficientNet-Lite1, per frame; 0 for equal images.

    No training of the kit sees Lite1: a refiner that learns with the features of Lite0 is judged
    by another network.

    Args:
        real, generated: (T, H, W, 3) uint8.
        mask: (T, H, W), where to look; None for everywhere.
        net: another network; None takes Lite1.
        device: where Lite1 runs; a given network runs where it is.
    Returns:
        (T,) float64, between 0 and 4, see `tfhkit.efficientnet.feature_distance`.
    Raises:
        AssetError: Lite1's file is absent and cannot be fetched. ShapeError: sizes differ.
    """
    check_shape("real", real, ("T", "H", "W", 3))
    check_shape("generated", generated, real.shape)
    net, out = net or on_device(open_efficientnet("lite1"), device), []
    place = next(net.parameters()).device
    for first in range(0, len(real), _BATCH):
        part = slice(first, first + _BATCH)
        a, b = (net.stages(as_unit(frames[part]).to(place)) for frames in (real, generated))
        inside = None if mask is None else _inside(mask[part]).to(place)
        out.append(feature_distance(a, b, inside).double().cpu().numpy())
    return np.concatenate(out)


def on_device(net: Net, device: str | torch.device) -> Net:
    """A network that is shared, on a device: itself on the CPU, else a copy, which is kept."""
    if torch.device(device).type == "cpu":
        return net
    if (net, str(device)) not in _PLACED:
        _PLACED[net, str(device)] = copy.deepcopy(net).to(device)
    return _PLACED[net, str(device)]  # type: ignore[return-value] # a copy of it


def perceptual_available() -> bool:
    """True where Lite1's file is there; it is fetched where it is absent."""
    return not why_missing("lite1")


def as_unit(frames: UInt8[np.ndarray, "T H W 3"]) -> Float[Tensor, "T 3 H W"]:
    """(T, H, W, 3) uint8 as (T, 3, H, W) in [-1, 1]."""
    return torch.as_tensor(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float() / 127.5 - 1


def _inside(mask):
    return torch.as_tensor(np.asarray(mask) != 0)[:, None].float()


def lpips_available() -> bool:
    """True where both files of the published weights are there."""
    return all(path.is_file() for path in _weight_files())


@lru_cache(maxsize=1)
def open_lpips() -> LpipsNet:
    """LpipsNet with the published weights; arguments and errors as in `lpips`."""
    if not lpips_available():
        remedy = (
            "'pip install --no-deps lpips' brings the linear layers, and "
            "torchvision's alexnet(weights='IMAGENET1K_V1') fetches the trunk once"
        )
        raise MissingBackend("perceptual distance", "lpips", remedy)
    trunk, linear = (
        torch.load(_verified(path, digest), weights_only=True, map_location="cpu")
        for path, digest in zip(_weight_files(), (TRUNK_SHA256, LINEAR_SHA256))
    )
    net = LpipsNet().eval().requires_grad_(False)
    net.features.load_state_dict(
        {k.removeprefix("features."): v for k, v in trunk.items() if k.startswith("features.")}
    )
    for k, weight in enumerate(net.linear):
        weight.copy_(linear[f"lin{k}.model.1.weight"].flatten())
    return net


def _weight_files():
    """The trunk in torch's cache, and the linear layers in the package `lpips`."""
    package = find_spec("lpips")
    folder = Path(package.submodule_search_locations[0]) if package else Path("lpips")
    trunk = Path(torch.hub.get_dir()) / "checkpoints" / TRUNK_FILE
    return trunk, folder / "weights" / "v0.1" / "alex.pth"


def _verified(path, expected):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != expected:
        fault = f"SHA-256 is {digest[:8]}..., not {expected[:8]}..."
        raise AssetError(path, fault, "delete it and fetch it again")
    return path


def identity_similarity(
    real: np.ndarray,
    generated: np.ndarray,
    landmarks_px: np.ndarray,
    generated_landmarks_px: np.ndarray | None = None,
    **encoder: Any,
) -> Float[np.ndarray, "T"]:
    """Cosine of the identity features of real and generated frames, per frame; 1 is the same.

    Args:
        real, generated: (T, S, S, 3) uint8 crops.
        landmarks_px: (T, 68, 2) pixels of the real crops; NaN where there is no face.
        generated_landmarks_px: those of the generated crops; None where the head stands as in the
            real ones.
        encoder: backend, weights, progress of `tfhkit.landmarks.identity_features`.
    Returns:
        (T,) float64; NaN in a frame that lacks a face on either side. Two people have a cosine
        below the encoder's `same_person`, see `tfhkit.refine.ENCODERS`.
    Raises:
        ShapeError, InputError, MissingBackend: as `identity_features`.
    """
    check_shape("generated", generated, real.shape)
    other = landmarks_px if generated_landmarks_px is None else generated_landmarks_px
    a, b = (
        identity_features(images, np.asarray(points, np.float32), **encoder)
        for images, points in ((real, landmarks_px), (generated, other))
    )
    cosine = (a.features.astype(np.float64) * b.features).sum(-1)
    return np.where(a.found & b.found, cosine, np.nan)
