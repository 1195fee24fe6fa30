"""What is said about a wrong answer: how it differs, in which line, with which arguments."""

import ast
import inspect
import linecache
import sys
import textwrap
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np


def differ(answer: Any, expected: Any, rtol: float, atol: float) -> str | None:
    """How an answer differs from the expected one.

    Args:
        answer: what the student's function returned.
        expected: number, text, array or tensor, or a tuple, list or dict of them.
        rtol, atol: tolerances, as in `numpy.allclose`.
    Returns:
        A sentence on the first difference; None if there is none.
    """
    if isinstance(expected, dict):
        if not isinstance(answer, dict) or set(answer) != set(expected):
            return f"expected a dict with the keys {sorted(expected)}, got {_short(answer)}"
        pairs = [(f"[{key!r}]", answer[key], expected[key]) for key in expected]
    elif isinstance(expected, (tuple, list)):
        if not isinstance(answer, (tuple, list)) or len(answer) != len(expected):
            return f"expected {len(expected)} values, got {_short(answer)}"
        pairs = [(f"[{i}]", a, e) for i, (a, e) in enumerate(zip(answer, expected))]
    elif isinstance(expected, (str, bool)) or expected is None:
        return None if answer == expected else f"expected {expected!r}, got {_short(answer)}"
    else:
        return _differ_in_numbers(answer, expected, rtol, atol)
    for key, got, want in pairs:
        fault = differ(got, want, rtol, atol)
        if fault:
            return f"value {key}: {fault}"
    return None


def _differ_in_numbers(answer, expected, rtol, atol):
    want = _array(expected)
    try:
        got = _array(answer)
        got.astype(float)
    except (TypeError, ValueError):
        return f"expected numbers of shape {want.shape}, got {_short(answer)}"
    if got.shape != want.shape:
        return f"expected shape {want.shape}, got {got.shape}"
    wrong = ~np.isclose(got, want, rtol=rtol, atol=atol, equal_nan=True)
    if not wrong.any():
        return None
    where = np.unravel_index(int(np.argmax(wrong)), wrong.shape)
    place = f" at {tuple(int(i) for i in where)}" if want.ndim else ""
    share = f" ({int(wrong.sum())} of {wrong.size} values differ)" if want.ndim else ""
    return f"expected {want[where]:.6g}{place}, got {got[where]:.6g}{share}"


def _array(value):
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    return np.asarray(value)


def _short(value):
    return textwrap.shorten(f"{type(value).__name__} {value!r}", 80)


def where_raised(error: Exception, function: Callable[..., Any]) -> str:
    """An exception in one line: the line of the student's code, the kind, the message.

    Args:
        error: what `function` raised.
        function: the student's function.
    Returns:
        "line 4: x = y[3]: IndexError: ...", counted in the cell; without the line if the traceback
        has no line of the student's own code.
    """
    text = textwrap.shorten(f"{type(error).__name__}: {error}", 160).rstrip(": ")
    code = getattr(inspect.unwrap(function), "__code__", None)
    own = {code.co_filename} if code else set()
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        in_a_cell = frame.filename in own or "ipykernel_" in frame.filename  # of any cell
        if frame.lineno and in_a_cell:
            line = linecache.getline(frame.filename, frame.lineno).strip()
            return f"line {frame.lineno}: " + f"{line}: " * bool(line) + text
    return text


def refused_definition(name: str) -> str | None:
    """Why Python refused the newest cell that defines `name`, or None where it took it.

    After a syntax error the notebook still holds the function of an earlier run.
    """
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    sources = shell.user_ns.get("In", []) if shell else []
    newest = next((text for text in reversed(sources) if f"def {name}(" in text), "")
    try:
        ast.parse(newest)
    except SyntaxError as error:
        return f"line {error.lineno}: {type(error).__name__}: {error.msg}"
    return None


def arguments_in_words(function: Callable[..., Any], args: tuple[Any, ...]) -> str:
    """What a function was called with, short: "x = 3, keys = array of shape (6, 4)"."""
    try:
        names = list(inspect.signature(function).bind(*args).arguments)
    except (TypeError, ValueError):  # it does not take that many, or it has no signature
        names = []
    if len(names) == len(args):
        return ", ".join(f"{name} = {_in_words(value)}" for name, value in zip(names, args))
    return ", ".join(map(_in_words, args))


def _in_words(value):
    if not hasattr(value, "shape") or not hasattr(value, "dtype"):
        text = " ".join(repr(value).split())
        return text if len(text) <= 60 else f"{text[:56]} ..."
    values = _array(value)
    if values.size <= 6:
        return np.array2string(values, precision=4, separator=", ").replace("\n", "")
    kind = "tensor" if hasattr(value, "detach") else "array"
    if values.dtype != object and (values == values.flat[0]).all():
        return f"{kind} of shape {values.shape}, all {values.flat[0]:.4g}"
    return f"{kind} of shape {values.shape}"
