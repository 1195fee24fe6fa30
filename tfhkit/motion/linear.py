"""The linear path: expression straight from the sound around a frame, by ridge regression.

A dozen seconds are few for a network with a memory, and many for a linear map. This one hears the
mel bands with their loudness, which the network's MFCCs leave out. Not in the paper.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from tfhkit.errors import check_shape

N_ROWS, N_BANDS = 14, 26  # of `tfhkit.audio.band_windows`
PENALTIES = 10.0 ** np.arange(-1, 7, 0.5)


class LinearPath(nn.Module):
    """A linear map from standardised mel bands to the expression's deviation from its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(N_ROWS * N_BANDS, 64)

    @torch.no_grad()
    def predict(self, bands: Float[np.ndarray, "T 14 26"]) -> Float[np.ndarray, "T 64"]:
        """Deviation of the expression, coefficients, of each window of `band_windows`."""
        check_shape("bands", bands, ("T", N_ROWS, N_BANDS))
        return self.map(torch.as_tensor(standardised(bands))).numpy()


def standardised(bands: Float[np.ndarray, "T 14 26"]) -> Float[np.ndarray, "T 364"]:
    """Windows with each band standardised over the sound at hand, as flat rows.

    A microphone and a voice shift and stretch a band's levels as a whole. Long pauses do not: only
    frames that are louder than halfway between the quietest and the loud ones are measured.
    """
    middle = bands[:, N_ROWS // 2]  # of all frames together, these rows are the sound, once
    level = middle.mean(1)
    heard = middle[level >= (level.min() + np.percentile(level, 95)) / 2]
    scaled = (bands - heard.mean(0)) / (heard.std(0) + 0.1)
    return scaled.reshape(len(bands), -1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class RidgeFit:
    """A ridge regression and how it does on frames that it has not learned from.

    Args:
        weight: from features to targets. level: what is added.
        penalty: the one with the smallest cross-validated error.
        held_out: targets of all frames, each part predicted from the others.
    """

    weight: Float[np.ndarray, "F K"]
    level: Float[np.ndarray, "K"]
    penalty: float
    held_out: Float[np.ndarray, "T K"]


def linear_path(ridge: RidgeFit, share: float = 1.0) -> LinearPath:
    """The linear path that predicts `share` times what a ridge regression does."""
    path = LinearPath()
    path.map.weight.data = torch.as_tensor(share * ridge.weight.T).float()
    path.map.bias.data = torch.as_tensor(share * ridge.level).float()
    return path.requires_grad_(False).eval()


def fit_ridge(
    features: Float[np.ndarray, "T F"],
    targets: Float[np.ndarray, "T K"],
    metric: Float[np.ndarray, "K M"] | None = None,
    folds: int = 5,
) -> RidgeFit:
    """Ridge regression whose penalty is chosen by cross-validation over parts of a clip.

    Args:
        features, targets: of the frames to learn from, in order of time.
        metric: matrix that errors are multiplied by before they are squared and compared; None
            compares them as they are.
        folds: number of parts of about the same length.
    """
    y = np.asarray(targets, np.float64)
    shape = len(PENALTIES), *y.shape
    held_out, errors = np.empty(shape), np.empty(len(PENALTIES))
    for part in np.array_split(np.arange(len(y)), folds):
        rest = np.delete(np.arange(len(y)), part)
        for k, (weight, level) in enumerate(_solutions(features[rest], y[rest])):
            held_out[k, part] = features[part] @ weight + level
    for k, predicted in enumerate(held_out):
        error = predicted - y if metric is None else (predicted - y) @ metric
        errors[k] = (error**2).sum()
    best = int(errors.argmin())
    weight, level = _solutions(features, y)[best]
    return RidgeFit(weight, level, float(PENALTIES[best]), held_out[best])


def _solutions(features, y):
    """(weight, level) of standardised features for each penalty, for features as they are."""
    mean, std, level = features.mean(0), features.std(0) + 1e-6, y.mean(0)
    u, s, vt = np.linalg.svd((features - mean) / std, full_matrices=False)
    projected = u.T @ (y - level)
    answers = []
    for penalty in PENALTIES:
        weight = vt.T @ ((s / (s**2 + penalty))[:, None] * projected) / std[:, None]
        answers.append((weight, level - mean @ weight))
    return answers
