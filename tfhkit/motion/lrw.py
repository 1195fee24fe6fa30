"""LRW's clips as MotionTracks: decoded, fitted and kept in a cache; what cannot be is listed."""

import csv
import difflib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from tfhkit.errors import AssetError, InputError, ParameterError
from tfhkit.face import load_model
from tfhkit.fit import fit_clip
from tfhkit.landmarks import choose_backend, detect
from tfhkit.media import atomic_path, open_clip, sha256_of
from tfhkit.motion.data import MotionTrack, make_track

SPLITS = ("train", "val", "test")
VERSION = 1  # of what the cache holds; raise it where a fit or a track would come out differently
_LAYOUT = "lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4"
_PARTS = ("windows", "exp", "pose", "valid", "times", "id")
_MIN_SECONDS = 0.6  # `make_track` needs 16 frames at 25 Hz


def load_lrw(
    folder, cache, words=None, split="train", per_word=None, model_name="open", model_path="",
    backend="auto", share=None, progress=None,
):  # fmt: skip
    """MotionTracks of LRW's clips, one for each clip and each of a speaker of its own.

    A clip is decoded, its landmarks found and the model fitted to them (no pixels) once; the
    result is kept under the hash of the file's content, so that a call that was stopped resumes
    and a second call only reads. A track takes about 50 kB of memory.

    Args:
        folder: holds `lipread_mp4/WORD/{train,val,test}/WORD_00001.mp4`, or is `lipread_mp4`.
        cache: folder of the cache; `skipped.csv` there lists what this call left out, and why.
        words: words to take; None takes all.
        split: "train", "val" or "test".
        per_word: at most so many clips of each word, the first by name; None takes all.
        model_name, model_path: see `tfhkit.face.load_model`.
        backend: of the landmarks.
        share: callable (function, jobs) that yields (index, result) as they get ready, e.g.
            `tfhkit.virtual.workers.in_workers` with its `workers` bound; None does one clip
            after the other in this process.
        progress: callable (done, total, text).
    Returns:
        tracks: tuple of MotionTrack, in order of word and number, `speaker` the clip's name.
        skipped: tuple of (file below `lipread_mp4`, reason).
    Raises:
        InputError: the folder is not LRW's, no clip could be used, or the cache cannot be written.
        ParameterError: unknown word, split or backend, or a wrong `per_word`.
    """
    root, paths = find_clips(folder, words, split, per_word)
    names = [path.relative_to(root).as_posix() for path in paths]
    mark = f"{model_name}_{choose_backend(backend)}_v{VERSION}"
    faults, kept = {}, [None] * len(paths)
    with atomic_path(Path(cache) / "skipped.csv") as table:  # known before the hours of fitting
        for k, path in enumerate(paths):
            try:
                kept[k] = Path(cache) / f"{sha256_of(path)[:32]}_{mark}.npz"
            except InputError as error:
                faults[k] = error.fault
            except OSError as error:
                faults[k] = f"cannot be read ({error.strerror or error})"
        todo = [k for k in range(len(paths)) if k not in faults and _read(kept[k], "") is None]
        jobs = [(paths[k], kept[k], model_name, model_path, backend) for k in todo]
        done = len(paths) - len(todo)
        for k, _ in (share or _one_by_one)(fit_to_cache, jobs):
            done += 1
            if progress:
                progress(done, len(paths), names[todo[k]])
        tracks = []
        for k, path in enumerate(paths):
            found = faults.get(k) or _read(kept[k], path.stem)
            if isinstance(found, MotionTrack):
                tracks.append(found)
            else:
                faults[k] = found
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


def find_clips(folder, words=None, split="train", per_word=None):
    """The folder `lipread_mp4` and its clips of a split, sorted; arguments as of `load_lrw`."""
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
    paths = []
    for word in sorted(set(words or there)):
        paths += sorted((root / word / split).glob("*.mp4"))[:per_word]
    if not paths:
        fault = f"has no clips of the split {split!r}"
        raise InputError(root, fault, f"give the folder that has {_LAYOUT}")
    return root, paths


def fit_to_cache(path, kept, model_name="open", model_path="", backend="auto"):
    """Fit one clip and write its track to the cache, or why there is none.

    Args:
        path: the clip. kept: the `.npz` to write.
        model_name, model_path, backend: as of `load_lrw`.
    """
    try:
        clip = open_clip(path, _MIN_SECONDS)
        points = detect(clip, backend)
        model = load_model(model_name, model_path or None)
        # two frames for the texture, which no track has: the motion is the same with more
        fit = fit_clip(clip, points, model, photometric=None, texture_frames=2)
        c = fit.coefficients
        track = make_track(
            clip.audio, fit.times, c.exp, c.pose, fit.gap, str(path), c.id[0]
        )  # fmt: skip
        content = {part: getattr(track, part) for part in _PARTS}
    except (ParameterError, AssetError):  # of the call or the installation, not of the clip
        raise
    except InputError as error:
        content = {"fault": np.array(error.fault)}
    with atomic_path(kept) as temporary:
        np.savez(temporary, **content)


def _one_by_one(function, jobs):
    for k, job in enumerate(jobs):
        yield k, function(*job)


def _read(kept, speaker):
    """What the cache holds of a clip: MotionTrack, the reason why there is none, or None."""
    try:
        with open(kept, "rb") as file, np.load(file) as content:
            if "fault" in content:
                return str(content["fault"])
            return MotionTrack(**{part: content[part] for part in _PARTS}, speaker=speaker)
    except (OSError, KeyError, ValueError, EOFError, BadZipFile):
        return None
