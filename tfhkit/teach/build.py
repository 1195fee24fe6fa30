"""Build the notebooks from their py:percent sources: `python -m tfhkit.teach.build`.

`notebooks/src/NN_name.py` gives `notebooks/NN_name.ipynb` (student's edition, executed with the
quick profile, outputs stored) and, where it has exercises, `notebooks/solutions/NN_name.ipynb`.
"""

import argparse
import base64
import hashlib
import io
import json
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError
from tfhkit.media import atomic_path
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places
from tfhkit.pipeline.sources import code_cells, read_notebook
from tfhkit.teach.display import MARK, RUN_LINK, data_url
from tfhkit.teach.exercises import Edition, edition, has_exercise
from tfhkit.teach.server import KERNEL, tidy_notebook

MAX_BYTES = 1_500_000
PHOTOGRAPH = 0.4  # a picture is a photograph if lossy packing shrinks it to less than this share
_PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")


def notebook_from(source: str | Path, which: Edition = "student", wrong: int = 0) -> dict[str, Any]:
    """A notebook, without outputs, from a py:percent file.

    Args:
        source: path of the file.
        which: the edition of the exercises; "wrong" takes a planted wrong answer.
        wrong: number of the planted answer.
    Returns:
        Notebook in nbformat 4.5; cell ids are their numbers, so that rebuilding changes nothing.
    """
    import jupytext

    text = Path(source).read_text(encoding="utf-8")
    cells = []
    for number, cell in enumerate(jupytext.reads(text, fmt="py:percent").cells):
        tags = list(cell.metadata.get("tags", ()))
        body = cell.source
        if "exercise" in tags:
            body = edition(body, which, wrong)
        elif cell.cell_type == "code" and has_exercise(body):
            raise InputError(source, f"cell {number} has exercise markers", "tag it 'exercise'")
        made = {
            "cell_type": cell.cell_type,
            "id": f"cell-{number:03d}",
            "metadata": {"tags": tags} if tags else {},
            "source": body.splitlines(keepends=True),
        }
        if cell.cell_type == "code":
            made |= {"execution_count": None, "outputs": []}
        cells.append(made)
    edition_of = hashlib.sha256(json.dumps(cells).encode()).hexdigest()[:16]
    metadata = {
        "kernelspec": dict(KERNEL),
        "language_info": {"name": "python"},
        MARK: {"edition": edition_of},
    }
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def sources_in(folder: str | Path) -> list[Path]:
    """The series' py:percent files in a notebooks folder, in order."""
    return sorted((Path(folder) / "src").glob("[0-9][0-9]_*.py"))


def write_notebook(path: str | Path, notebook: dict[str, Any]) -> None:
    """Write a notebook file, byte for byte as Jupyter saves it."""
    import nbformat

    Path(path).parent.mkdir(parents=True, exist_ok=True)
    tidy_notebook(notebook)
    with atomic_path(path) as temporary:
        text = nbformat.writes(nbformat.from_dict(notebook), version=4)
        Path(temporary).write_text(text.rstrip("\n") + "\n", encoding="utf-8")


def build(folder: str | Path) -> list[str]:
    """Write both editions of every source; stored outputs stay where the code is the same.

    Returns:
        Names of the notebooks.
    """
    names = []
    for source in sources_in(folder):
        target = Path(folder) / f"{source.stem}.ipynb"
        notebook = notebook_from(source)
        if target.is_file():
            old = read_notebook(target)
            if _code(old) == _code(notebook):
                _take_outputs(notebook, old)
        write_notebook(target, notebook)
        if any(has_exercise(text) for _, text in code_cells(_as_written(source))):
            solution = notebook_from(source, "solution")
            write_notebook(Path(folder) / "solutions" / target.name, solution)
        names.append(source.stem)
    return names


def _as_written(source):
    import jupytext

    return jupytext.read(source, fmt="py:percent")


def _code(notebook):
    return [text.strip() for _, text in code_cells(notebook)]


def out_of_step(folder: str | Path) -> list[str]:
    """Names of the notebooks whose code or text differs from that of their source."""
    late = []
    for source in sources_in(folder):
        stored = Path(folder) / f"{source.stem}.ipynb"
        fresh = notebook_from(source)
        if not stored.is_file() or _text(read_notebook(stored)) != _text(fresh):
            late.append(source.stem)
    return late


def _text(notebook):
    return [(cell["cell_type"], "".join(cell["source"]).strip()) for cell in notebook["cells"]]


def store_outputs(
    folder: str | Path,
    out: str | Path,
    names: Sequence[str],
    profile: str = "quick",
    say: Callable[[str], None] = print,
) -> None:
    """Run the series where needed, and store the outputs of the executed notebooks.

    Args:
        folder: folder of the notebooks.
        out: run directory.
        names: notebooks whose outputs are stored.
        profile: profile of the run.
        say: called with each line for people.
    Raises:
        InputError: a stored notebook is too large, or shows a path of this machine.
    """
    from tfhkit.pipeline.runner import RunInputs, run_series

    folder = Path(folder)
    run = places.resolve_out(out)
    for name in names:
        executed = run / places.EXECUTED / f"{name}.ipynb"
        stored = read_notebook(folder / f"{name}.ipynb")
        if not executed.is_file() or _executed_code(read_notebook(executed)) != _code(stored):
            manifests.invalidate(run / name)
    run_series(RunInputs(out=str(run), profile=profile), notebooks=folder, say=say)
    for name in names:
        path = folder / f"{name}.ipynb"
        notebook = read_notebook(path)
        made = read_notebook(run / places.EXECUTED / f"{name}.ipynb")
        _take_outputs(notebook, made)
        _clean(notebook, run)
        write_notebook(path, notebook)
        check_stored(path)


def _executed_code(notebook):
    cells = code_cells(notebook)
    return [text.strip() for tags, text in cells if "injected-parameters" not in tags]


def _take_outputs(notebook, executed):
    """Copy outputs by cell id; the cell with the injected parameters has none."""
    outputs = {cell.get("id"): cell.get("outputs", []) for cell in executed["cells"]}
    number = 0
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            number += 1
            cell["outputs"] = outputs.get(cell["id"], [])
            cell["execution_count"] = number if executed["cells"] else None
            for output in cell["outputs"]:
                if "execution_count" in output:
                    output["execution_count"] = number


def _clean(notebook, out):
    """Make paths relative to the kit's folder, and pack pictures."""
    places_of_this_machine = [
        (str(out), f"runs/{out.name}"),
        (f"{places.kit_dir()}/", ""),
        (str(places.kit_dir()), "."),
        (str(Path.home()), "~"),
        (f"{RUN_LINK}../", f"{RUN_LINK}../runs/{out.name}/"),  # they lie elsewhere
    ]
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            if "text" in output:
                output["text"] = _scrub(output["text"], places_of_this_machine)
            for kind, data in output.get("data", {}).items():
                if kind.startswith("text/"):
                    output["data"][kind] = _scrub(data, places_of_this_machine)
            _shrink(output)


def _shrink(output):
    """Store the pictures of an output's HTML as WebP, which every browser shows."""
    content = output.get("data", {}).get("text/html")
    if content:
        packed = _PNG.sub(lambda found: _packed(found.group(1)), "".join(content))
        output["data"]["text/html"] = packed.splitlines(keepends=True)


def _packed(encoded):
    """A PNG's data URL as WebP: lossless for drawings, lossy for photographs."""
    from PIL import Image

    with Image.open(io.BytesIO(base64.b64decode(encoded))) as png:
        picture = png.convert("RGBA")
    paper = Image.new("RGBA", picture.size, "white")
    flat = Image.alpha_composite(paper, picture).convert("RGB")
    exact, lossy = io.BytesIO(), io.BytesIO()
    flat.save(exact, "webp", lossless=True, method=4)
    flat.save(lossy, "webp", quality=86, method=6)
    best = lossy if lossy.tell() < PHOTOGRAPH * exact.tell() else exact
    return data_url(best.getvalue(), "image/webp")


def _scrub(text, replacements):
    text = "".join(text)
    for old, new in replacements:
        text = text.replace(old, new)
    return text.splitlines(keepends=True)


def check_stored(path: str | Path) -> None:
    """Check a stored notebook.

    Raises:
        InputError: it is too large, or names a path of this machine.
    """
    text = Path(path).read_text(encoding="utf-8")
    size = len(text.encode())
    if size > MAX_BYTES:
        fault = f"has {size / 1e6:.2f} MB, over {MAX_BYTES / 1e6} MB"
        raise InputError(path, fault, "save its figures smaller (dpi) or show fewer")
    for place in (str(places.kit_dir()), str(Path.home()) + "/"):
        if place in text:
            raise InputError(path, f"shows {place}", "print paths with places.shown")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command: write the notebooks, or only check them."""
    parser = argparse.ArgumentParser(description="Build the notebooks from notebooks/src.")
    parser.add_argument("--folder", default=str(places.kit_dir() / "notebooks"))
    parser.add_argument("--out", default="runs/sample", help="run directory for the outputs")
    parser.add_argument("--no-run", action="store_true", help="do not execute them")
    parser.add_argument("--check", action="store_true", help="only report what is out of date")
    options = parser.parse_args(argv)
    if options.check:
        late = out_of_step(options.folder)
        print("\n".join(f"{name} is out of date; 'make notebooks' builds it" for name in late))
        return 1 if late else 0
    names = build(options.folder)
    print(f"{len(names)} notebooks built")
    if not options.no_run:
        store_outputs(options.folder, options.out, names)
    return 0


if __name__ == "__main__":
    sys.exit(main())
