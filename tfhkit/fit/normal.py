"""Normal equations of a bundle: many frames' own unknowns, and unknowns that all frames share.

Frames meet only in what they share, so they are eliminated one by one (Schur complement) and the
cost stays linear in the number of frames.
"""

from dataclasses import dataclass, fields

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class NormalEquations:
    """Gauss-Newton's sums over the residuals of t frames; float64.

    Args:
        frame: (t, n, n) of each frame's own unknowns, cross: (t, n, m) with the shared ones,
            shared: (m, m). frame_right: (t, n), shared_right: (m,), minus the gradients.
    """

    frame: Float[Tensor, "t n n"]
    cross: Float[Tensor, "t n m"]
    shared: Float[Tensor, "m m"]
    frame_right: Float[Tensor, "t n"]
    shared_right: Float[Tensor, "m"]

    def __add__(self, other: "NormalEquations") -> "NormalEquations":
        pairs = ((getattr(self, f.name), getattr(other, f.name)) for f in fields(self))
        return NormalEquations(*(a + b for a, b in pairs))


def normal_equations(
    residual: Float[Tensor, "t N"],
    jacobian: Float[Tensor, "t N n_unknown"],
    weight: Float[Tensor, "t N"],
    n_frame: int,
) -> NormalEquations:
    """J^T W J and -J^T W r.

    Args:
        residual, weight: (t, N). jacobian: (t, N, n + m), by the frame's own n unknowns first.
        n_frame: n.
    Returns:
        NormalEquations.
    """
    root = weight.sqrt()[..., None]
    scaled = jacobian * root
    gram = (scaled.mT @ scaled).double()
    right = -(scaled.mT @ (root * residual[..., None]))[..., 0].double()
    n = n_frame
    return NormalEquations(
        gram[:, :n, :n],
        gram[:, :n, n:],
        gram[:, n:, n:].sum(0),
        right[:, :n],
        right[:, n:].sum(0),
    )


@dataclass(frozen=True)
class Reduced:
    """What is left of a chunk's equations after its frames are eliminated.

    Args:
        shared: (m, m), right: (m,): the chunk's part of the reduced system.
        gain: (t, n, m), offset: (t, n): the frames' step is offset - gain @ shared step.
    """

    shared: Float[Tensor, "m m"]
    right: Float[Tensor, "m"]
    gain: Float[Tensor, "t n m"]
    offset: Float[Tensor, "t n"]


def eliminate(sums: NormalEquations) -> Reduced:
    """Eliminate the frames of NormalEquations (whose blocks `frame` are positive definite)."""
    factor = torch.linalg.cholesky(sums.frame)
    both = torch.cholesky_solve(torch.cat([sums.cross, sums.frame_right[..., None]], -1), factor)
    gain, offset = both[..., :-1], both[..., -1]
    back = sums.cross.mT
    return Reduced(
        sums.shared - (back @ gain).sum(0),
        sums.shared_right - (back @ offset[..., None])[..., 0].sum(0),
        gain,
        offset,
    )
