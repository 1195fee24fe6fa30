"""Muon: an optimiser for the weights of layers, whose steps turn all directions alike."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

# p(s) = a s + b s^3 + c s^5, one after the other, take every singular value s in (0, 1] near 1
POLYNOMIALS = (
    (8.2872, -23.5959, 17.3004),
    (4.1071, -2.9478, 0.5448),
    (3.9487, -2.9089, 0.5518),
)
# the smaller side of a weight, as a matrix: below, it has too few directions; above, the products
# of the polynomials take most of a step's time, and Adam does as well for these few layers
SIDES = 12, 128


class Muon(Optimizer):
    """Momentum, with its singular values all made about 1.

    A gradient of a layer has a few large directions and many small ones, and a step along it, or
    along Adam's, mostly repeats the large ones. Steps that are as long in all directions learn in
    600 what takes Adam 1500 (`docs/findings.md`).

    Args:
        params: weights of layers; each is a matrix whose rows are the weight's first axis.
        lr: about the spectral norm of a step.
        momentum: Nesterov's.
    Source: Jordan et al. 2024, "Muon"; the polynomials are those of Amsel et al. 2025, "The Polar
        Express". Not in the paper, which trains with Adam.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, momentum: float = 0.9) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override] # without a closure
        """Move every weight that has a gradient."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum"] = torch.zeros_like(weight)
                mean = state["momentum"].mul_(group["momentum"]).add_(weight.grad)
                ahead = weight.grad + group["momentum"] * mean
                matrix = ahead.reshape(len(ahead), -1)
                stretch = max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5
                turned = orthogonalised(matrix).reshape(weight.shape)
                weight.add_(turned, alpha=-group["lr"] * stretch)


def orthogonalised(matrix: Float[Tensor, "R C"]) -> Float[Tensor, "R C"]:
    """About U V^T for a matrix U S V^T.

    An odd polynomial of S that is near 1 is a matrix polynomial of X X^T times X, so all but the
    first and the last product are of the smaller side's size.
    """
    tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if tall else matrix
    wide = wide / (1.01 * wide.norm() + 1e-7)
    square = factor = wide @ wide.T
    for k, (a, b, c) in enumerate(POLYNOMIALS):
        step = torch.addmm(square, square, square, beta=b, alpha=c)
        step.diagonal().add_(a)
        factor = step @ factor if k else step
        if k < len(POLYNOMIALS) - 1:
            square = step @ square @ step
    turned = factor @ wide
    return turned.T if tall else turned


def layer_weights(net: nn.Module) -> list[Tensor]:
    """Weights of a network's convolutions that Muon can move; Adam moves all other parameters."""
    weights = [m.weight for m in net.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    return [w for w in weights if SIDES[0] <= min(len(w), w[0].numel()) <= SIDES[1]]
