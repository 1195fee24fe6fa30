"""The numbers of a profile: quick (2 CPU cores, minutes), full (GPU), tiny (tests of the chain)."""

from dataclasses import dataclass, replace

from tfhkit.errors import ParameterError
from tfhkit.recipes import check_recipe


@dataclass(frozen=True)
class Settings:
    """What differs between the profiles; the same code reads them. Flat on purpose.

    Args:
        profile: its name.
        device: "cpu", or "auto" for CUDA where there is one.
        max_train_frames: upper limit of training frames (Sec. 4: 300, 12 s at 25 fps).
        held_back: share of the clip, at its end, that is never trained on.
        texture_frames: frames that decide identity, texture and light.
        motion_size: "small" or "paper" (29 M parameters).
        motion_epochs: passes of fine-tuning over the clip's windows.
        motion_speakers, motion_minutes: virtual speakers of the general mapping, minutes of each.
        motion_general_epochs: passes of the general mapping.
        refine_px: side of the refiner's crop.
        refine_size: "small", "medium" or "paper".
        refine_epochs: passes of personal training over the clip's frames.
        refine_fewest_steps, refine_most_steps: between them the number of steps lies.
        refine_batch: samples in a step.
        refine_minutes: no step is begun after this many minutes of personal training.
        memory_slots: rows of the memory.
        ablation_steps: steps of each training in the comparison of Sec. 4.2.
        n_null: draws of a null distribution or a bootstrap.
        video_crf: H.264 quality of the videos (lower is better).
        recipe: what is done with these sizes, see `tfhkit.recipes`.
    """

    profile: str
    device: str
    max_train_frames: int
    held_back: float
    texture_frames: int
    motion_size: str
    motion_epochs: int
    motion_speakers: int
    motion_minutes: float
    motion_general_epochs: int
    refine_px: int
    refine_size: str
    refine_epochs: int
    refine_fewest_steps: int
    refine_most_steps: int
    refine_batch: int
    refine_minutes: float
    memory_slots: int
    ablation_steps: int
    n_null: int
    video_crf: int
    recipe: str = "ours"

    def split(self, n_frames: int) -> tuple[slice, slice]:
        """Frames to learn from and held-out frames of a clip: two slices.

        The end of the clip is held out; what lies between the two is not used.
        """
        n_known = int((1 - self.held_back) * n_frames)
        return slice(0, min(n_known, self.max_train_frames)), slice(n_known, n_frames)


PROFILES = {
    "quick": Settings(
        profile="quick",
        device="cpu",
        max_train_frames=300,
        held_back=0.25,
        texture_frames=24,
        motion_size="small",
        motion_epochs=60,
        motion_speakers=12,
        motion_minutes=1.0,
        motion_general_epochs=6,
        refine_px=128,
        refine_size="small",
        refine_epochs=5,
        refine_fewest_steps=400,
        refine_most_steps=900,
        refine_batch=1,
        refine_minutes=5.0,
        memory_slots=64,
        ablation_steps=100,
        n_null=500,
        video_crf=20,
    ),
    "full": Settings(
        profile="full",
        device="auto",
        max_train_frames=300,
        held_back=0.25,
        texture_frames=32,
        motion_size="paper",
        motion_epochs=100,
        motion_speakers=40,
        motion_minutes=3.0,
        motion_general_epochs=20,
        refine_px=256,
        refine_size="paper",
        refine_epochs=60,
        refine_fewest_steps=6000,
        refine_most_steps=18000,
        refine_batch=1,
        refine_minutes=60.0,
        memory_slots=300,
        ablation_steps=1000,
        n_null=2000,
        video_crf=17,
    ),
    "tiny": Settings(
        profile="tiny",
        device="cpu",
        max_train_frames=60,
        held_back=0.25,
        texture_frames=4,
        motion_size="small",
        motion_epochs=4,
        motion_speakers=2,
        motion_minutes=0.25,
        motion_general_epochs=1,
        refine_px=64,
        refine_size="small",
        refine_epochs=1,
        refine_fewest_steps=12,
        refine_most_steps=12,
        refine_batch=2,
        refine_minutes=1.0,
        memory_slots=16,
        ablation_steps=4,
        n_null=50,
        video_crf=23,
    ),
}


MOST_SEED = 2**32 - 1  # what NumPy's global generator takes


def check_seed(seed: int) -> int:
    """A random seed, checked.

    Raises:
        ParameterError: it is negative or too large, which NumPy does not take.
    """
    if not 0 <= seed <= MOST_SEED:
        raise ParameterError("seed", f"is {seed}", f"give 0 to {MOST_SEED}")
    return seed


def settings_of(profile: str, recipe: str = "ours") -> Settings:
    """The numbers of a profile by its name, for a recipe.

    Raises:
        ParameterError: there is no such profile or recipe.
    """
    if profile not in PROFILES:
        names = ", ".join(PROFILES)
        raise ParameterError("profile", f"{profile!r} is not one", f"choose one of {names}")
    return replace(PROFILES[profile], recipe=check_recipe(recipe))
