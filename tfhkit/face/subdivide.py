"""One Catmull-Clark step of a quad mesh as a sparse matrix; triangles from quads; edges of both."""

from typing import Any

import numpy as np
from jaxtyping import Int
from scipy import sparse


def edges_of(
    quads: Int[np.ndarray, "Q 4"],
) -> tuple[Int[np.ndarray, "E 2"], Int[np.ndarray, "Q 4"]]:
    """Edges (E, 2), ends and rows sorted, and the edges (Q, 4) of each quad."""
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], -1).reshape(-1, 2)
    edges, edge_of = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    return edges, edge_of.reshape(len(quads), 4)


def triangle_edges(
    faces: Int[np.ndarray, "F 3"],
) -> tuple[Int[np.ndarray, "E 2"], Int[np.ndarray, "E"], Int[np.ndarray, "E"]]:
    """Edges (E, 2), ends and rows sorted; how many triangles share each; one of these triangles."""
    ends = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1)
    n_verts = int(faces.max(initial=0)) + 1
    numbers = ends.astype(np.int64) @ (n_verts, 1)  # numbers sort faster than rows
    numbers, where, count = np.unique(numbers, return_index=True, return_counts=True)
    return np.stack(np.divmod(numbers, n_verts), 1), count, where % max(1, len(faces))


def catmull_clark(
    quads: Int[np.ndarray, "Q 4"], n_verts: int
) -> tuple[Any, Int[np.ndarray, "R 4"]]:
    """Matrix and quads of one Catmull-Clark step.

    The step is linear in the vertices, so one matrix refines mean and bases alike. The first
    `n_verts` rows are the smoothed old vertices (ids stay valid), then come edge and face points.

    Args:
        quads: (Q, 4) int, counter-clockwise from outside.
        n_verts: number of vertices of the cage.
    Returns:
        operator: CSR (n_fine, n_verts) float32, rows sum to 1.
        fine_quads: (4 Q, 4) int64.
    Source: Catmull & Clark 1978; on an open border the cubic B-spline rule.
    """
    n_quads = len(quads)
    edges, edge_of = edges_of(quads)
    n_edges = len(edges)
    quad_ids = np.repeat(np.arange(n_quads), 4)

    def matrix(rows, columns, values, shape):
        values = np.broadcast_to(values, len(rows))
        return sparse.csr_matrix((values, (rows, columns)), shape=shape)

    face_points = matrix(quad_ids, quads.ravel(), 0.25, (n_quads, n_verts))
    edge_ids = np.repeat(np.arange(n_edges), 2)
    midpoints = matrix(edge_ids, edges.ravel(), 0.5, (n_edges, n_verts))
    faces_of_edge = matrix(edge_of.ravel(), quad_ids, 1.0, (n_edges, n_quads))
    n_faces_of_edge = np.asarray(faces_of_edge.sum(1)).ravel()
    border = n_faces_of_edge != 2
    inner = sparse.diags(np.where(border, 0.0, 0.5))
    mean_face = sparse.diags(1 / n_faces_of_edge) @ faces_of_edge @ face_points
    edge_points = sparse.diags(np.where(border, 1.0, 0.5)) @ midpoints + inner @ mean_face

    edges_of_vert = matrix(edges.ravel(), edge_ids, 1.0, (n_verts, n_edges))
    faces_of_vert = matrix(quads.ravel(), quad_ids, 1.0, (n_verts, n_quads))
    valence = np.maximum(np.asarray(faces_of_vert.sum(1)).ravel(), 1)
    edge_count = np.maximum(np.asarray(edges_of_vert.sum(1)).ravel(), 1)
    border_edges = edges_of_vert @ sparse.diags(border.astype(float))
    n_border = np.asarray(border_edges.sum(1)).ravel()
    on_border = n_border > 0
    smooth = sparse.diags(1 / valence) @ (
        sparse.diags(1 / valence) @ faces_of_vert @ face_points
        + 2 * sparse.diags(1 / edge_count) @ edges_of_vert @ midpoints
        + sparse.diags(valence - 3.0)
    )
    along = 0.5 * sparse.diags(1 / np.maximum(n_border, 1)) @ border_edges @ midpoints
    crease = along + 0.5 * sparse.identity(n_verts)
    keep_inner = sparse.diags((~on_border).astype(float))
    vert_points = keep_inner @ smooth + sparse.diags(on_border.astype(float)) @ crease

    operator = sparse.vstack([vert_points, edge_points, face_points]).tocsr().astype(np.float32)
    edge_point = n_verts + edge_of
    face_point = np.broadcast_to((n_verts + n_edges + np.arange(n_quads))[:, None], (n_quads, 4))
    fine = np.stack([quads, edge_point, face_point, np.roll(edge_point, 1, axis=1)], -1)
    return operator, fine.reshape(-1, 4).astype(np.int64)


def triangles(quads: Int[np.ndarray, "Q 4"]) -> Int[np.ndarray, "F 3"]:
    """(2 Q, 3) int64 triangles of (Q, 4) quads, same orientation."""
    return quads[:, [[0, 1, 2], [0, 2, 3]]].reshape(-1, 3).astype(np.int64)
