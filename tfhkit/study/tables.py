"""What clips have in common: means over clips with intervals, and the pooled test."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy.stats import combine_pvalues

from tfhkit.stats import mean_interval
from tfhkit.study.work import Row

LEAST_CLIPS = 3  # for an interval over clips


def summarise(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """One line per stage, measure and method, over clips: the unit is the clip, not the frame.

    Args:
        rows: of the study, columns as in `work.COLUMNS`.
    Returns:
        Dicts of stage, measure, method, clips (number), mean, low and high (95 % of the mean, by a
        bootstrap over clips; None under LEAST_CLIPS), min, max, and p (the clips' p-values
        combined by Fisher's method; None where there are none).
    """
    groups: dict[tuple[str, str], dict[str, list[Row]]] = {}
    for one in rows:
        methods = groups.setdefault((one["stage"], one["measure"]), {})
        methods.setdefault(one["method"], []).append(one)
    return [
        {"stage": stage, "measure": measure, "method": method, **_over_clips(found)}
        for (stage, measure), methods in groups.items()
        for method, found in methods.items()
    ]


def _over_clips(rows: Sequence[Row]) -> dict[str, Any]:
    values = np.array([one["value"] for one in rows if one["value"] is not None], float)
    p = [one["p"] for one in rows if one.get("p") is not None]
    numbers: dict[str, Any] = {"clips": len(values), "mean": None, "low": None, "high": None}
    numbers |= {"min": None, "max": None, "p": pooled_p(p)}
    if len(values):
        numbers |= {"mean": values.mean(), "min": values.min(), "max": values.max()}
    if len(values) >= LEAST_CLIPS:
        low, high = interval_over_clips(values)
        numbers |= {"low": low, "high": high}
    return numbers


def interval_over_clips(values: np.ndarray) -> tuple[float, float]:
    """95 % interval of a mean, by a bootstrap over clips."""
    return mean_interval(values, np.arange(len(values)))  # a block is one clip


def pooled_p(p: Sequence[float]) -> float | None:
    """p-values of independent clips combined: is there an effect in any? Source: Fisher 1932."""
    return float(combine_pvalues(list(p)).pvalue) if len(p) else None
