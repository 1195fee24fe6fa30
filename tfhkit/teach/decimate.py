"""A mesh with fewer triangles, for a figure that has to be small (quadric edge collapse)."""

import numpy as np
from jaxtyping import Float, Int, Real
from scipy.sparse import coo_matrix

from tfhkit.errors import ParameterError, check_shape
from tfhkit.face.subdivide import triangle_edges

EDGE_WEIGHT = 1e-3  # of squared length: on flat parts short edges go first
BORDER_WEIGHT = 10.0  # open borders keep their line
LEAST_COSINE = 0.3  # a triangle may not turn farther than this


def decimate(
    verts: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    n_verts: int,
    importance: Real[np.ndarray, "_"] | None = None,
) -> tuple[Int[np.ndarray, "K"], Int[np.ndarray, "G 3"]]:
    """Collapse edges until few vertices are left; those that stay do not move.

    Args:
        verts: places of the vertices.
        faces: vertex numbers of the triangles.
        n_verts: approximate number of vertices to keep.
        importance: (V,) weights; a part with 4 keeps about twice as many vertices as one with 1.
    Returns:
        kept: vertex numbers, rising. faces: triangles as places in `kept`.
    Raises:
        ShapeError: an array of another shape. ParameterError: fewer than 4 vertices asked for.
    Source: Garland & Heckbert 1997, with collapses onto existing vertices, many at a time.
    """
    verts, faces = np.asarray(verts, np.float64), np.asarray(faces, np.int64)
    check_shape("verts", verts, ("V", 3))
    check_shape("faces", faces, ("F", 3))
    if n_verts < 4:
        raise ParameterError("n_verts", str(n_verts), "keep 4 vertices or more")
    scale = np.ones(len(verts)) if importance is None else np.asarray(importance, np.float64)
    check_shape("importance", scale, (len(verts),))
    quadrics = _quadrics(verts, faces) * scale[:, None, None]
    left = len(np.unique(faces))
    while left > n_verts:
        source, target = _collapses(verts, faces, quadrics, left - n_verts)
        if not len(source):
            break  # every edge that is left would fold the surface
        quadrics[target] += quadrics[source]
        goes = np.arange(len(verts))
        goes[source] = target
        faces = goes[faces]
        same = faces == np.roll(faces, 1, axis=1)
        faces = faces[~same.any(1)]
        left -= len(source)
    kept, corners = np.unique(faces, return_inverse=True)
    return kept, corners.reshape(-1, 3)


def _quadrics(verts, faces):
    """(V, 4, 4): squared distance to the planes of a vertex's triangles and of its open borders."""
    a, b, c = verts[faces].transpose(1, 0, 2)
    normal = np.cross(b - a, c - a)
    area = np.linalg.norm(normal, axis=1, keepdims=True)
    unit = normal / np.maximum(area, 1e-12)
    planes = np.concatenate([unit, -(unit * a).sum(1, keepdims=True)], 1)
    of_face = area[:, :1, None] * planes[:, :, None] * planes[:, None]
    total = np.zeros((len(verts), 4, 4))
    for k in range(3):
        np.add.at(total, faces[:, k], of_face)
    edges, count, owner = triangle_edges(faces)
    first, last = edges[count == 1].T
    along = verts[last] - verts[first]
    wall = np.cross(along, unit[owner[count == 1]])  # upright on the surface, through the border
    length = np.linalg.norm(wall, axis=1, keepdims=True)
    wall = wall / np.maximum(length, 1e-12)
    planes = np.concatenate([wall, -(wall * verts[first]).sum(1, keepdims=True)], 1)
    of_edge = BORDER_WEIGHT * length[:, :1, None] ** 2 * planes[:, :, None] * planes[:, None]
    for end in (first, last):
        np.add.at(total, end, of_edge)
    return total


def _collapses(verts, faces, quadrics, most):
    """Cheap collapses (source, target) of which no two touch, at most `most`."""
    edges, count, _ = triangle_edges(faces)
    n = len(verts)
    ones = np.ones(len(edges))
    near = coo_matrix((ones, edges.T), (n, n)).tocsr()
    near = near + near.T
    shared = np.asarray((near @ near)[edges[:, 0], edges[:, 1]]).ravel()
    border = np.zeros(n, bool)
    border[edges[count == 1]] = True
    edges = np.concatenate([edges, edges[:, ::-1]])  # both directions
    count, shared = np.tile(count, 2), np.tile(shared, 2)
    source, target = edges.T
    sound = (shared == count) & (count < 3) & (~border[source] | (count == 1))
    place = np.concatenate([verts[target], np.ones((len(target), 1))], 1)
    cost = np.einsum("ei,eij,ej->e", place, quadrics[source] + quadrics[target], place)
    squared = ((verts[source] - verts[target]) ** 2).sum(1)
    cost = np.where(sound, cost + EDGE_WEIGHT * squared * squared, np.inf)
    order = np.argsort(cost, kind="stable")
    order = order[np.isfinite(cost[order])]
    order = order[: max(32, len(order) // 4)]
    order = order[~_folds(verts, faces, source[order], target[order])]
    return _apart(near, source[order], target[order], most)


def _folds(verts, faces, source, target):
    """(E,) whether a collapse would turn one of its triangles over."""
    corners = np.argsort(faces.ravel(), kind="stable")
    begin = np.searchsorted(faces.ravel()[corners], source)
    many = np.searchsorted(faces.ravel()[corners], source, side="right") - begin
    edge = np.repeat(np.arange(len(source)), many)
    within = np.arange(len(edge)) - np.repeat(np.cumsum(many) - many, many)
    rows = faces[corners[begin[edge] + within] // 3]
    goes = np.where(rows == source[edge, None], target[edge, None], rows)
    stays = ~(rows == target[edge, None]).any(1)  # the others vanish
    before, after = (
        np.cross(p[:, 1] - p[:, 0], p[:, 2] - p[:, 0]) for p in (verts[rows], verts[goes])
    )
    size = np.linalg.norm(before, axis=1) * np.linalg.norm(after, axis=1)
    turned = (before * after).sum(1) <= LEAST_COSINE * size
    folded = np.zeros(len(source), bool)
    np.logical_or.at(folded, edge[stays], turned[stays])
    return folded


def _apart(near, source, target, most):
    """The cheapest of these collapses whose surroundings do not overlap."""
    taken, chosen = np.zeros(near.shape[0], bool), []
    for k, (u, v) in enumerate(zip(source, target)):
        if taken[u] or taken[v]:
            continue
        chosen.append(k)
        for end in (u, v):
            taken[end] = True
            taken[near.indices[near.indptr[end] : near.indptr[end + 1]]] = True
        if len(chosen) == most:
            break
    return source[chosen], target[chosen]
