"""The part of an expression that moves the brows and leaves the rest of the face."""

import numpy as np
from jaxtyping import Float

from tfhkit.face.model import MorphableModel

BROWS = slice(17, 27)
ELSEWHERE = np.r_[0:17, 27:68]
EVERYWHERE = 0.02  # weight of the whole face: keeps small what no landmark shows


def landmark_gram(
    model: MorphableModel, landmarks: slice | np.ndarray
) -> Float[np.ndarray, "64 64"]:
    """Mean square displacement of some landmarks: `exp @ gram @ exp`, dm^2."""
    ids = model.landmark_ids.cpu()[landmarks]
    moves = model.exp_basis.cpu()[:, ids].double().flatten(1).numpy()
    return moves @ moves.T / len(ids)


def vertex_gram(model: MorphableModel) -> Float[np.ndarray, "64 64"]:
    """The same of all vertices."""
    moves = model.exp_basis.cpu().flatten(1)
    return (moves @ moves.T).double().numpy() / model.n_verts


def brow_part(model: MorphableModel) -> Float[np.ndarray, "64 64"]:
    """The linear map from an expression to its brows: rows, `exp @ matrix`.

    The result moves the brows' landmarks as the expression does, and all other landmarks as little
    as possible (least squares).
    """
    brows, rest = landmark_gram(model, BROWS), landmark_gram(model, ELSEWHERE)
    system = brows + rest + EVERYWHERE * vertex_gram(model)
    ridge = 1e-9 * np.trace(system) * np.eye(len(system))
    return brows @ np.linalg.inv(system + ridge)
