"""Which clips a study measures: folders, patterns, lists, files, the sample, virtual people."""

import glob
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tfhkit.assets import fetch
from tfhkit.errors import InputError, ParameterError

SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".3gp", ".wmv")
MOST_VIRTUAL = 1000
SECONDS = 32.0
_VIRTUAL = re.compile(r"virtual:(\d+)(?:x(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True)
class StudyClip:
    """One clip of a study.

    Args:
        name: of its row and its folder, unique in the study.
        path: the video file; None for a virtual person, whose clip the study makes.
        number: of the virtual person, from 1; 0 for a file.
        seconds: length of the virtual person's clip; 0 for a file.
        coefficients: another tracker's file of this clip, or its folder; None fits the clip.
    """

    name: str
    path: Path | None = None
    number: int = 0
    seconds: float = 0.0
    coefficients: Path | None = None


def find_clips(sources: Sequence[str]) -> tuple[StudyClip, ...]:
    """The clips of a study, in order.

    Args:
        sources: each a video file, a folder of them, a pattern such as "clips/*.mp4", a text file
            with one of these per line, "sample", "virtual:15", or "virtual:15x45s" for virtual
            people with clips of 45 s.
           Raises:
        InputError: a source that is not there or holds no video.
        ParameterError: no source, a wrong number of virtual people, or two clips of one name.
    """
    if not sources:
        raise ParameterError("CLIPS", "there are none", "name a folder, or virtual:15")
    clips: list[StudyClip] = []
    for source in sources:
        clips += _clips_of(str(source))
    known: dict[str, StudyClip] = {}
    for clip in clips:
        before = known.setdefault(clip.name.lower(), clip)
        if before is not clip:
            fault = f"two clips have the name {clip.name!r}"
            if clip.path is not None and before.path is not None:
                fault += f": {before.path} and {clip.path}"
            raise ParameterError("CLIPS", fault, "rename one of them, or name it only once")
    return tuple(clips)


def with_coefficients(clips: Sequence[StudyClip], place: str | Path) -> tuple[StudyClip, ...]:
    """The clips with what another tracker found in them.

    Args:
        clips: as from `find_clips`.
        place: the tracker's `.mat` of the only clip; or a folder with NAME.mat, or a folder NAME
            of one file per frame, for every clip.
    Raises:
        InputError: a clip without coefficients, or no such file.
    """
    place = Path(place).expanduser().absolute()
    if not place.exists():
        raise InputError(place, "there is no such file or folder", "check --coefficients")
    if place.is_file():
        if len(clips) > 1:
            fault = f"is one file for {len(clips)} clips"
            raise InputError(place, fault, "give a folder with NAME.mat for each clip")
        return (replace(clips[0], coefficients=place),)
    found = []
    for clip in clips:
        own = [path for path in (place / f"{clip.name}.mat", place / clip.name) if path.exists()]
        if not own:
            fault = f"has no {clip.name}.mat for the clip {clip.name}"
            raise InputError(place, fault, "track that clip as well, or leave it out")
        found.append(replace(clip, coefficients=own[0]))
    return tuple(found)


def _clips_of(source, lists=()):
    """The clips of one source, which `lists` name, each in the one before."""
    if _is_virtual(source):
        return _virtual(source)
    if source == "sample":
        return [StudyClip("sample", fetch("sample_clip"))]
    path = _path_of(source)
    if path.is_dir():
        return _of_folder(path)
    if path.suffix.lower() in (".txt", ".list"):
        return _of_list(path, lists)
    if any(sign in source for sign in "*?[") and not path.exists():
        found = [Path(name) for name in sorted(glob.glob(str(path), recursive=True))]
        found = [name for name in found if name.is_file()]
        if not found:
            raise InputError(source, "no file fits this pattern", "name files, or a folder")
        return [_of_file(name) for name in found]
    if not path.is_file():
        raise InputError(source, "there is no such file or folder", "check the name")
    return [_of_file(path)]


def _path_of(name):
    """A path that the system can look up."""
    try:
        path = Path(name).expanduser()
        os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null character, ~nobody
        said = getattr(error, "strerror", None) or error
        raise InputError(name, f"cannot be opened ({said})", "check the name") from error
    return path


def _is_virtual(source, folder=Path()):
    """Whether a source asks for virtual people; a file or folder of this name goes before."""
    return source.startswith("virtual:") and not (folder / source).exists()


def _virtual(source):
    found = _VIRTUAL.fullmatch(source)
    if found is None or not 1 <= int(found[1]) <= MOST_VIRTUAL:
        fault = f"is not a number of virtual people from 1 to {MOST_VIRTUAL}"
        raise ParameterError(source, fault, 'write "virtual:15", or "virtual:15x45s"')
    seconds = float(found[2] or SECONDS)
    if not 8 <= seconds <= 600:
        raise ParameterError(source, f"asks for clips of {seconds:g} s", "take 8 to 600 s")
    mark = "" if seconds == SECONDS else f"_{seconds:g}s"
    return [
        StudyClip(f"virtual_{k:02d}{mark}", number=k, seconds=seconds)
        for k in range(1, int(found[1]) + 1)
    ]


def _of_folder(folder):
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    except OSError as error:
        remedy = "check its permissions"
        raise InputError(folder, f"cannot be read ({error.strerror})", remedy) from error
    files = [path for path in files if path.is_file() and not path.name.startswith(".")]
    if not files:
        deeper = any(path.suffix.lower() in SUFFIXES for path in folder.glob("*/*"))
        remedy = f'name "{folder}/*/*"' if deeper else f"put videos there ({', '.join(SUFFIXES)})"
        raise InputError(folder, "there is no video in this folder", remedy)
    return [_of_file(path) for path in files]


def _of_list(path, lists):
    try:
        text = path.read_text(encoding="utf-8-sig")
        if "\0" in text:  # no name has one, and UTF-16 is full of them
            raise ValueError("it is not UTF-8")
    except (OSError, ValueError) as error:
        remedy = "write one clip per line, as UTF-8 text"
        raise InputError(path, "cannot be read as text", remedy) from error
    lists = (*lists, os.path.realpath(path))
    clips: list[StudyClip] = []
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        if entry != "sample" and not _is_virtual(entry, path.parent):
            entry = str(path.parent / Path(entry).expanduser())
        if os.path.realpath(entry) in lists:
            own = os.path.realpath(entry) == lists[-1]
            fault = "names the list itself" if own else f"names {entry}, which names this list"
            raise InputError(f"{path}, line {number}", fault, "remove the line")
        try:
            clips += _clips_of(entry, lists)
        except InputError as error:
            where = f"{path}, line {number}"
            raise InputError(where, f"{error.where}: {error.fault}", error.remedy) from error
    if not clips:
        raise InputError(path, "names no clip", "write one clip per line")
    return clips


def _of_file(path):
    return StudyClip(path.stem, path.absolute())
