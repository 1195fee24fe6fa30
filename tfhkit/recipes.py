"""What is done: our way (`ours`), the paper's text (`paper`), the authors' code (`published`).

A profile sets sizes, a recipe sets what is done with them. `CHOICES` is the whole difference: each
row is one choice, and the code that it belongs to reads it from here.
"""

from dataclasses import dataclass
from typing import Any

from tfhkit.errors import ParameterError

Value = bool | int | float | str | None | tuple[int, ...]
RECIPES = ("ours", "paper", "published")
PARTS = {
    "track": "sound and motion to learn from (`motion.personal_track`)",
    "motion": "training of the mapping (`motion.TrainSettings`)",
    "drive": "motion of a sentence (`talk.drive`)",
    "match": "backgrounds (`background.MatchSettings`)",
    "refiner": "generator and memory (`refine.refiner_config`)",
    "training": "training of the refiner (`refine.TrainConfig`)",
    "losses": "Eq. 4 (`refine.LossWeights`)",
    "frames": "what is compared, and what is kept (`refine.personal`, `talk.refine`)",
}


@dataclass(frozen=True)
class Choice:
    """One choice, and how each recipe makes it.

    Args:
        part: one of PARTS: whose setting it is.
        name: of the setting.
        words: what is chosen.
        ours, paper, published: its value in each recipe. Where the paper is silent, its column has
            the value of the published code, and `source` says so. None: the profile's, or that of
            the size of the network.
        source: section or equation of the paper, or "code" for the published code.
    """

    part: str
    name: str
    words: str
    ours: Value
    paper: Value
    published: Value
    source: str


SILENT = "code; the paper does not say"
CHOICES = (
    # Sec. 3.2: from sound to motion
    Choice("track", "measured_lag", "sound is taken at the lag at which these lips move",
           True, False, False, "Sec. 3.2: at the frame's time"),
    Choice("track", "calm_eyes", "eyes are at rest in what is learned",
           True, False, False, "Sec. 3.2: all of the expression"),
    Choice("track", "recogniser", "a speech recogniser hears the sound as well",
           True, False, False, "Sec. 3.2: MFCCs alone"),
    Choice("motion", "smoothness", "smoothness terms: mean or sum over frames and coefficients",
           "mean", "sum", "sum", "Eq. 2"),
    Choice("motion", "landmark_share", "part of the expression's term that counts landmark motion",
           0.5, 0.0, 0.0, "Eq. 2: coefficients alone"),
    Choice("motion", "folds", "networks that each leave out a part of the clip, averaged; 0: one, "
           "on all of it, for a fixed number of epochs", 5, 0, 0, "Sec. 4.1; code: 100 epochs"),
    Choice("motion", "linear", "mixed with a linear path that hears mel bands and the recogniser, "
           "by cross-validation",
           True, False, False, "Eq. 1: the network alone"),
    Choice("motion", "calibrate", "pose is brought to the person's range",
           True, False, False, "Eq. 1: as predicted"),
    Choice("motion", "lr", "learning rate of Adam", 6e-4, 1e-4, 1e-4, SILENT),
    Choice("motion", "schedule", "learning rate over the epochs", "cosine", "constant", "constant",
           SILENT),
    Choice("motion", "beta1", "Adam's decay of the first moment", 0.9, 0.5, 0.5, SILENT),
    Choice("motion", "out_epochs", "first epochs, in which the output layer alone learns",
           10, 0, 0, SILENT),
    Choice("motion", "sequence_frames", "frames of a sequence", 32, 16, 16, SILENT),
    Choice("motion", "batch", "sequences of a step", 4, 16, 16, SILENT),
    Choice("motion", "every_sequence", "an epoch is every sequence once, not a random draw",
           False, True, True, SILENT),
    Choice("motion", "input_noise", "noise on the MFCCs, deviations", 0.4, 0.0, 0.0, SILENT),
    Choice("motion", "input_shift", "random shift and scale of the MFCCs, deviations",
           0.2, 0.0, 0.0, SILENT),
    Choice("motion", "largest_gradient", "norm at which the gradient is cut; 0: never",
           1.0, 0.0, 0.0, SILENT),
    Choice("motion", "keep_statistics", "batch norms keep the general mapping's statistics",
           True, False, False, SILENT),
    Choice("drive", "enliven", "what no sound predicts is drawn from the person's own motion",
           True, False, False, "Eq. 1: as predicted"),
    # Sec. 3.3.2: backgrounds
    Choice("drive", "pose_mode", "rendered pose: adjusted to the background's, or replaced by it",
           "paper", "paper", "published", "Sec. 3.3.2: modified to fit"),
    Choice("match", "axes", "angles with key frames (0 pitch, 1 yaw, 2 roll)",
           (0, 1, 2), (1,), (2,), "Sec. 3.3.2: one axis, e.g. leftmost"),
    Choice("match", "search", "source frames of the keys: best path, or one key after the other",
           "best", "greedy", "greedy", SILENT),
    # Sec. 3.3.1: rendering; the same in all three
    Choice("frames", "albedo", "albedo of a person's renderings",
           "low-frequency", "low-frequency", "low-frequency", "Sec. 3.3.1"),
    # Sec. 3.4: refinement
    Choice("refiner", "adain", "AdaIN from one small layer each, or all from one MLP",
           "shared", "mlp", "mlp", "code: 204.5 M parameters"),
    Choice("refiner", "slots", "pairs in the memory", None, 30_000, 30_000, SILENT),
    Choice("refiner", "top_k", "nearest slots in the triplet loss", 64, 256, 256, SILENT),
    Choice("losses", "l1", "lambda_1, L1 term", 100.0, 100.0, 100.0, "Sec. 4.1"),
    Choice("losses", "attention", "lambda_2, attention", 0.1, 2.0, 2.0, "Sec. 4.1"),
    Choice("losses", "attention_norm", "norm of the attention: per pixel, as written, or mean(A)",
           "rms", "l2", "mean", "Eq. 4"),
    Choice("losses", "smooth", "lambda_3, smoothness of the attention", 1e-5, 1e-5, 1e-5,
           "Sec. 4.1"),
    Choice("losses", "gan", "what G minimises: -log D, or log(1 - D)",
           "nonsaturating", "log", "nonsaturating", "Eq. 4"),
    Choice("losses", "gradient", "weight of an L1 term on edges", 50.0, 0.0, 0.0, "not in Eq. 4"),
    Choice("losses", "contrast", "weight of a term on the strength of the detail",
           300.0, 0.0, 0.0, "not in Eq. 4"),
    Choice("losses", "perceptual", "weight of a term on a network's features",
           80.0, 0.0, 0.0, "not in Eq. 4"),
    Choice("frames", "regions", "face, eyes and mouth weigh more", True, False, False,
           "Eq. 4: all pixels alike"),
    Choice("frames", "keep_background", "A = 1 away from what the rendering changed",
           True, False, False, "Eq. 3: A as predicted"),
    Choice("training", "lr", "learning rate of Adam, generator and memory", None, 1e-4, 1e-4,
           SILENT),
    Choice("training", "layers_lr", "learning rate of Muon, for the generator's convolutions; 0: "
           "Adam moves them too", None, 0.0, 0.0, SILENT),
    Choice("training", "disc_lr", "learning rate of the discriminator", None, 1e-4, 1e-4, SILENT),
    Choice("training", "decay", "learning rates fall to 0", True, False, False, SILENT),
    Choice("training", "warm_up", "steps in which they rise", 50, 0, 0, SILENT),
    Choice("training", "detail_from", "share of the training before D and contrast take part",
           0.3, 0.0, 0.0, "Eq. 5: both from the start"),
    Choice("training", "flip", "mirrored at random", False, True, True, SILENT),
)  # fmt: skip

# What no recipe reproduces, and why.
NOT_REPRODUCED = (
    "The general weights are the same in all recipes: trained by `tfhkit pretrain`, on normalised "
    "coefficients (the published code takes them raw, z less 0.5 dm) and, for the refiner, on "
    "detailed albedo (Sec. 3.3.1; the published route has the low-frequency one).",
    "ResNet18 and ArcFace are taken where their files are there (`tfhkit doctor`).",
    "Not reproduced of the published code, since they look like oversights: dropout at test time, "
    "landmarks and crops in whole pixels, a far plane that cuts the mask, frames 0 and 1 copied.",
    "The published training crops 256 of 286 px at random; here a batch is shifted by up to 12 px.",
)


def check_recipe(recipe: str) -> str:
    """A recipe's name, checked.

    Raises:
        ParameterError: there is no such recipe.
    """
    if recipe not in RECIPES:
        names = ", ".join(RECIPES)
        raise ParameterError("recipe", f"{recipe!r} is not one", f"choose one of {names}")
    return recipe


def chosen(recipe: str, part: str) -> dict[str, Any]:
    """What a recipe chooses for a part: name of the setting -> value, without those left open.

    Args:
        recipe: one of RECIPES.
        part: one of PARTS.
    """
    check_recipe(recipe)
    values = {row.name: getattr(row, recipe) for row in CHOICES if row.part == part}
    return {name: value for name, value in values.items() if value is not None}


def in_words(value: Any) -> str:
    """A value as a reader writes it."""
    if value is None:
        return "the profile's"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
