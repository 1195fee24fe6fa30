"""The manifest of a step: what it was made from, by what, and whether it still holds.

A step's result holds while its fingerprint (parameters, the profile's numbers, the notebook's
code, the code of the modules it imports) is the same, and every file that it read and wrote
still has the content of then. Inputs are those that the step really asked for.
"""

import hashlib
import json
import platform
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path

from tfhkit.media import atomic_path, sha256_of
from tfhkit.profiles import settings_of

FILE = "manifest.json"


def fingerprint(name, profile, seed, own, code):
    """SHA-256 over everything that decides a step's result but is not a file it reads.

    Args:
        name: the step's name.
        profile, seed: as in the parameters cell.
        own: dict of the notebook's own parameters.
        code: `sources.source_hash` of its notebook.
    """
    content = {
        "name": name,
        "settings": asdict(settings_of(profile)),
        "seed": seed,
        "own": own,
        "code": code,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read(folder):
    """The manifest in a step's folder, or None where there is none that can be read."""
    try:
        return json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def write(folder, content):
    """Write a manifest whole: it comes last and makes a step count as finished."""
    with atomic_path(Path(folder) / FILE) as temporary:
        Path(temporary).write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def invalidate(folder):
    """Make a step count as unfinished: its artefacts are about to change."""
    (Path(folder) / FILE).unlink(missing_ok=True)


def why_stale(manifest, run_dir, expected, files):
    """Why a step has to be run (again), or None where its result still holds.

    Args:
        manifest: what `read` gave.
        run_dir: the run directory; inputs and outputs are named relative to it.
        expected: the fingerprint of now.
        files: dict of "clip" and "speech" -> function without arguments that gives their hash.
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
        elif _hash(run_dir / name) != digest:
            return f"{name} changed"
    for name, digest in manifest["outputs"].items():
        if _hash(run_dir / name) != digest:
            return f"{name} is missing or was changed"
    return None


def _hash(path):
    return sha256_of(path) if path.is_file() else None


def outputs_of(folder, run_dir, since, named):
    """SHA-256 of every file that a step made: newer than its start, or asked for by name."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        fresh = path.is_file() and (path.stat().st_mtime >= since or path in named)
        if fresh and path.name != FILE:
            found[path.relative_to(run_dir).as_posix()] = sha256_of(path)
    return found


@cache
def versions():
    """Versions of what a result may depend on."""
    found = {"python": platform.python_version()}
    for name in ("tfhkit", "numpy", "scipy", "torch", "numba", "opencv-python", "librosa", "av"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # a package run from its folder has no metadata
            found[name] = "unknown"
    return found
