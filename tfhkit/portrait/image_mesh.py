"""A picture as a mesh of anchors with depth; the farther from the head, the less they follow it.

Face profiling extends the fitted face over the whole picture: anchors inside the head lie on the
fitted surface, those around it get a depth, all are triangulated, and a turn of the head moves
them. An anchor follows only a share of the turn, which falls to 0 with the distance from the head.
So the mesh does not tear and the rest of the picture stands still; gaps are covered by stretching.

Source: Zhu et al. 2016, "Face alignment across large poses", Sec. 4 (the paper's reference 30).
Differs: a regular grid of anchors, and no second optimisation that keeps their relations in the
picture; the share that falls with the distance does that.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

from tfhkit.camera import DISTANCE, Camera, project, unproject
from tfhkit.face.model import MOUTH_INSIDE, MorphableModel
from tfhkit.maths import smoothstep
from tfhkit.render import rasterize
from tfhkit.render.visibility import vertex_visibility

SPACING = 0.1  # dm between anchors
HAIR = 0.4  # dm of hair around the model's bald head: moves as the head does
FADE = 0.9  # dm over which the motion dies out beyond it
BORDER = 0.4  # dm from the picture's border over which it dies out as well
HAIR_DEPTH = -0.7  # dm behind the head's origin, where hair is seen against the background
JAW_REACH = 0.25  # dm over which anchors follow the jaw and the cheeks
N_LINKS = 6
_MAP_PX = 256  # side of the map in which depth and distance are measured


@dataclass(frozen=True)
class ImageMesh:
    """The anchors of a picture.

    Args:
        rest: dm, world space, where they are in the picture.
        faces: counter-clockwise to the camera.
        weight: share of the head's motion that each anchor follows, 0 on the border.
        links: (A, V), share of the motion of each of the model's vertices on the head.
    """

    rest: Float[np.ndarray, "A 3"]
    faces: Int[np.ndarray, "F 3"]
    weight: Float[np.ndarray, "A"]
    links: sparse.csr_matrix

    @property
    def moving(self) -> Bool[np.ndarray, "F"]:
        """Triangles that a motion can move; the others stay as they are."""
        follows = (self.weight > 0) | (np.diff(self.links.indptr) > 0)
        return follows[self.faces].any(1)

    def move(
        self,
        turn: Float[np.ndarray, "T 3 3"],
        shift: Float[np.ndarray, "T 3"],
        slide: Float[np.ndarray, "T V 3"] | None = None,
    ) -> Float[np.ndarray, "T A 3"]:
        """The anchors of driven frames.

        Args:
            turn, shift: the head's motion from its rest, x -> turn x + shift.
            slide: world space, how far the model's vertices are from where turn and shift take
                them: the motion of jaw, cheeks and brows.
        """
        moved = self.rest @ turn.transpose(0, 2, 1) + shift[:, None]
        moved = self.rest + self.weight[:, None] * (moved - self.rest)
        if slide is not None:
            moved = moved + np.stack([self.links @ frame for frame in slide])
        return moved


def image_mesh(
    model: MorphableModel, verts_world: Float[np.ndarray, "V 3"], head_z: float, view: Camera
) -> ImageMesh:
    """Lay anchors over a picture.

    Args:
        model: the fitted model. verts_world: its vertices as fitted.
        head_z: dm, world z of the head's origin.
        view: the camera of the picture's window.
    Returns:
        A mesh; its projection at rest is the regular grid that covers the window.
    """
    dm_px = view.focal_px / DISTANCE
    n = int(np.ceil(view.size_px / dm_px / SPACING))
    steps = np.linspace(0, view.size_px, n + 1)
    points = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    depth, distance = _maps(model, verts_world, head_z, view.at(_MAP_PX))
    place = (points.T[::-1] * _MAP_PX / view.size_px - 0.5).clip(0, _MAP_PX - 1)
    z, far = (ndimage.map_coordinates(part, place, order=1) for part in (depth, distance))
    there = torch.from_numpy(points), torch.from_numpy(DISTANCE - z)
    rest = unproject(there[0], there[1], view).numpy()
    edge = np.minimum(points, view.size_px - points).min(1) / dm_px
    still = smoothstep(0, 1, (edge - 1.01 * SPACING) / BORDER)  # whole cells at the border
    chin_y = verts_world[model.landmark_ids[8], 1]
    hair = HAIR * smoothstep(0, 1, (rest[:, 1] - chin_y - 0.1) / 0.6)  # none below the chin
    weight = still * (1 - smoothstep(0, 1, (far - hair) / FADE))
    links = (sparse.diags(still) @ _links(model, verts_world, points, view)).tocsr()
    links.eliminate_zeros()
    return ImageMesh(rest, grid_faces(n), weight, links)


def seen_at(points: Float[np.ndarray, "*points 3"], view: Camera) -> Float[np.ndarray, "*points 2"]:
    """The pixels at which world points are seen."""
    return project(torch.from_numpy(points), view)[0].numpy()


def _float(points):
    return torch.from_numpy(points.astype(np.float32))


def _maps(model, verts_world, head_z, view):
    """Maps (S, S) over the window: z in dm, and the distance from the head in dm."""
    fragments = rasterize(_float(verts_world)[None], model.faces, view)
    zbuf, ids = fragments.zbuf[0, ..., 0].numpy(), fragments.pix_to_face[0, ..., 0].numpy()
    covered = ids >= 0
    head = covered & ~model.any_region("neck")[model.faces].any(1).numpy()[ids]
    dm = DISTANCE / view.focal_px  # of a pixel
    beyond, (row, column) = ndimage.distance_transform_edt(~covered, return_indices=True)
    nearest = DISTANCE - zbuf[row, column]
    depth = nearest + smoothstep(0, 1, beyond * dm / HAIR) * (head_z + HAIR_DEPTH - nearest)
    return cv2.GaussianBlur(depth, (0, 0), 0.05 / dm), ndimage.distance_transform_edt(~head) * dm


def _links(model, verts_world, points, view):
    """(A, V) sparse: each anchor's share of the motion of the nearest visible skin vertices."""
    verts = _float(verts_world)[None]
    skin = model.regions["face"] & vertex_visibility(verts, model.faces, view.at(512))[0]
    skin &= ~model.any_region("eyes", "lips", *MOUTH_INSIDE)
    ids = np.flatnonzero(skin.numpy())
    seen_px = seen_at(verts_world[ids], view)
    gap, nearest = cKDTree(seen_px).query(points, N_LINKS)
    gap = gap * DISTANCE / view.focal_px
    share = 1 / (gap + 0.02)
    share *= np.exp(-((gap[:, :1] / JAW_REACH) ** 2)) / share.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), N_LINKS)
    entries = (np.where(share > 1e-3, share, 0).ravel(), (rows, ids[nearest].ravel()))
    return sparse.coo_matrix(entries, (len(points), len(verts_world)))


def grid_faces(n: int) -> Int[np.ndarray, "F 3"]:
    """The 2 n n triangles of a grid of (n + 1)^2 points, rows from the top, facing the camera."""
    a = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    b, c, d = a + 1, a + n + 1, a + n + 2
    return np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])


def stretch(
    mesh: ImageMesh, points: Float[np.ndarray, "T A 3"], view: Camera
) -> Float[np.ndarray, "T F"]:
    """Area of each triangle in the window, relative to that at rest; negative where it is flipped.

    Args:
        mesh: the anchors at rest. points: the anchors as moved by `ImageMesh.move`.
        view: the window.
    """
    now, rest = _areas(seen_at(points, view), mesh.faces), seen_at(mesh.rest, view)
    return now / _areas(rest[None], mesh.faces)


def _areas(points_px, faces):
    a, b, c = (points_px[:, faces[:, k]] for k in range(3))
    (x, y), (u, v) = np.moveaxis(b - a, -1, 0), np.moveaxis(c - a, -1, 0)
    return (x * v - y * u) / 2
