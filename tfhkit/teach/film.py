"""Films inside a widget: a sequence of JPEG files that the browser decodes one at a time.

A browser can show any frame of it at once, unlike with a compressed video, and needs no codec.
`static/film.js` plays what is packed here.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tfhkit.media import jpeg_bytes

STATIC = Path(__file__).parent / "static"


def pack_film(
    frames: Iterable[UInt8[np.ndarray, "H W 3"]], quality: int = 90
) -> tuple[dict[str, Any], bytes]:
    """Frames as JPEG files, joined.

    Args:
        frames: pictures of one size.
        quality: quality of the JPEG files, 1 to 100.
    Returns:
        dict with "sizes" (bytes of each file), "height" and "width"; and the joined files.
    """
    files: list[bytes] = []
    shape: tuple[int, ...] = (0, 0)
    for frame in frames:
        files.append(jpeg_bytes(frame, quality))
        shape = frame.shape
    return {"sizes": list(map(len, files)), "height": shape[0], "width": shape[1]}, b"".join(files)


def script(*names: str) -> str:
    """JavaScript of a widget: the static files of these names, joined."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in names)


def style(name: str) -> str:
    """CSS of a widget."""
    return (STATIC / f"{name}.css").read_text(encoding="utf-8")
