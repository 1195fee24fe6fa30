"""Pose, expression and shared identity of all frames at once, by Gauss-Newton.

The unknowns are one identity a for the clip and, for each frame, rotation, translation and
expression b_t. The residuals are the robustly weighted distances of the projected landmark vertices
to the detected landmarks; the priors are |a|^2 and |b_t|^2. `tfhkit.fit.photometric` adds the
pixels, and with them the clip's texture d and light gamma to what the frames share.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from tfhkit.camera import Camera, project
from tfhkit.fit.basis import LandmarkBasis, landmark_rows
from tfhkit.fit.initialise import BundleState, initial_state
from tfhkit.fit.normal import NormalEquations, eliminate, normal_equations
from tfhkit.progress import Progress

N_FRAME = 70  # a frame's own unknowns: rotation 3, translation 3, expression 64
N_ID, N_SHARED = 80, 187  # what frames share: identity 80, then texture 80, light 27

# Of the 68 landmarks; points of the surface, where there are any, follow as the last group.
GROUPS = {"jaw": 17, "brows": 10, "nose": 9, "eyes": 12, "lips": 20}
N_GROUPS = len(GROUPS) + 1
# How far a landmark's place is defined on a face: the jaw's slide, brows are soft. Points of the
# surface are many, and neighbours err alike.
_GROUP_WEIGHT = (0.25, 0.6, 1.0, 1.3, 1.3, 0.3)

# Smoothing per unknown in units that weigh alike: 0.1 rad, 0.05 dm (0.15 dm in depth), 2.5 sd.
_SMOOTH_UNITS = torch.tensor([100.0] * 3 + [400.0, 400.0, 44.0] + [0.15] * 64, dtype=torch.float64)

# Precision of the light's bands. A brighter light on a darker skin looks the same, so band 0 is
# held near its first estimate (and with it the white of eyes and teeth).
_LIGHT_PRIOR = torch.tensor(([400.0] + [40.0] * 8) * 3, dtype=torch.float64)


# the pixels' part: (BundleState of a chunk, its slice) -> equations to add
MoreEquations = Callable[[BundleState, slice], NormalEquations]


@dataclass(frozen=True)
class BundleSettings:
    """Weights of the fit; pixels are those of the 224 px crop.

    Args:
        sigma_px: expected error of a landmark; one for all, or one of each group.
        id_weight, exp_weight: of the priors, in units of standard deviations.
        tex_weight: of the texture's prior, likewise.
        smooth_weight: pulls each frame's expression and pose to its temporal neighbours.
        depth_sigma: dm, of the clip's mean depth: a larger head farther away looks the same, so the
            crop's own depth is preferred.
        robust_px: residuals beyond it lose influence (Geman-McClure).
        iterations: Gauss-Newton steps.
        independent_frames: a tracker errs alike from frame to frame; a long clip tells no
            more about the identity than so many independent frames.
        chunk: frames that are linearised together (bounds the memory).
    """

    sigma_px: float | tuple[float, ...] = 1.0
    id_weight: float = 1.0
    exp_weight: float = 1.0
    tex_weight: float = 1.0
    smooth_weight: float = 0.5
    depth_sigma: float = 0.05
    robust_px: float = 4.0
    iterations: int = 10
    independent_frames: float = 10.0
    chunk: int = 256


@dataclass(frozen=True)
class SharedUnknowns:
    """What of all that the frames share is unknown.

    Args:
        n: 80: the identity; 187: texture and light, too.
        light: (27,) its first estimate, where it is unknown.
    """

    n: int = N_ID
    light: Float[Tensor, "27"] | None = None


def groups_of(n_points: int = 68) -> Int[Tensor, "N"]:
    """The group of each point: 0 to 4 in the order of GROUPS, 5 for those of the surface."""
    sizes = torch.tensor([*GROUPS.values(), n_points - 68])
    return torch.arange(N_GROUPS).repeat_interleave(sizes)


def sigma_by_group(sigma_px: float | tuple[float, ...]) -> dict[str, float]:
    """The expected error of each group's landmarks, px; `sigma_px` as in BundleSettings."""
    sigmas = sigma_px if isinstance(sigma_px, tuple) else (sigma_px,) * N_GROUPS
    return dict(zip((*GROUPS, "surface"), sigmas))


def landmark_weights(sigma_px: float | tuple[float, ...], n_points: int = 68) -> Float[Tensor, "N"]:
    """The weight of each point in the fit, 1/px^2; `sigma_px` as in BundleSettings."""
    sigma = torch.tensor([*sigma_by_group(sigma_px).values()], dtype=torch.float64)
    by_group = torch.tensor(_GROUP_WEIGHT, dtype=torch.float64) / sigma**2
    return by_group[groups_of(n_points)]


def cross_matrix(vectors: Float[Tensor, "*shape 3"]) -> Float[Tensor, "*shape 3 3"]:
    """[v]x of (..., 3) vectors, so that [v]x w = v x w: (..., 3, 3)."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1)
    return rows.reshape(*vectors.shape, 3)


def pixel_gradient(
    world: Float[Tensor, "*shape 3"], depth: Float[Tensor, "*shape"], camera: Camera
) -> Float[Tensor, "*shape 2 3"]:
    """How projected pixels move with their points: (..., 2, 3) px per dm."""
    zero, x, y = torch.zeros_like(depth), world[..., 0], world[..., 1]
    f = camera.focal_px
    rows = [f / depth, zero, f * x / depth**2, zero, -f / depth, -f * y / depth**2]
    return torch.stack(rows, -1).reshape(*depth.shape, 2, 3)


def _linearise(basis, state, rows, points_px, camera, with_id):
    """Residuals (T, N, 2) in px, float64, and their Jacobian (T, 2 N, 70 or 150), float32.

    The frame's unknowns are a small rotation from the left (3), translation (3), expression (64);
    the identity's 80 follow where they are asked for.
    """
    turned = basis.shape(state, rows) @ state.rotation.mT
    world = turned + state.trans[:, None]
    px, depth = project(world, camera)
    by_world = pixel_gradient(world, depth, camera)
    bases = (basis.exp_basis, basis.id_basis) if with_id else (basis.exp_basis,)
    by_model = (by_world @ state.rotation[:, None]).float()
    by_shape = by_model @ torch.cat(bases, -1).float()[rows]
    columns = [-(by_world @ cross_matrix(turned)).float(), by_world.float(), by_shape]
    return px - points_px, torch.cat(columns, -1).flatten(1, 2)


def _priors(settings, n_frames, n_shared):
    """Precisions of a frame's unknowns (70,) and of the shared ones (n_shared,)."""
    frame = torch.full((N_FRAME,), settings.exp_weight**2, dtype=torch.float64)
    frame[:6] = 1e-9
    frame[5] = 1 / settings.depth_sigma**2 / n_frames
    shared = torch.ones(N_SHARED, dtype=torch.float64)
    shared[:N_ID] = settings.id_weight**2 * max(1.0, n_frames / settings.independent_frames)
    shared[N_ID : 2 * N_ID] = settings.tex_weight**2
    shared[2 * N_ID :] = _LIGHT_PRIOR
    return frame, shared[:n_shared]


def _neighbours(x):
    """Mean of the two temporal neighbours; the ends have one."""
    padded = torch.cat([x[:1], x, x[-1:]])
    return 0.5 * (padded[:-2] + padded[2:])


def bundle_step(
    basis: LandmarkBasis,
    state: BundleState,
    points_px: Float[Tensor, "T N 2"],
    confidence: Float[Tensor, "T"],
    camera: Camera,
    settings: BundleSettings,
    more: MoreEquations | None = None,
    free: SharedUnknowns = SharedUnknowns(),
) -> BundleState:
    """One Gauss-Newton step over all frames and what they share.

    Args:
        basis: LandmarkBasis.
        state: BundleState.
        points_px: landmarks, and what follows them, in crop pixels, float64.
        confidence: (T,) in [0, 1]; bridged frames count little.
        camera: Camera.
        settings: BundleSettings.
        more: callable (BundleState of a chunk, its slice) -> NormalEquations to add.
        free: SharedUnknowns.
    Returns:
        BundleState.
    """
    shared = torch.cat([state.id, state.tex, state.light])
    expected, n_shared = torch.zeros_like(shared), free.n
    if free.light is not None:
        expected[2 * N_ID :] = free.light
    prior = _priors(settings, len(points_px), n_shared)[1].to(shared)
    normal, right = torch.diag(prior), prior * (expected - shared)[:n_shared]
    reduced = []
    for sums in _all_sums(basis, state, points_px, confidence, camera, settings, more, n_shared):
        reduced.append(eliminate(sums))
        normal, right = normal + reduced[-1].shared, right + reduced[-1].right
    step = torch.linalg.solve(normal, right)
    shared[:n_shared] += step
    moved = _moved(state, torch.cat([r.offset - r.gain @ step for r in reduced]))
    id, tex, light = shared.split([N_ID, N_ID, N_SHARED - 2 * N_ID])
    return replace(moved, id=id, tex=tex, light=light)


def frame_step(
    basis: LandmarkBasis,
    state: BundleState,
    points_px: Float[Tensor, "T N 2"],
    confidence: Float[Tensor, "T"],
    camera: Camera,
    settings: BundleSettings,
    more: MoreEquations | None = None,
) -> tuple[BundleState, Float[Tensor, "T 70"]]:
    """One Gauss-Newton step over each frame's own unknowns, what they share being known.

    Arguments as in `bundle_step`.

    Returns:
        BundleState, and the standard deviations (T, 70) of rotation (rad), translation (dm) and
        expression where the step began.
    """
    steps, sigmas = [], []
    for sums in _all_sums(basis, state, points_px, confidence, camera, settings, more, 0):
        factor = torch.linalg.cholesky(sums.frame)
        steps.append(torch.cholesky_solve(sums.frame_right[..., None], factor)[..., 0])
        sigmas.append(torch.cholesky_inverse(factor).diagonal(dim1=1, dim2=2).sqrt())
    return _moved(state, torch.cat(steps)), torch.cat(sigmas)


def _moved(state, own):
    """The state after a step (T, 70) of each frame's own unknowns."""
    return replace(
        state,
        exp=state.exp + own[:, 6:],
        rotation=torch.linalg.matrix_exp(cross_matrix(own[:, :3])) @ state.rotation,
        trans=state.trans + own[:, 3:6],
    )


def _all_sums(basis, state, points_px, confidence, camera, settings, more, n_shared):
    """NormalEquations of one chunk of frames after the other, priors of the frames included."""
    n_frames = len(points_px)
    rows = landmark_rows(basis, state, camera)
    precision = landmark_weights(settings.sigma_px, points_px.shape[1]).to(points_px)
    prior = _priors(settings, n_frames, n_shared)[0].to(points_px)
    smooth = settings.smooth_weight**2 * _SMOOTH_UNITS.to(points_px)
    towards = torch.cat([_neighbours(x) - x for x in (state.angles, state.trans, state.exp)], 1)
    for start in range(0, n_frames, settings.chunk):
        part = slice(start, start + settings.chunk)
        piece = state[part]
        error, jacobian = _linearise(
            basis, piece, rows[part], points_px[part], camera, n_shared > 0
        )
        robust = 1 / (1 + (error**2).sum(-1) / settings.robust_px**2) ** 2
        weight = precision * robust * confidence[part, None]
        weight = weight[..., None].expand_as(error).flatten(1)
        jacobian = torch.nn.functional.pad(jacobian, (0, N_FRAME + n_shared - jacobian.shape[-1]))
        sums = normal_equations(error.flatten(1).float(), jacobian, weight.float(), N_FRAME)
        if more:
            sums = sums + more(piece, part)
        pull = smooth * towards[part]
        pull[:, 6:] -= prior[6:] * piece.exp
        pull[:, 5] -= prior[5] * piece.trans[:, 2]
        yield replace(
            sums,
            frame=sums.frame + torch.diag(prior + smooth),
            frame_right=sums.frame_right + pull,
        )


def solve_bundle(
    basis: LandmarkBasis,
    points_px: Float[Tensor, "T N 2"],
    confidence: Float[Tensor, "T"],
    camera: Camera,
    settings: BundleSettings | None = None,
    progress: Progress | None = None,
) -> BundleState:
    """Fit all frames' landmarks, from the mean head's pose to everything together.

    Args:
        basis: LandmarkBasis.
        points_px: landmarks, and what follows them, in crop pixels.
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


def reproject(basis: LandmarkBasis, state: BundleState, camera: Camera) -> Float[Tensor, "T N 2"]:
    """The model's landmarks, and what follows them in the basis, in crop pixels."""
    shape = basis.shape(state, landmark_rows(basis, state, camera))
    return project(shape @ state.rotation.mT + state.trans[:, None], camera)[0]
