"""Adaptive instance normalisation: how the identity steers the generator (Sec. 3.4)."""

from torch import nn
from torch.nn import functional as F


def adain(x, scale, shift, eps=1e-5):
    """Adaptive instance normalisation.

    Args:
        x: (B, C, H, W).
        scale, shift: (B, C); the scale is added to 1, so zeros mean plain normalisation.
    Returns:
        (B, C, H, W): every channel with mean `shift` and deviation `1 + scale`.
    Source: Huang & Belongie 2017; paper Sec. 3.4. Differs from the published code, which
        uses the scale as it comes, without the 1.
    """
    mean = x.mean((2, 3), keepdim=True)
    centred = x - mean
    inverse = (centred.square().mean((2, 3), keepdim=True) + eps).rsqrt()
    return centred * (inverse * (1 + scale)[..., None, None]) + shift[..., None, None]


class AdaIN(nn.Module):
    """One place of AdaIN; plain instance normalisation until a code is made for it.

    Args:
        channels: of the features; 0 leaves them as they are (one pixel has no deviation).
    """

    def __init__(self, channels):
        super().__init__()
        self.channels = channels
        self.project = None  # layer from the code of `SharedCode`
        self.span = None  # part of the code of `MLPCode`

    def forward(self, x, code):
        if not self.channels:
            return x
        if self.project is not None:
            code = self.project(code)
        elif self.span is not None:
            code = code[:, self.span]
        else:
            code = x.new_zeros(x.shape[0], 2 * self.channels)
        return adain(x, *code.chunk(2, -1))


class SharedCode(nn.Linear):
    """One layer for all places, then a small linear layer at each of them, zero at first.

    Args:
        identity_dim: length of the unit identity features.
        places: the net's AdaIN modules.
        width: length of the code.
    """

    def __init__(self, identity_dim, places, width):
        super().__init__(identity_dim, width)
        for place in places:
            if place.channels:
                place.project = _zeroed(nn.Linear(width, 2 * place.channels))

    def forward(self, identity):
        return F.leaky_relu(super().forward(_of_size_1(identity)), 0.2)


class MLPCode(nn.Sequential):
    """The published form: one MLP D -> P -> P -> P makes all P scales and shifts.

    Its last layer is zero at first, so that it too starts as plain normalisation.

    Args:
        identity_dim, places: see `SharedCode`.
    """

    def __init__(self, identity_dim, places):
        n = 0
        for place in places:
            place.span = slice(n, n + 2 * place.channels)
            n += 2 * place.channels
        first, second, last = nn.Linear(identity_dim, n), nn.Linear(n, n), nn.Linear(n, n)
        super().__init__(first, nn.ReLU(), second, nn.ReLU(), _zeroed(last))

    def forward(self, identity):
        return super().forward(_of_size_1(identity))


def _of_size_1(identity):
    """Unit vectors (B, D) have entries of size 1/sqrt(D); bring them to size 1."""
    return identity * identity.shape[-1] ** 0.5


def _zeroed(layer):
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
