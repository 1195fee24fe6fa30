"""Correlation between sound and head pose over pairs of frames (App. A), and what chance gives."""

from dataclasses import dataclass
from itertools import product

import numpy as np

from tfhkit.audio.mfcc import SR_HZ, mfcc_windows
from tfhkit.audio.pairs import pair_sums, per_anchor, pooled
from tfhkit.audio.resampling import block_weights, circular_shifts, p_value, phase_randomised
from tfhkit.errors import InputError, ParameterError, check_shape

SETTINGS = {"plain": {"preemphasis": 0, "lifter": 0}, "network": {}}  # of `mfcc_windows`


@dataclass(frozen=True)
class PairCorrelation:
    """One estimate, with the choices that made it.

    Args:
        r: Pearson correlation of sound distance and pose distance over the pairs.
        n_pairs: (anchor, neighbour) pairs; n_anchors: frames that have neighbours enough.
        feature, pooling, radius, min_gap_s: as in `pair_correlation`.
        interval: (low, high), 95 %, block bootstrap; NaN if none was asked for.
        shift_null: (K,) r of the pose track turned against the sound.
        phase_null: (K,) r of phase-randomised pose tracks.
        p_shift, p_phase: one-sided p-values of r against them; NaN without a null.
    """

    r: float
    n_pairs: int
    n_anchors: int
    feature: str
    pooling: str
    radius: float
    min_gap_s: float
    interval: tuple
    shift_null: np.ndarray
    phase_null: np.ndarray
    p_shift: float
    p_phase: float

    def row(self):
        """Flat numbers for a table or a CSV file."""
        mean, std = _mean_std(self.shift_null)
        names = ("feature", "pooling", "radius", "min_gap_s", "r", "n_pairs", "n_anchors")
        return {name: getattr(self, name) for name in names} | {
            "low": self.interval[0],
            "high": self.interval[1],
            "shift_null_mean": mean,
            "shift_null_std": std,
            "p_shift": self.p_shift,
            "p_phase": self.p_phase,
        }


@dataclass(frozen=True)
class CorrelationReport:
    """The paper's estimate, the one without temporal neighbours, and the other choices."""

    paper: PairCorrelation
    no_neighbours: PairCorrelation
    variants: tuple

    def rows(self):
        """One dict per estimate: a tidy table."""
        named = [("paper", self.paper), ("no_neighbours", self.no_neighbours)]
        named += [("variant", variant) for variant in self.variants]
        return [{"estimate": name} | result.row() for name, result in named]

    def summary(self):
        """The numbers in one flat dict; `p_value` is the shift null's, without neighbours."""
        mean, std = _mean_std(self.paper.shift_null)
        return {
            "paper_r": self.paper.r,
            "paper_pairs": self.paper.n_pairs,
            "paper_low": self.paper.interval[0],
            "paper_high": self.paper.interval[1],
            "paper_p_shift": self.paper.p_shift,
            "shift_null_mean": mean,
            "shift_null_std": std,
            "no_neighbours_r": self.no_neighbours.r,
            "no_neighbours_pairs": self.no_neighbours.n_pairs,
            "no_neighbours_low": self.no_neighbours.interval[0],
            "no_neighbours_high": self.no_neighbours.interval[1],
            "p_value": self.no_neighbours.p_shift,
        }


def correlate(
    audio, angles_rad, times, sr_hz=SR_HZ, min_gap_s=1.0, n_null=200, n_bootstrap=200, seed=0
):
    """App. A as stated, the same without temporal neighbours, and its open choices.

    The stated definition is taken as: plain MFCCs (no pre-emphasis, no lifter), the whole 28 x 12
    window as the feature, all pairs pooled, radius 0.5. With the network's own MFCC settings
    the radius holds hardly any pair, as lifted coefficients differ by more than half their norm.

    Args:
        audio: (N,) float, mono; audio[0] is at time 0.
        angles_rad: (T, 3) pitch, yaw, roll.
        times: (T,) seconds, even steps.
        min_gap_s: pairs nearer in time are left out of the second estimate.
    Returns:
        CorrelationReport; its variants are plain/network MFCCs x window/vector x pooled/per
        anchor x with/without neighbours in time. An estimate without pairs has r = NaN.
    """
    variants, main = [], {}
    for settings, keywords in SETTINGS.items():
        windows = mfcc_windows(audio, times, sr_hz, **keywords)
        for kind, pooling, gap in product(
            ("window", "vector"), ("pooled", "per_anchor"), (0.0, min_gap_s)
        ):
            is_main = (settings, kind, pooling) == ("plain", "window", "pooled")
            result = pair_correlation(
                feature_vectors(windows, kind),
                angles_rad,
                times,
                feature=f"{settings} {kind}",
                pooling=pooling,
                min_gap_s=gap,
                n_null=n_null,
                n_phase=n_null if is_main else 0,
                n_bootstrap=n_bootstrap if is_main else 0,
                seed=seed,
            )
            main |= {gap > 0: result} if is_main else {}
            variants += [] if is_main else [result]
    return CorrelationReport(main[False], main[True], tuple(variants))


def feature_vectors(windows, kind="window"):
    """What App. A may mean by "a MFCC feature", one row per frame.

    Args:
        windows: (T, 28, 12).
        kind: "window", the 336 numbers that the network sees; "vector", the 12 coefficients
            at the frame itself (mean of the two middle rows).
    Returns:
        (T, 336) or (T, 12).
    """
    check_shape("windows", windows, ("T", 28, 12))
    if kind == "window":
        return windows.reshape(len(windows), -1)
    if kind == "vector":
        return windows[:, 13:15].mean(axis=1)
    raise ParameterError("kind", f"unknown feature {kind!r}", "choose 'window' or 'vector'")


def pair_correlation(
    features,
    angles_rad,
    times,
    *,
    feature="window",
    pooling="pooled",
    radius=0.5,
    min_gap_s=0.0,
    min_neighbours=3,
    n_null=200,
    n_phase=None,
    n_bootstrap=200,
    min_shift_s=1.0,
    block_s=1.0,
    seed=0,
):
    """Do frames that sound alike look alike? Correlation of the two distances over pairs.

    For each frame i, the anchor, its neighbours are the frames j with
    |s_j - s_i| <= radius |s_i|. Over the pairs, the distance of the features is correlated with
    the distance of the poses (Euclidean, over the angles). Neighbours in time share most of their
    window and most of their pose, so they alone give a large r; `min_gap_s` leaves them out, and
    the two nulls show what such tracks give by chance.

    Args:
        features: (T, D), from `feature_vectors`.
        angles_rad: (T, A) angles; choose axes by passing fewer columns.
        times: (T,) seconds, even steps.
        feature: a name for the result.
        pooling: "pooled", one correlation over all pairs; "per_anchor", the mean of the anchors'
            own correlations.
        radius: of the neighbourhood, as a share of the anchor's norm.
        min_gap_s: pairs nearer than this in time are left out; also across the track's ends, so
            that a turned track keeps the rule.
        min_neighbours: an anchor with fewer has no correlation of its own (per anchor).
        n_null: shifted tracks; 0 for none. n_phase: phase-randomised tracks; None for as many.
        n_bootstrap: draws for the interval; 0 for none.
        min_shift_s, block_s: see `tfhkit.audio.resampling`.
        seed: of the surrogates and the bootstrap.
    Returns:
        PairCorrelation; r is NaN where no pair is near enough, or nothing varies.
    Raises:
        InputError: NaN in the input, or a track that is too short to be turned.
    Source: paper App. A, which leaves feature, pooling and neighbours in time open.
    """
    features = np.asarray(check_shape("features", features, ("T", None)), np.float64)
    angles = np.degrees(check_shape("angles_rad", angles_rad, (len(features), None)))
    times = np.asarray(check_shape("times", times, (len(features),)), np.float64)
    if pooling not in ("pooled", "per_anchor"):
        raise ParameterError("pooling", f"unknown {pooling!r}", "choose 'pooled' or 'per_anchor'")
    for name, values in (("features", features), ("angles_rad", angles)):
        if not np.isfinite(values).all():
            raise InputError(name, "contains NaN", "leave out frames without a pose")

    n_phase = n_null if n_phase is None else n_phase
    shifts = circular_shifts(times, n_null, min_shift_s, seed) if n_null else []
    poses = [angles]
    poses += [np.roll(angles, -shift, axis=0) for shift in shifts]
    poses += list(phase_randomised(angles, n_phase, seed))
    weights = np.ones((1, len(times)))
    if n_bootstrap:
        weights = np.concatenate([weights, block_weights(times, n_bootstrap, block_s, seed)])

    if pooling == "pooled":
        min_neighbours, combine = 1, pooled
    else:
        combine = per_anchor
    tracks, draws = pair_sums(features, poses, times, radius, min_gap_s, min_neighbours, weights)
    r_tracks = combine(tracks)
    known = bool(np.isfinite(r_tracks[0]))
    interval = (np.nan, np.nan)
    if n_bootstrap and known:
        r = combine(draws, weights)[1:]
        interval = tuple(float(v) for v in np.nanpercentile(r, [2.5, 97.5]))
    shift_null, phase_null = np.split(r_tracks[1:], [len(shifts)])
    return PairCorrelation(
        r=float(r_tracks[0]),
        n_pairs=int(tracks[0].sum()),
        n_anchors=int((tracks[0] > 0).sum()),
        feature=feature,
        pooling=pooling,
        radius=radius,
        min_gap_s=min_gap_s,
        interval=interval,
        shift_null=shift_null,
        phase_null=phase_null,
        p_shift=float(p_value(r_tracks[0], shift_null)) if n_null and known else np.nan,
        p_phase=float(p_value(r_tracks[0], phase_null)) if n_phase and known else np.nan,
    )


def _mean_std(values):
    finite = values[np.isfinite(values)]
    return (float(finite.mean()), float(finite.std())) if len(finite) else (np.nan, np.nan)
