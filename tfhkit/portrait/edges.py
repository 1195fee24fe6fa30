"""Soft edges of mouth and eyes: lips and lids end as softly as the picture itself.

A triangle's edge is one pixel wide, a lip in a picture is not: there its shade falls on the teeth,
and the lens blurs the border. So skin and what lies behind it are drawn apart, both are continued
beyond their border, and mixed over a soft one.
"""

import cv2
import numpy as np
from jaxtyping import Float

SOFT = 0.55  # standard deviation of an edge, in pixels of the picture
DETAIL = 0.45  # the same of what is painted, where a pixel of the picture is larger than one drawn
CONTACT_DM = 0.014  # reach of the shade that lips cast on teeth
CONTACT = np.array([0.45, 0.36, 0.34], np.float32)  # of the light, where teeth meet a lip
CREASE = np.array(
    [0.12, 0.20, 0.18]
)  # of RGB, how much darker the lips get where they turn inwards
CREASE_DM = 0.014
LASH_DM = 0.03  # width of a line of lashes
SEEN = 1e-3  # least coverage that counts


def soften(
    frame: Float[np.ndarray, "S S 3"],
    skin: Float[np.ndarray, "S S 4"],
    behind: Float[np.ndarray, "S S 4"],
    pixel_px: float,
    dm_px: float,
    amount: float = 1.0,
    painted: bool = True,
) -> None:
    """Mix skin and what lies behind it over a soft border, in place.

    Args:
        frame: in [0, 255].
        skin, behind: premultiplied RGB and opacity, as from `draw_pictures`.
        pixel_px: pixels of the frame in one of the picture.
        dm_px: pixels of the frame in 1 dm.
        amount: 0 leaves the frame as it is.
        painted: what lies behind is not the picture's: it is blurred as the picture is, and the
            skin casts a shade on it.
    """
    if amount <= 0:
        return
    shown = behind[..., 3] > SEEN
    rows, columns = (np.flatnonzero(shown.any(axis)) for axis in (1, 0))
    if not len(rows):
        return
    sigma = SOFT * pixel_px
    margin = int(np.ceil(3 * max(sigma, CONTACT_DM * dm_px))) + 2
    part = tuple(
        slice(max(0, at[0] - margin), min(len(frame), at[-1] + 1 + margin))
        for at in (rows, columns)
    )
    over, under = _continued(skin[part], sigma), _continued(behind[part], sigma)
    total = skin[part][..., 3] + behind[part][..., 3]
    share = behind[part][..., 3] / np.maximum(total, SEEN)
    weight = _blur(share, sigma)[..., None]
    if painted:
        if pixel_px > 1:
            under = _blur(under, DETAIL * np.sqrt(pixel_px**2 - 1))
        contact = np.clip(2 * _blur(share, CONTACT_DM * dm_px) - 1, 0, 1)[..., None]
        crease = np.clip(2 * _blur(share, CREASE_DM * dm_px), 0, 1)[..., None]
        under = under * (1 - (1 - CONTACT) * (1 - contact) ** 2)
        over = over * (1 - CREASE * crease)
    mixed = over + weight * (under - over)
    known = amount * np.clip(total, 0, 1)[..., None]  # nothing else is seen there
    frame[part] += known * (mixed - frame[part])


def soften_lashes(
    frame: Float[np.ndarray, "S S 3"],
    lines_px: Float[np.ndarray, "L n 2"],
    pixel_px: float,
    dm_px: float,
    amount: float,
) -> None:
    """Blur thin lines as a lens does, in place: a folded lid's margin is narrower than a pixel.

    Args:
        frame: in [0, 255]. lines_px: points on the margin of each lid.
        pixel_px, dm_px: as in `soften`. amount: 0 leaves the frame as it is.
    """
    if amount <= 0:
        return
    width = max(2.0, LASH_DM * dm_px)
    margin = int(np.ceil(width)) + 3
    for line in lines_px:
        low, high = line.min(0).astype(int) - margin, line.max(0).astype(int) + margin + 1
        low, high = low.clip(0, len(frame)), high.clip(0, len(frame))
        part = slice(low[1], high[1]), slice(low[0], high[0])
        if min(high - low) < 1:
            continue
        mask = np.zeros((high - low)[::-1], np.float32)
        points = np.rint((line - low - 0.5) * 16).astype(np.int32)
        cv2.polylines(mask, [points], False, 1.0, round(width), cv2.LINE_8, 4)
        weight = amount * _blur(mask, width / 3)[..., None]
        frame[part] += weight * (_blur(frame[part], max(SOFT, SOFT * pixel_px)) - frame[part])


def _blur(values, sigma):
    return cv2.GaussianBlur(values, (0, 0), max(sigma, 0.3)) if sigma > 0 else values


def _continued(layer, sigma):
    """Straight RGB, beyond the border that of the nearest covered pixels."""
    colour, cover = layer[..., :3], layer[..., 3:]
    near = _blur(layer, 2 * sigma)
    wide = _blur(layer, 6 * sigma)
    beyond = wide[..., :3] / np.maximum(wide[..., 3:], 1e-4)
    close = near[..., 3:] / (near[..., 3:] + 0.02)
    beyond += close * (near[..., :3] / np.maximum(near[..., 3:], 1e-4) - beyond)
    return colour + (1 - np.clip(cover, 0, 1)) * beyond
