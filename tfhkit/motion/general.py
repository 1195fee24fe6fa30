"""The general mapping from sound to motion (Sec. 3.2), as it comes with the kit."""

import hashlib
from dataclasses import replace

from tfhkit.assets import assets_dir, shipped
from tfhkit.face import load_model
from tfhkit.face.carry import carry_expression
from tfhkit.motion.model import MotionWeights
from tfhkit.motion.transfer import transfer_weights, visible_expression

FILE = "motion_{}.safetensors"  # by size, in the kit's assets; "small" is shipped


def general_mapping(size="small", model=None):
    """The general mapping of a size.

    Args:
        size: "small" comes with the kit; others are taken from the assets where
            `tfhkit pretrain mapping --size SIZE` wrote them.
        model: the MorphableModel that shall move; by default the open one, which was learned on.
    Returns:
        MotionWeights, see `for_model`; None where there are no general weights of that size.
    Raises:
        AssetError: a damaged file in the assets.
    """
    name = FILE.format(size)
    if size != "small" and not (assets_dir() / name).is_file():
        return None
    return for_model(MotionWeights.load(shipped(name)), model)


def for_model(weights, model):
    """General weights whose expression is that of a model: the open one's are transferred.

    The coefficients of the open model are turned into those with which a landmark fit of the
    other model would have seen the same face. `card["basis"]` says what they speak about.

    Args:
        weights: MotionWeights about the open model. model: MorphableModel or None.
    """
    if model is None or model.name == "open":
        return weights
    matrix = carry_expression(load_model(), model) @ visible_expression(model)
    basis = f"{model.name}, transferred from {weights.card['basis']} by the 68 landmarks"
    return replace(transfer_weights(weights, matrix), card={**weights.card, "basis": basis})


def basis_mark(model):
    """Which expression basis weights speak about: name and hash."""
    basis = model.exp_basis.cpu().contiguous().numpy()
    return f"{model.name} {hashlib.sha256(basis.tobytes()).hexdigest()[:16]}"
