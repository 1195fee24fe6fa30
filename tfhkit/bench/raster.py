"""Rasterisers: numba compared with pytorch3d on the CPU, and a fully shaded frame of the head."""

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tfhkit.bench import Row
from tfhkit.camera import Camera
from tfhkit.coefficients import neutral
from tfhkit.errors import MissingBackend
from tfhkit.render import rasterize, render
from tfhkit.render.fragments import choose_backend

SIZE_PX = 256
BATCH = 16
REPEATS = 20


def sphere(n_subdivisions: int) -> tuple[Float[Tensor, "V 3"], Int[Tensor, "F 3"]]:
    """Vertices and faces of a unit sphere of 20 * 4**n faces, counter-clockwise from outside."""
    golden = (1 + 5**0.5) / 2
    corners = [(0, s, t * golden) for s in (-1, 1) for t in (-1, 1)]
    verts = np.array([np.roll(c, k) for k in range(3) for c in corners], float)
    verts /= np.linalg.norm(verts, axis=1, keepdims=True)
    gaps = np.linalg.norm(verts[:, None] - verts[None], axis=-1)
    near = (gaps > 0) & (gaps < 1.1)
    corners_of = [
        (a, b, c)
        for a in range(12)
        for b in range(a + 1, 12)
        for c in range(b + 1, 12)
        if near[a, b] and near[b, c] and near[a, c]
    ]
    faces = np.array(
        [f if np.linalg.det(verts[list(f)]) > 0 else (f[0], f[2], f[1]) for f in corners_of]
    )
    for _ in range(n_subdivisions):
        edges = np.sort(np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), 1)
        unique, place = np.unique(edges, axis=0, return_inverse=True)
        ab, bc, ca = len(verts) + place.reshape(3, -1)
        middle = verts[unique].mean(1)
        verts = np.concatenate([verts, middle / np.linalg.norm(middle, axis=1, keepdims=True)])
        a, b, c = faces.T
        faces = np.concatenate(
            [np.stack(t, 1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))]
        )
    return torch.from_numpy(verts).float(), torch.from_numpy(faces).long()


def _best_ms(function: Callable[[], object], repeats: int) -> float:
    function()  # compiles, warms up
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return 1000 * min(seconds)  # the least disturbed by other work


def bench_raster(
    subdivisions: tuple[int, ...] = (3, 4, 5),
    size_px: int = SIZE_PX,
    head: bool = True,
    model_name: str = "open",
) -> list[Row]:
    """Time the rasterisers on spheres and on the head.

    Args:
        subdivisions: spheres of 20 * 4**n faces.
        size_px: side of the picture.
        head: add rows for the morphable model: rasterised; with normals, light and RGBA from
            given vertices; from coefficients, one frame and in batches; as an explorer's JPEG.
        model_name: which morphable model.
    Returns:
        rows of what, faces, size_px, numba_ms (per frame), pytorch3d_cpu_ms (per frame;
        None where pytorch3d is missing), ratio (pytorch3d over numba).
    """
    camera = Camera(size_px)
    rows = []
    for n in subdivisions:
        verts, faces = sphere(n)
        rows.append(_compare(f"sphere {len(faces)}", verts[None], faces, camera))
    if head:
        rows += _head_rows(model_name, camera)
    return rows


def _compare(
    what: str, verts: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"], camera: Camera
) -> Row:
    numba_ms = _best_ms(lambda: rasterize(verts, faces, camera, "numba"), REPEATS)
    peer_ms = _peer_ms(verts, faces, camera)
    return _row(what, faces, camera, numba_ms, peer_ms)


def _peer_ms(
    verts: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"], camera: Camera
) -> float | None:
    try:
        choose_backend("pytorch3d", "cpu")
    except MissingBackend:
        return None
    start = time.perf_counter()
    rasterize(verts, faces, camera, "pytorch3d")
    return 1000 * (time.perf_counter() - start)


def _row(
    what: str, faces: Int[Tensor, "F 3"], camera: Camera, numba_ms: float, peer_ms: float | None
) -> Row:
    return {
        "what": what,
        "faces": len(faces),
        "size_px": camera.size_px,
        "numba_ms": round(numba_ms, 3),
        "pytorch3d_cpu_ms": None if peer_ms is None else round(peer_ms, 1),
        "ratio": None if peer_ms is None else round(peer_ms / numba_ms, 1),
    }


def _head_rows(model_name: str, camera: Camera) -> list[Row]:
    from tfhkit.face import load_model
    from tfhkit.media import jpeg_bytes
    from tfhkit.render.numba_backend import draw_colours
    from tfhkit.render.plots import portraits
    from tfhkit.render.shading import posed_verts, region_faces, vertex_colours

    model = load_model(model_name)
    many = neutral(BATCH).map(torch.from_numpy)
    turn = torch.zeros(BATCH, 3)
    turn[:, 1] = torch.linspace(-0.4, 0.4, BATCH)
    draw = torch.Generator().manual_seed(0)
    id = torch.randn(1, 80, generator=draw).expand(BATCH, -1)
    many = replace(many, id=id, exp=0.5 * torch.randn(BATCH, 64, generator=draw), angles=turn)
    one = many[:1]
    verts = posed_verts(model, one)
    peer_ms = _peer_ms(verts, model.faces, camera)
    with torch.no_grad():
        plain = _best_ms(lambda: rasterize(verts, model.faces, camera, "numba"), REPEATS)
        single = _best_ms(
            lambda: render(model, one, camera, region="all", backend="numba"), REPEATS
        )
        albedo, shown = model.texture(one.tex), region_faces(model, "all")

        def shade():
            colours = vertex_colours(model, one, verts, albedo)
            return draw_colours(verts, colours, model.faces, shown, camera)

        from_verts = _best_ms(shade, REPEATS)
        batch = _best_ms(
            lambda: render(model, many, camera, region="all", backend="numba"), REPEATS
        )

        def slide():  # what an explorer does when a slider moves
            return jpeg_bytes(portraits(model, camera.size_px, id=one.id, exp=one.exp)[0])

        slid = _best_ms(slide, REPEATS)
    return [
        _row("head, rasterised", model.faces, camera, plain, peer_ms),
        _row("head, shaded RGBA from vertices", model.faces, camera, from_verts, peer_ms),
        _row("head, shaded RGBA, one frame", model.faces, camera, single, peer_ms),
        _row(f"head, shaded RGBA, batch of {BATCH}", model.faces, camera, batch / BATCH, peer_ms),
        _row("head, a slider's change, JPEG", model.faces, camera, slid, peer_ms),
    ]
