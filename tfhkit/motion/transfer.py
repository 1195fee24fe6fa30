"""Motion weights for another morphable model, and what a landmark fit sees of an expression."""

import copy
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tfhkit.camera import Camera, project, to_world
from tfhkit.errors import check_shape
from tfhkit.face.model import MorphableModel
from tfhkit.fit.bundle import BundleSettings, landmark_weights
from tfhkit.motion.model import MotionWeights, copy_net


def transfer_weights(weights: MotionWeights, matrix: Float[np.ndarray, "64 64"]) -> MotionWeights:
    """The same mapping with its expression in another model's coefficients and their units.

    The output layers are linear, so a linear change of coefficients goes into their weights; the
    predicted motion is `exp @ matrix` of what it was.

    Args:
        weights: the mapping; it is not changed.
        matrix: expressions are rows, see `tfhkit.face.transfer.transfer_expression`.
    """
    check_shape("matrix", matrix, (64, 64))
    norm, matrix = weights.norm, np.asarray(matrix, np.float64)
    scaled = np.asarray(norm.exp_std, np.float64)[:, None] * matrix
    std = np.sqrt((scaled**2).sum(0))
    std = np.maximum(std, 1e-3 * std.max()) + 1e-6
    change = torch.as_tensor((scaled / std).T, dtype=torch.float32)
    net = copy_net(weights.net)
    with torch.no_grad():
        parts = [net.out.weight, net.out.bias]
        for part in parts + ([net.direct.weight] if net.config.direct else []):
            part[:64] = change.to(part) @ part[:64]
    mean = np.asarray(norm.exp_mean, np.float64) @ matrix
    norm = replace(norm, exp_mean=mean.astype(np.float32), exp_std=std.astype(np.float32))
    linear = copy.deepcopy(weights.linear)
    if linear is not None:
        for part in linear.map.parameters():
            part.data = torch.as_tensor(matrix.T).to(part) @ part.data
    return replace(weights, net=net, norm=norm, linear=linear)


def visible_expression(
    model: MorphableModel, settings: BundleSettings | None = None
) -> Float[np.ndarray, "64 64"]:
    """The linear map from a true expression to the one that a fit of 68 frontal landmarks gives.

    Landmarks do not show the gaze, and show the cheeks only through the lips. A fit spreads a
    motion over all coefficients that could explain it, and takes rigid motion for pose. The
    coefficients of a virtual speaker are exact: a network that is trained on them needs this map
    first, because it is fine-tuned on fits later.

    Args:
        model: the one that is fitted.
        settings: of the fit.
    Returns:
        float32; expressions are rows: seen = exp @ matrix.
    """
    settings = settings or BundleSettings()
    points = model.mean_shape[model.landmark_ids].double().cpu()
    basis = model.exp_basis[:, model.landmark_ids].double().cpu()

    def shown(unknowns: Float[Tensor, "70"]) -> Float[Tensor, "136"]:
        exp, angles, trans = unknowns[:64], unknowns[64:67], unknowns[67:]
        verts = points + torch.einsum("k,kvc->vc", exp, basis)
        return project(to_world(verts[None], angles[None], trans[None]), Camera())[0].flatten()

    jacobian = torch.autograd.functional.jacobian(shown, torch.zeros(70, dtype=torch.float64))
    weight = landmark_weights(settings.sigma_px).repeat_interleave(2)
    prior = torch.tensor([settings.exp_weight**2] * 64 + [1e-9] * 6, dtype=torch.float64)
    weighted = jacobian.T * weight
    system = weighted @ jacobian + torch.diag(prior)
    answer = torch.linalg.solve(system, weighted @ jacobian[:, :64])
    return answer[:64].T.float().numpy()
