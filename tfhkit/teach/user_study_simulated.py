"""Votes that nobody cast: they show whether ballot and analysis find preferences that are known.

They cannot show what people see: whoever simulates decides the result beforehand.
"""

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

import numpy as np

from tfhkit.errors import InputError
from tfhkit.teach.viewing_trials import Trial
from tfhkit.teach.votes import SIMULATED, Vote, make_vote

# by question, then by version (best, several) or by clip (rating, real)
Preferences = Mapping[str, Mapping[str, float]]


def simulated_votes(
    trials: Callable[[str], Sequence[Trial]],
    preferences: Preferences,
    n_viewers: int = 12,
    seed: int = 0,
    spread: float = 0.0,
) -> list[Vote]:
    """Votes that nobody cast; their viewers are called "simulated-1" ...

    Args:
        trials: what a viewer of this name sees, such as `Experiment.trials`.
        preferences: what is known, by the question's name. "best": a weight for each
            version, which is chosen in proportion to it. "several": the probability that a version
            is among the best; their sum is at least 1. "rating": mean rating of each clip, with
            noise of one level. "real": probability of a correct vote for each clip.
        n_viewers: number of simulated viewers.
        seed: random seed of their votes.
        spread: standard deviation of each viewer's own taste for a version ("best"), and of each
            clip's luck with it (in the logarithm of the weight), or of a viewer's generosity
            ("rating", in levels). Above 0 it moves the expected shares.
    Returns:
        Votes as from `read_votes`, without a time.
    Raises:
        InputError: no preference for a version or a clip that is shown, or a sum below 1.
    """
    votes = []
    for k in range(n_viewers):
        viewer = f"{SIMULATED}-{k + 1}"
        rng = np.random.default_rng((seed, k))
        for trial in trials(viewer):
            answer = _answer(trial, preferences, rng, (seed, viewer), spread)
            votes.append(make_vote(viewer, trial, answer, float(rng.gamma(4, 2))))
    return votes


def _answer(trial, preferences, rng, who, spread):
    """What a simulated viewer answers; tastes depend on names alone, so that they last."""
    question, (seed, viewer) = trial.question, who
    known = preferences.get(question.name, {})
    names = trial.shown if question.kind in ("best", "several") else (trial.clip,)
    if missing := [name for name in names if name not in known]:
        fault = f"have no value for {missing[0]!r} and the question {question.name!r}"
        raise InputError("preferences", fault, "add it")
    value = np.array([known[name] for name in names], float)
    if question.kind == "real":
        left, right = trial.real_side == "left", rng.random() < value[0]
        return [int(left != right)]
    if question.kind == "rating":
        taste = spread * _lasting(seed, viewer, question.name)
        return [int(np.clip(np.rint(value[0] + taste + rng.standard_normal()), 1, 5))]
    if question.kind == "several":
        return _among_the_best(value, rng)
    with np.errstate(divide="ignore"):
        liking = np.log(value) + rng.gumbel(size=len(value))
    for place, name in enumerate(names):
        tastes = [_lasting(seed, part, question.name, name) for part in (viewer, trial.clip)]
        liking[place] += spread * sum(tastes)
    return [int(np.argmax(liking))]


def _among_the_best(chances, rng):
    """Places that are drawn with just these chances, at least one (systematic sampling)."""
    if chances.sum() < 1 or chances.max() > 1:
        fault = f"add up to {chances.sum():.2f}, the largest is {chances.max():.2f}"
        raise InputError("preferences", fault, "give chances up to 1 with a sum of 1 or more")
    steps = np.floor(np.cumsum([0, *chances]) - rng.random())
    return [int(place) for place in np.flatnonzero(np.diff(steps))]


def _lasting(seed, *names):
    """A standard normal number that depends on a seed and names alone."""
    return np.random.default_rng((seed, crc32("/".join(names).encode()))).standard_normal()
