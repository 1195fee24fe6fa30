"""Lids and gaze of every frame, from the lids' and irises' landmarks.

The expression's prior holds a full blink for a rare event (its coefficients are ten standard
deviations long), so the bundle leaves closing eyes half open. Here the strengths of the eyes'
facial actions are measured by themselves; all other actions keep theirs.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tfhkit.camera import Camera, project
from tfhkit.face.model import MorphableModel
from tfhkit.fit.initialise import BundleState

SIDES = ("Right", "Left")  # the subject's, as `find_eyes` gives them
LANDMARKS = ((37, 38, 41, 40), (43, 44, 47, 46))  # upper lid, then the points below
CONTOUR = (11, 12, 13, 3, 4, 5)  # upper lid, then the points below
IRIS = 16  # the iris's centre in `find_eyes`
# The contour of a closed eye is open by this much of an open one's: on twelve virtual heads 0.37,
# on a real clip 0.27.
CLOSED = 0.33
OPEN_PERCENTILE = 85  # of the lids' opening over the clip: the eyes are open
OPEN = 0.85  # of that opening; what is above counts as open, since the contour is not steady
OVERLAP = 0.005  # dm by which closed lids overlap
SEEN_OPEN = 0.5  # closed so far, an eye does not show where it looks
FULL_TURN = 1.2  # most that an eye is turned, in strengths of the actions
LID_HEIGHT = 0.5  # of the lids' mean distance from the model's: so much lower the iris is expected
IRIS_PX, USUAL_TURN = 0.8, 1 / 3  # error of an iris's centre; usual turn, in strengths


@dataclass(frozen=True)
class EyeActions:
    """What the facial actions of the eyes do to a head.

    Args:
        names: of the actions.
        coefficients: (A, 64), expression of each at full strength; on the CPU, as `dual`.
        dual: (64, A), so that `exp @ dual` are an expression's strengths.
    """

    names: tuple[str, ...]
    coefficients: Float[Tensor, "A 64"]
    dual: Float[Tensor, "64 A"]

    def at(self, name: str) -> int:
        """The number of an action."""
        return self.names.index(name)


def eye_actions(model: MorphableModel) -> EyeActions | None:
    """The actions of lids and eyes; None for a model without them."""
    ways = ("LookIn", "LookOut", "LookUp", "LookDown", "Blink")
    names = tuple(f"eye{way}{side}" for side in SIDES for way in ways)
    if not set(names) <= set(model.action_names):
        return None
    rows = [model.action_names.index(name) for name in names]
    actions = model.actions.double().cpu()
    return EyeActions(names, actions[rows], torch.linalg.pinv(actions)[:, rows])


def fit_eyes(
    model: MorphableModel,
    state: BundleState,
    eyes_px: Float[Tensor, "T 2 21 2"],
    seen: Bool[np.ndarray, "T"],
    camera: Camera,
) -> BundleState:
    """The state with lids and gaze as the eyes' landmarks show them.

    Args:
        model: the face model, on the CPU. state: of the clip's frames, likewise.
        eyes_px: the subject's right and left eye in crop pixels, see `mesh_nets.find_eyes`.
        seen: frames in which they are seen; the others get what lies between.
        camera: of the crop.
    Returns:
        BundleState; the same one for a model without facial actions.
    """
    eyes = eye_actions(model)
    if eyes is None or seen.sum() < 2:
        return state
    strengths = state.exp @ eyes.dual
    rest = replace(state, exp=state.exp - strengths @ eyes.coefficients)
    closed = np.stack([_closed(model, rest, eyes_px, side, seen, camera) for side in (0, 1)], 1)
    turn = _gaze(model, eyes, state, eyes_px, closed, seen, camera)
    found = torch.zeros_like(strengths)
    for side, name in enumerate(SIDES):
        inwards = turn[:, 0] * (1, -1)[side]  # the right eye turns in to the image's right
        ways = {"In": inwards, "Out": -inwards, "Up": -turn[:, 1], "Down": turn[:, 1]}
        for way, track in ways.items():
            found[:, eyes.at(f"eyeLook{way}{name}")] = torch.as_tensor(track.clip(0, None))
        blink = eyes.at(f"eyeBlink{name}")
        found[:, blink] = strengths[:, blink].clamp(-0.3, 1)
        open_ = _gap(model, rest.exp + found @ eyes.coefficients, side, rest.id)
        less = -_gap(model, eyes.coefficients[blink : blink + 1], side)
        found[:, blink] += torch.as_tensor(closed[:, side]) * (open_ + OVERLAP) / less
    return replace(rest, exp=rest.exp + found @ eyes.coefficients)


def _points(model, state, ids, camera):
    """Vertices of every frame in crop pixels, (T, n, 2)."""
    verts = model.mean_shape[ids].double() + torch.einsum(
        "kvc,k->vc", model.id_basis[:, ids].double(), state.id
    )
    verts = verts + torch.einsum("kvc,tk->tvc", model.exp_basis[:, ids].double(), state.exp)
    return project(verts @ state.rotation.mT + state.trans[:, None], camera)[0]


def with_calm_eyes(
    model: MorphableModel, exp: Float[np.ndarray, "T 64"]
) -> Float[np.ndarray, "T 64"]:
    """Expressions whose lids and gaze rest at their median over the frames.

    A voice does not say when its speaker blinks, and a blink is so long in the coefficients that it
    would drown the lips.
    """
    eyes = eye_actions(model)
    if eyes is None:
        return exp
    strengths = torch.as_tensor(exp, dtype=torch.float64) @ eyes.dual
    change = (strengths.median(0).values - strengths) @ eyes.coefficients
    return exp + change.numpy().astype(exp.dtype)


def _gap(model, exp, side, id=None):
    """Height between the lids of one eye, (T,) dm; what expressions change of it, without `id`."""
    ids = model.landmark_ids[list(LANDMARKS[side])]
    y = exp @ model.exp_basis[:, ids, 1].double()
    if id is not None:
        y = y + model.mean_shape[ids, 1] + model.id_basis[:, ids, 1].double().mT @ id
    return y[:, :2].mean(1) - y[:, 2:].mean(1)


def _opening(upper, lower):
    """Mean distance (T,) of lids from each other, px."""
    return np.linalg.norm(np.asarray(upper - lower), axis=-1).mean(1)


def _closed(model, rest, eyes_px, side, seen, camera):
    """How far one eye is closed in every frame, (T,) in [0, 1].

    The lids' opening is compared with that of the model's open eye in the same pose, so that
    foreshortening cancels, and with the clip's open eyes, so that the eye's shape cancels.
    """
    ids = model.landmark_ids[list(LANDMARKS[side])]
    px, eye = _points(model, rest, ids, camera), eyes_px[:, side, list(CONTOUR)]
    ratio = _opening(eye[:, :3], eye[:, 3:]) / _opening(px[:, :2], px[:, 2:]).clip(1.0)
    ratio = _between(ratio, seen)
    usual = np.percentile(ratio[seen], OPEN_PERCENTILE)
    return ((OPEN - ratio / usual) / (OPEN - CLOSED)).clip(0, 1)


def _gaze(model, eyes, state, eyes_px, closed, seen, camera):
    """Turn of both eyes, (T, 2): to the image's right and down, in strengths of the actions."""
    rest = replace(state, exp=state.exp - state.exp @ eyes.dual @ eyes.coefficients)
    error, moves = [], []
    for side, name in enumerate(SIDES):
        region = model.regions["pupil"] & model.regions[f"{name.lower()}_eye"]
        ids = torch.nonzero(region)[:, 0]
        straight = _points(model, rest, ids, camera).mean(1)
        lids = _points(model, state, model.landmark_ids[list(LANDMARKS[side])], camera)[..., 1]
        lower = (eyes_px[:, side, list(CONTOUR), 1].mean(1) - lids.mean(1))[closed[:, side] == 0]
        error.append(eyes_px[:, side, IRIS] - straight)
        error[-1][:, 1] -= LID_HEIGHT * lower.median()
        ways = ("LookIn", "LookOut") if side == 0 else ("LookOut", "LookIn")
        by_action = {}
        for way in (*ways, "LookDown", "LookUp"):
            action = eyes.coefficients[eyes.at(f"eye{way}{name}")]
            turned = replace(rest, exp=rest.exp + action)
            by_action[way] = _points(model, turned, ids, camera).mean(1) - straight
        right = (by_action[ways[0]] - by_action[ways[1]]) / 2
        down = (by_action["LookDown"] - by_action["LookUp"]) / 2
        moves.append(torch.stack([right, down], -1))
    open_ = torch.as_tensor((1 - closed).clip(0.05, 1))
    system = torch.cat([m * open_[:, k, None, None] for k, m in enumerate(moves)], 1)
    target = torch.cat([e * open_[:, k, None] for k, e in enumerate(error)], 1)
    ridge = (IRIS_PX / USUAL_TURN) ** 2 * torch.eye(2, dtype=torch.float64)
    normal = system.mT @ system + ridge
    turn = torch.linalg.solve(normal, system.mT @ target[..., None])[..., 0].numpy()
    shown = seen & (closed.min(1) < SEEN_OPEN)
    return _between(turn, shown if shown.any() else seen).clip(-FULL_TURN, FULL_TURN)


def _between(track, known):
    """A track whose unknown frames lie on straight lines between the known ones."""
    frames = np.arange(len(track))
    columns = [np.interp(frames, frames[known], x[known]) for x in track.reshape(len(track), -1).T]
    return np.stack(columns, 1).reshape(track.shape)
