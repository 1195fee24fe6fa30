"""Blinks, lids and gaze: what the training takes out of a person, learned and played again."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.ndimage import gaussian_filter1d, median_filter

from tfhkit.face.model import MorphableModel
from tfhkit.fit.eyes import LANDMARKS, OVERLAP, SIDES, eye_actions
from tfhkit.maths import smooth
from tfhkit.motion.data import STEP_S

# In conversation people blink 26 times a minute, at rest 17 times (Bentivoglio et al. 1997).
USUAL_RATE_HZ, RATE_WEIGHT_S = 22 / 60, 4.0
# A lid falls within 0.1 s and rises within about 0.2 s (VanderWerf et al. 2003).
FALL_S, CLOSED_S, RISE_S = 0.09, 0.04, 0.17
DURATION_WEIGHT = 3  # blinks that the usual duration counts as
LEAST_APART_S = 0.35  # from one blink to the next
REGULAR = 3.0  # shape of the gamma distribution of the intervals: 1 would be without memory
# Blinks are more frequent where a stretch of speech ends (Nakano & Kitazawa 2010).
AFTER_SPEECH, AFTER_S = 3.0, 0.5
LEAST_RISE, LONGEST_S = 0.3, 0.5  # what counts as a blink: lids close by so much, so briefly
AROUND_S = 1.0  # the lids' usual opening is taken from so much around
BESIDE_S = 0.15  # lids move so long before and after a blink's deeper half


@dataclass(frozen=True, eq=False)
class Eyes:
    """A person's lids and gaze.

    Args:
        lids: expression of the right and the left lid's action.
        ways: expressions of both eyes that look to the image's right and left, down and up.
        calm: `exp @ calm` has no action of the eyes.
        closed: strengths at which each eye is closed.
        rate_hz: blinks per second.
        stretch: duration of a blink, as a share of the usual one.
        depth: how far a blink closes the eyes.
    """

    lids: Float[np.ndarray, "2 64"]
    ways: Float[np.ndarray, "4 64"]
    calm: Float[np.ndarray, "64 64"]
    closed: Float[np.ndarray, "2"]
    rate_hz: float
    stretch: float
    depth: float


@dataclass(frozen=True)
class Blink:
    """When a blink is deepest, how long it is more than half closed (s), how far it closes."""

    at_s: float
    half_s: float
    closed: float


@dataclass(frozen=True, eq=False)
class EyeTracks:
    """Strengths of the eyes' actions, frame by frame: lids right, left; gaze right, down."""

    lids: Float[np.ndarray, "T 2"]
    gaze: Float[np.ndarray, "T 2"]


def learn_eyes(
    model: MorphableModel,
    id: Float[np.ndarray, "80"],
    exp: Float[np.ndarray, "T 64"],
    times: Float[np.ndarray, "T"],
    seen: Bool[np.ndarray, "T"],
) -> tuple[Eyes, EyeTracks] | None:
    """A person's blinks as numbers, and the tracks of lids and gaze without them.

    Where there are few blinks to count, the published averages count as well.

    Args:
        model, id: the face. exp: as fitted, with the eyes' actions. times: s. seen: not bridged.
    Returns:
        Eyes and EyeTracks; None for a model without facial actions.
    """
    actions = eye_actions(model)
    if actions is None:
        return None
    coefficients, dual = actions.coefficients.numpy(), actions.dual.numpy()
    row = {name: coefficients[k] for k, name in enumerate(actions.names)}
    lids, ways = np.stack([row[f"eyeBlink{side}"] for side in SIDES]), _ways(row)
    calm, strengths = np.eye(64) - dual @ coefficients, np.asarray(exp, np.float64) @ dual
    closed = _closing_strength(model, id, np.median(exp @ calm, 0), lids)
    tracks = _tracks(dict(zip(actions.names, strengths.T)))
    blinks = find_blinks((tracks.lids / closed).mean(1), times)
    known = seen & ~_near(blinks, times)
    known = known if known.sum() > 1 else seen
    lids_and_gaze = (
        np.stack([np.interp(times, times[known], x[known]) for x in part.T], 1)
        for part in (tracks.lids, tracks.gaze)
    )
    seen_s = float(seen.mean() * (times[-1] - times[0]))
    rate_hz = (len(blinks) + USUAL_RATE_HZ * RATE_WEIGHT_S) / (seen_s + RATE_WEIGHT_S)
    usual_s = FALL_S / 2 + CLOSED_S + RISE_S / 2
    lasts = [blink.half_s / usual_s for blink in blinks] + [1.0] * DURATION_WEIGHT
    depths = [blink.closed for blink in blinks] + [1.0] * DURATION_WEIGHT
    numbers = rate_hz, np.clip(np.mean(lasts), 0.7, 1.5), np.clip(np.mean(depths), 0.8, 1)
    eyes = Eyes(lids, ways, calm, closed, *map(float, numbers))
    return eyes, EyeTracks(*lids_and_gaze)


def _ways(row):
    """Expressions (4, 64) of both eyes that look to the image's right and left, down and up."""
    pairs = (
        ("eyeLookInRight", "eyeLookOutLeft"),
        ("eyeLookOutRight", "eyeLookInLeft"),
        ("eyeLookDownRight", "eyeLookDownLeft"),
        ("eyeLookUpRight", "eyeLookUpLeft"),
    )
    return np.stack([row[first] + row[second] for first, second in pairs])


def _tracks(strength):
    """Lids and gaze of both eyes from the strengths of their actions."""
    lids = np.stack([strength[f"eyeBlink{side}"] for side in SIDES], 1)
    right = strength["eyeLookInRight"] - strength["eyeLookOutRight"]
    right = (right + strength["eyeLookOutLeft"] - strength["eyeLookInLeft"]) / 2
    down = sum(strength[f"eyeLookDown{side}"] - strength[f"eyeLookUp{side}"] for side in SIDES) / 2
    return EyeTracks(lids, np.stack([right, down], 1))


def _near(blinks, times):
    """Frames in which the lids are about to close or to open, (T,) bool."""
    near = np.zeros(len(times), bool)
    for blink in blinks:
        near |= np.abs(times - blink.at_s) < blink.half_s + BESIDE_S
    return near


def _closing_strength(model, id, exp, lids):
    """Strength of each lid's action at which the eye is closed, (2,)."""
    basis, found = model.exp_basis.cpu().double().numpy(), []
    for ids, lid in zip(LANDMARKS, lids):
        verts = model.landmark_ids.cpu()[list(ids)].numpy()
        person = np.asarray(id, np.float64) @ model.id_basis[:, verts, 1].cpu().double().numpy()
        y = model.mean_shape[verts, 1].cpu().double().numpy() + person + exp @ basis[:, verts, 1]
        closing = lid @ basis[:, verts, 1]
        weights = np.array([0.5, 0.5, -0.5, -0.5])
        found.append((y @ weights + OVERLAP) / max(-(closing @ weights), 1e-6))
    return np.array(found).clip(0.2, 1.5)


def find_blinks(closed: Float[np.ndarray, "T"], times: Float[np.ndarray, "T"]) -> list[Blink]:
    """Blinks of a track of how far the eyes are closed (0 open, 1 closed).

    A blink is a short closing that stands out from what the lids do around it.

    Args:
        closed: of every frame. times: seconds, increasing.
    """
    if len(closed) < 3:
        return []
    step_s = float(np.median(np.diff(times)))
    around = 2 * max(1, round(AROUND_S / 2 / step_s)) + 1
    rise = closed - median_filter(closed, around, mode="nearest")
    found, k = [], 0
    while k < len(rise):
        end = k
        while end < len(rise) and rise[end] > LEAST_RISE / 2:
            end += 1
        if end > k:
            top = k + int(rise[k:end].argmax())
            half = (rise[k:end] > rise[top] / 2).sum() * step_s
            if rise[top] >= LEAST_RISE and half <= LONGEST_S:
                found.append(Blink(float(times[top]), float(half), float(closed[top])))
        k = end + 1
    return found


def blink_times(
    eyes: Eyes, pause: Float[np.ndarray, "G"], rng: np.random.Generator
) -> Float[np.ndarray, "K"]:
    """Moments at which blinks begin, seconds from the grid's beginning: (K,).

    They come at random at the person's rate, more often where a pause begins.
    """
    speaks = pause < 0.5
    ends = np.flatnonzero(speaks[:-1] & ~speaks[1:]) + 1
    more = np.ones(len(pause))
    for end in ends:
        more[end : end + round(AFTER_S / STEP_S)] = AFTER_SPEECH
    due = np.cumsum(more / more.mean()) * STEP_S * eyes.rate_hz
    waits = rng.gamma(REGULAR, 1 / REGULAR, size=int(2 * due[-1]) + 8)
    waits[0] *= rng.random()
    at = np.cumsum(waits)
    starts = STEP_S * np.searchsorted(due, at[at < due[-1]])
    apart = np.diff(starts, prepend=-np.inf) > LEAST_APART_S
    return starts[apart]


def lid_closing(
    eyes: Eyes,
    starts: Float[np.ndarray, "K"],
    at_s: Float[np.ndarray, "T"],
    rng: np.random.Generator,
) -> Float[np.ndarray, "T"]:
    """How far blinks close the eyes at some times: (T,), 0 to 1."""
    closing = np.zeros(len(at_s))
    for start in starts:
        stretch = eyes.stretch * rng.uniform(0.85, 1.15)
        depth = min(1.0, eyes.depth * rng.uniform(0.92, 1.08))
        first, last = np.searchsorted(at_s, [start, start + 2 * stretch * (FALL_S + RISE_S)])
        phase = (at_s[first:last] - start) / stretch
        down = smooth((phase / FALL_S).clip(0, 1))
        up = smooth(((phase - FALL_S - CLOSED_S) / RISE_S).clip(0, 1))
        closing[first:last] = np.maximum(closing[first:last], depth * down * (1 - up))
    return closing


def eye_expression(
    eyes: Eyes, tracks: EyeTracks, closing: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "T 64"]:
    """Expressions of lids, gaze and blinks together, to be added to one without the eyes."""
    lids = tracks.lids + closing[:, None] * (eyes.closed - tracks.lids)
    right, down = tracks.gaze.T
    strengths = np.stack([right, -right, down, -down], 1).clip(0, None)
    return lids @ eyes.lids + strengths @ eyes.ways


def steady(tracks: EyeTracks) -> EyeTracks:
    """Tracks on the 25 Hz grid without a tracker's noise; a saccade stays a step."""
    gaze = np.stack([median_filter(x, 5, mode="nearest") for x in tracks.gaze.T], 1)
    lids = gaussian_filter1d(tracks.lids, 0.06 / STEP_S, axis=0, mode="nearest")
    return EyeTracks(lids, gaze)
