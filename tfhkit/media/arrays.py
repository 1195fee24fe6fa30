"""Dataclasses of arrays in one `.npz`: every field under its own name, whole or not at all."""

from dataclasses import MISSING, fields
from zipfile import BadZipFile

import numpy as np

from tfhkit.errors import InputError
from tfhkit.media.files import atomic_path


def save_arrays(path, content):
    """Write a dataclass of arrays; fields that are None are left out.

    Args:
        path: `.npz` file. content: dataclass instance.
    Raises:
        InputError: the folder cannot be written.
    """
    arrays = {f.name: getattr(content, f.name) for f in fields(content)}
    with atomic_path(path) as temporary:
        np.savez(temporary, **{name: a for name, a in arrays.items() if a is not None})


def load_arrays(path, kind):
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
    try:
        with open(path, "rb") as file, np.load(file) as found:
            arrays = {name: found[name] for name in found.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        fault = f"is not a file of {kind.__name__} ({error})"
        raise InputError(path, fault, "make it again") from error
    if not needed <= set(arrays) <= known:
        fault = f"is not a file of {kind.__name__}: it holds {', '.join(sorted(arrays))}"
        raise InputError(path, fault, "make it again")
    return kind(**arrays)
