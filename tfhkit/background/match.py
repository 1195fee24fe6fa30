"""Matching key frames to source frames, and the pose that fits the background (Sec. 3.3.2)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from tfhkit.background.keyframes import PITCH, ROLL, YAW, key_frames
from tfhkit.errors import InputError, ParameterError, check_shape

MODES = ("paper", "published", "still")
SEARCHES = ("best", "greedy")


@dataclass(frozen=True)
class MatchSettings:
    """How backgrounds are found, and how far the face may be turned against them.

    Args:
        blend: share of the background's angles in the rendered ones, 0 to 1.
        blend_trans: the same share for the translation.
        largest_turn_rad: largest angle between the face and its background.
        speed: source seconds per output second, at most.
        axes: angles that give key frames; see `key_frames`.
        translation_weight: radians that 1 dm counts in the distance of two poses (published: 0).
        search: "best" minimises the summed distance over all keys (dynamic programming);
            "greedy" decides key by key, as published.
        still_rad: cost, in radians of pose distance, of a background that stands still from one key
            to the next in the "best" search; one that plays at full speed costs nothing.
            A frozen body behind a moving mouth is noticed at once; a pose 3 degrees off is not.
    Raises:
        ParameterError: a value is out of range.
    """

    blend: float = 0.8
    blend_trans: float = 1.0
    largest_turn_rad: float = 0.035
    speed: float = 1.0
    axes: Sequence[int] = (PITCH, YAW, ROLL)
    translation_weight: float = 0.0
    search: str = "best"
    still_rad: float = 0.05

    def __post_init__(self) -> None:
        if self.search not in SEARCHES:
            fault = f"must be 'best' or 'greedy', got {self.search!r}"
            raise ParameterError("search", fault, "choose one")
        for name in ("blend", "blend_trans"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ParameterError(name, f"must be between 0 and 1, got {value}", "e.g. 0.8")
        if not self.speed > 0:
            raise ParameterError("speed", f"must be positive, got {self.speed}", "e.g. 1.0")


MATCH = MatchSettings()


@dataclass(frozen=True)
class BackgroundMatch:
    """Which source frame lies behind each output frame, and the pose to render there.

    Args:
        key_frames: output frames that are keys.
        key_sources: source frame of each key.
        source_index: source frame of every output frame.
        pose: the pose to render.
        sound_weight: w in angles = w predicted + (1 - w) background's.
    """

    key_frames: Int[np.ndarray, "K"]
    key_sources: Int[np.ndarray, "K"]
    source_index: Int[np.ndarray, "T"]
    pose: Float[np.ndarray, "T 6"]
    sound_weight: Float[np.ndarray, "T 3"]

    def __len__(self) -> int:
        return len(self.source_index)


def match_background(
    pred_pose: Float[np.ndarray, "..."],
    source_pose: Float[np.ndarray, "..."],
    times: Float[np.ndarray, "..."] | None = None,
    source_times: Float[np.ndarray, "..."] | None = None,
    mode: str = "paper",
    settings: MatchSettings = MATCH,
) -> BackgroundMatch:
    """Find a background for every output frame and adjust the pose to it.

    Each key frame of the predicted pose gets the source frame of the nearest pose that can be
    reached from the key before. Between keys the place in the source is interpolated linearly in
    time and rounded to a frame. So the background plays forwards and backwards, never faster
    than `speed` times its own pace. With p the predicted pose and q the pose of the frame behind
    it, the rendered pose is

        mode "paper":      angles = q + clip((1 - blend) (p - q), +-largest_turn_rad)
                           trans  = q + (1 - blend_trans) (p - q)
        mode "published":  q
        mode "still":      q of one frame for all, the nearest to the source's median pose

    The face must sit on hair and neck that are turned like q: hence the strong pull. 0.1 dm of
    translation is about 10 px of a 224 px crop, so by default none of it is left.

    Args:
        pred_pose: (T, 6), predicted pitch, yaw, roll (radians), translation (dm).
        source_pose: (N, 6), of the frames that may serve as background.
        times, source_times: (T,) and (N,), seconds of the frames; None: 25 fps.
        mode: "paper" adjusts the pose towards the background's, "published" replaces it, "still"
            moves neither head nor background (the ablation without pose: Fig. 5, second row).
        settings: see `MatchSettings`.
    Raises:
        InputError: no source frames, or poses with NaN. ParameterError: an unknown mode.
        ShapeError: a shape differs.
    Source: paper Sec. 3.3.2.
    """
    if mode not in MODES:
        raise ParameterError("mode", f"must be one of {MODES}, got {mode!r}", "choose one")
    pred, source = np.asarray(pred_pose, np.float64), np.asarray(source_pose, np.float64)
    check_shape("pred_pose", pred, ("T", 6))
    check_shape("source_pose", source, ("N", 6))
    _refuse_unusable(pred, source)
    times = _times("times", times, len(pred))
    source_times = _times("source_times", source_times, len(source))
    keys = key_frames(pred[:, :3], times, settings.axes)
    if mode == "still":
        middle = _middle_frame(source, settings.translation_weight)
        key_sources = np.full(len(keys), middle)
    else:
        key_sources = _search(pred[keys], source, times[keys], source_times, settings)
    place_s = np.interp(times, times[keys], source_times[key_sources])
    index = nearest_frames(place_s, source_times)
    pose, weight = source[index], np.zeros((len(pred), 3))
    if mode == "paper":
        pose, weight = _adjusted(pred, pose, settings)
    return BackgroundMatch(keys, key_sources, index, pose.astype(np.float32), weight)


def _search(keys, source, key_times, source_times, settings):
    """Source frame of each key pose (K, 6), by the search of the settings: (K,)."""
    cost = pose_distance(keys, source, settings.translation_weight)
    reach_s = settings.speed * np.diff(key_times)
    if settings.search == "best":
        return best_path(cost, source_times, reach_s, settings.still_rad)
    return greedy_path(cost, source_times, reach_s)


def _adjusted(pred, behind, settings):
    """Poses (T, 6) between the predicted ones and those of the background, and w (T, 3)."""
    pose, difference = behind.copy(), pred - behind
    far = np.maximum(np.abs(difference[:, :3]), 1e-12)
    weight = np.minimum(1 - settings.blend, settings.largest_turn_rad / far)
    pose[:, :3] += weight * difference[:, :3]
    pose[:, 3:] += (1 - settings.blend_trans) * difference[:, 3:]
    return pose, weight


def pose_distance(
    pose: Float[np.ndarray, "K 6"],
    source_pose: Float[np.ndarray, "N 6"],
    translation_weight: float = 0.0,
) -> Float[np.ndarray, "K N"]:
    """L1 distance of the angles in radians, plus the weighted distance of the translations."""
    weights = np.array([1, 1, 1] + [translation_weight] * 3)
    return (np.abs(pose[:, None] - source_pose[None]) * weights).sum(-1)


def _middle_frame(source, translation_weight):
    """The frame nearest to the median pose."""
    return int(pose_distance(np.median(source, 0)[None], source, translation_weight).argmin())


def nearest_frames(
    place_s: Float[np.ndarray, "T"], source_times: Float[np.ndarray, "N"]
) -> Int[np.ndarray, "T"]:
    """Index of the source frame that is nearest in time to each place."""
    right = np.clip(np.searchsorted(source_times, place_s), 1, max(1, len(source_times) - 1))
    if len(source_times) == 1:
        return np.zeros(len(place_s), np.int64)
    nearer_left = place_s - source_times[right - 1] <= source_times[right] - place_s
    return (right - nearer_left).astype(np.int64)


def greedy_path(
    cost: Float[np.ndarray, "K N"],
    source_times: Float[np.ndarray, "N"],
    reach_s: Float[np.ndarray, "K-1"],
) -> Int[np.ndarray, "K"]:
    """The nearest pose for the first key, then for each key the nearest within reach.

    Args:
        cost: distance of each key's pose to each source frame's.
        source_times: seconds.
        reach_s: source seconds that may pass from each key to the next.
    """
    path = [int(cost[0].argmin())]
    for k, reach in enumerate(reach_s, 1):
        far = np.abs(source_times - source_times[path[-1]]) > reach + 1e-9
        path.append(int(np.where(far, np.inf, cost[k]).argmin()))
    return np.array(path, np.int64)


def best_path(
    cost: Float[np.ndarray, "K N"],
    source_times: Float[np.ndarray, "N"],
    reach_s: Float[np.ndarray, "K-1"],
    still_cost: float = 0.0,
) -> Int[np.ndarray, "K"]:
    """The path of least summed cost among those within reach; other arguments as in `greedy_path`.

    Args:
        still_cost: added for a step that stays in its place. It falls linearly to 0 for a step that
            uses all of its reach.
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


def _refuse_unusable(pred, source):
    if not len(pred) or not len(source):
        raise InputError("poses", "there are no frames to match", "give at least one of each")
    if not (np.isfinite(pred).all() and np.isfinite(source).all()):
        raise InputError("poses", "contain NaN", "fit or predict them again")


def _times(name, times, n_frames):
    """The times in float64, refused where they do not increase; None: 25 fps."""
    if times is None:
        return np.arange(n_frames) / 25.0
    times = np.asarray(times, np.float64)
    check_shape(name, times, (n_frames,))
    if n_frames > 1 and not (np.diff(times) > 0).all():
        raise InputError(name, "do not increase", "give each frame its own time, in order")
    return times
