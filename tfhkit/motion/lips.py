"""What the lips do: opening, motion, and how much of it a prediction explains."""

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.errors import check_shape
from tfhkit.face.model import MorphableModel

UPPER, LOWER = 62, 66  # middle of the inner lips, iBUG order
MOUTH = slice(48, 68)


def mouth_points(
    model: MorphableModel, id: Float[np.ndarray, "*frames 80"], exp: Float[np.ndarray, "T 64"]
) -> Float[np.ndarray, "T 20 3"]:
    """The 20 mouth landmarks in dm, in model space, without the head's pose.

    Args:
        model: the one that the coefficients belong to.
        id: identity, (80,) or one for each frame.
        exp: expression.
    Returns:
        float32.
    """
    motion = torch.as_tensor(np.asarray(exp, np.float32))
    check_shape("exp", motion, ("T", 64))
    person = torch.as_tensor(np.asarray(id, np.float32)).expand(len(motion), 80)
    verts = model.landmark_ids[MOUTH]
    points = (
        model.mean_shape[verts].cpu()
        + torch.einsum("tk,kvc->tvc", person, model.id_basis[:, verts].cpu())
        + torch.einsum("tk,kvc->tvc", motion, model.exp_basis[:, verts].cpu())
    )
    return points.numpy()


def lip_opening(
    model: MorphableModel, id: Float[np.ndarray, "*frames 80"], exp: Float[np.ndarray, "T 64"]
) -> Float[np.ndarray, "T"]:
    """Distance in mm between the middles of the inner lips (landmarks 62 and 66)."""
    points = mouth_points(model, id, exp)
    first = MOUTH.start
    return 100 * np.linalg.norm(points[:, UPPER - first] - points[:, LOWER - first], axis=-1)


def explained_variance(
    pred: Float[np.ndarray, "T *axes"], true: Float[np.ndarray, "T *axes"]
) -> float:
    """Share of the variance over time that is predicted: 1 is all, 0 no more than by the mean."""
    check_shape("pred", pred, true.shape)
    return float(1 - ((pred - true) ** 2).sum() / ((true - true.mean(0)) ** 2).sum())


def correlation(a: Float[np.ndarray, "T"], b: Float[np.ndarray, "T"]) -> float:
    """Pearson's r of two series; 0 where one of them is constant."""
    a, b = a - np.mean(a), b - np.mean(b)
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0
