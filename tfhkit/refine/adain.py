"""Adaptive instance normalisation: how the identity steers the generator (Sec. 3.4)."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def adain(
    x: Float[Tensor, "B C H W"],
    scale: Float[Tensor, "B C"],
    shift: Float[Tensor, "B C"],
    eps: float = 1e-5,
) -> Float[Tensor, "B C H W"]:
    """Adaptive instance normalisation.

    Args:
        x: features.
        scale: is added to 1, so zeros mean plain normalisation.
        shift: mean of every channel of the result; its standard deviation is `1 + scale`.
        eps: is added to the variance.
    Source: Huang & Belongie 2017; paper Sec. 3.4. Differs from the published code, which
        uses the scale as it comes, without the 1.
    """
    mean = x.mean((2, 3), keepdim=True)
    centred = x - mean
    inverse = (centred.square().mean((2, 3), keepdim=True) + eps).rsqrt()
    return centred * (inverse * (1 + scale)[..., None, None]) + shift[..., None, None]


class AdaIN(nn.Module):
    """One AdaIN layer of the generator; plain instance normalisation until it is given a code.

    Args:
        channels: number of channels; 0 returns the features unchanged (one pixel has no
            deviation).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.project: nn.Linear | None = None  # layer from the code of `SharedCode`
        self.span: slice | None = None  # part of the code of `MLPCode`

    def forward(
        self, x: Float[Tensor, "B C H W"], code: Float[Tensor, "B P"] | None
    ) -> Float[Tensor, "B C H W"]:
        """Normalise `x`; scale and shift come from the code (`SharedCode` or `MLPCode`)."""
        if not self.channels:
            return x
        if code is not None and self.project is not None:
            code = self.project(code)
        elif code is not None and self.span is not None:
            code = code[:, self.span]
        else:
            code = x.new_zeros(x.shape[0], 2 * self.channels)
        return adain(x, *code.chunk(2, -1))


class SharedCode(nn.Linear):
    """One layer shared by all AdaIN layers, then a small linear layer in each, zero at first.

    Args:
        identity_dim: length of the unit identity features.
        layers: the net's AdaIN layers.
        width: length of the code.
    """

    def __init__(self, identity_dim: int, layers: Sequence[AdaIN], width: int) -> None:
        super().__init__(identity_dim, width)
        for layer in layers:
            if layer.channels:
                layer.project = _zeroed(nn.Linear(width, 2 * layer.channels))

    def forward(self, identity: Float[Tensor, "B D"]) -> Float[Tensor, "B P"]:
        """The code of unit identity features."""
        return F.leaky_relu(super().forward(_scaled(identity)), 0.2)


class MLPCode(nn.Sequential):
    """The published form: one MLP D -> P -> P -> P makes all P scales and shifts.

    Its last layer is zero at first, so that it too starts as plain normalisation.

    Args:
        identity_dim, layers: see `SharedCode`.
    """

    def __init__(self, identity_dim: int, layers: Sequence[AdaIN]) -> None:
        n = 0
        for layer in layers:
            layer.span = slice(n, n + 2 * layer.channels)
            n += 2 * layer.channels
        first, second, last = nn.Linear(identity_dim, n), nn.Linear(n, n), nn.Linear(n, n)
        super().__init__(first, nn.ReLU(), second, nn.ReLU(), _zeroed(last))

    def forward(self, identity: Float[Tensor, "B D"]) -> Float[Tensor, "B P"]:
        """The code of unit identity features."""
        return super().forward(_scaled(identity))


def _scaled(identity: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
    """Unit vectors have entries of size 1/sqrt(D); scale them to size 1."""
    return identity * identity.shape[-1] ** 0.5


def _zeroed(layer: nn.Linear) -> nn.Linear:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
