"""MediaPipe's face mesh as landmarks: found once, followed from frame to frame.

The mesh gives the face, the iris network the lids and irises, and dlib's forest the lips: the sound
predicts its lips better than the mesh's (docs/findings.md).
"""

import importlib.util
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.assets import ASSETS, fetch, path_of
from tfhkit.errors import AssetError, MissingBackend
from tfhkit.landmarks import mesh_nets
from tfhkit.landmarks.boxes import box_of
from tfhkit.landmarks.dlib_backend import points_in
from tfhkit.landmarks.mesh_nets import Detection, Region, detect_faces, find_eyes, find_mesh
from tfhkit.landmarks.mesh_to_68 import to_68
from tfhkit.landmarks.tracking import SAME_FACE, box_distance

FILES = ("mesh_detector", "face_mesh", "face_iris", "dlib_landmarks")
LIPS = slice(48, 68)
LIP_CORNERS = (0, 6)  # of the lips
# The forest is asked with three boxes (shift in x and y, scale); nine tell no more.
JITTER = ((0, 0, 1), (0.03, 0.02, 1.03), (-0.03, -0.02, 0.97))
STRAY = 0.3  # of the mouth's width: lips so far from the mesh's are an error
SURE, WEAK = 0.5, 0.3  # probability of a face, and of one that is followed already
SURELY_SAME = 0.2  # boxes nearer than this, in sides, need no look to be the same face's
EVERY = 6  # frames after which the whole picture is searched again
SIDES = (1.0, 0.5, 0.25, 0.125, 0.0625)  # of the tiles that are searched, in the picture's longer
LEAST_PX = 40  # width of the smallest face that is looked for
FACE_SHARE = 0.09  # of a tile's side: a face that is smaller is not found for certain
MUCH_SMALLER = 5.0  # a face that is smaller by this factor is no candidate for the speaker
OVERLAP = 0.35  # of a tile's side
LOGITS = 10.0  # of the mesh's answer, that make a margin of 1
# Margins in pictures that are turned round. On seven real clips upright faces had 3 and more,
# faces on their heads 1.3 and less.
UPRIGHT, UPSIDE_DOWN = 2.0, 1.5


@cache
def _beside(process: int) -> ThreadPoolExecutor:
    """A thread for one network while another runs; a forked process has none of its parent's."""
    return ThreadPoolExecutor(1)


def why_missing() -> str:
    """Why the backend cannot be used, or an empty text; files that are absent are fetched."""
    try:
        _networks()
    except (MissingBackend, AssetError) as error:
        return str(error)
    return ""


class MeshFaces:
    """Faces and their points with MediaPipe's networks.

    A face that was found is followed: the mesh of one frame says where to look in the next. The
    whole picture is searched again every few frames, and where a face was lost.

    Args:
        images: a few frames of the clip, (H, W, 3) uint8 RGB; how finely faces are looked for is
            chosen on them.
    Raises:
        MissingBackend: the runtime or a file is absent. AssetError: a file with another hash.
    """

    name = "mesh"

    def __init__(self, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> None:
        self._detector, self._mesh, self._iris = _networks()
        self._known: dict[bytes, Float[np.ndarray, "468 2"]] = {}
        self._followed: list[Float[np.ndarray, "468 2"]] = []
        self._since_search = 0
        self.sides = self._choose_sides(images)

    def slow(self, width_px: int) -> bool:
        """Whether a search of a whole frame of that width takes seconds: never."""
        return False

    def upside_down(self, images: Sequence[UInt8[np.ndarray, "H W 3"]]) -> bool:
        """Whether the faces of some pictures stand on their heads."""
        turned = [np.ascontiguousarray(image[::-1, ::-1]) for image in images]
        return bool(self._surest(images) < UPSIDE_DOWN and self._surest(turned) > UPRIGHT)

    def _surest(self, images):
        """The margin of each picture's surest face; the middle one."""
        margins = []
        for image in images:
            found = self._search(image, self.sides)[:3]
            margins.append(max((self._look_anew(image, f.region())[2] for f in found), default=0))
        return np.median(margins)

    def find(
        self, image: UInt8[np.ndarray, "H W 3"]
    ) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n"]]:
        """Boxes (n, 4) float px as x0, y0, x1, y1, and margins (n,); above 0 is a face."""
        self._since_search += 1
        due = self._since_search >= EVERY or not self._followed
        searched = _beside(os.getpid()).submit(self._search, image, self.sides) if due else None
        regions = [mesh_nets.mesh_region(mesh) for mesh in self._followed]
        found = [look for region in regions if (look := self._look(image, region))[2] > 0]
        if due or len(found) < len(regions):
            self._since_search = 0
            for seen in searched.result() if searched else self._search(image, self.sides):
                if any(box_distance(seen.box, box) < SURELY_SAME for box, *_ in found):
                    continue
                box, mesh, margin = self._look_anew(image, seen.region())
                if margin > 0:
                    found.append((box, mesh, min(margin, seen.probability - SURE)))
        kept = _without_doubles(found)
        self._known = {box.tobytes(): mesh for box, mesh, _ in kept}
        self._followed = [mesh for _, mesh, margin in kept if margin > 0]
        boxes = np.array([box for box, _, _ in kept]).reshape(-1, 4)
        return boxes, np.array([margin for *_, margin in kept], np.float64)

    def points(
        self, image: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
    ) -> Float[np.ndarray, "578 2"]:
        """The points of the face in one box, px: the 68, the mesh, and both eyes."""
        mesh = self._known.get(np.asarray(box, np.float64).tobytes())
        if mesh is None:
            side = mesh_nets.MESH_REGION * float(box[2] - box[0])
            box, mesh, _ = self._look_anew(image, Region((box[:2] + box[2:]) / 2, side))
        # neither the network nor the forest holds the interpreter's lock
        eyes_found = _beside(os.getpid()).submit(find_eyes, image, mesh, self._iris)
        lips = points_in(image, box, JITTER)[LIPS]
        eyes = eyes_found.result()
        points = np.concatenate([to_68(mesh, eyes), mesh, eyes.reshape(-1, 2)])
        if not _stray(lips, points[LIPS]):
            points[LIPS] = lips
        return points.astype(np.float32)

    def _look_anew(self, image, region):
        """Box, mesh and margin of a face that was not followed; the first mesh says where."""
        mesh, _ = find_mesh(image, region, self._mesh)
        return self._look(image, mesh_nets.mesh_region(mesh))

    def _look(self, image, region):
        """Box, mesh and margin of the face in a region."""
        mesh, logit = find_mesh(image, region, self._mesh)
        return box_of(to_68(mesh)), mesh, logit / LOGITS

    def _search(self, image, sides) -> list[Detection]:
        """Faces in the tiles of these sizes, the surest first."""
        found: list[Detection] = []
        for side in sides:
            for tile in tiles(image.shape[0], image.shape[1], side):
                found += detect_faces(image, tile, self._detector, WEAK)
        found.sort(key=lambda seen: -seen.probability)
        kept: list[Detection] = []
        for seen in found:
            if all(box_distance(seen.box, other.box) > SAME_FACE for other in kept):
                kept.append(seen)
        return kept

    def _choose_sides(self, images):
        """The largest tiles that show a face, and finer ones where they show further faces."""
        longer = max(images[0].shape[:2])
        wanted = [side for side in SIDES if side == 1 or LEAST_PX < 2 * FACE_SHARE * side * longer]
        few = images[:: max(1, len(images) // 3)][:3]
        chosen: list[float] = []
        for side in wanted:
            before = [self._search(image, tuple(chosen)) for image in few]
            more = [self._search(image, (*chosen, side)) for image in few]
            gain = [_n_candidates(b) > _n_candidates(a) for a, b in zip(before, more)]
            if 2 * sum(gain) > len(few) or (not any(before) and any(gain)):
                chosen.append(side)
            elif chosen and side < chosen[-1] / 2:
                break
        return tuple(chosen or wanted)


def _stray(lips, mesh_lips):
    """Whether the forest's lips are so far from the mesh's that they are an error."""
    width = np.linalg.norm(mesh_lips[LIP_CORNERS[1]] - mesh_lips[LIP_CORNERS[0]])
    return np.median(np.linalg.norm(lips - mesh_lips, axis=1)) >= STRAY * width


def _n_candidates(found):
    """The number of sure faces, without those that are too small to be the speaker's."""
    sides = [seen.box[2] - seen.box[0] for seen in found if seen.probability > SURE]
    return sum(side * MUCH_SMALLER > max(sides) for side in sides)


def tiles(height: int, width: int, side: float) -> list[Region]:
    """Squares that cover a picture, overlapping.

    Args:
        height, width: of the picture, px. side: of the squares, in the longer of the two.
    """
    length = side * max(height, width)

    def middles(size):
        if size <= length:
            return [size / 2]
        n = int(np.ceil((size - length) / (length * (1 - OVERLAP)))) + 1
        return np.linspace(length / 2, size - length / 2, n)

    return [Region(np.array([x, y]), length) for y in middles(height) for x in middles(width)]


def _without_doubles(found):
    """Of looks at the same face the surest one; followed faces come first."""
    kept = []
    for look in sorted(found, key=lambda look: look[2] <= 0):
        if all(box_distance(look[0], other[0]) > SAME_FACE for other in kept):
            kept.append(look)
    return kept


def _networks():
    """Detector, mesh and iris network."""
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise MissingBackend("landmarks", MeshFaces.name, "pip install ai-edge-litert")
    *networks, _ = [_file(name) for name in FILES]
    return [mesh_nets.open_network(path) for path in networks]


def _file(name):
    try:
        return fetch(name)
    except AssetError as error:
        if "SHA-256" in error.fault or path_of(name).is_file():
            raise
        remedy = f"{ASSETS[name].filename} {error.fault}: {error.remedy}, or use dlib"
        raise MissingBackend("landmarks", MeshFaces.name, remedy) from error
