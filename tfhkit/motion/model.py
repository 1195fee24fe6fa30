"""The network from sound to expression and pose (Eq. 1), and its weights on disk."""

import json
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import nn
from torch.nn.functional import dropout

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.media import atomic_path, sha256_of
from tfhkit.motion.data import Normalisation

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
        hidden: width of the LSTM. layers: its depth.
        dropout: on the encoded sound and between LSTM layers while training.
        direct: add a linear map from the window itself to the answer. It cannot remember and
            hardly overfits: a dozen seconds of a person teach it what they cannot teach an LSTM.
            Not in the paper.
        mfcc_scope: "track" standardises the MFCCs with the mean and deviation of the sound at
            hand (a microphone or a voice that the training has not heard shifts them as a whole);
            "weights" with the training set's, stored with the weights; as published would be
            "weights" with mean 0 and deviation 1.
    """

    size: str = "small"
    channels: tuple = (8, 16, 32, 32, 48)
    first_pool: tuple = (2, 2)
    fc: tuple = (224, 160)
    hidden: int = 224
    layers: int = 2
    dropout: float = 0.35
    direct: bool = True
    mfcc_scope: str = "track"

    @classmethod
    def of_size(cls, size):
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

    def __init__(self, config=None):
        super().__init__()
        self.config = config = config or MotionConfig()
        widths = (1, *config.channels)
        blocks = []
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
        self.convs = nn.Sequential(*blocks).to(memory_format=torch.channels_last)
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

    def encode(self, windows):
        """E: normalised windows (B, T, 28, 12) to (B, T, fc[-1])."""
        batch, length = windows.shape[:2]
        hidden = self.convs(windows.reshape(batch * length, 1, 28, 12))
        return self.fcs(hidden.flatten(1)).reshape(batch, length, -1)

    def forward(self, windows, state=None):
        """One pass over a sequence.

        Args:
            windows: (B, T, 28, 12) normalised MFCC windows, T frames of the 25 Hz grid.
            state: (h, c) of the frame before, each (layers, B, hidden); None starts at zero.
        Returns:
            exp (B, T, 64), pose (B, T, 6), both normalised; the state after the last frame.
        """
        check_shape("windows", windows, ("B", "T", 28, 12))
        hidden, state = self.lstm(self.drop(self.encode(windows)), state)
        out = self.out(self.drop(hidden))
        if self.config.direct:
            out = out + self.direct(dropout(windows.flatten(2), _DIRECT_DROPOUT, self.training))
        return out[..., :N_EXP], out[..., N_EXP:], state


def n_parameters(net):
    """Number of trained numbers."""
    return sum(p.numel() for p in net.parameters())


@dataclass(frozen=True)
class MotionWeights:
    """A trained mapping: everything that `predict_motion` needs.

    Args:
        net: MotionNet in eval mode.
        norm: Normalisation.
        card: dict of JSON values: data, seed, minutes, scores.
    """

    net: MotionNet
    norm: Normalisation
    card: dict = field(default_factory=dict)

    def save(self, path, half=False):
        """Write `path` (.safetensors) and beside it `.json` with architecture, statistics, card.

        Args:
            path: file name with the suffix .safetensors.
            half: store 16-bit floats.
        """
        path = Path(path)
        state = {k: v.detach().cpu().contiguous() for k, v in self.net.state_dict().items()}
        if half:
            state = {k: v.half() if v.is_floating_point() else v for k, v in state.items()}
        with atomic_path(path) as temporary:
            Path(temporary).write_bytes(save(state))
        about = {
            "format": "tfhkit motion 1",
            "sha256": sha256_of(path),
            "config": asdict(self.net.config),
            "card": self.card,
            "normalisation": {k: np.asarray(v).tolist() for k, v in vars(self.norm).items()},
        }
        with atomic_path(path.with_suffix(".json")) as temporary:
            Path(temporary).write_text(json.dumps(about, indent=1) + "\n")
        return path

    @classmethod
    def load(cls, path):
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing, or is not of this kind.
        """
        path = Path(path)
        for part in (path, path.with_suffix(".json")):
            if not part.is_file():
                raise InputError(part, "no such file", "train the mapping first (notebook 03)")
        try:
            about = json.loads(path.with_suffix(".json").read_text())
            if about["sha256"] != sha256_of(path):
                raise ValueError("its SHA-256 is not the one in the .json next to it")
            config = MotionConfig(
                **{k: tuple(v) if isinstance(v, list) else v for k, v in about["config"].items()}
            )
            norm = Normalisation(
                **{k: np.array(v, np.float32) for k, v in about["normalisation"].items()}
            )
            net = MotionNet(config)
            net.load_state_dict({k: _widen(v) for k, v in load_file(str(path)).items()})
        except (KeyError, TypeError, ValueError, RuntimeError, OSError) as error:
            text = str(error).splitlines()[0]
            raise InputError(
                path, f"contains no motion weights ({text})", "train them again"
            ) from error
        return cls(net.eval(), norm, about.get("card", {}))


def _widen(tensor):
    return tensor.float() if tensor.is_floating_point() else tensor
