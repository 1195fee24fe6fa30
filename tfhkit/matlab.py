"""MATLAB files, whose structure is checked before SciPy reads them.

SciPy's reader trusts the sizes and types that a file names, and a broken file of version 5 can end
the process. So its elements are walked through first ("MAT-File Format", MathWorks, chapter 1).
"""

import struct
import zlib
from math import prod
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError

HDF5 = b"\x89HDF"
HEADER = 128  # bytes of text, version and byte order before the first element
INT8, INT32, UINT32, MATRIX, COMPRESSED = 1, 5, 6, 14, 15  # types of elements
BYTES = {1: 1, 2: 1, 3: 2, 4: 2, 5: 4, 6: 4, 7: 4, 9: 8, 12: 8, 13: 8}  # of numbers, by type
UNICODE = (16, 17, 18)  # types of text, whose letters have several sizes
CHAR, NUMBERS, OPAQUE = 4, range(6, 16), 17  # classes of arrays
COMPLEX = 0x800  # flag of an array
MOST_SIDES = 32


def mat_content(path: str | Path, remedy: str) -> dict[str, Any]:
    """What a MATLAB file holds, a dict of arrays; a text in place of cells and structures.

    Args:
        path: the file. remedy: what to do where it cannot be read.
    Raises:
        InputError: no such file, or none that SciPy can read (also those of version 7.3).
    """
    from scipy.io import loadmat

    if not Path(path).is_file():
        raise InputError(path, "no such file", remedy)
    try:
        with open(path, "rb") as file:
            plain = _checked_names(file.read())
            file.seek(0)
            if plain is None:
                return loadmat(file)
            found = loadmat(file, variable_names=[name for name in plain if plain[name]])
            return {name: found.get(name, "no array of numbers") for name in plain}
    except NotImplementedError as fault:
        words = "is a .mat file of version 7.3 (HDF5), which SciPy does not read"
        raise InputError(path, words, "save it in MATLAB with the option '-v7'") from fault
    except Exception as fault:  # damage can make any part of the reader fail, in its own way
        said = str(fault) or type(fault).__name__
        raise InputError(path, f"cannot be read as a .mat file ({said})", remedy) from fault


def _checked_names(data):
    """Names in a file of version 5, and whether each is an array of numbers or a text.

    None for other files, which are left to SciPy.

    Raises:
        ValueError: it is cut or broken.
    """
    if data.startswith(HDF5):
        raise NotImplementedError
    if len(data) < HEADER or 0 in data[:4] or 1 not in data[124:126]:
        return None
    order, at, names = "<" if data[126:128] == b"IM" else ">", HEADER, {}
    while at < len(data):
        kind, content, at = _element(data, at, order)
        if kind == COMPRESSED:
            kind, content, _ = _element(zlib.decompress(content), 0, order)
        if kind != MATRIX:
            raise ValueError(f"an element has the type {kind}, which is no array")
        name, plain = _checked_array(content, order)
        if name in names:
            raise ValueError("two arrays have one name")
        names[name] = plain
    return names


def _element(data, at, order, *kinds):
    """Type, bytes and end of the element at a place, which has to be one of these types."""
    if at + 8 > len(data):
        raise ValueError("it ends too early")
    kind, size = struct.unpack_from(f"{order}II", data, at)
    begin, room = at + 8, len(data) - at - 8
    if kind >> 16:  # a small one: its bytes are in its head
        kind, size, begin, room = kind & 0xFFFF, kind >> 16, at + 4, 4
    if size > room:
        raise ValueError("it ends too early")
    if kinds and kind not in kinds:
        raise ValueError(f"an element of an array has the type {kind}")
    padded = size if kind == COMPRESSED else size + -size % 8
    return kind, data[begin : begin + size], at + 8 if room == 4 else begin + padded


def _checked_array(content, order):
    """The name of an array, and whether it holds numbers or is a text."""
    _, flags, at = _element(content, 0, order, UINT32)
    flags = struct.unpack_from(f"{order}I", flags)[0]
    kind = flags & 0xFF
    if kind == OPAQUE:
        return "", False
    _, sides, at = _element(content, at, order, INT32)
    sides = struct.unpack(f"{order}{len(sides) // 4}i", sides)
    if not 2 <= len(sides) <= MOST_SIDES or min(sides) < 0:
        raise ValueError(f"an array has the shape {sides}")
    _, name, at = _element(content, at, order, INT8)
    if kind != CHAR and kind not in NUMBERS:
        return name.decode("latin1"), False
    for _ in range(2 if flags & COMPLEX else 1):
        types = (*BYTES, *UNICODE) if kind == CHAR else BYTES
        stored, numbers, at = _element(content, at, order, *types)
        if stored in BYTES and len(numbers) != prod(sides) * BYTES[stored]:
            raise ValueError(f"an array of shape {sides} has {len(numbers)} bytes")
    return name.decode("latin1"), bool(name)
