"""Figures about the model: the 257-vector, the bases' variance, the camera before the head."""

from collections.abc import Mapping

import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Float
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from torch import Tensor

from tfhkit.camera import CROP_PX, DISTANCE, FOCAL_PX
from tfhkit.coefficients import N_COEFFICIENTS, SLICES
from tfhkit.face.model import MorphableModel
from tfhkit.palette import AXES, BLUE, GREEN, PURPLE, RED

# Okabe-Ito colours; green for what each frame has of its own, blue for what a clip shares.
_SHARED, _OWN = BLUE, GREEN
_PARTS = {
    "id": (r"$\alpha$  identity", _SHARED),
    "exp": (r"$\beta$  expression", _OWN),
    "tex": (r"$\delta$  texture", _SHARED),
    "angles": (r"$\mathbf{p}$" + "  angles", _OWN),
    "light": (r"$\gamma$  light", _SHARED),
    "trans": (r"$\mathbf{p}$" + "  translation", _OWN),
}


def show_vector(values: Float[np.ndarray, "257"] | Float[Tensor, "257"] | None = None) -> Figure:
    """The 257 numbers of Sec. 3.1 in their order, as one bar, with their values below if given.

    Args:
        values: (257,) of one frame, or None.
    Returns:
        matplotlib Figure. Blue parts are one for a clip, green parts are each frame's own.
    """
    n_rows = 1 if values is None else 2
    size_in = (10, 1.1 if values is None else 2.6)
    figure, axes = plt.subplots(n_rows, 1, figsize=size_in, sharex=True, squeeze=False)
    bar = axes[0, 0]
    for name, part in SLICES.items():
        label, colour = _PARTS[name]
        size, middle = part.stop - part.start, (part.start + part.stop) / 2
        bar.barh(0, size, left=part.start, height=0.8, color=colour, edgecolor="white")
        if size < 10:  # too narrow to hold its name
            right = part.start if part.stop < N_COEFFICIENTS else part.stop
            bar.text(right, 0.5, f"{label} ({size})", ha="right", color=colour, fontsize=8)
        else:
            text = f"{label} ({size})"
            bar.text(middle, 0, text, ha="center", va="center", color="w", fontsize=9)
    bar.text(0, 0.5, "one for a clip", color=_SHARED, fontsize=9)
    bar.text(SLICES["exp"].start, 0.5, "one for each frame", color=_OWN, fontsize=9)
    bar.axis("off")
    bar.set(xlim=(0, N_COEFFICIENTS), ylim=(-0.45, 0.9))
    if values is not None:
        below = axes[1, 0]
        for name, part in SLICES.items():
            places = np.arange(part.start, part.stop) + 0.5
            below.bar(places, np.asarray(values)[part], width=0.8, color=_PARTS[name][1])
        below.set(xlabel="position in the vector", ylabel="value")
        below.spines[["top", "right"]].set_visible(False)
    return figure


def show_variance(model: MorphableModel, kept: Mapping[str, float] | None = None) -> Figure:
    """Share of the variance that the first components of each basis hold.

    A coefficient has unit variance, so a component's variance is the squared length of its basis
    vector, summed over the vertices.

    Args:
        model: MorphableModel.
        kept: names of bases -> share of the data's variance that all of its components hold.
    Returns:
        matplotlib Figure.
    """
    figure, axis = plt.subplots(figsize=(5.2, 2.8))
    bases = {"identity": model.id_basis, "expression": model.exp_basis, "texture": model.tex_basis}
    for (name, basis), colour in zip(bases.items(), (BLUE, GREEN, RED)):
        variance = basis.square().sum((1, 2)).double()
        share = variance.cumsum(0) / variance.sum() * (kept or {}).get(name, 1.0)
        axis.plot(np.arange(1, len(share) + 1), 100 * share, color=colour, label=name)
    axis.set(xlabel="components", ylabel="explained variance (%)", ylim=(40, 101), xlim=(0, 81))
    axis.grid(alpha=0.3)
    axis.legend(frameon=False, loc="lower right")
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def show_camera(model: MorphableModel) -> Figure:
    """The camera before the head, to scale: from the side, and what the camera sees."""
    figure, (side, front) = plt.subplots(
        1, 2, figsize=(11.5, 3.1), gridspec_kw={"width_ratios": (3.4, 1)}
    )
    _side_view(side, model)
    _front_view(front, model)
    figure.tight_layout(w_pad=2.5)
    return figure


def _silhouette(axis, points, faces):
    """Fill a mesh flat onto an axis; points (V, 2)."""
    triangles = PolyCollection(
        np.asarray(points)[faces], facecolor="0.82", edgecolor="0.82", lw=0.4
    )
    axis.add_collection(triangles)


def _arrow(axis, tip, name, text_at):
    style = {"arrowstyle": "-|>", "color": AXES[name], "lw": 2, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", tip, (0, 0), arrowprops=style)
    axis.text(*text_at, name, color=AXES[name], ha="center", va="center", fontsize=11)


def _side_view(axis, model):
    half = CROP_PX / 2 / FOCAL_PX  # half of the field of view, per dm of distance
    verts = model.mean_shape.numpy()
    _silhouette(axis, verts[:, [2, 1]], model.faces.numpy())
    for sign in (1, -1):
        axis.plot([DISTANCE, -2.2], [0, sign * half * (DISTANCE + 2.2)], color="0.4", lw=0.8)
    axis.plot([DISTANCE, -2.2], [0, 0], color="0.4", lw=0.8, ls=(0, (8, 4, 2, 4)))
    axis.plot([0, 0], [-half * DISTANCE, half * DISTANCE], color=PURPLE, lw=2)
    axis.text(0.1, -1.62, "what the crop shows\nat z = 0: 2.2 dm", color=PURPLE, fontsize=8)
    at = 7.6  # a scaled picture of the image plane, turned round to lie before the camera
    reach = half * (DISTANCE - at)
    axis.plot([at, at], [-reach, reach], color="k", lw=2)
    axis.text(at, reach + 0.12, "image, 224 px", ha="center", fontsize=8)
    both = {"arrowstyle": "<->", "color": "0.3", "lw": 0.8}
    axis.annotate("", (DISTANCE, -0.75), (at, -0.75), arrowprops=both)
    axis.text((DISTANCE + at) / 2, -0.95, "f = 1015 px", ha="center", va="top", fontsize=8)
    axis.annotate("", (DISTANCE, 1.35), (0, 1.35), arrowprops=both)
    axis.text(5, 1.42, "10 dm", ha="center", fontsize=8)
    axis.plot([DISTANCE], [0], "k", marker=(3, 0, 90), ms=13)
    axis.text(DISTANCE, 0.3, "camera", ha="center", fontsize=8)
    _arrow(axis, (0, 1.2), "y", (-0.25, 1.15))
    _arrow(axis, (1.5, 0), "z", (1.6, 0.22))
    axis.set(xlim=(-2.3, 10.6), ylim=(-1.75, 1.85), xlabel="z (dm)", ylabel="y (dm)")
    axis.set(aspect="equal", title="From the side")


def _front_view(axis, model):
    half = CROP_PX / 2 / FOCAL_PX * DISTANCE
    verts = model.mean_shape.numpy()
    _silhouette(axis, verts[:, :2] * (DISTANCE / (DISTANCE - verts[:, 2:])), model.faces.numpy())
    axis.add_patch(plt.Rectangle((-half, -half), 2 * half, 2 * half, ec=PURPLE, fc="none", lw=2))
    _arrow(axis, (0.8, 0), "x", (0.95, 0.12))
    _arrow(axis, (0, 0.8), "y", (-0.14, 0.85))
    axis.plot([0], [0], "o", color=AXES["z"], ms=6)
    axis.text(-0.16, -0.2, "z", color=AXES["z"], fontsize=11)
    pixel = {"arrowstyle": "-|>", "color": "k", "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    for tip, name, shift in (
        ((0.55, 0), "u (px)", (0.3, 0.12)),
        ((0, -0.55), "v (px)", (-0.28, -0.3)),
    ):
        start = np.array([-half, half])
        axis.annotate("", start + tip, start, arrowprops=pixel)
        axis.text(*(start + shift), name, fontsize=8, ha="center")
    axis.set(xlim=(-1.75, 1.75), ylim=(-1.75, 1.85), xlabel="x (dm)", ylabel="y (dm)")
    axis.set(aspect="equal", title="From the camera")
