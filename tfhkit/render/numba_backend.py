"""A z-buffer on the CPU in numba: face ids and depth per pixel, and Gouraud-shaded pictures.

Every frame is drawn by one thread; threads share the frames of a batch. The kernels release the
interpreter's lock, so plain Python threads do (numba's own parallel loops take seconds more to
compile, and abort the process when two threads or a forked child meet in them).
"""

from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfhkit.camera import DISTANCE, Camera
from tfhkit.face.lighting import sh_basis, with_ambient
from tfhkit.render import kernels
from tfhkit.render.fragments import Fragments


def _share(n_frames, n_rows, draw):
    """Call draw(first, last, top, bottom) so that torch's number of threads share the frames, or,
    where there are fewer frames than threads, the rows of each frame."""
    n_threads = torch.get_num_threads()
    frames = np.linspace(0, n_frames, min(n_frames, n_threads) + 1).astype(int)
    n_bands = max(1, min(n_threads // max(n_frames, 1), n_rows // 16))
    rows = np.linspace(0, n_rows, n_bands + 1).astype(int)
    parts = [(*span, *band) for span in pairwise(frames) for band in pairwise(rows)]
    if len(parts) == 1:
        draw(*parts[0])
        return
    with ThreadPoolExecutor(len(parts)) as pool:
        for done in [pool.submit(draw, *part) for part in parts]:
            done.result()


def _array(tensor, dtype):
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype)


def _pinhole(camera):
    """Focal length and principal point as the kernels want them: three floats."""
    return float(camera.focal_px), *map(float, camera.centre_px)


def rasterize(
    verts_world: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    camera: Camera,
    cull_backfaces: bool = True,
) -> Fragments:
    """Fragments by the z-buffer; arguments as in `tfhkit.render.rasterize`."""
    verts, corner_ids = _array(verts_world, np.float32), _array(faces, np.int32)
    n_frames, size = len(verts), camera.size_px
    pix = np.empty((n_frames, size, size), np.int64)
    zbuf = np.empty((n_frames, size, size), np.float32)
    bary = np.empty((n_frames, size, size, 3), np.float32)
    view = (*_pinhole(camera), DISTANCE, bool(cull_backfaces))
    _share(
        n_frames,
        size,
        lambda *part: kernels.draw_fragments(verts, corner_ids, view, part, pix, zbuf, bary),
    )
    device = verts_world.device
    return Fragments(
        torch.from_numpy(pix)[..., None].to(device),
        torch.from_numpy(zbuf)[..., None].to(verts_world),
        torch.from_numpy(bary)[..., None, :].to(verts_world),
    )


def draw_colours(
    verts_world: Float[Tensor, "B V 3"],
    colours: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    shown: Bool[Tensor, "F"],
    camera: Camera,
    supersample: int = 1,
) -> Float[Tensor, "B S S 4"]:
    """Rasterise and interpolate vertex colours at once, without gradients.

    Args:
        verts_world: (B, V, 3). colours: (B, V, 3) RGB. faces: (F, 3).
        shown: (F,) bool; faces that are not shown still hide what is behind them.
        camera: Camera.
        supersample: points per pixel along each axis.
    Returns:
        (B, S, S, 4) straight RGBA in [0, 1] on the device of `verts_world`.
    """
    verts, shades = _array(verts_world, np.float32), _array(colours, np.float32)
    corner_ids, kept = _array(faces, np.int32), _array(shown, np.bool_)
    size = camera.size_px
    rgba = np.empty((len(verts), size, size, 4), np.float32)
    view = (*_pinhole(camera), DISTANCE, int(supersample))
    _share(
        len(verts),
        size,
        lambda *part: kernels.paint_frames(verts, shades, corner_ids, kept, view, part, rgba),
    )
    return torch.from_numpy(rgba).to(verts_world)


def light_verts(
    verts_world: Float[Tensor, "B V 3"],
    faces: Int[Tensor, "F 3"],
    albedo: Float[Tensor, "#B V 3"],
    light: Float[Tensor, "B 27"],
) -> Float[Tensor, "B V 3"]:
    """Normals and SH light at once: `shade_sh(albedo, vertex_normals(verts, faces), light)`.

    Args:
        verts_world: (B, V, 3). faces: (F, 3). albedo: (B, V, 3) or (1, V, 3).
        light: (B, 27).
    Returns:
        (B, V, 3) RGB, not clamped, without gradients.
    """
    harmonics = with_ambient(light.detach().cpu().double()).numpy() @ _polynomials()
    return _lit(verts_world, faces, _array(albedo, np.float32), harmonics)


def unit_normals(
    verts_world: Float[Tensor, "B V 3"], faces: Int[Tensor, "F 3"]
) -> Float[Tensor, "B V 3"]:
    """`vertex_normals(verts, faces)`, without gradients: what white skin shows of three lights."""
    axes = np.zeros((len(verts_world), 3, 9))
    axes[:, range(3), range(1, 4)] = 1.0  # light k shines along axis k
    return _lit(verts_world, faces, np.ones((1, *verts_world.shape[1:]), np.float32), axes)


def _lit(verts_world, faces, skin, harmonics):
    """(B, V, 3) skin in light, whose harmonics (B, 3, 9) are as in `kernels.light_frames`."""
    verts, corner_ids = _array(verts_world, np.float32), _array(faces, np.int32)
    colours = np.empty_like(verts)
    _share(
        len(verts),
        1,
        lambda first, last, *_: kernels.light_frames(
            verts, corner_ids, skin, harmonics, first, last, colours
        ),
    )
    return torch.from_numpy(colours).to(verts_world)


@lru_cache(maxsize=1)
def _polynomials():
    """(9, 9): the bands of `sh_basis` as polynomials in the normal, read off `sh_basis` itself."""
    draw = torch.Generator().manual_seed(0)
    normals = torch.randn(64, 3, generator=draw, dtype=torch.float64)
    normals = torch.nn.functional.normalize(normals, dim=-1)
    x, y, z = normals.T
    terms = [torch.ones_like(x), x, y, z, x * y, y * z, x * z, x * x - y * y, z * z]
    return torch.linalg.lstsq(torch.stack(terms, 1), sh_basis(normals)).solution.T.numpy()
