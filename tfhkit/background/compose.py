"""Laying the rendered face over the background, with a soft edge (Sec. 3.3.2)."""

import numpy as np
from jaxtyping import Float, UInt8
from scipy import ndimage

from tfhkit.errors import ParameterError, check_shape
from tfhkit.maths import smooth

MOUTH_RGB = (0.13, 0.05, 0.05)  # what is seen through a hole: the dark of an open mouth


def fill_holes(
    alpha: Float[np.ndarray, "S S"],
) -> tuple[Float[np.ndarray, "S S"], Float[np.ndarray, "S S"]]:
    """Find the gaps inside the face, such as an open mouth without inner geometry.

    Args:
        alpha: in [0, 1].
    Returns:
        filled: alpha, with the gaps that the face surrounds made opaque.
        hole: share of each pixel that was filled.
    """
    solid = ndimage.binary_fill_holes(alpha > 0.5)
    # Half-covered pixels at a gap's rim belong to the gap, those of the outline do not.
    inside = ndimage.binary_erosion(solid, iterations=2)
    gap = inside & (alpha < 1)
    filled = np.where(gap, 1.0, alpha)
    return filled, filled - alpha


def soft_edge(alpha: Float[np.ndarray, "S S"], feather_px: float) -> Float[np.ndarray, "S S"]:
    """Let alpha rise from 0 to 1 over `feather_px` pixels inside the outline.

    Inside only: the rendering knows nothing beyond its outline, and the background does.

    Args:
        alpha: in [0, 1].
        feather_px: width in pixels; 0 leaves alpha as it is.
    """
    if feather_px <= 0:
        return alpha
    # A border of zeros: where the picture's edge cuts the face, the face fades as well.
    depth = ndimage.distance_transform_edt(np.pad(alpha > 0.5, 1))[1:-1, 1:-1]
    rise = np.clip(depth / (feather_px + 1), 0, 1)
    return alpha * smooth(rise)


def compose(
    render_rgba: Float[np.ndarray, "..."],
    background: UInt8[np.ndarray, "..."],
    feather_px: float = 3.0,
    holes: str = "fill",
    hole_rgb: tuple[float, float, float] = MOUTH_RGB,
    covered: Float[np.ndarray, "..."] | None = None,
) -> UInt8[np.ndarray, "B S S 3"]:
    """Lay renderings over backgrounds.

    Args:
        render_rgba: (B, S, S, 4), straight RGBA in [0, 1].
        background: (B, S, S, 3).
        feather_px: width of the soft edge, inwards, in pixels.
        holes: "fill" paints gaps inside the face with `hole_rgb`, so that the background's own
            mouth does not show through (published: black); "background" lets it show.
        hole_rgb: colour in [0, 1].
        covered: (B, S, S) in [0, 1], where the background lies over the rendering, such as a
            fringe; None: nowhere.
    Raises:
        ShapeError: sizes differ. ParameterError: another `holes`.
    Source: paper Sec. 3.3.2. Differs from the published code: soft edge, and the same for
        training and test.
    """
    render_rgba = np.asarray(render_rgba, np.float32)
    check_shape("render_rgba", render_rgba, ("B", "S", "S", 4))
    check_shape("background", background, (*render_rgba.shape[:3], 3))
    if holes not in ("fill", "background"):
        raise ParameterError("holes", f"must be 'fill' or 'background', got {holes!r}", "choose")
    out = np.empty(background.shape, np.uint8)
    for i, (rgba, behind) in enumerate(zip(render_rgba, background)):
        rgb, alpha = rgba[..., :3], rgba[..., 3]
        if holes == "fill":
            alpha, hole = fill_holes(alpha)
            share = (hole / np.maximum(alpha, 1e-6))[..., None]
            rgb = (1 - share) * rgb + share * np.asarray(hole_rgb, np.float32)
        if covered is not None:
            alpha = alpha * (1 - covered[i])
        alpha = soft_edge(alpha, feather_px)[..., None]
        mixed = alpha * np.clip(rgb, 0, 1) * 255 + (1 - alpha) * behind
        out[i] = np.round(mixed).astype(np.uint8)
    return out
