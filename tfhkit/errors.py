"""What the kit raises: one line that says what was wrong, where, and what to do."""

from pathlib import Path
from typing import Any


class TfhkitError(Exception):
    """Base of all errors of the kit; the command line prints its text and exits with 2."""


class InputError(TfhkitError):
    """A file or value that the user gave cannot be used.

    Args:
        where: the file, frame range or parameter that is at fault.
        fault: what is wrong with it, with what was expected and what came.
        remedy: what to do about it.
    """

    def __init__(self, where: str | Path, fault: str, remedy: str | None) -> None:
        self.where, self.fault, self.remedy = str(where), fault, remedy
        super().__init__(f"{where}: {fault}; {remedy}")

    def __reduce__(self) -> tuple:
        return type(self), (self.where, self.fault, self.remedy)


class ParameterError(InputError):
    """An unknown parameter, or a value of the wrong type or range."""


class AssetError(InputError):
    """A named asset is absent, or its SHA-256 is not the expected one."""


class MissingBackend(TfhkitError):
    """A backend that was asked for by name is not installed or lacks its weights."""

    def __init__(self, seam: str, name: str, remedy: str | None) -> None:
        self.seam, self.name, self.remedy = seam, name, remedy
        super().__init__(f"{seam} backend {name!r} is not available; {remedy}")

    def __reduce__(self) -> tuple:
        return type(self), (self.seam, self.name, self.remedy)


class KitWarning(UserWarning):
    """What somebody should know of a result that they get all the same; one line, as an error's."""


class ShapeError(TfhkitError, ValueError):
    """An array does not have the shape that the function documents."""


def check_shape(name: str, array: Any, shape: tuple) -> Any:
    """Raise ShapeError unless `array` has `shape`.

    Args:
        name: the argument's name, for the message.
        array: anything with a `.shape`.
        shape: expected axes; an int must match, None or a letter stands for any
            size, and the same letter twice means the same size; a leading `...`
            stands for any number of axes.
    Returns:
        The array, unchanged.
    Raises:
        ShapeError: with the expected and the actual shape.
    """
    actual = tuple(array.shape)
    expected = tuple(shape)
    tail = expected[1:] if expected[:1] == (...,) else expected
    axes = actual[len(actual) - len(tail) :] if expected[:1] == (...,) else actual
    sizes: dict[str, int] = {}
    fits = len(axes) == len(tail)
    for want, got in zip(tail, axes):
        if isinstance(want, str):
            fits &= sizes.setdefault(want, got) == got
        elif want is not None:
            fits &= want == got
    if not fits:
        text = ", ".join("..." if axis is ... else str(axis) for axis in expected)
        raise ShapeError(f"{name}: expected shape ({text}), got {actual}")
    return array
