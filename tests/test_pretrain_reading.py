"""What the recogniser's states say about the mouth, found again where it is known."""

from dataclasses import replace

import numpy as np
import pytest

from tfhkit.face import load_model
from tfhkit.motion import (
    MotionConfig,
    MotionNet,
    MotionWeights,
    measure_normalisation,
    predict_windows,
)
from tfhkit.motion.combine import mouth_metric
from tfhkit.virtual.corpus import make_motion_corpus
from tfhkit.virtual.pretrain.reading import fit_reading, with_reading

TINY = MotionConfig("custom", (2, 2, 3, 3, 4), (2, 2), (8, 6), 7, 1, 0.0)


def tracks_of(corpus, kernel, model, noise=0.0):
    """The speakers' tracks, whose jaw and lips follow states of noise through a known kernel."""
    names, rng = list(model.action_names), np.random.default_rng(0)
    moves = np.stack([model.actions[names.index(n)].numpy() for n in ("jawOpen", "mouthPucker")])
    for speaker in corpus:
        states = rng.normal(size=(len(speaker), 288)).astype(np.float32)
        padded = np.pad(states, ((3, 3), (0, 0)), mode="edge")
        around = np.stack([padded[k : k + len(states)] for k in range(7)], 2)
        exp = np.einsum("tck,ock,oe->te", around, kernel, moves)
        exp = exp + noise * rng.normal(size=exp.shape) + rng.normal(size=64)
        yield replace(speaker.track(), exp=exp.astype(np.float32), states=states)


@pytest.fixture(scope="module")
def corpus():
    return make_motion_corpus(3, 40.0, seed=7, workers=1)


@pytest.mark.slow
def test_a_reading_finds_what_moves_the_mouth(corpus):
    """Two things move it; the map predicts them on a speaker that it has not learned from."""
    model, kernel = load_model(), np.zeros((2, 288, 7))
    kernel[0, 5, 3], kernel[1, 9, 1] = 0.3, 0.2
    *known, unknown = tracks_of(corpus, kernel, model)
    path = fit_reading(known, model)
    metric, true = mouth_metric(model), unknown.exp - unknown.exp.mean(0)
    predicted = path.predict(unknown.bands, unknown.states)
    error = ((predicted - predicted.mean(0) - true) @ metric) ** 2
    assert error.mean() < 0.3 * ((true @ metric) ** 2).mean()
    largest = np.abs(path.reading.weight.numpy()).sum(0)
    assert set(np.argsort(largest.ravel())[-2:]) == {5 * 7 + 3, 9 * 7 + 1}
    assert not path.map.weight[:, :-3].any() and path.reads


@pytest.mark.slow
def test_network_and_reading_together_predict_best_what_neither_has_learned(corpus):
    model = load_model()
    net = MotionNet(TINY).eval()
    weights = MotionWeights(net, measure_normalisation([s.track() for s in corpus]))
    *known, track = (speaker.track() for speaker in corpus)
    together = with_reading(weights, known, [track], model)
    reading = replace(together, share=0.0)
    metric = mouth_metric(model)
    sound = track.windows, slice(None), track.bands, track.states

    def error(mapping):
        exp = predict_windows(mapping, *sound)[0]
        difference = (exp - exp.mean(0)) - (track.exp - track.exp.mean(0))
        return float(((difference @ metric) ** 2).sum())

    assert error(together) < 0.9 * error(weights)
    assert error(together) <= error(reading) + 1e-3
    assert together.net is net and together.linear.reads
