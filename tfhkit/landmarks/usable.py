"""Frames that nothing can be learned from: dark, bright, blank, blurred or frozen ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

from tfhkit.maths import runs

LOOK_PX = 96  # a face is scaled to this before its look is measured
SMALL_PX = 320  # a frame is scaled to this width before it is compared with the one before

# Where a head turns or walks, the brightness of its face changes by up to a quarter, but that of
# the whole frame hardly does; a pan changes the frame and leaves the face. So light has changed
# where both changed. On seven real clips both changed by less than 1.06 in all frames.
CALM = 1.06  # within this factor of the clip's median, the exposure is the usual one
JUMP, JUMP_S = 1.25, 0.12  # an exposure that changes by this factor in this time has jumped
FAR = 1.5  # ... and so far from the median a frame is left out however slowly it came there
FACE_FLASH = 1.6  # a factor on the face alone, within JUMP_S: a flash that misses the room
BLANK_STD = 6.0  # grey levels: a frame with less contrast shows nothing
FLAT = 0.5  # of the face's usual contrast
BLURRED = 0.5  # of the face's usual sharpness; quick motion at 12 fps goes down to 0.7
FROZEN_LEVELS, FROZEN_S = 2.0, 0.3  # grey levels of the 99.9th percentile of change
FROZEN_FACE = 0.01  # of the face's size: where its points move further, the face is not frozen
LONG_S = 1.0  # shorter standstills that come again and again are a low frame rate
MOST_SHARE = 1 / 3  # an exposure, or short standstills, of more frames are how the clip is


@dataclass(frozen=True)
class Unusable:
    """A range of frames that are left out.

    Args:
        reason: "dark", "bright", "blank", "blurred" or "frozen".
        first, stop: frames first .. stop - 1.
        start_s, end_s: their times, from the first one's to the last one's.
    """

    reason: str
    first: int
    stop: int
    start_s: float
    end_s: float


@dataclass(frozen=True)
class FrameLooks:
    """What the frames of a clip look like.

    Args:
        face: brightness, contrast and sharpness of the face, see `face_look`; NaN where no face
            was found.
        frame: mean and standard deviation of the whole frame's grey levels.
        change: grey levels by which the frame differs from the one before, see `frame_change`.
        points: landmarks of the face, px; NaN where no face was found.
    """

    face: Float[np.ndarray, "T 3"]
    frame: Float[np.ndarray, "T 2"]
    change: Float[np.ndarray, "T"]
    points: Float[np.ndarray, "T 68 2"]


def face_look(
    image: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
) -> Float[np.ndarray, "3"]:
    """Brightness, contrast and sharpness of a face; NaN where the box lies outside the picture.

    Sharpness is the standard deviation of the Laplacian over that of the grey levels, so it does
    not depend on the exposure.

    Args:
        image: the frame.
        box: x0, y0, x1, y1 px.
    """
    x0, y0, x1, y1 = np.maximum(np.round(box).astype(int), 0)
    part = image[y0:y1, x0:x1]
    if not part.size:
        return np.full(3, np.nan)
    how = cv2.INTER_AREA if part.shape[0] > LOOK_PX else cv2.INTER_LINEAR
    grey = cv2.cvtColor(part, cv2.COLOR_RGB2GRAY)
    grey = cv2.resize(grey, (LOOK_PX, LOOK_PX), interpolation=how).astype(np.float32)
    edges = cv2.Laplacian(cv2.GaussianBlur(grey, (0, 0), 1), cv2.CV_32F)
    return np.array([grey.mean(), grey.std(), edges.std() / (grey.std() + 1e-3)], np.float64)


def small_grey(image: UInt8[np.ndarray, "H W 3"]) -> UInt8[np.ndarray, "h w"]:
    """A small grey picture of a frame, for `frame_change`."""
    height = max(1, round(image.shape[0] * SMALL_PX / image.shape[1]))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return cv2.resize(grey, (SMALL_PX, height), interpolation=cv2.INTER_AREA)


def frame_change(before: UInt8[np.ndarray, "h w"], after: UInt8[np.ndarray, "h w"]) -> float:
    """Grey levels that one pixel in a thousand changes by: moving lips count, noise does not."""
    return float(np.quantile(cv2.absdiff(before, after), 0.999))


def find_unusable(looks: FrameLooks, times: Float[np.ndarray, "T"]) -> tuple[Unusable, ...]:
    """The ranges of frames that must be left out of fit, training and scores.

    Args:
        looks: FrameLooks.
        times: seconds.
    Returns:
        Unusable ranges in order; a frame is in one of them at most.
    """
    gain = log_gain(looks)
    reasons = np.full(len(times), "", dtype="U8")
    reasons[_frozen(looks, times)] = "frozen"
    usual = np.nanmedian(looks.face, 0) if np.isfinite(looks.face).any() else np.ones(3)
    with np.errstate(invalid="ignore"):
        relative = looks.face / usual
        reasons[relative[:, 2] < BLURRED] = "blurred"
        reasons[relative[:, 1] < FLAT] = "blank"
    off = _exposed(gain, times) | _face_flash(looks, gain, times)
    reasons[off] = np.where(gain[off] < 0, "dark", "bright")
    dark = looks.frame[:, 0] < 0.5 * np.median(looks.frame[:, 0])
    blank = looks.frame[:, 1] < blank_std(looks.frame[:, 1])
    reasons[blank] = np.where(dark[blank], "dark", "blank")
    edges = np.flatnonzero(np.r_[True, reasons[1:] != reasons[:-1], True])
    return tuple(
        Unusable(str(reasons[a]), int(a), int(b), float(times[a]), float(times[b - 1]))
        for a, b in zip(edges[:-1], edges[1:])
        if reasons[a]
    )


def blank_std(stds: Float[np.ndarray, "T"]) -> float:
    """Standard deviation of grey levels below which one of these frames shows nothing.

    A small person in front of a plain wall gives little contrast as well, but in every frame.
    """
    return min(BLANK_STD, float(np.median(stds)) / 2)


def mask_of(ranges: Sequence[Unusable], n_frames: int) -> Bool[np.ndarray, "T"]:
    """(T,) bool: the frames that are in one of the ranges."""
    mask = np.zeros(n_frames, bool)
    for part in ranges:
        mask[part.first : part.stop] = True
    return mask


def log_gain(looks: FrameLooks) -> Float[np.ndarray, "T"]:
    """Logarithm of the exposure relative to the clip's usual one: what face and frame share."""
    frame = _relative(looks.frame[:, 0])
    face = _relative(looks.face[:, 0])
    shared = np.where(frame * face > 0, np.sign(frame) * np.minimum(abs(frame), abs(face)), 0.0)
    return np.where(np.isfinite(face), shared, frame)


def exposure_steps(looks: FrameLooks, times: Float[np.ndarray, "T"]) -> list[int]:
    """Frames at which the exposure jumps for good: usable, but the light is not one."""
    gain = log_gain(looks)
    long = [e for e in _episodes(gain) if e[1] - e[0] > MOST_SHARE * len(times)]
    edges = [int(edge) for episode in long for edge in episode if 0 < edge < len(times)]
    return [edge for edge in edges if _jump(gain, times, edge, edge + 1) > np.log(JUMP)]


def _relative(brightness):
    """Logarithm of brightness over its median; NaN stays."""
    usual = np.nanmedian(brightness) if np.isfinite(brightness).any() else 1.0
    return np.log((brightness + 1) / (usual + 1))  # + 1: black is far, not infinitely far


def _episodes(gain):
    """(first, stop) of the runs of frames whose exposure is not the usual one."""
    return runs(np.abs(gain) > np.log(CALM))


def _jump(gain, times, first, stop):
    """Largest change of the gain within JUMP_S, in frames first .. stop - 1 and just around."""
    largest = 0.0
    for frame in range(max(0, first - 1), min(stop + 1, len(gain))):
        near = gain[frame : np.searchsorted(times, times[frame] + JUMP_S, "right")]
        largest = max(largest, float(np.ptp(near)))
    return largest


def _exposed(gain, times):
    """(T,) bool: frames of episodes that jump, or go far from the usual exposure."""
    mask = np.zeros(len(gain), bool)
    for first, stop in _episodes(gain):
        if stop - first > MOST_SHARE * len(gain):
            continue
        far = np.abs(gain[first:stop]).max() > np.log(FAR)
        if far or _jump(gain, times, first, stop) > np.log(JUMP):
            mask[first:stop] = True
    return mask


def _face_flash(looks, gain, times):
    """(T,) bool: short and sudden light on the face alone."""
    face = np.nan_to_num(_relative(looks.face[:, 0]))
    mask = np.zeros(len(gain), bool)
    for first, stop in _episodes(np.where(face > np.log(FACE_FLASH) / 2, face, 0.0)):
        if (
            times[stop - 1] - times[first] < 0.5
            and face[first:stop].max() > np.log(FACE_FLASH)
            and _jump(face, times, first, stop) > np.log(FACE_FLASH)
        ):
            mask[first:stop] = True
    return mask


def _frozen(looks, times):
    """(T,) bool: runs of FROZEN_S and more in which picture and face stand still."""
    still = np.r_[False, looks.change[1:] <= FROZEN_LEVELS]
    short, long = np.zeros(len(times), bool), np.zeros(len(times), bool)
    for first, stop in runs(still):
        length_s = times[stop - 1] - times[first - 1]
        if length_s >= FROZEN_S and not _face_moves(looks.points[first - 1 : stop]):
            (long if length_s >= LONG_S else short)[first:stop] = True
    return long | short if short.mean() <= MOST_SHARE else long


def _face_moves(points):
    """Whether a face leaves its first place, or its first expression; not if none is seen."""
    seen = points[np.isfinite(points[:, 0, 0])]
    if len(seen) < 2:
        return False
    apart = np.linalg.norm(seen - seen[0], axis=-1).mean(1)
    return bool(apart.max() > FROZEN_FACE * np.ptp(seen[0], axis=0).mean())
