"""How much of the network and of the linear path, for one person: decided by cross-validation.

The fine-tuned network and the linear path each predict every frame of the training part without
having learned from it. What is kept is the mix of them that predicts the mouth best; where neither
predicts it, the general mapping. Not in the paper, which fine-tunes and uses the result.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.optimize import nnls

from tfhkit.errors import KitWarning
from tfhkit.face.model import MorphableModel
from tfhkit.landmarks.speaking import LIPS_LEAD_S
from tfhkit.motion.data import MotionTrack
from tfhkit.motion.folds import held_out_motion
from tfhkit.motion.linear import EMPHASIS, N_READ, LinearPath, fit_ridge, linear_path
from tfhkit.motion.lips import MOUTH, correlation, lip_opening
from tfhkit.motion.model import MotionNet, MotionWeights
from tfhkit.motion.predict import predict_track
from tfhkit.stats import correlation_interval

RIDGE_FOLDS = 10  # of the linear path, which is fitted in no time
EXPECTED = (0.3, 0.8)  # shares of the network and the linear path before anything was seen
PRIOR = 0.3  # how firmly they are held there; see `shares_of`
# Below the first, the sound says next to nothing about the lips; below the second, little. Of the
# linear paths of 15 clips, 12 s long, none was below 0.6 with the clip's own sound, and of 210
# with another clip's one was above 0.39; docs/findings.md.
UNPREDICTABLE_R, DOUBTFUL_R = 0.4, 0.5
NOT_PREDICTABLE = (
    "the clip's sound does not predict this person's lips ({} on frames that were not learned "
    "from): the mouth will move as the general mapping says"
)
DOUBTFUL = (
    "the clip's sound says little about this person's lips ({} on frames that were not learned "
    "from): check that nobody else is heard; a longer clip helps"
)


@dataclass(frozen=True)
class LipEstimate:
    """How well the sound predicts a person's lips, by cross-validation.

    Penalty, shares and epoch were chosen on the same frames, so it is no held-out score.

    Args:
        r: correlation of predicted and fitted lip opening.
        low, high: 95 % block-bootstrap interval of r.
    """

    r: float
    low: float
    high: float

    @property
    def predictable(self) -> bool:
        """Whether r is high enough to learn this person's lips from the sound."""
        return self.r >= UNPREDICTABLE_R

    def words(self) -> str:
        """For a message: "r = 0.52 (0.41 to 0.61)"."""
        return f"r = {self.r:.2f} ({self.low:.2f} to {self.high:.2f})"


def mouth_metric(model: MorphableModel | None) -> Float[np.ndarray, "64 K"] | None:
    """A matrix that turns errors of the expression into those of the 20 mouth landmarks, dm."""
    if model is None:
        return None
    basis = model.exp_basis[:, model.landmark_ids[MOUTH]].flatten(1)
    return basis.double().cpu().numpy()


def shares_of(
    predictions: Sequence[Float[np.ndarray, "T 64"]],
    truth: Float[np.ndarray, "T 64"],
    metric: Float[np.ndarray, "64 K"] | None = None,
    expected: Sequence[float] = EXPECTED,
    prior: float = PRIOR,
) -> Float[np.ndarray, "n"]:
    """Non-negative weights of predictions whose sum has the smallest squared error.

    Frames are few and neighbours alike, so the weights are held near what is expected: leaving it
    by 1 costs `prior` times the truth's variance.

    Args:
        predictions: deviations from the mean, of frames that each predictor has not learned from.
        truth: the same deviations, as they were.
        metric: see `mouth_metric`.
        expected: the weights before anything was seen.
        prior: 0 trusts the frames alone.
    Source: stacked regression (Breiman 1996).
    """
    seen = [p if metric is None else p @ metric for p in (*predictions, truth)]
    columns = np.stack([p.ravel() for p in seen[:-1]], 1).astype(np.float64)
    target = seen[-1].ravel().astype(np.float64)
    pull = np.sqrt(prior * (target**2).sum()) * np.eye(columns.shape[1])
    return nnls(np.r_[columns, pull], np.r_[target, pull @ np.array(expected)])[0]


def estimate_lips(
    model: MorphableModel,
    id: Float[np.ndarray, "80"],
    predicted: Float[np.ndarray, "T 64"],
    truth: Float[np.ndarray, "T 64"],
    times: Float[np.ndarray, "T"],
) -> LipEstimate:
    """Correlation of the lip opening on frames that were not learned from, with its interval."""
    ours, real = (lip_opening(model, id, e.astype(np.float32)) for e in (predicted, truth))
    return LipEstimate(correlation(ours, real), *correlation_interval(ours, real, times))


def mix(
    track: MotionTrack, general: MotionWeights, tuned: MotionWeights, nets: Sequence[MotionNet],
    model: MorphableModel | None,
) -> tuple[MotionWeights, dict[str, Any]]:  # fmt: skip
    """The network and the linear path that together predict a person's mouth best.

    Where neither predicts it, the general mapping is kept, at the usual lag, with a warning: what
    a network learns from lips that do not belong to the sound would move against any sound.

    Args:
        track: the person's, with the mel bands of its sound.
        general: the general mapping with the person's statistics.
        tuned: the average of the fine-tuned networks.
        nets: these networks, each trained without its part of the track.
        model: for errors of the mouth's landmarks; None counts all coefficients alike.
    Returns:
        weights, and what the card says of the choice.
    """
    metric, seen, norm = mouth_metric(model), track.valid, tuned.norm
    truth = (track.exp - norm.exp_mean)[seen]
    assert track.bands is not None, "a track to learn from has them"
    if track.states is None:  # the recogniser is missing
        general = general.network_alone()
    ear = general.linear or LinearPath()
    features = ear.features(track.bands, track.states)
    emphasis = np.r_[np.ones(features.shape[1] - N_READ), EMPHASIS * np.ones(N_READ)]
    ridge = fit_ridge(features[seen], truth, metric, RIDGE_FOLDS, emphasis)
    of_net = held_out_motion(track, tuned, nets)[seen] - norm.exp_mean
    shares = shares_of([of_net, ridge.held_out], truth, metric)
    words = f"{shares[0]:.2f} of the network, {shares[1]:.2f} of the linear path"
    card: dict[str, Any] = {"chosen": words, "shares": shares.round(3).tolist()}
    if model is not None and track.id is not None:
        place = model, track.id
        of_general = predict_track(general, track)[0][seen] - norm.exp_mean
        ways = {"general": of_general, "tuned": of_net, "linear": ridge.held_out}
        ways["mixed"] = shares[0] * of_net + shares[1] * ridge.held_out
        true, times = truth + norm.exp_mean, track.times[seen]
        lips = {
            name: estimate_lips(*place, deviation + norm.exp_mean, true, times)
            for name, deviation in ways.items()
        }
        best = lips.pop("mixed")
        card |= {f"cv_lip_r_{name}": round(estimate.r, 3) for name, estimate in lips.items()}
        card |= estimate_card(best)
        if not best.predictable:
            warnings.warn(NOT_PREDICTABLE.format(best.words()), KitWarning, stacklevel=2)
            usual = replace(general, norm=replace(norm, lag_s=LIPS_LEAD_S))
            only = {"chosen": "the general mapping", "shares": [1.0, 0.0]}
            return usual, card | estimate_card(lips["general"]) | only
        if best.r < DOUBTFUL_R:
            warnings.warn(DOUBTFUL.format(best.words()), KitWarning, stacklevel=2)
    return replace(tuned, linear=linear_path(ridge, shares[1], ear), share=float(shares[0])), card


def estimate_card(estimate: LipEstimate) -> dict[str, float]:
    """What the card says of the estimate."""
    ends = {"cv_lip_r_low": estimate.low, "cv_lip_r_high": estimate.high}
    return {"cv_lip_r": estimate.r, **ends}
