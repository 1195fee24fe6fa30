"""What a step's result depends on besides its inputs: its notebook's code and the kit's code."""

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from tfhkit.errors import InputError

EXERCISE_TAGS = ("exercise-setup", "exercise", "check")
_PACKAGE = Path(__file__).resolve().parents[1]
# the machinery around the steps changes no result; what it hands to them is hashed by content
_MACHINERY = (
    "context course doctor execution footage front_end jobs manifest measure parameters places "
    "progress report runner settings sources tables trust watch"
)
_LEFT_OUT = {f"tfhkit.series.{name}" for name in _MACHINERY.split()}
_LEFT_OUT |= {"tfhkit.series", "tfhkit.cli", "tfhkit.errors"}


def read_notebook(path):
    """A notebook file as a dict.

    Raises:
        InputError: it is missing or is no notebook.
    """
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
        notebook["cells"]
    except FileNotFoundError:
        raise InputError(path, "no such notebook", "'make notebooks' builds the series") from None
    except (ValueError, KeyError):
        raise InputError(path, "is not a notebook", "'make notebooks' rebuilds it") from None
    return notebook


def code_cells(notebook):
    """(tags, source) of every code cell."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            source = cell["source"]
            text = source if isinstance(source, str) else "".join(source)
            yield set(cell.get("metadata", {}).get("tags", ())), text


def source_hash(notebook):
    """SHA-256 of the code that makes a step's artefacts, of the kit's modules that it imports,
    and of the shipped files that those name.

    Left out: the parameters (they are recorded by value) and the exercises (solving one is
    no reason to train again).
    """
    skip = {"parameters", "injected-parameters", *EXERCISE_TAGS}
    cells = [text.strip() for tags, text in code_cells(notebook) if not tags & skip]
    digest = hashlib.sha256("\n\n".join(cells).encode())
    for module in sorted(modules_behind("\n\n".join(cells))):
        digest.update(_module(module)[0])
    return digest.hexdigest()


def modules_behind(code):
    """Names of the kit's modules that a piece of code reaches through imports."""
    lines = (line for line in code.splitlines() if not line.lstrip().startswith(("%", "!")))
    try:
        open_names = _imports(ast.parse("\n".join(lines)), "")
    except SyntaxError:
        return set()  # the cell itself will say so when it is run
    seen = set()
    while open_names:
        name = open_names.pop()
        left_out = name in _LEFT_OUT or name.startswith(("tfhkit.teach", "tfhkit.series.report."))
        if name not in seen and not left_out and _file_of(name):
            seen.add(name)
            open_names |= _module(name)[1]
    return seen


def _module(name):
    """Digest of a module and of the shipped files that it names, and what it imports."""
    path = _file_of(name)
    notes = tuple(sorted((_PACKAGE.parent / "assets").glob("*.json")))
    return _parsed(name, path, notes, tuple(p.stat().st_mtime_ns for p in (path, *notes)))


@cache
def _parsed(name, path, notes, _times):
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    imports = frozenset(_imports(tree, package))
    shipped = [json.loads(n.read_text()).get("sha256") for n in notes if n.stem in text]
    return hashlib.sha256(f"{_without_words(tree)} {shipped}".encode()).digest(), imports


def _without_words(tree):
    """A syntax tree as text, without comments and docstrings: they change no result."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        first = body[0] if isinstance(body, list) and body else None
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
            node.body = body[1:]
    return ast.dump(tree)


def _imports(tree, package):
    """Candidates for module names: `from a import b` may mean the module a.b."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = ".".join([*parts, node.module or ""]).strip(".") if node.level else node.module
            names.add(base)
            names.update(f"{base}.{alias.name}" for alias in node.names)
    return {name for name in names if name.split(".")[0] == "tfhkit"}


def _file_of(name):
    path = _PACKAGE.joinpath(*name.split(".")[1:])
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file() and name != "tfhkit":
            return candidate
    return None
