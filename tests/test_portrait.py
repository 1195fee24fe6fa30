"""One picture that moves: its mesh of anchors, the face over it, and what is refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.spatial.transform import Rotation
from skimage.data import astronaut
from skimage.transform import resize

from tfhkit.camera import CROP_PX, Camera
from tfhkit.cli import main
from tfhkit.coefficients import Coefficients, neutral
from tfhkit.errors import InputError, ParameterError
from tfhkit.face import actions_to_exp, load_model
from tfhkit.face.model import MOUTH_INSIDE
from tfhkit.fit import Crop, Fit
from tfhkit.fit.image import View, face_of_image, fit_image
from tfhkit.media import SYNTHETIC_COMMENT, open_clip, read_picture, video_metadata, write_wav
from tfhkit.motion import lip_opening
from tfhkit.portrait.advice import portrait_advice
from tfhkit.portrait.face_maps import (
    beyond_outlines,
    face_opacity,
    lip_rim,
    mouth_colours,
    mouth_share,
)
from tfhkit.portrait.frames import draw_portrait, filled, move_head
from tfhkit.portrait.image_mesh import grid_faces, seen_at, stretch
from tfhkit.portrait.scene import open_portrait
from tfhkit.portrait.speaking import (
    closed_in_pauses,
    make_portrait,
    read_portrait,
    speaking,
    turn_head,
)
from tfhkit.render import rasterize, render
from tfhkit.render.shading import posed_verts, region_faces
from tfhkit.virtual.voice import speak

SIZE = 96


@pytest.fixture(scope="module")
def model():
    return load_model(subdivide=False)


@pytest.fixture(scope="module")
def fit(model):
    """A head of the model that smiles, a little turned, in a frame of 300 x 260 px."""
    angles = np.radians([[4.0, -6.0, 3.0]]).astype(np.float32)
    person = neutral(1)
    smile = actions_to_exp(model, {"mouthSmileLeft": 0.7, "mouthSmileRight": 0.7, "jawOpen": 0.2})
    pose = np.concatenate([angles, np.full((1, 3), 0.03, np.float32)], 1)
    person = person.with_motion(smile.numpy(), pose)
    landmarks = np.zeros((1, 68, 2), np.float32)
    return Fit(person, landmarks, np.zeros(1, bool), np.zeros(1), Crop(2.0, -130.0, -70.0), "open")


@pytest.fixture(scope="module")
def portrait(model, fit):
    noise = np.random.default_rng(0).integers(0, 256, (52, 60, 3), np.uint8)
    picture = (255 * resize(noise, (260, 300))).astype(np.uint8)
    return open_portrait(picture, fit, model, SIZE)


def yaw(degrees):
    return np.radians([[0, value, 0] for value in np.atleast_1d(degrees)])


def test_the_mesh_covers_the_window_at_rest(portrait):
    mesh, view = portrait.mesh, portrait.view
    side = np.sqrt(len(mesh.rest))
    points = seen_at(mesh.rest, view)
    steps = np.linspace(0, SIZE, int(side))
    np.testing.assert_allclose(
        points, np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2), atol=1e-9
    )
    faces = torch.from_numpy(grid_faces(int(side) - 1))
    assert rasterize(torch.from_numpy(mesh.rest).float()[None], faces, view).covered.all()
    np.testing.assert_allclose(stretch(mesh, mesh.rest[None], view), 1)


def test_at_rest_it_is_the_picture(portrait):
    still = turn_head(portrait, np.zeros((1, 3)))
    frame = next(draw_portrait(portrait, still))
    apart = np.abs(frame.astype(int) - portrait.image)
    # only pixels on the outline of what moves mix a neighbour in
    assert apart.mean() < 0.3 and np.quantile(apart, 0.98) <= 2 and apart.max() < 16
    assert portrait.image.std() > 20, "a picture with nothing in it would prove nothing"
    assert filled(portrait, still).max() < 0.01


def test_the_weight_falls_with_the_distance_from_the_head(portrait):
    mesh, view = portrait.mesh, portrait.view
    n = round(np.sqrt(len(mesh.rest)))
    weight = mesh.weight.reshape(n, n)
    row, column = (round(c / SIZE * (n - 1)) for c in view.centre_px[::-1])
    assert weight[row, column] == 1
    for ray in (weight[row, column:], weight[row, column::-1], weight[row:, column],
                weight[row::-1, column]):  # fmt: skip
        assert (np.diff(ray) <= 1e-12).all() and ray[-1] == 0
    assert np.ptp(weight) == 1


def test_anchors_on_the_head_turn_with_it_and_the_border_stands_still(portrait):
    mesh = portrait.mesh
    turn = Rotation.from_euler("xyz", (5, 20, -4), degrees=True).as_matrix()[None]
    shift = np.array([[0.1, -0.05, 0.2]])
    moved = mesh.move(turn, shift)[0]
    whole = mesh.weight == 1
    np.testing.assert_allclose(moved[whole], mesh.rest[whole] @ turn[0].T + shift[0], atol=1e-12)
    np.testing.assert_array_equal(moved[mesh.weight == 0], mesh.rest[mesh.weight == 0])
    assert 50 < whole.sum() < 0.6 * len(whole)


def test_pictures_of_a_turned_head_keep_their_border(portrait):
    frames = np.stack(list(draw_portrait(portrait, turn_head(portrait, yaw([-25, 25])))))
    apart = np.abs(frames.astype(int) - portrait.image)
    border = np.concatenate([apart[:, [0, -1]].ravel(), apart[:, :, [0, -1]].ravel()])
    assert border.max() <= 2 < apart.mean()


@pytest.mark.parametrize("degrees, share", [(-12, 0.005), (12, 0.005), (-25, 0.03), (25, 0.03)])
def test_few_triangles_are_flipped(portrait, degrees, share):
    _, anchors = move_head(portrait, turn_head(portrait, yaw(degrees)))
    assert (stretch(portrait.mesh, anchors, portrait.view) < 0).mean() < share


def test_flipped_triangles_lie_on_the_far_cheek_and_under_the_face(portrait, model):
    mesh, view = portrait.mesh, portrait.view
    for degrees in (-25, 25):
        verts, anchors = move_head(portrait, turn_head(portrait, yaw(degrees)))
        flipped = mesh.faces[stretch(mesh, anchors, view)[0] < 0]
        assert len(flipped)
        column, row = seen_at(anchors[0], view)[flipped].mean(1).astype(int).T
        face = model.faces[region_faces(model, "face")]
        covered = rasterize(torch.from_numpy(verts).float(), face, view).covered[0].numpy()
        assert covered[row, column].mean() > 0.7
        side = np.sign(column - seen_at(portrait.trans[None], view)[0, 0])
        assert (side == np.sign(degrees)).mean() > 0.9


def test_what_opens_up_lies_on_the_side_that_turned_to_the_camera(portrait):
    left, none, right = filled(portrait, turn_head(portrait, yaw([-25, 0, 25])))
    assert none.mean() < 1e-3 < 5e-3 < min(left.mean(), right.mean())
    columns = np.arange(SIZE) + 0.5
    centre = [(mask.sum(0) * columns).sum() / mask.sum() for mask in (left, right)]
    # a nose that goes to the image's right shows the cheek on the left
    assert centre[1] < portrait.view.centre_px[0] < centre[0]


@pytest.mark.parametrize("degrees", [-15, 15])
def test_a_turned_picture_is_near_the_picture_of_the_turned_head(model, degrees):
    """Truth: the same head, rendered in the pose to which its picture is turned."""
    camera, size = Camera(160), 160
    rest = neutral(1)
    fit = Fit(rest, np.zeros((1, 68, 2), np.float32), np.zeros(1, bool), np.zeros(1),
              Crop(CROP_PX / size, 0.0, 0.0), "open")  # fmt: skip

    def photo(pose):
        rgba = render(model, rest.with_motion(rest.exp, pose), camera, region="all", supersample=2)
        return (255 * (rgba[0, ..., :3] * rgba[0, ..., 3:])).numpy().astype(np.uint8)

    picture = photo(rest.pose)
    portrait = open_portrait(picture, fit, model, size)
    motion = turn_head(portrait, yaw(degrees))
    moved = next(draw_portrait(portrait, motion)).astype(float)
    pose = np.concatenate([motion.angles, motion.shift], 1).astype(np.float32)
    truth = photo(pose)
    face = render(model, rest.with_motion(rest.exp, pose), camera)[0, ..., 3].numpy() > 0.5
    error = np.sqrt(((moved - truth)[face] ** 2).mean())
    unmoved = np.sqrt(((picture.astype(float) - truth)[face] ** 2).mean())
    assert error < 5 and error < 0.4 * unmoved


def test_the_jaw_takes_the_anchors_below_it_along(portrait, model):
    still = turn_head(portrait, np.zeros((1, 3)))
    _, rest = move_head(portrait, still)
    speech = actions_to_exp(model, {"jawOpen": 0.8}).numpy()
    verts, moved = move_head(portrait, type(still)(still.angles, still.shift, speech,
                                                   still.upper, np.zeros(1)))  # fmt: skip
    chin = verts[0, int(model.landmark_ids[8])]
    nearest = np.linalg.norm((rest[0] - chin)[:, :2], axis=1).argsort()[:4]
    down = (moved - rest)[0, :, 1]
    assert down[nearest].max() < -0.03
    top = rest[0, :, 1] > 0.8
    np.testing.assert_allclose(down[top], 0, atol=1e-3)


def test_the_pictures_own_mouth_gives_way(portrait, model):
    """Without its share the lips meet, however the picture smiles."""
    still = turn_head(portrait, np.zeros((2, 3)))
    verts, _ = move_head(portrait, type(still)(still.angles, still.shift, still.speech,
                                               still.upper, np.array([1.0, 0.0])))  # fmt: skip
    lips = verts[:, model.landmark_ids[[62, 66]].numpy()]
    own, calm = np.linalg.norm(lips[:, 0] - lips[:, 1], axis=-1)
    neutral_gap = np.linalg.norm(np.diff(model.mean_shape[model.landmark_ids[[62, 66]]], axis=0))
    assert own > 0.04 and abs(calm - neutral_gap) < 1e-3


def test_a_portrait_that_speaks_starts_and_ends_as_the_picture(portrait, fit):
    voice = speak("We move our heads.").audio
    audio = np.pad(voice, (8000, 11200))
    times = np.arange(int(len(audio) / 640)) / 25
    motion = speaking(portrait, fit, audio, times)
    for end in (0, -1):
        assert motion.rest[end] == 1
        np.testing.assert_allclose(motion.angles[end], 0, atol=1e-9)
        np.testing.assert_allclose(motion.shift[end], 0, atol=1e-6)
        np.testing.assert_allclose(motion.upper[end], 0, atol=1e-9)
    middle = slice(12, -18)
    assert (motion.rest[middle] == 0).all() and np.abs(motion.angles).max() < 0.22
    assert np.degrees(motion.angles[middle].std(0)).max() > 0.3
    assert motion.speech[middle].std(0).max() > 0.1


@pytest.fixture(scope="module")
def face():
    """The astronaut's head, 200 x 200 px."""
    return astronaut()[10:210, 125:325].copy()


def test_lips_close_where_nobody_speaks(model):
    times = np.arange(100) / 25
    audio = np.random.default_rng(0).normal(0, 0.1, 4 * 16000).astype(np.float32)
    audio[16000:32000] = 0  # a pause from 1 to 2 s
    open_mouth = actions_to_exp(model, {"jawOpen": 0.3})
    exp = np.repeat(np.asarray(open_mouth, np.float32).reshape(1, 64), 100, 0)
    quiet = closed_in_pauses(model, np.zeros(80), exp, audio, times)
    opening = lip_opening(model, np.zeros(80), quiet)
    before = lip_opening(model, np.zeros(80), exp)
    assert opening[33:42].max() < 0.1 * before.mean() and np.allclose(opening[:15], before[:15])


@pytest.mark.slow
def test_the_astronaut_is_fitted(model):
    image, name = read_portrait()
    fitted = fit_image(image, name, model)
    assert fitted.report["nme_inner_pct"] < 2 and len(fitted) == 1
    assert np.abs(np.degrees(fitted.coefficients.angles)).max() < 8
    assert isinstance(fitted.coefficients, Coefficients)


def pictures(face):
    grey = np.full((120, 160, 3), 128, np.uint8)
    small = (255 * resize(face, (70, 70), anti_aliasing=True)).astype(np.uint8)
    return {
        "no face": (grey, "no face was found"),
        "two faces": (np.concatenate([face, face], 1), "2 faces of about one size"),
        "small": (np.pad(small, ((60, 60), (60, 60), (0, 0))), "px wide, at least 40"),
        "floats": (face / 255.0, "is not a picture"),
        "one channel": (face[..., 0], "is not a picture"),
        "empty": (face[:0], "is not a picture"),
        "a line": (np.repeat(face[:1], 20, 1), "px, too small for a face"),
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["no face", "two faces", "small", "floats", "one channel", "empty", "a line"]
)
def test_pictures_that_are_refused(face, name):
    image, words = pictures(face)[name]
    with pytest.raises(InputError, match=words) as refused:
        face_of_image(image, "me.png")
    assert str(refused.value).startswith("me.png: ")


@pytest.mark.slow
def test_a_much_smaller_second_face_is_no_hindrance(face):
    small = (255 * resize(face, (110, 110), anti_aliasing=True)).astype(np.uint8)
    both = np.concatenate([face, np.pad(small, ((45, 45), (0, 0), (0, 0)))], 1)
    points = face_of_image(both).points_px
    assert points.shape == (1, 68, 2) and points[..., 0].max() < 200


@pytest.mark.slow
@pytest.mark.parametrize("turn", [-30, -15, 15, 30])
def test_a_tilted_face_is_found_where_it_is(face, turn):
    view = View(turn, 1.0, 0.1)
    expected, tilted = face_of_image(face).points_px[0], face_of_image(view.of(face)).points_px[0]
    back = view.to_picture(tilted, face.shape)
    assert np.linalg.norm(back - expected, axis=1).mean() < 1


def test_a_view_maps_points_back():
    image = np.zeros((90, 140, 3), np.uint8)
    image[39:44, 99:104] = 255
    for view in (View(), View(25.0, 1.5, 0.25), View(-30.0, 0.4, 0.1), View(0.0, 0.9, 0.25)):
        seen = view.of(image).astype(float).sum(-1)
        y, x = np.indices(seen.shape) + 0.5
        centre = np.array([[(x * seen).sum(), (y * seen).sum()]]) / seen.sum()
        assert np.allclose(view.to_picture(centre, image.shape), [[101.5, 41.5]], atol=0.5)


def advice_on(model, fit, angles=(0, 0, 0), scale=2.0, **actions):
    """Advice on a picture of a head with these actions, from its exact landmarks."""
    exp = actions_to_exp(model, actions) if actions else torch.zeros(1, 64)
    pose = np.concatenate([np.radians([angles]), np.zeros((1, 3))], 1).astype(np.float32)
    person = neutral(1).with_motion(np.asarray(exp, np.float32).reshape(1, 64), pose)
    now = person.map(torch.as_tensor)
    points = seen_at(posed_verts(model, now)[0, model.landmark_ids].numpy(), Camera())
    return portrait_advice(
        replace(fit, coefficients=person, landmarks_px=(points / scale)[None].astype(np.float32)),
        "me.png",
    )


def test_advice_on_pictures(model, fit):
    assert advice_on(model, fit, scale=1.0) == []
    smile = advice_on(model, fit, scale=1.0, mouthSmileLeft=0.7, mouthSmileRight=0.7)
    assert smile == []
    (line,) = advice_on(model, fit, scale=1.0, jawOpen=0.7)
    assert "mouth is open" in line
    (line,) = advice_on(model, fit, scale=1.0, eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    assert "eyes look closed" in line
    assert advice_on(model, fit, scale=1.0, eyeBlinkLeft=1.0) == [], "a wink"
    (line,) = advice_on(model, fit, (0, 0, -92), scale=1.0)
    assert line.startswith("the face lies on its side")
    (line,) = advice_on(model, fit, (0, 0, 178), scale=1.0)
    assert line.startswith("the face stands on its head")
    (line,) = advice_on(model, fit, (0, 40, 0), scale=1.0)
    assert "turned away by 40 degrees" in line
    (line,) = advice_on(model, fit, scale=2.5)
    assert "px wide" in line
    with pytest.raises(InputError, match="me.png: its face is turned away by 70 degrees; give"):
        advice_on(model, fit, (0, -70, 0))


@pytest.mark.parametrize(
    "content, words",
    [(None, "no such file"), (b"", "not a picture"), (b"clip: sample\n", "not a picture")],
)
def test_files_that_are_no_pictures(tmp_path, content, words):
    path = tmp_path / "me.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words):
        read_picture(path)


def test_a_picture_file_is_read_as_it_was_written(tmp_path, face):
    import cv2

    cv2.imwrite(str(tmp_path / "me.png"), face[..., ::-1])
    np.testing.assert_array_equal(read_picture(tmp_path / "me.png"), face)
    cv2.imwrite(str(tmp_path / "grey.png"), face[..., 0])
    assert read_picture(tmp_path / "grey.png").shape == face.shape


def test_a_picture_that_was_taken_on_its_side_is_turned_upright(tmp_path, face):
    lying = Image.fromarray(np.rot90(face[:150]))  # as a camera stores it, with a note to turn it
    note = Image.Exif()
    note[0x0112] = 6
    lying.save(tmp_path / "me.jpg", exif=note, quality=95)
    upright = read_picture(tmp_path / "me.jpg")
    assert upright.shape == (150, 200, 3)
    assert np.abs(upright.astype(int) - face[:150]).mean() < 6


@pytest.mark.parametrize(
    "given, error, words",
    [({"size_px": 8}, ParameterError, "64 to 2048"), ({"output": "a.gif"}, InputError, "mp4")],
)
def test_values_that_are_refused(given, error, words):
    with pytest.raises(error, match=words):
        make_portrait(**given)


@pytest.mark.parametrize("what", ["picture", "speech"])
def test_an_input_is_not_overwritten(tmp_path, what):
    (kept := tmp_path / "a.mp4").write_bytes(b"a recording")
    with pytest.raises(InputError, match=f"a.mp4: is the {what} itself; name another output"):
        make_portrait(**{what: kept, "output": kept})
    assert kept.read_bytes() == b"a recording"


@pytest.mark.slow
def test_the_command_writes_a_marked_video_with_sound(tmp_path, capfd):
    write_wav(tmp_path / "voice.wav", speak("Hello.").audio)
    video = tmp_path / "out.mp4"
    given = ["--speech", str(tmp_path / "voice.wav"), "-o", str(video), "--size", "96"]
    assert main(["portrait", *given, "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    clip = open_clip(video, min_seconds=0)
    assert (clip.height, clip.width, len(clip)) == (96, 96, result["frames"])
    assert np.abs(clip.audio).max() > 0.05
    assert SYNTHETIC_COMMENT in video_metadata(video).values()


def test_maps_of_the_face(model):
    mouth, inside, opacity = mouth_share(model), lip_rim(model), face_opacity(model)
    lips, eyes = model.landmark_ids[48:68], model.landmark_ids[36:48]
    assert (mouth[lips] == 1).all() and (mouth[eyes] == 0).all()
    cavity = model.regions["mouth_cavity"].numpy()
    assert (inside[cavity] == 1).all() and (inside[eyes] == 0).all()
    assert (inside[model.landmark_ids[60:68]] > 0.9).all()
    assert inside[model.landmark_ids[[51, 57]]].max() < 0.05, (
        "the lips' outer edge is the picture's"
    )
    face = model.regions["face"].numpy()
    assert (opacity[~face] == 0).all() and (opacity[cavity] == 1).all()
    assert (opacity[model.landmark_ids[27:68]] == 1).all()


def test_behind_outlines_the_picture_is_drawn_out(model):
    """Half a face is seen: the hidden half takes its places from the seam, and less the farther."""
    x = model.mean_shape[:, 0].numpy()
    source, seen = beyond_outlines(model, np.where(x > 0, 0.7, 0.0))
    skin = (model.regions["face"] & ~model.any_region("eyes", "lips", *MOUTH_INSIDE)).numpy()
    far = skin & (x < -0.4) & (model.mean_shape[:, 1].numpy() < 0.1)
    near = skin & (x < 0) & (x > -0.05) & (model.mean_shape[:, 1].numpy() > 0.6)
    assert (seen[far] < 1e-3).all() and (seen[near] > 0.05).all()
    assert (x[source[far | near]] > 0).all()
    known = x > 0
    assert (source[known] == np.flatnonzero(known)).all() and (seen[known] == 0.7).all()
    nothing = beyond_outlines(model, np.zeros(model.n_verts))
    assert (nothing[0] == np.arange(model.n_verts)).all() and not nothing[1].any()


def test_where_lips_met_they_take_the_colour_beside(model):
    """Teeth on the rim of the lips do not stay there when the mouth closes."""
    inside = lip_rim(model)
    colours = np.where(inside[:, None] > 0.05, [1.0, 1.0, 1.0], [0.6, 0.3, 0.3])
    painted = mouth_colours(model, colours, inside)
    lips = model.any_region("lips").numpy()
    np.testing.assert_allclose(painted[lips], np.broadcast_to([0.6, 0.3, 0.3], (lips.sum(), 3)))
    assert (painted[model.any_region("teeth").numpy()] > 0.8).all()
