"""Boxes around faces: where they are, and how far apart."""

import numpy as np
from jaxtyping import Float, Real

# The box of dlib's detector, seen from the points: its side over their spread, and its centre.
BOX_SIDE = 3.5
BOX_RISE = 0.08


def box_of(points: Float[np.ndarray, "68 2"]) -> Float[np.ndarray, "4"]:
    """The square box (4,) that dlib's detector would put around 68 points."""
    inner = points[17:]
    centre = inner.mean(0)
    spread = np.sqrt(((inner - centre) ** 2).sum(1).mean())
    half = BOX_SIDE * spread / 2
    centre = centre + (0.0, BOX_RISE * spread)
    return np.concatenate([centre - half, centre + half])


def box_distance(a: Real[np.ndarray, "4"], b: Real[np.ndarray, "4"]) -> float:
    """Distance of two boxes' centres plus their difference in side, over the mean side."""
    side_a, side_b = a[2] - a[0], b[2] - b[0]
    centres = np.hypot(*((a[:2] + a[2:] - b[:2] - b[2:]) / 2))
    # the detector's sides come in steps of a fifth, so a step of one costs little
    resized = max(0.0, abs(np.log(side_a / side_b)) - 0.2)
    return float(centres / ((side_a + side_b) / 2) + resized)
