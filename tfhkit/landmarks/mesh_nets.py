"""MediaPipe's three networks: a face detector, the mesh of 468 points, and the eye with its iris.

A network sees a square region of the picture, turned upright and scaled. Points come back in
pixels of the picture, pixel centres at +0.5.

Source: Bazarevsky et al. 2019 (detector), Kartynnik et al. 2019 (mesh), Ablavatski et al. 2020
(iris); the files are Google's, Apache-2.0.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from tfhkit.landmarks.averaging import averaged_part

DETECTOR_PX, MESH_PX, EYE_PX = 192, 192, 64  # side of the networks' inputs
CELLS = 48  # the detector looks for one face in each cell of a grid
MESH_REGION, EYE_REGION = 1.5, 2.3  # side of a region over the detected box, over the eye's width
N_MESH, N_CONTOUR, N_IRIS = 468, 71, 5
N_LIDS = 16  # of the contour; the others surround the eye, as points of the mesh do
# Corners of the subject's right and left eye on the mesh, the outer one first.
EYE_CORNERS = ((33, 133), (263, 362))

Network = Callable[[Float[np.ndarray, "H W 3"]], list[Float[np.ndarray, "..."]]]


@dataclass(frozen=True)
class Region:
    """A square part of a picture.

    Args:
        centre: (2,) px. side: px. angle: rad, from the picture's x to the region's.
        mirrored: whether the region's x runs the other way.
    """

    centre: Float[np.ndarray, "2"]
    side: float
    angle: float = 0.0
    mirrored: bool = False

    def axes(self) -> Float[np.ndarray, "2 2"]:
        """Columns: the region's x and y in the picture, as long as its side."""
        cos, sin = np.cos(self.angle), np.sin(self.angle)
        axes = self.side * np.array([[cos, -sin], [sin, cos]])
        return axes * (-1, 1) if self.mirrored else axes

    def to_picture(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        """Points in [0, 1] of the region as pixels of the picture."""
        return (points - 0.5) @ self.axes().T + self.centre

    def crop(
        self, image: UInt8[np.ndarray, "H W 3"], size: int
    ) -> UInt8[np.ndarray, "size size 3"]:
        """The region, scaled to a size; black outside of the picture."""
        reach = np.abs(self.axes()).sum(1) / 2 + 2 * self.side / size + 1  # the square's, and more
        low, high = self.centre - reach, self.centre + reach
        part, corner, factor = averaged_part(image, low, high, self.side / size)
        region = replace(self, centre=(self.centre - corner) / factor, side=self.side / factor)
        axes = region.axes() / size
        # cv2 counts from the first pixel's centre, the kit from its corner
        first = region.to_picture(np.zeros((1, 2)))[0] + axes @ (0.5, 0.5) - 0.5
        how = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(part, np.column_stack([axes, first]), (size, size), flags=how)


@cache
def open_network(path: Path) -> Network:
    """A .tflite file as a function from an input without batch axis to its outputs."""
    from ai_edge_litert.interpreter import Interpreter

    with _without_notices():
        net = Interpreter(model_path=str(path), num_threads=1)
        net.allocate_tensors()
    (given,), outputs = net.get_input_details(), net.get_output_details()
    alone = Lock()  # the runtime computes without the interpreter's lock

    def run(pixels):
        with alone:
            net.set_tensor(given["index"], np.ascontiguousarray(pixels[None], np.float32))
            net.invoke()
            return [net.get_tensor(output["index"])[0] for output in outputs]

    return run


@contextmanager
def _without_notices() -> Iterator[None]:
    """Drop what the runtime's C++ code writes to stderr about its delegates."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@dataclass(frozen=True)
class Detection:
    """A face that was found in one look at a picture.

    Args:
        probability: in [0, 1].
        box: (4,) x0, y0, x1, y1 px, brows to chin.
        eyes: (2, 2) px, the subject's right and left eye.
    """

    probability: float
    box: Float[np.ndarray, "4"]
    eyes: Float[np.ndarray, "2 2"]

    def region(self) -> Region:
        """The region in which the mesh is looked for: upright with the eyes."""
        across = self.eyes[1] - self.eyes[0]
        side = MESH_REGION * float((self.box[2:] - self.box[:2]).max())
        centre = (self.box[:2] + self.box[2:]) / 2
        return Region(centre, side, float(np.arctan2(across[1], across[0])))


def detect_faces(
    image: UInt8[np.ndarray, "H W 3"], region: Region, detector: Network, least: float
) -> list[Detection]:
    """Faces in a region of a picture, the surest first; one face may be found more than once.

    Args:
        image: the picture. region: where to look.
        detector: network. least: probability.
    """
    boxes, scores = detector(region.crop(image, DETECTOR_PX) / np.float32(127.5) - 1)
    probability = 1 / (1 + np.exp(-np.clip(scores[:, 0], -50, 50)))
    order = np.argsort(-probability)
    found = order[: int((probability > least).sum())]
    cell = (np.stack([found % CELLS, found // CELLS], 1) + 0.5) / CELLS
    values = boxes[found].reshape(-1, 8, 2) / DETECTOR_PX  # centre, size, six points of the face
    result = []
    for k, (centre, size, *points) in enumerate(values.astype(np.float64)):
        if (size <= 0).any():
            continue
        corners = np.array([centre - size / 2, centre + size / 2]) + cell[k]
        eyes = np.array(points[:2]) + cell[k]
        box = region.to_picture(corners).flatten()
        result.append(Detection(float(probability[found[k]]), box, region.to_picture(eyes)))
    return result


def find_mesh(
    image: UInt8[np.ndarray, "H W 3"], region: Region, mesh: Network
) -> tuple[Float[np.ndarray, "468 2"], float]:
    """The mesh in a region, px, and the logit of a face being there."""
    points, flag = mesh(region.crop(image, MESH_PX) / np.float32(255))
    inside = points.reshape(N_MESH, 3)[:, :2].astype(np.float64) / MESH_PX
    return region.to_picture(inside), float(flag.flatten()[0])


def mesh_region(mesh_px: Float[np.ndarray, "468 2"]) -> Region:
    """The region around a face whose mesh is known, for the next frame."""
    across = mesh_px[EYE_CORNERS[1][0]] - mesh_px[EYE_CORNERS[0][0]]
    low, high = mesh_px.min(0), mesh_px.max(0)
    side = MESH_REGION * float((high - low).max())
    return Region((low + high) / 2, side, float(np.arctan2(across[1], across[0])))


def find_eyes(
    image: UInt8[np.ndarray, "H W 3"], mesh_px: Float[np.ndarray, "468 2"], iris: Network
) -> Float[np.ndarray, "2 21 2"]:
    """Both eyes of a face, the subject's right one first, px.

    Of each eye's 21 points 0 to 8 are the lower lid from the outer corner to the inner one, 9 to 15
    the upper lid between them, 16 the iris's centre, 17 to 20 points around it.
    """
    eyes = []
    for side, (outer, inner) in enumerate(EYE_CORNERS):
        corners = mesh_px[[outer, inner]]
        across = (corners[1] - corners[0]) * (1, -1)[side]
        region = Region(
            corners.mean(0),
            EYE_REGION * float(np.linalg.norm(across)),
            float(np.arctan2(across[1], across[0])),
            mirrored=bool(side),
        )
        contour, circle = iris(region.crop(image, EYE_PX) / np.float32(255))
        lids, circle = contour.reshape(N_CONTOUR, 3)[:N_LIDS], circle.reshape(N_IRIS, 3)
        points = np.concatenate([lids, circle])
        eyes.append(region.to_picture(points[:, :2].astype(np.float64) / EYE_PX))
    return np.array(eyes)
