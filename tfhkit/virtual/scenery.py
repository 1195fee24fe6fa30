"""What is around a virtual speaker's head: hair with volume, neck and shoulders, a room."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from tfhkit.camera import rotation_from_angles
from tfhkit.face import MorphableModel, vertex_normals
from tfhkit.maths import smooth

Rgb = tuple[float, float, float]

_N_ANGLES = 120
# Rings of the bust below the neck: y (dm), half width, half depth, depth of the centre.
_PROFILE = np.array(
    [
        (-1.12, 0.60, 0.56, -1.02),
        (-1.34, 0.74, 0.62, -1.00),
        (-1.48, 1.00, 0.68, -0.98),
        (-1.62, 1.40, 0.76, -0.96),
        (-1.80, 1.82, 0.84, -0.94),
        (-2.07, 2.08, 0.92, -0.90),
        (-2.52, 2.20, 1.00, -0.86),
        (-4.50, 2.15, 1.05, -0.84),
    ]
)
_CUT_BELOW_CHIN = 0.22  # dm; there the head's own neck ends and the bust begins
_AXIS_Z = -0.8  # depth of the neck's axis, dm


@dataclass(frozen=True)
class Scene:
    """Room, clothes and camera of a clip.

    Args:
        height, width: size of the frame in pixels.
        focal_px: focal length; 2.7 times the height shows head and shoulders.
        centre_px: (x, y) of the principal point in whole pixels, where the head's centre lies.
        background: picture of the room, larger than the frame by `margin` on each side.
        shirt, trim: RGB in [0, 1] of cloth and collar.
        neckline_dm: how far the collar leaves the neck free in front.
        hair_dm: thickness of the hair on the crown.
        noise: standard deviation of the sensor's noise, grey levels of 255.
        seed: random seed of the noise and of the hair's unevenness.
    """

    height: int
    width: int
    focal_px: float
    centre_px: tuple[int, int]
    background: UInt8[np.ndarray, "H W 3"]
    shirt: Rgb
    trim: Rgb
    neckline_dm: float
    hair_dm: float
    noise: float
    seed: int

    @property
    def margin(self) -> int:
        """Pixels by which the background can move to each side."""
        return (self.background.shape[0] - self.height) // 2


def random_scene(seed: int, height: int = 360, width: int = 480) -> Scene:
    """A scene drawn at random, the same for the same seed and size."""
    rng = np.random.default_rng((seed, 23))
    shirt = _colour(rng, rng.uniform(0.1, 0.6), rng.uniform(0.15, 0.8))
    trim = shirt if rng.random() < 0.5 else _colour(rng, 0.2, rng.uniform(0.1, 0.9))
    return Scene(
        height=height,
        width=width,
        focal_px=2.7 * height,
        centre_px=(width // 2, round(0.48 * height)),
        background=_room(rng, height, width, max(8, height // 15)),
        shirt=shirt,
        trim=trim,
        neckline_dm=rng.uniform(0.05, 0.35),
        hair_dm=rng.uniform(0.05, 0.22),
        noise=rng.uniform(0.8, 2.5),
        seed=seed,
    )


def with_hair(model: MorphableModel, thickness_dm: float, seed: int) -> MorphableModel:
    """The model with its scalp raised along the normals: most on the crown, not at the edge.

    Only vertices of the region "scalp" move, so the face remains that of its coefficients.
    """
    rng = np.random.default_rng((seed, 29))
    scalp = model.regions["scalp"]
    depth = _depth_inside(scalp.numpy(), model.faces.numpy(), 14)
    normals = vertex_normals(model.mean_shape[None], model.faces)[0]
    place = model.mean_shape.numpy() @ rng.normal(0, 5, (3, 6)) + rng.uniform(0, 6, 6)
    uneven = 1 + 0.12 * np.sin(place).sum(1)
    high = ((model.mean_shape[:, 1].numpy() + 0.2) / 1.2).clip(0.25, 1)
    rise = thickness_dm * (depth / 8).clip(0, 1) ** 0.8 * uneven * high
    rise = _smooth(rise, model.faces.numpy(), 8) * (depth > 0)
    strands = model.mean_shape.numpy() @ rng.normal(0, (40, 8, 40), (4, 3)).T
    shade = 1 + 0.10 * np.sin(strands).sum(1) * (depth / 14)
    return replace(
        model,
        mean_shape=model.mean_shape + normals * torch.as_tensor(rise[:, None]).to(normals),
        mean_tex=model.mean_tex * torch.as_tensor(shade[:, None]).to(normals),
    )


def cut_neck(
    model: MorphableModel, verts: Float[Tensor, "V 3"]
) -> tuple[Bool[Tensor, "F"], float, Float[np.ndarray, "A"]]:
    """Where the head ends: the model's neck has a ragged lower edge and widens to the shoulders.

    Args:
        model: the face model, for its regions.
        verts: neutral head, model space.
    Returns:
        shown: whether a face is drawn.
        cut_y: height of the cut, dm.
        radius: distance of the neck's surface from its axis at the cut, dm, one for each of
            `_angles`.
    """
    neck = model.regions["neck"].numpy()
    x, y, z = verts.numpy().T
    cut_y = float(verts[model.landmark_ids[8], 1]) - _CUT_BELOW_CHIN
    angle, far = np.arctan2(x, z - _AXIS_Z), np.hypot(x, z - _AXIS_Z)
    # in front the neck lies below the chin, at the back the trapezius starts higher
    high = cut_y + np.interp(np.abs(angle), (1.0, 2.0), (0.02, 0.18))
    near = neck & (np.abs(y - high) < 0.08)
    angles = _angles()
    gap = np.abs((angle[near][None] - angles[:, None] + np.pi) % (2 * np.pi) - np.pi)
    weight = np.exp(-((gap / 0.15) ** 2)) + 1e-12
    radius = (weight * far[near]).sum(1) / weight.sum(1)
    own = np.interp(angle, angles, radius, period=2 * np.pi)
    low = neck & (y < cut_y - 0.02)
    wing = neck & (y < high) & (far > 1.06 * own)
    faces = model.faces.numpy()
    return torch.as_tensor(~(low[faces].all(1) | wing[faces].any(1))), cut_y, radius


def _angles() -> Float[np.ndarray, "A"]:
    """Angles around the neck's axis, radians."""
    return np.linspace(-np.pi, np.pi, _N_ANGLES, endpoint=False)


@dataclass(frozen=True)
class Bust:
    """Neck and shoulders as a mesh.

    Args:
        verts: dm, in the space of the head in its resting pose.
        faces: vertices of each triangle.
        albedo: RGB in [0, 1].
        held: how far each vertex moves with the head (1) or with the trunk (0).
    """

    verts: Float[Tensor, "N 3"]
    faces: Int[Tensor, "M 3"]
    albedo: Float[Tensor, "N 3"]
    held: Float[Tensor, "N"]


def make_bust(
    model: MorphableModel,
    verts: Float[Tensor, "V 3"],
    albedo: Float[Tensor, "V 3"],
    scene: Scene,
) -> tuple[Bust, Bool[Tensor, "F"]]:
    """Bust that continues the neck of a head.

    Args:
        model: the face model, for its regions.
        verts: neutral head of the speaker, model space.
        albedo: RGB in [0, 1] of the head.
        scene: the clothes.
    Returns:
        bust: neck and shoulders.
        shown: which of the head's faces are drawn above it.
    """
    shown, cut_y, radius = cut_neck(model, verts)
    points = _ring_points(cut_y, radius)
    sin, cos = np.sin(_angles()), np.cos(_angles())
    # the front of the collar is lower than its back: y falls with how far in front a point is
    front = cos[None]
    collar = -1.25 - 0.10 * front - scene.neckline_dm * front.clip(0, 1) ** 6
    below = collar - points[..., 1]
    near_cut = model.regions["neck"] & ((verts[:, 1] - cut_y).abs() < 0.1)
    skin = albedo[near_cut].mean(0).numpy()
    cloth = np.array(scene.shirt) * (1 + 0.05 * np.sin(9 * points[..., :1] + 3 * points[..., 1:2]))
    clothed = (below[..., None] / 0.02 + 0.5).clip(0, 1)
    edge = ((0.05 - np.abs(below[..., None] - 0.05)) / 0.02 + 0.5).clip(0, 1)
    colours = skin + clothed * (cloth - skin)
    colours = colours + edge * (np.array(scene.trim) - colours)
    points = points + (below / 0.06).clip(0, 0.5)[..., None] * 0.06 * np.stack(
        [sin, 0 * sin, cos], 1
    )
    held = smooth(((points[..., 1] + 1.7) / 0.65).clip(0, 1))
    bust = Bust(
        torch.as_tensor(points.reshape(-1, 3), dtype=torch.float32),
        torch.as_tensor(_ring_faces(len(points))),
        torch.as_tensor(colours.reshape(-1, 3), dtype=torch.float32).clamp(0, 1),
        torch.as_tensor(held.ravel(), dtype=torch.float32),
    )
    return bust, shown


def _ring_points(cut_y: float, radius: Float[np.ndarray, "A"]) -> Float[np.ndarray, "R A 3"]:
    """Points of rings from the neck at the cut down to the chest."""
    sin, cos = np.sin(_angles()), np.cos(_angles())
    levels = np.concatenate([np.linspace(cut_y + 0.15, -2.1, 70), np.linspace(-2.15, -4.5, 12)])
    rings = []
    for y in levels:
        a, b, z = (np.interp(-y, -_PROFILE[:, 0], _PROFILE[:, k]) for k in (1, 2, 3))
        own = smooth(np.clip((y + 1.4) / (cut_y + 1.4), 0, 1))  # 1: the neck's shape, 0: _PROFILE
        slack = np.interp(y, (cut_y - 0.05, cut_y + 0.15), (1.02, 0.94))  # the seam lies outside
        x = own * radius * slack * sin + (1 - own) * a * sin
        z = own * (_AXIS_Z + radius * slack * cos) + (1 - own) * (z + b * cos)
        rings.append(np.stack([x, np.full_like(x, y), z], 1))
    return np.stack(rings)


def _ring_faces(n_rings: int) -> Int[np.ndarray, "M 3"]:
    """Two triangles between each two neighbouring points of a ring and those of the next ring."""
    row = np.arange(_N_ANGLES)
    a = (np.arange(n_rings - 1)[:, None] * _N_ANGLES + row).ravel()
    b = (np.arange(n_rings - 1)[:, None] * _N_ANGLES + (row + 1) % _N_ANGLES).ravel()
    return np.concatenate(
        [np.stack([a, a + _N_ANGLES, b], 1), np.stack([b, a + _N_ANGLES, b + _N_ANGLES], 1)]
    )


def pose_bust(
    bust: Bust, head_pose: Float[Tensor, "T 6"], trunk_pose: Float[Tensor, "T 6"]
) -> Float[Tensor, "T N 3"]:
    """World vertices of a bust, each between its place in the head's pose and in the trunk's."""
    placed = [
        bust.verts @ rotation_from_angles(pose[:, :3]).transpose(-1, -2) + pose[:, None, 3:]
        for pose in (head_pose, trunk_pose)
    ]
    return placed[1] + bust.held[:, None] * (placed[0] - placed[1])


def _depth_inside(
    inside: Bool[np.ndarray, "V"], faces: Int[np.ndarray, "F 3"], most: int
) -> Float[np.ndarray, "V"]:
    """Steps along edges from the region's border, at most `most`; 0 outside."""
    depth = np.where(inside, most, 0).astype(float)
    for _ in range(most):
        least = depth.copy()
        for i, j in ((0, 1), (1, 2), (2, 0)):
            np.minimum.at(least, faces[:, i], depth[faces[:, j]] + 1)
            np.minimum.at(least, faces[:, j], depth[faces[:, i]] + 1)
        depth = least
    return depth


def _smooth(
    values: Float[np.ndarray, "V"], faces: Int[np.ndarray, "F 3"], rounds: int
) -> Float[np.ndarray, "V"]:
    """Mean over neighbours along edges, several times."""
    count = np.bincount(faces.ravel(), minlength=len(values)).clip(1)
    for _ in range(rounds):
        mean = values[faces].mean(1)
        total = sum(np.bincount(faces[:, k], mean, len(values)) for k in range(3))
        values = np.where(total != 0, total / count, values)
    return values


def _colour(rng: np.random.Generator, saturation: float, value: float) -> Rgb:
    """RGB of a random hue."""
    hsv = np.array([[[rng.uniform(0, 360), saturation, value]]], np.float32)
    red, green, blue = cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0, 0].tolist()
    return red, green, blue


def _room(
    rng: np.random.Generator, height: int, width: int, margin: int
) -> UInt8[np.ndarray, "H W 3"]:
    """A lit wall with blurred objects in front of it, larger than the frame by the margins."""
    h, w = height + 2 * margin, width + 2 * margin
    y, x = np.mgrid[0:h, 0:w].astype(np.float32) / height
    wall = np.array(_colour(rng, rng.uniform(0.05, 0.35), rng.uniform(0.35, 0.8)), np.float32)
    lamp = np.array([rng.uniform(0, w / h), rng.uniform(-0.2, 0.5)])
    light = 0.7 + 0.5 * np.exp(-((x - lamp[0]) ** 2 + (y - lamp[1]) ** 2) / 0.5)
    picture = np.ascontiguousarray((wall * light[..., None] * 255).clip(0, 255))
    for _ in range(rng.integers(4, 12)):
        colour = [255 * v for v in _colour(rng, rng.uniform(0.05, 0.4), rng.uniform(0.15, 0.8))]
        corner = np.array([rng.uniform(-0.1, 1) * w, rng.uniform(-0.1, 0.9) * h])
        size = rng.uniform(0.05, 0.4, 2) * h
        if rng.random() < 0.7:
            low, high = corner.astype(int), (corner + size).astype(int)
            cv2.rectangle(picture, low.tolist(), high.tolist(), colour, -1)
        else:
            cv2.circle(picture, corner.astype(int).tolist(), int(size[0] / 3), colour, -1)
    picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.008, 0.025) * height)
    grain = cv2.GaussianBlur(rng.normal(0, 8, (h, w, 1)).astype(np.float32), (0, 0), 1.5)
    return (picture + grain.reshape(h, w, 1)).clip(0, 255).astype(np.uint8)
