"""Colours as an SDR display shows them: wide gamuts narrowed, HDR tone-mapped.

SDR with BT.709 or BT.601 colours goes through swscale alone. BT.2020 and Display P3 primaries are
converted in linear light. HLG and PQ become light in cd/m2 first (BT.2100), and the highlights
are rolled off after that; below them the picture is that of a display at its reference white.
"""

import threading
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from av import VideoFrame
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from jaxtyping import Float, UInt8

from tfhkit.errors import InputError

# swscale's quick path to RGB cuts where it should round, and darkens by half a grey level
ROUNDED = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
PQ, HLG = 16, 18  # transfer characteristics, numbered as in ITU-T H.273
ODD_TRANSFERS = {8: "linear light", 9: "logarithmic", 10: "logarithmic", 17: "SMPTE 428"}
ODD_MATRICES = {
    8: "YCgCo", 10: "BT.2020 constant luminance", 11: "YDzDx", 12: "chromaticity-derived",
    13: "chromaticity-derived", 14: "ICtCp", 15: "IPT-C2",
}  # fmt: skip
TO_709 = {  # linear light of these primaries to that of BT.709
    9: ((1.660491, -0.587641, -0.072850), (-0.124550, 1.132900, -0.008349),
        (-0.018151, -0.100579, 1.118730)),  # BT.2020
    12: ((1.224940, -0.224940, 0.0), (-0.042057, 1.042057, 0.0),
         (-0.019638, -0.078636, 1.098274)),  # Display P3
}  # fmt: skip
WIDE = {9: "BT.2020", 12: "Display P3"}
HLG_PEAK = 1000.0  # cd/m2 of BT.2100's reference display
# Its system gamma. BT.2100 applies it to the luminance; applied to each channel, as by FFmpeg's
# zscale, colours are as saturated as SDR cameras show them.
HLG_GAMMA = 1.2
GAMMA = 2.4  # BT.1886
# Reference white in cd/m2. Cameras follow BT.2408 (203); what was converted from SDR by FFmpeg's
# zscale has its white at 100 and holds nothing brighter.
WHITE_CAMERA, WHITE_CONVERTED = 203.0, 100.0
CONVERTED_UP_TO = 1.15 * WHITE_CONVERTED  # coding rings a little above the white
KNEE = 0.8  # part of the reference white above which highlights are compressed; skin lies below
BRIGHT_PERCENT = 99.9


@dataclass(frozen=True)
class Colours:
    """How the colours of a picture track are coded.

    Args:
        transfer, primaries: numbers of ITU-T H.273.
        bright: cd/m2 of its brightest parts (HDR); None where they were not measured.
    """

    transfer: int = 2
    primaries: int = 2
    bright: float | None = None

    @property
    def hdr(self) -> bool:
        """Whether it has to be tone-mapped."""
        return self.transfer in (PQ, HLG)

    @property
    def white(self) -> float:
        """The light in cd/m2 that becomes SDR's white (HDR)."""
        bright = self.bright or WHITE_CAMERA
        return WHITE_CONVERTED if bright <= CONVERTED_UP_TO else WHITE_CAMERA

    @property
    def name(self) -> str:
        """The coding in words."""
        if self.hdr:
            return f"HDR ({'PQ' if self.transfer == PQ else 'HLG'}), white at {self.white:g} cd/m2"
        return "SDR" if self.plain else f"SDR, {WIDE[self.primaries]} primaries"

    @property
    def plain(self) -> bool:
        """Whether swscale's own conversion gives the right colours."""
        return not self.hdr and self.primaries not in TO_709


SDR = Colours()
_OF_THREAD = threading.local()


def colours_of(path: str | Path, context: VideoCodecContext) -> Colours:
    """The coding of a track of which a frame was decoded.

    Raises:
        InputError: a coding that would come out wrong.
    """
    coding = ODD_TRANSFERS.get(context.color_trc) or ODD_MATRICES.get(context.colorspace)
    if coding:
        remedy = "convert it, e.g. ffmpeg -i in -vf zscale=m=bt709:t=bt709:p=bt709 out.mp4"
        raise InputError(path, f"its colours are coded in an unusual way ({coding})", remedy)
    return Colours(int(context.color_trc), int(context.color_primaries))


def reformat(frame: VideoFrame, **how: Any) -> VideoFrame:
    """`frame.reformat(**how)`; swscale is prepared once for a thread's frames, not for each."""
    if not hasattr(_OF_THREAD, "reformatter"):
        _OF_THREAD.reformatter = VideoReformatter()
    return _OF_THREAD.reformatter.reformat(frame, **how)


def rgb(
    frame: VideoFrame, height: int, width: int, colours: Colours = SDR
) -> UInt8[np.ndarray, "H W 3"]:
    """A decoded frame, not turned, scaled to a size, in SDR with BT.709 colours."""
    size = {"width": width, "height": height, "interpolation": ROUNDED}
    if colours.plain:
        return reformat(frame, format="rgb24", **size).to_ndarray()
    if not colours.hdr:
        signal = _signal(frame, size)
        return _encoded(_narrowed(np.take(_table("sdr"), signal, mode="clip"), colours))
    light = _light(frame, size, colours)
    linear = _narrowed(light / np.float32(colours.white), colours)
    if colours.white == WHITE_CONVERTED:
        return _encoded(linear)
    return _encoded(_rolled_off(linear, max(1.0, (colours.bright or HLG_PEAK) / colours.white)))


class BrightMeter:
    """Finds how bright an HDR track is from some of its frames."""

    def __init__(self, colours: Colours) -> None:
        self._colours = colours
        self._counts = np.zeros(2001, np.int64)  # steps of 0.2 % of 10000 cd/m2's fourth root

    def add(self, frame: VideoFrame) -> None:
        """Measure a frame, made small: what covers less than a few pixels is no highlight."""
        scale = max(1, frame.height // 180)
        size = {"width": frame.width // scale, "height": frame.height // scale}
        light = _light(frame, {**size, "interpolation": Interpolation.AREA}, self._colours)
        steps = (light.max(axis=2) / 1e4).clip(0, 1) ** 0.25 * 2000
        self._counts += np.bincount(steps.astype(int).ravel(), minlength=2001)

    def measured(self) -> Colours:
        """The colours with their brightness."""
        share = np.cumsum(self._counts) / self._counts.sum()
        step = int(np.searchsorted(share, BRIGHT_PERCENT / 100))
        return replace(self._colours, bright=float(1e4 * ((step + 1) / 2000) ** 4))


def _signal(frame, size):
    """(H, W, 3) uint16 R'G'B' in the frame's own coding."""
    matrix = Colorspace.BT2020 if frame.colorspace == 2 else None  # 2: not said
    # swscale's rgb48 comes out wrong with full chroma interpolation, its planar kind does not
    return reformat(frame, format="gbrp16le", src_colorspace=matrix, **size).to_ndarray()


def _light(frame, size, colours):
    """(H, W, 3) float32 cd/m2 on the reference display (BT.2100)."""
    name = "pq" if colours.transfer == PQ else "hlg"
    return np.take(_table(name), _signal(frame, size), mode="clip")


@lru_cache(maxsize=3)
def _table(name):
    """(65536,) float32: a 16-bit signal as light."""
    x = np.linspace(0, 1, 65536)
    if name == "sdr":
        light = x**GAMMA
    elif name == "pq":
        power = x ** (1 / 78.84375)
        light = (power - 0.8359375).clip(0) / (18.8515625 - 18.6875 * power)
        light = 1e4 * light ** (1 / 0.1593017578125)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        scene = np.where(x <= 0.5, x**2 / 3, (np.exp((x - c) / a) + b) / 12)
        light = HLG_PEAK * scene**HLG_GAMMA
    return light.astype(np.float32)


def _narrowed(linear, colours):
    """Linear light in BT.709's primaries; colours outside of them are clipped later."""
    primaries = 9 if colours.hdr and colours.primaries == 2 else colours.primaries
    if primaries not in TO_709:
        return linear
    return cv2.transform(linear, np.array(TO_709[primaries], np.float32))


def _rolled_off(linear: Float[np.ndarray, "H W 3"], peak: float) -> Float[np.ndarray, "H W 3"]:
    """Compress [KNEE, peak] into [KNEE, 1], the same for the three channels, so hues stay."""
    if peak <= 1:
        return linear
    most = np.maximum(np.maximum(linear[..., 0], linear[..., 1]), linear[..., 2])
    most = np.clip(most, KNEE, None)
    above = np.minimum(most, peak) - KNEE
    # x / (1 + x bend) has slope 1 at the knee and ends at 1 at the peak
    bend = 1 / (1 - KNEE) - 1 / (peak - KNEE)
    return linear * ((KNEE + above / (1 + above * bend)) / most)[..., None]


def _encoded(linear):
    """(H, W, 3) uint8: BT.1886's signal of linear light, 1 the white."""
    signal = cv2.pow(np.maximum(linear, 0), 1 / GAMMA)
    return cv2.convertScaleAbs(signal.reshape(len(signal), -1), alpha=255).reshape(signal.shape)
