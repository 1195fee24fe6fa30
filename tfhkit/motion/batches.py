"""Tracks as normalised tensors, split into a training and a validation part."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from tfhkit.errors import InputError
from tfhkit.motion.data import measure_normalisation, normalise_motion, normalise_sound


@dataclass(frozen=True)
class Prepared:
    """One track in the network's units.

    Args:
        windows: (T, 28, 12). exp: (T, 64). pose: (T, 6). valid: (T,) bool. Tensors.
        stop: frames [0, stop) are for training.
        check: slice of the frames that validate.
    """

    windows: torch.Tensor
    exp: torch.Tensor
    pose: torch.Tensor
    valid: torch.Tensor
    stop: int
    check: slice


def split_frame(track, share):
    """First frame of the validation part: the last `share` of the track."""
    return len(track) - round(share * len(track))


def prepare(tracks, sound_norm, scope, share, device="cpu"):
    """Normalise every track by its speaker's own statistics.

    Only the frames before the validation part enter the statistics.

    Args:
        tracks: MotionTracks.
        sound_norm: Normalisation whose MFCC statistics are used where scope is "weights".
        scope: `MotionConfig.mfcc_scope`.
        share: last part of every track that validates; 1 keeps all frames for validation.
    Returns:
        list of Prepared.
    """
    known = {}
    for name in {track.speaker for track in tracks}:
        own = [t if share >= 1 else t[: split_frame(t, share)] for t in tracks if t.speaker == name]
        own = measure_normalisation(own)
        known[name] = replace(own, mfcc_mean=sound_norm.mfcc_mean, mfcc_std=sound_norm.mfcc_std)
    prepared = []
    for track in tracks:
        norm = known[track.speaker]
        exp, pose = normalise_motion(track, norm)
        windows = normalise_sound(track.windows, norm, scope)
        stop = split_frame(track, share)
        arrays = (torch.as_tensor(a).to(device) for a in (windows, exp, pose, track.valid))
        prepared.append(Prepared(*arrays, stop, slice(stop, None)))
    return prepared


def sequence_starts(data, length):
    """Every (track, first frame) of a training sequence, (n, 2) int.

    Raises:
        InputError: no training part is as long as a sequence.
    """
    starts = [(i, t) for i, d in enumerate(data) for t in range(d.stop - length + 1)]
    if not starts:
        longest = max((d.stop for d in data), default=0)
        raise InputError(
            "motion tracks",
            f"the longest training part has {longest} frames at 25 Hz, a sequence needs {length}",
            "give more footage or a smaller sequence_frames",
        )
    return np.array(starts)


def gather(data, rows, length):
    """Stack sequences: windows (B, T, 28, 12), exp (B, T, 64), pose (B, T, 6), valid (B, T)."""
    parts = ("windows", "exp", "pose", "valid")
    return [torch.stack([getattr(data[i], p)[t : t + length] for i, t in rows]) for p in parts]
