"""What passes along the chain: a learned Person with its directory, and Motion."""

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int

from tfhkit.device import choose_device
from tfhkit.errors import InputError
from tfhkit.face import MorphableModel
from tfhkit.fit import Fit
from tfhkit.media import (
    Clip,
    atomic_path,
    load_arrays,
    open_clip,
    rounded,
    save_arrays,
    sha256_of,
    write_json,
)
from tfhkit.media.locks import LOCK, hold, remove_leftovers
from tfhkit.motion import MotionWeights, predict_motion
from tfhkit.motion.general import basis_mark
from tfhkit.motion.life import Life, learn_life
from tfhkit.profiles import Settings, check_seed
from tfhkit.recipes import chosen
from tfhkit.refine import Refiner, load_refiner, save_refiner
from tfhkit.weights import fingerprint

FORMAT = "tfhkit person 6"
FILE = "person.json"
LEAST_SEEN_S = 0.5  # of frames with a usable face, to learn from or to score on
_ANEW = "delete this directory, or name another one, and learn the person again"
PARTS = ("fit.npz", "mapping.safetensors", "refiner.safetensors")


@dataclass(frozen=True, eq=False)
class Person:
    """Everything that a sentence in a person's mouth is made from.

    Args:
        clip: Clip of the person; its frames are the backgrounds.
        fit: Fit of the clip.
        mapping: MotionWeights, personal, from sound to motion (Eq. 1); None before training.
        refiner: Refiner, personal, from coarse rendering to frame (Eq. 3); None before training.
        settings: Settings of the profile that the person was learned with.
        train: slice of the frames that were learned from; they serve as backgrounds.
        held: slice of the held-out frames.
        scores: dict of numbers on the held-out frames.
        device: where face model and nets are, and so where frames are made. It is not saved.
    """

    clip: Clip
    fit: Fit
    mapping: MotionWeights | None
    refiner: Refiner | None
    settings: Settings
    train: slice
    held: slice
    scores: dict[str, float] = field(default_factory=dict)
    device: str | torch.device = "cpu"

    def __post_init__(self) -> None:
        for net in (getattr(self.mapping, "net", None), self.refiner):
            if net is not None:
                net.to(self.device)

    @cached_property
    def model(self) -> MorphableModel:
        """The MorphableModel that was fitted, on the person's device."""
        return self.fit.load_model().to(self.device)

    @cached_property
    def life(self) -> Life:
        """What the training frames say about motion that no sound predicts; see `learn_life`."""
        clip, train = self.clip, self.train
        exp, _ = predict_motion(self.learned_mapping(), clip.audio, self.fit.times[train])
        return learn_life(self.fit, clip.audio, self.model, train, exp)

    def choices(self, part: str) -> dict[str, Any]:
        """What the person's recipe chooses for a part, see `tfhkit.recipes`."""
        return chosen(self.settings.recipe, part)

    def learned_mapping(self) -> MotionWeights:
        """The mapping; InputError where it was not trained yet."""
        if self.mapping is None:
            raise InputError("person", "has no mapping yet", "train one with `learn_mapping`")
        return self.mapping

    def trained(self) -> Refiner:
        """The refiner; InputError where it was not trained yet."""
        if self.refiner is None:
            raise InputError("person", "has no refiner yet", "train one with `learn_refiner`")
        return self.refiner

    def save(self, folder: str | Path, seed: int | None = None) -> None:
        """Write the person's directory; `Person.load` reads it, on any machine.

        Args:
            folder: the directory, a new one or that of the same learning.
            seed: random seed of the learning.
        """
        parts = self.fit, self.learned_mapping(), self.trained()
        with hold(folder, "Person.save"):
            tracked = self.fit.report.get("tracked")
            start_directory(folder, self.clip, self.settings, seed, tracked)
            for name, part in zip(PARTS, parts):
                _save_part(part, Path(folder) / name)
            self.finish(folder)

    def finish(self, folder: str | Path) -> None:
        """Write what makes the directory count as finished: scores and hashes of its parts."""
        folder = Path(folder)
        about = read_directory(folder) or {}
        files = [about["clip"], *(name for part in PARTS for name in _files_of(part))]
        about |= {
            "face_model": basis_mark(self.model),
            "scores": self.scores,
            "files": {name: sha256_of(folder / name) for name in files},
        }
        write_json(folder / FILE, about | {"mark": _mark_of(about)})

    @classmethod
    def load(cls, folder: str | Path, device: str | torch.device = "auto") -> "Person":
        """Read a person's directory.

        Args:
            folder: the directory. device: where the person will live, see `choose_device`.
        Raises:
            ParameterError: there is no such device.
            InputError: it is not one, is incomplete, was changed, is of another version, or of a
                face model that is not the one installed.
        """
        device, about = choose_device(device), read_directory(folder)
        if about is None:
            fault = f"is not a person's directory (it has no {FILE})"
            raise InputError(folder, fault, "make one with `tfhkit learn CLIP -o DIR`")
        if "files" not in about:
            fault = "is incomplete: learning was stopped before its end"
            raise InputError(folder, fault, "run the same `tfhkit learn` again; it resumes")
        missing = missing_files(folder, about)
        if missing:
            fault = f"is incomplete: {missing[0]} is missing"
            raise InputError(folder, fault, "run the same `tfhkit learn` again; it makes the rest")
        settings = Settings(**about["settings"])
        fit = Fit.load(Path(folder) / PARTS[0])
        person = cls(
            open_clip(Path(folder) / about["clip"], audio_track=about.get("audio_track")),
            fit,
            MotionWeights.load(Path(folder) / PARTS[1]),
            load_refiner(Path(folder) / PARTS[2]),
            settings,
            *settings.split(len(fit)),
            about["scores"],
            device,
        )
        if basis_mark(person.model) != about["face_model"]:
            fault = f"was learned with another face model ({about['face_model']})"
            raise InputError(folder, fault, "learn the person again into another directory")
        return person


@dataclass(frozen=True, eq=False)
class Motion:
    """How a head moves while it speaks, frame by frame.

    Args:
        times: (T,) seconds.
        exp: (T, 64) expression, from the sound (Eq. 1), enlivened where a seed was given.
        predicted_pose: (T, 6) angles (radians) and translation (dm): from the sound (Eq. 1), or
            played from the person's own frames, see `tfhkit.motion.life`.
        pose: (T, 6) the pose that is rendered, adjusted to the background (Sec. 3.3.2).
        source_index: (T,) int64 number of the clip's frame that lies behind.
    """

    times: Float[np.ndarray, "T"]
    exp: Float[np.ndarray, "T 64"]
    predicted_pose: Float[np.ndarray, "T 6"]
    pose: Float[np.ndarray, "T 6"]
    source_index: Int[np.ndarray, "T"]

    def __len__(self) -> int:
        return len(self.times)

    def __getitem__(self, frames: slice | Int[np.ndarray, "_"]) -> "Motion":
        """The Motion of some frames, by slice or index array."""
        return Motion(*(getattr(self, f.name)[frames] for f in fields(self)))

    def save(self, path: str | Path) -> None:
        """Write everything to one `.npz`."""
        save_arrays(path, self)

    @classmethod
    def load(cls, path: str | Path) -> "Motion":
        """Read what `save` wrote; InputError where the file holds something else."""
        return load_arrays(path, cls)


@contextmanager
def open_directory(
    folder: str | Path | None,
    clip: Clip,
    settings: Settings,
    seed: int,
    tracked: str | None = None,
) -> Iterator[bool]:
    """Hold a person's directory while the person is learned; see `start_directory`.

    Args:
        folder: the directory; None keeps nothing and holds nothing.
        clip: the clip. settings: of the profile. seed: random seed.
        tracked: the mark of another tracker's coefficients, see `tfhkit.fit.tracked.Tracked`.
    Yields:
        Whether the directory is finished.
    Raises:
        InputError: as `start_directory`, or another process holds it.
        ParameterError: a negative seed.
    """
    check_seed(seed)
    if folder is None:
        yield False
        return
    with hold(folder, "tfhkit learn"):
        finished = start_directory(folder, clip, settings, seed, tracked)
        remove_leftovers(folder, Path(folder).glob(".*"))
        yield finished


def start_directory(
    folder: str | Path,
    clip: Clip,
    settings: Settings,
    seed: int | None,
    tracked: str | None = None,
) -> bool:
    """Make a person's directory, or find the unfinished one of the same learning.

    Args:
        folder: the directory. clip: Clip. settings: Settings. seed: random seed.
        tracked: the mark of another tracker's coefficients.
    Returns:
        Whether the directory is finished.
    Raises:
        InputError: the directory holds another person, or cannot be written.
    """
    mine: dict[str, Any] = {
        "format": FORMAT,
        "clip": f"clip{clip.path.suffix.lower()}",
        "clip_sha256": clip.sha256,
        "settings": asdict(settings),
        "seed": seed,
        "audio_track": clip.asked_track,
        "tracked": tracked,
    }
    found = read_directory(folder)
    if found is not None and {k: found.get(k) for k in mine} != mine:
        fault = (
            "holds another person, or one learned with another profile, recipe, seed, sound or "
            "tracker's coefficients"
        )
        raise InputError(folder, fault, "name another directory, or delete this one")
    folder = Path(folder)
    if found is None:
        if folder.is_dir() and any(path.name != LOCK for path in folder.iterdir()):
            raise InputError(folder, "holds something else already", "name another directory")
        write_json(folder / FILE, mine)
    if not (folder / mine["clip"]).is_file():
        with atomic_path(folder / mine["clip"]) as temporary:
            shutil.copyfile(clip.path, temporary)
    return found is not None and "files" in found and not missing_files(folder, found)


def missing_files(folder: str | Path, about: dict) -> list[str]:
    """Names of a finished directory's files that are no longer there.

    Args:
        folder: the directory. about: what `read_directory` found in it.
    Raises:
        InputError: a file was changed.
    """
    missing = []
    for name, digest in about["files"].items():
        path = Path(folder) / name
        if not path.is_file():
            missing.append(name)
        elif sha256_of(path) != digest:
            fault = f"{name} was changed since it was written"
            raise InputError(folder, fault, "learn the person again into another directory")
    return missing


def read_directory(folder: str | Path) -> dict | None:
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
        raise InputError(path, "cannot be read", _ANEW) from error
    if version != FORMAT:
        fault = f"was written by another version of the kit ({version}; this one reads {FORMAT})"
        raise InputError(folder, fault, "learn the person again into another directory")
    finished = {"files", "scores", "face_model", "mark"}
    if not {"clip", "settings"} <= set(about) or (finished & set(about) not in (set(), finished)):
        raise InputError(path, "lacks some of its entries", _ANEW)
    for name in ("settings", *(finished & set(about) - {"face_model", "mark"})):
        if not isinstance(about[name], dict):
            raise InputError(path, f"its {name} are no table of names and values", _ANEW)
    _check_settings(path, about["settings"])
    if "mark" in about and about["mark"] != _mark_of(about):
        raise InputError(path, "was changed since it was written", _ANEW)
    return about


def _mark_of(about):
    """A hash of what else a finished directory's JSON file says, but for the face model's."""
    rest = {name: value for name, value in about.items() if name not in ("mark", "face_model")}
    return fingerprint(rounded(rest))  # as they are written


def _check_settings(path, settings):
    """Refuse names and types that are not those of Settings."""
    kinds = {
        one.name: (one.type, int) if one.type is float else one.type for one in fields(Settings)
    }
    for name, value in settings.items():
        if name not in kinds:
            raise InputError(path, f"its setting {name} is unknown", _ANEW)
        if not isinstance(value, kinds[name]):
            raise InputError(path, f"its setting {name} is {value!r}", _ANEW)
    missing = [name for name in kinds if name not in settings]
    if missing:
        raise InputError(path, f"its settings lack {missing[0]}", _ANEW)


def refuse_unseen(person: Person) -> None:
    """Raise InputError where hardly a frame that is learned from, or held out, can be used."""
    times = person.fit.times
    step_s = float(np.median(np.diff(times)))
    for part, name in ((person.train, "learned from"), (person.held, "held out")):
        seen_s = float((~person.fit.gap[part]).sum() * step_s)
        if seen_s < LEAST_SEEN_S:
            start, end = times[part][0], times[part][-1]
            raise InputError(
                person.clip.path,
                f"{start:.1f} to {end:.1f} s of it are {name}, but only {seen_s:.1f} s of them "
                "can be used",
                "trim the clip to where the speaker's face is seen well",
            )


def keep_stage(folder: str | Path | None, name: str, make: Callable) -> Any:
    """A part of a person: found in the directory, or made and kept there.

    Args:
        folder: the person's directory; None keeps nothing.
        name: one of PARTS.
        make: function of the file for a checkpoint (or None) that gives the Fit, MotionWeights
            or Refiner.
    """
    if folder is None:
        return make(None)
    path = Path(folder) / name
    if all((path.parent / file).is_file() for file in _files_of(name)):
        loaders: tuple[Callable, ...] = (Fit.load, MotionWeights.load, load_refiner)
        read = dict(zip(PARTS, loaders))
        return read[name](path)
    unfinished = path.with_suffix(".unfinished")
    part = make(unfinished)
    _save_part(part, path)
    unfinished.unlink(missing_ok=True)
    return part


def _files_of(name):
    """The files of a part: weights have a configuration next to them."""
    return [name] if name == PARTS[0] else [name, Path(name).with_suffix(".json").name]


def _save_part(part, path):
    save_refiner(part, path) if isinstance(part, Refiner) else part.save(path)
