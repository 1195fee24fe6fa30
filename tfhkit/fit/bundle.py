"""Pose, expression and shared identity from the landmarks of all frames at once.

The unknowns are one identity a for the clip and, for each frame, rotation, translation and
expression b_t. Gauss-Newton on the squared, robustly weighted distances of the projected
landmark vertices to the detected landmarks, plus the priors |a|^2 and |b_t|^2. The frames meet
only in a, so each step eliminates them one by one (Schur complement) and stays linear in T.
"""

from dataclasses import dataclass

import torch

from tfhkit.camera import DISTANCE, angles_from_rotation, project
from tfhkit.fit.basis import landmark_rows

# How far a landmark's place is defined on a face: jaw 0-16 slides, brows are soft.
_GROUPS = ((0, 17, 0.25), (17, 27, 0.6), (27, 36, 1.0), (36, 48, 1.3), (48, 68, 1.3))

# Smoothing per unknown in units that weigh alike: 0.1 rad, 0.05 dm (0.15 dm in depth), 2.5 sd.
_SMOOTH_UNITS = torch.tensor([100.0] * 3 + [400.0, 400.0, 44.0] + [0.15] * 64, dtype=torch.float64)


@dataclass(frozen=True)
class BundleSettings:
    """Weights of the fit; pixels are those of the 224 px crop.

    Args:
        sigma_px: expected error of a landmark.
        id_weight, exp_weight: of the priors, in units of standard deviations.
        smooth_weight: pulls each frame's expression and pose to its temporal neighbours.
        depth_sigma: dm, of the clip's mean depth: a larger head farther away looks the same, so the
            crop's own depth is preferred.
        robust_px: residuals beyond it lose influence (Geman-McClure).
        iterations: Gauss-Newton steps.
        independent_frames: a tracker errs alike from frame to frame; a long clip tells no
            more about the identity than so many independent frames.
        chunk: frames that are linearised together (bounds the memory).
    """

    sigma_px: float = 1.0
    id_weight: float = 1.0
    exp_weight: float = 0.7
    smooth_weight: float = 0.5
    depth_sigma: float = 0.05
    robust_px: float = 4.0
    iterations: int = 10
    independent_frames: float = 10.0
    chunk: int = 256


@dataclass(frozen=True)
class BundleState:
    """The current solution: id (80,), exp (T, 64), rotation (T, 3, 3), trans (T, 3); float64."""

    id: torch.Tensor
    exp: torch.Tensor
    rotation: torch.Tensor
    trans: torch.Tensor

    @property
    def angles(self):
        return angles_from_rotation(self.rotation)


def landmark_weights():
    """(68,) weight of each landmark in the fit."""
    weights = torch.ones(68, dtype=torch.float64)
    for start, stop, weight in _GROUPS:
        weights[start:stop] = weight
    return weights


def initial_state(points_px, basis, camera):
    """Weak-perspective pose of the mean face for every frame (orthographic Procrustes).

    Args:
        points_px: (T, 68, 2) landmarks in crop pixels.
        basis: LandmarkBasis.
        camera: Camera of the crop.
    Returns:
        BundleState with zero identity and expression.
    """
    n_frames = len(points_px)
    inner = slice(17, 68)
    mean = basis.mean[basis.places[inner]]
    centre = mean.mean(0)
    flip = torch.tensor([1.0, -1.0], dtype=torch.float64)
    y = (points_px.double()[:, inner] - camera.size_px / 2) * flip
    y_mean = y.mean(1, keepdim=True)
    # y = scale * (R x)_{xy} + shift: least squares for the 2 x 3 matrix, then its nearest rotation.
    solution = torch.linalg.lstsq((mean - centre).expand(n_frames, -1, -1), y - y_mean).solution
    u, s, vh = torch.linalg.svd(solution.transpose(1, 2), full_matrices=False)
    scale = s.mean(1)
    top = u @ vh
    rotation = torch.cat([top, torch.linalg.cross(top[:, 0], top[:, 1])[:, None]], 1)
    depth = camera.focal_px / scale
    across = y_mean[:, 0] * (depth / camera.focal_px)[:, None]
    seen = torch.cat([across, (DISTANCE - depth)[:, None]], 1)
    trans = seen - (rotation @ centre)
    zeros = torch.zeros(n_frames, 64, dtype=torch.float64)
    return BundleState(torch.zeros(80, dtype=torch.float64), zeros, rotation, trans)


def _smoothed(x):
    """Mean of the two temporal neighbours; the ends have one."""
    padded = torch.cat([x[:1], x, x[-1:]])
    return 0.5 * (padded[:-2] + padded[2:])


def _linearise(basis, state, rows, points_px, camera):
    """Residuals (T, 136) in px and their Jacobians by frame (T, 136, 70) and identity (T, 136, 80).

    The frame's unknowns are a small rotation from the left (3), translation (3), expression (64).
    """
    turned = basis.shape(state, rows) @ state.rotation.transpose(1, 2)
    world = turned + state.trans[:, None]
    px, depth = project(world, camera)
    zero = torch.zeros_like(depth)
    f = camera.focal_px
    x, y = world[..., 0], world[..., 1]
    d_px = torch.stack(
        [f / depth, zero, f * x / depth**2, zero, -f / depth, -f * y / depth**2], -1
    ).reshape(*depth.shape, 2, 3)
    tx, ty, tz = turned.unbind(-1)
    d_turn = torch.stack([zero, tz, -ty, -tz, zero, tx, ty, -tx, zero], -1)
    d_turn = d_turn.reshape(*depth.shape, 3, 3)
    rotated_exp = state.rotation[:, None] @ basis.exp_basis[rows]
    rotated_id = state.rotation[:, None] @ basis.id_basis[rows]
    eye = torch.eye(3, dtype=torch.float64).expand(*depth.shape, 3, 3)
    by_frame = d_px @ torch.cat([d_turn, eye, rotated_exp], -1)
    by_id = d_px @ rotated_id
    return px - points_px, by_frame.flatten(1, 2), by_id.flatten(1, 2)


def _small_rotation(w):
    """exp([w]x) for (T, 3) axis-angle vectors."""
    zero = torch.zeros_like(w[:, 0])
    x, y, z = w.unbind(1)
    skew = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    return torch.linalg.matrix_exp(skew)


def bundle_step(basis, state, points_px, confidence, camera, settings):
    """One Gauss-Newton step over all frames and the identity.

    Args:
        basis: LandmarkBasis.
        state: BundleState.
        points_px: (T, 68, 2) landmarks in crop pixels, float64.
        confidence: (T,) in [0, 1]; bridged frames count little.
        camera: Camera.
        settings: BundleSettings.
    Returns:
        BundleState.
    """
    n_frames = len(points_px)
    rows = landmark_rows(basis, state, camera)
    base = landmark_weights()
    prior = torch.full((70,), settings.exp_weight**2, dtype=torch.float64)
    prior[:6] = 1e-9
    prior[5] = 1 / settings.depth_sigma**2 / n_frames
    smooth = settings.smooth_weight**2 * _SMOOTH_UNITS
    towards = torch.cat([_smoothed(x) - x for x in (state.angles, state.trans, state.exp)], 1)
    id_prior = settings.id_weight**2 * max(1.0, n_frames / settings.independent_frames)
    normal_id = id_prior * torch.eye(80, dtype=torch.float64)
    right_id = -id_prior * state.id
    solved = []
    for start in range(0, n_frames, settings.chunk):
        part = slice(start, start + settings.chunk)
        piece = BundleState(state.id, state.exp[part], state.rotation[part], state.trans[part])
        error, by_frame, by_id = _linearise(basis, piece, rows[part], points_px[part], camera)
        distance2 = (error**2).sum(-1)
        robust = 1 / (1 + distance2 / settings.robust_px**2) ** 2
        weight = base * robust * confidence[part, None] / settings.sigma_px**2
        weight = weight[..., None].expand_as(error).flatten(1)
        residual = error.flatten(1)
        frame_w = by_frame * weight[..., None]
        c = by_frame.transpose(1, 2) @ frame_w + torch.diag(prior + smooth)
        g = -(frame_w.transpose(1, 2) @ residual[..., None])[..., 0]
        g = g + smooth * towards[part]
        g[:, 6:] -= prior[6:] * piece.exp
        g[:, 5] -= prior[5] * piece.trans[:, 2]
        b = frame_w.transpose(1, 2) @ by_id  # (t, 70, 80)
        factor = torch.linalg.cholesky(c)
        both = torch.cholesky_solve(torch.cat([b, g[..., None]], -1), factor)
        inv_b, inv_g = both[..., :80], both[..., 80]
        weighted_id = by_id * weight[..., None]
        normal_id += (by_id.transpose(1, 2) @ weighted_id - b.transpose(1, 2) @ inv_b).sum(0)
        right_id -= (weighted_id.transpose(1, 2) @ residual[..., None])[..., 0].sum(0)
        right_id -= (b.transpose(1, 2) @ inv_g[..., None])[..., 0].sum(0)
        solved.append((inv_b, inv_g))
    step_id = torch.linalg.solve(normal_id, right_id)
    step = torch.cat([inv_g - inv_b @ step_id for inv_b, inv_g in solved])
    return BundleState(
        state.id + step_id,
        state.exp + step[:, 6:],
        _small_rotation(step[:, :3]) @ state.rotation,
        state.trans + step[:, 3:6],
    )


def solve_bundle(basis, points_px, confidence, camera, settings=None, progress=None):
    """Fit all frames' landmarks, from the mean head's pose to everything together.

    Args:
        basis: LandmarkBasis.
        points_px: (T, 68, 2) in crop pixels.
        confidence: (T,) in [0, 1].
        camera: Camera.
        settings: BundleSettings.
        progress: called as progress(done, total, text).
    Returns:
        BundleState.
    """
    settings = settings or BundleSettings()
    points_px = torch.as_tensor(points_px, dtype=torch.float64)
    confidence = torch.as_tensor(confidence, dtype=torch.float64)
    state = initial_state(points_px, basis, camera)
    for i in range(settings.iterations):
        state = bundle_step(basis, state, points_px, confidence, camera, settings)
        if progress:
            progress(i + 1, settings.iterations, "fitting pose, expression and identity")
    return state


def reproject(basis, state, camera):
    """The model's landmarks in crop pixels, (T, 68, 2)."""
    shape = basis.shape(state, landmark_rows(basis, state, camera))
    return project(shape @ state.rotation.transpose(1, 2) + state.trans[:, None], camera)[0]
