"""The conditional PatchGAN discriminator of Sec. 3.4."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from tfhkit.errors import check_shape


class PatchDiscriminator(nn.Module):
    """Tells real from refined patches of a frame, given the window of renderings.

    With `unshuffle=1`, 64 base channels and 3 layers this is the 70 x 70 PatchGAN of the
    paper (2.77 million parameters). `unshuffle=2` folds 2 x 2 pixels into channels instead
    of the first stride, which costs a fraction at 128 px.

    Args:
        window: rendered frames in the window.
        channels: base channels.
        layers: strided layers (the first is the folding when `unshuffle` is 2).
        unshuffle: 1 or 2.
    Source: Isola et al. 2017; paper Sec. 3.4. Instance instead of batch normalisation: real and
        refined frames come in separate batches, whose statistics would give them away.
    """

    def __init__(
        self, window: int = 3, channels: int = 64, layers: int = 3, unshuffle: int = 1
    ) -> None:
        super().__init__()
        n_in = 3 * (window + 1)
        first: list[nn.Module] = (
            [nn.PixelUnshuffle(2), nn.Conv2d(4 * n_in, channels, 3, padding=1)]
            if unshuffle == 2
            else [nn.Conv2d(n_in, channels, 4, 2, 1)]
        )
        parts: list[nn.Module] = [*first, nn.LeakyReLU(0.2)]
        for i in range(1, layers + 1):
            before, after = (channels * min(2**k, 8) for k in (i - 1, i))
            stride = 2 if i < layers else 1
            parts += [nn.Conv2d(before, after, 4, stride, 1, bias=False)]
            parts += [nn.InstanceNorm2d(after, affine=True), nn.LeakyReLU(0.2)]
        parts.append(nn.Conv2d(after, 1, 4, 1, 1))
        self.window, self.net = window, nn.Sequential(*parts)

    def forward(
        self, window: Float[Tensor, "_ C H W"], frame: Float[Tensor, "_ _ _ _"]
    ) -> Float[Tensor, "B 1 h w"]:
        """Logits of "real", one per patch.

        Args:
            window: (B, 3 W, S, S) in [-1, 1].
            frame: (B, 3, S, S) in [-1, 1], real or refined.
        """
        check_shape("window", window, ("B", 3 * self.window, "S", "S"))
        check_shape("frame", frame, (window.shape[0], 3, *window.shape[2:]))
        return self.net(torch.cat([window, frame], 1)).float()
