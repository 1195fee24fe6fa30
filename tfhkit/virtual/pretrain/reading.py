"""What a recogniser's states say about the mouth: fitted to virtual speakers, for every voice."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from tfhkit.audio.recogniser import WIDTH
from tfhkit.face import MorphableModel
from tfhkit.motion import MotionTrack, MotionWeights
from tfhkit.motion.combine import mouth_metric, shares_of
from tfhkit.motion.linear import N_READ, READ_FRAMES, LinearPath, heard
from tfhkit.motion.predict import predict_track

PENALTY = 0.01  # of the regression, in the mean variance of a state's numbers


def with_reading(
    weights: MotionWeights, tracks: Sequence[MotionTrack], others: Sequence[MotionTrack],
    model: MorphableModel,
) -> MotionWeights:  # fmt: skip
    """General weights with a linear path that reads the recogniser's states.

    Args:
        weights: the network alone.
        tracks: of speakers whose mouths the reading learns.
        others: of speakers that neither has learned from: they decide how much of each is used.
        model: whose expression it is.
    """
    path = fit_reading(tracks, model)
    alone = replace(weights, linear=path, share=0.0)
    ways: list[list[Float[np.ndarray, "T 64"]]] = [[], [], []]
    for track in others:
        predicted = (predict_track(way, track)[0] for way in (weights, alone))
        for kept, exp in zip(ways, (*predicted, track.exp)):
            kept.append(exp - exp.mean(0))
    network, reading, truth = (np.concatenate(way) for way in ways)
    shares = shares_of([network, reading], truth, mouth_metric(model), prior=0.0)
    for part in path.map.parameters():
        part.data *= shares[1]
    return replace(weights, linear=path, share=round(float(shares[0]), 3))


def fit_reading(tracks: Sequence[MotionTrack], model: MorphableModel) -> LinearPath:
    """A linear path that hears the recogniser alone, by reduced-rank regression.

    Ridge regression gives the expression from the states of READ_FRAMES frames. Of its answers the
    N_READ directions are kept that move the mouth most.

    Args:
        tracks: with the recogniser's states, each around its own mean.
        model: whose mouth it is.
    """
    size, n = WIDTH * READ_FRAMES, 0
    within, across, middle = np.zeros((size, size)), np.zeros((size, 64)), np.zeros(size)
    for track in tracks:
        states, exp = _around(track), track.exp - track.exp.mean(0)
        within += states.T @ states
        across += states.T @ exp
        middle += states.sum(0)
        n += len(track)
    middle /= n
    within, across = within / n - np.outer(middle, middle), across / n
    pull = PENALTY * np.trace(within) / len(within) * np.eye(len(within))
    weight = np.linalg.solve(within + pull, across)
    metric = mouth_metric(model)
    assert metric is not None
    moved = weight @ metric
    _, directions = np.linalg.eigh(moved.T @ within @ moved)
    read = moved @ directions[:, : -N_READ - 1 : -1]
    read = read / np.sqrt(np.diag(read.T @ within @ read))  # each with a deviation of 1
    path = LinearPath()
    kernel = read.T.reshape(N_READ, WIDTH, READ_FRAMES)
    path.reading.weight.data = torch.as_tensor(kernel, dtype=torch.float32)
    gain = np.linalg.solve(read.T @ within @ read, read.T @ across)
    path.map.weight.data[:, -N_READ:] = torch.as_tensor(gain.T, dtype=torch.float32)
    path.map.bias.data = torch.as_tensor(-middle @ read @ gain, dtype=torch.float32)
    return path.requires_grad_(False).eval()


def _around(track):
    """The states of the READ_FRAMES frames around each frame, (T, 288 x 7), as deviations."""
    reach = READ_FRAMES // 2
    padded = np.pad(track.states.astype(np.float32), ((reach, reach), (0, 0)), mode="edge")
    rows = np.lib.stride_tricks.sliding_window_view(padded, READ_FRAMES, axis=0)
    rows = rows.reshape(len(track), -1)
    return rows - rows[heard(track.bands)].mean(0)
