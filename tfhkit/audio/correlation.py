"""Sound and head pose of a clip (App. A): features, series, and all estimates in one report."""

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float

from tfhkit.audio.mfcc import SR_HZ, mfcc_windows
from tfhkit.audio.prosody import Prosody, prosody
from tfhkit.errors import ParameterError, check_shape
from tfhkit.progress import Progress
from tfhkit.stats import (
    CorrelationReport,
    LaggedCorrelation,
    PairCorrelation,
    PairSettings,
    lagged_correlation,
    pair_correlation,
)

# keyword arguments of `mfcc_windows`
SETTINGS: dict[str, dict[str, Any]] = {"plain": {"preemphasis": 0, "lifter": 0}, "network": {}}
STATED = PairSettings(min_gap_s=1.0)


def correlate(
    audio: Float[np.ndarray, "..."],
    angles_rad: Float[np.ndarray, "..."],
    times: Float[np.ndarray, "..."],
    sr_hz: int = SR_HZ,
    settings: PairSettings = STATED,
    *,
    motion: str = "pitch, yaw, roll",
    progress: Progress | None = None,
) -> CorrelationReport:
    """App. A as stated, the same without temporal neighbours, and its open choices.

    The stated definition is taken as: plain MFCCs (no pre-emphasis, no lifter), the whole 28 x 12
    window as the feature, all pairs pooled, radius 0.5. With the network's own MFCC settings
    hardly any pair is inside the radius, because liftered coefficients differ by more than half
    their norm.

    Args:
        audio: (N,) float, mono; audio[0] is at time 0.
        angles_rad: (T, A) pitch, yaw, roll, or some of them; motion: what to call them.
        times: (T,) seconds, even steps.
        settings: PairSettings; its `min_gap_s`, above 0, is that of the second estimate. Every
            estimate has its own `pooling`; the phase null is drawn for the two main ones only.
        progress: callable (done, total, text).
    Returns:
        CorrelationReport; its variants are plain/network MFCCs x window/vector x pooled/per
        anchor x with/without neighbours in time. An estimate without pairs has r = NaN.
    Raises:
        ParameterError, InputError: as `pair_correlation`.
    """
    if not settings.min_gap_s > 0:
        fault = f"is {settings.min_gap_s}, so no neighbours would be left out"
        raise ParameterError("min_gap_s", fault, "give seconds above 0")
    variants: list[PairCorrelation] = []
    main: dict[bool, PairCorrelation] = {}
    for mfcc, keywords in SETTINGS.items():
        windows = mfcc_windows(audio, times, sr_hz, **keywords)
        for kind, pooling, gap in product(
            ("window", "vector"), ("pooled", "per_anchor"), (0.0, settings.min_gap_s)
        ):
            is_main = (mfcc, kind, pooling) == ("plain", "window", "pooled")
            n_phase = settings.n_null if is_main else 0
            result = pair_correlation(
                feature_vectors(windows, kind),
                angles_rad,
                times,
                replace(settings, pooling=pooling, min_gap_s=gap, n_phase=n_phase),
                sound=f"{mfcc} MFCC",
                motion=motion,
                feature=kind,
            )
            main |= {gap > 0: result} if is_main else {}
            variants += [] if is_main else [result]
            if progress:
                progress(len(main) + len(variants), 16, "estimates over pairs")
    return CorrelationReport(main[False], main[True], tuple(variants))


def correlate_lags(
    audio: Float[np.ndarray, "N"],
    angles_rad: Float[np.ndarray, "T 3"],
    times: Float[np.ndarray, "T"],
    max_lag_s: float = 1.0,
    **draws: int,
) -> LaggedCorrelation:
    """Each series of the sound with each of the head's, one shifted against the other.

    Args:
        audio: (N,) float, mono, 16 kHz; audio[0] is at time 0.
        angles_rad: (T, 3) pitch, yaw, roll. times: (T,) seconds, even steps.
        max_lag_s: largest lag; at most an eighth of the clip is taken.
        draws: n_null, n_bootstrap and seed of `lagged_correlation`.
    """
    return lagged_correlation(
        sound_series(mfcc_windows(audio, times), prosody(audio, times)),
        motion_series(angles_rad, times),
        times,
        max_lag_s=min(max_lag_s, float(times[-1] - times[0]) / 8),
        **draws,
    )


def feature_vectors(
    windows: Float[np.ndarray, "T 28 12"], kind: str = "window"
) -> Float[np.ndarray, "T D"]:
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


def sound_series(
    windows: Float[np.ndarray, "T 28 12"], voice: Prosody
) -> dict[str, Float[np.ndarray, "T"]]:
    """Named series of the sound: energy, pitch and the 12 coefficients at the frame.

    Args:
        windows: (T, 28, 12) MFCC windows.
        voice: Prosody of the same frames.
    Returns:
        dict of name -> (T,).
    """
    middle = windows[:, 13:15].mean(axis=1)
    series = {"energy (dB)": voice.energy_db, "voice pitch (st)": voice.pitch_st}
    return series | {f"MFCC c{i + 1}": middle[:, i] for i in range(middle.shape[1])}


def motion_series(
    angles_rad: Float[np.ndarray, "T 3"], times: Float[np.ndarray, "T"]
) -> dict[str, Float[np.ndarray, "T"]]:
    """Named series of the head: the three angles in degrees, their speeds, and the total speed.

    Args:
        angles_rad: (T, 3) pitch, yaw, roll.
        times: (T,) seconds.
    Returns:
        dict of name -> (T,).
    """
    angles = np.degrees(check_shape("angles_rad", angles_rad, (len(times), 3)))
    speed = np.gradient(angles, times, axis=0)
    names = ("pitch", "yaw", "roll")
    series = {f"head {name} (deg)": angles[:, i] for i, name in enumerate(names)}
    series |= {f"|{name} speed| (deg/s)": np.abs(speed[:, i]) for i, name in enumerate(names)}
    return series | {"head speed (deg/s)": np.linalg.norm(speed, axis=1)}
