"""For the tests of rendering: a small morphable head, an ellipsoid with a nose; the backends."""

import numpy as np
import pytest
import torch

from tfhkit.bench.raster import sphere
from tfhkit.coefficients import Coefficients, neutral
from tfhkit.face import MorphableModel

try:
    import pytorch3d.renderer  # noqa: F401

    HAS_PYTORCH3D = True
except ImportError:
    HAS_PYTORCH3D = False
needs_pytorch3d = pytest.mark.skipif(not HAS_PYTORCH3D, reason="pytorch3d is not installed here")
BACKENDS = ["numba", pytest.param("pytorch3d", marks=needs_pytorch3d)]


def toy_model(n_subdivisions=4, seed=0):
    """MorphableModel whose "face" region is the front of an ellipsoid with a nose."""
    verts, faces = sphere(n_subdivisions)
    bump = torch.exp(-((verts[:, 0] / 0.15) ** 2) - ((verts[:, 1] + 0.1) / 0.2) ** 2)
    shape = verts * torch.tensor([0.75, 1.05, 0.9])
    shape[:, 2] += 0.35 * bump * (verts[:, 2] > 0)
    generator = torch.Generator().manual_seed(seed)
    n_verts = len(shape)

    def basis(size, amount):
        """Smooth random directions: low-order polynomials of the place."""
        x, y, z = verts.T
        terms = torch.stack([torch.ones_like(x), x, y, z, x * y, y * z, x * z, x * x, y * y])
        mix = amount * torch.randn(size, 3, len(terms), generator=generator)
        return torch.einsum("nck,kv->nvc", mix, terms).contiguous()

    mean_tex = 0.5 + 0.2 * verts.roll(1, 1) + 0.1 * torch.sin(9 * verts)
    return MorphableModel(
        name="toy",
        mean_shape=shape,
        id_basis=basis(80, 0.004),
        exp_basis=basis(64, 0.01),
        mean_tex=mean_tex.clamp(0.1, 0.9),
        tex_basis=basis(80, 0.01),
        faces=faces,
        uvs=verts[:, :2] / 2 + 0.5,
        landmark_ids=torch.arange(68),
        contour_ids=torch.arange(17)[:, None],
        regions={"face": verts[:, 2] > -0.2, "teeth": torch.zeros(n_verts, dtype=torch.bool)},
        action_names=(),
        actions=torch.zeros(0, 64),
    )


def toy_coefficients(n_frames=3, seed=0, turn=0.3):
    """Coefficients (torch) of one person with random expression, pose and light."""
    rng = np.random.default_rng(seed)
    parts = neutral(n_frames)
    return Coefficients(
        parts.id + rng.normal(size=80).astype(np.float32),
        rng.normal(size=(n_frames, 64)).astype(np.float32),
        parts.tex + rng.normal(size=80).astype(np.float32),
        (turn * rng.uniform(-1, 1, (n_frames, 3))).astype(np.float32),
        (0.1 * rng.normal(size=(n_frames, 27))).astype(np.float32),
        (0.1 * rng.normal(size=(n_frames, 3))).astype(np.float32),
    ).map(torch.from_numpy)
