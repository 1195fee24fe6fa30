"""The manifest of a step: what it was made from, by what, and whether it still holds.

A step's result holds while its fingerprint (parameters, the profile's numbers, the notebook's
code, the code of the modules it imports) is the same, and every file that it read and wrote
still has the content of then. Inputs are those that the step really asked for.
"""

import hashlib
import json
from dataclasses import asdict
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
        elif content_mark(run_dir / name) != digest:
            return f"{name} changed"
    for name, digest in manifest["outputs"].items():
        if content_mark(run_dir / name) != digest:
            return f"{name} is missing or was changed"
    return None


def content_mark(path):
    """What tells whether a file or folder is still the same, or None where there is none.

    Of a file its SHA-256; of a folder the SHA-256 over its files' names, sizes and times.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        facts = [(str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()
    return sha256_of(path) if path.is_file() else None


def outputs_of(folder, run_dir, since, named):
    """SHA-256 of every file that a step made: newer than its start, or asked for by name."""
    found = {}
    for path in sorted(Path(folder).rglob("*")):
        fresh = path.is_file() and (path.stat().st_mtime >= since or path in named)
        if fresh and path.name != FILE:
            found[path.relative_to(run_dir).as_posix()] = sha256_of(path)
    return found
