"""What a folder of shards is about: settings that may not change, the list of clips, the shards."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tfhkit.corpus.clip import ClipSettings
from tfhkit.corpus.layout import LAYOUT, LrwChoice, clip_names, open_layout
from tfhkit.errors import InputError, ParameterError
from tfhkit.face import load_model
from tfhkit.media import atomic_path, write_json
from tfhkit.motion.general import basis_mark

VERSION = 1  # of the shards; raise it where a fit or a picture would come out differently
MANIFEST, LIST = "manifest.json", "clips.txt"


@dataclass(frozen=True)
class Plan:
    """The manifest of a folder of shards.

    Args:
        choice: which of LRW's clips.
        clip: what is kept of each.
        shard: clips in a shard.
        n_clips: clips in all.
        list_sha256: hash of the list of their names.
        basis: the morphable model, see `basis_mark`.
        version: of the shards.
    """

    choice: LrwChoice
    clip: ClipSettings
    shard: int
    n_clips: int
    list_sha256: str
    basis: str
    version: int = VERSION

    @property
    def n_shards(self) -> int:
        """Shards in all."""
        return -(-self.n_clips // self.shard)


def make_plan(
    folder: str | Path, out: Path, choice: LrwChoice, clip: ClipSettings, shard: int
) -> tuple[Path, Plan]:
    """List the clips and write list and manifest, unless they are there.

    Args:
        folder: LRW's, see `open_layout`.
        out: the folder of the shards.
        choice, clip, shard: see `Plan`.
    Returns:
        LRW's root, and the plan.
    Raises:
        InputError: no clips, `out` was begun with other settings or cannot be written.
        ParameterError: a wrong choice.
    """
    if shard < 1:
        raise ParameterError("--shard", f"is {shard}", "give 1 or more clips")
    root, words = open_layout(folder, choice)
    digest, count = hashlib.sha256(), 0
    with atomic_path(out / LIST) as temporary, open(temporary, "wb") as file:
        for name in clip_names(root, words, choice):
            line = name.encode("utf-8", "surrogateescape") + b"\n"
            digest.update(line)
            file.write(line)
            count += 1
        if not count:
            fault = f"has no clips of the split {choice.split!r}"
            raise InputError(root, fault, f"give the folder that has {LAYOUT}")
        plan = Plan(choice, clip, shard, count, digest.hexdigest(), basis_mark(load_model()))
        if (out / MANIFEST).exists():
            _refuse_other(out, read_plan(out), plan)
    if not (out / MANIFEST).exists():
        write_json(out / MANIFEST, asdict(plan))
    return root, plan


def read_plan(out: Path) -> Plan:
    """The plan of a folder of shards.

    Raises:
        InputError: the folder holds none.
    """
    remedy = "prepare the clips first: `tfhkit corpus --lrw DIR -o OUT`, then give OUT"
    try:
        found = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
        choice, clip = found.pop("choice"), found.pop("clip")
        words = choice.pop("words")
        taken = LrwChoice(None if words is None else tuple(words), **choice)
        return Plan(taken, ClipSettings(**clip), **found)
    except FileNotFoundError as error:
        raise InputError(out, "holds no prepared clips", remedy) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        fault = f"its {MANIFEST} is not one of prepared clips ({error})"
        raise InputError(out, fault, remedy) from error


def shard_path(out: Path, number: int) -> Path:
    """Where a shard belongs."""
    return out / "shards" / f"{number:05d}.safetensors"


def shard_starts(out: Path, plan: Plan) -> list[int]:
    """Byte of the list at which each shard's names begin."""
    starts, place = [], 0
    with open(out / LIST, "rb") as file:
        for number, line in enumerate(file):
            if number % plan.shard == 0:
                starts.append(place)
            place += len(line)
    return starts


def shard_names(out: Path, plan: Plan, start: int) -> list[str]:
    """Names of a shard's clips; `start` as from `shard_starts`."""
    with open(out / LIST, "rb") as file:
        file.seek(start)
        lines = [file.readline() for _ in range(plan.shard)]
    return [line[:-1].decode("utf-8", "surrogateescape") for line in lines if line]


def _refuse_other(out: Path, kept: Plan, plan: Plan) -> None:
    """Raise InputError where a folder was begun with another plan."""
    before, now = _flat(kept), _flat(plan)
    for name, value in now.items():
        if before[name] != value:
            shown = "other clips" if name == "list_sha256" else f"{name} {before[name]}"
            fault = f"was begun with {shown}" + (f", not {value}" if shown != "other clips" else "")
            raise InputError(out, fault, "give the same settings, or another output folder")


def _flat(plan: Plan) -> dict[str, Any]:
    parts = asdict(plan)
    return {**parts.pop("choice"), **parts.pop("clip"), **parts}
