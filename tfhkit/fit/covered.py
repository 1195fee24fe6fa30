"""Where hair or headgear covers the model's face, from the colours of a clip's frames.

The rendering paints the whole region "face" with skin. Where a fringe or a hat lies over it, the
frame behind shows the right picture, so the rendering has to fade out there.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from tfhkit.camera import Camera
from tfhkit.coefficients import Coefficients
from tfhkit.face.lighting import with_ambient
from tfhkit.face.model import MOUTH_INSIDE, MorphableModel
from tfhkit.face.subdivide import triangle_edges
from tfhkit.fit.appearance import observe
from tfhkit.maths import smoothstep
from tfhkit.render.albedo import smooth_over_mesh

_SKIN, _FOREIGN = 0.35, 0.55  # distance of log colours that is surely skin, surely something else
_DARKEST = 0.02  # of colours in [0, 1]: below it a logarithm says nothing
_SMOOTHNESS = 0.3  # weight of the mesh's edges, against 1 for a vertex that all frames show
_LIDS_DM = 0.06, 0.14  # distance from the lids: surely drawn, free to fade


def covered_share(
    model: MorphableModel, coefficients: Coefficients, images: UInt8[np.ndarray, "B S S 3"]
) -> Float[np.ndarray, "V"]:
    """How far hair or headgear lies over each vertex: 0 on bare skin.

    With I the colour that a frame shows at a vertex, I_fit the fitted skin in the fitted light
    and I_mid the median colour of nose and cheeks in that frame, the distance from skin is the
    mean over the frames of

        (|log I - log I_fit| + |log I - log I_mid|) / 2,    |.| root mean square over R, G, B.

    The fitted texture alone gives way to a dark fringe; nose and cheeks alone know no shadow.
    What is far from skin counts only where it is connected with the outer border of the face, so
    highlights and spots stay. Mouth, jaw and eyes are always drawn: they move.

    Args:
        model: MorphableModel.
        coefficients: Coefficients of B frames, fitted (NumPy or torch).
        images: crops of these frames.
    Returns:
        float32 in [0, 1], smooth over the mesh.
    """
    frames = coefficients.map(lambda part: torch.as_tensor(part).float())
    colours, basis, seen = observe(model, frames, images, Camera(images.shape[1]))
    irradiance = torch.einsum("bvk,bck->bvc", basis, with_ambient(frames.light))
    noisy = _distance(model, colours, irradiance * model.texture(frames.tex), seen).numpy()
    often = seen.double().mean(0).numpy()
    away = smooth_over_mesh(model.faces, (often * noisy)[:, None], often, _SMOOTHNESS)[:, 0]
    share = smoothstep(_SKIN, _FOREIGN, away)
    faces = model.faces[model.regions["face"][model.faces].all(1)].numpy()
    covered = share * _from_border(faces, share) * (1 - _always_drawn(model))
    return covered.astype(np.float32)


def _distance(
    model: MorphableModel,
    colours: Float[Tensor, "B V 3"],
    fitted: Float[Tensor, "B V 3"],
    seen: Bool[Tensor, "B V"],
) -> Float[Tensor, "V"]:
    """Distance from skin as in `covered_share`; 0 for a vertex that no frame shows."""
    middle, total = _nose_and_cheeks(model), torch.zeros(model.n_verts)
    for colour, skin, shown in zip(colours, fitted, seen):
        if not (shown & middle).any():
            continue
        log = colour.clamp_min(_DARKEST).log()
        typical = log[shown & middle].median(0).values
        both = [log - skin.clamp_min(_DARKEST).log(), log - typical]
        total += shown * sum(part.square().mean(-1).sqrt() for part in both) / 2
    return total / seen.sum(0).clamp_min(1)


def _nose_and_cheeks(model: MorphableModel) -> Bool[Tensor, "V"]:
    """Vertices between mouth and eyes, no further out than the eyes."""
    points, verts = model.mean_shape[model.landmark_ids], model.mean_shape
    low, high = points[[48, 54], 1].mean(), points[28, 1]
    return (verts[:, 1] > low) & (verts[:, 1] < high) & (verts[:, 0].abs() < points[45, 0].abs())


def _from_border(
    faces: Int[np.ndarray, "F 3"], share: Float[np.ndarray, "V"]
) -> Bool[np.ndarray, "V"]:
    """Vertices with a share that are connected with one of 0.5 on the border of the triangles."""
    edges, uses, _ = triangle_edges(faces)
    covered, border = share > 0, np.zeros(len(share), bool)
    border[edges[uses == 1]] = True
    start, end = edges[covered[edges].all(1)].T
    links = coo_matrix((np.ones(len(start)), (start, end)), (len(covered),) * 2)
    _, part = connected_components(links, directed=False)
    return covered & np.isin(part, part[border & (share > 0.5)])


def _always_drawn(model: MorphableModel) -> Float[np.ndarray, "V"]:
    """1 on mouth, jaw, eyes and lids, 0 on forehead and temples."""
    verts = model.mean_shape.numpy()
    points = verts[model.landmark_ids.numpy()]
    lower = smoothstep(points[30, 1], points[[48, 54], 1].mean(), verts[:, 1])
    lids = np.linalg.norm(verts[:, None] - points[None, 36:48], axis=-1).min(1)
    inside = model.any_region("eyes", *MOUTH_INSIDE).numpy()
    return np.maximum(inside, np.maximum(lower, smoothstep(*_LIDS_DM[::-1], lids)))
