"""The network from sound to expression and pose (Eq. 1), and its weights on disk."""

import copy
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import dropout

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.motion.data import Normalisation
from tfhkit.motion.linear import LinearPath
from tfhkit.weights import load_weights, read_about, read_tensors, save_weights

FORMAT = "tfhkit motion 2"
State = tuple[Float[Tensor, "layers B hidden"], Float[Tensor, "layers B hidden"]]  # h, c
N_EXP, N_POSE = 64, 6
_DIRECT_DROPOUT = 0.3


@dataclass(frozen=True)
class MotionConfig:
    """Architecture; saved with the weights.

    Args:
        size: name of the architecture, "small", "paper" or "custom".
        channels: output channels of the five 3x3 convolutions; a pooling follows the second and
            the fifth.
        first_pool: stride of the first pooling in time and cepstra (published: 1, 2).
        fc: widths of the fully connected layers after the convolutions.
        hidden: width of the LSTM.
        layers: its depth.
        dropout: on the encoded sound and between LSTM layers while training.
        direct: add a linear map from the window straight to the output. It has no memory and
            hardly overfits: it learns from a dozen seconds of a person what an LSTM cannot.
            Not in the paper.
        mfcc_scope: "track" standardises the MFCCs with the mean and standard deviation of the
            sound at hand (a microphone or a voice that is not in the training set shifts them as
            a whole); "weights" with those of the training set, saved with the weights. The
            published code corresponds to "weights" with mean 0 and deviation 1.
    """

    size: str = "small"
    channels: tuple[int, ...] = (8, 16, 32, 32, 48)
    first_pool: tuple[int, int] = (2, 2)
    fc: tuple[int, ...] = (224, 160)
    hidden: int = 224
    layers: int = 2
    dropout: float = 0.35
    direct: bool = True
    mfcc_scope: str = "track"

    @classmethod
    def of_size(cls, size: str) -> "MotionConfig":
        """`small` (under 2.5 M parameters) or `paper` (the published 29.43 M)."""
        if size == "small":
            return cls()
        if size == "paper":
            convs = (64, 128, 256, 256, 512)
            return cls("paper", convs, (1, 2), (2048, 256), 256, 3, 0.0, direct=False)
        raise ParameterError("size", f"must be 'small' or 'paper', got {size!r}", "choose one")


class MotionNet(nn.Module):
    """Audio encoder E, LSTM R and the linear map to 64 expression and 6 pose numbers (Eq. 1).

    Works in normalised units; `predict_motion` turns them into coefficients.

    Source: paper Sec. 3.2; sizes of the published code (per-frame convolutions on the 28 x 12
        window, pooling 3 with stride (1, 2) and then 2, no padding).
    """

    def __init__(self, config: MotionConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or MotionConfig()
        widths = (1, *config.channels)
        blocks: list[nn.Module] = []
        for index, (n_in, n_out) in enumerate(pairwise(widths)):
            blocks += [
                nn.Conv2d(n_in, n_out, 3, padding=1, bias=False),
                nn.BatchNorm2d(n_out),
                nn.ReLU(),
            ]
            if index == 1:
                blocks.append(nn.MaxPool2d(3, stride=config.first_pool))
            if index == 4:
                blocks.append(nn.MaxPool2d(3, stride=2))
        # channels_last: the same numbers, in two thirds of the time on a CPU
        self.convs = nn.Sequential(*blocks).to(
            memory_format=torch.channels_last  # type: ignore[call-overload]
        )
        rows, columns = (
            ((size - 3) // stride - 2) // 2 + 1 for size, stride in zip((28, 12), config.first_pool)
        )
        widths = (config.channels[-1] * rows * columns, *config.fc)
        self.fcs = nn.Sequential(
            *(layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU()))
        )
        self.drop = nn.Dropout(config.dropout)
        between = config.dropout if config.layers > 1 else 0.0
        self.lstm = nn.LSTM(
            config.fc[-1], config.hidden, config.layers, batch_first=True, dropout=between
        )
        self.out = nn.Linear(config.hidden, N_EXP + N_POSE)
        if config.direct:
            self.direct = nn.Linear(28 * 12, N_EXP + N_POSE, bias=False)
            nn.init.zeros_(self.direct.weight)

    def encode(self, windows: Float[Tensor, "B T 28 12"]) -> Float[Tensor, "B T width"]:
        """E: normalised windows, encoded frame by frame."""
        batch, length = windows.shape[:2]
        hidden = self.convs(windows.reshape(batch * length, 1, 28, 12))
        return self.fcs(hidden.flatten(1)).reshape(batch, length, -1)

    def forward(
        self, windows: Float[Tensor, "B T _ _"], state: State | None = None
    ) -> tuple[Float[Tensor, "B T 64"], Float[Tensor, "B T 6"], State]:
        """One pass over a sequence.

        Args:
            windows: (B, T, 28, 12) normalised MFCC windows, T frames of the 25 Hz grid.
            state: of the frame before; None starts at zero.
        Returns:
            expression and pose, both normalised; the state after the last frame.
        Raises:
            ShapeError: windows of another size.
        """
        check_shape("windows", windows, ("B", "T", 28, 12))
        hidden, state = self.lstm(self.drop(self.encode(windows)), state)
        out = self.out(self.drop(hidden))
        if self.config.direct:
            out = out + self.direct(dropout(windows.flatten(2), _DIRECT_DROPOUT, self.training))
        return out[..., :N_EXP], out[..., N_EXP:], state


def copy_net(net: MotionNet) -> MotionNet:
    """A copy of a network, on the same device; cuDNN wants an LSTM's weights in one piece."""
    twin = copy.deepcopy(net)
    twin.lstm.flatten_parameters()
    return twin


def n_parameters(net: nn.Module) -> int:
    """Number of trained parameters."""
    return sum(p.numel() for p in net.parameters())


@dataclass(frozen=True)
class MotionWeights:
    """A trained mapping: everything that `predict_motion` needs.

    Args:
        net: in eval mode.
        norm: between the network's units and coefficients.
        card: JSON values about the training: data, seed, minutes, scores.
        linear: a person's linear path, which adds to the expression; None for the network alone.
        share: what the network's expression is multiplied by; 1 for the network alone.
    """

    net: MotionNet
    norm: Normalisation
    card: dict[str, Any] = field(default_factory=dict)
    linear: LinearPath | None = None
    share: float = 1.0

    def network_alone(self) -> "MotionWeights":
        """The mapping of Eq. 1 alone, without a linear path."""
        return replace(self, linear=None, share=1.0)

    def save(self, path: str | Path, half: bool = False) -> Path:
        """Write the weights, and next to them a `.json` with architecture, statistics and card.

        Args:
            path: file name with the suffix .safetensors.
            half: store 16-bit floats.
        Returns:
            `path`.
        """
        about = {
            "format": FORMAT,
            "config": asdict(self.net.config),
            "card": self.card,
            "share": self.share,
            "linear": self.linear is not None,
            "normalisation": {k: np.asarray(v).tolist() for k, v in vars(self.norm).items()},
        }
        parts = _parts(self.net, self.linear)
        return save_weights(path, parts, about, half)

    @classmethod
    def load(cls, path: str | Path) -> "MotionWeights":
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing, or is not of this kind.
        """
        remedy = "make it again (`tfhkit learn`, notebook 03 or `tfhkit pretrain mapping`)"
        about = read_about(path, FORMAT, remedy)
        try:
            sizes: dict[str, Any] = {
                k: tuple(v) if isinstance(v, list) else v for k, v in about["config"].items()
            }
            config = MotionConfig(**sizes)
            stored = dict(about["normalisation"])
            lag_s = float(stored.pop("lag_s", 0.0))
            arrays = {k: np.array(v, np.float32) for k, v in stored.items()}
            norm = Normalisation(**arrays, lag_s=lag_s)
            share = float(about.get("share", 1.0))
        except (KeyError, TypeError, ValueError) as error:
            about_file = Path(path).with_suffix(".json")
            fault = f"does not describe motion weights ({error})"
            raise InputError(about_file, fault, remedy) from error
        net, linear = MotionNet(config), LinearPath() if about.get("linear") else None
        load_weights(_parts(net, linear), read_tensors(path), path)
        return cls(net.eval(), norm, about.get("card", {}), linear, share)


def _parts(net: MotionNet, linear: LinearPath | None) -> nn.Module:
    """What is in a file: the network, or the network and the linear path by name."""
    return net if linear is None else nn.ModuleDict({"net": net, "linear": linear})
