"""One clip of a study at work: its fit, mapping and refiner, each made once and kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from tfhkit.coefficients import check_frames, read_mat
from tfhkit.evaluate.motion import split
from tfhkit.evaluate.refine import Material, refine_material
from tfhkit.face import load_model
from tfhkit.fit import Fit, fit_clip, fit_tracked, read_tracked
from tfhkit.landmarks import detect
from tfhkit.media import Clip
from tfhkit.person import PARTS, Person, keep_stage, refuse_unseen
from tfhkit.progress import Progress
from tfhkit.refine import Refiner, RunOptions, TrainConfig
from tfhkit.refine.general import general_refiner
from tfhkit.refine.personal import personal_config, personal_training, train_personal_refiner
from tfhkit.study.settings import FITS, StudySettings
from tfhkit.talk import learn_mapping

Row = dict[str, Any]  # one line of the study's table
COLUMNS = "clip stage measure method value low high p n".split()


@dataclass(frozen=True, eq=False)
class ClipWork:
    """A clip with what is learned from it.

    Args:
        clip: Clip. folder: of the clip in the study.
        settings: of the study. device: where everything runs.
        coefficients: another tracker's file of the clip; None fits the clip.
        truth: the `.truth.npz` of a virtual person; None for a real one.
        progress: called as progress(done, total, text).
    """

    clip: Clip
    folder: Path
    settings: StudySettings
    device: str = "cpu"
    coefficients: Path | None = None
    truth: Path | None = None
    progress: Progress | None = None

    @property
    def learned_folder(self) -> Path:
        """Where fit, mapping and refiner are kept, apart from what the stages found."""
        return self.folder / "learned"

    @cached_property
    def fit(self) -> Fit:
        """The fit of the whole clip."""
        return keep_stage(self.learned_folder, PARTS[0], lambda _: self._fitted())

    @property
    def only_pose(self) -> bool:
        """Whether a tracker's coefficients came without their face model."""
        no_model = self.settings.model == "bfm09" and not self.settings.model_path
        return self.coefficients is not None and no_model

    @cached_property
    def angles(self) -> Float[np.ndarray, "T 3"]:
        """Pitch, yaw and roll of every frame in radians, fitted or as another tracker found."""
        if self.coefficients is None or not self.only_pose:
            return self.fit.coefficients.angles.astype(np.float64)
        found = read_mat(self.coefficients)
        check_frames(self.coefficients, found, len(self.clip))
        return found.angles.astype(np.float64)

    def _fitted(self) -> Fit:
        if self.coefficients is not None:
            named = self.settings.model, self.settings.model_path or None
            tracked = read_tracked(self.clip, self.coefficients, *named)
            return fit_tracked(tracked, detect(self.clip, progress=self.progress))
        model = load_model().to(self.device)
        landmarks = detect(self.clip, progress=self.progress)
        how = self.settings.of_profile.texture_frames, FITS[self.settings.fit]
        return fit_clip(self.clip, landmarks, model, None, *how, progress=self.progress)

    @cached_property
    def fitted(self) -> Person:
        """The person before any training."""
        person = self.person_of(self.settings.train_frames)
        refuse_unseen(person)
        return person

    def person_of(self, n_frames: int, held_from: int | None = None) -> Person:
        """The fitted person who is learned from some frames.

        Args:
            n_frames: to learn from, at most three quarters of the clip.
            held_from: first held-out frame; the frames right before it are learned from. None
                learns from the first ones, and holds out the rest.
        """
        sizes = self.settings.of_profile
        parts = slice((held_from or 0) - n_frames, held_from), slice(held_from, len(self.clip))
        if held_from is None:
            parts = split(self.clip, min(n_frames, int(0.75 * len(self.clip))))
        return Person(self.clip, self.fit, None, None, sizes, *parts, device=self.device)

    @cached_property
    def person(self) -> Person:
        """The person with the mapping from sound to motion."""
        made = keep_stage(
            self.learned_folder,
            PARTS[1],
            lambda state: learn_mapping(
                self.fitted, None, self.settings.seed, checkpoint=state, progress=self.progress
            ),
        )
        return replace(self.fitted, mapping=made)

    @cached_property
    def material(self) -> Material:
        """The frames that the refiner learns from, and the held-out ones."""
        return refine_material(self.looked_at(self.fitted), seed=self.settings.seed)

    @cached_property
    def learned(self) -> Person:
        """The person with mapping and refiner."""
        refiner = keep_stage(
            self.learned_folder,
            PARTS[2],
            lambda state: self.refiner_of(self.material, checkpoint=state),
        )
        return replace(self.person, refiner=refiner)

    def looked_at(self, person: Person) -> Person:
        """The person with no more held-out frames than are compared."""
        stop = min(person.held.stop, person.held.start + self.settings.image_frames)
        return replace(person, held=slice(person.held.start, stop))

    def training(self, material: Material) -> TrainConfig:
        """How a refiner is trained on some frames."""
        n_frames = len(material.own.points_px)
        return personal_training(self.settings.of_profile, n_frames, self.settings.refine_steps)

    def refiner_of(self, material: Material, checkpoint: Path | None = None) -> Refiner:
        """A refiner that is trained on some frames, from the general one."""
        sizes = self.settings.of_profile
        config = personal_config(sizes, material.own)
        run = RunOptions(self.device, checkpoint, self.progress)
        general = general_refiner(sizes.refine_size)
        return train_personal_refiner(
            material.own, config, self.training(material), general, self.settings.seed, run
        )[0]


def row(measure: str, method: str, value: float | None, **numbers: Any) -> Row:
    """A line of the table; what is not given is unknown.

    Args:
        measure: what was measured, with its unit.
        method: ours, or the baseline that it is compared with.
        value: the number.
        numbers: low, high, p, n.
    """
    return {"measure": measure, "method": method, "value": value, **numbers}


def between(interval: Sequence[float] | None) -> dict[str, float | None]:
    """The columns low and high of an interval."""
    low, high = interval or (None, None)
    return {"low": low, "high": high}
