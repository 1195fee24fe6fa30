"""The attention-based generator of Sec. 3.4: a U-Net with AdaIN and two heads (Eq. 3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from tfhkit.errors import ParameterError, check_shape
from tfhkit.refine.adain import AdaIN, MLPCode, SharedCode


@dataclass(frozen=True)
class GeneratorConfig:
    """Architecture of the generator; saved with its weights.

    Args:
        size_px: side of the square crops.
        channels: channels of the U-Net's levels; level 0 works at half the crop's size and
            every further level halves again.
        blocks: residual blocks per level and side; 0 is the paper's plain U-Net.
        window: rendered frames in the input, the current one last; 3 in the paper.
        identity_dim: length of the identity feature; 0 leaves AdaIN without an input
            (plain instance normalisation), the paper's ablation without identity.
        adain: "shared", the identity goes through one layer of width `embed_dim`, then through
            one small linear layer per AdaIN; "mlp", one MLP makes all AdaIN parameters, as in
            the published code, where it has 204.5 of 259 million parameters.
        embed_dim: see `adain`.
        attention: False leaves Eq. 3 out: the output is the colour alone.
        colour: "absolute", the colour head paints from nothing (tanh), as in the paper;
            "residual", it paints a change of the current rendering.
        copy_bias: initial value of the attention's logit. If it is positive, the untrained net
            copies the rendering, so training starts from the coarse picture and not from noise.
        dropout: rate in the three innermost levels of the decoder during training.
        full_size_head: True is the paper's last block (transposed convolution to full size,
            then two 7 x 7 convolutions); False keeps both heads at half size and unfolds
            2 x 2 pixels from channels, many times cheaper.
    """

    size_px: int = 128
    channels: tuple[int, ...] = (32, 64, 128, 256)
    blocks: int = 1
    window: int = 3
    identity_dim: int = 128
    adain: str = "shared"
    embed_dim: int = 64
    attention: bool = True
    colour: str = "absolute"
    copy_bias: float = 2.0
    dropout: float = 0.0
    full_size_head: bool = False

    def __post_init__(self) -> None:
        for name, known in (("adain", ("shared", "mlp")), ("colour", ("absolute", "residual"))):
            if getattr(self, name) not in known:
                fault = f"unknown form {getattr(self, name)!r}"
                raise ParameterError(name, fault, f"use one of {known}")
        for name in ("size_px", "window", "embed_dim"):
            if getattr(self, name) < 1:
                raise ParameterError(name, f"{getattr(self, name)}", "give 1 or more")
        if self.blocks < 0:
            raise ParameterError("blocks", f"{self.blocks}", "give 0 or more")
        if not self.channels or min(self.channels) < 1:
            raise ParameterError(
                "channels", f"{self.channels}", "give a level or more of 1 or more"
            )


SIZES: dict[str, dict[str, Any]] = {
    "small": {"size_px": 128},
    "medium": {"size_px": 256, "channels": (48, 96, 192, 320, 320)},
    "paper": {
        "size_px": 256,
        "channels": (64, 128, 256, 512, 512, 512, 512, 512),
        "blocks": 0,
        "dropout": 0.5,
        "full_size_head": True,
    },
}


def generator_config(size: str = "small", **changes: Any) -> GeneratorConfig:
    """The configuration of a named size.

    Args:
        size: one of SIZES.
        changes: fields of `GeneratorConfig` that differ from it.
    Raises:
        ParameterError: an unknown size, or a crop that the levels cannot halve.
    """
    if size not in SIZES:
        raise ParameterError("size", f"unknown generator {size!r}", f"use one of {list(SIZES)}")
    config = GeneratorConfig(**{**SIZES[size], **changes})
    if config.size_px % 2 ** len(config.channels):
        raise ParameterError(
            "size_px",
            f"{config.size_px} px cannot be halved {len(config.channels)} times",
            f"use a multiple of {2 ** len(config.channels)}",
        )
    return config


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with one AdaIN; nearly the identity before training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.norm = AdaIN(channels)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        _init_small(self.second)

    def forward(
        self, x: Float[Tensor, "B C H W"], code: Float[Tensor, "B P"] | None
    ) -> Float[Tensor, "B C H W"]:
        """Features of the same size; the code is for AdaIN."""
        h = self.norm(self.first(F.leaky_relu(x, 0.2)), code)
        return x + self.second(F.leaky_relu(h, 0.2))


class ResidualBlocks(nn.ModuleList):
    """The residual blocks of a level, one after the other."""

    def forward(
        self, x: Float[Tensor, "B C H W"], code: Float[Tensor, "B P"] | None
    ) -> Float[Tensor, "B C H W"]:
        """Features of the same size; the code is for AdaIN."""
        for block in self:
            x = block(x, code)
        return x


class Generator(nn.Module):
    """Window of renderings and identity -> refined frame, attention, colour."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        c, n_in = config.channels, 3 * config.window
        self.stem = (
            nn.Conv2d(n_in, c[0], 4, 2, 1)
            if config.full_size_head
            else nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(4 * n_in, c[0], 3, padding=1))
        )
        pairs = list(zip(c[:-1], c[1:]))
        self.down = nn.ModuleList(nn.Conv2d(a, b, 4, 2, 1) for a, b in pairs)
        sides = [config.size_px >> level for level in range(2, len(c) + 1)]
        self.down_norm = nn.ModuleList(
            AdaIN(b if side > 1 else 0) for (_, b), side in zip(pairs, sides)
        )
        self.down_blocks = self._blocks(c)
        skip = [1] + [2] * (len(pairs) - 1)  # inner levels get their skip by concatenation
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(k * b, a, 4, 2, 1) for (a, b), k in zip(pairs[::-1], skip)
        )
        self.up_norm = nn.ModuleList(AdaIN(a) for a, _ in pairs[::-1])
        self.up_blocks = self._blocks(c[-2::-1])
        self._build_heads(2 * c[0])
        self._build_code()

    def _blocks(self, channels: Sequence[int]) -> nn.ModuleList:
        n = self.config.blocks
        return nn.ModuleList(ResidualBlocks(ResidualBlock(c) for _ in range(n)) for c in channels)

    def _build_code(self) -> None:
        config, layers = self.config, [m for m in self.modules() if isinstance(m, AdaIN)]
        self.embed: MLPCode | SharedCode | None = None
        if config.identity_dim and config.adain == "mlp":
            self.embed = MLPCode(config.identity_dim, layers)
        elif config.identity_dim:
            self.embed = SharedCode(config.identity_dim, layers, config.embed_dim)

    def _build_heads(self, n_in: int) -> None:
        config = self.config
        if config.full_size_head:
            self.last = nn.ConvTranspose2d(n_in, n_in // 2, 4, 2, 1)
            self.last_norm = AdaIN(n_in // 2)
            ends = [nn.Conv2d(n_in // 2, out, 7, padding=3) for out in (3, 1)]
            colour, attention = (nn.Sequential(nn.ReLU(), end) for end in ends)
        else:
            ends = [nn.Conv2d(n_in // 2, 4 * out, 3, padding=1) for out in (3, 1)]
            colour, attention = (
                nn.Sequential(
                    nn.LeakyReLU(0.2),
                    nn.Conv2d(n_in, n_in // 2, 3, padding=1),
                    nn.LeakyReLU(0.2),
                    end,
                    nn.PixelShuffle(2),
                )
                for end in ends
            )
        _init_small(ends[0], std=1e-3 if config.colour == "residual" else 1e-2)
        _init_small(ends[1], bias=config.copy_bias)
        self.colour = colour
        self.attention: nn.Module | None = attention if config.attention else None

    def forward(
        self, window: Float[Tensor, "_ C H W"], identity: Float[Tensor, "_ D"] | None = None
    ) -> tuple[Float[Tensor, "B 3 S S"], Float[Tensor, "B 1 S S"], Float[Tensor, "B 3 S S"]]:
        """Eq. 3: o = A * r + (1 - A) * C.

        Args:
            window: (B, 3 W, S, S) in [-1, 1], oldest frame first, the current one last.
            identity: (B, D) unit vectors; not used when `identity_dim` is 0.
        Returns:
            refined frame in [-1, 1], attention in [0, 1], colour.
        Raises:
            ShapeError: the window or the identity has another size than the weights expect.
        """
        size = self.config.size_px
        check_shape("window", window, ("B", 3 * self.config.window, size, size))
        code = None
        if self.embed is not None:
            check_shape("identity", identity, (window.shape[0], self.config.identity_dim))
            code = self.embed(identity)
        features = self._unet(window, code)
        current = window[:, -3:]
        colour = self.colour(features).float()
        change = torch.tanh(colour)
        colour = current + 2 * change if self.config.colour == "residual" else change
        if self.attention is None:
            return colour, current.new_zeros(current[:, :1].shape), colour
        attention = torch.sigmoid(self.attention(features).float())
        return attention * current + (1 - attention) * colour, attention, colour

    def _unet(
        self, window: Float[Tensor, "B C S S"], code: Float[Tensor, "B P"] | None
    ) -> Float[Tensor, "B K H W"]:
        x = self.stem(window)
        skips = []
        for i, blocks in enumerate(self.down_blocks):
            if i:
                x = self.down_norm[i - 1](self.down[i - 1](F.leaky_relu(x, 0.2)), code)
            x = blocks(x, code)
            skips.append(x)
        x = skips.pop()
        for i, (up, norm, blocks) in enumerate(zip(self.up, self.up_norm, self.up_blocks)):
            x = blocks(norm(up(F.relu(x)), code), code)
            if self.config.dropout and i < 3:
                x = F.dropout(x, self.config.dropout, self.training)
            x = torch.cat([x, skips.pop()], 1)
        return self.last_norm(self.last(F.relu(x)), code) if self.config.full_size_head else x


def _init_small(layer: nn.Conv2d, std: float = 1e-3, bias: float = 0.0) -> None:
    """Let a layer answer nearly `bias` before training."""
    nn.init.normal_(layer.weight, std=std)
    assert layer.bias is not None
    nn.init.constant_(layer.bias, bias)
