"""The code that a step's result depends on: its notebook's and that of the kit's modules."""

import ast
import hashlib
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from tfhkit.assets import assets_dir
from tfhkit.errors import InputError

Notebook = dict[str, Any]  # the content of an .ipynb file

EXERCISE_TAGS = ("exercise-setup", "exercise", "check")
_PACKAGE = Path(__file__).resolve().parents[1]
# code in these folders changes no result; files that it hands to a step are hashed by content
CHANGE_NO_RESULT = ("pipeline", "teach", "cli", "bench")


def read_notebook(path: Path | str) -> Notebook:
    """Read a notebook file.

    Raises:
        InputError: it is missing or is not a notebook.
    """
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
        notebook["cells"]
    except FileNotFoundError:
        raise InputError(path, "no such notebook", "'make notebooks' builds the series") from None
    except (ValueError, KeyError):
        raise InputError(path, "is not a notebook", "'make notebooks' rebuilds it") from None
    return notebook


def code_cells(notebook: Notebook) -> Iterator[tuple[set[str], str]]:
    """(tags, source) of every code cell."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = cell["source"]
            text = source if isinstance(source, str) else "".join(source)
            yield set(cell.get("metadata", {}).get("tags", ())), text


def source_hash(notebook: Notebook) -> str:
    """SHA-256 of the code that makes a step's artefacts, of the kit's modules that it imports,
    and of the shipped files that these modules name.

    The parameters are left out, as they are recorded by value, and so are the exercises, as
    solving one is no reason to train again.
    """
    skip = {"parameters", "injected-parameters", *EXERCISE_TAGS}
    cells = [text.strip() for tags, text in code_cells(notebook) if not tags & skip]
    digest = hashlib.sha256("\n\n".join(cells).encode())
    for module in sorted(modules_behind("\n\n".join(cells))):
        digest.update(_module(module)[0])
    return digest.hexdigest()


def modules_behind(code: str) -> set[str]:
    """Names of the kit's modules that a piece of code reaches through imports."""
    lines = (line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))
    try:
        open_names = _imports(ast.parse("\n".join(lines)), "")
    except SyntaxError:
        return set()  # the cell itself will say so when it is run
    seen: set[str] = set()
    while open_names:
        name = open_names.pop()
        if name not in seen and not changes_no_result(name) and module_file(name):
            seen.add(name)
            open_names |= _module(name)[1]
    return seen


def changes_no_result(name: str) -> bool:
    """Whether a module is in one of the folders that change no result."""
    return name.partition(".")[2].partition(".")[0] in CHANGE_NO_RESULT


def _module(name: str) -> tuple[bytes, frozenset[str]]:
    """Digest of a module and of the shipped files that it names, and what it imports."""
    path = module_file(name)
    assert path is not None, f"{name} is not a module of the kit"
    notes = tuple(sorted(assets_dir().glob("*.json")))
    return _parsed(name, path, notes, tuple(p.stat().st_mtime_ns for p in (path, *notes)))


@cache
def _parsed(
    name: str, path: Path, notes: tuple[Path, ...], _times: tuple[int, ...]
) -> tuple[bytes, frozenset[str]]:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imports = frozenset(_imports(tree, package))
    shipped = [json.loads(n.read_text()).get("sha256") for n in notes if n.stem in text]
    return hashlib.sha256(f"{_without_words(tree)} {shipped}".encode()).digest(), imports


def _without_words(tree: ast.AST) -> str:
    """A syntax tree as text, without docstrings: they change no result.

    It is the same in Python 3.11 and 3.12 (format specifications that are f-strings left aside),
    so that a run can go on under the other one.
    """
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                node.body = node.body[1:]
    return ast.dump(tree).replace(", type_params=[]", "")  # since 3.12


def _imports(tree: ast.AST, package: str) -> set[str]:
    """Candidates for module names: `from a import b` may mean the module a.b."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            parts = parts if node.level else []
            base = ".".join([*parts, node.module or ""]).strip(".")
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == "tfhkit"}


def module_file(name: str) -> Path | None:
    """Path of a module of the kit by its name, or None if there is no such module."""
    path = _PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file() and name != "tfhkit":
            return candidate
    return None
