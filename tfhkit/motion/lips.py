"""What the lips do: opening, motion, and how much of it a prediction explains."""

import numpy as np
import torch

from tfhkit.errors import check_shape

UPPER, LOWER = 62, 66  # middle of the inner lips, iBUG order
MOUTH = slice(48, 68)


def mouth_points(model, id, exp):
    """The 20 mouth landmarks in model space, without the head's pose.

    Args:
        model: MorphableModel. id: (80,) or (T, 80). exp: (T, 64).
    Returns:
        (T, 20, 3) dm, float32 array.
    """
    exp = torch.as_tensor(np.asarray(exp, np.float32))
    check_shape("exp", exp, ("T", 64))
    id = torch.as_tensor(np.asarray(id, np.float32)).expand(len(exp), 80)
    verts = model.landmark_ids[MOUTH].cpu()
    points = (
        model.mean_shape.cpu()[verts]
        + torch.einsum("tk,kvc->tvc", id, model.id_basis.cpu()[:, verts])
        + torch.einsum("tk,kvc->tvc", exp, model.exp_basis.cpu()[:, verts])
    )
    return points.numpy()


def lip_opening(model, id, exp):
    """Distance of the middle of the inner lips, (T,) mm (landmarks 62 and 66)."""
    points = mouth_points(model, id, exp)
    first = MOUTH.start
    return 100 * np.linalg.norm(points[:, UPPER - first] - points[:, LOWER - first], axis=-1)


def explained(pred, true):
    """Share of the variance of `true` (T, ...) that `pred` explains; 1 is all, 0 as the mean."""
    pred, true = np.asarray(pred), np.asarray(true)
    check_shape("pred", pred, true.shape)
    return float(1 - ((pred - true) ** 2).sum() / ((true - true.mean(0)) ** 2).sum())


def correlation(a, b):
    """Pearson's r of two series (T,); 0 where one of them is constant."""
    a, b = np.asarray(a) - np.mean(a), np.asarray(b) - np.mean(b)
    scale = np.sqrt((a**2).sum() * (b**2).sum())
    return float((a * b).sum() / scale) if scale > 0 else 0.0
