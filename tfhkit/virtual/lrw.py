"""A small corpus of virtual speakers in the folder layout of LRW: one word a clip, 29 frames."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tfhkit.errors import ParameterError
from tfhkit.face import load_model
from tfhkit.media import atomic_path
from tfhkit.progress import Progress
from tfhkit.virtual.footage import write_footage
from tfhkit.virtual.scenery import random_scene
from tfhkit.virtual.speaker import VirtualSpeaker, perform, random_speaker
from tfhkit.virtual.workers import in_workers

FPS, N_FRAMES, SIZE_PX = 25.0, 29, 256
SPLITS = ("train", "val", "test")
_BEFORE = ("I think that", "We were told", "They say that", "It seems to me", "Maybe you know")
_AFTER = ("is what they want", "may be the answer", "was on my mind", "could be in the news")


WORDS = ("ABOUT", "PEOPLE", "MOVE")


def make_lrw_corpus(
    folder: Path | str,
    words: str | Sequence[str] = WORDS,
    n_clips: tuple[int, int, int] = (4, 1, 1),
    seed: int = 0,
    supersample: int = 2,
    workers: int = 1,
    progress: Progress | None = None,
) -> tuple[Path, ...]:
    """Clips `lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4` with the word in their middle.

    Every clip shows another speaker of the open model, in English, and has its truth in
    `.truth.npz` next to it. Clips that an earlier call with the same arguments finished are kept.

    Args:
        folder: where `lipread_mp4` is made.
        words: English words.
        n_clips: clips of each word for training, validation and test.
        seed: random seed of the first clip's speaker; the following ones count up from it.
        supersample: points per pixel along each axis.
        workers: number of processes; 1 makes all clips in this process.
        progress: called as progress(done, total, text).
    Returns:
        the clips' paths.
    Raises:
        ParameterError: a word is not one word of letters, or is given twice; a number is too
            small, or there would be no clip.
        InputError: the folder cannot be written.
    """
    words = _checked_words(words)
    _check_numbers(n_clips, seed, supersample, workers)
    root = Path(folder) / "lipread_mp4"
    jobs: list[tuple[Path, str, int, int]] = []
    for word in words:
        for split, count in zip(SPLITS, n_clips):
            for number in range(1, count + 1):
                path = root / word / split / f"{word}_{number:05d}.mp4"
                jobs.append((path, word, seed + len(jobs), supersample))
    with atomic_path(root / ".writable"):  # known before the minutes of rendering
        missing = [job for job in jobs if not _is_whole(job[0], job[2])]
    (root / ".writable").unlink()
    done = len(jobs) - len(missing)
    for k, _ in in_workers(_make_word, missing, workers):
        done += 1
        if progress:
            progress(done, len(jobs), missing[k][0].name)
    return tuple(job[0] for job in jobs)


def _checked_words(words: str | Sequence[str]) -> list[str]:
    words = [words] if isinstance(words, str) else list(words)
    if not words:
        raise ParameterError("words", "there are none", 'give some, e.g. "ABOUT", "PEOPLE"')
    for word in words:
        if not (isinstance(word, str) and word.isascii() and word.isalpha()):
            fault = f"{word!r} is not one English word"
            raise ParameterError("words", fault, "give words of the letters A to Z only")
    words = [word.upper() for word in words]
    for word in words:
        if words.count(word) > 1:
            raise ParameterError("words", f"{word} is there twice", "name each word once")
        _utter(random_speaker(seed=0, language="en-us"), word, (_BEFORE[0], _AFTER[0]))
    return words


def _check_numbers(
    n_clips: tuple[int, int, int], seed: int, supersample: int, workers: int
) -> None:
    given = [(f"n_clips of {split!r}", count, 0) for split, count in zip(SPLITS, n_clips)]
    given += [("seed", seed, 0), ("supersample", supersample, 1), ("workers", workers, 1)]
    for name, value, low in given:
        if not isinstance(value, (int, np.integer)) or value < low:
            raise ParameterError(name, f"is {value!r}", f"give a whole number from {low} on")
    if not sum(n_clips):
        raise ParameterError("n_clips", "there would be no clip", "give at least 1 clip of a word")


def _is_whole(path: Path, seed: int) -> bool:
    """Whether clip and truth of this seed are there; each is written whole or not at all."""
    try:
        with open(path.with_suffix(".truth.npz"), "rb") as file, np.load(file) as truth:
            return path.is_file() and json.loads(str(truth["speaker"]))["seed"] == seed
    except (OSError, KeyError, ValueError, EOFError, BadZipFile):
        return False


def _utter(speaker: VirtualSpeaker, word: str, around: tuple[str, str]) -> tuple[str, float]:
    """A sentence with the word in it, and the word's middle in s."""
    text = f"{around[0]} {word.lower()} {around[1]}."
    said = [w for w in speaker.say(text).words if w.text.lower() == word.lower()]
    before = around[0].lower().split().count(word.lower())
    after = around[1].lower().split().count(word.lower())
    if len(said) != before + 1 + after:
        fault = f"{word!r} is not said as a word of its own"
        raise ParameterError("words", fault, "give longer English words")
    return text, (said[before].start_s + said[before].end_s) / 2


def _make_word(path: Path, word: str, seed: int, supersample: int) -> None:
    """Film a sentence with the word and keep the 29 frames around the word."""
    rng = np.random.default_rng((seed, 37))
    model = load_model()
    speaker = random_speaker(model, seed, language="en-us")
    around = _BEFORE[rng.integers(len(_BEFORE))], _AFTER[rng.integers(len(_AFTER))]
    text, middle_s = _utter(speaker, word, around)
    start_s = max(middle_s - N_FRAMES / FPS / 2, 0.0)
    times = start_s + np.arange(N_FRAMES) / FPS
    performance = perform(speaker, text, times=times, model=model)
    first = round(start_s * 16000)
    shifted = tuple(
        replace(p, start_s=p.start_s - start_s, end_s=p.end_s - start_s)
        for p in performance.phonemes
    )
    performance = replace(
        performance, audio=performance.audio[first:], times=times - start_s, phonemes=shifted
    )
    scene = random_scene(seed, SIZE_PX, SIZE_PX)
    # a face fills about half of an LRW frame
    scene = replace(scene, focal_px=3.6 * SIZE_PX, centre_px=(SIZE_PX // 2, SIZE_PX // 2))
    write_footage(path, performance, speaker, scene, model, supersample)
