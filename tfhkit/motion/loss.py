"""Eq. 2: the four terms that the motion network minimises."""

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tfhkit.errors import ParameterError, check_shape
from tfhkit.face.model import MorphableModel

LAMBDAS = (0.2, 0.01, 1e-4)  # pose, smoothness of the pose, smoothness of the expression


def motion_loss(
    pred_exp: Float[Tensor, "B T 64"], pred_pose: Float[Tensor, "B T 6"],
    exp: Float[Tensor, "_ _ 64"], pose: Float[Tensor, "_ _ 6"],
    valid: Bool[Tensor, "B T"] | None = None,
    lambdas: tuple[float, float, float] = LAMBDAS, smoothness: str = "sum",
    exp_map: Float[Tensor, "64 K"] | None = None,
) -> dict[str, Float[Tensor, ""]]:  # fmt: skip
    """The loss of Eq. 2, on normalised expressions and poses.

    The two data terms are expectations over sequences, frames and coefficients: means. The two
    smoothness terms are written as an expectation over sequences of a *sum* over frames of a
    squared norm, itself a sum over coefficients. Read to the letter ("sum", and so published), a
    sequence of 16 frames weighs the pose's smoothness 0.01 * 15 * 6 = 0.9 against 0.2 for its
    data term, and longer sequences are smoothed more. Read like the data terms ("mean"), it
    weighs 0.01 against 0.2, whatever the length.

    Args:
        pred_exp, pred_pose: as predicted.
        exp, pose: the truth, of the same shapes.
        valid: frames without truth do not count in the data terms; None counts all frames.
        lambdas: weights of pose, pose smoothness, expression smoothness.
        smoothness: "sum" or "mean".
        exp_map: matrix that errors of the expression are multiplied by before they are squared;
            None leaves them. See `landmark_map`.
    Returns:
        exp, pose, smooth_pose, smooth_exp (unweighted) and total.
    Raises:
        ParameterError: another smoothness.
        ShapeError: prediction and truth differ in shape.
    Source: paper Eq. 2.
    """
    check_shape("exp", exp, tuple(pred_exp.shape))
    check_shape("pose", pose, tuple(pred_pose.shape))
    if smoothness not in ("sum", "mean"):
        raise ParameterError("smoothness", f"must be 'sum' or 'mean', got {smoothness!r}", "choose")
    if valid is None:
        valid = torch.ones(exp.shape[:2], dtype=torch.bool, device=exp.device)
    share = valid.to(exp)[..., None]
    n_valid = share.sum().clamp_min(1)
    error = pred_exp - exp if exp_map is None else (pred_exp - exp) @ exp_map
    terms = {
        "exp": (share * error**2).sum() / (n_valid * exp.shape[-1]),
        "pose": (share * (pred_pose - pose) ** 2).sum() / (n_valid * pose.shape[-1]),
    }
    for name, values in (("smooth_pose", pred_pose), ("smooth_exp", pred_exp)):
        squares = values.diff(dim=1) ** 2
        terms[name] = squares.sum((1, 2)).mean() if smoothness == "sum" else squares.mean()
    weights = dict(zip(("pose", "smooth_pose", "smooth_exp"), lambdas))
    terms["total"] = terms["exp"] + sum(weights[name] * terms[name] for name in weights)
    return terms


def landmark_map(
    model: MorphableModel, exp_std: Float[np.ndarray, "64"], share: float = 0.5
) -> Float[Tensor, "64 64"]:
    """A matrix that lets part of the expression's error count as motion of the landmarks.

    Normalised coefficients all count alike in Eq. 2, whether they open the mouth or lift one
    brow by a hair. With this map, |error @ map|^2 is (1 - share) times the plain squared error
    plus share times the squared motion of the 51 inner landmarks, scaled to the same size.

    Args:
        model: the one that the expression belongs to.
        exp_std: units of the normalised expression.
        share: 0 gives Eq. 2 as written.
    Returns:
        float32.
    """
    basis = model.exp_basis[:, model.landmark_ids[17:]].flatten(1).double().cpu()
    basis = torch.as_tensor(exp_std).double()[:, None] * basis
    metric = basis @ basis.T
    metric = metric * (len(metric) / metric.trace())
    eye = torch.eye(len(metric), dtype=torch.float64)
    values, vectors = torch.linalg.eigh((1 - share) * eye + share * metric)
    return (vectors * values.clamp_min(0).sqrt()).float()
