"""Matching key frames to source frames, and the pose that fits the background (Sec. 3.3.2)."""

from dataclasses import dataclass

import numpy as np

from tfhkit.background.keyframes import PITCH, ROLL, YAW, key_frames
from tfhkit.errors import InputError, ParameterError, check_shape

MODES = ("paper", "published", "still")


@dataclass(frozen=True)
class BackgroundMatch:
    """Which source frame lies behind each output frame, and the pose to render there.

    Args:
        key_frames: (K,) output frames. key_sources: (K,) their source frames.
        source_index: (T,) source frame of every output frame.
        pose: (T, 6) the pose to render.
        sound_weight: (T, 3) w in angles = w predicted + (1 - w) background's.
    """

    key_frames: np.ndarray
    key_sources: np.ndarray
    source_index: np.ndarray
    pose: np.ndarray
    sound_weight: np.ndarray

    def __len__(self):
        return len(self.source_index)


def match_background(
    pred_pose,
    source_pose,
    times=None,
    source_times=None,
    mode="paper",
    blend=0.8,
    blend_trans=1.0,
    largest_turn_rad=0.035,
    speed=1.0,
    axes=(PITCH, YAW, ROLL),
    translation_weight=0.0,
    search="best",
    still_rad=0.05,
):
    """Find a background for every output frame and adjust the pose to it.

    Key frames of the predicted pose get the source frame of the nearest pose that is within
    reach of the key before; between keys the place in the source is interpolated linearly in
    time and rounded to a frame. So the background plays forwards and backwards, never faster
    than `speed` times its own pace.

    With p the predicted pose, q the pose of the frame behind it, the rendered pose is

        mode "paper":      angles = q + clip((1 - blend) (p - q), +-largest_turn_rad)
                           trans  = q + (1 - blend_trans) (p - q)
        mode "published":  q
        mode "still":      q of one frame for all, the nearest to the source's median pose

    The face must sit on hair and neck that are turned like q: hence the strong pull. 0.1 dm of
    translation is about 10 px of a 224 px crop, so by default none of it is left.

    Args:
        pred_pose: (T, 6) predicted pitch, yaw, roll (radians), translation (dm).
        source_pose: (N, 6) of the frames that may serve as background.
        times: (T,) seconds of the output frames; None: 25 fps.
        source_times: (N,) seconds of the source frames; None: 25 fps.
        mode: "paper" adjusts the pose towards the background's, "published" replaces it, "still"
            moves neither head nor background (the ablation without pose: Fig. 5, second row).
        blend: share of the background's angles, 0 to 1. blend_trans: of its translation.
        largest_turn_rad: how far the face may be turned against its background.
        speed: source seconds per output second, at most.
        axes: angles that give key frames; see `key_frames`.
        translation_weight: radians that 1 dm counts in the distance of two poses (published: 0).
        search: "best" minimises the summed distance over all keys (dynamic programming);
            "greedy" decides key by key, as published.
        still_rad: what a background that stands still from one key to the next costs in the
            "best" search, in radians of pose distance; one that plays at full pace costs nothing.
            A frozen body behind a moving mouth is seen at once; a pose 3 degrees off is not.
    Returns:
        BackgroundMatch.
    Raises:
        InputError: no source frames, or poses with NaN. ParameterError: a value out of range.
        ShapeError: a shape differs.
    Source: paper Sec. 3.3.2.
    """
    pred, source = np.asarray(pred_pose, np.float64), np.asarray(source_pose, np.float64)
    check_shape("pred_pose", pred, ("T", 6))
    check_shape("source_pose", source, ("N", 6))
    _check_values(pred, source, mode, blend, blend_trans, speed, search)
    times = _times("times", times, len(pred))
    source_times = _times("source_times", source_times, len(source))
    keys = key_frames(pred[:, :3], times, axes)
    cost = pose_distance(pred[keys], source, translation_weight)
    reach_s = speed * np.diff(times[keys])
    if mode == "still":
        key_sources = np.full(len(keys), _middle_frame(source, translation_weight))
    elif search == "best":
        key_sources = best_path(cost, source_times, reach_s, still_rad)
    else:
        key_sources = greedy_path(cost, source_times, reach_s)
    place_s = np.interp(times, times[keys], source_times[key_sources])
    index = nearest_frames(place_s, source_times)
    pose = source[index].copy()
    weight = np.zeros((len(pred), 3))
    if mode == "paper":
        difference = pred - pose
        far = np.maximum(np.abs(difference[:, :3]), 1e-12)
        weight = np.minimum(1 - blend, largest_turn_rad / far)
        pose[:, :3] += weight * difference[:, :3]
        pose[:, 3:] += (1 - blend_trans) * difference[:, 3:]
    return BackgroundMatch(keys, key_sources, index, pose.astype(np.float32), weight)


def pose_distance(pose, source_pose, translation_weight=0.0):
    """L1 distance of angles (plus weighted translation), (K, 6) x (N, 6) -> (K, N) radians."""
    weights = np.array([1, 1, 1] + [translation_weight] * 3)
    return (np.abs(pose[:, None] - source_pose[None]) * weights).sum(-1)


def _middle_frame(source, translation_weight):
    """The frame nearest to the median pose."""
    return int(pose_distance(np.median(source, 0)[None], source, translation_weight).argmin())


def nearest_frames(place_s, source_times):
    """Index of the source frame nearest in time, (T,) int64."""
    right = np.clip(np.searchsorted(source_times, place_s), 1, max(1, len(source_times) - 1))
    if len(source_times) == 1:
        return np.zeros(len(place_s), np.int64)
    nearer_left = place_s - source_times[right - 1] <= source_times[right] - place_s
    return (right - nearer_left).astype(np.int64)


def greedy_path(cost, source_times, reach_s):
    """The nearest pose for the first key, then each time the nearest within reach, (K,) int64.

    Args:
        cost: (K, N). source_times: (N,). reach_s: (K - 1,) source seconds that may pass.
    """
    path = [int(cost[0].argmin())]
    for k, reach in enumerate(reach_s, 1):
        far = np.abs(source_times - source_times[path[-1]]) > reach + 1e-9
        path.append(int(np.where(far, np.inf, cost[k]).argmin()))
    return np.array(path, np.int64)


def best_path(cost, source_times, reach_s, still_cost=0.0):
    """The path of least summed cost among those within reach; other arguments as `greedy_path`.

    Args:
        still_cost: added for a step that stays in its place, less the nearer it comes to the reach.
    """
    total, came_from = cost[0].copy(), []
    gap = np.abs(source_times[:, None] - source_times[None])
    for k, reach in enumerate(reach_s, 1):
        step_cost = still_cost * (1 - gap / reach)
        options = np.where(gap > reach + 1e-9, np.inf, total[None] + step_cost)
        came_from.append(options.argmin(1))
        total = options.min(1) + cost[k]
    path = [int(total.argmin())]
    for step in reversed(came_from):
        path.append(int(step[path[-1]]))
    return np.array(path[::-1], np.int64)


def _times(name, times, n_frames):
    if times is None:
        return np.arange(n_frames) / 25.0
    times = check_shape(name, np.asarray(times, np.float64), (n_frames,))
    if n_frames > 1 and not (np.diff(times) > 0).all():
        raise InputError(name, "do not increase", "give each frame its own time, in order")
    return times


def _check_values(pred, source, mode, blend, blend_trans, speed, search):
    if not len(pred) or not len(source):
        raise InputError("poses", "there are no frames to match", "give at least one of each")
    if not (np.isfinite(pred).all() and np.isfinite(source).all()):
        raise InputError("poses", "contain NaN", "fit or predict them again")
    if mode not in MODES:
        raise ParameterError("mode", f"must be one of {MODES}, got {mode!r}", "choose one")
    if search not in ("best", "greedy"):
        raise ParameterError("search", f"must be 'best' or 'greedy', got {search!r}", "choose one")
    for name, value in (("blend", blend), ("blend_trans", blend_trans)):
        if not 0 <= value <= 1:
            raise ParameterError(name, f"must be between 0 and 1, got {value}", "e.g. 0.8")
    if not speed > 0:
        raise ParameterError("speed", f"must be positive, got {speed}", "e.g. 1.0")
