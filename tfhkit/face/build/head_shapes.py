"""Builds the head's cage, its identities and its expressions from MakeHuman (build time only)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int, Shaped
from scipy import sparse
from scipy.sparse.csgraph import dijkstra

from tfhkit.face.build import makehuman

NECK_CUT_Y = 5.55  # dm, in the base mesh
LOCAL_FOLDERS = "head forehead eyebrows eyes cheek nose mouth chin ears neck asym".split()
# Pairs of opposite ends that MakeHuman uses in the names of its shapes.
ENDS = (
    ("decr", "incr"), ("down", "up"), ("in", "out"), ("backward", "forward"),
    ("concave", "convex"), ("compress", "uncompress"), ("1-l", "1-r"), ("2-l", "2-r"),
    ("3-l", "3-r"), ("4-l", "4-r"), ("5-l", "5-r"), ("6-l", "6-r"), ("7-l", "7-r"), ("8-l", "8-r"),
)  # fmt: skip
# Rigid moves of the whole head or neck, and what lies below the cut, are no face shape.
SKIPPED = ("head-trans", "head-angle", "neck-trans", "neck-scale-vert", "measure-", "asymm-",
           "neck-scale-depth", "neck-back")  # fmt: skip
# A local change varies by LOCAL_SD of MakeHuman's full range, but no vertex by more than
# LOCAL_SD_DM on the average; full-range combinations of 170 changes are caricatures.
LOCAL_SD, LOCAL_SD_DM = 0.22, 0.025
ASYM_SD, ASYM_SD_DM = 0.10, 0.008


@dataclass(frozen=True)
class Cage:
    """The head's quads at base resolution.

    Args:
        keep: (V,) ids in MakeHuman's base mesh.
        quads: (Q, 4); uv_corners: (Q, 4, 2).
        part: (V,) names of `makehuman.PARTS`.
        mirror: (V,) ids of the mirrored vertices.
        verts: (V, 3) of the untouched base mesh.
    """

    keep: Int[np.ndarray, "V"]
    quads: Int[np.ndarray, "Q 4"]
    uv_corners: Float[np.ndarray, "Q 4 2"]
    part: Shaped[np.ndarray, "V"]
    mirror: Int[np.ndarray, "V"]
    verts: Float[np.ndarray, "V 3"]


def crop_head(data: Path) -> Cage:
    """Head, a bit of neck, eyeballs, teeth and tongue out of the base mesh."""
    verts, quads, quad_uvs, uvs = makehuman.read_mesh(data)
    part = np.full(len(verts), "", object)
    for name, (first, last) in makehuman.PARTS.items():
        part[first : last + 1] = name
    wanted = np.isin(part, ("tongue", "left_eye", "right_eye", "lower_teeth", "upper_teeth"))
    wanted |= (part == "body") & (verts[:, 1] > NECK_CUT_Y)
    inside = wanted[quads].all(1)
    keep = np.unique(quads[inside])
    index = np.full(len(verts), -1)
    index[keep] = np.arange(len(keep))
    mirror = index[makehuman.read_mirror(data)[keep]]
    return Cage(keep, index[quads[inside]], uvs[quad_uvs[inside]], part[keep], mirror, verts[keep])


def seam_loops(cage: Cage) -> dict[str, Int[np.ndarray, "n"]]:
    """Rings of edges where the texture is cut: the mouth's and the eyes' margins.

    Returns:
        dict with `mouth`, `left_eye`, `right_eye`: vertex ids in order around the loop.
    """
    ends = np.stack([cage.quads, np.roll(cage.quads, -1, 1)], -1).reshape(-1, 2)
    uv = np.stack([cage.uv_corners, np.roll(cage.uv_corners, -1, 1)], 2).reshape(-1, 4)
    swap = ends[:, 0] > ends[:, 1]
    ends[swap], uv[swap] = ends[swap, ::-1], uv[swap][:, [2, 3, 0, 1]]
    order = np.lexsort((ends[:, 1], ends[:, 0]))
    ends, uv = ends[order], uv[order]
    same = (ends[1:] == ends[:-1]).all(1)
    cut = ends[1:][same & (np.abs(uv[1:] - uv[:-1]).max(1) > 1e-6)]
    cut = cut[cage.part[cut[:, 0]] == "body"]
    neighbours: dict[int, list[int]] = {}
    for a, b in cut:
        neighbours.setdefault(a, []).append(b)
        neighbours.setdefault(b, []).append(a)
    loops = {}
    for name, centre in {
        "mouth": (0.0, 6.55, 1.5), "left_eye": (0.31, 7.28, 1.38), "right_eye": (-0.31, 7.28, 1.38)
    }.items():  # fmt: skip
        reach = 0.35 if name == "mouth" else 0.22
        near = {v for v in neighbours if np.linalg.norm(cage.verts[v] - centre) < reach}
        graph = {v: [w for w in neighbours[v] if w in near] for v in near}
        loops[name] = _longest_cycle(graph)
    return loops


def _longest_cycle(graph):
    """Vertices in order of the ring that remains when open ends are pruned."""
    while True:
        ends = [v for v, others in graph.items() if len(others) < 2]
        if not ends:
            break
        for v in ends:
            for w in graph.pop(v):
                if w in graph:
                    graph[w] = [x for x in graph[w] if x != v]
    start = min(graph)
    ring, previous, here = [start], None, start
    while True:
        step = [w for w in graph[here] if w != previous]
        previous, here = here, step[0]
        if here == start:
            return np.array(ring)
        ring.append(here)


def mouth_halves(cage: Cage, ring: Int[np.ndarray, "n"]) -> list[np.ndarray]:
    """The mouth's ring as upper and lower rows, each from the right to the left corner (by x)."""
    x = cage.verts[ring, 0]
    a, b = sorted((int(np.argmin(x)), int(np.argmax(x))))
    rows = [ring[a : b + 1], np.concatenate([ring[b:], ring[: a + 1]])]
    rows = [row if cage.verts[row[0], 0] < cage.verts[row[-1], 0] else row[::-1] for row in rows]
    rows.sort(key=lambda row: -cage.verts[row, 1].mean())
    return rows


def edge_graph(quads: Int[np.ndarray, "Q 4"], verts: Float[np.ndarray, "V 3"]) -> Any:
    """Sparse symmetric graph of edge lengths."""
    ends = np.stack([quads, np.roll(quads, -1, 1)], -1).reshape(-1, 2)
    length = np.linalg.norm(verts[ends[:, 0]] - verts[ends[:, 1]], axis=1)
    graph = sparse.coo_matrix((length, (ends[:, 0], ends[:, 1])), shape=(len(verts),) * 2).tocsr()
    return graph.maximum(graph.T)


def mouth_closer(
    cage: Cage, upper: Int[np.ndarray, "n"], lower: Int[np.ndarray, "m"], reach: float = 0.10
) -> sparse.csr_matrix:
    """Linear map that draws the lips together: verts + closer @ verts.

    Each row of the ring is moved half way to the other one; the move fades with the distance
    along the surface. It is linear, so it closes the mouth of every identity alike.

    Returns:
        CSR (V, V), to be applied to y and z of the vertices.
    """
    graph = edge_graph(cage.quads, cage.verts)
    total = sparse.csr_matrix((len(cage.verts),) * 2)
    distances = [dijkstra(graph, indices=row).T for row in (upper, lower)]
    nearest = [d.min(1) for d in distances]
    for own, other, side in ((upper, lower, 0), (lower, upper, 1)):
        x_own, x_other = cage.verts[own, 0], cage.verts[other, 0]
        gap = np.zeros((len(own), len(cage.verts)))
        place = np.interp(x_own, x_other, np.arange(len(other)))
        left = np.minimum(place.astype(int), len(other) - 2)
        rows = np.arange(len(own))
        gap[rows, other[left]] += 0.5 * (1 - (place - left))
        gap[rows, other[left + 1]] += 0.5 * (place - left)
        gap[rows, own] -= 0.5
        gap[[0, -1]] = 0
        distance, near = distances[side], nearest[side]
        kernel = np.exp(-((distance / 0.03) ** 2).clip(max=200))
        kernel /= np.maximum(kernel.sum(1, keepdims=True), 1e-30)
        fade = np.exp(-((near / reach) ** 2)) * (near < nearest[1 - side] + 1e-9)
        fade[near > 3 * reach] = 0
        total = total + sparse.csr_matrix(kernel * fade[:, None]) @ sparse.csr_matrix(gap)
    return total.tocsr()


def lip_press(
    cage: Cage,
    upper: Int[np.ndarray, "n"],
    lower: Int[np.ndarray, "m"],
    amount: float,
    reach: float = 0.05,
) -> Float[np.ndarray, "V"]:
    """Upward moves (V,) that press the lips `amount` dm into each other, but for the corners.

    The rows meet only up to half a millimetre; pressed together they hide the teeth of every
    identity, and the line between the lips is where the two surfaces meet.
    """
    graph = edge_graph(cage.quads, cage.verts)
    above, below = (dijkstra(graph, indices=row, min_only=True) for row in (upper, lower))
    inwards = np.clip((np.abs(cage.verts[upper[0], 0]) - np.abs(cage.verts[:, 0])) / 0.08, 0, 1)
    fade = np.exp(-((np.minimum(above, below) / reach) ** 2)) * inwards
    return np.where(above < below, -amount, amount) * fade


def close_mouth(
    closer: sparse.csr_matrix, verts: Float[np.ndarray, "... V 3"]
) -> Float[np.ndarray, "... V 3"]:
    """Apply `mouth_closer`'s map to (..., V, 3) vertices or displacements."""
    flat = verts.reshape(-1, *verts.shape[-2:])
    moved = np.stack([np.column_stack([v[:, 0], v[:, 1:] + closer @ v[:, 1:]]) for v in flat])
    return moved.reshape(verts.shape)


def local_features(data: Path, keep: Int[np.ndarray, "V"]) -> dict[str, tuple]:
    """Signed local shapes: dict name -> (negative (V, 3), positive (V, 3))."""
    features = {}
    for folder in LOCAL_FOLDERS:
        files = sorted((data / "mpfb2/targets" / folder).glob("*.target.gz"))
        names = {path.name.removesuffix(".target.gz"): path for path in files}
        for name, path in names.items():
            if name.startswith(SKIPPED):
                continue
            low = next((low for low, high in ENDS if name.endswith("-" + high)), None)
            high = next((high for low_end, high in ENDS if name.endswith("-" + low_end)), None)
            if high and name[: -len(name.rsplit("-", 1)[1])] and _other(name, ENDS, 0) in names:
                continue  # comes with its positive end
            negative = names.get(_other(name, ENDS, 1)) if low else None
            positive = makehuman.read_target(path)[keep]
            opposite = makehuman.read_target(negative)[keep] if negative else -positive
            if np.abs(positive).max() > 1e-4:
                features[name] = (opposite, positive)
    return features


def _other(name, ends, own):
    """Name of the shape at the opposite end, or None."""
    for pair in ends:
        if name.endswith("-" + pair[own]):
            return name[: -len(pair[own])] + pair[1 - own]
    return None


def sample_identities(
    data: Path, cage: Cage, n_samples: int, rng: np.random.Generator
) -> Float[np.ndarray, "n V 3"]:
    """Random adult heads, (n, V, 3), not yet aligned."""
    macros = makehuman.Macros(data, cage.keep)
    features = local_features(data, cage.keep)
    names = list(features)
    spread = {}
    for name, (_, positive) in features.items():
        sd, cap = (ASYM_SD, ASYM_SD_DM) if name.startswith("asym") else (LOCAL_SD, LOCAL_SD_DM)
        spread[name] = min(sd, cap / np.linalg.norm(positive, axis=1).max())
    heads = np.empty((n_samples, len(cage.keep), 3), np.float32)
    for i in range(n_samples):
        head = cage.verts + macros.shape(
            gender=rng.beta(0.6, 0.6),
            age_years=rng.uniform(20, 72),
            muscle=np.clip(rng.normal(0.5, 0.18), 0, 1),
            weight=np.clip(rng.normal(0.5, 0.18), 0, 1),
            proportions=rng.uniform(0.3, 0.9),
            height=rng.uniform(0.3, 0.7),
            ancestry=rng.dirichlet((0.6, 0.6, 0.6)),
        )
        shared = {}
        for name in names:
            key = name[2:] if name[:2] in ("l-", "r-") else name
            if key not in shared:
                shared[key] = rng.standard_normal()
            own = 0.15 * rng.standard_normal() if key != name else 0.0
            strength = np.clip(spread[name] * (shared[key] + own), -0.9, 0.9)
            head = head + abs(strength) * features[name][int(strength > 0)]
        heads[i] = head
    return heads


def align(
    heads: Float[np.ndarray, "n V 3"], anchors: Int[np.ndarray, "k"], rounds: int = 3
) -> Float[np.ndarray, "n V 3"]:
    """Remove rotation and translation (not size), by Procrustes on the anchor vertices."""
    heads = heads - heads[:, anchors].mean(1, keepdims=True)
    for _ in range(rounds):
        mean = heads[:, anchors].mean(0)
        for i, head in enumerate(heads):
            u, _, vt = np.linalg.svd(head[anchors].T @ mean)
            flip = np.diag([1, 1, np.sign(np.linalg.det(u @ vt))])
            heads[i] = head @ (u @ flip @ vt)
        heads -= heads[:, anchors].mean(1, keepdims=True)
    return heads
