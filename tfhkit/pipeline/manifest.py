"""The manifest of a step: its inputs and outputs, and whether the result is still valid.

A step's result is valid while its fingerprint (parameters, the profile's numbers, the recipe, the
notebook's code, the code of the modules it imports) is the same, and every file that it read and
wrote still has the same content. Inputs are the files that the step really asked for.
"""

import hashlib
import json
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfhkit.media import atomic_path, sha256_of
from tfhkit.profiles import Settings

FILE = "manifest.json"

Manifest = dict[str, Any]  # its entries are listed in `Step.finish`


def fingerprint(
    name: str, settings: Settings, seed: int, audio_track: int, own: dict[str, Any], code: str
) -> str:
    """SHA-256 of everything that decides a step's result, except the files that it reads.

    Args:
        name: the step's name.
        settings: of the profile and the recipe.
        seed, audio_track: as in the parameters cell.
        own: the notebook's own parameters, name -> value.
        code: `sources.source_hash` of the notebook.
    """
    content = {
        "name": name,
        "settings": asdict(settings),
        "seed": seed,
        "audio_track": audio_track,
        "own": own,
        "code": code,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read(folder: Path | str) -> Manifest | None:
    """The manifest in a step's folder, or None if none can be read."""
    try:
        return json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write(folder: Path | str, content: Manifest) -> None:
    """Write a manifest in one go; it is written last and makes a step count as finished."""
    with atomic_path(Path(folder) / FILE) as temporary:
        Path(temporary).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def invalidate(folder: Path | str) -> None:
    """Make a step count as unfinished: its artefacts are about to change."""
    (Path(folder) / FILE).unlink(missing_ok=True)


def why_stale(
    manifest: Manifest | None,
    run_dir: Path,
    expected: str,
    files: Mapping[str, Callable[[], str]],
) -> str | None:
    """Why a step has to be run (again), or None if its result is still valid.

    Args:
        manifest: what `read` returned.
        run_dir: the run directory; inputs and outputs are named relative to it.
        expected: the present fingerprint.
        files: "clip" and "speech" -> function that returns the file's hash.
    Returns:
        A few words, or None.
    """
    if manifest is None:
        return "not made yet"
    if manifest.get("fingerprint") != expected:
        return "its parameters or its code changed"
    for name, digest in manifest["inputs"].items():
        if name in files:
            if files[name]() != digest:
                return f"another {name}"
        elif content_mark(run_dir / name) != digest:
            return f"{name} changed"
    for name, digest in manifest["outputs"].items():
        if content_mark(run_dir / name) != digest:
            return f"{name} is missing or was changed"
    return None


def content_mark(path: Path) -> str | None:
    """A mark that changes with the content of a file or folder; None if there is neither.

    It is the SHA-256 of a file, or of the names, sizes and times of a folder's files.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        facts = [(str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return sha256_of(path) if path.is_file() else None


def outputs_of(
    folder: Path | str, run_dir: Path, since: float, named: Collection[Path]
) -> dict[str, str]:
    """The files that a step made, with their SHA-256.

    Args:
        folder: the step's folder.
        run_dir: the run directory; the files are named relative to it.
        since: start of the step (Unix time); newer files count.
        named: files that the step asked for by name; they count in any case.
    """
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        fresh = path.is_file() and (path.stat().st_mtime >= since or path in named)
        if fresh and path.name != FILE:
            found[path.relative_to(run_dir).as_posix()] = sha256_of(path)
    return found
