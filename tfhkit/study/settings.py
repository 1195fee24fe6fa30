"""What a study measures, and how: its stages and settings."""

from collections.abc import Sequence
from dataclasses import dataclass

from tfhkit.errors import ParameterError
from tfhkit.fit.photometric import PhotometricSettings
from tfhkit.profiles import Settings, check_seed, settings_of

# in the order in which a clip passes them: name -> what it measures
STAGES = {
    "doctor": "facts on the clip, and the fit",
    "correlation": "sound and head pose (App. A)",
    "mapping": "lips from sound, personal mapping (Sec. 3.2)",
    "head-pose": "HS of the personal head motion (Sec. 4.4)",
    "refinement": "refined frames (Sec. 3.4)",
    "naturalness": "the written video, as a viewer sees it",
    "ablations": "the refiner without one of its parts (Sec. 4.2)",
    "length": "how many frames to learn from (App. B)",
    "few-frames": "1, 10 and 30 frames, with either albedo (Sec. 3.3.1, App. B)",
    "one-frame": "one frame and the general mapping, Ours-G (Table 2)",
}
USUAL = ("doctor", "correlation", "mapping", "head-pose", "refinement", "naturalness")
LEAST_NULL = 19
# the pixels that a clip's pose and expression are fitted to: as `tfhkit learn` does, or fewer
FITS = {
    "fine": PhotometricSettings(),
    "coarse": PhotometricSettings(spacing=0.08, points_per_fact=7.5, frame_steps=2),
}


@dataclass(frozen=True)
class StudySettings:
    """How every clip of a study is measured.

    Args:
        profile: sizes, see `tfhkit.profiles`. recipe: see `tfhkit.recipes`.
        fit: a key of FITS; "coarse" takes a fraction of the time, finds the pose as well, and the
            lips less exactly.
        model, model_path: face model of other trackers' coefficients, see `read_tracked`. Without a
            path for "bfm09" only pose is known: the stages doctor and correlation.
        train_frames: first frames of each clip to learn from, at most three quarters of it.
        image_frames: held-out frames whose pictures are compared, the first ones.
        refine_steps: steps of each refiner's training; 0 takes the profile's, and its limit of
            minutes.
        n_null: surrogate tracks in each null distribution.
        seed: random seed.
    Raises:
        ParameterError: a value out of range.
    """

    profile: str = "quick"
    recipe: str = "ours"
    fit: str = "coarse"
    model: str = "bfm09"
    model_path: str = ""
    train_frames: int = 300
    image_frames: int = 200
    refine_steps: int = 0
    n_null: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        settings_of(self.profile, self.recipe)
        check_seed(self.seed)
        if self.fit not in FITS:
            raise ParameterError("--fit", f"unknown {self.fit!r}", "choose coarse or fine")
        for name, value, least in (
            ("train_frames", self.train_frames, 16),
            ("image_frames", self.image_frames, 16),
            ("refine_steps", self.refine_steps, 0),
            ("n_null", self.n_null, LEAST_NULL),
        ):
            if value < least:
                raise ParameterError(name, f"is {value}", f"give {least} or more")

    @property
    def of_profile(self) -> Settings:
        """The profile's sizes, with the recipe."""
        return settings_of(self.profile, self.recipe)


def asked_stages(names: Sequence[str] | None) -> tuple[str, ...]:
    """Stages by name, in order; None takes USUAL. The doctor always looks.

    Raises:
        ParameterError: an unknown stage.
    """
    for name in names or ():
        if name not in STAGES:
            fault = f"there is no stage {name!r}"
            raise ParameterError("--only", fault, f"choose among {', '.join(STAGES)}")
    chosen = USUAL if names is None else ("doctor", *names)
    return tuple(name for name in STAGES if name in chosen)
