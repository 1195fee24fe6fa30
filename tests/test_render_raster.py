"""Rasterisers: analytic cases, parity of numba with pytorch3d, gradients to the vertices."""

import numpy as np
import pytest
import torch
from render_toys import BACKENDS, needs_pytorch3d

from tfhkit.bench.raster import sphere
from tfhkit.camera import DISTANCE, Camera, project
from tfhkit.coefficients import N_COEFFICIENTS, Coefficients
from tfhkit.errors import MissingBackend, ShapeError
from tfhkit.face import load_model
from tfhkit.render import barycentric, interpolate, rasterize
from tfhkit.render.fragments import choose_backend
from tfhkit.render.shading import posed_verts


def head_like(n_frames=3, seed=0, n=3):
    """Ellipsoids at several poses, (B, V, 3), and their faces."""
    verts, faces = sphere(n)
    generator = torch.Generator().manual_seed(seed)
    verts = verts * torch.tensor([0.75, 1.1, 0.9])
    turn = torch.linalg.qr(torch.randn(n_frames, 3, 3, generator=generator))[0]
    turn = turn * torch.linalg.det(turn)[:, None, None]
    shift = 0.3 * torch.randn(n_frames, 1, 3, generator=generator)
    return verts @ turn + shift, faces


@pytest.mark.parametrize("backend", BACKENDS)
def test_one_triangle_covers_the_pixels_on_its_side_of_the_edges(backend):
    camera = Camera(64)
    size_dm = 64 / camera.focal_px * DISTANCE  # the picture's side in the plane z = 0
    low, high = -size_dm / 2, size_dm / 2
    verts = torch.tensor([[[low, low, 0.0], [high, low, 0.0], [low, high, 0.0]]])
    found = rasterize(verts, torch.tensor([[0, 1, 2]]), camera, backend)
    row, column = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    # Lower left half; pixel centres on the diagonal itself may fall to either side.
    expected, diagonal = column < row, column == row
    assert torch.equal(found.covered[0][~diagonal], expected[~diagonal])
    assert found.zbuf[0, 50, 10, 0] == pytest.approx(DISTANCE, abs=1e-5)
    weights = found.bary_coords[0, 50, 10, 0]
    assert weights[1] == pytest.approx(10.5 / 64, abs=1e-5)
    assert weights[2] == pytest.approx(1 - 50.5 / 64, abs=1e-5)
    assert (found.pix_to_face[~found.covered] == -1).all()
    assert (found.zbuf[~found.covered] == -1).all()
    assert (found.bary_coords[~found.covered] == -1).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_nearer_face_wins_and_ids_are_packed(backend):
    square = torch.tensor([[-2.0, -2, 0], [2, -2, 0], [2, 2, 0], [-2, 2, 0]])
    square = square + torch.tensor([0.013, 0, 0])  # no pixel centre lies on the diagonal
    faces = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])
    back_in_front = torch.cat([square, square + torch.tensor([0, 0, 0.5])])
    front_in_front = torch.cat([square, square - torch.tensor([0, 0, 0.5])])
    found = rasterize(torch.stack([back_in_front, front_in_front]), faces, Camera(32), backend)
    assert set(found.pix_to_face[0].unique().tolist()) <= {2, 3}
    assert set(found.pix_to_face[1].unique().tolist()) <= {4, 5}
    assert found.zbuf[0].max() == pytest.approx(DISTANCE - 0.5, abs=1e-4)
    assert found.zbuf[1].max() == pytest.approx(DISTANCE, abs=1e-4)


@pytest.mark.parametrize("backend", BACKENDS)
def test_back_faces_are_drawn_only_on_request(backend):
    verts = torch.tensor([[[-1.0, -1, 0], [1, -1, 0], [0, 1, 0]]])
    away = torch.tensor([[0, 2, 1]])
    assert not rasterize(verts, away, Camera(32), backend).covered.any()
    assert rasterize(verts, away, Camera(32), backend, cull_backfaces=False).covered.any()


def assert_parity(verts, faces, size_px, cull=True):
    """Parity with pytorch3d 0.7.9 (CPU): ids 99.9 %, zbuf 1e-4, barycentrics 1e-3."""
    ours = rasterize(verts, faces, Camera(size_px), "numba", cull)
    theirs = rasterize(verts, faces, Camera(size_px), "pytorch3d", cull)
    covered = ours.covered | theirs.covered
    assert covered.float().mean() > 0.2
    same = (ours.pix_to_face == theirs.pix_to_face)[..., 0] & covered
    assert same.sum() / covered.sum() >= 0.999
    assert (ours.zbuf - theirs.zbuf)[same].abs().max() < 1e-4
    assert (ours.bary_coords - theirs.bary_coords)[same].abs().max() < 1e-3


@needs_pytorch3d
@pytest.mark.parametrize(("size_px", "cull"), [(64, True), (112, False)])
def test_numba_agrees_with_pytorch3d(size_px, cull):
    verts, faces = head_like()
    assert_parity(verts, faces, size_px, cull)


def random_heads(model, n_frames):
    """People of the open model with random expressions and poses, (B, V, 3)."""
    rng = np.random.default_rng(n_frames)
    rows = np.zeros((n_frames, N_COEFFICIENTS), np.float32)
    frames = Coefficients.from_vector(rows)
    for part, spread in (("id", 1.0), ("exp", 0.7), ("angles", 0.35), ("trans", 0.2)):
        values = getattr(frames, part)
        values += rng.normal(0, spread, values.shape)
    return posed_verts(model, frames.map(torch.from_numpy))


@pytest.mark.slow
@needs_pytorch3d
@pytest.mark.parametrize(("n_frames", "size_px"), [(3, 40), (2, 75)])
def test_numba_agrees_with_pytorch3d_on_heads(n_frames, size_px):
    model = load_model(subdivide=False)
    assert_parity(random_heads(model, n_frames), model.faces, size_px)


@needs_pytorch3d
@pytest.mark.slow
@pytest.mark.parametrize(("n_frames", "size_px"), [(2, 96), (1, 160)])
def test_numba_agrees_with_pytorch3d_on_fine_heads(n_frames, size_px):
    model = load_model()
    assert_parity(random_heads(model, n_frames), model.faces, size_px)


def test_threads_change_nothing():
    verts, faces = head_like(3)
    before = torch.get_num_threads()
    try:
        found = []
        for n_threads in (1, 2, 7):
            torch.set_num_threads(n_threads)
            found.append(rasterize(verts, faces, Camera(48)))
            found.append(rasterize(verts[:1], faces, Camera(48)))
    finally:
        torch.set_num_threads(before)
    for other in (2, 4):
        for k in (0, 1):
            assert torch.equal(found[other + k].pix_to_face, found[k].pix_to_face)
            assert torch.equal(found[other + k].bary_coords, found[k].bary_coords)


def test_barycentrics_in_torch_are_the_rasterisers():
    verts, faces = head_like()
    camera = Camera(96)
    found = rasterize(verts, faces, camera, "numba")
    bary, zbuf = barycentric(verts, faces, found.pix_to_face, camera)
    assert (bary - found.bary_coords).abs().max() < 1e-3
    assert (zbuf - found.zbuf).abs().max() < 1e-4


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_principal_point_moves_the_picture_and_nothing_else(backend):
    verts, faces = head_like()
    centred = rasterize(verts, faces, Camera(96), backend)
    moved = rasterize(verts, faces, Camera(96, None, (48 + 7.0, 48 - 5.0)), backend)
    for name in ("pix_to_face", "zbuf", "bary_coords"):
        before, after = getattr(centred, name)[:, 5:, :-7], getattr(moved, name)[:, :-5, 7:]
        torch.testing.assert_close(after, before, atol=1e-4, rtol=1e-4)
    again, _ = barycentric(verts, faces, moved.pix_to_face, Camera(96, None, (55.0, 43.0)))
    torch.testing.assert_close(again, moved.bary_coords, atol=1e-4, rtol=1e-4)


def test_interpolated_positions_project_to_their_pixels():
    verts, faces = head_like(2)
    camera = Camera(80)
    found = rasterize(verts, faces, camera)
    points, depth = project(interpolate(found, faces, verts), camera)
    centres = torch.stack(
        torch.meshgrid(torch.arange(80) + 0.5, torch.arange(80) + 0.5, indexing="xy"), -1
    )
    error = (points - centres).abs().amax(-1)[found.covered]
    assert error.max() < 5e-3
    assert (depth - found.zbuf[..., 0])[found.covered].abs().max() < 1e-4


def test_a_batch_is_its_frames_one_by_one():
    verts, faces = head_like(3)
    whole = rasterize(verts, faces, Camera(48))
    for i in range(3):
        alone = rasterize(verts[i : i + 1], faces, Camera(48))
        shift = torch.where(alone.pix_to_face >= 0, i * len(faces), 0)
        assert torch.equal(whole.pix_to_face[i], (alone.pix_to_face + shift)[0])
        assert torch.equal(whole.bary_coords[i], alone.bary_coords[0])


def test_edges_through_pixel_centres_do_not_leak():
    square = torch.tensor([[[-2.0, -2, 0], [2, -2, 0], [2, 2, 0], [-2, 2, 0]]])
    assert rasterize(square, torch.tensor([[0, 1, 2], [0, 2, 3]]), Camera(32)).covered.all()


def test_meshes_have_no_holes():
    """Every pixel whose centre is within the sphere's outline is covered."""
    verts, faces = sphere(4)
    camera = Camera(128)
    covered = rasterize(verts[None], faces, camera).covered[0]
    outline = camera.focal_px / (DISTANCE**2 - 1) ** 0.5
    axis = torch.arange(128) + 0.5 - 64
    radius = (axis[:, None] ** 2 + axis[None] ** 2).sqrt()
    assert covered[radius < outline * 0.99].all()
    assert not covered[radius > outline].any()


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradcheck_from_the_picture_to_the_vertices(backend):
    verts, faces = head_like(1, n=0)
    verts = verts.double().requires_grad_()
    camera = Camera(8)
    ids = rasterize(verts.detach(), faces, camera, backend).pix_to_face
    colours = torch.rand(1, verts.shape[1], 3, dtype=torch.float64)
    covered = ids[..., 0] >= 0
    assert covered.sum() > 10

    def picture(points):
        bary, zbuf = barycentric(points, faces, ids, camera)
        found = type(rasterize(points.detach(), faces, camera))(ids, zbuf, bary)
        return interpolate(found, faces, colours)[covered], zbuf[..., 0][covered]

    assert torch.autograd.gradcheck(picture, (verts,), atol=1e-6)


@pytest.mark.parametrize("backend", BACKENDS)
def test_rasterize_carries_gradients_where_they_are_asked_for(backend):
    verts, faces = head_like(2, n=1)
    assert not rasterize(verts, faces, Camera(16), backend).bary_coords.requires_grad
    verts = verts.requires_grad_()
    rasterize(verts, faces, Camera(16), backend).zbuf.sum().backward()
    assert verts.grad.abs().sum() > 0


def test_faces_at_or_behind_the_camera_are_left_out():
    verts = torch.tensor([[[-1.0, -1, 12], [1, -1, 12], [0, 1, 12]]])
    found = rasterize(verts, torch.tensor([[0, 1, 2]]), Camera(16), cull_backfaces=False)
    assert not found.covered.any()


def test_auto_takes_numba_on_the_cpu_and_unknown_names_are_refused():
    assert choose_backend("auto", "cpu") == "numba"
    with pytest.raises(MissingBackend, match="rasterizer backend 'opengl'.*choose one of"):
        choose_backend("opengl", "cpu")


def test_a_missing_backend_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("tfhkit.render.fragments._importable", lambda name: name != "pytorch3d")
    assert choose_backend("auto", "cuda") == "numba"
    with pytest.raises(MissingBackend, match="easypytorch3d"):
        choose_backend("pytorch3d", "cpu")


def test_wrong_shapes_are_refused():
    verts, faces = head_like(1, n=0)
    with pytest.raises(ShapeError, match="verts_world: expected shape"):
        rasterize(verts[0], faces, Camera(16))
    with pytest.raises(ShapeError, match="faces"):
        rasterize(verts, faces.T, Camera(16))


@pytest.mark.gpu
@needs_pytorch3d
def test_pytorch3d_on_cuda_agrees_with_numba():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device here")
    verts, faces = head_like(n=4)
    camera = Camera(256)
    ours = rasterize(verts, faces, camera, "numba")
    theirs = rasterize(verts.cuda(), faces.cuda(), camera)  # auto: pytorch3d
    assert theirs.zbuf.device.type == "cuda"
    covered = ours.covered | theirs.covered.cpu()
    same = (ours.pix_to_face == theirs.pix_to_face.cpu())[..., 0] & covered
    assert same.sum() / covered.sum() >= 0.999
    assert (ours.zbuf - theirs.zbuf.cpu())[same].abs().max() < 1e-4


def test_kernels_compile_where_no_cache_can_be_written(monkeypatch):
    from tfhkit import jit

    def njit(**options):
        if options.get("cache"):
            raise RuntimeError("cannot cache function: no locator available")
        return lambda function: function

    monkeypatch.setattr(jit, "njit", njit)
    assert jit.compiled(abs) is abs
