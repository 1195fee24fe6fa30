"""From one morphable model to another: expressions by landmarks, skin and regions by places."""

import numpy as np
import torch
from jaxtyping import Float
from scipy.interpolate import RBFInterpolator
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree
from torch import Tensor

from tfhkit.face.model import MorphableModel

UNSEEN = ("eyeLook", "tongue")  # beginnings of the names of actions that no landmark shows
LANDMARK_SIGMA = 0.005  # dm: how exactly two models' landmarks are the same places


def transfer_expression(
    source: MorphableModel, target: MorphableModel
) -> Float[np.ndarray, "64 64"]:
    """What a target model has to do so that its landmarks move as those of a source model.

    The least-squares solution over the 68 landmarks, with the prior |b|^2 of the coefficients.
    What no landmark shows (gaze, tongue) is not carried over.

    Args:
        source, target: MorphableModels.
    Returns:
        (64, 64) float32 array; expressions are rows: exp_target = exp_source @ matrix.
    """
    moves = [
        model.exp_basis[:, model.landmark_ids].flatten(1).double().cpu()
        for model in (source, target)
    ]
    system = moves[1] @ moves[1].T
    system += LANDMARK_SIGMA**2 * torch.eye(len(system), dtype=torch.float64)
    return torch.linalg.solve(system, moves[1] @ moves[0].T).T.float().numpy()


def transfer_actions(source: MorphableModel, target: MorphableModel) -> Float[Tensor, "A 64"]:
    """Facial actions of a source model as expressions of a target model.

    Args:
        source: MorphableModel with actions. target: MorphableModel.
    Returns:
        (A, 64) float32 tensor; zeros for those of gaze and tongue, which landmarks do not show.
    """
    shown = torch.tensor([not name.startswith(UNSEEN) for name in source.action_names])
    carried = source.actions @ torch.from_numpy(transfer_expression(source, target))
    return carried * shown[:, None]


def align_landmarks(
    points: Float[np.ndarray, "N 3"],
    own: Float[np.ndarray, "68 3"],
    other: Float[np.ndarray, "68 3"],
) -> Float[np.ndarray, "N 3"]:
    """Move points so that one model's landmarks come to lie on another's.

    Scaled and shifted as a whole, then bent smoothly; far from the face the bend runs flat.

    Args:
        points: (N, 3). own, other: (68, 3) landmarks of the two models.
    Returns:
        (N, 3).
    """
    centres = own.mean(0), other.mean(0)
    scale = np.linalg.norm(other - centres[1]) / np.linalg.norm(own - centres[0])
    moved = (own - centres[0]) * scale + centres[1]
    bend = RBFInterpolator(moved, other - moved, kernel="linear", degree=0)
    points = (points - centres[0]) * scale + centres[1]
    return points + bend(points)


def nearest(
    points: Float[np.ndarray, "N 3"], others: Float[np.ndarray, "M 3"], n: int = 3
) -> csr_matrix:
    """Values at points out of values at the nearest others.

    Args:
        points: (N, 3). others: (M, 3). n: how many are mixed, the nearer the more.
    Returns:
        CSR (N, M), rows sum to 1.
    """
    distance, ids = cKDTree(others).query(points, k=n)
    weights = 1 / np.maximum(distance, 1e-6) ** 2
    weights /= weights.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), n)
    shape = len(points), len(others)
    return csr_matrix((weights.ravel(), (rows, ids.ravel())), shape=shape)
