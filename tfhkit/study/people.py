"""Clips of virtual people for a study: detailed heads that talk for half a minute, with truth."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from tfhkit.face import load_model
from tfhkit.media import SR_HZ, atomic_path, write_video
from tfhkit.progress import Progress
from tfhkit.virtual.detail import random_detail, random_grade
from tfhkit.virtual.footage import render_footage, truth_of
from tfhkit.virtual.scenery import random_scene
from tfhkit.virtual.speaker import Performance, VirtualSpeaker, perform, random_speaker
from tfhkit.virtual.texts import script

SEED = 97_000  # person k has the seed SEED + k: far from every training seed
FPS, SIZE_PX = 25.0, 256
_SENTENCES = 4  # said at a time until the clip is long enough


def make_person_clip(
    path: str | Path, number: int, seconds: float, progress: Progress | None = None
) -> Path:
    """Write a clip of a virtual person who speaks, 25 fps, 256 px, and its truth next to it.

    Skin, shape and shine have details that no face model represents (`tfhkit.virtual.detail`), so
    that there is something to refine.

    Args:
        path: the `.mp4`; the truth goes to the same name with `.truth.npz`.
        number: of the person, from 1.
        seconds: length of the clip.
        progress: called as progress(done, total, text).
    Returns:
        the path; a clip with its truth that is there already is kept.
    """
    path, seed = Path(path), SEED + number
    truth_path = path.with_suffix(".truth.npz")
    if path.is_file() and truth_path.is_file():
        return path
    model = load_model()
    speaker = random_speaker(model, seed)
    performance = _talk(speaker, seconds)
    scene, grade = random_scene(seed, SIZE_PX, SIZE_PX), random_grade(seed)
    detail = random_detail(model, speaker.tex, seed)

    def frames() -> Iterator[UInt8[np.ndarray, "H W 3"]]:
        drawn = render_footage(performance, scene, model, detail=detail)
        for k, frame in enumerate(drawn):
            if progress:
                progress(k + 1, len(performance), "filming")
            graded = grade(frame.astype(np.float32) / 255)
            yield np.rint(255 * graded).astype(np.uint8)

    write_video(path, frames(), performance.times, performance.audio)
    with atomic_path(truth_path) as temporary:
        truth: dict[str, Any] = truth_of(performance, speaker, scene, model)
        np.savez_compressed(temporary, **truth)
    return path


def _talk(speaker: VirtualSpeaker, seconds: float) -> Performance:
    """Sentences in the speaker's language, cut to a length."""
    lines, said = script(speaker.voice.partition("+")[0], (speaker.seed, 19)), []
    while True:
        said += [next(lines) for _ in range(_SENTENCES)]
        if speaker.say(said).duration_s >= seconds:
            break
    times = np.arange(round(seconds * FPS)) / FPS
    performance = perform(speaker, said, times=times, model=load_model())
    return replace(performance, audio=performance.audio[: round(seconds * SR_HZ)])
