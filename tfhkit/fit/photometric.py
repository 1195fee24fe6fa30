"""Photometric refinement: the colour of every visible point of the face should be its pixel's.

Sec. 3.1 gives a point with albedo t and normal n the colour C(n, t, gamma). A point X projects to
the pixel pi(X), so with the picture I of a frame the residual is

    r = I(pi(R S(a, b) + p)) - C(R n(a, b), T(d), gamma)

It changes with pose and shape in two ways: the point moves over the picture (image gradient), and
it turns in the light (gradient of the harmonics). It is linear in the texture d, and in the light
gamma. So all 257 coefficients enter the normal equations of the bundle, next to the landmarks.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from tfhkit.camera import CROP_PX, Camera, project
from tfhkit.face.lighting import sh_basis, sh_gradient, with_ambient
from tfhkit.face.model import MorphableModel
from tfhkit.fit.basis import LandmarkBasis
from tfhkit.fit.bundle import (
    N_FRAME,
    N_GROUPS,
    N_SHARED,
    BundleSettings,
    SharedUnknowns,
    bundle_step,
    frame_step,
    groups_of,
    pixel_gradient,
    reproject,
    sigma_by_group,
)
from tfhkit.fit.initialise import BundleState
from tfhkit.fit.normal import NormalEquations, normal_equations
from tfhkit.fit.surface import (
    SurfacePoints,
    colour_planes,
    sample_with_gradient,
    seen_weight,
    surface_points,
)
from tfhkit.progress import Progress

ROBUST = 3.0  # errors beyond so many sigma lose influence (Geman-McClure)
LEAST_SIGMA_PX = 0.6  # of a landmark, by any tracker


@dataclass(frozen=True)
class PhotometricSettings:
    """Weights and schedule of the photometric term.

    Args:
        size_px: side of the crops that are compared.
        spacing: dm between surface points.
        sigma: of a colour that the model explains, from the picture's noise. What is larger is
            read off the residuals.
        points_per_fact: neighbouring points err alike: so many count as one where the colours'
            error is `sigma`, and more in proportion where it is larger (a shadow, a beard).
        sigma_px: of a landmark in the first round, of the 224 px crop: the pixels lead.
        blurs_px: Gaussian blur of the crops in each round; coarse first, so that a mouth that
            the landmarks missed is still found. Not coarser than needed: beside a blurred picture
            a sharp model turns its head, and identity remembers it.
        shared_steps, frame_steps: Gauss-Newton steps in each round, while texture, light and
            identity are sought, and then for each frame's pose and expression.
        chunk: frames in memory at once.
    """

    size_px: int = CROP_PX
    spacing: float = 0.03
    sigma: float = 0.01
    points_per_fact: float = 20.0
    sigma_px: float = 6.0
    blurs_px: tuple[float, ...] = (2.5, 0.0)
    shared_steps: int = 4
    frame_steps: int = 3
    chunk: int = 32


@dataclass(frozen=True)
class Photometry:
    """The photometric term of some frames.

    Args:
        points: SurfacePoints.
        planes: (T, 9, S, S) of the crops, see `colour_planes`.
        seen: (T, P) weight of each point, 0 where hidden.
        settings: PhotometricSettings.
        shared: whether identity, texture and light are unknown, too.
    """

    points: SurfacePoints
    planes: Float[Tensor, "T 9 S S"]
    seen: Float[Tensor, "T P"]
    settings: PhotometricSettings
    shared: bool = False

    def linearise(
        self, state: BundleState, part: slice
    ) -> tuple[Float[Tensor, "t P 3"], Float[Tensor, "t P 3 n_unknown"]]:
        """Residuals (t, P, 3) of frames `part` and their Jacobian (t, P, 3, 70 or 257)."""
        points, camera = self.points, Camera(self.planes.shape[-1])
        place, normal = points.at(state.id.float(), state.exp.float())
        rotation = state.rotation.float()
        turned, n = place @ rotation.mT, normal @ rotation.mT
        world = turned + state.trans.float()[:, None]
        px, depth = project(world, camera)
        colour, by_px = sample_with_gradient(self.planes[part], px)
        gamma = with_ambient(state.light.float())[0]
        albedo = points.mean_tex + points.tex_basis @ state.tex.float()
        bands = sh_basis(n)
        irradiance = bands @ gamma.T
        by_place = by_px @ pixel_gradient(world, depth, camera)
        by_normal = -albedo[..., None] * (gamma @ sh_gradient(n))
        cross = torch.linalg.cross
        by_turn = -(cross(by_place, turned[:, :, None]) + cross(by_normal, n[:, :, None]))
        basis = points.exp_basis
        if self.shared:
            basis = torch.cat([basis, points.id_basis], -1)
        in_model = [each.flatten(1, 2) @ rotation for each in (by_place, by_normal)]
        by_both = torch.cat(in_model, -1).unflatten(1, (-1, 3)).transpose(0, 1)
        # one product per point for all frames and colours
        by_shape = (by_both.flatten(1, 2) @ basis).unflatten(1, (-1, 3)).transpose(0, 1)
        columns = [by_turn, by_place, by_shape]
        if self.shared:
            by_light = torch.einsum("pc,tpb,cd->tpcdb", albedo, bands, torch.eye(3).to(bands))
            columns += [-irradiance[..., None] * points.tex_basis, -by_light.flatten(-2)]
        return colour - albedo * irradiance, torch.cat(columns, -1)

    def equations(self, state: BundleState, part: slice) -> NormalEquations:
        """NormalEquations of the frames `part`, to be added to those of the landmarks."""
        residual, jacobian = self.linearise(state, part)
        size = residual.square().mean(-1)
        shown = size[self.seen[part] > 0.5]
        sigma = shown.new_tensor(self.settings.sigma)
        if len(shown):
            sigma = (1.5 * shown.median()).sqrt().clamp_min(self.settings.sigma)
        robust = 1 / (1 + size / (ROBUST * sigma) ** 2) ** 2
        per_fact = self.settings.points_per_fact * sigma / self.settings.sigma
        weight = self.seen[part] * robust / sigma**2 / per_fact
        weight = weight[..., None].expand_as(residual).flatten(1)
        return normal_equations(residual.flatten(1), jacobian.flatten(1, 2), weight, N_FRAME)


@dataclass(frozen=True)
class Observed:
    """What was seen of T frames: landmarks and crops.

    Args:
        points_px: landmarks, and what follows them, in the 224 px crop, float64.
        confidence: (T,).
        images: (T, S, S, 3) uint8 crops; None where they are not in memory.
        left_out: (T,) bool, frames whose pixels say nothing; None: no frame.
    """

    points_px: Float[Tensor, "T N 2"]
    confidence: Float[Tensor, "T"]
    images: UInt8[np.ndarray, "T S S 3"] | None = None
    left_out: Bool[Tensor, "T"] | None = None

    def to(self, device: str | torch.device) -> "Observed":
        """The same with its tensors on another device."""
        left_out = None if self.left_out is None else self.left_out.to(device)
        points, confidence = self.points_px.to(device), self.confidence.to(device)
        return Observed(points, confidence, self.images, left_out)

    def at(
        self,
        frames: slice | Int[np.ndarray, "n"] | Int[Tensor, "n"],
        images: Sequence[UInt8[np.ndarray, "S S 3"]],
    ) -> "Observed":
        """Some of the frames (slice or index array) with their crops (a list)."""
        left_out = None if self.left_out is None else self.left_out[frames]
        pixels = np.stack(images)
        return Observed(self.points_px[frames], self.confidence[frames], pixels, left_out)


def photometry(
    model: MorphableModel,
    points: SurfacePoints,
    state: BundleState,
    seen: Observed,
    settings: PhotometricSettings,
    shared: bool,
    blur_px: float = 0.0,
) -> Photometry:
    """The photometric term at a BundleState: which points each frame shows; see `Photometry`."""
    assert seen.images is not None, "there are no pixels to compare with"
    weight = seen_weight(model, state.coefficients(), points.ids)
    if seen.left_out is not None:
        weight[seen.left_out] = 0
    planes = colour_planes(seen.images, blur_px, weight.device)
    return Photometry(points, planes, weight, settings, shared)


def landmark_sigma(
    basis: LandmarkBasis, state: BundleState, points_px: Float[Tensor, "T N 2"]
) -> float:
    """Standard deviation of the landmarks along an axis, read off their residuals; px.

    The median of a Rayleigh distribution is 1.18 sigma, and outliers do not move it. A tracker's
    neighbouring landmarks err alike, about four of them: so sigma is doubled.
    """
    distance = (reproject(basis, state, Camera()) - points_px)[:, 17:].norm(dim=-1)
    return 2 * max(LEAST_SIGMA_PX, float(distance.median()) / 1.18)


def landmark_noise(
    basis: LandmarkBasis, state: BundleState, points_px: Float[Tensor, "T N 2"]
) -> tuple[Float[Tensor, "N 2"], tuple[float, ...]]:
    """How landmarks err all the time, and from frame to frame; px.

    A tracker puts a landmark elsewhere on this face than the model does, and does so in every
    frame. What is left after that offset says how well the landmarks show motion.

    Args:
        basis: LandmarkBasis. state: fitted frames. points_px: what was seen of them.
    Returns:
        the offset of each point, seen minus model; sigma along an axis of each group, doubled as
        in `landmark_sigma`.
    """
    error = points_px - reproject(basis, state, Camera())
    offset = error.median(0).values
    distance, group = (error - offset).norm(dim=-1).cpu(), groups_of(points_px.shape[1])
    median = [distance[:, group == k].median() for k in range(int(group.max()) + 1)]
    sigma = [2 * max(LEAST_SIGMA_PX, float(m) / 1.18) for m in median]
    return offset, (*sigma, *[sigma[-1]] * (N_GROUPS - len(sigma)))


def refine_shared(
    model: MorphableModel,
    basis: LandmarkBasis,
    state: BundleState,
    chosen: Int[np.ndarray, "n"] | Int[Tensor, "n"],
    seen: Observed,
    bundle: BundleSettings,
    settings: PhotometricSettings,
    progress: Progress | None = None,
) -> Iterator[tuple[BundleState, float]]:
    """Identity, texture and light of a clip from some of its frames, in rounds, coarse to fine.

    Args:
        model: MorphableModel. basis: its LandmarkBasis.
        state: BundleState of T frames, with a first texture and light.
        chosen: (n,) indices of the frames to use; they may lie far apart.
        seen: Observed, of these frames. bundle: BundleSettings. settings: PhotometricSettings.
        progress: called as progress(done, total, text).
    Yields:
        after each Gauss-Newton step the BundleState of T frames (pose and expression of those not
        chosen are as they were) and the landmarks' sigma in px. It starts large, so that the
        pixels lead, and is then read off the residuals.
    """
    few, sigma_px = state[chosen], settings.sigma_px
    total = settings.shared_steps * len(settings.blurs_px)
    for start, blur_px in enumerate(settings.blurs_px):
        now = replace(bundle, smooth_weight=0.0, sigma_px=sigma_px, chunk=settings.chunk)
        points = surface_points(model, few.id.float(), settings.spacing)
        term = photometry(model, points, few, seen, settings, True, blur_px)
        for step in range(settings.shared_steps):
            few = bundle_step(
                basis,
                few,
                seen.points_px,
                seen.confidence,
                Camera(),
                now,
                term.equations,
                SharedUnknowns(N_SHARED, state.light),
            )
            sigma_px = landmark_sigma(basis, few, seen.points_px)
            if progress:
                done = start * settings.shared_steps + step + 1
                progress(done, total, "fitting identity, texture and light to the pixels")
            yield _scattered(state, chosen, few), sigma_px


def _scattered(state, chosen, few):
    """The state of T frames with what was found for some of them."""
    own = {name: getattr(state, name).clone() for name in ("exp", "rotation", "trans")}
    for name, values in own.items():
        values[chosen] = getattr(few, name)
    return replace(state, id=few.id, tex=few.tex, light=few.light, **own)


def _at_least(least, sigma_px):
    """The sigma of each group, but no smaller than `least`."""
    return tuple(max(least, sigma) for sigma in sigma_by_group(sigma_px).values())


def refine_all(
    model: MorphableModel,
    basis: LandmarkBasis,
    state: BundleState,
    seen: Observed,
    images: Iterable[UInt8[np.ndarray, "S S 3"]],
    bundle: BundleSettings,
    settings: PhotometricSettings,
    progress: Progress | None = None,
) -> tuple[BundleState, Float[Tensor, "T 70"]]:
    """Pose and expression of every frame, what they share being fixed.

    Args:
        As of `refine_shared`; seen: Observed of all T frames. images: iterable of T crops; only
            `settings.chunk` of them are held at once.
        bundle: BundleSettings with the landmarks' sigma, see `landmark_noise`.
    Returns:
        BundleState, and (T, 70) standard deviations as from `frame_step`.
    """
    points = surface_points(model, state.id.float(), settings.spacing)
    images, parts, sigmas, total = iter(images), [], [], len(seen.points_px)
    for start in range(0, total, settings.chunk):
        frames = slice(start, start + settings.chunk)
        crops = list(islice(images, settings.chunk))
        piece, part = seen.at(frames, crops), state[frames]
        share = len(piece.points_px) / total  # the depth's prior is one of the whole clip's mean
        now = replace(bundle, depth_sigma=bundle.depth_sigma / share**0.5)
        # the pixels lead in the first round, so that a mouth that the landmarks missed is found
        lead = replace(now, sigma_px=_at_least(settings.sigma_px, now.sigma_px))
        term = photometry(model, points, part, piece, settings, False, settings.blurs_px[0])
        for round_, blur_px in enumerate(settings.blurs_px):
            if round_:
                term = replace(term, planes=colour_planes(np.stack(crops), blur_px, model.device))
            weights = now if round_ else lead
            fixed = (piece.points_px, piece.confidence, Camera(), weights, term.equations)
            for _ in range(settings.frame_steps):
                part, sigma = frame_step(basis, part, *fixed)
        parts.append(part)
        sigmas.append(sigma)
        if progress:
            done = min(start + settings.chunk, total)
            progress(done, total, "fitting pose and expression to the pixels")
    own = {n: torch.cat([getattr(p, n) for p in parts]) for n in ("exp", "rotation", "trans")}
    return replace(state, **own), torch.cat(sigmas)
