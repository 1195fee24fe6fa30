"""A corpus of virtual speakers for motion training: sound and coefficients, no pictures."""

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tfhkit.audio import mfcc_windows
from tfhkit.errors import InputError, ParameterError
from tfhkit.media import atomic_path
from tfhkit.virtual.channel import record
from tfhkit.virtual.espeak import resolve
from tfhkit.virtual.speaker import action_matrix, describe, move, random_speaker
from tfhkit.virtual.texts import script
from tfhkit.virtual.workers import in_workers

FPS = 25.0
_STEP = 4  # MFCC rows from one frame to the next at 25 Hz
_ROWS = 28
_PARTS = ("rows", "exp", "pose", "pose_from_sound", "sound_share", "id")


@dataclass(frozen=True)
class SpeakerMotion:
    """One speaker's sound features and motion at 25 Hz.

    Args:
        name: the speaker's; about: dict with voice and style.
        rows: (4 T + 24, 12) MFCC rows, 10 ms apart, from which the windows are cut.
        exp: (T, 64). pose: (T, 6).
        pose_from_sound: (T, 6) part of the pose that follows the sound.
        sound_share: (3,) part of the angles' variance that it makes up.
        id: (80,) identity.
    """

    name: str
    about: dict
    rows: np.ndarray
    exp: np.ndarray
    pose: np.ndarray
    pose_from_sound: np.ndarray
    sound_share: np.ndarray
    id: np.ndarray

    def __len__(self):
        return len(self.exp)

    @property
    def times(self):
        """(T,) s."""
        return np.arange(len(self)) / FPS

    @property
    def windows(self):
        """(T, 28, 12) MFCC windows; a view, equal (but for rounding) to `mfcc_windows`."""
        view = np.lib.stride_tricks.sliding_window_view(self.rows, _ROWS, axis=0)
        return view[::_STEP].transpose(0, 2, 1)

    def track(self):
        """The same as a MotionTrack of `tfhkit.motion`."""
        from tfhkit.motion.data import MotionTrack

        valid = np.ones(len(self), bool)
        return MotionTrack(self.windows, self.exp, self.pose, valid, self.times, self.name, self.id)


def make_motion_corpus(
    n_speakers=40,
    seconds_each=180.0,
    seed=0,
    workers=2,
    progress=None,
    model=None,
    path=None,
    language=None,
    recorded=True,
):
    """Sound features, expression and pose of virtual speakers.

    Args:
        n_speakers: how many; speaker k has seed `seed + k`, so corpora with seeds that lie
            further apart than `n_speakers` share nobody.
        seconds_each: seconds of sound of each.
        seed: int.
        workers: processes; 1 stays in this one.
        progress: callable (done, total, text).
        model: MorphableModel with facial actions; None loads the open model.
        path: `.npz` to write; None keeps the corpus in memory only.
        language: language code of all voices; None draws one for each.
        recorded: pass the sound through random rooms and microphones.
    Returns:
        tuple of SpeakerMotion, in order of their seeds, whatever the number of workers.
    Raises:
        ParameterError: fewer than one speaker or process, a negative seed, less than 2 s or
            more than an hour each, or no such language.
        InputError: `path` cannot be written.
    """
    for name, value, low in (("n_speakers", n_speakers, 1), ("workers", workers, 1)):
        if value < low:
            raise ParameterError(name, f"is {value}", f"give at least {low}")
    if seed < 0:
        raise ParameterError("seed", f"is {seed}", "give 0 or more")
    if not 2 <= seconds_each <= 3600:
        raise ParameterError("seconds_each", f"is {seconds_each}", "give 2 to 3600 s")
    if language is not None:
        resolve(language)
    if model is None:
        from tfhkit.face import load_model

        model = load_model()
    matrix = action_matrix(model)
    jobs = [(seed + k, seconds_each, matrix, language, recorded) for k in range(n_speakers)]
    made, done = [None] * n_speakers, 0
    # opened first: a folder that cannot be written is known before the minutes of speaking
    with atomic_path(path) if path is not None else contextlib.nullcontext() as file:
        for k, motion in in_workers(make_speaker_motion, jobs, workers):
            made[k], done = motion, done + 1
            if progress:
                progress(done, n_speakers, f"speaker {motion.name}, {motion.about['voice']}")
        if file is not None:
            save_corpus(file, made)
    return tuple(made)


def make_speaker_motion(seed, seconds, matrix, language=None, recorded=True):
    """One speaker of the corpus: SpeakerMotion; `matrix` is (52, 64), see `action_matrix`."""
    speaker = random_speaker(seed=seed, language=language)
    utterance = _talk(speaker, seconds)
    n_frames = int(round(seconds * FPS))
    times = np.arange(n_frames) / FPS
    actions, head, _ = move(utterance, speaker.style, times, speaker.seed)
    audio = utterance.audio
    if recorded:
        audio = record(audio, np.random.default_rng((seed, 17)))
    # Windows of every seventh frame lie side by side: together they are all rows, each once.
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
    )


def save_corpus(path, corpus):
    """Write a corpus to one `.npz`, whole or not at all."""
    arrays = {f"{m.name}/{part}": getattr(m, part) for m in corpus for part in _PARTS}
    about = json.dumps([{**m.about, "name": m.name} for m in corpus])
    with atomic_path(path) as temporary:
        np.savez(temporary, about=np.array(about), **arrays)


def load_corpus(path):
    """Read what `save_corpus` wrote: tuple of SpeakerMotion.

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


def _talk(speaker, seconds):
    """An utterance of at least `seconds`: sentences until it is long enough."""
    sentences, spoken = script(speaker.voice.partition("+")[0], (speaker.seed, 19)), []
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
