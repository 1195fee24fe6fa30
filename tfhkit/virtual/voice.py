"""Speech of an espeak-ng voice: sound, and every phoneme with its IPA name and its times."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from scipy.signal import resample_poly

from tfhkit.errors import InputError, ParameterError
from tfhkit.virtual.espeak import CLAUSE_END, PHONEME, WORD, Event, resolve, synthesize

SR_HZ = 16000
SILENCE = "_"  # name of a pause among the phonemes


@dataclass(frozen=True)
class Phoneme:
    """One sound: IPA name without stress marks ("_" is a pause), times in s, stress 0, 1 or 2."""

    name: str
    start_s: float
    end_s: float
    stress: int = 0


@dataclass(frozen=True)
class Word:
    """One word of the text with its times in s."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Utterance:
    """Speech with its truth.

    Args:
        audio: mono, in [-1, 1].
        phonemes: in order, without gaps from the first to the last.
        text: what was spoken.
        voice: which voice spoke.
        words: in order.
        phrase_ends_s: times at which a clause ended.
        sr_hz: sample rate of `audio`.
    """

    audio: Float[np.ndarray, "N"]
    phonemes: tuple[Phoneme, ...]
    text: str
    voice: str
    words: tuple[Word, ...] = ()
    phrase_ends_s: tuple[float, ...] = ()
    sr_hz: int = SR_HZ

    @property
    def duration_s(self) -> float:
        return len(self.audio) / self.sr_hz


def speak(
    text: str, voice: str = "en-us", rate_wpm: int = 165, pitch: int = 50, pitch_range: int = 50
) -> Utterance:
    """Let an espeak-ng voice say a text.

    Args:
        text: what to say, in the voice's language.
        voice: language and optional variant, "en-us", "de", "en-us+f3"; see `espeak.voices`.
        rate_wpm: words per minute, 80 to 400.
        pitch: 0 (low) to 99 (high); 50 is the voice's own.
        pitch_range: 0 (monotonous) to 99; 50 is the voice's own.
    Returns:
        the same Utterance for the same arguments.
    Raises:
        InputError: the text has no phonemes.
        ParameterError: no such voice, or a number out of range.
        MissingBackend: espeak-ng is not installed.
    Source: espeak-ng through its C interface; sound at 22,050 Hz is resampled to 16 kHz.
    """
    for name, value, low, high in (
        ("rate_wpm", rate_wpm, 80, 400),
        ("pitch", pitch, 0, 99),
        ("pitch_range", pitch_range, 0, 99),
    ):
        if not low <= value <= high:
            raise ParameterError(name, f"{value} is out of range", f"give {low} to {high}")
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise InputError("text", "has nothing to say", "give a sentence with letters")
    identifier = resolve(voice)
    pcm, events, sr_hz = synthesize(text, identifier, rate_wpm, pitch, pitch_range)
    phonemes = _phonemes(events, len(pcm), sr_hz)
    if not any(p.name != SILENCE for p in phonemes):
        raise InputError(
            "text", f"{_short(text)!r} has no phonemes for {voice!r}", "give words it can pronounce"
        )
    audio = pcm.astype(np.float64) / 32768
    audio = resample_poly(audio, SR_HZ, sr_hz).clip(-1, 1).astype(np.float32)
    words = _words(events, text, phonemes, sr_hz)
    ends = tuple(sample / sr_hz for kind, sample, *_ in events if kind == CLAUSE_END)
    return Utterance(audio, phonemes, text, voice, words, ends)


def default_speech() -> Utterance:
    """The kit's default sentence, about 7 s, voice en-us; it says that it is synthetic."""
    return speak(
        "This is a synthetic voice that was made by a computer program, "
        "and the person in this video never said these words.",
        voice="en-us",
        rate_wpm=150,
    )


def join(utterances: Sequence[Utterance], gaps_s: Sequence[float]) -> Utterance:
    """Concatenate utterances, with silence before, between and after them.

    Args:
        utterances: one or more.
        gaps_s: seconds of silence; one more than utterances.
    Returns:
        Utterance with times from its own start; the texts are joined with spaces.
    """
    pieces: list[np.ndarray] = []
    phonemes: list[Phoneme] = []
    words: list[Word] = []
    ends: list[float] = []
    n_samples = 0
    for utterance, gap_s in zip(utterances, gaps_s):
        silent = round(gap_s * SR_HZ)
        if silent:
            pieces.append(np.zeros(silent, np.float32))
            phonemes.append(Phoneme(SILENCE, n_samples / SR_HZ, (n_samples + silent) / SR_HZ))
        n_samples += silent
        start_s = n_samples / SR_HZ
        phonemes += [
            Phoneme(p.name, p.start_s + start_s, p.end_s + start_s, p.stress)
            for p in utterance.phonemes
        ]
        words += [Word(w.text, w.start_s + start_s, w.end_s + start_s) for w in utterance.words]
        ends += [end_s + start_s for end_s in utterance.phrase_ends_s]
        pieces.append(utterance.audio)
        n_samples += len(utterance.audio)
    silent = round(gaps_s[len(utterances)] * SR_HZ)
    if silent:
        pieces.append(np.zeros(silent, np.float32))
        phonemes.append(Phoneme(SILENCE, n_samples / SR_HZ, (n_samples + silent) / SR_HZ))
    text = " ".join(utterance.text for utterance in utterances)
    voice = utterances[0].voice
    return Utterance(
        np.concatenate(pieces), tuple(phonemes), text, voice, tuple(words), tuple(ends)
    )


def rescale(utterance: Utterance, factor: float) -> Utterance:
    """Play an utterance slower (factor above 1) or faster; its pitch and formants change with it.

    It sounds like the voice of a longer or shorter vocal tract. All times are scaled.

    Args:
        utterance: what was spoken.
        factor: 0.7 to 1.4.
    Raises:
        ParameterError: `factor` is out of range.
    """
    up = round(factor * 100)
    if not 70 <= up <= 140:
        raise ParameterError("factor", f"{factor} is out of range", "give 0.7 to 1.4")
    if up == 100:
        return utterance
    k = up / 100
    return replace(
        utterance,
        audio=resample_poly(utterance.audio, up, 100).clip(-1, 1).astype(np.float32),
        phonemes=tuple(
            Phoneme(p.name, p.start_s * k, p.end_s * k, p.stress) for p in utterance.phonemes
        ),
        words=tuple(Word(w.text, w.start_s * k, w.end_s * k) for w in utterance.words),
        phrase_ends_s=tuple(end_s * k for end_s in utterance.phrase_ends_s),
    )


def _phonemes(events: Sequence[Event], n_samples: int, sr_hz: int) -> tuple[Phoneme, ...]:
    """Phonemes from their starts: each ends where the next one starts; pauses are joined."""
    starts = [(sample, name) for kind, sample, _, _, name in events if kind == PHONEME]
    phonemes = [Phoneme(SILENCE, 0.0, starts[0][0] / sr_hz)] if starts and starts[0][0] else []
    for i, (sample, name) in enumerate(starts):
        end = starts[i + 1][0] if i + 1 < len(starts) else n_samples
        stress = 1 if "ˈ" in name else 2 if "ˌ" in name else 0
        name = name.strip("ˈˌ- ") or SILENCE
        if end <= sample:
            continue
        if name == SILENCE and phonemes and phonemes[-1].name == SILENCE:
            phonemes[-1] = Phoneme(SILENCE, phonemes[-1].start_s, end / sr_hz)
        else:
            phonemes.append(Phoneme(name, sample / sr_hz, end / sr_hz, stress))
    return tuple(phonemes)


def _words(
    events: Sequence[Event], text: str, phonemes: Sequence[Phoneme], sr_hz: int
) -> tuple[Word, ...]:
    marks = [(sample, at, n) for kind, sample, at, n, _ in events if kind == WORD]
    pauses = [p.start_s for p in phonemes if p.name == SILENCE]
    last_s = phonemes[-1].end_s if phonemes else 0.0
    words = []
    for i, (sample, at, n) in enumerate(marks):
        start_s = sample / sr_hz
        end_s = marks[i + 1][0] / sr_hz if i + 1 < len(marks) else last_s
        end_s = min([end_s] + [pause for pause in pauses if start_s < pause < end_s])
        words.append(Word(text[at - 1 : at - 1 + n], start_s, end_s))
    return tuple(words)


def _short(text: str, n: int = 40) -> str:
    return text if len(text) <= n else text[: n - 3] + "..."
