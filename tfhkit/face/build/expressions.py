"""Builds 64 expression components out of facial actions and expression units."""

from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from tfhkit.face.actions import ACTION_NAMES, sample_actions
from tfhkit.face.build import makehuman
from tfhkit.maths import smoothstep

ANCESTRIES = ("african", "asian", "caucasian")
N_COMPONENTS = 64
# The source's blink draws the upper lid 4 mm below the lower one of most identities; this much of
# it closes the lids of every one.
BLINK = 0.95
# The source's tongue goes through the lower lip. This one goes over it: heights (y) of its middle
# line along z, dm, and how much farther out the tip comes.
TONGUE_Z = (-0.30, 0.00, 0.14, 0.29, 0.45, 0.60)
TONGUE_Y = (-0.36, -0.325, -0.318, -0.324, -0.358, -0.43)
TONGUE_REACH = 0.48


def read_actions(data: Path, keep: Int[np.ndarray, "V"]) -> Float[np.ndarray, "52 V 3"]:
    """Displacements (52, V, 3) of the facial actions at full strength."""
    folder = data / "faceunits01/targets/faceunits"
    names = [folder / f"{name}.target" for name in ACTION_NAMES]
    return np.stack([makehuman.read_target(path)[keep] for path in names])


def full_strengths(strengths: Float[np.ndarray, "52 64"]) -> Float[np.ndarray, "52 64"]:
    """Coefficients (52, 64) of the kit's actions out of those of the source's shapes."""
    blinks = np.array([name.startswith("eyeBlink") for name in ACTION_NAMES])
    return strengths * np.where(blinks, BLINK, 1.0)[:, None]


def read_units(data: Path, keep: Int[np.ndarray, "V"]) -> Float[np.ndarray, "n V 3"]:
    """Displacements (n, V, 3) of MakeHuman's expression units, mean over the ancestries."""
    folder = data / "mpfb2/targets/expression/units"
    names = sorted(path.name for path in (folder / "caucasian").glob("*.target.gz"))
    shapes = []
    for name in names:
        files = [folder / ancestry / name for ancestry in ANCESTRIES]
        found = [makehuman.read_target(path)[keep] for path in files if path.is_file()]
        shapes.append(np.mean(found, axis=0))
    return np.stack(shapes)


def expression_basis(
    actions: Float[np.ndarray, "A V 3"],
    units: Float[np.ndarray, "n V 3"],
    rng: np.random.Generator,
    n_samples: int = 6000,
    weights: Float[np.ndarray, "V"] | None = None,
) -> tuple[Float[np.ndarray, "64 V 3"], Float[np.ndarray, "A 64"]]:
    """64 components of unit variance that hold all actions exactly.

    The span is that of the 52 actions, filled up with the directions in which the expression
    units leave it most; inside the span the components are the principal directions of random
    expressions. Zero coefficients are the neutral face.

    Args:
        actions: (52, V, 3); units: (n, V, 3).
        rng: NumPy generator.
        weights: (V,) importance of the vertices for the directions, or None.
    Returns:
        basis: (64, V, 3); strengths: (52, 64) coefficients of each action.
    """
    n_verts = actions.shape[1]
    root = np.ones(n_verts) if weights is None else np.sqrt(weights)
    flat = lambda x: (x * root[:, None]).reshape(len(x), -1)  # noqa: E731
    first, second = flat(actions), flat(units)
    _, size, span = np.linalg.svd(first, full_matrices=False)
    span = span[size > 1e-6 * size[0]]
    rest = second - second @ span.T @ span
    _, _, extra = np.linalg.svd(rest, full_matrices=False)
    span = np.concatenate([span, extra[: N_COMPONENTS - len(span)]])

    expressions = sample_actions(n_samples, rng) @ first
    present = rng.random((n_samples, len(units))) < 0.25
    units_used = present * rng.normal(0, 0.25, (n_samples, len(units)))
    inside = (expressions + units_used @ second) @ span.T
    inside -= inside.mean(0)
    _, size, directions = np.linalg.svd(inside, full_matrices=False)
    sd = size / np.sqrt(n_samples)
    whole = directions @ span
    sign = np.sign(whole.sum(1) + 1e-12)
    whole *= sign[:, None]
    strengths = first @ whole.T / sd
    basis = (whole * sd[:, None]).reshape(N_COMPONENTS, n_verts, 3) / root[:, None]
    return basis, strengths


def tongue_out(verts: Float[np.ndarray, "n 3"]) -> Float[np.ndarray, "n 3"]:
    """Displacements (n, 3) of the tongue's vertices (n, 3) that put it out between the lips."""
    x, y, z = verts.T
    along = (z - z.min()) / np.ptp(z)  # 0 at the root, 1 at the tip
    middle = np.polyval(np.polyfit(along, y, 3), along)
    out_z = z + TONGUE_REACH * along**1.5
    free = smoothstep(0.25, 0.7, along)
    out_middle = middle + free * (np.interp(out_z, TONGUE_Z, TONGUE_Y) - middle)
    thickness = 1 - 0.5 * smoothstep(0.3, 0.8, along)
    width = 1 - 0.1 * free - 0.2 * smoothstep(0.72, 1, along) ** 2
    return np.stack([x * width, out_middle + (y - middle) * thickness, out_z], 1) - verts


def with_action(
    basis: Float[np.ndarray, "64 V 3"],
    strengths: Float[np.ndarray, "52 64"],
    name: str,
    displacement: Float[np.ndarray, "V 3"],
) -> Float[np.ndarray, "64 V 3"]:
    """Basis (64, V, 3) in which one action has another shape and all others keep theirs.

    The change is spread over the components along the action's dual vector, which no other
    action has a part in.

    Args:
        basis: (64, V, 3); strengths: (52, 64) as from `expression_basis`.
        displacement: (V, 3) of the action at full strength.
    """
    action = ACTION_NAMES.index(name)
    change = displacement - np.tensordot(strengths[action], basis, 1)
    return basis + np.linalg.pinv(strengths)[:, action, None, None] * change
