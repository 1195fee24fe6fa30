"""A Fit from another tracker's coefficients: its faces placed in the crop of the whole clip.

Deep3D and R-Net cut every frame by a similarity of its own, and their translation holds in that
cut. Shape, texture, light and rotation do not depend on it, so they are kept; where the head is
follows from the clip's own landmarks.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from tfhkit.camera import Camera, project
from tfhkit.coefficients import Coefficients, check_frames, read_mat
from tfhkit.errors import InputError
from tfhkit.face import load_model
from tfhkit.face.model import MorphableModel
from tfhkit.fit.appearance import spread_frames
from tfhkit.fit.basis import LandmarkBasis, landmark_basis
from tfhkit.fit.bundle import frame_step, initial_state, reproject
from tfhkit.fit.clip import (
    POSE_SIGMA_S,
    Fit,
    bridge_motion,
    checked_crop,
    checked_points,
    read_frames,
    seen_faces,
    settings_for,
)
from tfhkit.fit.covered import covered_share
from tfhkit.fit.initialise import BundleState
from tfhkit.fit.other_clip import refuse_other_face, refuse_other_motion
from tfhkit.fit.report import INNER, fit_report, landmark_errors, photometric_l1
from tfhkit.landmarks import Landmarks
from tfhkit.landmarks.smoothing import smooth_track
from tfhkit.media.clip import Clip

ROBUST_PX = 4.0  # a landmark that is farther off counts little
STEPS = 8  # of Gauss-Newton


@dataclass(frozen=True, eq=False)
class Tracked:
    """A clip, what another tracker found in it, and the face model that its numbers belong to.

    Args:
        clip: Clip.
        coefficients: Coefficients of the clip's frames, NumPy, as the tracker wrote them.
        model: MorphableModel, on the CPU.
        source: the file's name, for messages.
    """

    clip: Clip
    coefficients: Coefficients
    model: MorphableModel
    source: str

    def __post_init__(self) -> None:
        check_frames(self.source, self.coefficients, len(self.clip.times))

    @cached_property
    def mark(self) -> str:
        """A hash of the coefficients and the model: what a person learned from them depends on."""
        values = np.ascontiguousarray(self.coefficients.to_vector(), np.float32)
        digest = hashlib.sha256(values.tobytes())
        for part in (self.model.mean_shape, self.model.id_basis, self.model.exp_basis):
            digest.update(part.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()


def read_tracked(
    clip: Clip, path: str | Path, model: str = "bfm09", model_path: str | None = None
) -> Tracked:
    """Read a tracker's file of a clip, and the face model that it belongs to.

    Args:
        clip: Clip that was tracked.
        path: a `.mat`, or a folder of one per frame, see `tfhkit.coefficients.read_mat`.
        model: "bfm09" for Deep3D and R-Net; "open" or "ict" for what `tfhkit fit -o` wrote.
        model_path: the model's file or folder; None for the open one.
    Raises:
        InputError: a file that cannot be used or has another number of frames; no face model.
    """
    coefficients = read_mat(path)
    if model == "bfm09" and model_path is None:
        fault = "cannot be shown without the face model of its tracker"
        remedy = (
            "give Deep3D's BFM_model_front.mat with --model-path (see the README on how to get "
            "it); `tfhkit correlate` and `tfhkit hs` need the angles only"
        )
        raise InputError(path, fault, remedy)
    return Tracked(clip, coefficients, load_model(model, model_path), str(path))


def fit_tracked(tracked: Tracked, landmarks: Landmarks) -> Fit:
    """A Fit from a tracker's coefficients, without fitting a face.

    Expression and rotation of every frame are the tracker's; identity, texture and light are its
    means over the clip, because a Fit has one of each. The translation puts the face on the
    landmarks: across the picture frame by frame; the depth, which follows from the face's size and
    is the noisiest, smoothed in time. A rotation is left as it is, though a head that is seen `d`
    px from the tracker's crop centre is seen from `d` / 1015 rad beside it, 1 degree for 18 px.

    Args:
        tracked: Tracked. landmarks: Landmarks of its clip, see `tfhkit.landmarks.detect`.
    Returns:
        Fit. Its report has `tracked`, the mark of the coefficients; its sigma_deg says how well
        the landmarks would determine the angles.
    Raises:
        InputError: a head that moves otherwise than in the clip, or at other times; a face that
            is not the clip's; landmarks as for `fit_clip`.
    """
    clip, model, camera = tracked.clip, tracked.model.to("cpu"), Camera()
    points, times, seen = checked_points(clip, landmarks), clip.times, ~landmarks.gap
    crop, basis = checked_crop(clip, points, model), landmark_basis(model)
    crop_px = torch.as_tensor(crop.to_crop(points))
    rough = initial_state(crop_px, basis, camera).angles.numpy()
    angles = np.asarray(tracked.coefficients.angles, np.float64)
    refuse_other_motion(tracked.source, angles, rough, seen, times)

    state = _one_person(tracked.coefficients, seen)
    state = bridge_motion(state, landmarks.left_out(), times)
    state = place(basis, state, crop_px, times, camera)
    mean = place(basis, _mean_face(state), crop_px, times, camera)
    placed_px, mean_px = (
        crop.to_frame(reproject(basis, one, camera).numpy()) for one in (state, mean)
    )
    refuse_other_face(tracked.source, points, placed_px, mean_px, seen, times, model.name)

    settings = settings_for(times)
    confidence = torch.as_tensor(np.where(landmarks.gap, 0.05, 1.0))
    _, sigma = frame_step(basis, state, crop_px, confidence, camera, settings)
    sigma_deg = np.degrees(sigma[:, :3].numpy()).astype(np.float32)
    fitted = state.coefficients().map(lambda part: part.contiguous().numpy())
    shown = np.flatnonzero(~landmarks.left_out())
    chosen = shown[spread_frames(fitted.angles[shown], 24)]
    images = np.stack([crop.image(frame) for frame in read_frames(clip, chosen)])
    error = landmark_errors(points, placed_px)
    report = fit_report(error, fitted, landmarks.gap, times, sigma_deg) | seen_faces(landmarks)
    report |= {"photometric_l1": photometric_l1(model, fitted[chosen], images)}
    report |= {"tracked": tracked.mark, "tracked_file": Path(tracked.source).name}
    report |= {"clip_sha256": clip.sha256}
    kept = points.astype(np.float32), landmarks.gap
    covered = covered_share(model, fitted[chosen], images)
    return Fit(fitted, *kept, times, crop, model.name, report, model.path, sigma_deg, covered)


def _one_person(coefficients, seen):
    """BundleState of a tracker's frames: one identity, texture and light, the means of them."""
    part = coefficients.map(lambda values: np.asarray(values, np.float64).copy())
    for values in (part.id, part.tex, part.light):
        values[:] = values[seen].mean(0)
    return BundleState.from_coefficients(part)


def _mean_face(state):
    """The same rotations with the model's mean face."""
    return replace(state, id=torch.zeros_like(state.id), exp=torch.zeros_like(state.exp))


def place(
    basis: LandmarkBasis,
    state: BundleState,
    crop_px: Float[Tensor, "T 68 2"],
    times: Float[np.ndarray, "T"],
    camera: Camera,
) -> BundleState:
    """Move the faces so that their landmarks meet those of the clip; nothing else is changed.

    Args:
        basis: LandmarkBasis. state: BundleState; its translation is ignored.
        crop_px: (T, 68, 2) landmarks in the crop. times: (T,) seconds. camera: Camera of the crop.
    Returns:
        BundleState.
    """
    inner = basis.places[INNER].expand(len(crop_px), -1)
    turned = basis.shape(state, inner) @ state.rotation.mT
    seen, trans = crop_px[:, INNER].double(), torch.zeros_like(state.trans)
    trans = _move(turned, seen, trans, camera, 3)
    depth = smooth_track(trans[:, 2].numpy(), times, POSE_SIGMA_S)
    trans[:, 2] = torch.from_numpy(depth)
    return replace(state, trans=_move(turned, seen, trans, camera, 2))


def _move(turned, seen, trans, camera, n_free):
    """Robust Gauss-Newton over each frame's first `n_free` translations."""
    trans = trans.clone()
    for _ in range(STEPS):
        px, depth = project(turned + trans[:, None], camera)
        error = seen - px
        weight = 1 / (1 + (error**2).sum(-1) / ROBUST_PX**2) ** 2
        size = camera.focal_px / depth
        jacobian = size.new_zeros(*size.shape, 2, 3)
        jacobian[..., 0, 0], jacobian[..., 1, 1] = size, -size
        jacobian[..., 2] = (px - px.new_tensor(camera.centre_px)) / depth[..., None]
        jacobian = jacobian[..., :n_free]
        weighted = jacobian * weight[..., None, None]
        normal = torch.einsum("tlci,tlcj->tij", weighted, jacobian)
        right = torch.einsum("tlci,tlc->ti", weighted, error)
        trans[:, :n_free] += torch.linalg.solve(normal, right)
    return trans
