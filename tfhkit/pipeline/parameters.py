"""The annotated parameters cell of a notebook: read it, and check values against its types."""

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tfhkit.errors import ParameterError
from tfhkit.pipeline.places import COMMON
from tfhkit.pipeline.sources import Notebook, code_cells

Value = bool | int | float | str

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Parameter:
    """One line `name: type = default  # comment` of a parameters cell."""

    name: str
    type: str
    default: Value
    comment: str


def parameters_of(notebook: Notebook, name: str) -> dict[str, Parameter]:
    """The parameters of a notebook by their names, in their order.

    Raises:
        ParameterError: there is no parameters cell, or one of its lines is not of the form that
            `Parameter` describes.
    """
    cells = [text for tags, text in code_cells(notebook) if "parameters" in tags]
    if len(cells) != 1:
        fault = f"has {len(cells)} cells tagged 'parameters'"
        raise ParameterError(name, fault, "tag exactly one")
    found: dict[str, Parameter] = {}
    lines = cells[0].splitlines()
    for node in ast.parse(cells[0]).body:
        line = lines[node.lineno - 1]
        match node:
            case ast.AnnAssign(
                target=ast.Name(id=key), annotation=ast.Name(id=kind), value=ast.expr() as value
            ) if _fits(default := _literal(value), kind):
                comment = line.partition("#")[2].strip()
                found[key] = Parameter(key, kind, default, comment)
            case _:
                remedy = "write it as 'name: int|float|str|bool = literal  # comment'"
                raise ParameterError(f"{name}, parameters cell", f"line {line!r}", remedy)
    return found


def _literal(value: ast.expr) -> Any:
    """A literal's value; None, which no parameter may be, for other code."""
    try:
        return ast.literal_eval(value)
    except (ValueError, TypeError):
        return None


def own_parameters(notebook: Notebook, name: str) -> dict[str, Parameter]:
    """The parameters without those that every notebook has."""
    known = parameters_of(notebook, name)
    return {key: parameter for key, parameter in known.items() if key not in COMMON}


def _fits(value: Any, kind: str) -> bool:
    """Whether a value is of the type that an annotation names; a bool is not a number."""
    types = {"int": (int,), "float": (int, float), "str": (str,), "bool": (bool,)}
    return isinstance(value, types.get(kind, ())) and (kind == "bool" or type(value) is not bool)


def convert(parameter: Parameter, value: Value, where: str) -> Value:
    """Convert a value, such as a text of the command line, to the annotated type.

    Args:
        parameter: the parameter that gets the value.
        value: text, or already a Python value.
        where: the notebook's name, for the message.
    Raises:
        ParameterError: it is not of the annotated type.
    """
    try:
        if isinstance(value, str):
            value = _from_text(value.strip(), parameter.type)
        elif parameter.type == "float":
            value = float(value)
        fits = _fits(value, parameter.type)
    except (ValueError, KeyError):
        fits = False
    if not fits:
        fault = f"{value!r} is not of type {parameter.type}"
        remedy = f"give e.g. {parameter.name}={parameter.default}"
        raise ParameterError(f"{where}, parameter {parameter.name}", fault, remedy)
    return value


def _from_text(text: str, kind: str) -> Value:
    if kind == "bool":
        return _WORDS[text.lower()]
    return int(text) if kind == "int" else float(text) if kind == "float" else text


def assign(
    set_values: Iterable[str] | Mapping[str, Value], by_notebook: dict[str, dict[str, Parameter]]
) -> dict[str, dict[str, Value]]:
    """Give each NAME=VALUE to the notebooks that it addresses.

    Args:
        set_values: texts "NAME=VALUE" (for all notebooks that know NAME) or "05.NAME=VALUE" (for
            one notebook), or a dict from the same names to Python values.
        by_notebook: notebook name -> its own parameters.
    Returns:
        notebook name -> parameter name -> value.
    Raises:
        ParameterError: no notebook has the parameter, or the value is of the wrong type.
    """
    values: dict[str, dict[str, Value]] = {notebook: {} for notebook in by_notebook}
    for name, value in _pairs(set_values):
        number, dot, short = name.rpartition(".")
        asked = {n: p for n, p in by_notebook.items() if not dot or n.split("_")[0] == number}
        known = {n: p[short] for n, p in asked.items() if short in p}
        if not known and name in COMMON:
            raise ParameterError(f"--set {name}", "has an option of its own", f"use --{name}")
        if not known:
            choices = sorted(
                {f"{n.split('_')[0]}.{p}" for n in by_notebook for p in by_notebook[n]}
            )
            fault = "no notebook of this run has such a parameter"
            raise ParameterError(f"--set {name}", fault, "known are " + ", ".join(choices))
        for notebook, parameter in known.items():
            values[notebook][short] = convert(parameter, value, notebook)
    return values


def _pairs(set_values: Iterable[str] | Mapping[str, Value]) -> list[tuple[str, Value]]:
    """Names and values, as given or from the texts NAME=VALUE."""
    if isinstance(set_values, Mapping):
        return list(set_values.items())
    pairs: list[tuple[str, Value]] = []
    for text in set_values:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(f"--set {text}", "is not NAME=VALUE", "write e.g. 05.steps=100")
        pairs.append((name.strip(), value))
    return pairs
