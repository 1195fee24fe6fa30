"""What a training of the motion network reads: tracks in memory, and others on the disk."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from tfhkit.motion.batches import Prepared, known_part, prepare, sequence_starts
from tfhkit.motion.data import (
    MotionTrack,
    Normalisation,
    measure_normalisation,
    pool_normalisations,
)

SAMPLE = 2000  # tracks that stand for all where there are more


@dataclass(frozen=True, eq=False)
class TrackLibrary:
    """Tracks that are too many for the memory: a training reads those that it draws.

    None of the tracks on the disk has a validation part, and each counts as a speaker.

    Args:
        memory: tracks in memory, which come first.
        lengths: frames of each track on the disk.
        read: gives the track of a number on the disk.
        mark: names what is on the disk, for checkpoints.
    """

    memory: Sequence[MotionTrack]
    lengths: Int[np.ndarray, "n"]
    read: Callable[[int], MotionTrack]
    mark: str


@dataclass(frozen=True, eq=False)
class TrainingSet:
    """What a training reads.

    Args:
        data: the tracks in memory, in the network's units.
        n_speakers: whose tracks they are, with those on the disk.
        starts: track and first frame of every sequence that may be drawn.
        norm: statistics of all tracks, saved with the weights.
        exp_map: see `motion_loss`.
        lengths: frames of each track on the disk, whose numbers follow those in memory.
        read: gives one of these, in the network's units.
        mark: names them.
    """

    data: list[Prepared]
    n_speakers: int
    starts: Int[np.ndarray, "n 2"]
    norm: Normalisation
    exp_map: Float[Tensor, "64 64"] | None
    lengths: Int[np.ndarray, "m"] = field(default_factory=lambda: np.zeros(0, int))
    read: Callable[[int], Prepared] | None = None
    mark: str = ""

    @property
    def n_known(self) -> int:
        """Frames that training may see."""
        return int(sum(d.learn.sum() for d in self.data) + self.lengths.sum())

    @property
    def checks(self) -> list[Prepared]:
        """Tracks that have a validation part."""
        return [d for d in self.data if not d.learn.all()]

    def track(self, number: int) -> Prepared:
        """A track, from memory or from the disk."""
        if self.read is None or number < len(self.data):
            return self.data[number]
        return self.read(number - len(self.data))

    def sample(self) -> list[Prepared]:
        """All tracks, or so many of them, evenly spaced, that they fit into the memory."""
        n = len(self.data) + len(self.lengths)
        return [self.track(k) for k in _spread(n, SAMPLE if self.read else n)]


def known_tracks(
    tracks: Sequence[MotionTrack] | TrackLibrary,
    part: tuple[float, float],
    length: int,
    scope: str,
    sound_of: Normalisation | None = None,
    norm: Normalisation | None = None,
    device: str | torch.device = "cpu",
) -> TrainingSet:
    """Tracks in the network's units, without `exp_map`.

    Args:
        tracks: what to learn from.
        part: share and end of the validation part, see `learn_mask`.
        length: frames of a sequence.
        scope: `MotionConfig.mfcc_scope`.
        sound_of: statistics of the sound that are kept; None measures them.
        norm: statistics for all tracks; None measures them.
        device: of the tensors.
    Raises:
        InputError: no training part is as long as a sequence.
    """
    library = tracks if isinstance(tracks, TrackLibrary) else None
    memory = tracks.memory if isinstance(tracks, TrackLibrary) else tracks
    units = norm or _measured(memory, library, part)
    if sound_of is not None:
        units = units.with_sound_of(sound_of)
    data = prepare(memory, units, scope, *part, device, norm)
    speakers = len({track.speaker for track in memory})
    if library is None:
        return TrainingSet(data, speakers, sequence_starts(data, length), units, None)

    def read(number: int) -> Prepared:
        return prepare([library.read(number)], units, scope, 0.0, device=device, norm=norm)[0]

    starts = sequence_starts(data, length, library.lengths)
    n_speakers = speakers + len(library.lengths)
    return TrainingSet(
        data, n_speakers, starts, units, None, library.lengths, read, library.mark
    )  # fmt: skip


def _measured(
    memory: Sequence[MotionTrack], library: TrackLibrary | None, part: tuple[float, float]
) -> Normalisation:
    """Statistics of all tracks; a sample stands for those on the disk."""
    known = [k for track in memory for k in known_part(track, *part)]
    if library is None:
        return measure_normalisation(known)
    n = len(library.lengths)
    sample = measure_normalisation([library.read(k) for k in _spread(n, SAMPLE)])
    if not known:
        return sample
    frames = sum(map(len, known)), int(library.lengths.sum())
    speakers = len({track.speaker for track in memory}), n
    return pool_normalisations((measure_normalisation(known), sample), speakers, frames)


def _spread(n: int, most: int) -> list[int]:
    """At most so many of n numbers, evenly spaced."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int)).tolist()
