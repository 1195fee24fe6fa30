"""Curves and histograms that show their numbers under the mouse: pose, HS and its calibration."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np
import plotly.graph_objects as go
from jaxtyping import Bool, Float
from numpy.typing import ArrayLike

from tfhkit.errors import check_shape
from tfhkit.palette import ANGLES, BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from tfhkit.teach.hover import INK, house_layout, packed


def pose_over_time(
    times: Float[np.ndarray, "T"],
    angles_rad: Float[np.ndarray, "_ 3"],
    earlier_rad: Float[np.ndarray, "_ 3"] | None = None,
    gap: Bool[np.ndarray, "T"] | None = None,
    earlier: str = "landmarks alone",
) -> go.Figure:
    """Three angles over time; the label under the mouse gives all of them at one frame.

    Args:
        times: seconds.
        angles_rad: (T, 3) pitch, yaw, roll.
        earlier_rad: (T, 3) angles of an earlier stage, drawn thin; or None.
        gap: frames to mark in yellow.
        earlier: name of the earlier stage.
    Raises:
        ShapeError: the angles are not one row for each time.
    """
    times, angles = np.asarray(times), np.degrees(angles_rad)
    check_shape("angles_rad", angles, (len(times), 3))
    traces = []
    if earlier_rad is not None:
        before = np.degrees(earlier_rad)
        check_shape("earlier_rad", before, angles.shape)
        traces += [
            _line(times, track, f"{name}, {earlier}", GREY, 1, "%{y:.1f}°", dash="dot")
            for name, track in zip(ANGLES, before.T)
        ]
    for (name, colour), track in zip(ANGLES.items(), angles.T):
        traces.append(_line(times, track, name, colour, 2, "%{y:.1f}°"))
    frames = _line(times, angles[:, 0], "frame", INK, 0, "%{customdata}")
    traces.append(frames | {"customdata": packed(np.arange(len(times)), "u2"), "opacity": 0,
                            "showlegend": False})  # fmt: skip
    marks = [_span(times, first, last) for first, last in _runs(gap)]
    if marks:
        swatch = {"color": ORANGE, "symbol": "square", "size": 11, "opacity": 0.5}
        named = {"marker": swatch, "name": "bridged frames", "hoverinfo": "skip"}
        traces.append({"type": "scatter", "mode": "markers", "x": [None], "y": [None]} | named)
    return _figure(
        traces, height=340, hovermode="x unified", shapes=marks,
        xaxis={"title": {"text": "time (s)"}, "hoverformat": ".2f"},
        yaxis={"title": {"text": "angle (degrees)"}},
    )  # fmt: skip


def angle_histograms(
    real_rad: Float[np.ndarray, "T 3"],
    generated_rad: Float[np.ndarray, "U 3"],
    hs: Sequence[float] | Float[np.ndarray, "3"],
    n_bins: int = 24,
) -> go.Figure:
    """How often each angle occurs in two tracks, and the area between their cumulative shares.

    Args:
        real_rad, generated_rad: pitch, yaw, roll.
        hs: HS of each of the three angles, for the titles.
        n_bins: number of bars of each histogram.
    Returns:
        Figure with the histograms above and the cumulative shares below.
    """
    traces: list[dict[str, Any]] = []
    layout: dict[str, Any] = {}
    titles: list[dict[str, Any]] = []
    for k, name in enumerate(ANGLES):
        pair = np.degrees(real_rad[:, k]), np.degrees(generated_rad[:, k])
        low, high = _ends(np.concatenate(pair))
        edges = np.linspace(low, high, n_bins + 1)
        axes = {"xaxis": f"x{k + 1}", "yaxis": f"y{k + 1}"}, {"xaxis": f"x{k + 1}",
                                                             "yaxis": f"y{k + 4}"}  # fmt: skip
        for track, colour, label in zip(pair, (GREY, RED), ("real", "generated")):
            share = 100 * np.histogram(track, edges)[0] / len(track)
            below = 100 * np.searchsorted(np.sort(track), edges, side="right") / len(track)
            bars = {"type": "bar", "width": float(edges[1] - edges[0]), "opacity": 0.6,
                    "x": packed((edges[1:] + edges[:-1]) / 2), "y": packed(share),
                    "hovertemplate": "%{y:.1f} % of the frames"}  # fmt: skip
            named = {"name": label, "legendgroup": label, "marker": {"color": colour}}
            traces.append(bars | named | axes[0] | {"showlegend": k == 0})
            curve = _line(edges, below, label, colour, 2, "%{y:.0f} % below")
            fill = {"fill": "tonexty", "fillcolor": _faint(BLUE, 0.25)} if label != "real" else {}
            traces.append(curve | fill | axes[1] | {"legendgroup": label, "showlegend": False})
        place = [0.36 * k, 0.36 * k + 0.28]
        layout[f"xaxis{k + 1}"] = {"domain": place, "anchor": f"y{k + 4}", "hoverformat": ".1f",
                                   "title": {"text": f"{name} (degrees)"}}  # fmt: skip
        layout[f"yaxis{k + 1}"] = {"domain": [0.56, 1], "anchor": f"x{k + 1}"}
        layout[f"yaxis{k + 4}"] = {"domain": [0, 0.44], "anchor": f"x{k + 1}", "range": [0, 103]}
        titles.append(_note(place[1], f"HS {hs[k]:.2f}"))
    layout["yaxis1"]["title"] = {"text": "frames (%)"}
    layout["yaxis4"]["title"] = {"text": "frames below (%)"}
    return _figure(traces, height=460, barmode="overlay", hovermode="x unified",
                   legend={"orientation": "h", "x": 0, "y": 1.09, "yanchor": "bottom"},
                   annotations=titles, **layout)  # fmt: skip


def calibration_curves(
    amounts_deg: Float[np.ndarray, "N"],
    curves: Mapping[str, Mapping[str, Float[np.ndarray, "N"]]],
    still_hs: float,
) -> go.Figure:
    """HS against an injected error; a menu chooses the angle that gets the error.

    Args:
        amounts_deg: sizes of the error.
        curves: for each entry of the menu, HS by kind of error.
        still_hs: HS of a head that does not move, drawn as a line.
    """
    first = next(iter(curves.values()))
    colours = dict(zip(first, (RED, BLUE, GREEN, PURPLE)))
    traces = [
        _line(amounts_deg, curve, kind, colours[kind], 2, "HS %{y:.3f}")
        for kind, curve in first.items()
    ]
    ends = [float(amounts_deg[0]), float(amounts_deg[-1])]
    level = {"line": {"color": GREY, "dash": "dash"}, "hovertemplate": f"HS {still_hs:.3f}"}
    traces.append({"type": "scatter", "mode": "lines", "x": ends, "y": [still_hs] * 2,
                   "name": "still head"} | level)  # fmt: skip
    buttons = [
        {"label": f"error on {which}", "method": "restyle",
         "args": [{"y": [packed(curve) for curve in kinds.values()]}, [*range(len(kinds))]]}
        for which, kinds in curves.items()
    ]  # fmt: skip
    menu = {"buttons": buttons, "x": 1, "xanchor": "right", "y": 1.02, "yanchor": "bottom",
            "bgcolor": "white"}  # fmt: skip
    return _figure(
        traces, height=360, hovermode="x unified", updatemenus=[menu],
        xaxis={"title": {"text": "error (degrees)"}, "hoverformat": ".1f"},
        yaxis={"title": {"text": "HS"}, "range": [0, 1.02]},
    )  # fmt: skip


def length_curves(
    lengths_s: Sequence[float],
    scores: Mapping[str, ArrayLike],
    areas: Mapping[str, ArrayLike],
    paper_hs: float = 0.859,
) -> go.Figure:
    """HS and AUC against the length of the compared parts, each with its spread.

    Args:
        lengths_s: N lengths.
        scores: by name, (N, 3) low end, middle and high end of HS.
        areas: the same for the AUC.
        paper_hs: a level to compare with.
    """
    traces: list[dict[str, Any]] = []
    for panel, (curves, colours) in enumerate(((scores, (BLUE, RED)), (areas, (INK, GREEN))), 1):
        axes = {"xaxis": f"x{panel}", "yaxis": f"y{panel}"}
        for (name, values), colour in zip(curves.items(), colours):
            low, middle, high = np.transpose(values)
            edge = {"type": "scatter", "mode": "lines", "line": {"width": 0},
                    "hoverinfo": "skip", "showlegend": False, "x": packed(lengths_s)}  # fmt: skip
            fill = {"fill": "tonexty", "fillcolor": _faint(colour, 0.15)}
            traces += [edge | {"y": packed(low)} | axes, edge | {"y": packed(high)} | fill | axes]
            said = "%{y:.3f} (%{customdata[0]:.2f} to %{customdata[1]:.2f})"
            line = _line(lengths_s, middle, name, colour, 2, said) | {"mode": "lines+markers"}
            spread = np.round(np.stack([low, high], 1), 3).tolist()
            traces.append(line | {"customdata": spread, "legend": f"legend{panel}"} | axes)
    level = _line([lengths_s[0], lengths_s[-1]], [paper_hs] * 2, f"the paper's mean, {paper_hs}",
                  GREY, 1, f"{paper_hs}", dash="dash")  # fmt: skip
    traces.append(level | {"legend": "legend1", "xaxis": "x1", "yaxis": "y1"})
    title = {"title": {"text": "length of each part (s)"}}
    box = {"y": 0.04, "yanchor": "bottom", "xanchor": "right", "bgcolor": "rgba(255,255,255,0.7)"}
    return _figure(
        traces, height=360, hovermode="x unified",
        xaxis1=title | {"domain": [0, 0.45], "anchor": "y1"},
        xaxis2=title | {"domain": [0.55, 1], "anchor": "y2"},
        yaxis1={"title": {"text": "HS"}, "range": [0, 1.02], "anchor": "x1"},
        yaxis2={"title": {"text": "AUC, same above others"}, "range": [0.45, 1.02], "anchor": "x2"},
        legend1=box | {"x": 0.44}, legend2=box | {"x": 0.99},
    )  # fmt: skip


def _figure(traces, **layout):
    return go.Figure({"data": traces, "layout": house_layout(**layout)})


def _line(x, y, name, colour, width, said, dash="solid"):
    line = {"color": colour, "width": width, "dash": dash}
    return {"type": "scatter", "mode": "lines", "x": packed(x), "y": packed(y), "name": name,
            "line": line, "hovertemplate": said}  # fmt: skip


def _ends(values):
    low, high = float(np.min(values)), float(np.max(values))
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _runs(mask):
    """First and last index of every run of true values."""
    places = np.flatnonzero(mask) if mask is not None else []
    grouped = groupby(enumerate(places), lambda pair: pair[1] - pair[0])
    runs = [[int(place) for _, place in run] for _, run in grouped]
    return [(run[0], run[-1]) for run in runs]


def _span(times, first, last):
    """A yellow band over frames, half a frame wider on both sides."""
    half = float(np.median(np.diff(times))) / 2 if len(times) > 1 else 0.5
    return {"type": "rect", "xref": "x", "yref": "paper", "y0": 0, "y1": 1, "layer": "below",
            "x0": float(times[first]) - half, "x1": float(times[last]) + half,
            "fillcolor": ORANGE, "opacity": 0.3, "line": {"width": 0}}  # fmt: skip


def _note(x, text):
    return {"text": text, "x": x, "y": 1, "xref": "paper", "yref": "paper", "showarrow": False,
            "xanchor": "right", "yanchor": "bottom"}  # fmt: skip


def _faint(colour, alpha):
    red, green, blue = (int(colour[k : k + 2], 16) for k in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"
