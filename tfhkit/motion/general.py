"""The general mapping from sound to motion (Sec. 3.2), as it comes with the kit."""

import hashlib
import warnings
from dataclasses import replace
from pathlib import Path

from tfhkit.assets import assets_dir, cache_dir, shipped
from tfhkit.audio import recogniser
from tfhkit.errors import InputError, KitWarning
from tfhkit.face import load_model
from tfhkit.face.model import MorphableModel
from tfhkit.face.transfer import transfer_expression
from tfhkit.motion.model import MotionWeights
from tfhkit.motion.transfer import transfer_weights, visible_expression

WITHOUT_RECOGNISER = "without the speech recogniser, lips follow the sound less: {}"
FILE = "motion_{}.safetensors"  # by size, in the kit's assets ("small" is shipped) or the cache


def has_general_mapping(size: str) -> bool:
    """Whether there are general weights of this size."""
    return size == "small" or _trained_here(size) is not None


def _trained_here(size: str) -> Path | None:
    """Weights that `tfhkit pretrain` wrote to the assets, or `tfhkit learn` to the cache."""
    places = assets_dir() / FILE.format(size), cache_dir() / FILE.format(size)
    return next((path for path in places if path.is_file()), None)


def general_mapping(size: str = "small", model: MorphableModel | None = None) -> MotionWeights:
    """The general mapping of a size.

    Args:
        size: "small" comes with the kit; others are taken from where they were trained: the assets
            (`tfhkit pretrain mapping --size SIZE`) or the cache (`tfhkit learn`).
        model: the morphable model that is to move, see `for_model`; by default the open one, which
            the weights were trained with.
    Raises:
        InputError: there are no weights of this size. AssetError: a damaged file in the assets.
    Warns:
        the recogniser is missing; the weights are then the network alone.
    """
    if not has_general_mapping(size):
        fault = f"there are no general weights of size {size!r}"
        raise InputError("mapping", fault, f"run `tfhkit pretrain mapping --size {size}` once")
    path = shipped(FILE.format(size)) if size == "small" else _trained_here(size)
    assert path is not None, "`has_general_mapping` found it"
    return for_model(load_general(path), model)


def load_general(path: Path) -> MotionWeights:
    """General weights from a file, without their reading where there is no recogniser."""
    weights = MotionWeights.load(path)
    if weights.linear is None or recogniser_there():
        return weights
    return weights.network_alone()


def recogniser_there() -> bool:
    """Whether the speech recogniser can be used; a warning says why it cannot."""
    reason = recogniser.why_missing()
    if reason:
        warnings.warn(WITHOUT_RECOGNISER.format(reason), KitWarning, stacklevel=1)
    return not reason


def for_model(weights: MotionWeights, model: MorphableModel | None) -> MotionWeights:
    """General weights that predict a model's expression: those of the open model, transferred.

    The coefficients of the open model are turned into those that a landmark fit of the other
    model would give for the same face. `card["basis"]` names the model.

    Args:
        weights: they predict the open model's expression.
        model: None leaves the weights as they are.
    """
    if model is None or model.name == "open":
        return weights
    matrix = transfer_expression(load_model(), model) @ visible_expression(model)
    basis = f"{model.name}, transferred from {weights.card['basis']} by the 68 landmarks"
    return replace(transfer_weights(weights, matrix), card={**weights.card, "basis": basis})


def basis_mark(model: MorphableModel) -> str:
    """Name and hash of a model's expression basis: weights name the one that they belong to."""
    basis = model.exp_basis.cpu().contiguous().numpy()
    return f"{model.name} {hashlib.sha256(basis.tobytes()).hexdigest()[:16]}"
