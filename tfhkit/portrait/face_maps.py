"""Which parts of a face come from one picture: maps over the model's vertices."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from tfhkit.face.model import MOUTH_INSIDE, MorphableModel
from tfhkit.face.subdivide import triangle_edges
from tfhkit.maths import smoothstep
from tfhkit.render.shading import region_faces

RIM = 0.12  # dm at the rim of the model's face over which it gives way to the mesh of anchors
LIP_RIM = (0.02, 0.05)  # dm from where the lips meet, in which the teeth's colour may lie on them
LIP_CORNER = (0.05, 0.10)  # dm, the same around the corners of the mouth
CORNER_DM = (0.0, 0.08)  # from the corners, over which skin becomes lip
MUCH_DARKER, MUCH_BRIGHTER = 0.58, 1.2  # than a lip's outer half
FOREIGN_DM = (0.012, 0.035)  # around what is no lip, over which the picture fades
CREASE = np.array([0.30, 0.40, 0.37])  # share of RGB that is lost where closed lips meet
CREASE_DM = (0.0, 0.028)  # over which it fades
EYE_DM = 0.12  # skin that is nearer to an eye belongs to the lids
EDGE_COSINE = 0.12  # at an outline the picture counts as showing the surface at least this well ...
EDGE_DM = 0.12  # ... which falls off over this distance behind it
N_NEAR = 6


def mouth_share(model: MorphableModel) -> Float[np.ndarray, "V"]:
    """1 at the mouth and jaw, 0 from the middle of the nose up."""
    height = model.mean_shape[:, 1].numpy()
    low, high = (height[int(model.landmark_ids[k])] for k in (33, 28))  # nose's base, bridge
    return smoothstep(high, low - 0.1, height)


def lip_line(model: MorphableModel) -> Float[np.ndarray, "V"]:
    """Distance in dm from where the lips meet."""
    shape, ids = model.mean_shape.numpy(), model.landmark_ids.numpy()
    upper, lower = [48, 60, 61, 62, 63, 64, 54], [48, 60, 67, 66, 65, 64, 54]
    knots = [np.stack([shape[ids[k]] for k in row]) for row in (upper, lower)]
    steps = np.linspace(0, 6, 61)
    line = [np.stack([np.interp(steps, range(7), k) for k in row.T], 1) for row in knots]
    return cKDTree(np.concatenate(line)).query(shape)[0]


def lip_rim(model: MorphableModel, parted: bool = True) -> Float[np.ndarray, "V"]:
    """1 in the mouth and where its lips meet, falling to 0 on the lips and at the corners.

    Args:
        model: the picture's model.
        parted: the picture's lips are apart, so that its corners may show the inside of the mouth.
    """
    rim = 1 - smoothstep(*LIP_RIM, lip_line(model))
    if parted:
        rim = np.maximum(rim, 1 - smoothstep(*LIP_CORNER, _from_corners(model)))
    return np.where(model.any_region(*MOUTH_INSIDE).numpy(), 1.0, rim)


def not_lips(model: MorphableModel, colours: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V"]:
    """1 on lips that show the inside of an open mouth, or teeth, instead of a lip.

    The landmarks of an open mouth are off by a few pixels. What would be taken for a lip there is
    much darker than the lip's outer half, or brighter and paler.

    Args:
        model: the picture's model.
        colours: of the picture, where it shows the vertices, in [0, 1].
    """
    shape, line, grown = model.mean_shape.numpy(), lip_line(model), np.zeros(model.n_verts)
    for name in ("upper_lip", "lower_lip"):
        ids = np.flatnonzero(model.regions[name].numpy())
        if len(ids) < N_NEAR:
            continue
        own, outer = colours[ids], line[ids] > np.median(line[ids])
        bright = own.mean(1) >= np.quantile(own[outer].mean(1), 0.7)
        typical = np.median(own[outer & bright], 0)
        light, pale = own.mean(1) / max(typical.mean(), 1e-3), np.ptp(own, axis=1)
        teeth = (light > MUCH_BRIGHTER) & (pale < 0.7 * np.ptp(typical)) & ~outer
        foreign = ids[(light < MUCH_DARKER) | teeth]
        if len(foreign):
            near = cKDTree(shape[foreign]).query(shape[ids])[0]
            grown[ids] = 1 - smoothstep(*FOREIGN_DM, near)
    return grown


def lip_crease(model: MorphableModel) -> Float[np.ndarray, "V 3"]:
    """Shade of the line between closed lips: the share of RGB that is lost."""
    near = 1 - smoothstep(*CREASE_DM, lip_line(model))
    near[model.any_region(*MOUTH_INSIDE).numpy()] = 0
    return near[:, None] * CREASE


def mouth_colours(
    model: MorphableModel, colours: Float[np.ndarray, "V 3"], inside: Float[np.ndarray, "V"]
) -> Float[np.ndarray, "V 3"]:
    """Colours for a mouth that is not the picture's own.

    Where the lips met in the picture, teeth or the dark between them may lie on the lips and at the
    corners: that rim takes the colour of the lip, or of the skin, next to it.

    Args:
        model: the picture's model.
        colours: lit. inside: as from `lip_rim`.
    """
    out, shape = colours.copy(), model.mean_shape.numpy()
    within, upper, lower = (
        model.any_region(*n).numpy() for n in (MOUTH_INSIDE, ["upper_lip"], ["lower_lip"])
    )
    for part in (upper, lower, ~(within | upper | lower)):
        clean, rim = (np.flatnonzero(part & side) for side in (inside < 0.05, inside >= 0.05))
        if len(rim) and len(clean) >= N_NEAR:
            _, nearest = cKDTree(shape[clean]).query(shape[rim], N_NEAR)
            out[rim] = colours[clean[nearest]].mean(1)
    skin = np.flatnonzero(~(within | upper | lower) & (inside < 0.05))
    ends = np.flatnonzero((upper | lower) & (_from_corners(model) < CORNER_DM[1]))
    if len(skin) >= N_NEAR and len(ends):
        _, nearest = cKDTree(shape[skin]).query(shape[ends], N_NEAR)
        share = 1 - smoothstep(*CORNER_DM, _from_corners(model)[ends])[:, None]
        out[ends] += share * (colours[skin[nearest]].mean(1) - out[ends])
    return out


def corners(model: MorphableModel) -> Float[np.ndarray, "V"]:
    """1 at the corners of the mouth, where the lips always meet, 0 on their middle."""
    return 1 - smoothstep(0, CORNER_DM[1], _from_corners(model))


def _from_corners(model):
    """Distance (V,) in dm from the nearer corner of the mouth."""
    shape, ids = model.mean_shape.numpy(), model.landmark_ids.numpy()
    return cKDTree(shape[ids[[48, 54]]]).query(shape)[0]


def beyond_outlines(
    model: MorphableModel, seen: Float[np.ndarray, "V"]
) -> tuple[Int[np.ndarray, "V"], Float[np.ndarray, "V"]]:
    """Continue the picture behind the outlines of cheek and nose, where a turn uncovers skin.

    The outlines of model and picture never agree to a pixel. If the model's colours began right
    after the last visible pixels, a line would show there. So these pixels are stretched first.

    Args:
        model: the picture's model.
        seen: cosine at which the picture shows a vertex, 0 where it does not.
    Returns:
        source: for each vertex the one whose place in the picture it takes.
        seen: the same cosine, raised behind the outlines.
    """
    shape, source = model.mean_shape.numpy(), np.arange(model.n_verts)
    skin = (model.regions["face"] & ~model.any_region("eyes", "lips", *MOUTH_INSIDE)).numpy()
    eyes = model.any_region("eyes").numpy()
    if eyes.any():
        skin &= cKDTree(shape[eyes]).query(shape)[0] > EYE_DM
    known, hidden = np.flatnonzero(skin & (seen > 0)), np.flatnonzero(skin & (seen == 0))
    if not len(known):
        return source, seen
    distance, nearest = cKDTree(shape[known]).query(shape[hidden])
    source[hidden] = known[nearest]
    least = np.zeros(model.n_verts)
    least[known], least[hidden] = EDGE_COSINE, EDGE_COSINE * np.exp(-((distance / EDGE_DM) ** 2))
    return source, np.maximum(seen, least)


def face_opacity(model: MorphableModel) -> Float[np.ndarray, "V"]:
    """Opacity of the model's face: 0 at its rim and beyond, where it still hides what is behind."""
    faces = model.faces[region_faces(model, "face")].numpy()
    inside = model.any_region("eyes", *MOUTH_INSIDE).numpy()
    edges, count, _ = triangle_edges(faces)
    rim = np.unique(edges[count == 1])
    rim = rim[~inside[rim]]
    shape = model.mean_shape.numpy()
    distance = cKDTree(shape[rim]).query(shape)[0]
    opacity = np.where(inside, 1.0, smoothstep(0, RIM, distance))
    return np.where(model.regions["face"].numpy(), opacity, 0)
