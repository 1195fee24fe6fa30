"""The 68 iBUG landmarks out of MediaPipe's mesh and eye contours."""

import numpy as np
from jaxtyping import Float

# Points of the mesh for landmarks 0-35 and 48-67, the subject's right first, as in iBUG's order.
# The mesh traces both edges of a brow and iBUG its middle, so a brow's landmark is the mean of two.
JAW = (127, 227, 137, 58, 172, 150, 149, 148, 152, 377, 378, 379, 397, 288, 366, 447, 356)
BROWS = ((70, 46), (63, 53), (105, 52), (66, 65), (107, 55),
         (336, 285), (296, 295), (334, 282), (293, 283), (300, 276))  # fmt: skip
NOSE = (168, 197, 5, (1, 4), 75, 97, 2, 326, 305)
OUTER_LIPS = (61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181)
INNER_LIPS = (78, 82, 13, 312, 308, 317, 14, 87)
OUTER_CORNERS = (33, 263)  # of the eyes; the contour is unsteady there
# Points of an eye's contour (`mesh_nets.find_eyes`) for the landmarks that follow an outer corner
# and those before it: upper lid, inner corner, lower lid.
RIGHT_EYE = np.array((11, 13, 8, 5, 3))
LEFT_EYE = np.array((8, 13, 11, 3, 5))
# The same landmarks on the mesh, coarser.
MESH_EYES = (33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380)


def _pairs(places):
    return np.array([place if isinstance(place, tuple) else (place, place) for place in places])


_FACE, _LIPS = _pairs((*JAW, *BROWS, *NOSE)), _pairs((*OUTER_LIPS, *INNER_LIPS))


def to_68(
    mesh_px: Float[np.ndarray, "468 2"], eyes_px: Float[np.ndarray, "2 21 2"] | None = None
) -> Float[np.ndarray, "68 2"]:
    """The 68 landmarks of one face, px.

    Args:
        mesh_px: the mesh. eyes_px: the subject's right and left eye, see `find_eyes`; None: the
            mesh's own lids.
    """
    eyes = mesh_px[list(MESH_EYES)]
    if eyes_px is not None:
        right, left = mesh_px[list(OUTER_CORNERS)]
        contours = [right[None], eyes_px[0, RIGHT_EYE], eyes_px[1, LEFT_EYE]]
        eyes = np.insert(np.concatenate(contours), 9, left, axis=0)  # landmark 45
    return np.concatenate([mesh_px[_FACE].mean(1), eyes, mesh_px[_LIPS].mean(1)])
