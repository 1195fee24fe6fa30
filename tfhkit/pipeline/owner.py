"""Which clip a run directory belongs to: results of two clips never lie in one."""

import json
from pathlib import Path

from tfhkit.errors import InputError
from tfhkit.media import sha256_of, write_json
from tfhkit.pipeline import manifest as manifests
from tfhkit.pipeline import places

FILE = "run.json"


def check_owner(out: Path | str, clip: Path) -> None:
    """Raise if a run directory belongs to another clip.

    Args:
        out: the run directory; it need not exist.
        clip: the clip's file.
    Raises:
        InputError: names that clip, and says what to do.
    """
    owner = owner_of(out)
    if owner is None or owner[1] == sha256_of(clip):
        return
    same = Path(owner[0]).name == clip.name
    what = f"another clip of that name, or an earlier {clip.name}" if same else owner[0]
    fault = f"this run directory belongs to another clip ({what})"
    raise InputError(places.shown(out), fault, "name another one with OUT= or --out")


def owner_of(out: Path | str) -> tuple[str, str] | None:
    """Name and SHA-256 of the clip that a run directory belongs to; None if it belongs to none.

    A run writes them down when it begins, and forgets them where it ends without a finished step.
    Where that file is gone, the steps' manifests tell.
    """
    try:
        about = json.loads((Path(out) / FILE).read_text(encoding="utf-8"))
        return about["clip"], about["clip_sha256"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    for folder in sorted(Path(out).glob("[0-9][0-9]_*")):
        made = manifests.read(folder) or {}
        if "clip" in made.get("inputs", {}):
            return made["parameters"]["clip"], made["inputs"]["clip"]
    return None


def claim(out: Path, clip: Path) -> None:
    """Write down that a run directory belongs to a clip; see `check_owner` for one that does."""
    check_owner(out, clip)
    if not (out / FILE).is_file():
        write_json(out / FILE, {"clip": str(clip), "clip_sha256": sha256_of(clip)})


def disclaim_empty(out: Path) -> None:
    """Let a run directory in which no step is finished belong to no clip."""
    if not any(out.glob(f"[0-9][0-9]_*/{manifests.FILE}")):
        (out / FILE).unlink(missing_ok=True)
