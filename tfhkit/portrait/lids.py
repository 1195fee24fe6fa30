"""Lids that meet: how strongly a person's eyes have to blink, and blinks that no frame misses."""

import numpy as np
from jaxtyping import Float

from tfhkit.face.model import MorphableModel
from tfhkit.portrait.scene import Portrait
from tfhkit.virtual.visemes import ACTIONS

SIDES = {"Left": ((43, 47), (44, 46)), "Right": ((37, 41), (38, 40))}  # upper and lower landmarks
SHUT_S = 0.105  # after the start of a blink its lids are closed
MOST = 1.5  # strength of a blink; more would be a fit's error


def lid_gap(model: MorphableModel, shape: Float[np.ndarray, "V 3"], side: str) -> float:
    """How far a side's lids are apart along y, dm."""
    at = shape[model.landmark_ids.numpy(), 1]
    return float(np.mean([at[upper] - at[lower] for upper, lower in SIDES[side]]))


def shut_strength(portrait: Portrait, side: str) -> float:
    """Strength of the action eyeBlink at which the lids of a side meet.

    A picture's eyes may be narrowed by a smile, or wide: the full action would then push one lid
    below the other, or leave a gap.
    """
    model = portrait.model
    action = model.actions[model.action_names.index(f"eyeBlink{side}")] @ model.exp_basis.flatten(1)
    blink = action.reshape(-1, 3).numpy()
    mean = model.mean_shape.numpy()
    closed, now = lid_gap(model, mean + blink, side), lid_gap(model, portrait.calm, side)
    step = now - lid_gap(model, portrait.calm + blink, side)
    return float(np.clip((now - closed) / max(step, 1e-6), 0.0, MOST))


def complete_blinks(
    actions: Float[np.ndarray, "T 52"],
    blinks_s: Float[np.ndarray, "K"],
    times: Float[np.ndarray, "T"],
    portrait: Portrait,
) -> Float[np.ndarray, "T 52"]:
    """Let each blink close the lids in the frame nearest to its middle.

    Args:
        actions: of eyes and brows, in the order of ACTIONS.
        blinks_s: starts of the blinks. times: of the frames.
        portrait: whose lids have to meet.
    """
    actions = actions.copy()
    inside = blinks_s[(blinks_s + SHUT_S >= times[0]) & (blinks_s + SHUT_S <= times[-1])]
    frames = np.abs(times[:, None] - (inside + SHUT_S)).argmin(0)
    for side in SIDES:
        column = ACTIONS.index(f"eyeBlink{side}")
        actions[frames, column] = 1
        actions[:, column] *= shut_strength(portrait, side)
    return actions
