"""One picture in motion: its mesh of anchors, and over it the fitted face with the picture on it.

The mesh of anchors alone could neither open a mouth nor close an eye. So the model's face is drawn
over it. Where the picture shows its surface, it carries the picture's own pixels. Elsewhere (inner
lips, teeth, lids, a side that was turned away) it carries the colours of the detailed albedo under
the fitted light. At rest both together reproduce the picture.
"""

from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8

from tfhkit.camera import CROP_PX, DISTANCE, FOCAL_PX, Camera, project, rotation_from_angles
from tfhkit.errors import check_shape
from tfhkit.face import MorphableModel, vertex_normals
from tfhkit.face.lighting import irradiance
from tfhkit.fit import Crop, Fit
from tfhkit.portrait.advice import mouth_ratio
from tfhkit.portrait.face_maps import (
    beyond_outlines,
    face_opacity,
    lip_rim,
    mouth_colours,
    mouth_share,
    not_lips,
)
from tfhkit.portrait.image_mesh import ImageMesh, image_mesh, seen_at
from tfhkit.portrait.mouth import (
    InnerMouth,
    inner_mouth,
    mouth_colours_lit,
    tooth_colour,
    with_inner_mouth,
)
from tfhkit.render import detailed_albedo
from tfhkit.render.visibility import drawn_verts, facing

REACH = 4.4  # dm, side of the window around the head, where the picture is larger
HEAD_HIGH = 0.42  # the head's centre lies at this share of the window's height
PARTED = 0.1  # gap of the inner lips over their width from which lips may be taken for what is not
TOOTH_CHANGE = (0.6, 1.25)  # by how much a picture's teeth may differ from ivory
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
        inner: teeth, tongue and cavity; its N vertices are the model's and those of the teeth.
        inside: 1 in the mouth and where the lips meet, 0 outside. It shows the picture only as
            long as the mouth is the picture's own.
        paint: see `draw_pictures`.
        seen: cosine at which the picture shows a vertex, 0 where it does not; see
            `beyond_outlines`.
        light: of the picture. albedo: of what is within the mouth.
        pixel_px: side of one of the picture's own pixels in the window, at least 1.
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
    inner: InnerMouth
    inside: Float[np.ndarray, "N"]
    paint: Float[np.ndarray, "N 8"]
    seen: Float[np.ndarray, "N"]
    light: Float[np.ndarray, "1 27"]
    albedo: Float[np.ndarray, "N 3"]
    pixel_px: float

    @property
    def dm_px(self) -> float:
        """Pixels of the window in 1 dm, at the head."""
        return self.view.focal_px / DISTANCE

    @cached_property
    def layers(self) -> Int[np.ndarray, "F"]:
        """For each triangle: 0 on the skin, 1 within the mouth, 2 on the eyes."""
        eyes = np.zeros(len(self.inner.within), bool)
        eyes[: self.model.n_verts] = self.model.any_region("eyes").numpy()
        corners = self.inner.faces
        return self.inner.within[corners].all(1) + 2 * eyes[corners].all(1)

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
    inner = inner_mouth(model)
    with torch.no_grad():
        expression = (frame.exp @ model.exp_basis.flatten(1)).reshape(-1, 3).numpy()
        neutral = model.shape(frame.id, torch.zeros_like(frame.exp))[0].numpy()
        turn, trans = rotation_from_angles(frame.angles)[0].numpy(), frame.trans[0].numpy()
        whole = with_inner_mouth(inner, (neutral + expression)[None], neutral)[0]
        verts = torch.from_numpy((whole @ turn.T + trans).astype(np.float32))[None]
        normals = vertex_normals(verts, torch.from_numpy(inner.faces))
        crop_px = max(CROP_PX, size_px)
        albedo = detailed_albedo(model, frame, fit.crop.image(image, crop_px)).numpy()
        light = irradiance(normals, frame.light)[0].numpy()
        shown = drawn_verts(verts, torch.from_numpy(inner.faces), view.at(2 * size_px))[0]
        seen = (shown * facing(verts, normals)[0].clamp_min(GRAZING)).numpy()
    world = verts[0].numpy()
    picture = crop.image(image, 2 * size_px)
    n, none = model.n_verts, np.zeros(inner.n_added)
    colours = np.zeros((len(world), 3), np.float32)
    parted = mouth_ratio(fit.landmarks_px[0]) > PARTED
    mouth, inside = mouth_share(model), lip_rim(model, parted)
    if parted:
        at = seen_at(world[:n].astype(np.float64), view.at(2 * size_px))
        column, row = at.astype(int).clip(0, 2 * size_px - 1).T
        inside = np.maximum(inside, not_lips(model, picture[row, column] / 255))
    colours[:n] = mouth_colours(model, (albedo * light[:n]).clip(0, 1), inside)
    source = np.arange(len(world))
    source[:n], seen[:n] = beyond_outlines(model, seen[:n])
    opacity = np.concatenate([face_opacity(model), none + 1])
    place = place_in_picture(view, world[source])
    lips_px = seen_at(world[inner.lips].astype(np.float64), view.at(2 * size_px))
    return Portrait(
        model,
        view,
        crop,
        picture,
        image_mesh(model, world[:n], float(trans[2]), view),
        turn,
        trans,
        neutral + (1 - mouth[:, None]) * expression,
        mouth[:, None] * expression,
        mouth,
        inner,
        np.concatenate([inside, none + 1]),
        np.column_stack([place, 0 * opacity, opacity, 255 * colours]).astype(np.float32),
        seen,
        frame.light.reshape(1, 27).numpy(),
        _albedo(inner, tooth_colour(picture, lips_px), normals, frame.light, turn),
        max(1.0, zoom * crop.scale),
    )


def _albedo(inner, teeth, normals, light, turn):
    """Albedo (N, 3) of what is within the mouth; the ivory is that of the picture's teeth."""
    if teeth is None or not inner.rows:
        return inner.albedo
    everywhere = np.ones((1, len(inner.within)))
    lit = mouth_colours_lit(inner, inner.albedo, normals, light, turn[None], everywhere)[0]
    crowns = inner.crown[inner.within] > 0.9
    change = np.clip(teeth / np.quantile(lit[crowns], 0.7, axis=0), *TOOTH_CHANGE)
    return inner.albedo * (1 + inner.crown[:, None] * (change - 1))


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
