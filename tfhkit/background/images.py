"""Coarse images of a clip: renderings over (matched) background frames, for training and driving.

A background frame shows the person with an expression of its own: where the mouth was wide open,
its chin stays visible below the rendered one. So the source's own face is first taken out of the
background and filled smoothly from around it, with a margin. Training images get the same
treatment, and there the hole also takes the outline of another frame's expression, so that the
refiner meets the same kind of ring around the face in training and at test time. (The published
code trains on one kind of composite and runs on another.)
"""

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import torch
from scipy import ndimage

from tfhkit.background.compose import compose
from tfhkit.camera import Camera
from tfhkit.errors import InputError, check_shape
from tfhkit.media import frames_at, load_arrays, save_arrays
from tfhkit.render import render

BATCH = 16
SUPERSAMPLE = 2  # antialiasing of the renderings
_MARGIN = 0.02  # of the crop's side: how far the hole reaches beyond the rendered face
_FEATHER = 1 / 64  # of the crop's side: the rendering's soft edge


@dataclass(frozen=True, eq=False)
class Coarse:
    """Composited renderings in time order: what the refiner refines (Sec. 3.3).

    Args:
        times: (T,) seconds.
        frames: (T,) int64 numbers of the clip's frames that lie behind.
        render: (T, S, S, 3) uint8, the rendering over its background.
        mask: (T, S, S) uint8, alpha of the rendering.
        changed: (T, S, S) uint8, above 0 where the background was changed: rendering and hole.
        real: (T, S, S, 3) uint8, what was filmed at that moment, where it is known.
    """

    times: np.ndarray
    frames: np.ndarray
    render: np.ndarray
    mask: np.ndarray
    changed: np.ndarray
    real: np.ndarray | None = None

    def __len__(self):
        return len(self.frames)

    def save(self, path):
        """Write everything to one `.npz`."""
        save_arrays(path, self)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote; InputError where the file holds something else."""
        return load_arrays(path, cls)


@dataclass(frozen=True, eq=False)
class Backdrops:
    """A clip's frames with the person's own face taken out of them.

    Args:
        frames: (N,) int64 frame numbers, increasing.
        pictures: (N, S, S, 3) uint8 crops, filled where the face was.
        holes: (N, S, S) uint8, 255 where they were filled.
    """

    frames: np.ndarray
    pictures: np.ndarray
    holes: np.ndarray


def training_images(
    clip, fit, model, size_px, frames, albedo=None, backend="auto", seed=0, progress=None
):  # fmt: skip
    """Renderings of frames with their own coefficients, over their own backgrounds.

    Args:
        clip: Clip. fit: its Fit. model: MorphableModel (CPU).
        size_px: side of the crops.
        frames: (N,) frame numbers, at most len(fit).
        albedo: (V, 3), or None for the coefficients' texture.
        backend: rasteriser.
        seed: by how many frames the track is shifted that gives each hole its other outline.
        progress: called as progress(done, total, text).
    Returns:
        Coarse, with real.
    """
    frames = _frame_numbers("frames", frames, len(fit))
    real = np.stack([crop for _, crop in read_crops(clip, fit.crop, frames, size_px)])
    draw = partial(render, model, albedo=albedo, backend=backend, supersample=SUPERSAMPLE)
    images = own_images(draw, model, fit.coefficients[frames], real, backend, seed, progress)
    return Coarse(fit.times[frames], frames, *images, real)


def own_images(draw, model, coefficients, real, backend="auto", seed=0, progress=None):
    """Renderings over the very frames that they are renderings of.

    Args:
        draw: callable (Coefficients, Camera) -> (B, S, S, 4) RGBA tensor.
        model: MorphableModel. coefficients: of the N frames. real: (N, S, S, 3) uint8 crops.
        backend, seed, progress: as in `training_images`.
    Returns:
        render, mask, changed, as from `composite`.
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
    return composite(draw, coefficients, filled, holes, progress)


def open_backdrops(clip, fit, model, frames, size_px, backend="auto"):
    """Backdrops of some frames of a clip.

    Args:
        clip: Clip. fit: its Fit. model: MorphableModel (CPU).
        frames: (N,) frame numbers in any order, repeated or not.
        size_px: side of the crops. backend: rasteriser.
    Returns:
        Backdrops, each frame once.
    """
    frames = np.unique(_frame_numbers("source_index", frames, len(fit)))
    holes = face_holes(model, fit.coefficients[frames], size_px, backend)
    crops = read_crops(clip, fit.crop, frames, size_px)
    pictures = np.stack([fill_hole(crop, hole) for (_, crop), hole in zip(crops, holes)])
    return Backdrops(frames, pictures, holes)


def driven_images(
    backdrops, fit, model, exp, pose, source_index, times, albedo=None, backend="auto",
    progress=None,
):  # fmt: skip
    """Renderings of other motion, over matched background frames.

    Identity and texture are the clip's; the light is that of the background frame.

    Args:
        backdrops: Backdrops that hold these frames. fit: Fit of the clip.
        model: MorphableModel (CPU).
        exp: (T, 64). pose: (T, 6), angles then translation.
        source_index: (T,) frame numbers of the backgrounds. times: (T,) seconds.
        albedo, backend, progress: as in `training_images`.
    Returns:
        Coarse without real; its frames are source_index.
    """
    source_index = _frame_numbers("source_index", source_index, len(fit))
    check_shape("exp", exp, (len(source_index), 64))
    check_shape("pose", pose, (len(source_index), 6))
    rows = np.searchsorted(backdrops.frames, source_index)
    driven = fit.coefficients[source_index].with_motion(np.asarray(exp), np.asarray(pose))
    draw = partial(render, model, albedo=albedo, backend=backend, supersample=SUPERSAMPLE)
    images = composite(draw, driven, backdrops.pictures[rows], backdrops.holes[rows], progress)
    return Coarse(np.asarray(times), source_index, *images)


def composite(draw, coefficients, backgrounds, holes, progress=None):
    """Draw in batches over backgrounds whose holes are filled.

    Args:
        draw: callable (Coefficients, Camera) -> (B, S, S, 4) RGBA tensor.
        coefficients: Coefficients of the N frames to draw.
        backgrounds: (N, S, S, 3) uint8. holes: (N, S, S) uint8 of `face_holes`.
        progress: called as progress(done, total, text).
    Returns:
        render (N, S, S, 3), mask (N, S, S), changed (N, S, S), all uint8; see `Coarse`.
    """
    n_frames, size_px = backgrounds.shape[:2]
    result = np.empty_like(backgrounds)
    mask = np.empty((n_frames, size_px, size_px), np.uint8)
    for first in range(0, n_frames, BATCH):
        part = slice(first, min(first + BATCH, n_frames))
        with torch.no_grad():
            rgba = draw(coefficients[part], Camera(size_px)).cpu().numpy()
        result[part] = compose(rgba, backgrounds[part], feather_px=size_px * _FEATHER)
        mask[part] = np.rint(rgba[..., 3] * 255).astype(np.uint8)
        if progress:
            progress(part.stop, n_frames, "rendering")
    return result, mask, np.maximum(mask, holes)


def face_holes(model, coefficients, size_px, backend="auto"):
    """Where the face stands in its own frames, with a margin and a soft edge.

    Args:
        model: MorphableModel. coefficients: Coefficients of B frames. size_px: side.
        backend: rasteriser.
    Returns:
        (B, S, S) uint8, 255 where the background has to be replaced.
    """
    reach = max(2, round(_MARGIN * size_px))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    holes = np.empty((len(coefficients), size_px, size_px), np.uint8)
    for first in range(0, len(holes), BATCH):
        with torch.no_grad():
            part = coefficients[first : first + BATCH]
            rgba = render(model, part, Camera(size_px), backend=backend)
        for i, alpha in enumerate(rgba[..., 3].cpu().numpy(), first):
            grown = cv2.dilate((alpha * 255).astype(np.uint8), kernel)
            holes[i] = cv2.GaussianBlur(grown, (0, 0), reach / 3)
    return holes


def fill_hole(image, hole):
    """Fill a hole with the nearest colours around it, smoothed along.

    Args:
        image: (S, S, 3) uint8.
        hole: (S, S) uint8, 255 inside.
    Returns:
        (S, S, 3) uint8; pixels where hole is 0 are unchanged.
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


def read_crops(clip, crop, frames, size_px):
    """Crops of frames, decoded once and in order.

    Args:
        clip: Clip. crop: Crop. frames: (N,) frame numbers. size_px: side.
    Returns:
        list of (frame number, (S, S, 3) uint8), in the order of `frames`.
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
