"""Regions and soft maps (brows, hairline, beard, ...) over the mean head (build time only)."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from scipy import sparse

from tfhkit.face.build import makehuman
from tfhkit.face.build.eyeballs import IRIS_DEG, PUPIL_DEG
from tfhkit.maths import smoothstep

HEAD_AXIS_Z = -0.35  # dm, of the vertical axis through the skull's middle


def vertex_smoother(faces: Int[np.ndarray, "F 3"], n_verts: int) -> Any:
    """Sparse matrix that replaces a value by the mean over a vertex and its neighbours."""
    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    ends = np.concatenate([ends, ends[:, ::-1], np.repeat(np.arange(n_verts)[:, None], 2, 1)])
    graph = sparse.csr_matrix((np.ones(len(ends)), ends.T), shape=(n_verts, n_verts)).sign()
    return sparse.diags(1 / np.asarray(graph.sum(1)).ravel()) @ graph


def curve_distance(
    points: Float[np.ndarray, "V d"], curve: Float[np.ndarray, "n d"]
) -> tuple[Float[np.ndarray, "V"], Float[np.ndarray, "V"]]:
    """Distance (V,) to a polyline (n, d), and the place along it, 0 to 1."""
    best, place = np.full(len(points), np.inf), np.zeros(len(points))
    for i, (a, b) in enumerate(zip(curve[:-1], curve[1:], strict=True)):
        along = np.clip((points - a) @ (b - a) / ((b - a) @ (b - a)), 0, 1)
        distance = np.linalg.norm(points - a - along[:, None] * (b - a), axis=1)
        nearer = distance < best
        best[nearer] = distance[nearer]
        place[nearer] = (i + along[nearer]) / (len(curve) - 1)
    return best, place


def eye_maps(
    verts: Float[np.ndarray, "V 3"], part: Shaped[np.ndarray, "V"]
) -> Float[np.ndarray, "V"]:
    """Angle from the optical axis in degrees (V,), 180 away from the eyeballs."""
    angle = np.full(len(verts), 180.0)
    for name in ("left_eye", "right_eye"):
        ids = np.flatnonzero(part == name)
        pole = verts[ids[0]]
        radius = np.ptp(verts[ids, 0]) / 2
        ray = verts[ids] - (pole - [0, 0, 1.05 * radius])
        angle[ids] = np.degrees(np.arccos(np.clip(ray[:, 2] / np.linalg.norm(ray, axis=1), -1, 1)))
    return angle


def eye_socket(
    verts: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    part: Shaped[np.ndarray, "V"],
) -> Float[np.ndarray, "V"]:
    """1 on the skin around an eyeball that faces it: what a turned eye lays bare, (V,)."""
    lining = np.zeros(len(verts), bool)
    for name in ("left_eye", "right_eye"):
        ball = verts[part == name]
        ray = (ball.max(0) + ball.min(0)) / 2 - verts
        distance = np.linalg.norm(ray, axis=1)
        facing = (ray * normals).sum(1) > 0.3 * distance
        lining |= facing & (distance < 0.7 * np.ptp(ball[:, 0]))
    return (lining & (part == "body")).astype(float)


def soft_maps(
    data: Path,
    verts: Float[np.ndarray, "V 3"],
    normals: Float[np.ndarray, "V 3"],
    faces: Int[np.ndarray, "F 3"],
    part: Shaped[np.ndarray, "V"],
    uvs: Float[np.ndarray, "V 2"],
    points: Float[np.ndarray, "68 3"],
    brow: Float[np.ndarray, "n 2"],
) -> dict[str, np.ndarray]:
    """Maps over the head that regions and skin are made of.

    Args:
        data: MakeHuman's data folder; verts, normals (V, 3) of the mean head; faces (F, 3).
        part: (V,) names; uvs (V, 2); points: (68, 3) landmarks;
            brow: (n, 2) middle line of the left brow from the nose outwards.
    Returns:
        dict name -> (V,) float.
    """
    x, y, z = verts.T
    body = part == "body"
    azimuth = np.degrees(np.arctan2(np.abs(x), z - HEAD_AXIS_Z))
    smoother = vertex_smoother(faces, len(verts))
    mask = lambda name: makehuman.read_mask(data, name, uvs) * body  # noqa: E731
    cavity = ((mask("inside-mouth") > 0.5) & body).astype(float)
    maps = {"azimuth": azimuth, "mouth_cavity": cavity, "ears": mask("ears")}
    maps["lips"] = smoother @ (mask("lips") * (1 - cavity))
    maps["upper"] = (_mouth_side(verts, faces, points) > 0).astype(float)

    jaw = points[8:14]
    jaw_azimuth = np.degrees(np.arctan2(jaw[:, 0], jaw[:, 2] - HEAD_AXIS_Z))
    jaw_y = np.interp(azimuth, jaw_azimuth, jaw[:, 1])
    nape = np.interp(azimuth, [jaw_azimuth[-1], 115, 150, 180], [jaw[-1, 1], -0.3, -0.55, -0.6])
    jaw_y = np.where(azimuth > jaw_azimuth[-1], nape, jaw_y)
    under = smoothstep(0.01, -0.13, y - jaw_y)  # the chin as a whole belongs to the face
    floor = smoothstep(-0.45, -0.75, normals[:, 1]) * smoothstep(-0.6, -0.7, y)
    maps["neck"] = body * (1 - cavity) * np.maximum(under, floor * (z < points[8, 2] - 0.12))

    hairline = np.interp(
        azimuth, [0, 25, 45, 58, 68, 80, 88, 100, 125, 150, 180],
        [1.05, 1.03, 0.92, 0.70, 0.60, 0.50, 0.05, 0.12, -0.25, -0.5, -0.55],
    )  # fmt: skip
    maps["scalp"] = body * smoothstep(-0.05, 0.07, y - hairline) * (1 - maps["ears"])

    maps["brow"], maps["brow_place"] = _brow_maps(verts, body, brow)
    maps["upper_lash"], maps["lower_lash"] = _lash_maps(verts, body, points)
    eye = points[[36, 39, 42, 45]].reshape(2, 2, 3).mean(1)
    socket = [np.exp(-(((x - e[0]) / 0.2) ** 2) - ((y - e[1] + 0.09) / 0.10) ** 2) for e in eye]
    maps["under_eye"] = body * (z > 0) * sum(socket)
    maps["eye_angle"] = eye_maps(verts, part)
    maps["eye_socket"] = eye_socket(verts, normals, part)

    spot = lambda at, r: body * np.exp(-(((verts - at) / r) ** 2).sum(1))  # noqa: E731
    maps["cheeks"] = spot([0.38, -0.02, 0.2], 0.2) + spot([-0.38, -0.02, 0.2], 0.2)
    maps["nose_tip"] = spot(points[30], 0.14)
    maps["mouth_corners"] = spot(points[48], 0.03) + spot(points[54], 0.03)
    maps["nose"] = _nose(verts, points) * body * (1 - cavity)
    front = smoothstep(88, 60, azimuth) * body * (1 - cavity)
    mouth_box = 1 - 0.9 * np.exp(-((x / 0.2) ** 2) - ((y - points[33, 1] - 0.01) / 0.05) ** 2)
    cheek_line = np.interp(np.abs(x), [0, 0.3, 0.55, 0.7], [-0.19, -0.33, -0.22, 0.05])
    beard = smoothstep(0.12, -0.22, y - cheek_line) * smoothstep(-1.2, -0.95, y)
    side_burn = smoothstep(70, 80, azimuth) * smoothstep(96, 86, azimuth) * (y < 0.3) * (y > -0.5)
    maps["beard"] = body * (1 - cavity) * np.maximum(beard * smoothstep(95, 70, azimuth), side_burn)
    maps["beard"] *= mouth_box * (1 - np.clip(maps["lips"] * 1.6, 0, 1))
    maps["front"] = front
    return maps


def _brow_maps(verts, body, brow):
    """The brows' hair, and the place along them, from the nose outwards."""
    x, _, z = verts.T
    hair, along = np.zeros(len(verts)), np.zeros(len(verts))
    for side in (1, -1):
        ends = brow * [side, 1]
        across = np.linspace(ends[0, 0], ends[-1, 0], 9)
        arch = np.polyval(np.polyfit(ends[:, 0], ends[:, 1], 2), across)
        distance, place = curve_distance(verts[:, :2], np.stack([across, arch], 1))
        width = np.interp(place, [0, 0.15, 0.6, 1], [0.036, 0.046, 0.036, 0.012])
        near = body * (x * side > 0) * (z > 0) * np.exp(-((distance / width) ** 2))
        hair += near
        along += near * place
    return hair, along


def _lash_maps(verts, body, points):
    """The lashes of the upper and of the lower lids."""
    lids = np.zeros(len(verts))
    lower_lids = np.zeros(len(verts))
    left, right = ((42, 43, 44, 45), (42, 47, 46, 45)), ((39, 38, 37, 36), (39, 40, 41, 36))
    for upper, lower in (left, right):
        for ids, width, target in ((upper, 0.016, lids), (lower, 0.012, lower_lids)):
            curve = _through(points[list(ids)])
            distance, place = curve_distance(verts, curve)
            target += body * np.exp(-((distance / width) ** 2)) * smoothstep(0.05, 0.3, place)
    return lids, lower_lids


def _through(points):
    """Smooth curve (13, 3) through four points."""
    from scipy.interpolate import CubicSpline

    return CubicSpline(np.arange(len(points)), points)(np.linspace(0, len(points) - 1, 13))


def _nose(verts, points):
    """Soft map of the nose: between the canthi, the wings and the tip."""
    heights = [points[33, 1] - 0.03, points[30, 1], points[27, 1]]
    half = np.interp(verts[:, 1], heights, [0.2, 0.19, 0.07])
    inside = smoothstep(0.0, -0.03, np.abs(verts[:, 0]) - half)
    tall = smoothstep(points[33, 1] - 0.04, points[33, 1], verts[:, 1])
    low = smoothstep(points[27, 1] + 0.08, points[27, 1], verts[:, 1])
    return inside * tall * low * (verts[:, 2] > 0.15)


def _mouth_side(verts, faces, points):
    """Positive on the upper lip's side of the line between the lips, along the surface."""
    from scipy.sparse.csgraph import dijkstra

    ends = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    length = np.linalg.norm(verts[ends[:, 0]] - verts[ends[:, 1]], axis=1)
    graph = sparse.csr_matrix((length, ends.T), shape=(len(verts),) * 2)
    find = lambda rows: [int(np.linalg.norm(verts - points[i], axis=1).argmin()) for i in rows]  # noqa: E731
    upper = dijkstra(graph, False, indices=find((50, 51, 52, 61, 62, 63, 49, 53)), limit=0.5)
    lower = dijkstra(graph, False, indices=find((56, 57, 58, 65, 66, 67, 55, 59)), limit=0.5)
    away = 9.0
    return np.minimum(lower.min(0), away) - np.minimum(upper.min(0), away)


def region_masks(
    maps: dict[str, np.ndarray], part: Shaped[np.ndarray, "V"], verts: Float[np.ndarray, "V 3"]
) -> dict[str, Bool[np.ndarray, "V"]]:
    """Named regions (V,) bool; see MorphableModel."""
    body = part == "body"
    cavity = maps["mouth_cavity"] > 0.5
    lips = (maps["lips"] > 0.5) & body & ~cavity
    eyes = np.isin(part, ("left_eye", "right_eye"))
    teeth = np.isin(part, ("upper_teeth", "lower_teeth"))
    ears = (maps["ears"] > 0.5) & body
    neck = (maps["neck"] > 0.5) & ~ears
    scalp = (maps["scalp"] > 0.5) & ~ears & ~neck & ~cavity
    bare = maps["scalp"] < 0.02  # no painted hair: a pasted face has to end below the hairline
    skin = body & bare & ~cavity & ~ears & ~neck & (maps["azimuth"] < 90)
    inside = eyes | teeth | (part == "tongue") | cavity
    return {
        "face": skin | inside,
        "skin": skin & ~lips & (maps["eye_socket"] < 0.5),
        "lips": lips,
        "upper_lip": lips & (maps["upper"] > 0.5),
        "lower_lip": lips & (maps["upper"] <= 0.5),
        "eyes": eyes,
        "left_eye": part == "left_eye",
        "right_eye": part == "right_eye",
        "iris": maps["eye_angle"] < IRIS_DEG,
        "pupil": maps["eye_angle"] < PUPIL_DEG,
        "brows": maps["brow"] > 0.45,
        "teeth": teeth,
        "tongue": part == "tongue",
        "mouth_cavity": cavity,
        "ears": ears,
        "scalp": scalp,
        "neck": neck,
        "nose": (maps["nose"] > 0.5) & skin,
    }
