"""A corpus of virtual speakers for motion training: sound and coefficients, no pictures."""

import contextlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float, Float16, Float32

from tfhkit.audio import band_windows, mfcc_windows, recogniser_states
from tfhkit.errors import InputError, ParameterError
from tfhkit.face import MorphableModel, load_model
from tfhkit.media import atomic_path
from tfhkit.motion import MotionTrack
from tfhkit.profiles import check_seed
from tfhkit.progress import Progress
from tfhkit.virtual.channel import record
from tfhkit.virtual.recorded import language_of
from tfhkit.virtual.rough import record_roughly
from tfhkit.virtual.speaker import VirtualSpeaker, action_matrix, describe, move
from tfhkit.virtual.texts import script
from tfhkit.virtual.variety import Variety, draw_speaker
from tfhkit.virtual.voice import Utterance
from tfhkit.virtual.workers import in_workers

FPS = 25.0
_STEP = 4  # MFCC rows from one frame to the next at 25 Hz
_ROWS = 28
_PARTS = ("rows", "exp", "pose", "pose_from_sound", "sound_share", "id", "bands", "states")


@dataclass(frozen=True)
class SpeakerMotion:
    """One speaker's sound features and motion at 25 Hz.

    Args:
        name: the speaker's name.
        about: the speaker's voice and style, see `describe`.
        rows: MFCC rows, 10 ms apart, from which the windows are cut; 4 T + 24 of them.
        exp: expression.
        pose: angles in radians, translation in dm.
        pose_from_sound: part of the pose that follows the sound.
        sound_share: part of each angle's variance that comes from the sound.
        id: identity.
        bands: mel bands, see `band_windows`.
        states: the recogniser's, see `recogniser_states`.
    """

    name: str
    about: dict[str, Any]
    rows: Float[np.ndarray, "R 12"]
    exp: Float[np.ndarray, "T 64"]
    pose: Float[np.ndarray, "T 6"]
    pose_from_sound: Float[np.ndarray, "T 6"]
    sound_share: Float[np.ndarray, "3"]
    id: Float[np.ndarray, "80"]
    bands: Float16[np.ndarray, "T 14 26"]
    states: Float16[np.ndarray, "T 288"]

    def __len__(self) -> int:
        return len(self.exp)

    @property
    def times(self) -> Float[np.ndarray, "T"]:
        """Seconds."""
        return np.arange(len(self)) / FPS

    @property
    def windows(self) -> Float[np.ndarray, "T 28 12"]:
        """MFCC windows; a view, equal to `mfcc_windows` up to rounding."""
        view = np.lib.stride_tricks.sliding_window_view(self.rows, _ROWS, axis=0)
        return view[::_STEP].transpose(0, 2, 1)

    def track(self) -> MotionTrack:
        """The same as a track that the mapping can be trained on."""
        valid = np.ones(len(self), bool)
        motion = self.exp, self.pose, valid, self.times, self.name, self.id
        return MotionTrack(self.windows, *motion, bands=self.bands, states=self.states)


def make_motion_corpus(
    n_speakers: int = 40, seconds_each: float = 180.0, seed: int = 0, workers: int = 2,
    progress: Progress | None = None, model: MorphableModel | None = None,
    path: Path | str | None = None, variety: Variety | None = None,
) -> tuple[SpeakerMotion, ...]:  # fmt: skip
    """Sound features, expression and pose of virtual speakers, as if recorded in random rooms.

    Args:
        n_speakers: speaker k has the seed `seed + k`, so corpora whose seeds differ by
            `n_speakers` or more share nobody.
        seconds_each: seconds of sound of each speaker.
        seed: random seed of the first speaker.
        workers: number of processes; 1 makes all speakers in this process.
        progress: called as progress(done, total, text).
        model: model with facial actions; None loads the open model.
        path: `.npz` to write; None keeps the corpus in memory only.
        variety: language, voices and what else differs more than in `random_speaker`; None
            for nothing.
    Returns:
        the speakers in order of their seeds, whatever the number of workers.
    Raises:
        ParameterError: fewer than one speaker or process, a seed out of range, or less than 2 s or
            more than an hour each.
        InputError: `path` cannot be written.
        MissingBackend, AssetError: without the speech recogniser, see `recogniser_states`.
    """
    for name, value in (("n_speakers", n_speakers), ("workers", workers)):
        if value < 1:
            raise ParameterError(name, f"is {value}", "give at least 1")
    check_seed(seed)
    if not 2 <= seconds_each <= 3600:
        raise ParameterError("seconds_each", f"is {seconds_each}", "give 2 to 3600 s")
    matrix = action_matrix(model or load_model())
    jobs = [(seed + k, seconds_each, matrix, True, variety) for k in range(n_speakers)]
    made: dict[int, SpeakerMotion] = {}
    # opened first: a folder that cannot be written is known before the minutes of speaking
    with atomic_path(path) if path is not None else contextlib.nullcontext() as file:
        for k, motion in in_workers(make_speaker_motion, jobs, workers):
            made[k] = motion
            if progress:
                progress(len(made), n_speakers, f"speaker {motion.name}, {motion.about['voice']}")
        corpus = tuple(made[k] for k in range(n_speakers))
        if file is not None:
            save_corpus(file, corpus)
    return corpus


def make_speaker_motion(
    seed: int,
    seconds: float,
    matrix: Float32[np.ndarray, "52 64"],
    recorded: bool = True,
    variety: Variety | None = None,
) -> SpeakerMotion:
    """One speaker of the corpus.

    Args:
        seed: random seed of the speaker.
        seconds: seconds of sound.
        matrix: expression coefficients of the facial actions, see `action_matrix`.
        recorded: pass the sound through a random room and microphone.
        variety: what differs more than in `random_speaker`; None for nothing.
    """
    speaker, rough = draw_speaker(seed, variety or Variety())
    utterance = _talk(speaker, seconds)
    n_frames = int(round(seconds * FPS))
    times = np.arange(n_frames) / FPS
    actions, head, _ = move(utterance, speaker.style, times, speaker.seed)
    audio = utterance.audio
    if recorded:
        audio = (record_roughly if rough else record)(audio, np.random.default_rng((seed, 17)))
    # Windows of every seventh frame adjoin one another: together they are all rows, each once.
    n_blocks = -(-(_STEP * (n_frames - 1) + _ROWS) // _ROWS)
    rows = mfcc_windows(audio, np.arange(n_blocks) * _ROWS / 100.0).reshape(-1, 12)
    return SpeakerMotion(
        name=speaker.name,
        about=describe(speaker),
        rows=rows[: _STEP * (n_frames - 1) + _ROWS],
        exp=actions @ matrix,
        pose=head.pose.astype(np.float32),
        pose_from_sound=head.from_sound,
        sound_share=head.share,
        id=speaker.id,
        bands=band_windows(audio, times).astype(np.float16),
        states=recogniser_states(audio, times).astype(np.float16),
    )


def save_corpus(path: Path | str, corpus: Sequence[SpeakerMotion]) -> None:
    """Write a corpus to one `.npz`, whole or not at all."""
    arrays = {f"{m.name}/{part}": getattr(m, part) for m in corpus for part in _PARTS}
    about = json.dumps([{**m.about, "name": m.name} for m in corpus])
    with atomic_path(path) as temporary:
        np.savez(temporary, about=np.array(about), **arrays)


def load_corpus(path: Path | str) -> tuple[SpeakerMotion, ...]:
    """Read what `save_corpus` wrote.

    Raises:
        InputError: no such file, or not a corpus.
    """
    if not Path(path).is_file():
        raise InputError(path, "no such file", "make it with make_motion_corpus(path=...)")
    try:
        with open(path, "rb") as file, np.load(file) as content:
            about = json.loads(str(content["about"]))
            return tuple(
                SpeakerMotion(
                    entry["name"],
                    entry,
                    **{part: content[f"{entry['name']}/{part}"] for part in _PARTS},
                )
                for entry in about
            )
    except (KeyError, ValueError, OSError, EOFError, BadZipFile) as fault:
        raise InputError(
            path, f"is not a motion corpus ({fault})", "make it with make_motion_corpus(path=...)"
        ) from None


def _talk(speaker: VirtualSpeaker, seconds: float) -> Utterance:
    """An utterance of at least `seconds`: sentences until it is long enough."""
    sentences = script(language_of(speaker.voice), (speaker.seed, 19))
    spoken: list[str] = []
    length_s = 0.0
    while True:
        spoken.append(next(sentences))
        length_s += len(spoken[-1]) / 18 + 0.2  # about 18 letters a second at most
        if length_s < seconds:
            continue
        utterance = speaker.say(spoken)
        if utterance.duration_s >= seconds:
            return utterance
        length_s = utterance.duration_s
