"""How strong a dependence of head and voice must be to be detected: power on virtual speakers."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float
from scipy.stats import beta

from tfhkit.audio import (
    Prosody,
    feature_vectors,
    mfcc_windows,
    motion_series,
    prosody,
    sound_series,
)
from tfhkit.errors import ParameterError
from tfhkit.progress import Progress
from tfhkit.stats import PairSettings, lagged_correlation, pair_correlation
from tfhkit.virtual import head_motion, random_speaker
from tfhkit.virtual.channel import record
from tfhkit.virtual.prosody import prosody as clean_prosody
from tfhkit.virtual.texts import script

SEED = 95_000  # speaker k has seed SEED + k: far from every training seed
SHARES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9)
LENGTHS_S = (12.0, 30.0, 60.0)
TESTS = {
    "pairs": "App. A without neighbours",
    "all_lags": "all sounds x all motions, lagged",
    "few_lags": "loudness and pitch x three angles, lagged",
}
_FPS = 12.5  # neighbours at 25 Hz are nearly equal; half of them take a quarter of the time
_SPEECH_S = 60.0
_N_NULL = 79  # p <= 0.05 then means that at most 3 of 79 surrogate tracks are as large


@dataclass(frozen=True)
class CoupledSpeaker:
    """A virtual speaker's recorded voice, and a head that depends on it to a chosen degree.

    Args:
        times: seconds. audio: 16 kHz.
        windows: plain MFCC windows. tune: loudness and pitch of the frames.
        driven: angles in radians that come from the sound alone.
        own: angles in radians that are independent of the sound.
    """

    times: Float[np.ndarray, "T"]
    audio: Float[np.ndarray, "N"]
    windows: Float[np.ndarray, "T 28 12"]
    tune: Prosody
    driven: Float[np.ndarray, "T 3"]
    own: Float[np.ndarray, "T 3"]

    def angles(self, share: float) -> Float[np.ndarray, "T 3"]:
        """Angles in radians; `share` of their variance follows the sound."""
        if not 0 <= share <= 1:
            raise ParameterError("share", f"{share} is out of range", "give 0 to 1")
        return np.sqrt(share) * self.driven + np.sqrt(1 - share) * self.own


def coupled_speakers(
    n_speakers: int = 6,
    seconds: float = _SPEECH_S,
    fps: float = _FPS,
    seed: int = SEED,
    progress: Progress | None = None,
) -> list[CoupledSpeaker]:
    """Virtual speakers whose heads depend on their voices by any share.

    `head_motion` makes a head's own motion uncorrelated with the sound over the utterance. Real
    independent motion has chance correlations, so the null hypothesis would be rejected too seldom.
    Hence a head's own motion is taken from the same style and seed, with somebody else's speech.

    Args:
        n_speakers: 2 or more.
        seconds: length of each speech. fps: frame rate.
        seed: random seed of the first speaker.
        progress: called as progress(done, total, text).
    """
    if n_speakers < 2:
        raise ParameterError("n_speakers", f"{n_speakers} are too few", "take 2 or more")
    times = np.arange(round(seconds * fps)) / fps
    people = [random_speaker(seed=seed + k) for k in range(n_speakers)]
    spoken = [_talk(speaker, seconds) for speaker in people]
    heard = [clean_prosody(utterance.audio) for utterance in spoken]
    made = []
    for k, (speaker, utterance) in enumerate(zip(people, spoken)):
        strong, none = (speaker.style.with_share(share) for share in (0.9, 0.0))
        driven = head_motion(utterance, strong, times, (speaker.seed, 3), heard[k])
        own = head_motion(spoken[k - 1], none, times, (speaker.seed, 3), heard[k - 1])
        audio = record(utterance.audio, np.random.default_rng((speaker.seed, 17)))
        audio = audio[: int(seconds * utterance.sr_hz)]
        windows = mfcc_windows(audio, times, preemphasis=0, lifter=0)
        tune = prosody(audio, times)
        driven = driven.from_sound[:, :3] / np.sqrt(0.9)
        made.append(CoupledSpeaker(times, audio, windows, tune, driven, own.own[:, :3]))
        if progress:
            progress(k + 1, n_speakers, f"speaker {speaker.name}, {speaker.voice}")
    return made


def power_rows(
    speakers: Sequence[CoupledSpeaker],
    shares: Sequence[float] = SHARES,
    lengths_s: Sequence[float] = LENGTHS_S,
    radius: float = 0.7,
    min_gap_s: float = 1.0,
    max_lag_s: float = 0.5,
    level: float = 0.05,
    progress: Progress | None = None,
) -> list[dict[str, Any]]:
    """Share of clips whose dependence is detected, by its strength, the clip's length and the test.

    Args:
        speakers: as from `coupled_speakers`; each is cut into as many clips as fit.
        shares: shares of the angles' variance that follow the sound.
        lengths_s: lengths of the clips.
        radius, min_gap_s: of the pairs; see `PairSettings`.
        max_lag_s: largest lag of the lagged correlations.
        level: a dependence counts as detected where the test's p-value is at most this; the p-value
            is corrected for the number of correlations that the test compares.
        progress: called as progress(done, total, text).
    Returns:
        Rows with test (a key of TESTS), seconds, share, found (share of clips), low, high
        (95 % binomial, Clopper and Pearson), clips. Where a clip has no pair, nothing is found.
    """
    rows: list[dict[str, Any]] = []
    done = 0
    for seconds in lengths_s:
        clips = [clip for speaker in speakers for clip in _clips(speaker, seconds)]
        if not clips:
            fault = f"no speaker talks for {seconds} s"
            raise ParameterError("lengths_s", fault, "let them talk longer, or take less")
        for share in shares:
            p = [_p_values(clip, share, radius, min_gap_s, max_lag_s) for clip in clips]
            for test, values in zip(TESTS, np.transpose(p)):
                found = int((values <= level + 1e-9).sum())
                low, high = binomial_interval(found, len(clips))
                row = {"test": test, "seconds": seconds, "share": share}
                row |= {"found": found / len(clips), "low": low, "high": high}
                rows.append(row | {"clips": len(clips)})
            done += 1
            if progress:
                progress(done, len(lengths_s) * len(shares), f"clips of {seconds:g} s")
    return rows


def share_needed(shares: Sequence[float], found: Sequence[float], power: float = 0.8) -> float:
    """The share at which a test detects a dependence with the given power, by interpolation.

    Args:
        shares: increasing. found: share of clips found at each of them.
        power: share of clips that is asked for.
    Returns:
        The share; NaN where the power is never reached.
    """
    enough = np.flatnonzero(np.asarray(found, float) >= power)
    if not len(enough):
        return float("nan")
    k = int(enough[0])
    if k == 0:
        return float(shares[0])
    part = (power - found[k - 1]) / (found[k] - found[k - 1])
    return float(shares[k - 1] + part * (shares[k] - shares[k - 1]))


def binomial_interval(hits: int, trials: int, level: float = 0.95) -> tuple[float, float]:
    """Interval of the probability behind `hits` of `trials`: Clopper and Pearson's."""
    tail = (1 - level) / 2
    low = 0.0 if hits == 0 else float(beta.ppf(tail, hits, trials - hits + 1))
    high = 1.0 if hits == trials else float(beta.ppf(1 - tail, hits + 1, trials - hits))
    return low, high


def clip_correlations(
    speakers: Sequence[CoupledSpeaker],
    share: float = 0.3,
    seconds: float = 12.0,
    radius: float = 0.5,
    min_gap_s: float = 1.0,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """The estimate of App. A on virtual clips, one per speaker, with its circularly shifted tracks.

    Args:
        speakers: as from `coupled_speakers`.
        share: share of the angles' variance that follows the sound.
        seconds: length of the clips.
        radius: of the pairs. min_gap_s: of the pairs of `apart_r`, see `PairSettings`.
        seed: random seed of the shifts.
    Returns:
        Rows with clip, paper_r, shift_null_mean, p_paper, apart_r, p_apart, pairs.
    """
    rows = []
    for k, speaker in enumerate(speakers):
        clip = next(_clips(speaker, seconds))
        tracks = feature_vectors(clip.windows), clip.angles(share), clip.times
        near = PairSettings(radius=radius, n_null=100, n_phase=0, n_bootstrap=0, seed=seed)
        stated = pair_correlation(*tracks, near)
        apart = pair_correlation(*tracks, replace(near, min_gap_s=min_gap_s))
        row = {"clip": k + 1, "paper_r": stated.r, "pairs": stated.n_pairs}
        row |= {"shift_null_mean": stated.row()["null_mean"], "p_paper": stated.p_shift}
        rows.append(row | {"apart_r": apart.r, "p_apart": apart.p_shift})
    return rows


def _talk(speaker, seconds):
    """An utterance of at least `seconds`."""
    lines, spoken = script(speaker.voice.partition("+")[0], (speaker.seed, 19)), []
    while True:
        spoken += [next(lines) for _ in range(max(2, int(seconds / 4)))]
        utterance = speaker.say(spoken)
        if utterance.duration_s >= seconds:
            return utterance


def _clips(speaker, seconds):
    """The speaker's track in pieces of a length, each on its own clock."""
    fps = 1 / np.median(np.diff(speaker.times))
    n = round(seconds * fps)
    tune = speaker.tune
    for start in range(0, len(speaker.times) - n + 1, n):
        part = slice(start, start + n)
        piece = type(tune)(
            tune.energy_db[part], tune.pitch_st[part], tune.voiced[part], tune.median_hz
        )
        yield CoupledSpeaker(
            speaker.times[:n],
            speaker.audio,
            speaker.windows[part],
            piece,
            speaker.driven[part],
            speaker.own[part],
        )


def _p_values(clip, share, radius, min_gap_s, max_lag_s):
    """p-values of the three TESTS; 1 where a test has no pairs."""
    angles = clip.angles(share)
    few = {"n_null": _N_NULL, "n_phase": 0, "n_bootstrap": 0}
    settings = PairSettings(radius=radius, min_gap_s=min_gap_s, **few)
    pairs = pair_correlation(feature_vectors(clip.windows), angles, clip.times, settings)
    sounds, motions = sound_series(clip.windows, clip.tune), motion_series(angles, clip.times)
    common = {"max_lag_s": max_lag_s, "n_null": _N_NULL, "n_bootstrap": 0}
    all_lags = lagged_correlation(sounds, motions, clip.times, **common)
    sounds, motions = (dict(list(s.items())[:n]) for s, n in ((sounds, 2), (motions, 3)))
    few_lags = lagged_correlation(sounds, motions, clip.times, **common)
    lags = [float(result.p_corrected.min()) for result in (all_lags, few_lags)]
    return [pairs.p_shift if np.isfinite(pairs.p_shift) else 1.0, *lags]
