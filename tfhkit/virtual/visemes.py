"""Mouth actions of an utterance: visemes of its phonemes, blended in time (co-articulation)."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter1d

from tfhkit.face.actions import ACTION_NAMES
from tfhkit.maths import smooth
from tfhkit.virtual.prosody import GRID_HZ, Prosody, grid_times, prosody
from tfhkit.virtual.voice import SILENCE, Phoneme, Utterance

ACTIONS = tuple(ACTION_NAMES)  # left and right are the subject's

# What the visemes are made of, each 0 to 1, and the facial actions that show it.
GESTURES = ("jaw", "round", "funnel", "spread", "upper", "lower", "tuck", "tongue")
_GESTURE_ACTIONS = {
    "jaw": {"jawOpen": 0.5},
    "round": {"mouthPucker": 1.05},
    "funnel": {"mouthFunnel": 0.75},
    "spread": {"mouthStretch": 0.45, "mouthSmile": 0.18, "mouthDimple": 0.15},
    "upper": {"mouthUpperUp": 0.5},
    "lower": {"mouthLowerDown": 0.6},
    "tuck": {"mouthRollLower": 0.75, "mouthUpperUp": 0.25},
    "tongue": {"tongueOut": 0.25},
}
# Seconds in which a gesture's dominance falls to 1/e before and after its sound: lips start
# early (rounding most of all), the jaw is slow, closing gestures are quick.
_LEAD_S = np.array([0.055, 0.11, 0.09, 0.08, 0.06, 0.06, 0.03, 0.04])
_TRAIL_S = np.array([0.060, 0.07, 0.06, 0.06, 0.05, 0.05, 0.03, 0.03])

# symbols: targets in the order of GESTURES, then their dominance (how strongly the sound pulls).
_VOWEL = (1.0, 0.9, 0.9, 0.8, 0.8, 0.8, 0.8, 0.6)
_VISEMES = {
    "ɑ a": ((0.95, 0.0, 0.0, 0.10, 0.20, 0.35, 0, 0), _VOWEL),
    "æ": ((0.80, 0.0, 0.0, 0.40, 0.30, 0.40, 0, 0), _VOWEL),
    "ʌ ɐ ɜ ɞ": ((0.60, 0.0, 0.10, 0.10, 0.15, 0.30, 0, 0), _VOWEL),
    "ɛ e": ((0.50, 0.0, 0.0, 0.50, 0.20, 0.35, 0, 0), _VOWEL),
    "ə ᵻ ɨ ɘ": ((0.30, 0.0, 0.05, 0.15, 0.10, 0.20, 0, 0), _VOWEL),
    "i ɪ ʏ̈": ((0.20, 0.0, 0.0, 0.75, 0.20, 0.35, 0, 0), _VOWEL),
    "ɔ ɒ": ((0.75, 0.30, 0.55, 0.0, 0.10, 0.20, 0, 0), _VOWEL),
    "o ɤ": ((0.50, 0.60, 0.50, 0.0, 0.05, 0.10, 0, 0), _VOWEL),
    "ʊ": ((0.28, 0.60, 0.30, 0.0, 0.0, 0.10, 0, 0), _VOWEL),
    "u ʉ ɯ": ((0.18, 0.95, 0.30, 0.0, 0.0, 0.05, 0, 0), _VOWEL),
    "y ʏ": ((0.15, 0.90, 0.20, 0.0, 0.0, 0.05, 0, 0), _VOWEL),
    "ø œ ɵ": ((0.35, 0.65, 0.45, 0.0, 0.05, 0.10, 0, 0), _VOWEL),
    "ɚ ɝ": ((0.30, 0.25, 0.40, 0.0, 0.10, 0.15, 0, 0), _VOWEL),
    "p b m ɓ": ((0.12, 0.0, 0.0, 0.0, 0.0, 0.0, 0, 0), (0.8, 0.1, 0.3, 0.2, 0.9, 0.9, 0.9, 0.5)),
    "f v ɱ ʋ": ((0.10, 0.0, 0.0, 0.10, 0.25, 0.0, 1, 0), (1.2, 0.2, 0.4, 0.2, 0.8, 1.2, 8, 0.5)),
    "θ ð": ((0.22, 0.0, 0.0, 0.15, 0.10, 0.20, 0, 1), (0.7, 0.1, 0.3, 0.2, 0.4, 0.5, 0.8, 4)),
    "s z ɕ ʑ": ((0.08, 0.0, 0.0, 0.45, 0.25, 0.45, 0, 0), (1.2, 0.2, 0.4, 0.4, 0.5, 0.6, 0.8, 0.5)),
    "t d n ɾ l ɫ ɬ ɖ ʈ ɭ ɳ ɽ ɗ": (
        (0.18, 0.0, 0.0, 0.25, 0.12, 0.25, 0, 0),
        (0.5, 0.1, 0.2, 0.15, 0.3, 0.3, 0.8, 0.4),
    ),
    "ʃ ʒ ʂ ʐ": (
        (0.15, 0.35, 0.75, 0.0, 0.20, 0.30, 0, 0),
        (1.0, 0.6, 1.2, 0.4, 0.5, 0.5, 0.8, 0.5),
    ),
    "k ɡ g ŋ x ɣ q χ ʁ ʀ ħ ʕ c ɟ ɲ ç ʝ ʎ ɠ": (
        (0.28, 0.0, 0.0, 0.20, 0.10, 0.20, 0, 0),
        (0.35, 0.05, 0.1, 0.1, 0.2, 0.2, 0.7, 0.4),
    ),
    "ɹ r ɻ": ((0.20, 0.35, 0.40, 0.0, 0.05, 0.15, 0, 0), (0.6, 0.4, 0.5, 0.2, 0.3, 0.3, 0.8, 0.4)),
    "w ʍ ɥ": ((0.12, 0.95, 0.25, 0.0, 0.0, 0.05, 0, 0), (0.9, 1.3, 0.7, 0.5, 0.5, 0.5, 0.8, 0.5)),
    "j": ((0.18, 0.0, 0.0, 0.50, 0.15, 0.25, 0, 0), (0.6, 0.2, 0.3, 0.5, 0.4, 0.4, 0.8, 0.4)),
    "h ɦ ʔ": ((0.35, 0.0, 0.0, 0.1, 0.1, 0.2, 0, 0), (0.1, 0.05, 0.05, 0.05, 0.1, 0.1, 0.5, 0.3)),
    "β ɸ": ((0.12, 0.2, 0.1, 0.0, 0.0, 0.05, 0, 0), (0.8, 0.3, 0.3, 0.2, 0.7, 0.7, 0.8, 0.4)),
    SILENCE: ((0.0,) * 8, (0.7, 0.5, 0.5, 0.4, 0.6, 0.6, 0.8, 0.6)),
}
_TABLE = {
    symbol: (np.array(targets), np.array(dominance))
    for symbols, (targets, dominance) in _VISEMES.items()
    for symbol in symbols.split()
    if len(symbol) == 1
}
_BILABIAL = set("pbmɓ")
_VOWELS = set("ɑaæʌɐɜɞɛeəᵻɨɘiɪɔɒoɤʊuʉɯyʏøœɵɚɝ")
_MIN_CLOSURE_S, _RAMP_S = 0.075, 0.055


@dataclass(frozen=True)
class Visemes:
    """A person's mouth shapes.

    Args:
        table: targets and dominance of each IPA letter, in the order of GESTURES.
        lead_s, trail_s: seconds in which a gesture's dominance falls before and after its sound.
    """

    table: dict[str, tuple[Float[np.ndarray, "8"], Float[np.ndarray, "8"]]]
    lead_s: Float[np.ndarray, "8"]
    trail_s: Float[np.ndarray, "8"]


COMMON = Visemes(_TABLE, _LEAD_S, _TRAIL_S)


def personal_visemes(spread: float, seed: int | tuple[int, ...]) -> Visemes:
    """One person's random variation of the common mouth shapes, the same for the same seed.

    People make the same sounds with different mouth shapes: one hardly spreads the lips, another
    rounds them early. Closed lips and silence do not vary.

    Args:
        spread: 0 gives the common shapes; 0.5 changes targets by about half their value.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)
    n = len(GESTURES)

    def vary(scale: float) -> Float[np.ndarray, "8"]:
        return np.exp(rng.normal(0, scale * spread, n))

    habit, table = vary(0.7), {}
    for letter in sorted(_TABLE):
        targets, dominance = _TABLE[letter]
        own, extra = habit * vary(1.0), np.abs(rng.normal(0, 0.12 * spread, n))
        insists = vary(0.6)
        if letter not in _BILABIAL and letter != SILENCE:
            targets = (targets * own + extra * (targets > 0)).clip(0, 1.3)
            dominance = dominance * insists
        table[letter] = (targets, dominance)
    return Visemes(table, _LEAD_S * vary(0.6), _TRAIL_S * vary(0.6))


def segments(phonemes: Sequence[Phoneme]) -> list[tuple[str, float, float, int]]:
    """Parts of phonemes that have one mouth shape: diphthongs and affricates have two.

    Returns:
        (symbol, start_s, end_s, stress) of each part; a symbol is one IPA base letter.
    """
    parts: list[tuple[str, float, float, int]] = []
    for phoneme in phonemes:
        name = unicodedata.normalize("NFD", phoneme.name)
        letters = [c for c in name if c in _TABLE]
        if not letters:
            letters = ["ə"] if any(c.isalpha() for c in name) else [SILENCE]
        edges = np.linspace(phoneme.start_s, phoneme.end_s, len(letters) + 1)
        parts += [
            (letter, float(a), float(b), phoneme.stress)
            for letter, a, b in zip(letters, edges[:-1], edges[1:])
        ]
    return parts


def gesture_tracks(
    phonemes: Sequence[Phoneme],
    times: Float[np.ndarray, "G"],
    stress_gain: float = 0.2,
    visemes: Visemes = COMMON,
) -> Float[np.ndarray, "G 8"]:
    """Blend the visemes' targets by dominance functions.

    Every sound pulls each gesture to its target with a weight that is flat inside the sound and
    falls exponentially before and after it; the gesture is the weighted mean.

    Args:
        phonemes: what is said.
        times: seconds, ascending, evenly spaced.
        stress_gain: how much wider stressed vowels open the jaw than unstressed ones.
        visemes: the person's mouth shapes.
    Returns:
        strengths in the order of GESTURES.
    Source: Cohen & Massaro 1993, "Modeling coarticulation in synthetic visual speech".
    """
    total = np.full((len(times), len(GESTURES)), 0.05)  # pulls to rest where nothing is said
    pulled = np.zeros_like(total)
    for letter, start_s, end_s, stress in segments(phonemes):
        targets, dominance = visemes.table[letter]
        if letter in _VOWELS:
            targets = targets.copy()
            targets[0] *= 1 + stress_gain * (0.5 if stress == 1 else 0.0 if stress == 2 else -0.5)
        length = end_s - start_s
        near = slice(*np.searchsorted(times, (start_s - 0.5, end_s + 0.5)))
        before = np.maximum(start_s + 0.25 * length - times[near], 0)[:, None] / visemes.lead_s
        behind = np.maximum(times[near] - (end_s - 0.35 * length), 0)[:, None] / visemes.trail_s
        weight = dominance * np.exp(-before - behind)
        total[near] += weight
        pulled[near] += weight * targets
    return gaussian_filter1d(pulled / total, 0.015 * GRID_HZ, axis=0)


def closure_track(
    phonemes: Sequence[Phoneme], times: Float[np.ndarray, "G"]
) -> Float[np.ndarray, "G"]:
    """How firmly the lips are shut by m, b and p; 1 is closed.

    A closure lasts at least 75 ms, so that a camera of 25 frames a second sees it.
    """
    closed = np.zeros(len(times))
    for letter, start_s, end_s, _ in segments(phonemes):
        if letter not in _BILABIAL:
            continue
        start_s = min(start_s, end_s - _MIN_CLOSURE_S)
        outside = np.maximum(start_s - times, times - end_s).clip(0, _RAMP_S) / _RAMP_S
        closed = np.maximum(closed, 1 - smooth(outside))
    return closed


def mouth_actions(
    utterance: Utterance,
    times: Float[np.ndarray, "T"],
    strength: float = 1.0,
    voice_prosody: Prosody | None = None,
    idle: Callable[[Float[np.ndarray, "G"]], Float[np.ndarray, "G"]] | None = None,
    visemes: Visemes = COMMON,
) -> Float[np.ndarray, "T 52"]:
    """Facial actions of the mouth at given times.

    Args:
        utterance: what is said.
        times: seconds.
        strength: how far the person moves jaw and lips; 1 is common.
        voice_prosody: the utterance's prosody; None measures it.
        idle: function of times that says how far the jaw opens where no sound closes it.
        visemes: the person's mouth shapes.
    Returns:
        float32 in [0, 1], in the order of ACTIONS.
    """
    sound = voice_prosody or prosody(utterance.audio, utterance.sr_hz)
    grid = grid_times(utterance.duration_s)
    gestures = gesture_tracks(utterance.phonemes, grid, visemes=visemes)
    loudness = gaussian_filter1d(np.interp(grid, sound.times, sound.loudness), 0.05 * GRID_HZ)
    gestures[:, 0] *= 0.55 + 0.55 * loudness  # a louder vowel opens the jaw more
    gestures[:, :6] *= strength
    if idle is not None:
        gestures[:, 0] = np.maximum(gestures[:, 0], idle(grid))
    closed = closure_track(utterance.phonemes, grid)
    shut = closed[:, None]
    gestures[:, [2, 4, 5]] *= 1 - shut  # what would part the lips
    gestures[:, [3]] *= 1 - 0.5 * shut
    gestures[:, [0]] *= 1 - 0.6 * shut
    actions = np.zeros((len(grid), len(ACTIONS)))
    for track, name in zip(gestures.T, GESTURES):
        for action, gain in _GESTURE_ACTIONS[name].items():
            _add(actions, action, gain * track)
    # jawOpen parts the lips; mouthClose of the same size brings them together again
    _add(actions, "mouthClose", actions[:, ACTIONS.index("jawOpen")] * closed)
    _add(actions, "mouthPress", 0.15 * closed)
    _add(actions, "mouthRollLower", 0.08 * closed)
    _add(actions, "mouthRollUpper", 0.08 * closed)
    return at_times(actions.clip(0, 1), grid, times)


def at_times(
    tracks: Float[np.ndarray, "G K"], grid: Float[np.ndarray, "G"], times: Float[np.ndarray, "T"]
) -> Float[np.ndarray, "T K"]:
    """Interpolate tracks on a grid linearly at other times, as float32; the ends are held."""
    times = np.asarray(times, float)
    index = np.searchsorted(grid, times, side="right").clip(1, len(grid) - 1)
    a, b = grid[index - 1], grid[index]
    share = ((times - a) / (b - a)).clip(0, 1)[:, None]
    return (tracks[index - 1] * (1 - share) + tracks[index] * share).astype(np.float32)


def _add(actions: Float[np.ndarray, "G 52"], name: str, track: Float[np.ndarray, "G"]) -> None:
    sides = (name,) if name in ACTIONS else (name + "Left", name + "Right")
    for side in sides:
        actions[:, ACTIONS.index(side)] += track
