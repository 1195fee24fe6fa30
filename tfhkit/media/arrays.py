"""Dataclasses of arrays in one `.npz`: every field under its own name, whole or not at all."""

from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from tfhkit.errors import InputError
from tfhkit.media.files import atomic_path


def save_arrays(path: str | Path, content: Any) -> None:
    """Write a dataclass of arrays; fields that are None are left out.

    Args:
        path: `.npz` file. content: dataclass instance.
    Raises:
        InputError: the folder cannot be written.
    """
    arrays = {f.name: getattr(content, f.name) for f in fields(content)}
    with atomic_path(path) as temporary:
        np.savez(temporary, **{name: a for name, a in arrays.items() if a is not None})


def npz_content(path: str | Path, kind: str, remedy: str) -> dict[str, np.ndarray]:
    """What an `.npz` holds: name -> array.

    Args:
        path: `.npz` file. kind: what it should be, such as "a fit". remedy: what else to do.
    Raises:
        InputError: no such file, or it is damaged or of another format.
    """
    try:
        if Path(path).is_fifo():
            raise ValueError("it is a pipe")
        with open(path, "rb") as file:
            found = np.load(file)
            if not isinstance(found, NpzFile):
                raise ValueError("it holds one array without a name")
            return {name: found[name] for name in found.files}
    except Exception as error:  # damage can make any part of the reader fail, in its own way
        raise InputError(path, f"is not {kind} ({error})", remedy) from error


def load_arrays(path: str | Path, kind: type) -> Any:
    """Read what `save_arrays` wrote.

    Args:
        path: `.npz` file. kind: the dataclass.
    Returns:
        An instance of `kind`.
    Raises:
        InputError: no such file, or it holds something else.
    """
    needed = {f.name for f in fields(kind) if f.default is MISSING}
    known = {f.name for f in fields(kind)}
    arrays = npz_content(path, f"a file of {kind.__name__}", "make it again")
    if not needed <= set(arrays) <= known:
        fault = f"is not a file of {kind.__name__}: it holds {', '.join(sorted(arrays))}"
        raise InputError(path, fault, "make it again")
    return kind(**arrays)
