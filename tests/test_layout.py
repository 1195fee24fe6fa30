"""What must not drift: who imports whom, small files, one list of dependencies, clean notebooks."""

import ast
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement

from tfhkit.series.parameters import parameters_of
from tfhkit.series.places import COMMON, STEPS, kit_dir
from tfhkit.series.sources import code_cells, read_notebook
from tfhkit.teach.build import MAX_BYTES, check_stored, out_of_step, sources_in

KIT = kit_dir()
ROWS = (
    "errors profiles coefficients camera media assets face landmarks render fit audio motion "
    "background refine metrics person talk virtual evaluate bench series teach cli"
).split()
MODULES = sorted((KIT / "tfhkit").rglob("*.py"))
NOTEBOOKS = sorted((KIT / "notebooks").glob("*.ipynb"))
MAX_LINES = 280
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
def test_files_are_small_and_say_their_job(path):
    text = path.read_text()
    assert text.count("\n") <= MAX_LINES
    first = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    assert text.startswith('"""') and len(first) > 15, "the first line says the file's job"
    assert path.stem != "utils"


def test_notebooks_do_not_import_the_machinery_of_tests():
    for path in sources_in(KIT / "notebooks"):
        assert "import tests" not in path.read_text()


def files_of_the_project():
    found = [KIT / "Makefile", KIT / "environment.yml", KIT / "pyproject.toml", KIT / ".ci/run"]
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


def requirements():
    project = tomllib.loads((KIT / "pyproject.toml").read_text())["project"]
    texts = project["dependencies"] + project["optional-dependencies"]["dev"]
    return {Requirement(text).name: Requirement(text) for text in texts}


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
def test_every_parameter_is_handed_to_the_step(path):
    """A parameter that open_step does not know would not make a step run again."""
    notebook = read_notebook(path)
    known = parameters_of(notebook, path.stem)
    assert tuple(known)[:5] == COMMON
    code = [text for tags, text in code_cells(notebook) if "open_step(" in text]
    call = next(
        node
        for node in ast.walk(ast.parse(code[0]))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "open_step"
    )
    assert ast.literal_eval(call.args[0]) == path.stem
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    for name in COMMON:
        assert getattr(given[name], "id", None) == name
    own = given["own"]
    pairs = dict(zip(map(ast.literal_eval, own.keys), (value.id for value in own.values)))
    assert pairs == {name: name for name in known if name not in COMMON}


def test_ruff():
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--quiet", "--output-format=concise", "."],
        cwd=KIT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
