"""Moving pictures inside a widget: a run of JPEG files that the browser decodes when they are due.

A browser shows any frame of it at once, which a compressed video does not allow, and needs no
codec. `static/film.js` plays what is packed here.
"""

from pathlib import Path

from tfhkit.media import jpeg_bytes

STATIC = Path(__file__).parent / "static"


def pack_film(frames, quality=90):
    """Frames as one piece of memory.

    Args:
        frames: iterable of (H, W, 3) uint8, all of one size.
        quality: of the JPEG files, 1 to 100.
    Returns:
        dict with "sizes" (bytes of each file), "height" and "width"; and the files, one behind
        the other, as bytes.
    """
    files, shape = [], (0, 0)
    for frame in frames:
        files.append(jpeg_bytes(frame, quality))
        shape = frame.shape
    return {"sizes": list(map(len, files)), "height": shape[0], "width": shape[1]}, b"".join(files)


def script(*names):
    """JavaScript of a widget: the static files of these names, one behind the other."""
    return "\n".join((STATIC / f"{name}.js").read_text(encoding="utf-8") for name in names)


def style(name):
    """CSS of a widget."""
    return (STATIC / f"{name}.css").read_text(encoding="utf-8")
