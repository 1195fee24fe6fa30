"""Frames of a portrait: where a motion takes head and anchors, and how they are drawn."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy import sparse

from tfhkit.camera import angles_from_rotation, rotation_from_angles
from tfhkit.face import vertex_normals
from tfhkit.maths import smoothstep
from tfhkit.portrait.edges import soften, soften_lashes
from tfhkit.portrait.image_mesh import seen_at, stretch
from tfhkit.portrait.mouth import (
    meeting,
    mouth_colours_lit,
    share_of_light,
    with_inner_mouth,
)
from tfhkit.portrait.refined import HeadRefiner
from tfhkit.portrait.scene import GRAZING, Portrait, PortraitMotion, place_in_picture
from tfhkit.progress import Progress
from tfhkit.render.pictures import Layers, draw_pictures
from tfhkit.render.visibility import facing

STRETCHED = 0.3  # pixels that are stretched to more than 1 / this are painted over
SUPERSAMPLE = 2
CHUNK, CHUNK_PX = 4, 768  # frames in memory at once, of that side at most
LIDS = [37, 38, 40, 41, 43, 44, 46, 47]  # landmarks
UPPER_LIDS = [36, 37, 38, 39, 42, 43, 44, 45]
LIDS_DM = 0.03  # motion of the lids from which their edges are softened


@dataclass(frozen=True)
class _Pose:
    """Where a motion takes a portrait: model space, world space, anchors, rotations."""

    shape: Float[np.ndarray, "T N 3"]
    verts: Float[np.ndarray, "T N 3"]
    anchors: Float[np.ndarray, "T A 3"]
    turn: Float[np.ndarray, "T 3 3"]
    rest: Float[np.ndarray, "T"]
    lids: Float[np.ndarray, "T"]


def move_head(
    portrait: Portrait, motion: PortraitMotion
) -> tuple[Float[np.ndarray, "T N 3"], Float[np.ndarray, "T A 3"]]:
    """Where a motion takes the head and the anchors.

    Returns:
        The vertices of head and teeth, and the anchors, world space, float64.
    """
    pose = _moved(portrait, motion)
    return pose.verts, pose.anchors


def _moved(portrait, motion):
    model, count = portrait.model, len(motion)
    basis = model.exp_basis.flatten(1).numpy()
    moved = [(part @ basis).reshape(count, -1, 3) for part in (motion.speech, motion.upper)]
    speech = (1 - motion.rest)[:, None, None] * portrait.mouth[:, None] * moved[0]
    smile = motion.rest[:, None, None] * portrait.smile
    shape = portrait.calm + smile + speech + moved[1]
    own = angles_from_rotation(torch.from_numpy(portrait.turn)).numpy()
    turn = rotation_from_angles(torch.as_tensor(own + motion.angles)).numpy().astype(np.float64)
    trans = portrait.trans + motion.shift
    whole = with_inner_mouth(portrait.inner, shape, portrait.calm)
    verts = whole @ turn.transpose(0, 2, 1) + trans[:, None]
    rest = portrait.calm + portrait.smile
    rigid = rest @ turn.transpose(0, 2, 1) + trans[:, None]
    relative = turn @ portrait.turn.T
    shift = trans - relative @ portrait.trans
    anchors = portrait.mesh.move(relative, shift, verts[:, : len(rest)] - rigid)
    lids = np.abs(moved[1][:, model.landmark_ids[LIDS].numpy()]).max((1, 2))
    return _Pose(whole, verts, anchors, turn, motion.rest, lids)


def draw_portrait(
    portrait: Portrait,
    motion: PortraitMotion,
    progress: Progress | None = None,
    head: HeadRefiner | None = None,
) -> Iterator[UInt8[np.ndarray, "S S 3"]]:
    """Frames of a portrait that moves.

    Args:
        portrait: what is drawn. motion: how it moves, T frames.
        progress: called as progress(done, total, text).
        head: refines what the picture does not show; None leaves it as the model draws it.
    Yields:
        The T frames, one after the other.
    """
    drawn = _drawn(portrait, motion, progress)
    yield from (frame for frame, _ in drawn) if head is None else head.refine(drawn)


def _drawn(portrait, motion, progress):
    """Yield each frame (S, S, 3) uint8, and where it shows the model's own colours (S, S)."""
    under = portrait.image.astype(np.float32)
    for part in _chunks(len(motion), portrait.view.size_px):
        pose = _moved(portrait, motion[part])
        layers = Layers.empty(portrait.layers, len(pose.verts), len(under), 3)
        frames = _draw(
            portrait, pose, _sheet_paint(portrait), _face_paint(portrait, pose), under, layers
        )
        yield from zip(np.rint(frames.clip(0, 255)).astype(np.uint8), layers.painted, strict=True)
        if progress:
            progress(part.stop, len(motion), "drawing the portrait")


def filled(portrait: Portrait, motion: PortraitMotion) -> Float[np.ndarray, "T S S"]:
    """Where frames show what the picture did not, in [0, 1].

    There they show the model's colours, or a part of the picture that is stretched to more than
    twice its area.
    """
    masks = []
    for part in _chunks(len(motion), portrait.view.size_px):
        pose = _moved(portrait, motion[part])
        sheet = np.repeat(_sheet_paint(portrait), len(pose.verts), 0)
        sheet[..., 3] = 1 - _drawn_out(portrait, pose.anchors)
        paint = _face_paint(portrait, pose)
        sheet[..., 5:], paint[..., 5:] = 255, 255
        under = np.zeros((portrait.view.size_px,) * 2 + (3,), np.float32)
        black = replace(portrait, picture=np.zeros_like(portrait.picture))
        masks.append(_draw(black, pose, sheet, paint, under)[..., 0] / 255)
    return np.concatenate(masks)


def _chunks(n_frames, size_px):
    """Slices of frames that are in memory at once: fewer of larger ones."""
    step = max(1, round(CHUNK * min(1, (CHUNK_PX / size_px) ** 2)))
    return [slice(k, min(k + step, n_frames)) for k in range(0, n_frames, step)]


def _draw(portrait, pose, sheet, paint, under, layers=None):
    """The anchors over `under`, and the face over them: (T, S, S, 3) float32."""
    view, mesh, picture = portrait.view, portrait.mesh, portrait.picture
    frames = np.repeat(under[None], len(pose.verts), 0)
    points = (torch.from_numpy(part.astype(np.float32)) for part in (pose.anchors, pose.verts))
    moving = torch.from_numpy(mesh.faces[mesh.moving])
    frames = draw_pictures(next(points), sheet, moving, picture, view, frames, SUPERSAMPLE)
    faces = torch.from_numpy(portrait.inner.faces)
    frames = draw_pictures(next(points), paint, faces, picture, view, frames, SUPERSAMPLE, layers)
    if layers:
        scale = portrait.pixel_px, portrait.dm_px
        for k, (skin, mouth, eyes) in enumerate(layers.shown):
            speaks, blinks = 1 - float(pose.rest[k]), min(1.0, float(pose.lids[k]) / LIDS_DM)
            soften(frames[k], skin, mouth, *scale, speaks)
            soften(frames[k], skin, eyes, *scale, blinks, painted=False)
            upper = seen_at(pose.verts[k, portrait.model.landmark_ids[UPPER_LIDS].numpy()], view)
            soften_lashes(frames[k], upper.reshape(2, -1, 2), *scale, blinks)
    return frames


def _sheet_paint(portrait):
    """The paint (1, A, 8) of the anchors: the picture alone."""
    paint = np.ones((1, len(portrait.mesh.rest), 8), np.float32)
    paint[0, :, :3] = place_in_picture(portrait.view, portrait.mesh.rest)
    return paint


def _face_paint(portrait, pose):
    """The paint (T, N, 8) of the face: the picture's share falls where it would be stretched."""
    inner, world = portrait.inner, torch.from_numpy(pose.verts).float()
    normals = vertex_normals(world, torch.from_numpy(inner.faces))
    now = facing(world, normals).clamp_min(GRAZING).numpy()
    share = np.minimum(1, portrait.seen / (STRETCHED * now))
    share *= 1 - portrait.inside * (1 - pose.rest[:, None])
    paint = np.repeat(portrait.paint[None], len(pose.verts), 0)
    paint[..., 3] = share
    meets = meeting(inner, pose.shape) * (1 - pose.rest[:, None])
    paint[..., 5:] *= 1 - meets[..., None] * inner.crease
    if inner.within.any():
        light = torch.from_numpy(portrait.light)
        arriving = share_of_light(inner, pose.shape)
        lit = mouth_colours_lit(inner, portrait.albedo, normals, light, pose.turn, arriving)
        paint[:, inner.within, 5:] = 255 * lit
    return paint


def _drawn_out(portrait, anchors):
    """(T, A) 0 where the mesh is as it was, 1 where it is stretched to twice its area and more."""
    mesh = portrait.mesh
    ratio = stretch(mesh, anchors, portrait.view)
    around = sparse.csr_matrix(
        (np.ones(mesh.faces.size), mesh.faces.ravel(), np.arange(0, mesh.faces.size + 1, 3)),
        (len(mesh.faces), len(mesh.rest)),
    )
    return smoothstep(1.5, 2.5, (ratio @ around) / np.asarray(around.sum(0)))
