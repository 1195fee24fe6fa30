"""LRW's clips as MotionTracks: decoded, fitted and kept in a cache; what cannot be is listed."""

import csv
import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from tfhkit.errors import AssetError, InputError, ParameterError
from tfhkit.face import load_model
from tfhkit.fit import fit_clip
from tfhkit.landmarks import choose_backend, detect
from tfhkit.media import atomic_path, open_clip, sha256_of
from tfhkit.motion.data import MotionTrack, make_track
from tfhkit.progress import Progress

SPLITS = ("train", "val", "test")
VERSION = 1  # of what the cache holds; raise it where a fit or a track would come out differently
# (function, jobs: its arguments) -> (index of a job, result), as they get ready
Share = Callable[[Callable[..., Any], list[tuple]], Iterable[tuple[int, Any]]]
_LAYOUT = "lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4"
_PARTS = ("windows", "exp", "pose", "valid", "times", "id")
_MIN_SECONDS = 0.6  # `make_track` needs 16 frames at 25 Hz


@dataclass(frozen=True)
class ClipFitting:
    """How a clip is fitted.

    Args:
        model_name: see `tfhkit.face.load_model`.
        model_path: the same; "" takes the model from its usual place.
        backend: of the landmarks, see `tfhkit.landmarks.detect`.
    """

    model_name: str = "open"
    model_path: str = ""
    backend: str = "auto"


def load_lrw(
    folder: str | Path, cache: str | Path, words: Sequence[str] | None = None,
    split: str = "train", per_word: int | None = None, fitting: ClipFitting = ClipFitting(),
    share: Share | None = None, progress: Progress | None = None,
) -> tuple[tuple[MotionTrack, ...], tuple[tuple[str, str], ...]]:  # fmt: skip
    """Tracks of LRW's clips, one for each clip, which counts as a speaker of its own.

    A clip is decoded, its landmarks found and the model fitted to them (no pixels) once; the
    result is kept under the hash of the file's content, so that a call that was stopped resumes
    and a second call only reads. A track takes about 50 kB of memory.

    Args:
        folder: holds `lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4`, or is `lipread_mp4`.
        cache: folder of the cache; `skipped.csv` there lists what this call left out, and why.
        words, split, per_word: which clips, see `find_clips`.
        fitting: the morphable model and the landmarks.
        share: called as share(function, jobs); yields (index, result) in any order, e.g.
            `tfhkit.virtual.workers.in_workers` with its `workers` bound. None fits one clip after
            the other in this process.
        progress: called after each clip.
    Returns:
        the tracks, in order of word and number, `speaker` being the clip's name; and what was
        skipped: file below `lipread_mp4`, reason.
    Raises:
        InputError: the folder is not LRW's, no clip could be used, or the cache cannot be written.
        ParameterError: unknown word, split or backend, or a wrong `per_word`.
    """
    root, paths = find_clips(folder, words, split, per_word)
    names = [path.relative_to(root).as_posix() for path in paths]
    with atomic_path(Path(cache) / "skipped.csv") as table:  # known before the hours of fitting
        kept, faults = places_in_cache(paths, Path(cache), fitting)
        jobs = {k: (paths[k], kept[k], fitting) for k in kept if _read(kept[k], "") is None}
        numbers, done = list(jobs), len(paths) - len(jobs)
        for job, _ in (share or _one_by_one)(fit_to_cache, list(jobs.values())):
            done += 1
            if progress:
                progress(done, len(paths), names[numbers[job]])
        tracks = []
        for k, place in kept.items():
            found = _read(place, paths[k].stem)
            if isinstance(found, MotionTrack):
                tracks.append(found)
            else:
                faults[k] = found or "its fit cannot be read from the cache"
        skipped = tuple((names[k], faults[k]) for k in sorted(faults))
        with open(table, "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([("file", "reason"), *skipped])
    if not tracks:
        raise InputError(
            root,
            f"none of its {len(paths)} clips can be used; {skipped[0][0]} {skipped[0][1]}",
            f"see {Path(cache) / 'skipped.csv'}; {_LAYOUT} must be clips of a face with its sound",
        )
    return tuple(tracks), skipped


def places_in_cache(
    paths: Sequence[Path], cache: Path, fitting: ClipFitting
) -> tuple[dict[int, Path], dict[int, str]]:
    """Where in the cache each clip's track belongs; and why some clips cannot be read.

    Returns:
        two dicts by the clip's number in `paths`, each clip in one of them.
    Raises:
        ParameterError: an unknown backend of the landmarks.
    """
    mark = f"{fitting.model_name}_{choose_backend(fitting.backend)}_v{VERSION}"
    kept, faults = {}, {}
    for k, path in enumerate(paths):
        try:
            kept[k] = cache / f"{sha256_of(path)[:32]}_{mark}.npz"
        except InputError as error:
            faults[k] = error.fault
        except OSError as error:
            faults[k] = f"cannot be read ({error.strerror or error})"
    return kept, faults


def find_clips(
    folder: str | Path,
    words: Sequence[str] | None = None,
    split: str = "train",
    per_word: int | None = None,
) -> tuple[Path, list[Path]]:
    """The folder `lipread_mp4` and its clips of a split, sorted.

    Args:
        folder: as for `load_lrw`.
        words: words to take; None takes all.
        split: "train", "val" or "test".
        per_word: at most so many clips of each word, the first by name; None takes all.
    Raises:
        InputError: the folder is not LRW's, or has no such clips.
        ParameterError: unknown word or split, or a wrong `per_word`.
    """
    if split not in SPLITS:
        raise ParameterError("split", f"{split!r} is not one", f"choose one of {', '.join(SPLITS)}")
    if per_word is not None and (not isinstance(per_word, int) or per_word < 1):
        raise ParameterError("per_word", f"is {per_word!r}", "give a whole number from 1 on")
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(folder, "there is no such folder", f"give the one that has {_LAYOUT}")
    root = folder / "lipread_mp4" if (folder / "lipread_mp4").is_dir() else folder
    there = sorted(p.name for p in root.iterdir() if any((p / s).is_dir() for s in SPLITS))
    if not there:
        raise InputError(folder, "is not laid out as LRW", f"give the folder that has {_LAYOUT}")
    for word in words or ():
        if word not in there:
            near = difflib.get_close_matches(str(word).upper(), there, n=3) or there[:3]
            raise ParameterError("words", f"{word!r} is not there", f"e.g. {', '.join(near)} are")
    paths: list[Path] = []
    for word in sorted(set(words or there)):
        paths += sorted((root / word / split).glob("*.mp4"))[:per_word]
    if not paths:
        fault = f"has no clips of the split {split!r}"
        raise InputError(root, fault, f"give the folder that has {_LAYOUT}")
    return root, paths


def fit_to_cache(path: Path, kept: Path, fitting: ClipFitting) -> None:
    """Fit one clip and write its track to the cache, or why there is none.

    Args:
        path: the clip.
        kept: the `.npz` to write.
        fitting: the morphable model and the landmarks.
    """
    try:
        clip = open_clip(path, _MIN_SECONDS)
        points = detect(clip, fitting.backend)
        model = load_model(fitting.model_name, fitting.model_path or None)
        # two frames for the texture, which no track has: the motion is the same with more
        fit = fit_clip(clip, points, model, photometric=None, texture_frames=2)
        c = fit.coefficients
        track = make_track(clip.audio, fit.times, c.exp, c.pose, fit.gap, str(path), c.id[0])
        content = {part: getattr(track, part) for part in _PARTS}
    except (ParameterError, AssetError):  # of the call or the installation, not of the clip
        raise
    except InputError as error:
        content = {"fault": np.array(error.fault)}
    with atomic_path(kept) as temporary:
        np.savez(temporary, **content)


def _one_by_one(function: Callable[..., Any], jobs: list[tuple]) -> Iterator[tuple[int, Any]]:
    for k, job in enumerate(jobs):
        yield k, function(*job)


def _read(kept: Path, speaker: str) -> MotionTrack | str | None:
    """What the cache holds of a clip: its track, the reason why there is none, or None."""
    try:
        with open(kept, "rb") as file, np.load(file) as content:
            if "fault" in content:
                return str(content["fault"])
            return MotionTrack(**{part: content[part] for part in _PARTS}, speaker=speaker)
    except (OSError, KeyError, ValueError, EOFError, BadZipFile):
        return None
