"""Motion weights for another morphable model, and what a landmark fit sees of an expression."""

import copy
from dataclasses import replace

import numpy as np
import torch

from tfhkit.camera import Camera, project, to_world
from tfhkit.errors import check_shape
from tfhkit.fit.bundle import BundleSettings, landmark_weights


def transfer_weights(weights, matrix):
    """The same mapping with its expression in another model's coefficients.

    The output layers are linear, so a linear change of coefficients goes into their weights; the
    predicted motion is `exp @ matrix` of what it was.

    Args:
        weights: MotionWeights.
        matrix: (64, 64); expressions are rows, see `tfhkit.face.carry.carry_expression`.
    Returns:
        MotionWeights with the units of the new coefficients.
    """
    check_shape("matrix", matrix, (64, 64))
    norm, matrix = weights.norm, np.asarray(matrix, np.float64)
    scaled = np.asarray(norm.exp_std, np.float64)[:, None] * matrix
    std = np.sqrt((scaled**2).sum(0))
    std = np.maximum(std, 1e-3 * std.max()) + 1e-6
    change = torch.as_tensor((scaled / std).T, dtype=torch.float32)
    net = copy.deepcopy(weights.net)
    with torch.no_grad():
        parts = [net.out.weight, net.out.bias]
        for part in parts + ([net.direct.weight] if net.config.direct else []):
            part[:64] = change.to(part) @ part[:64]
    mean = np.asarray(norm.exp_mean, np.float64) @ matrix
    norm = replace(norm, exp_mean=mean.astype(np.float32), exp_std=std.astype(np.float32))
    return replace(weights, net=net, norm=norm)


def visible_expression(model, settings=None):
    """The linear map from a true expression to the one that 68 frontal landmarks give away.

    A fit cannot see the gaze, tells the cheeks by the lips, and spreads a motion over all
    coefficients that could explain it; rigid motion goes into the pose. The coefficients of a
    virtual speaker are exact. A network that learned from those would speak another language
    than the fits that it is fine-tuned on.

    Args:
        model: MorphableModel.
        settings: BundleSettings of the fit.
    Returns:
        (64, 64) float32 array; expressions are rows: seen = exp @ matrix.
    """
    settings = settings or BundleSettings()
    points = model.mean_shape[model.landmark_ids].double().cpu()
    basis = model.exp_basis[:, model.landmark_ids].double().cpu()

    def shown(unknowns):
        exp, angles, trans = unknowns[:64], unknowns[64:67], unknowns[67:]
        verts = points + torch.einsum("k,kvc->vc", exp, basis)
        return project(to_world(verts[None], angles[None], trans[None]), Camera())[0].flatten()

    jacobian = torch.autograd.functional.jacobian(shown, torch.zeros(70, dtype=torch.float64))
    weight = landmark_weights().repeat_interleave(2) / settings.sigma_px**2
    prior = torch.tensor([settings.exp_weight**2] * 64 + [1e-9] * 6, dtype=torch.float64)
    weighted = jacobian.T * weight
    system = weighted @ jacobian + torch.diag(prior)
    answer = torch.linalg.solve(system, weighted @ jacobian[:, :64])
    return answer[:64].T.float().numpy()
