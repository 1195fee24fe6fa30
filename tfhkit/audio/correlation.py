"""Correlation of sound and head pose over pairs of frames (App. A), and its null distributions."""

from itertools import product

import numpy as np

from tfhkit.audio.estimates import CorrelationReport, PairCorrelation
from tfhkit.audio.mfcc import SR_HZ, mfcc_windows
from tfhkit.audio.pairs import pair_sums, per_anchor, pooled
from tfhkit.audio.resampling import (
    block_weights,
    circular_shifts,
    frame_step,
    p_value,
    phase_randomised,
)
from tfhkit.errors import InputError, ParameterError, check_shape

SETTINGS = {"plain": {"preemphasis": 0, "lifter": 0}, "network": {}}  # of `mfcc_windows`


def correlate(
    audio,
    angles_rad,
    times,
    sr_hz=SR_HZ,
    *,
    radius=0.5,
    min_gap_s=1.0,
    motion="pitch, yaw, roll",
    n_null=200,
    n_bootstrap=200,
    seed=0,
    progress=None,
):
    """App. A as stated, the same without temporal neighbours, and its open choices.

    The stated definition is taken as: plain MFCCs (no pre-emphasis, no lifter), the whole 28 x 12
    window as the feature, all pairs pooled, radius 0.5. With the network's own MFCC settings
    hardly any pair is inside the radius, because liftered coefficients differ by more than half
    their norm.

    Args:
        audio: (N,) float, mono; audio[0] is at time 0.
        angles_rad: (T, A) pitch, yaw, roll, or some of them; motion: what to call them.
        times: (T,) seconds, even steps.
        radius: radius of the neighbourhood, as a share of the anchor's norm.
        min_gap_s: pairs nearer in time are left out of the second estimate.
        n_null, n_bootstrap, seed: see `pair_correlation`; the phase null is drawn for the two
            main estimates only.
        progress: callable (done, total, text).
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
                sound=f"{settings} MFCC",
                motion=motion,
                feature=kind,
                pooling=pooling,
                radius=radius,
                min_gap_s=gap,
                n_null=n_null,
                n_phase=n_null if is_main else 0,
                n_bootstrap=n_bootstrap,
                seed=seed,
            )
            main |= {gap > 0: result} if is_main else {}
            variants += [] if is_main else [result]
            if progress:
                progress(len(main) + len(variants), 16, "estimates over pairs")
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
    sound="plain MFCC",
    motion="pitch, yaw, roll",
    feature="window",
    pooling="pooled",
    radius=0.5,
    min_gap_s=0.0,
    lag_s=0.0,
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
    the two null distributions show what such tracks give by chance.

    Args:
        features: (T, D), from `feature_vectors`.
        angles_rad: (T, A) angles; choose axes by passing fewer columns.
        times: (T,) seconds, even steps.
        sound, motion, feature: names for the result.
        pooling: "pooled", one correlation over all pairs; "per_anchor", the mean of the anchors'
            own correlations.
        radius: radius of the neighbourhood, as a share of the anchor's norm.
        min_gap_s: pairs nearer than this in time are left out; also across the track's ends, so
            that a turned track keeps the rule.
        lag_s: lag of the pose after the sound (its track shifted by the lag, so
            that no frame is lost); shifts of the null keep away from the true match.
        min_neighbours: an anchor with fewer has no correlation of its own (per anchor).
        n_null: shifted tracks; 0 for none. n_phase: phase-randomised tracks; None for as many.
        n_bootstrap: draws for the interval; 0 for none.
        min_shift_s, block_s: see `tfhkit.audio.resampling`.
        seed: random seed of the surrogates and the bootstrap.
    Returns:
        PairCorrelation; r is NaN where no pair is near enough, or nothing varies.
    Raises:
        InputError: NaN in the input, or a track that is too short to be shifted.
    Source: paper App. A, which leaves feature, pooling and neighbours in time open.
    """
    features = np.asarray(check_shape("features", features, ("T", None)), np.float64)
    angles = np.degrees(check_shape("angles_rad", angles_rad, (len(features), None)))
    times = np.asarray(check_shape("times", times, (len(features),)), np.float64)
    if not radius > 0:
        raise ParameterError("radius", f"must be positive, got {radius}", "the paper's is 0.5")
    if not min_gap_s >= 0:
        raise ParameterError("min_gap_s", f"is {min_gap_s}", "give 0 or more seconds")
    if pooling not in ("pooled", "per_anchor"):
        raise ParameterError("pooling", f"unknown {pooling!r}", "choose 'pooled' or 'per_anchor'")
    for name, values in (("features", features), ("angles_rad", angles)):
        if not np.isfinite(values).all():
            raise InputError(name, "contains NaN", "leave out frames without a pose")

    n_phase = n_null if n_phase is None else n_phase
    angles = np.roll(angles, -round(lag_s / frame_step(times)), axis=0)
    shifts = circular_shifts(times, n_null, min_shift_s + abs(lag_s), seed) if n_null else []
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
        sound=sound,
        motion=motion,
        feature=feature,
        pooling=pooling,
        radius=radius,
        min_gap_s=min_gap_s,
        lag_s=lag_s,
        interval=interval,
        shift_null=shift_null,
        phase_null=phase_null,
        p_shift=float(p_value(r_tracks[0], shift_null)) if n_null and known else np.nan,
        p_phase=float(p_value(r_tracks[0], phase_null)) if n_phase and known else np.nan,
    )
