"""Tracks as normalised tensors, split into a training and a validation part."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfhkit.errors import InputError
from tfhkit.maths import runs
from tfhkit.motion.data import (
    MotionTrack,
    Normalisation,
    measure_normalisation,
    normalise_motion,
    normalise_sound,
)


@dataclass(frozen=True)
class Prepared:
    """One track in the network's units.

    Args:
        windows, exp, pose, valid: as in `MotionTrack`.
        learn: frames that training may see. The others are the validation part.
    """

    windows: Float[Tensor, "T 28 12"]
    exp: Float[Tensor, "T 64"]
    pose: Float[Tensor, "T 6"]
    valid: Bool[Tensor, "T"]
    learn: Bool[np.ndarray, "T"]

    @property
    def check(self) -> slice:
        """Frames of the validation part; empty where all are for training."""
        held = np.flatnonzero(~self.learn)
        return slice(held[0], held[-1] + 1) if len(held) else slice(0, 0)


def learn_mask(n_frames: int, share: float, end: float = 1.0) -> Bool[np.ndarray, "T"]:
    """Frames for training: all but one block, the validation part.

    Args:
        n_frames: length of the track, T.
        share: length of the validation part, as a share of the track.
        end: where it ends; 1 is the track's end.
    """
    # rounded twice, so that the blocks of a cross-validation adjoin one another
    first, stop = (round(round(place * n_frames, 6)) for place in (end - share, end))
    mask = np.ones(n_frames, bool)
    mask[max(0, first) : stop] = False
    return mask


def longest_run(mask: Bool[np.ndarray, "T"]) -> int:
    """Length of the longest stretch of a mask without a gap."""
    return int(np.diff(runs(mask)).max(initial=0))


def known_part(track: MotionTrack, share: float, end: float = 1.0) -> list[MotionTrack]:
    """The training frames of a track, in one or two pieces; see `learn_mask`."""
    return [track[a:b] for a, b in runs(learn_mask(len(track), share, end))]


def prepare(
    tracks: Sequence[MotionTrack],
    sound_norm: Normalisation,
    scope: str,
    share: float,
    end: float = 1.0,
    device: str | torch.device = "cpu",
    norm: Normalisation | None = None,
) -> list[Prepared]:
    """Normalise every track by its speaker's own statistics, those of the training frames.

    Args:
        tracks: one or several speakers'.
        sound_norm: its MFCC statistics are used where scope is "weights".
        scope: `MotionConfig.mfcc_scope`.
        share, end: the validation part of every track, see `learn_mask`.
        device: of the tensors.
        norm: statistics for all tracks, in place of each speaker's own.
    """
    known = {}
    for name in {track.speaker for track in tracks}:
        own = [part for t in tracks if t.speaker == name for part in known_part(t, share, end)]
        known[name] = (norm or measure_normalisation(own)).with_sound_of(sound_norm)
    prepared = []
    for track in tracks:
        units = known[track.speaker]
        sound = normalise_sound(track.windows, units, scope)
        arrays = sound, *normalise_motion(track, units), track.valid
        windows, exp, pose, valid = (torch.as_tensor(a).to(device) for a in arrays)
        prepared.append(Prepared(windows, exp, pose, valid, learn_mask(len(track), share, end)))
    return prepared


def sequence_starts(
    data: Sequence[Prepared], length: int, more: Int[np.ndarray, "m"] | None = None
) -> Int[np.ndarray, "n 2"]:
    """Track and first frame of every training sequence of `length` frames.

    Args:
        data: tracks.
        length: frames of a sequence.
        more: lengths of further tracks, whose numbers follow; training may see all of them.
    Raises:
        InputError: no training part is as long as a sequence.
    """
    starts: list[tuple[int, int]] = []
    for i, d in enumerate(data):
        allowed = np.convolve(d.learn, np.ones(length), "valid") > length - 0.5
        starts += [(i, int(t)) for t in np.flatnonzero(allowed)] if len(d.learn) >= length else []
    others = np.zeros(0, int) if more is None else np.maximum(more - length + 1, 0)
    if not starts and not others.any():
        longest = max([longest_run(d.learn) for d in data] + ([] if more is None else [*more]))
        raise InputError(
            "motion tracks",
            f"the longest training part has {longest} frames at 25 Hz, a sequence needs {length}",
            "give more footage",
        )
    if more is None:
        return np.array(starts)
    track = np.repeat(len(data) + np.arange(len(others)), others)
    first = np.arange(len(track)) - np.repeat(np.cumsum(others) - others, others)
    return np.concatenate([np.array(starts, int).reshape(-1, 2), np.stack([track, first], 1)])


def gather(
    tracks: Sequence[Prepared], starts: Int[np.ndarray, "B"], length: int
) -> tuple[
    Float[Tensor, "B T 28 12"], Float[Tensor, "B T 64"], Float[Tensor, "B T 6"], Bool[Tensor, "B T"]
]:
    """Windows, expression, pose and validity of one sequence of each track."""
    pieces = [(track, slice(t, t + length)) for track, t in zip(tracks, starts)]
    return (
        torch.stack([d.windows[part] for d, part in pieces]),
        torch.stack([d.exp[part] for d, part in pieces]),
        torch.stack([d.pose[part] for d, part in pieces]),
        torch.stack([d.valid[part] for d, part in pieces]),
    )
