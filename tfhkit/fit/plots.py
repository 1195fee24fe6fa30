"""Figures about a fit: landmarks on frames, the fitted head over the picture, pose tracks."""

from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from tfhkit.camera import CROP_PX, Camera, project, to_world
from tfhkit.face.model import MorphableModel
from tfhkit.fit.clip import Fit
from tfhkit.palette import ANGLES, AXES, BLUE, GREEN, ORANGE, RED, SKY, YELLOW
from tfhkit.render import render

# iBUG order: jaw, brows, nose, eyes, lips.
LINES = (
    ("jaw", range(0, 17)),
    ("brows", range(17, 22)),
    ("brows", range(22, 27)),
    ("nose", range(27, 31)),
    ("nose", range(31, 36)),
    ("eyes", [*range(36, 42), 36]),
    ("eyes", [*range(42, 48), 42]),
    ("lips", [*range(48, 60), 48]),
    ("lips", [*range(60, 68), 60]),
)
# Okabe-Ito colours, told apart with every kind of colour vision.
COLOURS = {
    "jaw": SKY,
    "brows": ORANGE,
    "nose": YELLOW,
    "eyes": GREEN,
    "lips": RED,
}


def draw_landmarks(axis: Axes, points_px: Float[np.ndarray, "68 2"], **style: Any) -> None:
    """Draw 68 landmarks as coloured lines on a matplotlib axis; points (68, 2), centres at +0.5."""
    points = np.asarray(points_px) - 0.5  # imshow puts pixel centres at whole numbers
    for part, ids in LINES:
        line = points[list(ids)]
        axis.plot(*line.T, "-o", color=COLOURS[part], ms=2.5, lw=1, **style)


def draw_axes(
    axis: Axes,
    angles: Float[Tensor, "3"],
    trans: Float[Tensor, "3"],
    size_px: int = CROP_PX,
    length_dm: float = 0.8,
) -> None:
    """Draw the head's own axes, x, y and z, where they lie in a crop of `size_px` pixels.

    Args:
        axis: matplotlib axis that shows the crop.
        angles: (3,) pitch, yaw, roll in radians; trans: (3,) dm (tensors).
    """
    ends = torch.cat([torch.zeros(1, 3), length_dm * torch.eye(3)])
    world = to_world(ends[None], angles[None], trans[None])[0]
    origin, *tips = project(world, Camera(size_px))[0].numpy() - 0.5
    for tip, colour in zip(tips, AXES.values()):
        arrow = {"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 0, "shrinkB": 0}
        axis.annotate("", tip, origin, arrowprops=arrow)
    axis.plot(*origin, "o", color=BLUE, ms=4)  # the z axis seen from its tip


def show_frames(
    images: Sequence[UInt8[np.ndarray, "_ _ 3"]],
    titles: Sequence[str] | None = None,
    landmarks: Sequence[Float[np.ndarray, "68 2"]] | None = None,
    columns: int = 4,
    width: float = 2.6,
) -> Figure:
    """A grid of pictures, with landmarks where given.

    Args:
        images: list of (H, W, 3) uint8.
        titles: list of strings.
        landmarks: list of (68, 2) arrays in the pictures' pixels, or None.
        columns: pictures per row.
        width: inches per picture.
    Returns:
        matplotlib Figure.
    """
    rows = -(-len(images) // columns)
    ratio = images[0].shape[0] / images[0].shape[1]
    columns = min(columns, len(images))
    figure, axes = plt.subplots(
        rows, columns, figsize=(width * columns, (width * ratio + 0.3) * rows), squeeze=False
    )
    for i, axis in enumerate(axes.flat):
        axis.axis("off")
        if i >= len(images):
            continue
        axis.imshow(images[i])
        if landmarks is not None:
            draw_landmarks(axis, landmarks[i])
            axis.set(xlim=(-0.5, images[i].shape[1] - 0.5), ylim=(images[i].shape[0] - 0.5, -0.5))
        if titles:
            axis.set_title(titles[i], fontsize=9)
    figure.tight_layout()
    return figure


def over(
    image: UInt8[np.ndarray, "S S 3"], rgba: Float[Any, "S S 4"]
) -> UInt8[np.ndarray, "S S 3"]:
    """Put a rendering (S, S, 4) in [0, 1] over a picture (S, S, 3) uint8."""
    rgba = np.asarray(rgba)
    mixed = rgba[..., :3] * rgba[..., 3:] + image / 255 * (1 - rgba[..., 3:])
    return np.rint(255 * mixed.clip(0, 1)).astype(np.uint8)


def overlay(
    model: MorphableModel,
    fit: Fit,
    frame: UInt8[np.ndarray, "H W 3"],
    index: int,
    size_px: int = CROP_PX,
    region: str = "face",
) -> tuple[UInt8[np.ndarray, "S S 3"], UInt8[np.ndarray, "S S 3"]]:
    """A frame's crop, and the fitted head over it: two (S, S, 3) uint8 pictures."""
    image = fit.crop.image(frame, size_px)
    one = fit.coefficients[[index]].map(torch.as_tensor)
    with torch.no_grad():
        rgba = render(model, one, Camera(size_px), region=region)[0]
    return image, over(image, rgba)


def show_pose(
    times: Float[np.ndarray, "T"],
    angles: Float[np.ndarray, "T 3"],
    marks: Iterable[float] | None = None,
) -> Figure:
    """Pitch, yaw and roll in degrees over time; `marks` are times of vertical lines."""
    figure, axis = plt.subplots(figsize=(8, 2.6))
    for track, (name, colour) in zip(np.degrees(angles).T, ANGLES.items()):
        axis.plot(times, track, label=name, color=colour)
    for mark in marks or ():
        axis.axvline(mark, color="0.5", lw=1, ls="--")
    axis.set(xlabel="time (s)", ylabel="angle (degrees)")
    axis.legend(ncol=3, frameon=False, loc="lower right", bbox_to_anchor=(1, 0.97))
    axis.spines[["top", "right"]].set_visible(False)
    figure.tight_layout()
    return figure
