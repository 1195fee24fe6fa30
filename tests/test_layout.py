"""What must not drift: who imports whom, small files, one list of dependencies, clean notebooks."""

import ast
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import yaml
from jaxtyping import TypeCheckError
from packaging.requirements import Requirement

from tfhkit.pipeline.parameters import parameters_of
from tfhkit.pipeline.places import COMMON, STEPS, kit_dir
from tfhkit.pipeline.sources import (
    changes_no_result,
    code_cells,
    module_file,
    modules_behind,
    read_notebook,
)
from tfhkit.teach.build import MAX_BYTES, check_stored, out_of_step, sources_in

KIT = kit_dir()
ROWS = (
    "memory errors cluster device threads progress palette maths jit stats recipes profiles matlab "
    "coefficients camera media assets weights efficientnet resnet face landmarks render fit "
    "audio metrics motion background refine corpus person talk virtual portrait evaluate study "
    "bench pipeline teach cli"
).split()
MODULES = sorted((KIT / "tfhkit").rglob("*.py"))
NOTEBOOKS = sorted((KIT / "notebooks").glob("*.ipynb"))
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES, MAX_PARAMETERS = 60, 8
# conda-forge's names, where they differ from PyPI's
CONDA_NAMES = {"torch": "pytorch", "opencv-python": "py-opencv", "matplotlib": "matplotlib-base"}
OPTIONAL = {"easypytorch3d"}


def name_of(path):
    return str(path.relative_to(KIT))


def row_of(path):
    parts = path.relative_to(KIT / "tfhkit").with_suffix("").parts
    return parts[0]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_row_imports_only_from_rows_above(path):
    row = row_of(path)
    if row == "__init__":
        return
    assert row in ROWS, f"{row} has no place in the order of rows"
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path.name}, line {node.lineno}: relative import"
            names = [node.module]
            if node.module == "tfhkit":
                names = [f"tfhkit.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] != "tfhkit" or len(parts) == 1 or parts[1] == "__version__":
                continue
            below = ROWS.index(parts[1]) > ROWS.index(row)
            assert not below, f"{path.name}, line {node.lineno}: {row} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_files_say_their_job(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_FILE_LINES
    first = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    assert text.startswith('"""') and len(first) > 15, "the first line says the file's job"
    assert path.stem != "utils"


def functions_of(tree):
    """All functions, and for each whether others call it: (node, is_public)."""
    nested = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            nested |= {id(inner) for inner in ast.walk(node) if inner is not node}
    private = {
        id(method)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and node.name.startswith("_")
        for method in node.body
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            hidden = node.name.startswith("_") and not node.name.endswith("__")
            yield node, not hidden and id(node) not in nested | private


def parameters(function):
    """Its parameters by their names in the code, `self` and `cls` left out."""
    given = function.args
    found = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    found += [part for part in (given.vararg, given.kwarg) if part is not None]
    return [part for part in found if part.arg not in ("self", "cls")]


def lines_of(function):
    """Lines from `def` to the end, without the docstring."""
    lines = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function) is not None:
        text = function.body[0]
        lines -= text.end_lineno - text.lineno + 1
    return lines


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_functions_are_short(path):
    for function, _ in functions_of(ast.parse(path.read_text())):
        where = f"{name_of(path)}, line {function.lineno}: {function.name}"
        assert lines_of(function) <= MAX_FUNCTION_LINES, f"{where} is too long; divide it"
        given = len(parameters(function))
        assert given <= MAX_PARAMETERS, f"{where} has {given} parameters; a settings dataclass?"


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_public_functions_and_fields_are_annotated(path):
    tree = ast.parse(path.read_text())
    for function, public in functions_of(tree):
        if public:
            where = f"{name_of(path)}, line {function.lineno}: {function.name}"
            bare = [part.arg for part in parameters(function) if part.annotation is None]
            assert not bare, f"{where} does not say the types of {', '.join(bare)}"
            assert function.returns is not None, f"{where} does not say what it returns"
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for field in node.body:
                if isinstance(field, ast.AnnAssign):
                    kind = ast.unparse(field.annotation)
                    assert kind not in ("object", "Any", "dict", "list", "tuple", "np.ndarray"), (
                        f"{name_of(path)}, line {field.lineno}: {kind} says too little"
                    )


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_annotations_can_be_evaluated(path):
    """The checker takes what it cannot evaluate for `Any` without a word."""
    assert "from __future__ import annotations" not in path.read_text()


def test_a_wrong_axis_is_refused_while_the_tests_run():
    from tfhkit.fit.report import interocular_px

    with pytest.raises(TypeCheckError, match="T 68 2"):
        interocular_px(np.zeros((4, 68, 3)))


def test_notebooks_do_not_import_the_machinery_of_tests():
    for path in sources_in(KIT / "notebooks"):
        assert "import tests" not in path.read_text()


def files_of_the_project():
    found = [KIT / "Makefile", KIT / "environment.yml", KIT / "pyproject.toml", KIT / ".ci/run",
             KIT / ".ci/gpu_check"]  # fmt: skip
    found += [path for path in (KIT / "README.md", KIT / "CHANGELOG.md") if path.exists()]
    for pattern in ("tfhkit/**/*.py", "tests/*.py", "notebooks/src/*.py", "notebooks/**/*.ipynb",
                    "assets/*.json", ".github/**/*.yml"):  # fmt: skip
        found += sorted(KIT.glob(pattern))
    return [path for path in found if ".ipynb_checkpoints" not in path.parts]


def test_no_paths_of_a_machine():
    pattern = re.compile(r"/(work|root|home/\w+|Users/\w+|workspace)/[\w.]")
    for path in files_of_the_project():
        if path.name != "test_layout.py":
            found = pattern.search(path.read_text(encoding="utf-8"))
            assert not found, f"{path.relative_to(KIT)} names {found.group()}"


def project():
    return tomllib.loads((KIT / "pyproject.toml").read_text())["project"]


def requirements():
    extras = project()["optional-dependencies"]
    texts = extras["gpu"] + project()["dependencies"] + extras["dev"]
    return {Requirement(text).name: Requirement(text) for text in texts}


def test_the_gpu_extra_allows_no_more_than_the_package():
    """Its narrower range of torch is the one that the lock file keeps to."""
    narrow = {Requirement(text).name: Requirement(text) for text in
              project()["optional-dependencies"]["gpu"]}["torch"].specifier  # fmt: skip
    wide = requirements()["torch"].specifier
    minors = [f"2.{minor}.0" for minor in range(20)]
    assert set(narrow.filter(minors)) < set(wide.filter(minors))
    pinned = re.search(r"^torch==(\S+)", (KIT / "requirements.lock").read_text(), re.M)
    assert pinned and narrow.contains(pinned[1])


def test_environment_yml_is_in_step():
    text = (KIT / "environment.yml").read_text()
    entries = yaml.safe_load(text)["dependencies"]
    pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    texts = [entry for entry in entries if isinstance(entry, str)] + pip
    listed = {r.name: r.specifier for r in map(Requirement, texts)}
    for name, requirement in requirements().items():
        if name in OPTIONAL:
            assert name in text
            continue
        theirs = CONDA_NAMES.get(name, name)
        assert theirs in listed, f"environment.yml lacks {theirs}"
        assert listed.pop(theirs) == requirement.specifier, f"{theirs} has another version range"
    assert set(listed) == {"python", "pip", "setuptools"}


def test_the_lock_fits_the_ranges():
    locked = {}
    for line in (KIT / "requirements.lock").read_text().splitlines():
        if line.strip() and not line.lstrip().startswith(("#", "--")):
            requirement = Requirement(line)
            locked.setdefault(requirement.name.lower(), []).append(requirement)
    for name, requirement in requirements().items():
        assert name.lower() in locked, f"requirements.lock lacks {name}"
        for pinned in locked[name.lower()]:
            version = str(pinned.specifier).removeprefix("==")
            assert requirement.specifier.contains(version, prereleases=True), f"{name}=={version}"


def test_the_notebooks_are_those_of_their_sources():
    assert not out_of_step(KIT / "notebooks"), "'make notebooks' builds them"
    assert [path.stem for path in sources_in(KIT / "notebooks")] == list(STEPS)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_stored_notebooks(path):
    notebook = read_notebook(path)
    assert path.stat().st_size < MAX_BYTES
    check_stored(path)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    assert "widgets" not in notebook["metadata"]
    first = notebook["cells"][0]
    assert first["cell_type"] == "markdown" and "".join(first["source"]).startswith("# ")
    assert not any(text.lstrip().startswith(("!", "%pip")) for _, text in code_cells(notebook))
    for cell in notebook["cells"]:
        assert all(o["output_type"] != "error" for o in cell.get("outputs", ()))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_notebook_opens_its_own_step(path):
    """With all its names, so that each parameter counts for whether it has to run again."""
    notebook = read_notebook(path)
    assert tuple(parameters_of(notebook, path.stem))[:7] == COMMON
    code = "\n".join(text for _, text in code_cells(notebook))
    assert re.findall(r"open_step\((.*)\)", code) == [f'"{path.stem}", globals()']


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_a_notebook_imports_counts_for_its_hash(path):
    """Or it lies in a folder that changes no result."""
    code = "\n".join(text for _, text in code_cells(read_notebook(path)))
    counted = modules_behind(code)
    names = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tfhkit":
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    modules = {name for name in names if name != "tfhkit" and module_file(name)}
    assert modules
    assert {name for name in modules if not changes_no_result(name)} <= counted


def test_ruff():
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format=concise", "."],
        cwd=KIT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
