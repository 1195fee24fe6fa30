"""One picture in motion: its mesh of anchors, and over it the fitted face with the picture on it.

The mesh of anchors alone could neither open a mouth nor close an eye. So the model's face is drawn
over it. Where the picture shows its surface, it carries the picture's own pixels. Elsewhere (inner
lips, teeth, lids, a side that was turned away) it carries the colours of the detailed albedo under
the fitted light. At rest both together reproduce the picture.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, UInt8

from tfhkit.camera import CROP_PX, DISTANCE, FOCAL_PX, Camera, project, rotation_from_angles
from tfhkit.errors import check_shape
from tfhkit.face import MorphableModel, vertex_normals
from tfhkit.face.lighting import irradiance
from tfhkit.face.model import MOUTH_INSIDE
from tfhkit.fit import Crop, Fit
from tfhkit.portrait.face_maps import (
    beyond_outlines,
    face_opacity,
    lip_rim,
    mouth_colours,
    mouth_share,
)
from tfhkit.portrait.image_mesh import ImageMesh, image_mesh
from tfhkit.render import detailed_albedo
from tfhkit.render.shading import posed_verts
from tfhkit.render.visibility import drawn_verts, facing

REACH = 4.4  # dm, side of the window around the head, where the picture is larger
HEAD_HIGH = 0.42  # the head's centre lies at this share of the window's height
GRAZING = 1e-3  # smallest cosine of a visible surface


@dataclass(frozen=True)
class Portrait:
    """A fitted picture that is ready to move.

    Args:
        model: the fitted model.
        view: the camera of the window. crop: the part of the picture that the window shows.
        picture: the window at twice its size, D = 2 S.
        mesh: the anchors.
        turn, trans: rotation and translation of the head at rest.
        calm: model space, the person with the picture's expression above the mouth.
        smile: what the picture's expression adds at the mouth.
        mouth: 1 at the mouth and jaw, 0 from the nose up.
        inside: 1 in the mouth and where the lips meet, 0 outside. It shows the picture only as
            long as the mouth is the picture's own.
        paint: see `draw_pictures`.
        seen: cosine at which the picture shows a vertex, 0 where it does not; see
            `beyond_outlines`.
    """

    model: MorphableModel
    view: Camera
    crop: Crop
    picture: UInt8[np.ndarray, "D D 3"]
    mesh: ImageMesh
    turn: Float[np.ndarray, "3 3"]
    trans: Float[np.ndarray, "3"]
    calm: Float[np.ndarray, "V 3"]
    smile: Float[np.ndarray, "V 3"]
    mouth: Float[np.ndarray, "V"]
    inside: Float[np.ndarray, "V"]
    paint: Float[np.ndarray, "V 8"]
    seen: Float[np.ndarray, "V"]

    @property
    def image(self) -> UInt8[np.ndarray, "S S 3"]:
        """The window itself: the mean of the picture's 2 x 2 pixels."""
        size = self.view.size_px
        mean = self.picture.reshape(size, 2, size, 2, 3).mean((1, 3))
        return np.rint(mean).astype(np.uint8)


@dataclass(frozen=True)
class PortraitMotion:
    """How a portrait moves; with `rest` 1 and all else 0 it is the picture itself.

    Args:
        angles, shift: radians and dm, added to those of the picture.
        speech: expression, of which only the mouth's part is used.
        upper: expression of eyes and brows, added.
        rest: share of the picture's own mouth.
    """

    angles: Float[np.ndarray, "T 3"]
    shift: Float[np.ndarray, "T 3"]
    speech: Float[np.ndarray, "T 64"]
    upper: Float[np.ndarray, "T 64"]
    rest: Float[np.ndarray, "T"]

    def __len__(self) -> int:
        return len(self.angles)

    def __getitem__(self, part: slice) -> "PortraitMotion":
        """A slice of frames."""
        return PortraitMotion(*(getattr(self, f.name)[part] for f in fields(self)))


def open_portrait(
    image: UInt8[np.ndarray, "..."], fit: Fit, model: MorphableModel, size_px: int = 512
) -> Portrait:
    """Make a fitted picture ready to move.

    Args:
        image: (H, W, 3). fit: of one frame, see `fit_image`. model: the fitted model, on the CPU.
        size_px: side of the square window that is shown: all of a square picture, or head and
            shoulders out of a larger one.
    """
    check_shape("image", image, ("H", "W", 3))
    crop = _window(image.shape, fit.crop)
    zoom = size_px / CROP_PX
    # a point of the fit's crop -> the frame -> the window
    scale = zoom * crop.scale / fit.crop.scale
    centre = zoom * crop.to_crop(fit.crop.to_frame(np.full(2, CROP_PX / 2)))
    view = Camera(size_px, float(scale * FOCAL_PX), (float(centre[0]), float(centre[1])))
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
        shown = drawn_verts(verts, model.faces, view.at(2 * size_px))[0]
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


def place_in_picture(view: Camera, world: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """x d, y d and d of `draw_pictures`, for world points where the picture shows them."""
    place, depth = project(torch.from_numpy(world), view.at(2 * view.size_px))
    return torch.cat([place * depth[:, None], depth[:, None]], 1).float().numpy()
