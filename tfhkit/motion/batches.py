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
        learn: (T,) bool array, frames that training may see. The others validate.
    """

    windows: torch.Tensor
    exp: torch.Tensor
    pose: torch.Tensor
    valid: torch.Tensor
    learn: np.ndarray

    @property
    def check(self):
        """Slice of the frames that validate; empty where all are for training."""
        held = np.flatnonzero(~self.learn)
        return slice(held[0], held[-1] + 1) if len(held) else slice(0, 0)


def learn_mask(n_frames, share, end=1.0):
    """Frames for training: all but a block of `share` of the track that ends at `end` of it.

    Returns:
        (n_frames,) bool.
    """
    stop = round(end * n_frames)
    mask = np.ones(n_frames, bool)
    mask[max(0, stop - round(share * n_frames)) : stop] = False
    return mask


def known_part(track, share, end=1.0):
    """The training frames of a track: one or two MotionTracks."""
    mask = learn_mask(len(track), share, end)
    edges = np.flatnonzero(np.diff(np.r_[False, mask, False]))
    return [track[a:b] for a, b in edges.reshape(-1, 2)]


def prepare(tracks, sound_norm, scope, share, end=1.0, device="cpu", norm=None):
    """Normalise every track by its speaker's own statistics.

    Only training frames enter the statistics, but where all frames validate.

    Args:
        tracks: MotionTracks.
        sound_norm: Normalisation whose MFCC statistics are used where scope is "weights".
        scope: `MotionConfig.mfcc_scope`.
        share, end: of every track that validates, see `learn_mask`; share 1: all of it does.
        norm: Normalisation of all tracks, in place of each speaker's own.
    Returns:
        list of Prepared.
    """
    known = {}
    for name in {track.speaker for track in tracks}:
        own = [t for t in tracks if t.speaker == name]
        own = own if share >= 1 else [part for t in own for part in known_part(t, share, end)]
        own = norm or measure_normalisation(own)
        known[name] = replace(own, mfcc_mean=sound_norm.mfcc_mean, mfcc_std=sound_norm.mfcc_std)
    prepared = []
    for track in tracks:
        own = known[track.speaker]
        exp, pose = normalise_motion(track, own)
        windows = normalise_sound(track.windows, own, scope)
        arrays = (torch.as_tensor(a).to(device) for a in (windows, exp, pose, track.valid))
        prepared.append(Prepared(*arrays, learn_mask(len(track), share, end)))
    return prepared


def sequence_starts(data, length):
    """Every (track, first frame) of a training sequence, (n, 2) int.

    Raises:
        InputError: no training part is as long as a sequence.
    """
    starts = []
    for i, d in enumerate(data):
        allowed = np.convolve(d.learn, np.ones(length), "valid") > length - 0.5
        starts += [(i, t) for t in np.flatnonzero(allowed)] if len(d.learn) >= length else []
    if not starts:
        longest = max((int(d.learn.sum()) for d in data), default=0)
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
