"""Shards of invented clips, which take no time to make."""

import numpy as np

from tfhkit.corpus.clip import ClipPictures, ClipSettings, PreparedClip
from tfhkit.corpus.layout import LrwChoice
from tfhkit.corpus.plan import make_plan, shard_names, shard_path, shard_starts
from tfhkit.corpus.shards import write_shard
from tfhkit.motion import MotionTrack

PX = 32


def toy_track(number, n_frames=29):
    """Noise that belongs to a clip's number."""
    rng = np.random.default_rng(number)
    sizes = (n_frames, 28, 12), (n_frames, 64), (n_frames, 6)
    arrays = [rng.normal(size=size).astype(np.float32) for size in sizes]
    times, identity = np.arange(n_frames) / 25, rng.normal(size=80).astype(np.float32)
    return MotionTrack(*arrays, np.ones(n_frames, bool), times, f"W_{number:05d}", identity)


def toy_pictures(number, n=8, size_px=PX):
    """Noise that belongs to a clip's number."""
    rng = np.random.default_rng(number)
    renders, reals = rng.integers(0, 256, (2, n, size_px, size_px, 3), dtype=np.uint8)
    changed = rng.integers(0, 2, (n, size_px, size_px), dtype=np.uint8)
    identity = rng.normal(size=(n, 128)).astype(np.float32)
    identity /= np.linalg.norm(identity, axis=1, keepdims=True)
    points = rng.uniform(4, size_px - 4, (n, 68, 2)).astype(np.float32)
    return ClipPictures(renders, reals, changed, identity, points, np.arange(n) + 4)


def toy_layout(folder, n_clips, word="MOVE"):
    """A folder in LRW's layout, of empty files."""
    home = folder / "lipread_mp4" / word / "train"
    home.mkdir(parents=True)
    for number in range(n_clips):
        (home / f"{word}_{number + 1:05d}.mp4").touch()
    return folder


def toy_shards(folder, n_clips, shard, pictures=0, size_px=PX):
    """A finished folder of shards."""
    settings = ClipSettings("mesh", pictures, size_px)
    out = folder / "out"
    _, plan = make_plan(toy_layout(folder, n_clips), out, LrwChoice(), settings, shard)
    for number, start in enumerate(shard_starts(out, plan)):
        clips = {}
        for k, name in enumerate(shard_names(out, plan, start), number * shard):
            frames = toy_pictures(k, pictures, size_px) if pictures else None
            clips[name] = PreparedClip(toy_track(k), frames)
        write_shard(shard_path(out, number), clips, {}, 1.0)
    return out
