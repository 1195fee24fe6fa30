"""Frames of a portrait: where a motion takes head and anchors, and how they are drawn."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, UInt8
from scipy import sparse

from tfhkit.camera import angles_from_rotation, rotation_from_angles
from tfhkit.face import vertex_normals
from tfhkit.maths import smoothstep
from tfhkit.portrait.image_mesh import stretch
from tfhkit.portrait.scene import GRAZING, Portrait, PortraitMotion, place_in_picture
from tfhkit.progress import Progress
from tfhkit.render.pictures import draw_pictures
from tfhkit.render.visibility import facing

STRETCHED = 0.3  # pixels that are stretched to more than 1 / this are painted over
SUPERSAMPLE = 2
CHUNK = 4  # frames in memory at once


def move_head(
    portrait: Portrait, motion: PortraitMotion
) -> tuple[Float[np.ndarray, "T V 3"], Float[np.ndarray, "T A 3"]]:
    """Where a motion takes the head and the anchors.

    Returns:
        The model's vertices and the anchors, world space, float64.
    """
    model, count = portrait.model, len(motion)
    basis = model.exp_basis.flatten(1).numpy()
    moved = [(part @ basis).reshape(count, -1, 3) for part in (motion.speech, motion.upper)]
    speech = (1 - motion.rest)[:, None, None] * portrait.mouth[:, None] * moved[0]
    smile = motion.rest[:, None, None] * portrait.smile
    shape = portrait.calm + smile + speech + moved[1]
    own = angles_from_rotation(torch.from_numpy(portrait.turn)).numpy()
    turn = rotation_from_angles(torch.as_tensor(own + motion.angles)).numpy().astype(np.float64)
    trans = portrait.trans + motion.shift
    verts = shape @ turn.transpose(0, 2, 1) + trans[:, None]
    rest = portrait.calm + portrait.smile
    rigid = rest @ turn.transpose(0, 2, 1) + trans[:, None]
    relative = turn @ portrait.turn.T
    shift = trans - relative @ portrait.trans
    return verts, portrait.mesh.move(relative, shift, verts - rigid)


def draw_portrait(
    portrait: Portrait, motion: PortraitMotion, progress: Progress | None = None
) -> Iterator[UInt8[np.ndarray, "S S 3"]]:
    """Frames of a portrait that moves.

    Args:
        portrait: what is drawn. motion: how it moves, T frames.
        progress: called as progress(done, total, text).
    Yields:
        The T frames, one after the other.
    """
    under = portrait.image.astype(np.float32)
    for part in _chunks(len(motion)):
        verts, anchors = move_head(portrait, motion[part])
        paint = _face_paint(portrait, verts, motion.rest[part])
        frames = _draw(portrait, verts, anchors, _sheet_paint(portrait), paint, under)
        yield from np.rint(frames).astype(np.uint8)
        if progress:
            progress(part.stop, len(motion), "drawing the portrait")


def filled(portrait: Portrait, motion: PortraitMotion) -> Float[np.ndarray, "T S S"]:
    """Where frames show what the picture did not, in [0, 1].

    There they show the model's colours, or a part of the picture that is stretched to more than
    twice its area.
    """
    masks = []
    for part in _chunks(len(motion)):
        verts, anchors = move_head(portrait, motion[part])
        sheet = np.repeat(_sheet_paint(portrait), len(verts), 0)
        sheet[..., 3] = 1 - _drawn_out(portrait, anchors)
        paint = _face_paint(portrait, verts, motion.rest[part])
        sheet[..., 5:], paint[..., 5:] = 255, 255
        under = np.zeros((portrait.view.size_px,) * 2 + (3,), np.float32)
        black = replace(portrait, picture=np.zeros_like(portrait.picture))
        masks.append(_draw(black, verts, anchors, sheet, paint, under)[..., 0] / 255)
    return np.concatenate(masks)


def _chunks(n_frames):
    return [slice(k, min(k + CHUNK, n_frames)) for k in range(0, n_frames, CHUNK)]


def _draw(portrait, verts, anchors, sheet, paint, under):
    """The anchors over `under`, and the face over them: (T, S, S, 3) float32."""
    view, mesh, picture = portrait.view, portrait.mesh, portrait.picture
    frames = np.repeat(under[None], len(verts), 0)
    layers = (
        (anchors, sheet, torch.from_numpy(mesh.faces[mesh.moving])),
        (verts, paint, portrait.model.faces),
    )
    for points, colours, faces in layers:
        where = torch.from_numpy(points.astype(np.float32))
        frames = draw_pictures(where, colours, faces, picture, view, frames, SUPERSAMPLE)
    return frames


def _sheet_paint(portrait):
    """The paint (1, A, 8) of the anchors: the picture alone."""
    paint = np.ones((1, len(portrait.mesh.rest), 8), np.float32)
    paint[0, :, :3] = place_in_picture(portrait.view, portrait.mesh.rest)
    return paint


def _face_paint(portrait, verts, rest):
    """The paint (T, V, 8) of the face: the picture's share falls where it would be stretched."""
    world = torch.from_numpy(verts).float()
    now = facing(world, vertex_normals(world, portrait.model.faces)).clamp_min(GRAZING).numpy()
    share = np.minimum(1, portrait.seen / (STRETCHED * now))
    share *= 1 - portrait.inside * (1 - rest[:, None])
    paint = np.repeat(portrait.paint[None], len(verts), 0)
    paint[..., 3] = share
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
