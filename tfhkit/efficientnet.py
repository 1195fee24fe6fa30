"""EfficientNet-Lite: small networks that were trained on ImageNet, for features of pictures."""

import re
from collections.abc import Sequence
from functools import lru_cache

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from tfhkit.assets import fetch
from tfhkit.errors import AssetError

# repeats, kernel, stride of the first block, expansion, channels; of Lite0
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
REPEATS = {"lite0": (1, 2, 2, 3, 3, 4, 1), "lite1": (1, 3, 3, 4, 4, 5, 1)}
SIZE_PX = {"lite0": 224, "lite1": 240}  # of the pictures that they were trained on
ASSET = {"lite0": "efficientnet_lite0", "lite1": "efficientnet_lite1"}
POOLED_DIM = 1280
# behind these stages the side is 1/2, 1/4, 1/8, 1/16 and 1/32 of the picture's
SCALES = (0, 1, 2, 4, 6)


class SameConv(nn.Conv2d):
    """Convolution without bias whose result has side ceil(side / stride), as in TensorFlow."""

    def __init__(
        self, before: int, after: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        super().__init__(before, after, kernel, stride, groups=groups, bias=False)

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Pad as much as is needed, the odd pixel at the right and at the bottom."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        down, right = (max((-(-n // stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:])
        x = F.pad(x, (right // 2, right - right // 2, down // 2, down - down // 2))
        return super().forward(x)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


class Block(nn.Module):
    """Inverted bottleneck: widen, filter each channel, narrow; added to its input where it fits.

    Args:
        before, after: channels.
        kernel, stride: of the filter of each channel.
        expand: factor of the channels inside.
    """

    def __init__(self, before: int, after: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        inside = before * expand
        self.expands = expand > 1
        if self.expands:
            self.expand_conv, self.bn0 = SameConv(before, inside, 1), _norm(inside)
        self.depthwise_conv = SameConv(inside, inside, kernel, stride, groups=inside)
        self.bn1 = _norm(inside)
        self.project_conv, self.bn2 = SameConv(inside, after, 1), _norm(after)
        self.adds = stride == 1 and before == after

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D h w"]:
        """Features of the next block."""
        y = F.relu6(self.bn0(self.expand_conv(x))) if self.expands else x
        y = F.relu6(self.bn1(self.depthwise_conv(y)))
        y = self.bn2(self.project_conv(y))
        return x + y if self.adds else y


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0 or -Lite1; its parameters have the names of the published file.

    Args:
        name: "lite0" or "lite1"; Lite1 has more blocks in the middle stages.
    Source: Tan & Le 2019; Google's EfficientNet-Lite (no squeeze-and-excitation, ReLU6).
    """

    def __init__(self, name: str = "lite0") -> None:
        super().__init__()
        self.name = name
        self.conv_stem, self.bn0 = SameConv(3, 32, 3, 2), _norm(32)
        blocks, before = [], 32
        self.ends: list[int] = []  # number of blocks up to the end of each stage
        for repeats, (_, kernel, stride, expand, after) in zip(REPEATS[name], STAGES):
            for k in range(repeats):
                blocks.append(Block(before, after, kernel, 1 if k else stride, expand))
                before = after
            self.ends.append(len(blocks))
        self.blocks = nn.ModuleList(blocks)
        self.conv_head, self.bn1 = SameConv(before, POOLED_DIM, 1), _norm(POOLED_DIM)
        self.fc = nn.Linear(POOLED_DIM, 1000)

    def stages(
        self, images: Float[Tensor, "B 3 H W"], n_scales: int = len(SCALES)
    ) -> list[Float[Tensor, "B _ _ _"]]:
        """Features at the ends of the first scales, see SCALES.

        Args:
            images: RGB in [-1, 1].
            n_scales: how many; what lies behind them is not computed.
        """
        x = F.relu6(self.bn0(self.conv_stem(_as_trained(images))))
        found, done = [], 0
        for stage in SCALES[:n_scales]:
            for block in self.blocks[done : self.ends[stage]]:
                x = block(x)
            done = self.ends[stage]
            found.append(x)
        return found

    def pooled(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1280"]:
        """Mean over the picture of the last features: what the classes are read from."""
        return F.relu6(self.bn1(self.conv_head(self.stages(images)[-1]))).mean((2, 3))

    def forward(self, images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 1000"]:
        """Logits of ImageNet's 1000 classes for RGB images in [-1, 1]."""
        return self.fc(self.pooled(images))


def _as_trained(images: Float[Tensor, "B 3 H W"]) -> Float[Tensor, "B 3 H W"]:
    """From [-1, 1] to the networks' own scale, (level - 127) / 128 with levels of 0 to 255."""
    return images * (127.5 / 128) + 0.5 / 128


def feature_distance(
    first: Sequence[Float[Tensor, "B _ _ _"]],
    second: Sequence[Float[Tensor, "B _ _ _"]],
    mask: Float[Tensor, "B 1 H W"] | None = None,
) -> Float[Tensor, "B"]:
    """How different two pictures look to a network: mean over scales and places of |u - v|^2.

    u and v are the two pictures' features at a place, each of length 1 over the channels; the
    distance lies between 0 and 4.

    Args:
        first, second: from `EfficientNetLite.stages`.
        mask: where to look; each scale is averaged over its share. None for everywhere.
    Source: the form of LPIPS (Zhang et al. 2018), without its learned weights of the channels.
    """
    total = first[0].new_zeros(len(first[0]))
    for a, b in zip(first, second):
        apart = (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1)
        total = total + mean_inside(apart, mask)
    return total / len(first)


def mean_inside(
    values: Float[Tensor, "B h w"], mask: Float[Tensor, "B 1 H W"] | None
) -> Float[Tensor, "B"]:
    """Mean over the places of a feature map, by their share of a mask; None for everywhere."""
    if mask is None:
        return values.mean((1, 2))
    share = F.interpolate(mask, values.shape[-2:], mode="area")[:, 0]
    return (values * share).sum((1, 2)) / share.sum((1, 2)).clamp(min=1e-9)


@lru_cache(maxsize=2)
def why_missing(name: str) -> str:
    """Why a network cannot be used, or an empty text; asked once in a process.

    A file that is absent is fetched.

    Args:
        name: "lite0" or "lite1".
    """
    try:
        open_efficientnet(name)
    except AssetError as error:
        return str(error)
    return ""


@lru_cache(maxsize=2)
def open_efficientnet(name: str = "lite0") -> EfficientNetLite:
    """The network with its ImageNet weights, frozen, on the CPU; copy it before you move it.

    Args:
        name: "lite0" or "lite1".
    Raises:
        AssetError: the file is absent and cannot be fetched, or has another hash.
    """
    tensors = torch.load(fetch(ASSET[name]), weights_only=True, map_location="cpu")
    net = EfficientNetLite(name)
    # the file's names begin with an underscore at every level: _blocks.0._bn1.weight
    net.load_state_dict({re.sub(r"(^|\.)_", r"\1", k): v for k, v in tensors.items()})
    return net.eval().requires_grad_(False)
