"""Two rows of single teeth with their gums, as meshes in the space of the open model.

The open model's own rows are bands without single teeth: enough behind lips that hardly part, too
plain for a mouth that a picture cannot show. Widths and heights are those of adult teeth.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from tfhkit.maths import smoothstep

IVORY = np.array([0.90, 0.85, 0.76])  # sRGB, as in the open model's texture
GUM = np.array([0.66, 0.36, 0.35])
# From the midline outwards: central and lateral incisor, canine, two premolars, two molars; dm.
UPPER_WIDTHS = (0.085, 0.066, 0.076, 0.070, 0.068, 0.100, 0.095)
UPPER_HEIGHTS = (0.104, 0.090, 0.098, 0.084, 0.080, 0.075, 0.070)
LOWER_WIDTHS = (0.053, 0.058, 0.068, 0.070, 0.071, 0.110, 0.105)
LOWER_HEIGHTS = (0.088, 0.090, 0.100, 0.085, 0.080, 0.075, 0.070)
ACROSS = (-1.0, -0.93, -0.8, -0.55, -0.25, 0.0, 0.25, 0.55, 0.8, 0.93)  # columns of a tooth
# How far the edge falls short at the sides of a tooth, as a share of its height, and how abruptly.
CORNER = ((0.07, 5.0), (0.09, 4.0), (0.15, 1.7), (0.13, 2.0), (0.12, 2.0), (0.08, 2.0), (0.08, 2.0))
DOWN = (-0.45, -0.22, -0.10, -0.04, 0.0, 0.05, 0.14, 0.3, 0.5, 0.7, 0.85, 0.94, 1.0)  # crown: 0..1
BACK = ((0.97, 0.012), (0.85, 0.026), (0.3, 0.040), (-0.45, 0.060))  # height, dm behind the front
BULGE = 0.014  # dm of a crown's middle before its sides
NECK = 0.008  # dm of a crown's belly before its neck
SHADE_BETWEEN = 0.72  # of the ivory, where two teeth touch


@dataclass(frozen=True)
class Arch:
    """Where a row stands.

    Args:
        front_z: dm, of the middle incisors. edge_y: dm, of their edges.
        curve: 1/dm; the row lies on z = front_z - curve x^2.
        up: 1 for a row whose crowns point down, -1 for the other one.
        lean: how far the roots lie behind the edges, dm per dm of height.
        widths, heights: dm, of the crowns from the midline outwards.
    """

    front_z: float
    edge_y: float
    curve: float
    up: float
    lean: float
    widths: tuple[float, ...]
    heights: tuple[float, ...]


UPPER = Arch(0.200, -0.384, 2.0, 1.0, 0.10, UPPER_WIDTHS, UPPER_HEIGHTS)
LOWER = Arch(0.168, -0.360, 2.1, -1.0, 0.35, LOWER_WIDTHS, LOWER_HEIGHTS)


@dataclass(frozen=True)
class Teeth:
    """A row of teeth.

    Args:
        verts: dm. faces: counter-clockwise seen from outside.
        albedo: sRGB for ivory `IVORY`.
        crown: 1 on the crowns, 0 on the gum.
    """

    verts: Float[np.ndarray, "M 3"]
    faces: Int[np.ndarray, "F 3"]
    albedo: Float[np.ndarray, "M 3"]
    crown: Float[np.ndarray, "M"]


def row_of_teeth(arch: Arch) -> Teeth:
    """A row of teeth on an arch: a grid of columns along the row and lines from gum to edge."""
    along, across, height, fall, power = _columns(arch)
    lines = [(share, 0.0) for share in DOWN] + list(BACK)
    share, behind = np.array(lines).T[..., None]
    reach = share * height * (1 - fall * np.abs(across) ** power)  # from the neck downwards
    belly = NECK * np.sin(np.pi * share.clip(0, 1)) ** 0.7
    rounded = np.sqrt(1 - 0.9 * across**2)
    crown = smoothstep(-0.03, 0.03, share - 0.16 * across**2)
    out = crown * (BULGE * (rounded - 0.3) + belly) - behind - arch.lean * (height - reach).clip(0)
    x, z, sideways, forwards = _on_arch(arch, along)
    verts = [x + out * sideways, arch.edge_y + arch.up * (height - reach), z + out * forwards]
    colour = _colours(arch, along, rounded, share, behind, crown)
    faces = _grid(len(lines), len(along))
    return Teeth(
        np.stack(verts, -1).reshape(-1, 3),
        faces if arch.up > 0 else np.ascontiguousarray(faces[:, ::-1]),
        colour.reshape(-1, 3),
        crown.ravel(),
    )


def _colours(arch, along, rounded, share, behind, crown):
    """Albedo (lines, columns, 3): ivory, warmer at the neck and thin at the edge, and gum."""
    edge = 1 - 0.10 * smoothstep(0.82, 1.0, share)  # the dark shows through thin enamel
    between = SHADE_BETWEEN + (1 - SHADE_BETWEEN) * smoothstep(0, 0.012, _from_side(arch, along))
    tone = 1 - np.array([0, 0.015, 0.04]) * (share < 0.3)[..., None]
    tooth = IVORY * tone * (edge * between)[..., None]
    gum = GUM * (0.85 + 0.15 * rounded)[:, None]
    colour = gum + crown[..., None] * (tooth - gum)
    return np.where(behind[..., None] > 0, 0.5 * colour, colour)


def _columns(arch):
    """Place along the row, place across the own tooth in [-1, 1], its height and its corners."""
    start = np.cumsum((0.0,) + arch.widths[:-1])
    along, across, *size = (
        np.array(part)
        for part in zip(
            *(
                (first + (t + 1) / 2 * width, t, height, *corner)
                for first, width, height, corner in zip(
                    start, arch.widths, arch.heights, CORNER, strict=True
                )
                for t in ACROSS
            ),
            strict=True,
        )
    )
    mirror = np.arange(len(along))[:0:-1]  # the midline once
    both = [np.concatenate([part[mirror], part]) for part in size]
    return np.concatenate([-along[mirror], along]), np.concatenate([-across[mirror], across]), *both


def _from_side(arch, along):
    """Distance (n,) in dm to where the nearest two teeth touch."""
    sides = np.concatenate([[0.0], np.cumsum(arch.widths)])
    return np.abs(np.abs(along)[:, None] - sides).min(1)


def _on_arch(arch, along):
    """x, z and the outward normal's x, z of places along the curve, by its length."""
    x = np.linspace(0, 0.6, 2000)
    length = np.concatenate([[0], np.cumsum(np.hypot(np.diff(x), arch.curve * np.diff(x**2)))])
    at = np.sign(along) * np.interp(np.abs(along), length, x)
    slope = 2 * arch.curve * at
    norm = np.hypot(1, slope)
    return at, arch.front_z - arch.curve * at**2, slope / norm, 1 / norm


def _grid(n_lines, n):
    """Triangles of a grid whose lines go down and whose columns go to the image's right."""
    a = (np.arange(n_lines - 1)[:, None] * n + np.arange(n - 1)).ravel()
    b, c, d = a + 1, a + n, a + n + 1
    return np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])
