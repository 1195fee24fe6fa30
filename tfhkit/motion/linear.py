"""The linear path: expression straight from the sound around a frame, by ridge regression.

A dozen seconds are few for a network with a memory, and many for a linear map. This one hears the
mel bands with their loudness, which the network's MFCCs leave out, and what the states of a speech
recogniser say about the mouth. Not in the paper.
"""

import copy
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import nn

from tfhkit.audio.recogniser import WIDTH
from tfhkit.errors import check_shape

N_ROWS, N_BANDS = 14, 26  # of `tfhkit.audio.band_windows`
N_READ = 3  # numbers that a reading has; with more of them a person is predicted no better
READ_FRAMES = 7  # whose states it sees: 0.28 s
EMPHASIS = 5.0  # deviation of each, where that of a level of a mel band is 1
PENALTIES = 10.0 ** np.arange(-1, 7, 0.5)


class LinearPath(nn.Module):
    """A linear map from the sound to the expression's deviation from its mean.

    It hears the standardised mel bands, and a reading of the recogniser's states: the N_READ
    numbers that say most about the mouth of the virtual speakers, whoever speaks. The reading
    belongs to the general mapping, the map to a person.
    """

    def __init__(self) -> None:
        super().__init__()
        self.reading = nn.Conv1d(
            WIDTH, N_READ, READ_FRAMES, padding="same", padding_mode="replicate", bias=False
        )
        self.map = nn.Linear(N_ROWS * N_BANDS + N_READ, 64)
        for part in (self.reading.weight, self.map.weight, self.map.bias):
            nn.init.zeros_(part)

    @property
    def reads(self) -> bool:
        """Whether there is a reading, which needs the recogniser's states."""
        return bool(self.reading.weight.any())

    @torch.no_grad()
    def features(
        self, bands: Float[np.ndarray, "T 14 26"], states: Float[np.ndarray, "T 288"] | None
    ) -> Float[np.ndarray, "T 367"]:
        """What the map hears; without states the reading is 0."""
        check_shape("bands", bands, ("T", N_ROWS, N_BANDS))
        read = np.zeros((len(bands), N_READ), np.float32)
        if states is not None:
            check_shape("states", states, (len(bands), WIDTH))
            given = torch.as_tensor(states, dtype=torch.float32)
            read = self.reading(given.T[None])[0].T.numpy()
            read = read - read[heard(bands)].mean(0)
        return np.concatenate([standardised(bands), read], 1)

    @torch.no_grad()
    def predict(
        self, bands: Float[np.ndarray, "T 14 26"], states: Float[np.ndarray, "T 288"] | None
    ) -> Float[np.ndarray, "T 64"]:
        """Deviation of the expression, coefficients.

        Args:
            bands: of `tfhkit.audio.band_windows`, on the 25 Hz grid.
            states: of `tfhkit.audio.recogniser_states`, at the same times; None where the map does
                not read them.
        """
        return self.map(torch.as_tensor(self.features(bands, states))).numpy()


def heard(bands: Float[np.ndarray, "T 14 26"]) -> Bool[np.ndarray, "T"]:
    """Frames that are louder than halfway between the quietest and the loud ones."""
    level = bands[:, N_ROWS // 2].mean(1, dtype=np.float32)
    return level >= (level.min() + np.percentile(level, 95)) / 2


def standardised(bands: Float[np.ndarray, "T 14 26"]) -> Float[np.ndarray, "T 364"]:
    """Windows with each band standardised over the sound at hand, as flat rows.

    A microphone and a voice shift and stretch a band's levels as a whole. Long pauses do not: only
    the frames that are `heard` are measured.
    """
    bands = bands.astype(np.float32)
    # of all frames together, the middle rows are the sound, once
    middle = bands[heard(bands), N_ROWS // 2]
    scaled = (bands - middle.mean(0)) / (middle.std(0) + 0.1)
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


def linear_path(ridge: RidgeFit, share: float = 1.0, ear: LinearPath | None = None) -> LinearPath:
    """The linear path that predicts `share` times what a ridge regression does.

    `ear` is the path whose features it learned from; None where they are without a reading.
    """
    path = LinearPath() if ear is None else copy.deepcopy(ear)
    path.map.weight.data = torch.as_tensor(share * ridge.weight.T).float()
    path.map.bias.data = torch.as_tensor(share * ridge.level).float()
    return path.requires_grad_(False).eval()


def fit_ridge(
    features: Float[np.ndarray, "T F"],
    targets: Float[np.ndarray, "T K"],
    metric: Float[np.ndarray, "K M"] | None = None,
    folds: int = 5,
    emphasis: Float[np.ndarray, "F"] | None = None,
) -> RidgeFit:
    """Ridge regression whose penalty is chosen by cross-validation over parts of a clip.

    Args:
        features, targets: of the frames to learn from, in order of time.
        metric: matrix that errors are multiplied by before they are squared and compared; None
            compares them as they are.
        folds: number of parts of about the same length.
        emphasis: deviation that each feature is brought to; None for 1. The larger, the less the
            penalty holds it back.
    """
    size = np.ones(features.shape[1]) if emphasis is None else emphasis
    y = np.asarray(targets, np.float64)
    shape = len(PENALTIES), *y.shape
    held_out, errors = np.empty(shape), np.empty(len(PENALTIES))
    for part in np.array_split(np.arange(len(y)), folds):
        rest = np.delete(np.arange(len(y)), part)
        for k, (weight, level) in enumerate(_solutions(features[rest], y[rest], size)):
            held_out[k, part] = features[part] @ weight + level
    for k, predicted in enumerate(held_out):
        error = predicted - y if metric is None else (predicted - y) @ metric
        errors[k] = (error**2).sum()
    best = int(errors.argmin())
    weight, level = _solutions(features, y, size)[best]
    return RidgeFit(weight, level, float(PENALTIES[best]), held_out[best])


def _solutions(features, y, size):
    """(weight, level) of standardised features for each penalty, for features as they are."""
    mean, std, level = features.mean(0), (features.std(0) + 1e-6) / size, y.mean(0)
    u, s, vt = np.linalg.svd((features - mean) / std, full_matrices=False)
    projected = u.T @ (y - level)
    answers = []
    for penalty in PENALTIES:
        weight = vt.T @ ((s / (s**2 + penalty))[:, None] * projected) / std[:, None]
        answers.append((weight, level - mean @ weight))
    return answers
