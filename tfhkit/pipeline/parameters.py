"""The annotated parameters cell of a notebook: read it, convert values by it, refuse the rest."""

import ast
from dataclasses import dataclass

from tfhkit.errors import ParameterError
from tfhkit.pipeline.places import COMMON
from tfhkit.pipeline.sources import code_cells

_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


@dataclass(frozen=True)
class Parameter:
    """One line `name: type = default  # comment` of a parameters cell."""

    name: str
    type: str
    default: object
    comment: str


def parameters_of(notebook, name):
    """The parameters of a notebook (dict of name -> Parameter), in their order.

    Raises:
        ParameterError: there is no parameters cell, or a line of it is not as above.
    """
    cells = [text for tags, text in code_cells(notebook) if "parameters" in tags]
    if len(cells) != 1:
        fault = f"has {len(cells)} cells tagged 'parameters'"
        raise ParameterError(name, fault, "tag exactly one")
    found, lines = {}, cells[0].splitlines()
    for node in ast.parse(cells[0]).body:
        line = lines[node.lineno - 1]
        try:
            default = ast.literal_eval(node.value)
            kind = node.annotation.id
            _check_type(default, kind)
        except (AttributeError, ValueError, TypeError):
            remedy = "write it as 'name: int|float|str|bool = literal  # comment'"
            raise ParameterError(f"{name}, parameters cell", f"line {line!r}", remedy) from None
        comment = line.partition("#")[2].strip()
        found[node.target.id] = Parameter(node.target.id, kind, default, comment)
    return found


def own_parameters(notebook, name):
    """The parameters without those that every notebook has: dict of name -> Parameter."""
    known = parameters_of(notebook, name)
    return {key: parameter for key, parameter in known.items() if key not in COMMON}


def _check_type(value, kind):
    types = {"int": int, "float": (int, float), "str": str, "bool": bool}
    if not isinstance(value, types.get(kind, ())):
        raise TypeError
    if isinstance(value, bool) and kind != "bool":
        raise TypeError


def convert(parameter, value, where):
    """A value, mostly text of a command line, as the annotation says.

    Args:
        parameter: Parameter.
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
        _check_type(value, parameter.type)
        return value
    except (ValueError, TypeError, KeyError):
        fault = f"{value!r} is not of type {parameter.type}"
        remedy = f"give e.g. {parameter.name}={parameter.default}"
        raise ParameterError(f"{where}, parameter {parameter.name}", fault, remedy) from None


def _from_text(text, kind):
    if kind == "bool":
        return _WORDS[text.lower()]
    return {"int": int, "float": float, "str": str}[kind](text)


def assign(set_values, by_notebook):
    """Give each NAME=VALUE to the notebooks that it addresses.

    Args:
        set_values: list of texts "NAME=VALUE" (for all notebooks that know NAME) or
            "05.NAME=VALUE" (for one), or a dict of the same names to Python values.
        by_notebook: dict of notebook name -> its own parameters.
    Returns:
        dict of notebook name -> {parameter name: value}.
    Raises:
        ParameterError: nobody knows the name, or the value is of the wrong type.
    """
    given = set_values or ()
    pairs = list(given.items()) if isinstance(given, dict) else []
    for text in () if isinstance(given, dict) else given:
        name, equals, value = text.partition("=")
        if not equals:
            raise ParameterError(
                f"--set {text}", "is not NAME=VALUE", "write e.g. refine_steps=100"
            )
        pairs.append((name.strip(), value))
    values = {notebook: {} for notebook in by_notebook}
    for name, value in pairs:
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
