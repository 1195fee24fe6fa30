"""What a clip is measured from, so that another file of the same name is not taken for it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tfhkit.errors import InputError
from tfhkit.media import sha256_of
from tfhkit.study.settings import StudySettings

Identity = dict[str, Any]  # clip, sha256, coefficients, settings, stamps; kept as JSON
_OTHER = {
    "sha256": "is not the file that was measured before under this name",
    "coefficients": "was measured before under this name with other coefficients",
    "settings": "was measured before under this name with other settings",
}


def identify(
    path: Path, coefficients: Path | None, settings: StudySettings, known: Mapping[str, str]
) -> Identity:
    """What a clip is measured from.

    Args:
        path: the video file.
        coefficients: another tracker's file or folder; None where the clip is fitted.
        settings: of the study.
        known: stamp -> SHA-256 of what was read before and need not be read again.
    Returns:
        clip (name of the file), sha256, coefficients (their SHA-256, or None), settings, and
        stamps, which the next call may know.
    Raises:
        InputError: a file cannot be read.
    """
    read = [_stamped(place, known) for place in (path, coefficients) if place is not None]
    return {
        "clip": path.name,
        "sha256": read[0][1],
        "coefficients": None if coefficients is None else read[1][1],
        "settings": asdict(settings),
        "stamps": dict(read),
    }


def other_than(before: Identity, now: Identity) -> str | None:
    """In what a clip differs from the one that was measured, as a fault; None where it is equal."""
    faults = (fault for name, fault in _OTHER.items() if before.get(name) != now[name])
    return next(faults, None)


def _stamped(place: Path, known: Mapping[str, str]) -> tuple[str, str]:
    """A file's stamp, which changes with its path, size and time of change; and its SHA-256.

    A folder has those of its `.mat` files together.
    """
    try:
        files = sorted(place.glob("*.mat")) if place.is_dir() else [place]
        found = [(str(file), file.stat()) for file in files]
        stamp = _digest([(name, stat.st_size, stat.st_mtime_ns) for name, stat in found])
        if stamp in known:
            return stamp, known[stamp]
        hashes = [(file.name, sha256_of(file)) for file in files]
    except OSError as error:
        fault = f"cannot be read ({error.strerror})"
        raise InputError(place, fault, "check its permissions") from error
    return stamp, _digest(hashes) if place.is_dir() else hashes[0][1]


def _digest(content: list[tuple]) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
