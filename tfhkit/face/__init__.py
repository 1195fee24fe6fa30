"""The morphable model: shape, expression, texture, light."""

from tfhkit.face.model import (
    MorphableModel,
    actions_to_exp,
    exp_to_actions,
    load_model,
    vertex_normals,
)

__all__ = ["MorphableModel", "actions_to_exp", "exp_to_actions", "load_model", "vertex_normals"]
