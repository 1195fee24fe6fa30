"""One clip's fit in one figure: pictures before and after, errors, doubts, numbers."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.transforms import offset_copy

from tfhkit.camera import CROP_PX, Camera
from tfhkit.face.model import MorphableModel
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import reproject
from tfhkit.fit.clip import Fit, read_frames
from tfhkit.fit.initialise import BundleState
from tfhkit.fit.plots import over
from tfhkit.fit.report import INNER, MOUTH, landmark_errors
from tfhkit.media.clip import FrameSource
from tfhkit.palette import ANGLES, BLUE, RED
from tfhkit.render import render

N_SHOWN = 5  # frames in the upper part
FULL_SCALE = 0.25  # colour difference, of 1, at the ends of the colour map
_SIZE_PX = 2 * CROP_PX
_WIDTH_IN, _HEIGHT_IN = 8.0, 10.9
_ROWS = ("picture", "landmarks\nonly", "with\npixels", "difference,\nlandmarks\nonly",
         "difference,\nwith pixels")  # fmt: skip
_INNER, _MOUTH, _BRIDGED, _BEFORE = BLUE, RED, "#F2E3C0", "0.6"
# key of the report, which item of it, head, digits after the point
_NUMBERS = (
    ("nme_inner_pct", None, "landmarks,\ninner (%)", 2),
    ("nme_mouth_pct", None, "landmarks,\nmouth (%)", 2),
    ("photometric_l1", None, "skin, colour\nL1 (of 1)", 4),
    ("jitter_deg", None, "jitter\n(deg/frame²)", 3),
    ("sigma_deg", 0, "σ pitch\n(deg)", 2),
    ("sigma_deg", 1, "σ yaw\n(deg)", 2),
    ("sigma_deg", 2, "σ roll\n(deg)", 2),
    ("id_rms", None, "identity\nrms", 2),
    ("exp_rms", None, "expression\nrms", 2),
)


def show_fit(
    clip: FrameSource, before: Fit, after: Fit, model: MorphableModel | None = None
) -> Figure:
    """All about one fit in a figure of a page's size.

    Above, frames spread over the yaw and the worst one: as they are, with the fit by landmarks
    and the one with pixels over them, and how far both are from the picture's colours. Then, over
    time, the landmark errors (bridged frames left out) and the pose with a band of two standard
    deviations. Below, the numbers of both reports, but for sigma by landmarks only: that counts on
    an assumed error of the landmarks, not on one that was read off, and does not compare.

    Args:
        clip: Clip that was fitted.
        before: Fit by landmarks only (`fit_clip` with photometric=None). after: Fit with pixels.
        model: MorphableModel that was fitted; read again by default.
    Returns:
        matplotlib Figure.
    """
    model = model or after.load_model()
    figure = Figure((_WIDTH_IN, _HEIGHT_IN), dpi=200)
    report = after.report
    facts = f"{report['frames']} frames, {report['duration_s']:.1f} s, "
    facts += f"{report['bridged_frames']} interpolated; landmarks: {report['landmark_backend']}; "
    facts += f"face model: {after.model_name}"
    style: dict[str, Any] = {"fontsize": 9, "va": "top", "parse_math": False}
    figure.text(0.02, 0.988, _short(Path(clip.path).name), weight="bold", **style)
    figure.text(0.98, 0.988, facts, ha="right", **style)
    shown = shown_frames(after)
    _draw_pictures(figure, clip, before, after, model, shown)
    _draw_times(figure, before, after, model, shown)
    _draw_numbers(figure, before.report, report)
    return figure


def shown_frames(fit: Fit) -> list[int]:
    """Up to five frames: from one end of the yaw to the other, and last the worst one.

    The worst frame's neighbours and bridged frames are left out.
    """
    worst, yaw = fit.report["worst_frames"][0], fit.coefficients.angles[:, 1]
    apart = np.abs(np.arange(len(fit)) - worst) > len(fit) / 25
    rest = np.flatnonzero(~fit.gap & apart)
    if not len(rest):
        return [worst]
    wanted = np.linspace(yaw[rest].min(), yaw[rest].max(), N_SHOWN - 1)
    nearest = {int(rest[np.abs(yaw[rest] - angle).argmin()]) for angle in wanted}
    return [*sorted(nearest, key=lambda i: yaw[i]), worst]


def fit_errors(model: MorphableModel, fit: Fit) -> Float[np.ndarray, "T 68"]:
    """(T, 68) distances of the fit's landmarks from the detected ones; see `landmark_errors`."""
    state = BundleState.from_coefficients(fit.coefficients)
    predicted = reproject(landmark_basis(model), state, Camera())
    return landmark_errors(fit.landmarks_px.astype(float), fit.crop.to_frame(predicted.numpy()))


def _draw_pictures(figure, clip, before, after, model, shown):
    frames = dict(zip(sorted(shown), read_frames(clip, sorted(shown))))
    images = np.stack([after.crop.image(frames[i], _SIZE_PX) for i in shown])
    rows, differences, means = [images], [], []
    for fit in (before, after):
        with torch.no_grad():
            drawn = render(model, fit.coefficients[shown], Camera(_SIZE_PX), supersample=2).numpy()
        rows.append([over(image, rgba) for image, rgba in zip(images, drawn)])
        off = np.where(drawn[..., 3:] == 1, drawn[..., :3] - images / 255, np.nan)
        differences.append(off.mean(-1))
        means.append(np.nanmean(np.abs(off), (1, 2, 3)))
    grid = figure.add_gridspec(5, N_SHOWN, left=0.125, right=0.895, bottom=0.415, top=0.94,
                               wspace=0.03, hspace=0.03)  # fmt: skip
    axes = grid.subplots()
    boxes = _boxes(after, shown)
    look = {"cmap": "PuOr_r", "vmin": -FULL_SCALE, "vmax": FULL_SCALE}
    for row, pictures in enumerate([*rows, *differences]):
        for axis, picture, (left, top, side) in zip(axes[row], pictures, boxes):
            mapped = axis.imshow(picture, **(look if row > 2 else {}))
            axis.set(xlim=(left, left + side), ylim=(top + side, top), facecolor="0.88")
        middle = axes[row, 0].get_position()
        figure.text(0.115, (middle.y0 + middle.y1) / 2, _ROWS[row], fontsize=8, ha="right",
                    va="center")  # fmt: skip
    yaw = np.degrees(after.coefficients.angles[:, 1])
    for k, (letter, i) in enumerate(zip("abcde", shown)):
        name = f"{letter}: frame {i}" + (", the worst" if i == shown[-1] else "")
        axes[0, k].set_title(f"{name}\nyaw {yaw[i]:z.0f}°", fontsize=7.5, pad=3)
        for row in (0, 1):
            axes[3 + row, k].text(0.97, 0.03, f"{means[row][k]:.3f}", fontsize=7, ha="right",
                                  transform=axes[3 + row, k].transAxes)  # fmt: skip
    for axis in axes.flat:
        axis.set(xticks=(), yticks=())
        axis.spines[:].set_visible(False)
    low, high = axes[4, -1].get_position(), axes[3, -1].get_position()
    bar = figure.add_axes((0.905, low.y0, 0.014, high.y1 - low.y0))
    meaning = "rendering − picture (of 1); number: mean size"
    figure.colorbar(mapped, bar, extend="both").set_label(meaning, fontsize=7)
    bar.tick_params(labelsize=7)


def _boxes(fit, frames):
    """(left, top, side) of a square around each face, in pixels of the crops; one side for all."""
    points = fit.crop.to_crop(fit.landmarks_px[frames]) * (_SIZE_PX / CROP_PX)
    low, high = points.min(1), points.max(1)
    size = (high - low).max()
    side = min(1.45 * size, _SIZE_PX)
    corner = (low + high) / 2 - side / 2 - [0, 0.12 * size]  # up: the forehead has no landmarks
    return [(*place, side) for place in corner.clip(0, _SIZE_PX - side) - 0.5]


def _draw_times(figure, before, after, model, shown):
    times, step_s = after.times, float(np.median(np.diff(after.times)))
    grid = figure.add_gridspec(4, 1, left=0.125, right=0.98, bottom=0.125, top=0.385, hspace=0.16,
                               height_ratios=(1.3, 1, 1, 1))  # fmt: skip
    axes = grid.subplots(sharex=True)
    errors = np.where(after.gap[:, None], np.nan, fit_errors(model, after))
    inner, mouth = errors[:, INNER].mean(1), errors[:, MOUTH].mean(1)
    axes[0].plot(times, mouth, color=_MOUTH, lw=1, ls=(0, (4, 1)))
    axes[0].plot(times, inner, color=_INNER, lw=1.2)
    worst, unsure = after.report["worst_frames"], after.report["unsure_frames"]
    above = offset_copy(axes[0].transData, figure, y=4, units="points")
    axes[0].plot(times[worst], inner[worst], "kv", ms=4, transform=above)
    axes[0].set_ylim(0, 1.25 * np.nanmax([inner, mouth]))
    axes[0].set_ylabel("landmark error\n(% eye distance)", fontsize=7.5)
    tracks = np.degrees(before.coefficients.angles), np.degrees(after.coefficients.angles)
    for k, (axis, (name, colour)) in enumerate(zip(axes[1:], ANGLES.items())):
        middle, band = tracks[1][:, k], 2 * after.sigma_deg[:, k]
        axis.fill_between(times, middle - band, middle + band, color=colour, alpha=0.3, lw=0)
        axis.plot(times, tracks[0][:, k], color=_BEFORE, lw=0.8)
        axis.plot(times, middle, color=colour, lw=1)
        axis.plot(times[unsure], middle[unsure], "ko", mfc="none", ms=4.5)
        axis.set_ylabel(f"{name}\n(deg)", fontsize=8)
        axis.margins(y=0.12)
    for axis in axes:
        axis.bar(times[after.gap], 1, step_s, transform=axis.get_xaxis_transform(),
                 color=_BRIDGED, zorder=0)  # fmt: skip
        for i in shown:
            axis.axvline(times[i], color="0.5", lw=0.7, ls=":", zorder=0.5)
        axis.set_xlim(times[0] - step_s / 2, times[-1] + step_s / 2)
        axis.spines[["top", "right"]].set_visible(False)
        axis.tick_params(labelsize=7)
    axes[-1].set_xlabel("time (s)", fontsize=8)
    for letter, i in zip("abcde", shown):
        axes[0].text(times[i], 1.0, letter, fontsize=7, ha="center", va="bottom",
                     transform=axes[0].get_xaxis_transform())  # fmt: skip
    _draw_legend(figure, after.gap.any())
    figure.align_ylabels(axes)


def _draw_legend(figure, bridged):
    line, patch = (lambda **style: Line2D((), (), **style)), Patch
    entries = {
        "inner face": line(color=_INNER, lw=1.2),
        "mouth": line(color=_MOUTH, lw=1, ls=(0, (4, 1))),
        "worst frames": line(color="k", marker="v", ms=4, lw=0),
        "pose, ±2σ": (patch(color=_INNER, alpha=0.3, lw=0), line(color=_INNER, lw=1)),
        "landmarks only": line(color=_BEFORE, lw=0.8),
        "least certain frames": line(color="k", marker="o", ms=4.5, mfc="none", lw=0),
    } | ({"bridged": patch(color=_BRIDGED)} if bridged else {})
    figure.legend(entries.values(), entries.keys(), loc="upper center", ncol=len(entries),
                  bbox_to_anchor=(0.5, 0.412), fontsize=7, frameon=False, handlelength=1.6,
                  columnspacing=1.4)  # fmt: skip


def _draw_numbers(figure, before, after):
    axis = figure.add_axes((0.02, 0.008, 0.96, 0.075))
    axis.set(xlim=(0, 1), ylim=(0, 1))
    axis.axis("off")
    for y, width in ((1.0, 1.0), (0.5, 0.5), (0.0, 1.0)):
        axis.axhline(y, color="k", lw=width, clip_on=False)
    rows = ("landmarks only", 0.36, before), ("with pixels", 0.13, after)
    places = 0.14 + (np.arange(len(_NUMBERS)) + 0.98) * 0.86 / len(_NUMBERS)
    for name, y, _ in rows:
        axis.text(0.005, y, name, fontsize=8, va="center")
    for x, (key, item, head, digits) in zip(places, _NUMBERS):
        axis.text(x, 0.75, head, fontsize=7.5, ha="right", va="center")
        for _, y, report in rows:
            value = report[key] if item is None else report[key][item]
            text = "–" if key == "sigma_deg" and report is before else f"{value:.{digits}f}"
            axis.text(x, y, text, fontsize=8, ha="right", va="center")


def _short(name, most=40):
    return name if len(name) <= most else f"{name[: most - 1]}…"
