"""A small corpus of virtual speakers in the folder layout of LRW: one word a clip, 29 frames."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tfhkit.errors import ParameterError
from tfhkit.face import load_model
from tfhkit.virtual.footage import write_footage
from tfhkit.virtual.scenery import random_scene
from tfhkit.virtual.speaker import perform, random_speaker

FPS, N_FRAMES, SIZE_PX = 25.0, 29, 256
SPLITS = ("train", "val", "test")
_BEFORE = ("I think that", "We were told", "They say that", "It seems to me", "Maybe you know")
_AFTER = ("is what they want", "may be the answer", "was on my mind", "could be in the news")


def make_lrw_corpus(
    folder, words=("ABOUT", "PEOPLE", "MOVE"), n_train=4, n_val=1, n_test=1, seed=0, model=None,
    supersample=2, progress=None,
):  # fmt: skip
    """Clips `lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4` with the word in their middle.

    Every clip has another speaker, in English, and its truth in `.truth.npz` beside it.

    Args:
        folder: where `lipread_mp4` is made.
        words: English words.
        n_train, n_val, n_test: clips of each word.
        seed: int. model: MorphableModel; None loads the open model.
        supersample: points per pixel along each axis.
        progress: callable (done, total, text).
    Returns:
        tuple of the clips' paths.
    Raises:
        ParameterError: a word is not one word of letters.
    """
    for word in words:
        if not word.isalpha():
            raise ParameterError("words", f"{word!r} is not one word", "give words of letters only")
    model = model or load_model()
    plan = [
        (word.upper(), split, number + 1)
        for word in words
        for split, count in zip(SPLITS, (n_train, n_val, n_test))
        for number in range(count)
    ]
    paths = []
    for k, (word, split, number) in enumerate(plan):
        path = Path(folder) / "lipread_mp4" / word / split / f"{word}_{number:05d}.mp4"
        _make_word(path, word, seed + k, model, supersample)
        paths.append(path)
        if progress:
            progress(k + 1, len(plan), path.name)
    return tuple(paths)


def _make_word(path, word, seed, model, supersample):
    rng = np.random.default_rng((seed, 37))
    speaker = random_speaker(model, seed, language="en-us")
    before, after = (choices[rng.integers(len(choices))] for choices in (_BEFORE, _AFTER))
    text = f"{before} {word.lower()} {after}."
    spoken = next(w for w in speaker.say(text).words if w.text == word.lower())
    start_s = max((spoken.start_s + spoken.end_s) / 2 - N_FRAMES / FPS / 2, 0.0)
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
