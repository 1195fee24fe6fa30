"""A shard: the prepared clips of one task in one file, and why the others were left out."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from jaxtyping import Int
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from tfhkit.corpus.clip import ClipPictures, PreparedClip
from tfhkit.errors import InputError
from tfhkit.media import atomic_path
from tfhkit.motion import MotionTrack

_TRACK = ("windows", "exp", "pose", "valid", "times")  # one row for each frame
_APART = 10_000  # between the frame numbers of two clips: windows do not reach across


@dataclass(frozen=True, eq=False)
class ShardInfo:
    """What a shard says of itself.

    Args:
        names: its clips, below LRW's root.
        skipped: (name, reason) of the clips that were left out.
        seconds: how long one core worked on it.
        first: first frame of each clip in the shard's arrays, and the end.
    """

    names: tuple[str, ...]
    skipped: tuple[tuple[str, str], ...]
    seconds: float
    first: Int[np.ndarray, "n"]

    def __len__(self) -> int:
        return len(self.names)


def write_shard(
    path: Path, clips: dict[str, PreparedClip], skipped: dict[str, str], seconds: float
) -> None:
    """Write a shard, whole or not at all.

    Args:
        path: `.safetensors` file.
        clips: by their names, in order.
        skipped: reasons by the names of the others.
        seconds: how long one core worked on it.
    Raises:
        InputError: the folder cannot be written, or the disk is full.
    """
    tracks = [clip.track for clip in clips.values()]
    first = np.cumsum([0, *map(len, tracks)])
    arrays = {"first": first.astype(np.int64)}
    if tracks:
        for part in _TRACK:
            arrays[part] = np.concatenate([getattr(track, part) for track in tracks])
        arrays["id"] = np.stack([_identity(track) for track in tracks])
        arrays |= _picture_arrays([c.pictures for c in clips.values() if c.pictures is not None])
    about = {"names": list(clips), "skipped": list(skipped.items()), "seconds": round(seconds, 2)}
    with atomic_path(path) as temporary:
        # not by `save_file`: its files can be read by their owner alone
        temporary.write_bytes(save(arrays, metadata={"about": json.dumps(about)}))


def read_info(path: Path) -> ShardInfo | None:
    """What a shard says of itself; None where there is none that is whole."""
    try:
        with safe_open(path, "numpy") as file:
            about = json.loads(file.metadata()["about"])
            first = file.get_tensor("first")
    except (OSError, SafetensorError, TypeError, KeyError, ValueError):
        return None
    skipped = tuple((name, reason) for name, reason in about["skipped"])
    return ShardInfo(tuple(about["names"]), skipped, about["seconds"], first)


def read_track(path: Path, row: int) -> MotionTrack:
    """One clip's track; nothing else of the shard is read.

    Raises:
        InputError: the shard is gone or broken.
    """
    with _opened(path) as file:
        first = file.get_tensor("first")
        part = slice(int(first[row]), int(first[row + 1]))
        arrays = {name: file.get_slice(name)[part] for name in _TRACK}
        identity = file.get_slice("id")[row]
        name = json.loads(file.metadata()["about"])["names"][row]
    return MotionTrack(**arrays, speaker=Path(name).stem, id=identity)


def read_pictures(paths: Sequence[Path]) -> ClipPictures:
    """The frames of several shards, in this order.

    Raises:
        InputError: a shard is gone, broken or without pictures, or none has a clip.
    """
    parts, last = [], 0
    for path in paths:
        with _opened(path) as file:
            if "frames" not in file.keys():  # none of its clips could be used
                continue
            arrays = {f.name: file.get_tensor(f.name) for f in fields(ClipPictures)}
        arrays["changed"] = np.unpackbits(arrays["changed"], -1, arrays["renders"].shape[2])
        arrays["frames"] = arrays["frames"] + last
        last = int(arrays["frames"][-1]) + _APART
        parts.append(arrays)
    if not parts:
        raise InputError(paths[0], "and its neighbours have no pictures", "prepare the clips again")
    return ClipPictures(**{name: np.concatenate([p[name] for p in parts]) for name in parts[0]})


def _opened(path: Path) -> safe_open:
    try:
        return safe_open(path, "numpy")
    except (OSError, SafetensorError) as error:
        fault = f"is not a shard of prepared clips ({error})"
        raise InputError(path, fault, "delete it, and run `tfhkit corpus` again") from error


def _identity(track: MotionTrack) -> np.ndarray:
    assert track.id is not None, "`prepare_clip` gives it"
    return track.id


def _picture_arrays(pictures: list[ClipPictures]) -> dict[str, np.ndarray]:
    """The frames of all clips in a row; the mask takes a bit for each pixel."""
    if not pictures:
        return {}
    rows = {f.name: [getattr(p, f.name) for p in pictures] for f in fields(ClipPictures)}
    rows["frames"] = [_APART * k + numbers for k, numbers in enumerate(rows["frames"])]
    rows["changed"] = [np.packbits(mask, -1) for mask in rows["changed"]]
    return {name: np.concatenate(parts) for name, parts in rows.items()}
