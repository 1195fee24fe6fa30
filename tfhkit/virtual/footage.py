"""Footage of a virtual speaker: frames with hair, shoulders and a room, a clip with its truth."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from jaxtyping import Float, Shaped, UInt8
from scipy.ndimage import gaussian_filter1d
from torch import Tensor

from tfhkit.camera import FOCAL_PX, Camera, project, to_world
from tfhkit.coefficients import Coefficients
from tfhkit.errors import ParameterError
from tfhkit.face import MorphableModel, load_model
from tfhkit.media import atomic_path, write_video
from tfhkit.progress import Progress
from tfhkit.render.numba_backend import draw_colours, light_verts
from tfhkit.render.shading import posed_verts, vertex_colours
from tfhkit.virtual.detail import Detail, shine
from tfhkit.virtual.scenery import Bust, Scene, make_bust, pose_bust, random_scene, with_hair
from tfhkit.virtual.speaker import Performance, VirtualSpeaker, describe, perform

_CROP_CENTRE_PX = 112.0
_TRUNK_SHARE = np.array([0.1, 0.15, 0.2, 0.5, 0.5, 0.5])  # of the head's slow motion
_PARALLAX = 0.25  # how far the room moves against the head's translation
_CHUNK = 8  # frames in memory at once


def frame_camera(scene: Scene) -> Camera:
    """The camera of a square around the principal point that holds the whole frame."""
    x, y = scene.centre_px
    return Camera(2 * max(x, scene.width - x, y, scene.height - y), scene.focal_px)


def render_footage(
    performance: Performance,
    scene: Scene,
    model: MorphableModel | None = None,
    supersample: int = 2,
    detail: Detail | None = None,
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Frames of a performance in a scene.

    Args:
        performance: what the speaker does.
        scene: room, clothes and camera.
        model: model with scalp and neck; None loads the open model.
        supersample: points per pixel along each axis.
        detail: what the coefficients cannot represent of the speaker; None leaves it out.
    Yields:
        RGB frames, one per frame time.
    Raises:
        ParameterError: the model is a face without a head.
    """
    model = model or load_model()
    _check_head(model)
    haired = with_hair(model, scene.hair_dm, scene.seed)
    coefficients = performance.coefficients.map(torch.as_tensor)
    first = coefficients[:1]
    if detail is not None:
        haired = replace(haired, mean_shape=haired.mean_shape + detail.offset)
    albedo = model.texture(first.tex)[0] if detail is None else detail.albedo
    neutral = model.shape(first.id, torch.zeros_like(first.exp))[0]
    bust, above = make_bust(model, neutral, albedo, scene)
    faces = torch.cat([haired.faces[above], bust.faces + haired.n_verts])
    shown = torch.ones(len(faces), dtype=torch.bool)
    camera = frame_camera(scene)
    trunk = trunk_pose(coefficients.pose.numpy(), performance.times)
    shift = room_shift(trunk, scene)
    rng = np.random.default_rng((scene.seed, 31))
    left, top = (camera.size_px // 2 - at for at in scene.centre_px)
    window = (slice(top, top + scene.height), slice(left, left + scene.width))
    with torch.no_grad():
        for start in range(0, len(performance), _CHUNK):
            part = slice(start, start + _CHUNK)
            now = coefficients[part]
            head = posed_verts(haired, now)
            trunk_now = torch.as_tensor(trunk[part], dtype=torch.float32)
            body = pose_bust(bust, now.pose, trunk_now)
            lit = vertex_colours(haired, now, head, None if detail is None else detail.albedo)
            if detail is not None:
                lit = lit + shine(detail, haired, head)
            shades = torch.cat([lit, _shade(bust, body, now)], 1)
            rgba = draw_colours(
                torch.cat([head, body], 1), shades, faces, shown, camera, supersample
            )
            for k, picture in enumerate(rgba.numpy()):
                yield _compose(picture[window], scene, shift[start + k], rng)


def _check_head(model: MorphableModel) -> None:
    for part in ("scalp", "neck"):
        if not model.regions[part].any():
            raise ParameterError(
                f"model {model.name!r}", f"has no {part} to film", "use the model 'open' or 'ict'"
            )


def trunk_pose(
    pose: Float[np.ndarray, "T 6"], times: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "T 6"]:
    """How the trunk follows the head's pose: slowly, and by a share of it."""
    step_s = np.median(np.diff(times)) if len(times) > 1 else 0.04
    slow = gaussian_filter1d(pose, max(0.25 / step_s, 1e-3), axis=0, mode="nearest")
    return (slow * _TRUNK_SHARE).astype(np.float32)


def room_shift(trunk: Float[np.ndarray, "T 6"], scene: Scene) -> Float[np.ndarray, "T 2"]:
    """Motion of the background in pixels, against the slow motion of the person."""
    shift = -_PARALLAX * scene.focal_px / 10 * trunk[:, 3:5] * (1, -1)
    return (shift - shift.mean(0)).clip(-scene.margin + 2, scene.margin - 2)


def truth_of(
    performance: Performance,
    speaker: VirtualSpeaker,
    scene: Scene,
    model: MorphableModel | None = None,
) -> dict[str, Shaped[np.ndarray, "..."]]:
    """All that is known of a clip, as arrays.

    Returns:
        times, coefficients (T, 257), landmarks_px (T, 68, 2) in the frame, actions (T, 52),
        crop (3,) scale, offset_x, offset_y of the 224 px crop in which the coefficients hold,
        phonemes (names) with phoneme_times (P, 2), the pose's parts, blinks_s, and `speaker`
        (JSON).
    """
    model = model or load_model()
    coefficients = performance.coefficients.map(torch.as_tensor)
    camera = frame_camera(scene)
    marks = model.landmark_points(coefficients.id, coefficients.exp)
    points = project(to_world(marks, coefficients.angles, coefficients.trans), camera)[0]
    landmarks_px = points.numpy() - camera.size_px / 2 + np.array(scene.centre_px)
    scale = FOCAL_PX / scene.focal_px
    return {
        "times": performance.times,
        "coefficients": performance.coefficients.to_vector(),
        "landmarks_px": landmarks_px.astype(np.float32),
        "actions": performance.actions,
        "crop": np.array([scale, *(_CROP_CENTRE_PX - scale * np.array(scene.centre_px))]),
        "phonemes": np.array([p.name for p in performance.phonemes]),
        "phoneme_times": np.array([(p.start_s, p.end_s) for p in performance.phonemes]),
        "speaker": np.array(json.dumps(describe(speaker))),
        **performance.truth,
    }


def make_footage(
    path: Path | str,
    speaker: VirtualSpeaker,
    text: str | Sequence[str],
    scene: Scene | None = None,
    fps: float = 25.0,
    model: MorphableModel | None = None,
    supersample: int = 2,
    progress: Progress | None = None,
) -> tuple[Path, Path]:
    """Write a clip of a virtual speaker, and its truth next to it.

    Args:
        path: the `.mp4`; the truth goes to the same name with `.truth.npz`.
        speaker: who speaks.
        text: a text, or several sentences.
        scene: room, clothes and camera; None draws one from the speaker's seed.
        fps: frames a second.
        model: model with facial actions, scalp and neck; None loads the open model.
        supersample: points per pixel along each axis.
        progress: called as progress(done, total, text).
    Returns:
        path of the clip, path of the truth.
    Raises:
        InputError: the text has no phonemes, or the folder cannot be written.
    """
    model, scene = model or load_model(), scene or random_scene(speaker.seed)
    performance = perform(speaker, text, fps=fps, model=model)
    return write_footage(path, performance, speaker, scene, model, supersample, progress=progress)


def write_footage(
    path: Path | str,
    performance: Performance,
    speaker: VirtualSpeaker,
    scene: Scene,
    model: MorphableModel,
    supersample: int = 2,
    visible_mark: bool = True,
    progress: Progress | None = None,
) -> tuple[Path, Path]:
    """Write an existing performance; arguments and result as in `make_footage`.

    The sound must start at the first frame's time. `visible_mark` is that of `write_video`.
    """
    path = Path(path)

    def frames() -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        for k, frame in enumerate(render_footage(performance, scene, model, supersample)):
            if progress:
                progress(k + 1, len(performance), f"rendering {path.name}")
            yield frame

    write_video(path, frames(), performance.times, performance.audio, visible_mark=visible_mark)
    truth_path = path.with_suffix(".truth.npz")
    with atomic_path(truth_path) as temporary:
        truth: dict[str, Any] = truth_of(performance, speaker, scene, model)
        np.savez_compressed(temporary, **truth)
    return path, truth_path


def _shade(
    bust: Bust, verts_world: Float[Tensor, "T N 3"], coefficients: Coefficients
) -> Float[Tensor, "T N 3"]:
    """Lit colours of the bust."""
    return light_verts(verts_world, bust.faces, bust.albedo[None], coefficients.light)


def _compose(
    rgba: Float[np.ndarray, "H W 4"],
    scene: Scene,
    shift: Float[np.ndarray, "2"],
    rng: np.random.Generator,
) -> UInt8[np.ndarray, "H W 3"]:
    """A rendered person in front of the shifted room, with the sensor's noise."""
    m = scene.margin
    matrix = np.array([[1, 0, shift[0] - m], [0, 1, shift[1] - m]], np.float64)
    room = cv2.warpAffine(scene.background, matrix, (scene.width, scene.height))
    room = room.astype(np.float32)
    frame = 255 * rgba[..., :3]
    frame -= room
    frame *= rgba[..., 3:]
    frame += room
    noise = rng.standard_normal(frame.shape, dtype=np.float32)
    noise *= scene.noise
    frame += noise
    return np.rint(frame.clip(0, 255, out=frame)).astype(np.uint8)
