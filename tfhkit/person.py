"""What passes along the chain: a learned Person with its directory, Motion, Refined frames."""

import json
import shutil
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np

from tfhkit import __version__
from tfhkit.errors import InputError
from tfhkit.fit import Fit
from tfhkit.media import (
    Clip,
    atomic_path,
    load_arrays,
    open_clip,
    save_arrays,
    sha256_of,
    write_json,
)
from tfhkit.motion import MotionWeights
from tfhkit.motion.general import basis_mark
from tfhkit.profiles import Settings
from tfhkit.refine import Refiner, load_refiner, save_refiner

FORMAT = "tfhkit person 1"
FILE = "person.json"
PARTS = ("fit.npz", "mapping.safetensors", "refiner.safetensors")


@dataclass(frozen=True, eq=False)
class Person:
    """Everything that a sentence in a person's mouth is made from.

    Args:
        clip: Clip of the person; its frames are the backgrounds.
        fit: Fit of the clip.
        mapping: MotionWeights, personal, from sound to motion (Eq. 1).
        refiner: Refiner, personal, from coarse rendering to frame (Eq. 3); None before training.
        settings: Settings of the profile that the person was learned with.
        train: slice of the frames that were learned from; they serve as backgrounds.
        held: slice of the held-out frames.
        scores: dict of numbers on the held-out frames.
    """

    clip: Clip
    fit: Fit
    mapping: MotionWeights
    refiner: Refiner | None
    settings: Settings
    train: slice
    held: slice
    scores: dict = field(default_factory=dict)

    @cached_property
    def model(self):
        """The MorphableModel that was fitted."""
        return self.fit.load_model()

    def save(self, folder):
        """Write the person's directory; `Person.load` reads it, on any machine."""
        start_directory(folder, self.clip, self.settings, seed=None)
        for name, part in zip(PARTS, (self.fit, self.mapping, self.refiner)):
            save_part(part, Path(folder) / name)
        finish_directory(folder, self)

    @classmethod
    def load(cls, folder):
        """Read a person's directory.

        Raises:
            InputError: it is not one, is incomplete, was changed, is of another version, or of a
                face model that is not the one installed.
        """
        about = read_directory(folder)
        if about is None:
            fault = f"is not a person's directory (it has no {FILE})"
            raise InputError(folder, fault, "make one with `tfhkit learn CLIP -o DIR`")
        if "files" not in about:
            fault = "is incomplete: learning was stopped before its end"
            raise InputError(folder, fault, "run the same `tfhkit learn` again; it resumes")
        again = "learn the person again into another directory"
        for name, digest in about["files"].items():
            path = Path(folder) / name
            if not path.is_file():
                raise InputError(folder, f"is incomplete: {name} is missing", again)
            if sha256_of(path) != digest:
                raise InputError(folder, f"{name} was changed since it was written", again)
        settings = Settings(**about["settings"])
        fit = Fit.load(Path(folder) / PARTS[0])
        person = cls(
            open_clip(Path(folder) / about["clip"]),
            fit,
            MotionWeights.load(Path(folder) / PARTS[1]),
            load_refiner(Path(folder) / PARTS[2]),
            settings,
            *settings.split(len(fit)),
            about["scores"],
        )
        if basis_mark(person.model) != about["face_model"]:
            fault = f"was learned with another face model ({about['face_model']})"
            raise InputError(folder, fault, again)
        return person


@dataclass(frozen=True, eq=False)
class Motion:
    """How a head moves while it speaks, frame by frame.

    Args:
        times: (T,) seconds.
        exp: (T, 64) expression, from the sound (Eq. 1).
        predicted_pose: (T, 6) angles (radians) and translation (dm), from the sound (Eq. 1).
        pose: (T, 6) the pose that is rendered, adjusted to the background (Sec. 3.3.2).
        source_index: (T,) int64 number of the clip's frame that lies behind.
    """

    times: np.ndarray
    exp: np.ndarray
    predicted_pose: np.ndarray
    pose: np.ndarray
    source_index: np.ndarray

    def __len__(self):
        return len(self.times)

    def __getitem__(self, frames):
        """The Motion of some frames, by slice or index array."""
        return Motion(*(getattr(self, f.name)[frames] for f in fields(self)))

    def save(self, path):
        """Write everything to one `.npz`."""
        save_arrays(path, self)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote; InputError where the file holds something else."""
        return load_arrays(path, cls)


@dataclass(frozen=True, eq=False)
class Refined:
    """Finished frames of the face.

    Args:
        times: (T,) seconds. frames: (T,) int64 numbers of the clip's frames that lie behind.
        pictures: (T, S, S, 3) uint8.
        attention: (T, S, S) uint8, A of Eq. 3: 255 where the rendering was kept.
        mask, changed: as in Coarse.
    """

    times: np.ndarray
    frames: np.ndarray
    pictures: np.ndarray
    attention: np.ndarray
    mask: np.ndarray
    changed: np.ndarray

    def __len__(self):
        return len(self.times)

    def save(self, path):
        """Write everything to one `.npz`."""
        save_arrays(path, self)

    @classmethod
    def load(cls, path):
        """Read what `save` wrote; InputError where the file holds something else."""
        return load_arrays(path, cls)


def start_directory(folder, clip, settings, seed):
    """Make a person's directory, or find the unfinished one of the same learning.

    Args:
        folder: the directory. clip: Clip. settings: Settings. seed: random seed.
    Raises:
        InputError: the directory holds another person, or cannot be written.
    """
    mine = {
        "format": FORMAT,
        "version": __version__,
        "clip": f"clip{clip.path.suffix.lower()}",
        "clip_sha256": clip.sha256,
        "settings": asdict(settings),
        "seed": seed,
    }
    found = read_directory(folder)
    if found is not None and {k: found.get(k) for k in mine} != mine:
        fault = "holds another person, or one learned with another profile or seed"
        raise InputError(folder, fault, "name another directory, or delete this one")
    folder = Path(folder)
    if found is None:
        if folder.exists() and not folder.is_dir():
            raise InputError(folder, "is a file", "name a directory for the person")
        if folder.is_dir() and any(folder.iterdir()):
            raise InputError(folder, "holds something else already", "name another directory")
        write_json(folder / FILE, mine)
    if not (folder / mine["clip"]).is_file():
        with atomic_path(folder / mine["clip"]) as temporary:
            shutil.copyfile(clip.path, temporary)


def finish_directory(folder, person):
    """Write what makes the directory count as finished: scores and hashes of its parts."""
    folder = Path(folder)
    about = read_directory(folder)
    weights = [Path(name).with_suffix(".json").name for name in PARTS[1:]]
    files = [about["clip"], *PARTS, *weights]
    about |= {
        "face_model": basis_mark(person.model),
        "scores": person.scores,
        "files": {name: sha256_of(folder / name) for name in files},
    }
    write_json(folder / FILE, about)


def read_directory(folder):
    """What the directory's JSON file says, or None where there is none.

    Raises:
        InputError: the file cannot be read, or is of another version of the kit.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        version = about["format"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(path, "cannot be read", "learn the person again") from error
    if version != FORMAT:
        fault = f"was written by another version of the kit ({version}; this one reads {FORMAT})"
        raise InputError(folder, fault, "learn the person again into another directory")
    return about


def save_part(part, path):
    """Write a Fit, MotionWeights or Refiner."""
    save_refiner(part, path) if isinstance(part, Refiner) else part.save(path)


def load_part(path):
    """Read what `save_part` wrote; None where there is no such file."""
    path = Path(path)
    if not path.is_file():
        return None
    read = dict(zip(PARTS, (Fit.load, MotionWeights.load, load_refiner)))
    return read[path.name](path)
