"""Coarse images of a clip: renderings over (matched) background frames, for training and driving.

A background frame shows the person with an expression of its own: where the mouth was wide open,
its chin stays visible below the rendered one. So the source's own face is first taken out of the
background and filled smoothly from around it, with a margin. Training images get the same
treatment, and there the hole also takes the outline of another frame's expression, so that the
refiner meets the same kind of ring around the face in training and at test time. (The published
code trains on one kind of composite and runs on another.)
"""

from functools import partial

import cv2
import numpy as np
import torch
from scipy import ndimage

from tfhkit.background.compose import compose
from tfhkit.camera import Camera
from tfhkit.errors import InputError, check_shape
from tfhkit.media import frames_at
from tfhkit.render import render

BATCH = 16
_MARGIN = 0.02  # of the crop's side: how far the hole reaches beyond the rendered face
_FEATHER = 1 / 64  # of the crop's side: the rendering's soft edge


def training_images(
    clip,
    fit,
    model,
    size_px,
    frames,
    albedo=None,
    supersample=2,
    backend="auto",
    seed=0,
    progress=None,
):
    """Renderings of frames with their own coefficients, over their own backgrounds.

    Args:
        clip: Clip. fit: its Fit. model: MorphableModel (CPU).
        size_px: side of the crops.
        frames: (N,) frame numbers, at most len(fit).
        albedo: (V, 3), or None for the coefficients' texture.
        supersample: antialiasing of the rendering. backend: rasteriser.
        seed: by how many frames the track is shifted that gives each hole its other outline.
        progress: called as progress(done, total, text).
    Returns:
        dict of arrays: render (N, S, S, 3) uint8, the composite; real (N, S, S, 3) uint8; mask
        (N, S, S) uint8, the rendering's alpha; changed (N, S, S) uint8, rendering and hole;
        frames (N,) int64.
    """
    frames = _frame_numbers("frames", frames, len(fit))
    real = np.stack([crop for _, crop in read_crops(clip, fit.crop, frames, size_px)])
    draw = partial(render, model, albedo=albedo, backend=backend, supersample=supersample)
    images = own_images(draw, model, fit.coefficients[frames], real, backend, seed, progress)
    return {**images, "real": real, "frames": frames}


def own_images(draw, model, coefficients, real, backend="auto", seed=0, progress=None):
    """Renderings over the very frames that they are renderings of.

    Args:
        draw: callable (Coefficients, Camera) -> (B, S, S, 4) RGBA tensor.
        model: MorphableModel. coefficients: of the N frames. real: (N, S, S, 3) uint8 crops.
        backend, seed, progress: as in `training_images`.
    Returns:
        dict of arrays as from `training_images`: render, mask, changed.
    """
    # Shifted in time, not shuffled: the ring then moves as smoothly as it does at test time.
    n_frames, size_px = real.shape[:2]
    others = np.roll(np.arange(n_frames), np.random.default_rng(seed).integers(1, max(2, n_frames)))
    disguised = coefficients.with_motion(coefficients.exp[others], coefficients.pose)
    holes = np.maximum(
        face_holes(model, coefficients, size_px, backend),
        face_holes(model, disguised, size_px, backend),
    )
    return composite(draw, coefficients, real, holes, progress)


def driven_images(
    clip,
    fit,
    model,
    exp,
    pose,
    source_index,
    size_px,
    real_frames=None,
    albedo=None,
    supersample=2,
    backend="auto",
    progress=None,
):
    """Renderings of other motion, over matched background frames.

    Identity and texture are the clip's; the light is that of the background frame.

    Args:
        clip: Clip. fit: its Fit. model: MorphableModel (CPU).
        exp: (T, 64). pose: (T, 6), angles then translation.
        source_index: (T,) frame numbers of the backgrounds.
        size_px: side of the crops.
        real_frames: (T,) frame numbers of what really happened, where it is known.
        albedo, supersample, backend, progress: as in `training_images`.
    Returns:
        dict as from `training_images`; frames is source_index; real only with real_frames.
    """
    source_index = _frame_numbers("source_index", source_index, len(fit))
    check_shape("exp", exp, (len(source_index), 64))
    check_shape("pose", pose, (len(source_index), 6))
    wanted = source_index
    if real_frames is not None:
        real_frames = _frame_numbers("real_frames", real_frames, len(clip))
        check_shape("real_frames", real_frames, (len(source_index),))
        wanted = np.concatenate([source_index, real_frames])
    crops = dict(read_crops(clip, fit.crop, np.unique(wanted), size_px))
    unique, place = np.unique(source_index, return_inverse=True)
    holes = face_holes(model, fit.coefficients[unique], size_px, backend)[place]
    backgrounds = np.stack([crops[i] for i in source_index])
    driven = fit.coefficients[source_index].with_motion(np.asarray(exp), np.asarray(pose))
    draw = partial(render, model, albedo=albedo, backend=backend, supersample=supersample)
    images = composite(draw, driven, backgrounds, holes, progress)
    images["frames"] = source_index
    if real_frames is not None:
        images["real"] = np.stack([crops[i] for i in real_frames])
    return images


def composite(draw, coefficients, backgrounds, holes, progress=None):
    """Draw in batches over backgrounds, whose holes are filled first.

    Args:
        draw: callable (Coefficients, Camera) -> (B, S, S, 4) RGBA tensor.
        coefficients: Coefficients of the N frames to draw.
        backgrounds: (N, S, S, 3) uint8. holes: (N, S, S) uint8 of `face_holes`.
        progress: called as progress(done, total, text).
    Returns:
        dict of arrays as from `training_images`: render, mask, changed.
    """
    n_frames, size_px = backgrounds.shape[:2]
    result = np.empty_like(backgrounds)
    mask = np.empty((n_frames, size_px, size_px), np.uint8)
    for first in range(0, n_frames, BATCH):
        part = slice(first, min(first + BATCH, n_frames))
        with torch.no_grad():
            rgba = draw(coefficients[part], Camera(size_px)).cpu().numpy()
        filled = np.stack([fill_hole(*pair) for pair in zip(backgrounds[part], holes[part])])
        result[part] = compose(rgba, filled, feather_px=size_px * _FEATHER)
        mask[part] = np.rint(rgba[..., 3] * 255).astype(np.uint8)
        if progress:
            progress(part.stop, n_frames, "rendering")
    return {"render": result, "mask": mask, "changed": np.maximum(mask, holes)}


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
