"""A picture as a mesh: anchors with depth all over it, which follow the head the less, the farther.

Face profiling extends the fitted face over the whole picture: anchors inside the head lie on the
fitted surface, those around it get a depth, all are triangulated, and a turn of the head moves
them. The share of the turn that an anchor takes part in falls to 0 with its distance from the head,
so the mesh does not tear and the rest of the picture stands still; what opens up is stretched over.

Source: Zhu et al. 2016, "Face alignment across large poses", Sec. 4 (the paper's reference 30).
Differs: a regular grid of anchors, and no second optimisation that keeps their relations in the
picture; the falling share does that.
"""

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from scipy import ndimage, sparse
from scipy.spatial import cKDTree

from tfhkit.camera import DISTANCE
from tfhkit.face.model import MOUTH_INSIDE
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
class View:
    """A square window of a picture, seen by a pinhole camera whose axis need not meet its centre.

    Args:
        size_px: its side. focal_px: focal length. centre_px: (x, y) of the principal point.
    """

    size_px: int
    focal_px: float
    centre_px: tuple

    def at(self, size_px):
        """The same window with another number of pixels."""
        zoom = size_px / self.size_px
        return View(size_px, self.focal_px * zoom, tuple(zoom * v for v in self.centre_px))

    def project(self, points):
        """World points (..., 3) to pixels (..., 2) and depth (...,), as `tfhkit.camera.project`."""
        depth = DISTANCE - points[..., 2]
        x = self.centre_px[0] + self.focal_px * points[..., 0] / depth
        y = self.centre_px[1] - self.focal_px * points[..., 1] / depth
        return np.stack([x, y], -1), depth

    def lift(self, points_px, z):
        """The world points (..., 3) with z (...,) that are seen at pixels (..., 2)."""
        scale = ((DISTANCE - z) / self.focal_px)[..., None]
        across = (points_px - np.array(self.centre_px)) * (1, -1) * scale
        return np.concatenate([across, z[..., None]], -1)

    def centred(self, points):
        """World points (..., 3) sheared so that a camera on the window's axis sees them alike.

        The rasterisers know no other camera; depth and what hides what stay as they are.
        """
        offset = (np.array(self.centre_px) - self.size_px / 2) * (1, -1) / self.focal_px
        across = points[..., :2] + offset * (DISTANCE - points[..., 2:])
        return torch.from_numpy(np.concatenate([across, points[..., 2:]], -1).astype(np.float32))


@dataclass(frozen=True)
class ImageMesh:
    """The anchors of a picture.

    Args:
        rest: (A, 3) dm, world space, where the picture was taken.
        faces: (F, 3), counter-clockwise to the camera.
        weight: (A,) share of the head's motion, 0 on the border.
        links: (A, V) sparse, share of the motion of the model's vertices on the head.
    """

    rest: np.ndarray
    faces: np.ndarray
    weight: np.ndarray
    links: sparse.csr_matrix

    @property
    def moving(self):
        """(F,) bool: triangles that a motion can move; the others stay as they are."""
        follows = (self.weight > 0) | (np.diff(self.links.indptr) > 0)
        return follows[self.faces].any(1)

    def move(self, turn, shift, slide=None):
        """The anchors of driven frames.

        Args:
            turn: (T, 3, 3) and shift (T, 3): the head's motion x -> turn x + shift from its rest.
            slide: (T, V, 3) world space, how far the model's vertices are off the place to which
                that takes them: the motion of jaw, cheeks and brows.
        Returns:
            (T, A, 3).
        """
        moved = self.rest @ turn.transpose(0, 2, 1) + shift[:, None]
        moved = self.rest + self.weight[:, None] * (moved - self.rest)
        if slide is not None:
            moved = moved + np.stack([self.links @ frame for frame in slide])
        return moved


def image_mesh(model, verts_world, head_z, view):
    """Lay anchors over a picture.

    Args:
        model: MorphableModel. verts_world: (V, 3) its vertices as fitted.
        head_z: dm, world z of the head's origin. view: View.
    Returns:
        ImageMesh; at rest its projection is the regular grid that covers the window.
    """
    dm_px = view.focal_px / DISTANCE
    n = int(np.ceil(view.size_px / dm_px / SPACING))
    steps = np.linspace(0, view.size_px, n + 1)
    points = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    depth, distance = _maps(model, verts_world, head_z, view.at(_MAP_PX))
    place = (points.T[::-1] * _MAP_PX / view.size_px - 0.5).clip(0, _MAP_PX - 1)
    z, far = (ndimage.map_coordinates(part, place, order=1) for part in (depth, distance))
    rest = view.lift(points, z)
    edge = np.minimum(points, view.size_px - points).min(1) / dm_px
    still = smoothstep(0, 1, (edge - 1.01 * SPACING) / BORDER)  # whole cells at the border
    chin_y = verts_world[model.landmark_ids[8], 1]
    hair = HAIR * smoothstep(
        0, 1, (rest[:, 1] - chin_y - 0.1) / 0.6
    )  # there is none below the chin
    weight = still * (1 - smoothstep(0, 1, (far - hair) / FADE))
    links = (sparse.diags(still) @ _links(model, verts_world, points, view)).tocsr()
    links.eliminate_zeros()
    return ImageMesh(rest, grid_faces(n), weight, links)


def _maps(model, verts_world, head_z, view):
    """Maps (S, S) over the window: z in dm, and the distance from the head in dm."""
    fragments = rasterize(view.centred(verts_world)[None], model.faces, view)
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
    verts = view.centred(verts_world)[None]
    skin = model.regions["face"] & vertex_visibility(verts, model.faces, view.at(512))[0]
    skin &= ~model.any_region("eyes", "lips", *MOUTH_INSIDE)
    ids = np.flatnonzero(skin.numpy())
    seen_px, _ = view.project(verts_world[ids])
    gap, nearest = cKDTree(seen_px).query(points, N_LINKS)
    gap = gap * DISTANCE / view.focal_px
    share = 1 / (gap + 0.02)
    share *= np.exp(-((gap[:, :1] / JAW_REACH) ** 2)) / share.sum(1, keepdims=True)
    rows = np.repeat(np.arange(len(points)), N_LINKS)
    entries = (np.where(share > 1e-3, share, 0).ravel(), (rows, ids[nearest].ravel()))
    return sparse.coo_matrix(entries, (len(points), len(verts_world)))


def grid_faces(n):
    """Triangles (2 n n, 3) of a grid of (n + 1)^2 points, rows from the top, facing the camera."""
    a = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    b, c, d = a + 1, a + n + 1, a + n + 2
    return np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])


def stretch(mesh, points, view):
    """How much larger each triangle is seen than at rest: (T, F); negative where it is flipped.

    Args:
        mesh: ImageMesh. points: (T, A, 3) of `ImageMesh.move`. view: View.
    """
    now, rest = _areas(view.project(points)[0], mesh.faces), view.project(mesh.rest)[0]
    return now / _areas(rest[None], mesh.faces)


def _areas(points_px, faces):
    a, b, c = (points_px[:, faces[:, k]] for k in range(3))
    (x, y), (u, v) = np.moveaxis(b - a, -1, 0), np.moveaxis(c - a, -1, 0)
    return (x * v - y * u) / 2
