"""Loops that numba compiles."""

from collections.abc import Callable
from typing import Any

from numba import njit


def compiled(function: Callable) -> Callable:
    """Compile, with a cache on disk where one can be written; without the interpreter's lock.

    What is compiled is `no_type_check` as well: numba cannot compile what the tests' checker puts
    around a function.
    """
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        return njit(cache=True, **options)(function)
    except RuntimeError:  # neither the package's folder nor the user's cache is writable
        return njit(**options)(function)
