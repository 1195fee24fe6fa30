"""How much more than the virtual speakers of the tests those of a training corpus differ."""

from dataclasses import dataclass, replace

import numpy as np

from tfhkit.errors import ParameterError
from tfhkit.virtual.espeak import resolve
from tfhkit.virtual.recorded import installed_voices, recorded_voice
from tfhkit.virtual.speaker import VirtualSpeaker, random_speaker

_TRACTS = 0.85, 1.2  # few recorded voices have to stand for many people


@dataclass(frozen=True)
class Variety:
    """What a corpus varies beyond `random_speaker`.

    Args:
        voices: names of recorded voices, see `tfhkit.virtual.recorded`; empty for none.
        recorded_share: part of the speakers that have one of them.
        pause_open: largest `PersonalStyle.pause_open`; each speaker's is drawn from 0 on.
        language: language code of the espeak-ng voices; None draws one for each speaker.
        rough_share: part of the speakers that are recorded as by `record_roughly`.
    Raises:
        ParameterError: a number is not within 0 and 1, or there is no such voice or language.
    """

    voices: tuple[str, ...] = ()
    recorded_share: float = 0.5
    pause_open: float = 0.0
    rough_share: float = 0.0
    language: str | None = None

    def __post_init__(self) -> None:
        for name in ("recorded_share", "rough_share", "pause_open"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ParameterError(name, f"{value} is out of range", "give 0 to 1")
        for voice in self.voices:
            recorded_voice(voice)
        if self.language is not None:
            resolve(self.language)


def wide_variety(recorded: bool = True) -> Variety:
    """What the general mapping is trained with, so that it holds for recordings of people.

    Args:
        recorded: use the recorded voices that are installed; without them all are espeak-ng's.
    """
    voices = installed_voices() if recorded else ()
    return Variety(voices, recorded_share=0.7, pause_open=0.6, rough_share=0.5)


def draw_speaker(seed: int, variety: Variety) -> tuple[VirtualSpeaker, bool]:
    """A random speaker, the same for the same seed.

    Returns:
        the speaker, and whether the recording is rough.
    """
    speaker = random_speaker(seed=seed, language=variety.language)
    rng = np.random.default_rng((seed, 29))
    chance, rough = rng.random(2)
    pause_open, tract = variety.pause_open * rng.random(), rng.uniform(*_TRACTS)
    style = replace(speaker.style, pause_open=float(pause_open))
    speaker = replace(speaker, style=style)
    if variety.voices and chance < variety.recorded_share:
        voice = variety.voices[int(rng.integers(len(variety.voices)))]
        speaker = replace(speaker, voice=voice, tract=round(float(tract), 3))
    return speaker, bool(rough < variety.rough_share)
