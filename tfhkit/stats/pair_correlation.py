"""Correlation of two distances over pairs of frames (App. A), and its null distributions."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from tfhkit.errors import InputError, ParameterError, check_shape
from tfhkit.maths import frame_step
from tfhkit.stats.bootstrap import LEVELS, block_weights
from tfhkit.stats.estimates import PairCorrelation
from tfhkit.stats.pairs import pair_sums, per_anchor, pooled
from tfhkit.stats.significance import p_value
from tfhkit.stats.surrogates import circular_shifts, phase_randomised


@dataclass(frozen=True)
class PairSettings:
    """Which pairs of frames count, how they are summed up, and what they are compared with.

    Args:
        pooling: "pooled", one correlation over all pairs; "per_anchor", the mean of the anchors'
            own correlations.
        radius: of the neighbourhood, as a share of the anchor's norm.
        min_gap_s: pairs nearer than this in time are left out; also across the track's ends, so
            that a shifted track keeps the rule.
        lag_s: the pose so much later than the sound is taken (its track is shifted circularly, so
            no frame is lost); shifts of the null stay away from the true match.
        min_neighbours: an anchor with fewer has no correlation of its own (per anchor).
        n_null: shifted tracks; 0 for none. n_phase: phase-randomised tracks; None for as many.
        n_bootstrap: draws for the interval; 0 for none.
        min_shift_s, block_s: see `tfhkit.audio.resampling`.
        seed: of the surrogates and the bootstrap.
    """

    pooling: str = "pooled"
    radius: float = 0.5
    min_gap_s: float = 0.0
    lag_s: float = 0.0
    min_neighbours: int = 3
    n_null: int = 200
    n_phase: int | None = None
    n_bootstrap: int = 200
    min_shift_s: float = 1.0
    block_s: float = 1.0
    seed: int = 0


def pair_correlation(
    features: Float[np.ndarray, "..."],
    angles_rad: Float[np.ndarray, "..."],
    times: Float[np.ndarray, "..."],
    settings: PairSettings = PairSettings(),
    *,
    sound: str = "plain MFCC",
    motion: str = "pitch, yaw, roll",
    feature: str = "window",
) -> PairCorrelation:
    """Do frames that sound alike look alike? Correlation of the two distances over pairs.

    For each frame i, the anchor, its neighbours are the frames j with
    |s_j - s_i| <= radius |s_i|. Over the pairs, the distance of the features is correlated with
    the distance of the poses (Euclidean, over the angles). Neighbours in time share most of their
    window and most of their pose, so they alone give a large r; `min_gap_s` leaves them out, and
    the two null distributions show what such tracks give by chance.

    Args:
        features: (T, D), from `feature_vectors`.
        angles_rad: (T, A) angles; choose axes by passing fewer columns.
        times: (T,) seconds, even steps.
        settings: PairSettings.
        sound, motion, feature: names for the result.
    Returns:
        PairCorrelation; r is NaN where no pair is near enough, or nothing varies.
    Raises:
        InputError: NaN in the input, or a track that is too short to be shifted.
        ParameterError: a setting out of its range.
    Source: paper App. A, which leaves feature, pooling and neighbours in time open.
    """
    features = np.asarray(check_shape("features", features, ("T", None)), np.float64)
    angles = np.degrees(check_shape("angles_rad", angles_rad, (len(features), None)))
    times = np.asarray(check_shape("times", times, (len(features),)), np.float64)
    _refuse(features, angles, settings)
    angles = np.roll(angles, -round(settings.lag_s / frame_step(times)), axis=0)
    shifted, randomised = _surrogates(angles, times, settings)
    weights = np.ones((1, len(times)))
    if settings.n_bootstrap:
        drawn = block_weights(times, settings.n_bootstrap, settings.block_s, settings.seed)
        weights = np.concatenate([weights, drawn])

    is_pooled = settings.pooling == "pooled"
    least, combine = (1, pooled) if is_pooled else (settings.min_neighbours, per_anchor)
    poses = [angles, *shifted, *randomised]
    rule = (settings.radius, settings.min_gap_s, least)
    tracks, draws = pair_sums(features, poses, times, *rule, weights)
    r_tracks = combine(tracks)
    known = bool(np.isfinite(r_tracks[0]))
    interval = (np.nan, np.nan)
    if settings.n_bootstrap and known:
        low, high = np.nanpercentile(combine(draws, weights)[1:], LEVELS)
        interval = (float(low), float(high))
    shift_null, phase_null = np.split(r_tracks[1:], [len(shifted)])

    def p_of(null, n_asked):
        return float(p_value(float(r_tracks[0]), null)) if n_asked and known else np.nan

    return PairCorrelation(
        r=float(r_tracks[0]),
        n_pairs=int(tracks[0].sum()),
        n_anchors=int((tracks[0] > 0).sum()),
        sound=sound,
        motion=motion,
        feature=feature,
        pooling=settings.pooling,
        radius=settings.radius,
        min_gap_s=settings.min_gap_s,
        lag_s=settings.lag_s,
        interval=interval,
        shift_null=shift_null,
        phase_null=phase_null,
        p_shift=p_of(shift_null, settings.n_null),
        p_phase=p_of(phase_null, len(randomised)),
    )


def _refuse(features, angles, settings):
    """Raise for settings out of their range, and for NaN."""
    radius, pooling = settings.radius, settings.pooling
    if not radius > 0:
        raise ParameterError("radius", f"must be positive, got {radius}", "the paper's is 0.5")
    if not settings.min_gap_s >= 0:
        raise ParameterError("min_gap_s", f"is {settings.min_gap_s}", "give 0 or more seconds")
    if pooling not in ("pooled", "per_anchor"):
        raise ParameterError("pooling", f"unknown {pooling!r}", "choose 'pooled' or 'per_anchor'")
    for name, values in (("features", features), ("angles_rad", angles)):
        if not np.isfinite(values).all():
            raise InputError(name, "contains NaN", "leave out frames without a pose")


def _surrogates(angles, times, settings):
    """Lists of pose tracks (T, A): shifted against the sound, and with random phases."""
    n_null, seed = settings.n_null, settings.seed
    n_phase = n_null if settings.n_phase is None else settings.n_phase
    least_s = settings.min_shift_s + abs(settings.lag_s)
    shifts = circular_shifts(times, n_null, least_s, seed) if n_null else []
    shifted = [np.roll(angles, -shift, axis=0) for shift in shifts]
    return shifted, list(phase_randomised(angles, n_phase, seed))
