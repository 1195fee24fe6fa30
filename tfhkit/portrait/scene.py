"""One picture in motion: its mesh of anchors, and over it the fitted face with the picture on it.

The mesh of anchors alone could neither open a mouth nor close an eye. So the model's face is drawn
over it: where the picture shows its surface it carries the picture's own pixels, elsewhere (inner
lips, teeth, lids, a side that was turned away) the colours of the detailed albedo under the fitted
light. At rest both together give the picture back.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch

from tfhkit.camera import CROP_PX, DISTANCE, FOCAL_PX, rotation_from_angles
from tfhkit.errors import check_shape
from tfhkit.face import MorphableModel, vertex_normals
from tfhkit.face.lighting import irradiance
from tfhkit.face.model import MOUTH_INSIDE
from tfhkit.fit import Crop
from tfhkit.portrait.face_maps import (
    beyond_outlines,
    face_opacity,
    lip_rim,
    mouth_colours,
    mouth_share,
)
from tfhkit.portrait.image_mesh import ImageMesh, View, image_mesh
from tfhkit.render import detailed_albedo
from tfhkit.render.shading import posed_verts
from tfhkit.render.visibility import drawn_verts, facing

REACH = 4.4  # dm, side of the window around the head, where the picture is larger
HEAD_HIGH = 0.42  # the head's centre lies at this share of the window's height
GRAZING = 1e-3  # cosine from which on nothing is told apart


@dataclass(frozen=True)
class Portrait:
    """A fitted picture that is ready to move.

    Args:
        model: MorphableModel. view: View of the window. crop: Crop from the picture to the window.
        picture: (2 S, 2 S, 3) uint8, the window at twice its size.
        mesh: ImageMesh.
        turn: (3, 3) rotation and trans: (3,) of the head at rest.
        calm: (V, 3) model space, the person with the picture's expression above the mouth.
        smile: (V, 3) what the picture's expression adds at the mouth.
        mouth: (V,) 1 at the mouth and jaw, 0 from the nose up.
        inside: (V,) 1 in the mouth and where the lips meet, 0 outside: shows the picture only as
            long as the mouth is the picture's own.
        paint: (V, 8) see `draw_pictures`; seen: (V,) cosine at which the picture shows a vertex,
            0 where it does not; see `beyond_outlines`.
    """

    model: MorphableModel
    view: View
    crop: Crop
    picture: np.ndarray
    mesh: ImageMesh
    turn: np.ndarray
    trans: np.ndarray
    calm: np.ndarray
    smile: np.ndarray
    mouth: np.ndarray
    inside: np.ndarray
    paint: np.ndarray
    seen: np.ndarray

    @property
    def image(self):
        """(S, S, 3) uint8, the window itself: the mean of the picture's 2 x 2 pixels."""
        size = self.view.size_px
        mean = self.picture.reshape(size, 2, size, 2, 3).mean((1, 3))
        return np.rint(mean).astype(np.uint8)


@dataclass(frozen=True)
class PortraitMotion:
    """How a portrait moves; everything 0 but `rest` 1 is the picture itself.

    Args:
        angles: (T, 3) radians and shift (T, 3) dm, added to those of the picture.
        speech: (T, 64) expression, of which the mouth's part is taken.
        upper: (T, 64) expression of eyes and brows, added.
        rest: (T,) share of the picture's own mouth.
    """

    angles: np.ndarray
    shift: np.ndarray
    speech: np.ndarray
    upper: np.ndarray
    rest: np.ndarray

    def __len__(self):
        return len(self.angles)

    def __getitem__(self, part):
        """A slice of frames."""
        return PortraitMotion(*(getattr(self, f.name)[part] for f in fields(self)))


def open_portrait(image, fit, model, size_px=512):
    """Make a fitted picture ready to move.

    Args:
        image: (H, W, 3) uint8. fit: Fit of one frame, see `fit_image`. model: MorphableModel (CPU).
        size_px: side of the square window that is shown: all of a square picture, or head and
            shoulders out of a larger one.
    Returns:
        Portrait.
    """
    check_shape("image", image, ("H", "W", 3))
    crop = _window(image.shape, fit.crop)
    zoom = size_px / CROP_PX
    # a point of the fit's crop -> the frame -> the window
    scale = zoom * crop.scale / fit.crop.scale
    centre = zoom * crop.to_crop(fit.crop.to_frame(np.full(2, CROP_PX / 2)))
    view = View(size_px, scale * FOCAL_PX, tuple(centre))
    frame = fit.coefficients.map(lambda part: torch.as_tensor(part[:1]).float())
    with torch.no_grad():
        verts = posed_verts(model, frame)
        normals = vertex_normals(verts, model.faces)
        albedo = detailed_albedo(model, frame, fit.crop.image(image, max(CROP_PX, size_px)))
        light = irradiance(normals, frame.light)[0]
        within = model.any_region(*MOUTH_INSIDE)
        # half of the light's tint was fitted to the skin's colour
        light[within] = (light[within] + light[within].mean(-1, keepdim=True)) / 2
        colours = (albedo * light).clamp(0, 1).numpy()
        centred = view.centred(verts[0].numpy())[None]
        shown = drawn_verts(centred, model.faces, view.at(2 * size_px))[0]
        seen = (shown * facing(verts, normals)[0].clamp_min(GRAZING)).numpy()
        expression = (frame.exp @ model.exp_basis.flatten(1)).reshape(-1, 3).numpy()
        neutral = model.shape(frame.id, torch.zeros_like(frame.exp))[0].numpy()
    world = verts[0].numpy()
    mouth, inside = mouth_share(model), lip_rim(model)
    colours = mouth_colours(model, colours, inside)
    source, seen = beyond_outlines(model, seen)
    share_and_opacity = np.stack([np.zeros(len(world)), face_opacity(model)], 1)
    return Portrait(
        model,
        view,
        crop,
        crop.image(image, 2 * size_px),
        image_mesh(model, world, float(frame.trans[0, 2]), view),
        rotation_from_angles(frame.angles)[0].numpy(),
        frame.trans[0].numpy(),
        neutral + (1 - mouth[:, None]) * expression,
        mouth[:, None] * expression,
        mouth,
        inside,
        np.concatenate(
            [place_in_picture(view, world[source]), share_and_opacity, 255 * colours],
            1,
            dtype=np.float32,
        ),
        seen,
    )


def _window(shape, fit_crop):
    """Crop of the square window: head and shoulders, inside the picture."""
    height, width = shape[:2]
    reach = REACH * FOCAL_PX / DISTANCE / fit_crop.scale
    side = min(height, width, reach)
    centre = fit_crop.to_frame(np.full(2, CROP_PX / 2)) - side * np.array([0.5, HEAD_HIGH])
    left, top = np.clip(centre, 0, [width - side, height - side])
    scale = CROP_PX / side
    return Crop(float(scale), float(-left * scale), float(-top * scale))


def place_in_picture(view, world):
    """(V, 3) x d, y d, d of `draw_pictures` for points that are seen at these places."""
    place, depth = view.at(2 * view.size_px).project(world)
    return np.concatenate([place * depth[:, None], depth[:, None]], 1).astype(np.float32)
