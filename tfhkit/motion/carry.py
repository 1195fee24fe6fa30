"""Motion weights that speak about one morphable model, made to speak about another."""

import copy
from dataclasses import replace

import numpy as np
import torch

from tfhkit.errors import check_shape


def carry_weights(weights, matrix):
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
