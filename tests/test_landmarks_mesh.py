"""The mesh backend: regions, tiles, faces that are found and followed, lids and gaze of a fit."""

import os
import signal
import warnings
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import skimage.data
import torch
from hypothesis import given
from hypothesis import strategies as st

from tfhkit import landmarks
from tfhkit.assets import fetch
from tfhkit.camera import Camera, project, rotation_from_angles
from tfhkit.errors import AssetError, InputError, MissingBackend
from tfhkit.face import load_model
from tfhkit.face.model import actions_to_exp
from tfhkit.fit.eyes import CONTOUR, IRIS, LANDMARKS, eye_actions, fit_eyes, with_calm_eyes
from tfhkit.fit.initialise import BundleState
from tfhkit.landmarks import mesh_backend
from tfhkit.landmarks.averaging import averaged_part
from tfhkit.landmarks.forest import read_forest
from tfhkit.landmarks.mesh_backend import MeshFaces, tiles
from tfhkit.landmarks.mesh_nets import Region
from tfhkit.landmarks.usable import Unusable

PORTRAIT = skimage.data.astronaut()[0:220, 125:325]


def waves(height=120, width=160):
    """A smooth picture, and its values at any point in pixels."""

    def at(points):
        x, y = points[..., 0], points[..., 1]
        rgb = [np.sin(x / 9), np.cos(y / 7), np.sin((x + y) / 11)]
        return 127.5 + 90 * np.stack(rgb, -1)

    y, x = np.mgrid[:height, :width] + 0.5
    return np.round(at(np.stack([x, y], -1))).astype(np.uint8), at


@given(st.floats(50, 110), st.floats(50, 70), st.floats(30, 60), st.floats(-3, 3), st.booleans())
def test_a_region_shows_what_lies_there(x, y, side, angle, mirrored):
    image, at = waves()
    region = Region(np.array([x, y]), side, angle, mirrored)
    crop = region.crop(image, 40)
    cells = np.stack(np.meshgrid(*[(np.arange(40) + 0.5) / 40] * 2), -1)
    seen = at(region.to_picture(cells.reshape(-1, 2))).reshape(40, 40, 3)
    corners = region.to_picture(np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]]))
    if (corners > 2).all() and (corners < (158, 118)).all():
        assert np.abs(crop - seen).max() < 5


def test_a_region_is_averaged_where_it_shrinks():
    image = np.zeros((400, 400, 3), np.uint8)
    image[:, ::2] = 200  # stripes that sampling would turn into black or 200
    crop = Region(np.array([200.0, 200.0]), 300.0).crop(image, 50)
    assert np.abs(crop.astype(int) - 100).max() < 12


@pytest.mark.parametrize("px_per_sample, factor", [(1.4, 1), (1.6, 2), (2.9, 2), (3.1, 4), (7, 8)])
def test_a_part_is_halved_and_stays_in_place(px_per_sample, factor):
    image, at = waves(241, 323)
    low, high = np.array([20.4, -9.0]), np.array([400.0, 200.2])
    part, corner, by = averaged_part(image, low, high, px_per_sample)
    assert by == factor and tuple(corner) == (20, 0)
    assert part.shape[:2] == (201 // factor, 303 // factor)
    cells = np.stack(np.meshgrid(*[np.arange(n) + 0.5 for n in part.shape[1::-1]]), -1)
    slope = 90 / 7  # of the steepest wave, per pixel
    assert np.abs(part.mean((0, 1)) - at(corner + by * cells).mean((0, 1))).max() < 3
    assert np.abs(part - at(corner + by * cells)).max() < slope * factor / 2


def test_a_part_that_lies_outside_is_the_whole_picture():
    image, _ = waves()
    part, corner, factor = averaged_part(image, np.array([500.0, 9]), np.array([600.0, 99]), 4.0)
    assert part is image and tuple(corner) == (0, 0) and factor == 1


@pytest.mark.parametrize("shape", [(720, 1280), (1280, 720), (360, 640), (2160, 3840), (50, 400)])
@pytest.mark.parametrize("side", [1.0, 0.5, 0.125])
def test_tiles_cover_a_picture_and_overlap(shape, side):
    seen = np.zeros(shape, int)
    for tile in tiles(*shape, side):
        x0, y0 = np.maximum(np.round(tile.centre - tile.side / 2), 0).astype(int)
        x1, y1 = np.round(tile.centre + tile.side / 2).astype(int)
        seen[y0:y1, x0:x1] += 1
    assert seen.min() >= 1
    if side < 1:
        assert seen.max() >= 2


def placed(scale, x, y, shape=(360, 480), angle_deg=0.0):
    """The portrait in a grey picture; and where a point of the portrait comes to lie."""
    turn = cv2.getRotationMatrix2D((100, 110), angle_deg, scale)
    turn[:, 2] += (x - 100, y - 110)
    image = np.full((*shape, 3), 120, np.uint8)
    how = {"flags": cv2.INTER_AREA, "borderMode": cv2.BORDER_TRANSPARENT}
    drawn = cv2.warpAffine(PORTRAIT, turn, shape[::-1], dst=image, **how)

    def moved(points):
        return (points - 0.5) @ turn[:, :2].T + turn[:, 2] + 0.5

    return drawn, moved


def points_in(image, faces=None):
    faces = faces or MeshFaces([image])
    boxes, margins = faces.find(image)
    assert (margins > 0).sum() == 1
    return faces.points(image, boxes[margins.argmax()])


@pytest.fixture(scope="module")
def reference():
    image, moved = placed(1.0, 240, 180)
    return points_in(image) - (moved(np.zeros((1, 2))) - 0.5)


def test_a_face_has_578_points_near_dlib_s(reference):
    image, _ = placed(1.0, 240, 180)
    (by_dlib,) = landmarks.detect_image(image, "dlib")
    found = points_in(image)
    apart = np.linalg.norm(found[:68] - by_dlib, axis=1) / np.linalg.norm(by_dlib[36] - by_dlib[45])
    assert found.shape == (578, 2) and apart[17:].mean() < 0.06 and apart.max() < 0.35


def test_a_face_on_its_head_is_told_from_an_upright_one():
    upright, _ = placed(1.0, 240, 180)
    turned = np.ascontiguousarray(upright[::-1, ::-1])
    empty = np.full_like(upright, 128)
    for images, expected in (([upright], False), ([turned], True), ([empty], False)):
        assert MeshFaces(images).upside_down(images) == expected
    with pytest.raises(InputError, match="c.mp4: its face stands on its head; turn the video"):
        landmarks._refuse_upside_down(SimpleNamespace(path="c.mp4"), MeshFaces([turned]), [turned])


@pytest.mark.parametrize(
    "scale, x, y, angle",
    [(0.6, 150, 150, 0), (1.3, 240, 190, 0), (1, 240, 180, 20), (1, 230, 180, -20)],
)
def test_points_move_with_the_face(reference, scale, x, y, angle):
    image, moved = placed(scale, x, y, angle_deg=angle)
    apart = np.linalg.norm(points_in(image) - moved(reference), axis=1)
    assert apart.mean() < 2.0 * max(scale, 1)


@pytest.mark.slow
def test_a_face_is_followed_and_lost_and_found():
    images = [placed(0.9, 140 + 5 * k, 170)[0] for k in range(12)]
    faces = MeshFaces(images[:1])
    alone = [points_in(image) for image in images]
    for image, expected in zip(images, alone):
        assert np.linalg.norm(points_in(image, faces) - expected, axis=1).mean() < 1.0
    empty = np.full_like(images[0], 120)
    assert not len(faces.find(empty)[0])
    assert len(faces.find(images[3])[0]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("height, face_px", [(1080, 45), (2160, 60), (360, 45)])
def test_small_faces_are_found(height, face_px):
    width = height * 16 // 9
    image, moved = placed(face_px / 95, 0.7 * width, 0.6 * height, (height, width))
    boxes, margins = MeshFaces([image]).find(image)
    (there,) = moved(np.array([[95.0, 105.0]]))
    assert len(boxes) and np.linalg.norm((boxes[0, :2] + boxes[0, 2:]) / 2 - there) < face_px / 3


def test_both_of_two_faces_are_found():
    image = np.concatenate([placed(0.9, 240, 180)[0], placed(0.5, 200, 180)[0]], 1)
    assert (MeshFaces([image]).find(image)[1] > 0).sum() == 2


def missing(name):
    raise AssetError(name, "is not in the cache and TFHKIT_OFFLINE is set", "place it by hand")


def test_without_its_files_another_backend_is_used(monkeypatch, tmp_path):
    monkeypatch.setattr(mesh_backend, "fetch", missing)
    monkeypatch.setattr(mesh_backend, "path_of", lambda name: tmp_path / name)
    with pytest.raises(MissingBackend, match=r"mesh.*full_range\.tflite is not in the cache"):
        landmarks.detect_image(PORTRAIT, "mesh")
    with pytest.warns(UserWarning, match="place it by hand.*another backend"):
        assert landmarks.choose_backend("auto") in ("dlib", "face-alignment")
    monkeypatch.undo()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert landmarks.choose_backend("auto") == "mesh"


def test_a_file_with_another_hash_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("TFHKIT_CACHE", str(tmp_path))
    (tmp_path / "face_landmark.tflite").write_bytes(b"else")
    with pytest.raises(AssetError, match=r"face_landmark\.tflite: has SHA-256 .* delete the file"):
        mesh_backend._file("face_mesh")


@pytest.fixture(scope="module")
def model():
    return load_model()


def head(model, n, seed=0):
    """A head in several poses, whose eyes are not turned and open."""
    rng = np.random.default_rng(seed)
    angles = torch.as_tensor(rng.normal(0, 0.15, (n, 3)))
    trans = torch.as_tensor(rng.normal(0, 0.1, (n, 3)))
    identity = torch.as_tensor(rng.normal(0, 0.7, 80))
    return BundleState(identity, torch.zeros(n, 64).double(), rotation_from_angles(angles), trans)


def eyes_of(model, state):
    """What a perfect detector would see of the eyes, (T, 2, 21, 2)."""
    shape = model.shape(state.id.float()[None].expand(len(state.exp), -1), state.exp.float())
    px = project(shape.double() @ state.rotation.mT + state.trans[:, None], Camera())[0]
    eyes = torch.zeros(len(px), 2, 21, 2).double()
    for side, name in enumerate(("right_eye", "left_eye")):
        a, b, c, d = px[:, model.landmark_ids[list(LANDMARKS[side])]].unbind(1)
        eyes[:, side, list(CONTOUR)] = torch.stack([a, (a + b) / 2, b, c, (c + d) / 2, d], 1)
        eyes[:, side, IRIS] = px[:, model.regions["pupil"] & model.regions[name]].mean(1)
    return eyes


@pytest.mark.parametrize("way, names", [
    ("right", ("eyeLookInRight", "eyeLookOutLeft")), ("left", ("eyeLookOutRight", "eyeLookInLeft")),
    ("up", ("eyeLookUpRight", "eyeLookUpLeft")), ("down", ("eyeLookDownRight", "eyeLookDownLeft")),
])  # fmt: skip
def test_the_gaze_is_found(model, way, names):
    straight = head(model, 8)
    action = actions_to_exp(model, dict.fromkeys(names, 0.4))[0].double()
    turned = torch.zeros(8, 1).double()
    turned[2:5] = 1
    truth = BundleState(straight.id, turned * action, straight.rotation, straight.trans)
    seen = np.ones(8, bool)
    found = fit_eyes(model, straight, eyes_of(model, truth), seen, Camera())
    actions = eye_actions(model)
    strength = (found.exp @ actions.dual)[:, [actions.at(name) for name in names]]
    assert (strength[2:5] > 0.18).all() and (strength[2:5] < 0.42).all()  # the prior shrinks it
    assert strength[5:].max() < 0.05


def test_a_blink_is_reached_and_open_eyes_stay(model):
    open_ = head(model, 12)
    both = {"eyeBlinkRight": 1.0, "eyeBlinkLeft": 1.0}
    closed = torch.zeros(12, 1).double()
    closed[4:6] = 1.0
    action = actions_to_exp(model, both)[0].double()
    truth = BundleState(open_.id, closed * action, open_.rotation, open_.trans)
    eyes = eyes_of(model, truth)
    half = BundleState(open_.id, 0.5 * truth.exp, open_.rotation, open_.trans)  # as the bundle's
    found = fit_eyes(model, half, eyes, np.ones(12, bool), Camera())
    actions = eye_actions(model)
    strength = (found.exp @ actions.dual)[:, [actions.at(name) for name in both]]
    assert (strength[4:6] > 0.75).all() and strength[:4].abs().max() < 0.05
    others = model.actions.double()[[n not in actions.names for n in model.action_names]]
    dual = torch.linalg.pinv(model.actions.double())
    kept = dual[:, [n not in actions.names for n in model.action_names]]
    assert (found.exp @ kept - half.exp @ kept).abs().max() < 1e-5 and len(others)


def test_eyes_that_are_not_seen_lie_between(model):
    state = head(model, 9)
    eyes, seen = eyes_of(model, state), np.ones(9, bool)
    eyes[3:6] += 500.0
    seen[3:6] = False
    found = fit_eyes(model, state, eyes, seen, Camera())
    assert (found.exp - state.exp).abs().max() < 0.8


def test_calm_eyes_leave_the_rest_of_the_face(model):
    jaw = actions_to_exp(model, {"jawOpen": 0.5}).numpy() * np.linspace(0, 1, 9)[:, None]
    blink = actions_to_exp(model, {"eyeBlinkRight": 1.0, "eyeBlinkLeft": 1.0}).numpy()
    both = (jaw + blink * (np.arange(9) == 4)[:, None]).astype(np.float32)
    assert np.abs(with_calm_eyes(model, both) - jaw).max() < 1e-4


def test_lips_are_the_forest_s_unless_they_are_far_off(monkeypatch):
    image, _ = placed(1.0, 240, 180)
    found = points_in(image)
    mesh_lips = mesh_backend.to_68(found[68:536], found[536:].reshape(2, 21, 2))[48:]
    by_forest = mesh_backend.points_in(image, mesh_backend.box_of(found[:68]), mesh_backend.JITTER)
    assert np.abs(found[48:68] - by_forest[48:]).max() < 1
    assert np.abs(found[48:68] - mesh_lips).max() > 1
    monkeypatch.setattr(mesh_backend, "points_in", lambda *_: by_forest + 60)
    assert np.allclose(points_in(image)[48:68], mesh_lips, atol=1e-3)


@pytest.fixture(scope="module")
def forest():
    return read_forest(fetch("dlib_landmarks"))


def test_the_forest_is_dlib_s(forest):
    """dlib reads the nearest pixel and answers in whole ones, so they differ by about one."""
    dlib = pytest.importorskip("dlib")
    predictor = dlib.shape_predictor(str(fetch("dlib_landmarks")))
    grey = cv2.cvtColor(placed(2.5, 240, 260, (520, 520))[0], cv2.COLOR_RGB2GRAY)
    boxes = np.array([(107, 161, 365, 419), (112, 164, 373, 425), (101, 163, 363, 425)])
    found = forest.find(grey, boxes + 0.5)  # dlib's boxes end on pixel centres
    for points, box in zip(found, boxes):
        by_dlib = [(p.x + 0.5, p.y + 0.5) for p in predictor(grey, dlib.rectangle(*box)).parts()]
        apart = np.linalg.norm(points - by_dlib, axis=1)
        assert np.median(apart) < 1 and apart.max() < 5
    together = forest.find(grey, boxes[:1] + 0.5)
    assert np.array_equal(together[0], found[0])


def test_the_forest_s_points_move_with_box_and_picture(forest):
    grey = cv2.cvtColor(placed(1.2, 240, 180)[0], cv2.COLOR_RGB2GRAY)
    box = np.array([[180.0, 120, 295, 235]])
    there = forest.find(grey, box)
    moved = forest.find(np.roll(grey, (7, 12), (0, 1)), box + (12, 7, 12, 7)) - (12, 7)
    doubled = cv2.resize(grey, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    assert np.abs(moved - there).max() < 0.05
    assert np.median(np.abs(forest.find(doubled, 2 * box) / 2 - there)) < 0.3


def test_eyes_and_lips_are_looked_for_only_where_they_are_asked_for(monkeypatch):
    image, _ = placed(1.0, 240, 180)
    faces = MeshFaces([image])
    asked = []
    monkeypatch.setattr(
        faces, "_iris", lambda pixels, net=faces._iris: asked.append(1) or net(pixels)
    )
    boxes, _ = faces.find(image)
    assert not asked
    points = faces.points(image, boxes[0])
    assert len(asked) == 2
    centre, side = (boxes[0, :2] + boxes[0, 2:]) / 2, boxes[0, 2] - boxes[0, 0]
    final = mesh_backend.box_of(points[:68])
    assert np.abs((final[:2] + final[2:]) / 2 - centre).max() < 0.03 * side
    assert final[2] - final[0] == pytest.approx(side, rel=0.05)


def test_the_first_frames_of_landmarks_are_cut_in_every_part():
    """A doctor looks at the pose of a clip's first frames only, dense points included."""
    n = 30
    whole = landmarks.Landmarks(
        np.arange(n * 136, dtype=np.float32).reshape(n, 68, 2),
        np.ones(n, np.float32),
        np.arange(n) % 7 == 0,
        "mesh",
        long_gap=np.zeros(n, bool),
        unusable=(Unusable("dark", 2, 5, 0.1, 0.2), Unusable("dark", 20, 25, 0.8, 1.0)),
        exposure_steps=(4, 22),
        dense_px=np.zeros((n, 510, 2), np.float32),
    )
    first = whole.first(10)
    parts = first.points_px, first.score, first.gap, first.long_gap, first.dense_px
    assert [len(part) for part in parts] == [10] * 5
    assert np.array_equal(first.points_px, whole.points_px[:10])
    assert first.unusable == whole.unusable[:1] and first.exposure_steps == (4,)
    assert first.left_out().sum() == 3


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_finds_faces_too():
    """It has none of its parent's threads, so it must not wait for one."""
    image = skimage.data.astronaut()
    faces = mesh_backend.MeshFaces([image])
    boxes, _ = faces.find(image)
    faces.points(image, boxes[0])
    child = os.fork()
    if not child:
        signal.alarm(20)
        found, _ = faces.find(image)
        faces.points(image, found[0])
        os._exit(0 if len(found) == 1 else 1)
    assert os.waitpid(child, 0)[1] == 0
