"""What the camera sees: of two parallel squares, the farther one behind the nearer one."""

import pytest
import torch

from tfhkit.camera import Camera, project
from tfhkit.render import rasterize
from tfhkit.render.visibility import drawn_verts, facing, vertex_visibility

CAMERA = Camera(64)
NEAR, FAR = slice(0, 4), slice(4, 8)
FACES = torch.tensor([[0, 1, 2], [0, 2, 3], [4, 5, 6], [4, 6, 7]])


def square(left, right, z, half=0.5):
    """Corners of a rectangle that looks at the camera, counter-clockwise from its bottom left."""
    corners = [[left, -half, z], [right, -half, z], [right, half, z], [left, half, z]]
    return torch.tensor(corners)


def scene(near, far):
    return torch.cat([near, far])[None]


FAR_SQUARE = square(-0.5, 0.5, -0.5)
COVERED = scene(square(-0.8, 0.8, 0.5, 0.8), FAR_SQUARE)
HALF_COVERED = scene(square(-0.8, 0.0, 0.5, 0.8), FAR_SQUARE)


def test_what_lies_behind_is_hidden():
    seen = vertex_visibility(COVERED, FACES, CAMERA)
    assert seen.shape == (1, 8)
    assert seen[0, NEAR].all() and not seen[0, FAR].any()
    drawn = drawn_verts(COVERED, FACES, CAMERA)
    assert drawn[0, NEAR].all() and not drawn[0, FAR].any()


def test_a_triangle_that_is_half_hidden_is_drawn_with_all_its_corners():
    seen = vertex_visibility(HALF_COVERED, FACES, CAMERA)[0, FAR]
    assert seen.tolist() == [False, True, True, False]
    assert drawn_verts(HALF_COVERED, FACES, CAMERA).all()


def test_frames_of_a_batch_are_seen_one_by_one():
    both = torch.cat([COVERED, HALF_COVERED])
    for function in (vertex_visibility, drawn_verts):
        alone = torch.cat([function(frame[None], FACES, CAMERA) for frame in both])
        assert torch.equal(function(both, FACES, CAMERA), alone)
        assert not torch.equal(alone[0], alone[1])


@pytest.mark.parametrize("gap, is_seen, other", [(0.02, True, 0.01), (0.04, False, 0.05)])
def test_the_tolerance_is_a_depth(gap, is_seen, other):
    verts = scene(square(-0.8, 0.8, 0.5, 0.8), square(-0.5, 0.5, 0.5 - gap))
    assert (vertex_visibility(verts, FACES, CAMERA)[0, FAR] == is_seen).all()
    assert (vertex_visibility(verts, FACES, CAMERA, other)[0, FAR] != is_seen).all()


def test_nothing_outside_of_the_picture_is_seen():
    """The picture's edge lies at 1.05 dm in the plane z = 0.5."""
    verts = scene(square(0.0, 1.5, 0.5), square(-3.0, -2.0, -0.5))
    px, _ = project(verts, CAMERA)
    inside = ((px > 0) & (px < 64)).all(-1)
    assert inside[0].tolist() == [True, False, False, True] + [False] * 4
    assert torch.equal(vertex_visibility(verts, FACES, CAMERA), inside)
    assert drawn_verts(verts, FACES, CAMERA)[0].tolist() == [True] * 4 + [False] * 4


def test_a_corner_whose_pixel_shows_nothing_is_seen():
    """On the outline a pixel's centre may miss the surface; nothing hides the corner there."""
    verts = scene(square(-0.8, 0.8, 0.5, 0.8), square(0.9, 0.91, -0.5))
    empty = rasterize(verts, FACES, CAMERA).pix_to_face[0, :, :, 0] < 0
    column, row = project(verts, CAMERA)[0][0].floor().long().unbind(-1)
    assert empty[row[FAR], column[FAR]].all()
    assert vertex_visibility(verts, FACES, CAMERA)[0, FAR].all()
    assert not drawn_verts(verts, FACES, CAMERA)[0, FAR].any()


def test_the_back_of_a_triangle_hides_nothing():
    turned = FACES.clone()
    turned[:2] = turned[:2].flip(1)
    assert vertex_visibility(COVERED, turned, CAMERA)[0, FAR].all()
    drawn = drawn_verts(COVERED, turned, CAMERA)
    assert drawn[0, FAR].all() and not drawn[0, NEAR].any()


def test_facing_is_the_cosine_to_the_camera():
    verts = torch.tensor([[[0.0, 0.0, 0.0], [3.0, 0.0, 6.0], [0.0, 0.0, 2.0], [0.0, 5.0, 10.0]]])
    normals = torch.tensor([[[0.0, 0.0, 1.0], [0.0, 0.0, 1.0], [0.0, 0.6, -0.8], [0.0, -1.0, 0.0]]])
    assert torch.allclose(facing(verts, normals), torch.tensor([[1.0, 0.8, -0.8, 1.0]]))
