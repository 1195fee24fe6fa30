"""Coarse images of a clip: renderings over (matched) background frames, for training and driving.

A background frame shows the person with an expression of its own: where the mouth was wide open,
its chin stays visible below the rendered one. So the part of the source's own face that expressions
move is first taken out of the background, with a margin, and the hole is filled smoothly with the
colours around it. Forehead and temples stay: the rendering fades out over them. Training images are
treated alike. There the hole also includes the outline of another frame's expression, so
that the refiner sees the same kind of ring around the face in training and at test time. (The
published code trains on one kind of composite and runs on another.)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol, runtime_checkable

import cv2
import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from scipy import ndimage
from torch import Tensor

from tfhkit.background.compose import compose
from tfhkit.camera import Camera
from tfhkit.coefficients import Coefficients
from tfhkit.errors import InputError, check_shape
from tfhkit.face import MorphableModel
from tfhkit.fit import Crop, Fit
from tfhkit.maths import smoothstep
from tfhkit.media import frames_at, load_arrays, save_arrays
from tfhkit.media.clip import FrameStream
from tfhkit.progress import Progress
from tfhkit.render import render, render_map

BATCH = 16
SUPERSAMPLE = 2  # antialiasing of the renderings
_MARGIN = 0.02  # of the crop's side: how far the hole reaches beyond the rendered face
_FEATHER = 1 / 64  # of the crop's side: the rendering's soft edge
_MOVES_DM = 0.02, 0.05  # way of a vertex that never, and always, opens a hole in the background

FrameNumbers = Sequence[int] | Int[np.ndarray, "..."]
# draws coefficients as a camera sees them: straight RGBA in [0, 1]
Draw = Callable[[Coefficients, Camera], Float[Tensor, "B S S 4"]]
# draws where hair or headgear lies over the rendering, in [0, 1]
DrawCover = Callable[[Coefficients, Camera], Float[Tensor, "B S S"]]
Composites = tuple[
    UInt8[np.ndarray, "N S S 3"], UInt8[np.ndarray, "N S S"], UInt8[np.ndarray, "N S S"]
]


@runtime_checkable
class DrivenMotion(Protocol):
    """What is drawn over other backgrounds: a `tfhkit.person.Motion`, or a stand-in for one."""

    @property
    def times(self) -> Float[np.ndarray, "T"]:
        """Seconds."""
        ...

    @property
    def exp(self) -> Float[np.ndarray, "T 64"]:
        """Expression."""
        ...

    @property
    def pose(self) -> Float[np.ndarray, "T 6"]:
        """Angles, then translation."""
        ...

    @property
    def source_index(self) -> Int[np.ndarray, "T"]:
        """Numbers of the frames that serve as backgrounds."""
        ...


@dataclass(frozen=True, eq=False)
class Look:
    """How a clip's face is rendered.

    Args:
        albedo: a detailed albedo; None takes the texture of the coefficients.
        backend: rasteriser.
    """

    albedo: Float[Tensor, "V 3"] | None = None
    backend: str = "auto"


PLAIN = Look()


@dataclass(frozen=True, eq=False)
class Coarse:
    """Composited renderings in time order: what the refiner refines (Sec. 3.3).

    Args:
        times: seconds.
        frames: numbers of the clip's frames that lie behind.
        render: the rendering over its background.
        mask: alpha of the rendering.
        changed: above 0 where the background was changed: rendering and hole.
        real: what was filmed at that moment, where it is known.
    """

    times: Float[np.ndarray, "T"]
    frames: Int[np.ndarray, "T"]
    render: UInt8[np.ndarray, "T S S 3"]
    mask: UInt8[np.ndarray, "T S S"]
    changed: UInt8[np.ndarray, "T S S"]
    real: UInt8[np.ndarray, "T S S 3"] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def save(self, path: str | Path) -> None:
        """Write everything to one `.npz`."""
        save_arrays(path, self)

    @classmethod
    def load(cls, path: str | Path) -> "Coarse":
        """Read what `save` wrote; InputError where the file holds something else."""
        return load_arrays(path, cls)


@dataclass(frozen=True, eq=False)
class Backdrops:
    """A clip's frames with the moving part of the person's own face taken out of them.

    Args:
        frames: frame numbers, increasing.
        pictures: crops, filled where the face was.
        holes: 255 where they were filled.
    """

    frames: Int[np.ndarray, "N"]
    pictures: UInt8[np.ndarray, "N S S 3"]
    holes: UInt8[np.ndarray, "N S S"]


def training_images(
    clip: FrameStream,
    fit: Fit,
    model: MorphableModel,
    size_px: int,
    frames: FrameNumbers,
    look: Look = PLAIN,
    seed: int = 0,
    progress: Progress | None = None,
) -> Coarse:
    """Renderings of frames with their own coefficients, over their own backgrounds.

    Args:
        clip: the clip whose frames are read. fit: its fit. model: the fitted model.
        size_px: side of the crops.
        frames: numbers of the frames, all below len(fit).
        look: how the face is rendered.
        seed: random seed of the shift in time that gives each hole its second outline.
        progress: called as progress(done, total, text).
    Returns:
        The images, with `real`.
    """
    numbers = _frame_numbers("frames", frames, len(fit))
    real = np.stack([crop for _, crop in read_crops(clip, fit.crop, numbers, size_px)])
    own = fit.coefficients[numbers]
    draw, cover = _drawer(model, look), _cover(model, fit, look)
    images = own_images(draw, model, own, real, look.backend, seed, progress, cover)
    return Coarse(fit.times[numbers], numbers, *images, real)


def own_images(
    draw: Draw,
    model: MorphableModel,
    coefficients: Coefficients,
    real: UInt8[np.ndarray, "N S S 3"],
    backend: str = "auto",
    seed: int = 0,
    progress: Progress | None = None,
    cover: DrawCover | None = None,
) -> Composites:
    """Renderings over the very frames that they are renderings of.

    Args:
        draw: draws coefficients as a camera sees them.
        model: the model whose face leaves holes in the frames.
        coefficients: of the N frames. real: crops of these frames.
        backend: rasteriser of the holes. seed, progress: as in `training_images`.
        cover: as in `composite`.
    Returns:
        render, mask and changed; see `Coarse`.
    """
    # Shifted in time, not shuffled: the ring then moves as smoothly as it does at test time.
    n_frames, size_px = real.shape[:2]
    others = np.roll(np.arange(n_frames), np.random.default_rng(seed).integers(1, max(2, n_frames)))
    disguised = coefficients.with_motion(coefficients.exp[others], coefficients.pose)
    holes = np.maximum(
        face_holes(model, coefficients, size_px, backend),
        face_holes(model, disguised, size_px, backend),
    )
    filled = np.stack([fill_hole(*pair) for pair in zip(real, holes)])
    return composite(draw, coefficients, filled, holes, progress, cover)


def open_backdrops(
    clip: FrameStream,
    fit: Fit,
    model: MorphableModel,
    frames: FrameNumbers,
    size_px: int,
    backend: str = "auto",
) -> Backdrops:
    """Backdrops of some frames of a clip.

    Args:
        clip: the clip whose frames are read. fit: its fit. model: the fitted model.
        frames: frame numbers in any order, repeated or not.
        size_px: side of the crops.
        backend: rasteriser of the holes.
    Returns:
        The backdrops, each frame once.
    """
    numbers = np.unique(_frame_numbers("source_index", frames, len(fit)))
    holes = face_holes(model, fit.coefficients[numbers], size_px, backend)
    crops = read_crops(clip, fit.crop, numbers, size_px)
    pictures = np.stack([fill_hole(crop, hole) for (_, crop), hole in zip(crops, holes)])
    return Backdrops(numbers, pictures, holes)


def driven_images(
    backdrops: Backdrops,
    fit: Fit,
    model: MorphableModel,
    motion: DrivenMotion,
    look: Look = PLAIN,
    progress: Progress | None = None,
) -> Coarse:
    """Renderings of other motion, over matched background frames.

    Identity and texture are the clip's; the light is that of the background frame.

    Args:
        backdrops: they hold all frames of the motion's `source_index`.
        fit: of the clip. model: the fitted model.
        motion: what the head does, and which frames are its backgrounds.
        look, progress: as in `training_images`.
    Returns:
        The images, without `real`; their frames are those of `source_index`.
    """
    numbers = _frame_numbers("source_index", motion.source_index, len(fit))
    check_shape("exp", motion.exp, (len(numbers), 64))
    check_shape("pose", motion.pose, (len(numbers), 6))
    rows = np.searchsorted(backdrops.frames, numbers)
    driven = fit.coefficients[numbers].with_motion(motion.exp, motion.pose)
    behind = backdrops.pictures[rows], backdrops.holes[rows]
    draw, cover = _drawer(model, look), _cover(model, fit, look)
    images = composite(draw, driven, *behind, progress, cover)
    return Coarse(motion.times, numbers, *images)


def _drawer(model, look):
    """`render` of a model with a look."""
    how = {"albedo": look.albedo, "backend": look.backend, "supersample": SUPERSAMPLE}
    return partial(render, model, **how)


def _cover(model, fit, look):
    """`render_map` of the fit's covered vertices; None where there are none."""
    if fit.covered is None or not fit.covered.any():
        return None
    how = {"backend": look.backend, "supersample": SUPERSAMPLE}
    return partial(render_map, model, values=torch.as_tensor(fit.covered), **how)


def composite(
    draw: Draw,
    coefficients: Coefficients,
    backgrounds: UInt8[np.ndarray, "N S S 3"],
    holes: UInt8[np.ndarray, "N S S"],
    progress: Progress | None = None,
    cover: DrawCover | None = None,
) -> Composites:
    """Draw in batches over backgrounds whose holes are filled.

    Args:
        draw: draws coefficients as a camera sees them.
        coefficients: of the N frames to draw.
        backgrounds: crops, filled where the face was. holes: from `face_holes`.
        progress: called as progress(done, total, text).
        cover: draws where the background lies over the rendering; None: nowhere.
    Returns:
        render, mask and changed; see `Coarse`.
    """
    n_frames, size_px = backgrounds.shape[:2]
    result = np.empty_like(backgrounds)
    mask = np.empty((n_frames, size_px, size_px), np.uint8)
    for first in range(0, n_frames, BATCH):
        part = slice(first, min(first + BATCH, n_frames))
        with torch.no_grad():
            rgba = draw(coefficients[part], Camera(size_px)).cpu().numpy()
            covered = np.zeros(rgba.shape[:3], np.float32)
            if cover is not None:
                drawn = cover(coefficients[part], Camera(size_px)).cpu().numpy()
                covered = (drawn / rgba[..., 3].clip(min=1e-6)).clip(0, 1)  # of what is drawn
        how = {"feather_px": size_px * _FEATHER, "covered": covered}
        result[part] = compose(rgba, backgrounds[part], **how)
        mask[part] = np.rint(rgba[..., 3] * (1 - covered) * 255).astype(np.uint8)
        if progress:
            progress(part.stop, n_frames, "rendering")
    return result, mask, np.maximum(mask, holes)


def face_holes(
    model: MorphableModel, coefficients: Coefficients, size_px: int, backend: str = "auto"
) -> UInt8[np.ndarray, "B S S"]:
    """Where the moving part of the face stands in its own frames, with a margin and a soft edge.

    A chin that was lower must not show below the rendered one. Forehead and temples stay where
    they are: there the rendering fades out over the frame's own skin, and no hole is filled with
    the colours of hair or wall.

    Args:
        model: the face that is rendered. coefficients: of B frames.
        size_px: side of the result.
        backend: rasteriser.
    Returns:
        255 where the background has to be replaced.
    """
    reach = max(2, round(_MARGIN * size_px))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    holes = np.empty((len(coefficients), size_px, size_px), np.uint8)
    moving = mobility(model)
    for first in range(0, len(holes), BATCH):
        part = coefficients[first : first + BATCH]
        shares = render_map(model, part, Camera(size_px), moving, backend=backend)
        for i, share in enumerate(shares.cpu().numpy(), first):
            grown = cv2.dilate((share * 255).astype(np.uint8), kernel)
            holes[i] = cv2.GaussianBlur(grown, (0, 0), reach / 3)
    return holes


def mobility(model: MorphableModel) -> Float[Tensor, "V"]:
    """Which vertices an expression moves noticeably: 0 for a forehead, 1 for a chin.

    It compares sqrt(sum_k |B_exp,k|^2), the vertex' root mean square way for expression
    coefficients of unit variance, with `_MOVES_DM`.
    """
    way_dm = model.exp_basis.square().sum((0, 2)).sqrt()
    share = smoothstep(*_MOVES_DM, way_dm.cpu().numpy())
    return torch.as_tensor(share, dtype=torch.float32, device=way_dm.device)


def fill_hole(
    image: UInt8[np.ndarray, "S S 3"], hole: UInt8[np.ndarray, "S S"]
) -> UInt8[np.ndarray, "S S 3"]:
    """Fill a hole with the nearest colours around it, smoothed.

    Args:
        image: the picture. hole: 255 inside the hole.
    Returns:
        The filled picture; pixels where `hole` is 0 are unchanged.
    """
    known = 1 - hole.astype(np.float32)[..., None] / 255
    # Only pixels that are wholly outside count as known: the soft edge still shows the face.
    certain = hole == 0
    if not certain.any():
        return np.broadcast_to(image.mean((0, 1)).round().astype(np.uint8), image.shape).copy()
    rows, columns = ndimage.distance_transform_edt(
        ~certain, return_distances=False, return_indices=True
    )
    nearest = image[rows, columns].astype(np.float32)
    filled = cv2.GaussianBlur(nearest, (0, 0), max(1.0, 0.015 * len(image)))
    mixed = known * image + (1 - known) * filled
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def read_crops(
    clip: FrameStream, crop: Crop, frames: FrameNumbers, size_px: int
) -> list[tuple[int, UInt8[np.ndarray, "S S 3"]]]:
    """Crops of frames, decoded once and in order.

    Args:
        clip: the clip whose frames are read. crop: which part of them. size_px: side of the crops.
        frames: frame numbers.
    Returns:
        (frame number, crop) in the order of `frames`.
    """
    crops = {i: crop.image(frame, size_px) for i, frame in frames_at(clip, frames)}
    return [(int(i), crops[int(i)]) for i in frames]


def _frame_numbers(name, values, n_frames):
    values = np.asarray(values, np.int64)
    check_shape(name, values, ("T",))
    if len(values) == 0 or values.min() < 0 or values.max() >= n_frames:
        found = f"{values.min()} to {values.max()}" if len(values) else "none"
        fault = f"has frames {found}, expected some of 0 to {n_frames - 1}"
        raise InputError(name, fault, "give frames of the clip")
    return values
