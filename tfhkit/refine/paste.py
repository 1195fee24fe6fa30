"""Refined crops back into the clip's full frame, and videos side by side (Sec. 3.4)."""

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from jaxtyping import Float, Num, UInt8

from tfhkit.errors import check_shape
from tfhkit.fit import Crop
from tfhkit.maths import smooth
from tfhkit.media import SR_HZ, Clip, write_video
from tfhkit.progress import Progress
from tfhkit.refine.refined import Refined

BORDER_SHARE = 0.04  # of the crop's side: where the paste fades out whatever the masks say
RING_SHARE = 0.04  # of the crop's side: how far the compositing's holes reach beyond a face


def paste_alpha(
    region: UInt8[np.ndarray, "S S"],
    attention: Num[np.ndarray, "_ _"] | None = None,
    feather_px: float | None = None,
    mask: Num[np.ndarray, "_ _"] | None = None,
) -> Float[np.ndarray, "S S"]:
    """Weight of a refined crop in the full frame: 1 on the face, no step anywhere.

    Where the generator copies its input (A near 1) and the compositing changed nothing, the
    frame already shows the right picture, in its own resolution. The same holds for the ring of
    filled pixels around a face that the rendering covers: with `mask`, that ring keeps the
    frame's hair and ears, and it is pasted only where the source's own face would show (a chin
    that was lower).

    Args:
        region: above 0 where the compositing changed the frame.
        attention: (S, S) in [0, 1]; the refined crop is also pasted where this is low.
        feather_px: width of the soft edge in pixels of the crop; None is 1/32 of its side.
        mask: (S, S) uint8, alpha of the rendering.
    Returns:
        weight in [0, 1], 0 along the border.
    """
    check_shape("region", region, ("S", "S"))
    size = region.shape[0]
    feather = max(1.0, size / 32) if feather_px is None else float(feather_px)
    inside = (np.asarray(region) > 0).astype(np.float32)
    if mask is not None:
        check_shape("mask", mask, region.shape)
        face = (np.asarray(mask) > 127).astype(np.float32)
        inside = _looks_out(inside, face)
    if attention is not None:
        check_shape("attention", attention, region.shape)
        painted = cv2.GaussianBlur(1 - attention.astype(np.float32), (0, 0), 1.0) > 0.3
        near = cv2.dilate(inside, _disc(2 * feather))  # specks far from the face stay out
        inside = np.maximum(inside, painted * near)
    # grow first and blur then: the region itself keeps its full weight
    alpha = cv2.GaussianBlur(cv2.dilate(inside, _disc(feather)), (0, 0), feather / 2)
    if mask is not None:
        thin = feather / 4
        edge = cv2.GaussianBlur(cv2.dilate(face, _disc(thin)), (0, 0), thin)
        alpha = np.maximum(alpha, edge)
    return np.minimum(alpha, _border_fade(size))


def _looks_out(
    region: Float[np.ndarray, "S S"], face: Float[np.ndarray, "S S"]
) -> Float[np.ndarray, "S S"]:
    """The part of the region where a face shows outside the rendered one, with its ring."""
    size = region.shape[0]
    own = cv2.erode(region, _disc(RING_SHARE * size))
    beyond = cv2.morphologyEx(own * (1 - face), cv2.MORPH_OPEN, _disc(size / 128))
    return cv2.dilate(beyond, _disc(RING_SHARE * size)) * region


def _disc(radius: float) -> UInt8[np.ndarray, "D D"]:
    side = 2 * round(radius) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


def _border_fade(size: int) -> Float[np.ndarray, "S S"]:
    """Ramp from 0 at the crop's border to 1."""
    distance = np.minimum(np.arange(size), np.arange(size)[::-1]) / max(BORDER_SHARE * size, 1)
    ramp = smooth(np.clip(distance, 0, 1))
    return np.minimum.outer(ramp, ramp).astype(np.float32)


def full_frames(
    clip: Clip, crop: Crop, parts: Iterable[Refined]
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Yield full frames with the refined crops pasted in; one frame in memory at a time.

    Args:
        clip: its frames lie behind.
        crop: crop of the clip.
        parts: refined frames; one after the other they are the video.
    """
    with clip.reader() as reader:
        for part in parts:
            for i, source in enumerate(part.frames):
                kept = part.attention[i] / 255
                alpha = paste_alpha(part.changed[i], kept, mask=part.mask[i])
                yield crop.paste(reader[int(source)], part.pictures[i], alpha)


def write_talking_head(
    path: str | Path,
    frames: Iterable[UInt8[np.ndarray, "H W 3"]],
    times: Float[np.ndarray, "T"],
    audio: Float[np.ndarray, "N"] | None = None,
    visible_mark: bool = True,
    quality: int = 18,
    progress: Progress | None = None,
) -> Path:
    """Write the talking head in the clip's full frame, with sound, marked as synthetic.

    Args:
        path: `.mp4` to write, whole or not at all.
        frames: from `full_frames`.
        times: seconds of all frames.
        audio: 16 kHz, sample 0 at the first frame; None is no sound.
        visible_mark: draw the mark; the metadata says "synthetic" in any case.
        quality: x264's CRF, lower is better.
        progress: called as progress(done, total, text).
    """
    counted = _counted(frames, len(times), progress, "filming")
    return write_video(
        path, counted, times, audio, SR_HZ, visible_mark=visible_mark, quality=quality
    )


def write_side_by_side(
    path: str | Path,
    columns: dict[str, UInt8[np.ndarray, "_ S S 3"]],
    times_or_fps: float | Fraction | Sequence[float] | Float[np.ndarray, "T"],
    audio: Float[np.ndarray, "N"] | None = None,
    panel_px: int = 256,
    visible_mark: bool = True,
    quality: int = 18,
    progress: Progress | None = None,
) -> Path:
    """Write videos of crops next to each other, each under its name.

    Args:
        path: `.mp4` to write.
        columns: frames of each video by its name.
        times_or_fps: seconds of the frames, or frames per second.
        audio: 16 kHz, sample 0 at the first frame; None is no sound.
        panel_px: least side of a panel; smaller crops are enlarged by a whole factor.
        visible_mark, quality, progress: see `write_talking_head`.
    """
    first = next(iter(columns.values()))
    for name, frames in columns.items():
        check_shape(name, frames, first.shape)
    size = first.shape[1] * max(1, -(-panel_px // first.shape[1]))
    head = np.hstack([label_band(name, size) for name in columns])

    def rows() -> Iterator[np.ndarray]:
        for pictures in zip(*columns.values()):
            panels = [
                p
                if p.shape[0] == size
                else cv2.resize(p, (size, size), interpolation=cv2.INTER_CUBIC)
                for p in pictures
            ]
            yield np.vstack([head, np.hstack(panels)])

    return write_video(
        path,
        _counted(rows(), len(first), progress, "side by side"),
        times_or_fps,
        audio=audio,
        sr_hz=SR_HZ,
        visible_mark=visible_mark,
        quality=quality,
    )


def label_band(text: str, width_px: int, height_px: int = 24) -> UInt8[np.ndarray, "H W 3"]:
    """Small light text on dark grey."""
    band = np.full((height_px, width_px, 3), 32, np.uint8)
    cv2.putText(
        band, text, (6, height_px - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (235,) * 3, 1, cv2.LINE_AA
    )
    return band


def _counted(
    frames: Iterable[np.ndarray], n: int, progress: Progress | None, text: str
) -> Iterator[np.ndarray]:
    """Yield the frames and report how many were taken."""
    for done, frame in enumerate(frames, 1):
        yield frame
        if progress:
            progress(done, n, text)
