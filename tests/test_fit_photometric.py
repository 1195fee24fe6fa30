"""The photometric term: its Jacobian; a rendered head is found again where the landmarks err."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from fit_toys import (
    BUNDLE,
    SETTINGS,
    SURE,
    N,
    pictures,
    refined,
    speaking_head,
    start_of,
    tracker_error,
    turn_deg,
)

from tfhkit.camera import Camera, project
from tfhkit.face import actions_to_exp, load_model
from tfhkit.fit import photometric
from tfhkit.fit.basis import landmark_basis
from tfhkit.fit.bundle import (
    SharedUnknowns,
    bundle_step,
    cross_matrix,
    frame_step,
    reproject,
)
from tfhkit.fit.initialise import BundleState
from tfhkit.fit.photometric import (
    Observed,
    Photometry,
    landmark_sigma,
    photometry,
    refine_all,
    refine_shared,
)
from tfhkit.fit.report import photometric_l1
from tfhkit.fit.surface import colour_planes, surface_points

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model():
    return load_model(subdivide=False)


@pytest.fixture(scope="module")
def basis(model):
    return landmark_basis(model)


@pytest.fixture(scope="module")
def truth():
    return speaking_head()


@pytest.fixture(scope="module")
def seen(model, basis, truth):
    points = reproject(basis, truth, Camera()) + tracker_error()
    return Observed(points, SURE, pictures(model, truth))


@pytest.fixture(scope="module")
def start(model, basis, seen):
    return start_of(model, basis, seen)


@pytest.fixture(scope="module")
def fitted(model, basis, seen, start):
    return refined(model, basis, seen, start)


UNKNOWNS = {
    "rotation": slice(0, 3),
    "translation": slice(3, 6),
    "expression": slice(6, 70),
    "identity": slice(70, 150),
    "texture": slice(150, 230),
    "light": slice(230, 257),
}


def moved(state, columns, step):
    """The state after a step (n,) of some of its unknowns, in every frame."""
    full = torch.zeros(257, dtype=torch.float64)
    full[columns] = step
    own, shared = full[:70], full[70:]
    return BundleState(
        state.id + shared[:80],
        state.exp + own[6:],
        torch.linalg.matrix_exp(cross_matrix(own[:3])) @ state.rotation,
        state.trans + own[3:6],
        state.tex + shared[80:160],
        state.light + shared[160:],
    )


@pytest.mark.parametrize("share, tolerance", [(0.0, 0.002), (0.4, 0.06)])
@pytest.mark.parametrize("name", UNKNOWNS)
def test_jacobian_against_differences(model, truth, name, share, tolerance):
    """On a picture whose levels rise by 1 per pixel, so that bilinear sampling is exact.

    Normals are linear about no expression: with one, their part of the Jacobian is nearly right.
    """
    y, x = np.mgrid[:112, :112]
    picture = np.stack([20 + x, 20 + y, x + y], -1).astype(np.uint8)
    state = replace(truth, exp=share * truth.exp)[:2]
    points = surface_points(model, state.id.float(), 0.1)
    planes = colour_planes(np.stack([picture, picture[::-1]]))
    term = Photometry(points, planes, torch.ones(2, len(points.ids)), SETTINGS, shared=True)
    part, columns = slice(0, 2), UNKNOWNS[name]
    jacobian = term.linearise(state, part)[1]
    assert jacobian.shape == (2, len(points.ids), 3, 257)
    alone = replace(term, shared=False).linearise(state, part)[1]
    assert torch.allclose(alone, jacobian[..., :70], atol=1e-5)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        step = torch.randn(columns.stop - columns.start, generator=generator).double()
        step = 0.02 * step / step.norm()
        ahead, behind = (term.linearise(moved(state, columns, s), part)[0] for s in (step, -step))
        found, expected = (ahead - behind) / 2, jacobian[..., columns] @ step.float()
        assert (found - expected).norm() < tolerance * expected.norm()


def test_pixels_halve_the_error_of_the_landmarks(truth, start, fitted):
    before, after = turn_deg(start, truth).mean(), turn_deg(fitted[0], truth).mean()
    assert before > 1.0, "the landmarks err enough for something to be gained"
    assert after < 0.5 * before, (before, after)


def test_pixels_are_explained(model, truth, seen, start, fitted):
    before, after, best = (
        photometric_l1(model, state.coefficients(), seen.images)
        for state in (start, fitted[0], truth)
    )
    assert after < 0.3 * before and best < 0.01, (before, after, best)


def test_hidden_points_have_no_say(model, seen, start):
    points = surface_points(model, start.id.float(), 0.1)
    term = photometry(model, points, start, seen, SETTINGS, True)
    assert ((term.seen == 0).sum(1) > 20).all() and term.seen.max() == 1
    sums = term.equations(start, slice(0, N))
    ids = term.seen.amax(0) == 0
    darker = replace(points, mean_tex=torch.where(ids[:, None], 0, points.mean_tex))
    same = replace(term, points=darker).equations(start, slice(0, N))
    assert ids.any() and torch.allclose(sums.frame, same.frame)
    assert torch.allclose(sums.shared_right, same.shared_right)


def lip_errors_px(model, state, truth):
    """(T,) mean distance of the lips' vertices in the picture, px of the 224 px crop."""
    found, real = (
        project(
            model.shape(s.id.float()[None], s.exp.float())[:, model.regions["lips"]]
            @ s.rotation.float().mT
            + s.trans.float()[:, None],
            Camera(),
        )[0]
        for s in (state, truth)
    )
    return (found - real).norm(dim=-1).mean(1)


def test_a_mouth_that_the_landmarks_missed_is_found(model, basis, truth):
    exp = truth.exp.clone()
    exp[2] = actions_to_exp(model, {"jawOpen": 0.4})[0]
    open_mouth = replace(truth, exp=exp)
    exp = exp.clone()
    exp[2] = 0
    points = reproject(basis, open_mouth, Camera())
    points[2, 48:] = reproject(basis, replace(truth, exp=exp), Camera())[2, 48:]
    seen = Observed(points + tracker_error(), SURE, pictures(model, open_mouth))
    start = start_of(model, basis, seen)
    before = lip_errors_px(model, start, open_mouth)
    after = lip_errors_px(model, refined(model, basis, seen, start)[0], open_mouth)
    assert before[2] > 4 and after[2] < 0.25 * before[2], (before, after)
    assert (after < 0.6 * before).all()


def test_what_covers_a_cheek_moves_the_head_little(model, basis, seen, fitted, monkeypatch):
    covered = seen.images.copy()
    covered[:, 79:114, 89:117] = 128  # measured: 0.5 degrees, without robust weights 3.3
    other = replace(seen, images=covered)
    start = start_of(model, basis, other)
    shift = turn_deg(refined(model, basis, other, start)[0], fitted[0]).max()
    monkeypatch.setattr(photometric, "ROBUST", 1e6)
    plain = turn_deg(refined(model, basis, other, start)[0], fitted[0]).max()
    assert shift < 1.0 and shift < 0.5 * plain, (shift, plain)


def test_chunks_are_read_one_after_the_other(model, basis, seen, fitted):
    whole, sigma, bundle, shared = fitted
    taken, at_reports = [], []
    images = (taken.append(i) or image for i, image in enumerate(seen.images))
    state, other = refine_all(
        model, basis, shared, seen, images, bundle, replace(SETTINGS, chunk=2),
        lambda done, total, text: at_reports.append((done, total, len(taken))),
    )  # fmt: skip
    assert at_reports == [(2, N, 2), (4, N, 4), (6, N, 6)]
    assert turn_deg(state, whole).max() < 0.02
    assert (state.trans - whole.trans).abs().max() < 0.001, "depth: its prior is the clip's"
    assert (state.exp - whole.exp).abs().max() < 0.05
    assert torch.allclose(sigma, other, rtol=0.02)


def test_frames_that_were_not_chosen_keep_their_pose(model, basis, seen, start):
    chosen = np.array([0, 3])
    few = seen.at(chosen, list(seen.images[chosen]))
    settings = replace(SETTINGS, blurs_px=(0.0,), shared_steps=2)
    steps = list(refine_shared(model, basis, start, chosen, few, BUNDLE, settings))
    assert len(steps) == 2
    state, rest = steps[-1][0], np.array([1, 2, 4, 5])
    assert torch.equal(state.exp[rest], start.exp[rest])
    assert torch.equal(state.rotation[rest], start.rotation[rest])
    for name in ("exp", "rotation", "trans"):
        assert not torch.isclose(getattr(state, name)[chosen], getattr(start, name)[chosen]).all()
    for name in ("id", "tex", "light"):
        assert not torch.allclose(getattr(state, name), getattr(start, name))


def test_brightness_stays_with_the_light_that_is_given(model, basis, seen, start, fitted):
    """A brighter light on a darker skin looks the same: what is not seen is held."""
    points = surface_points(model, start.id.float(), 0.1)
    term = photometry(model, points, start, seen, SETTINGS, True)
    fixed = (seen.points_px, seen.confidence, Camera(), BUNDLE, term.equations)
    ambient = [0, 9, 18]
    drift = []
    for light in (start.light, start.light + 0.3, None):
        state = start
        for _ in range(4):
            state = bundle_step(basis, state, *fixed, SharedUnknowns(187, light))
        drift.append((state.light - start.light)[ambient])
    kept, raised, none = drift
    assert kept.abs().max() < 0.1
    assert (fitted[0].light - start.light)[ambient].abs().max() < 0.1
    assert (raised - kept).min() > 0.1
    assert (none - kept).abs().min() > 0.05


def test_sigma_of_the_landmarks(basis, truth):
    """Twice that of the noise, as neighbours err alike; outliers do not move it."""
    points = reproject(basis, truth, Camera()).expand(N, 68, 2)
    noise = torch.randn(points.shape, generator=torch.Generator().manual_seed(0)).double()
    for sigma_px in (1.0, 3.0):
        spoiled = points + sigma_px * noise
        spoiled[:, 20] += 50
        assert landmark_sigma(basis, truth, spoiled) == pytest.approx(2 * sigma_px, rel=0.1)
    assert landmark_sigma(basis, truth, points) == pytest.approx(1.2)


def test_sigma_of_a_pose_grows_where_less_is_seen(model, basis, seen, fitted):
    state, sigma, bundle, _ = fitted
    points = surface_points(model, state.id.float(), SETTINGS.spacing)
    term = photometry(model, points, state, seen, SETTINGS, False)

    def pose_sigma(confidence=SURE, more=term.equations):
        fixed = seen.points_px, confidence, Camera(), bundle, more
        return frame_step(basis, state, *fixed)[1][:, :5]

    usual = pose_sigma()
    assert torch.allclose(usual, sigma[:, :5], rtol=0.05)
    assert (pose_sigma(more=None) > 1.2 * usual).all(), "pixels add to what is known"
    less = SURE.clone()
    less[2] = 0.05
    bridged = pose_sigma(less, None) / pose_sigma(SURE, None)
    hidden = term.seen.clone()
    hidden[2, ::3] = 0
    hidden[2, 1::3] = 0
    covered = pose_sigma(more=replace(term, seen=hidden).equations) / usual
    for ratio, least in ((bridged, 1.5), (covered, 1.1)):
        assert (ratio[2] > least).all()
        others = torch.cat([ratio[:2], ratio[3:]])
        assert torch.allclose(others, torch.ones_like(others), atol=0.05)
