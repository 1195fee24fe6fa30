"""Prepared clips for the trainings: tracks and frames are read when they are needed."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Int

from tfhkit.corpus.clip import ClipPictures
from tfhkit.corpus.plan import Plan, read_plan, shard_path
from tfhkit.corpus.shards import read_info, read_pictures, read_track
from tfhkit.errors import InputError
from tfhkit.face import load_model
from tfhkit.motion import MotionTrack
from tfhkit.motion.general import basis_mark
from tfhkit.motion.known import TrackLibrary
from tfhkit.weights import fingerprint


@dataclass(frozen=True, eq=False)
class PreparedClips:
    """A folder of shards; its arrays stay on the disk.

    Args:
        folder: the folder.
        plan: what it is about.
        shards: numbers of the shards that hold clips.
        lengths: frames of every clip, in order of shard and name.
        first: number of each shard's first clip, and the end.
        n_skipped: clips that were left out.
    """

    folder: Path
    plan: Plan
    shards: tuple[int, ...]
    lengths: Int[np.ndarray, "n"]
    first: Int[np.ndarray, "m"]
    n_skipped: int

    def __len__(self) -> int:
        return len(self.lengths)

    @cached_property
    def mark(self) -> str:
        """Hash of what is there, for checkpoints."""
        return fingerprint(self.plan, list(self.shards), self.lengths)

    @property
    def about(self) -> str:
        """What a card says of them."""
        whole = len(self) + self.n_skipped
        of = "" if whole == self.plan.n_clips else f" of {self.plan.n_clips}"
        return (
            f"{len(self)}{of} clips of LRW's {self.plan.choice.split} split, fitted to landmarks "
            f"({self.n_skipped} skipped)"
        )

    def track(self, number: int) -> MotionTrack:
        """One clip's track."""
        place = int(np.searchsorted(self.first, number, "right")) - 1
        path = shard_path(self.folder, self.shards[place])
        return read_track(path, number - int(self.first[place]))

    def library(self, memory: Sequence[MotionTrack] = ()) -> TrackLibrary:
        """All tracks for a training, after some that are in memory."""
        return TrackLibrary(memory, self.lengths, self.track, self.mark)

    def pictures(self, rows: Sequence[int]) -> ClipPictures:
        """The frames of some shards, counted among those that hold clips.

        Raises:
            InputError: the clips were prepared without pictures.
        """
        return read_pictures([shard_path(self.folder, self.shards[row]) for row in rows])


def open_clips(folder: str | Path, size_px: int | None = None) -> PreparedClips:
    """Open what `tfhkit corpus --lrw` prepared, finished or not.

    Args:
        folder: the folder of the shards.
        size_px: side of the pictures that are needed; None needs none.
    Raises:
        InputError: not such a folder, no clips in it, another model, or not these pictures.
    """
    folder = Path(folder)
    plan = read_plan(folder)
    again = "prepare the clips again, into another folder"
    if plan.basis != basis_mark(load_model()):
        raise InputError(folder, f"its clips were fitted with another model ({plan.basis})", again)
    if size_px is not None and not plan.clip.pictures:
        raise InputError(folder, "its clips have no pictures", f"{again}, with --pictures 8")
    if size_px is not None and plan.clip.size_px != size_px:
        fault = f"has pictures of {plan.clip.size_px} px, this refiner takes {size_px}"
        raise InputError(folder, fault, f"{again}, with --picture-px {size_px}")
    lengths, shards, first, skipped = [], [], [0], 0
    for number in range(plan.n_shards):
        info = read_info(shard_path(folder, number))
        skipped += 0 if info is None else len(info.skipped)
        if info is not None and len(info):
            shards.append(number)
            lengths.append(np.diff(info.first))
            first.append(first[-1] + len(info))
    if not shards:
        raise InputError(folder, "has no clips yet", "run `tfhkit corpus --lrw DIR -o OUT` again")
    return PreparedClips(
        folder, plan, tuple(shards), np.concatenate(lengths), np.array(first), skipped
    )
