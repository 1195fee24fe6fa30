"""The inside of a mouth that a picture does not show: teeth, tongue, cavity, and their light.

The upper teeth stay with the skull and the lower ones with the jaw, as the model's own rows do. The
tongue follows the jaw, and rises and comes forward a little where the lips are spread.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from tfhkit.face.lighting import irradiance
from tfhkit.face.model import MOUTH_INSIDE, MorphableModel
from tfhkit.maths import smoothstep
from tfhkit.portrait.face_maps import corners, lip_crease
from tfhkit.portrait.teeth import IVORY, LOWER, UPPER, row_of_teeth

TONGUE = np.array([0.68, 0.38, 0.37])  # sRGB
CAVITY = np.array([0.50, 0.22, 0.21])
TONGUE_REACH = 0.08  # dm by which the tongue lies farther forward than the model's
TONGUE_LIFT, TONGUE_OUT = 0.45, 0.35  # of how much wider than at rest the lips are
TONGUE_LEFT_BEHIND = 0.05  # share of the jaw's way down that the tongue does not go along
LIPS_DM = 0.09  # from where the lips meet back to the teeth
CLOSED = 0.010  # dm2; with a smaller opening the lips' crease shows
LEAST_GAP = 0.004  # dm2; light also comes through the lips
DEPTH = 0.7  # power of the share of light; values are sRGB, not linear
BETWEEN_WALLS = 0.30  # share of light that the walls reflect into the depth
REDDEST = 0.14  # share of red that teeth have more than green; a lip has 0.2 and more
OUTWARDS = 1.0  # how much of a normal in the mouth is replaced by the way out


@dataclass(frozen=True)
class ToothRow:
    """A row of teeth that an affine map of the model's own row carries.

    Args:
        ids: the model's own row.
        solve: from the model's row to the affine map. points: homogeneous, of the new row.
    """

    ids: Int[np.ndarray, "n"]
    solve: Float[np.ndarray, "4 n"]
    points: Float[np.ndarray, "M 4"]


@dataclass(frozen=True)
class InnerMouth:
    """The model with single teeth in place of its own rows.

    Args:
        rows: upper and lower row, whose vertices follow the model's; none where it has no teeth.
        faces: of the model and of the rows.
        within: vertices of teeth, tongue and cavity.
        albedo: sRGB of the vertices within, 0 elsewhere.
        crown: 1 on the crowns of teeth.
        crease: share of RGB that is lost where closed lips meet.
        corners: 1 at the corners of the mouth, where they always meet.
        tongue: 0 at the root and off the tongue, 1 at its tip.
        lips: the inner lips' landmarks, counter-clockwise.
    """

    rows: tuple[ToothRow, ...]
    faces: Int[np.ndarray, "F 3"]
    within: Bool[np.ndarray, "N"]
    albedo: Float[np.ndarray, "N 3"]
    crown: Float[np.ndarray, "N"]
    crease: Float[np.ndarray, "N 3"]
    corners: Float[np.ndarray, "N"]
    tongue: Float[np.ndarray, "V"]
    lips: Int[np.ndarray, "8"]

    @property
    def n_added(self) -> int:
        """Vertices that come after the model's."""
        return sum(len(row.points) for row in self.rows)


def inner_mouth(model: MorphableModel) -> InnerMouth:
    """The inside of a model's mouth.

    Args:
        model: any; single teeth are made for the open model.
    """
    shape, faces = model.mean_shape.numpy(), model.faces.numpy()
    within = model.any_region(*MOUTH_INSIDE).numpy()
    teeth, tongue = (model.any_region(name).numpy() for name in ("teeth", "tongue"))
    albedo = np.where(within[:, None], CAVITY, 0.0)
    albedo[teeth] = IVORY
    along = np.zeros(len(shape))
    if tongue.any():
        z = shape[tongue, 2]
        along[tongue] = (z - z.min()) / max(np.ptp(z), 1e-6)
        groove = 1 - 0.08 * np.exp(-((shape[tongue, :1] / 0.02) ** 2))
        albedo[tongue] = TONGUE * groove
    rows, parts, crown = [], [faces], [teeth.astype(float)]
    if model.name == "open" and teeth.any() and "jawOpen" in model.action_names:
        parts, crown, first = [faces[~teeth[faces].all(1)]], [np.zeros(len(shape))], len(shape)
        for ids, arch in zip(_rows(model, teeth), (UPPER, LOWER), strict=True):
            new = row_of_teeth(arch)
            rows.append(_carried(new.verts, ids, shape[ids]))
            parts.append(new.faces + first)
            albedo, first = np.concatenate([albedo, new.albedo]), first + len(new.verts)
            crown.append(new.crown)
    added = np.ones(len(albedo) - len(shape), bool)
    lips = model.landmark_ids[[60, 67, 66, 65, 64, 63, 62, 61]].numpy()
    return InnerMouth(
        tuple(rows),
        np.concatenate(parts),
        np.concatenate([within, added]),
        albedo,
        np.concatenate(crown),
        np.concatenate([lip_crease(model), np.zeros((len(added), 3))]),
        np.concatenate([corners(model), np.zeros(len(added))]),
        along,
        lips,
    )


def _rows(model, teeth):
    """The model's vertices of the upper row, which the jaw leaves alone, and of the lower one."""
    jaw = model.actions[model.action_names.index("jawOpen")] @ model.exp_basis.flatten(1)
    still = (jaw.reshape(-1, 3).abs().amax(1) < 0.01).numpy()
    return np.flatnonzero(teeth & still), np.flatnonzero(teeth & ~still)


def _carried(points, ids, row):
    """The ToothRow of points that follow every affine map of the model's row (n, 3)."""
    homogeneous = lambda x: np.column_stack([x, np.ones(len(x))])  # noqa: E731
    return ToothRow(ids, np.linalg.pinv(homogeneous(row)), homogeneous(points))


def with_inner_mouth(
    inner: InnerMouth,
    shape: Float[np.ndarray, "T V 3"],
    rest: Float[np.ndarray, "V 3"],
) -> Float[np.ndarray, "T N 3"]:
    """Add the teeth, and move the tongue.

    Args:
        inner: of the model.
        shape: model space, the model's vertices.
        rest: the same with closed lips.
    """
    shape = shape.copy()
    on = inner.tongue > 0
    if on.any():
        wider = (_spread(inner, shape) - _spread(inner, rest)).clip(-0.08, 0.08)
        share = smoothstep(0.3, 1, inner.tongue[on])
        down = (shape[:, on, 1] - rest[on, 1]).clip(None, 0)
        shape[:, on, 1] += share * (TONGUE_LIFT * wider[:, None] - TONGUE_LEFT_BEHIND * down)
        shape[:, on, 2] += TONGUE_REACH + share * TONGUE_OUT * wider[:, None]
    added = [row.points @ (row.solve @ shape[:, row.ids]) for row in inner.rows]
    return np.concatenate([shape, *added], 1)


def _spread(inner, shape):
    """Distance (...) of the corners of the mouth along x, dm."""
    return shape[..., inner.lips[4], 0] - shape[..., inner.lips[0], 0]


def opening(inner: InnerMouth, shape: Float[np.ndarray, "T N 3"]) -> Float[np.ndarray, "T"]:
    """Area between the lips as seen from the front, dm2."""
    x, y = shape[:, inner.lips, 0], shape[:, inner.lips, 1]
    return (x * np.roll(y, -1, 1) - np.roll(x, -1, 1) * y).sum(1) / 2


def meeting(inner: InnerMouth, shape: Float[np.ndarray, "T N 3"]) -> Float[np.ndarray, "T N"]:
    """How nearly the lips meet, in [0, 1]; at the corners they part last.

    Args:
        inner: of the model. shape: model space, from `with_inner_mouth`.
    """
    area = opening(inner, shape).clip(0)[:, None]
    at_corners = 0.6 * np.exp(-area / (3 * CLOSED)) * inner.corners
    return np.maximum(np.exp(-area / CLOSED), at_corners)


def share_of_light(
    inner: InnerMouth, shape: Float[np.ndarray, "T N 3"]
) -> Float[np.ndarray, "T N"]:
    """Share of the light outside that arrives in the mouth, 1 outside of it.

    A point at the distance d behind an opening of the area A sees it under a solid angle of about
    A / d^2. Of a half space full of light it gets A / (A + pi d^2).

    Args:
        inner: of the model. shape: model space, from `with_inner_mouth`.
    """
    lips, points = shape[:, inner.lips], shape[:, inner.within]
    area = opening(inner, shape)
    low, high = lips[..., :2].min(1)[:, None], lips[..., :2].max(1)[:, None]
    aside = 0.6 * np.maximum(0, np.maximum(low - points[..., :2], points[..., :2] - high))
    behind = np.maximum(0, lips[..., 2].mean(1)[:, None] - LIPS_DM - points[..., 2])
    gap = np.maximum(area, LEAST_GAP)[:, None]
    arriving = (gap / (gap + np.pi * (behind**2 + (aside**2).sum(-1)))) ** DEPTH
    share = np.ones(shape.shape[:2])
    share[:, inner.within] = BETWEEN_WALLS + (1 - BETWEEN_WALLS) * arriving
    return share


def mouth_colours_lit(
    inner: InnerMouth,
    albedo: Float[np.ndarray, "N 3"],
    normals: Float[Tensor, "T N 3"],
    light: Float[Tensor, "1 27"],
    turn: Float[np.ndarray, "T 3 3"],
    share: Float[np.ndarray, "T N"],
) -> Float[np.ndarray, "T M 3"]:
    """Lit RGB in [0, 1] of the vertices within.

    Light comes through the lips, so that the normals are bent towards the way out.

    Args:
        inner: of the model. albedo: of all vertices.
        normals: world space. light: of the picture. turn: of the head.
        share: from `share_of_light`.
    """
    way_out = torch.from_numpy(turn[:, None, :, 2]).to(normals)
    bent = torch.nn.functional.normalize(normals[:, inner.within] + OUTWARDS * way_out, dim=-1)
    lit = irradiance(bent, light.expand(len(bent), -1)).numpy()
    lit = (
        lit + lit.mean(-1, keepdims=True)
    ) / 2  # half of its tint was fitted to the skin's colour
    return (albedo[inner.within] * lit * share[:, inner.within, None]).clip(0, 1)


def tooth_colour(
    picture: UInt8[np.ndarray, "D D 3"], lips_px: Float[np.ndarray, "8 2"]
) -> Float[np.ndarray, "3"] | None:
    """The colour of the teeth that a picture shows between the lips, in [0, 1]; None for none.

    Args:
        picture: where they may be seen. lips_px: outline of the inner lips.
    """
    import cv2

    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(lips_px).astype(np.int32)], 1)
    inside = picture[mask > 0].astype(float) / 255
    if len(inside) < 60:
        return None
    brightness = inside.mean(1)
    bright = brightness > 0.8 * np.quantile(brightness, 0.9)
    pale = np.ptp(inside, axis=1) < 0.35 * inside.max(1)
    pale &= inside[:, 0] - inside[:, 1] < REDDEST * inside[:, 0]
    teeth = inside[bright & pale & (brightness > 0.3)]
    return np.median(teeth, 0) if len(teeth) > 0.2 * len(inside) else None
