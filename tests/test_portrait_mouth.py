"""What a picture cannot show: teeth, tongue, lids that meet, soft edges, the refiner's tone."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tfhkit.camera import CROP_PX, Camera
from tfhkit.coefficients import neutral
from tfhkit.face import actions_to_exp, load_model
from tfhkit.face.lighting import lamp_light
from tfhkit.fit import Crop, Fit
from tfhkit.portrait import refined
from tfhkit.portrait.edges import soften, soften_lashes
from tfhkit.portrait.face_maps import lip_line, not_lips
from tfhkit.portrait.frames import draw_portrait, move_head
from tfhkit.portrait.lids import SHUT_S, complete_blinks, shut_strength
from tfhkit.portrait.mouth import (
    BETWEEN_WALLS,
    DEPTH,
    inner_mouth,
    opening,
    share_of_light,
    tooth_colour,
    with_inner_mouth,
)
from tfhkit.portrait.refined import HeadRefiner, head_refiner
from tfhkit.portrait.scene import PortraitMotion, open_portrait
from tfhkit.portrait.teeth import BACK, DOWN, LOWER, UPPER, row_of_teeth
from tfhkit.refine.general import general_refiner
from tfhkit.render import rasterize, render
from tfhkit.virtual.visemes import ACTIONS

SIZE = 192
GREEN = torch.tensor([0.05, 0.9, 0.1])


@pytest.fixture(scope="module")
def model():
    return load_model(subdivide=False)


def portrait_of(model, light=None, **actions):
    """A portrait of a head of the model with green irises, whose fit is exact."""
    exp = actions_to_exp(model, actions).numpy() if actions else np.zeros((1, 64), np.float32)
    person = neutral(1)
    person = person.with_motion(exp, np.zeros((1, 6), np.float32))
    if light is not None:
        person = replace(person, light=np.asarray(light, np.float32).reshape(1, 27))
    albedo = model.mean_tex.clone()
    albedo[model.regions["iris"]] = GREEN
    rgba = render(model, person, Camera(SIZE), albedo, region="all", supersample=2)
    picture = (255 * (rgba[0, ..., :3] * rgba[0, ..., 3:])).numpy().astype(np.uint8)
    landmarks = np.zeros((1, 68, 2), np.float32)
    crop = Crop(CROP_PX / SIZE, 0.0, 0.0)
    fit = Fit(person, landmarks, np.zeros(1, bool), np.zeros(1), crop, "open")
    return open_portrait(picture, fit, model, SIZE), fit


@pytest.fixture(scope="module")
def portrait(model):
    return portrait_of(model)[0]


def motion_of(model, rest=0.0, **actions):
    """One frame of these actions."""
    eyes = {name: value for name, value in actions.items() if name.startswith("eye")}
    mouth = {name: value for name, value in actions.items() if name not in eyes}
    speech, upper = (
        actions_to_exp(model, part).numpy() if part else np.zeros((1, 64), np.float32)
        for part in (mouth, eyes)
    )
    return PortraitMotion(
        np.zeros((1, 3)), np.zeros((1, 3)), speech, upper, np.full(1, rest, np.float64)
    )


def seen(portrait, motion):
    """The vertices' triangle that each pixel shows (S, S, 3), -1 for none."""
    verts, _ = move_head(portrait, motion)
    faces = torch.from_numpy(portrait.inner.faces)
    ids = rasterize(torch.from_numpy(verts).float(), faces, portrait.view).pix_to_face[0, ..., 0]
    corners = faces[ids.clamp_min(0)].numpy()
    return np.where(ids.numpy()[..., None] >= 0, corners, -1)


def shows_crowns(portrait, motion):
    """Pixels (S, S) of the teeth's crowns."""
    corners = seen(portrait, motion)
    return (corners[..., 0] >= 0) & (portrait.inner.crown[corners].min(-1) > 0.5)


def drawn(portrait, motion):
    return next(draw_portrait(portrait, motion)).astype(float)


@pytest.mark.parametrize("arch", [UPPER, LOWER])
def test_a_row_of_teeth(arch):
    teeth = row_of_teeth(arch)
    mirrored = teeth.verts * (-1, 1, 1)
    gap = np.linalg.norm(mirrored[:, None] - teeth.verts[None, ::7], axis=-1).min(0)
    np.testing.assert_allclose(gap, 0, atol=1e-9, err_msg="left and right are alike")
    front = (teeth.faces < len(DOWN) * len(teeth.verts) // (len(DOWN) + len(BACK))).all(1)
    a, b, c = teeth.verts[teeth.faces[front]].transpose(1, 0, 2)
    towards = np.cross(b - a, c - a)[:, 2] > 0
    assert towards[np.abs(a[:, 0]) < 0.15].mean() > 0.98, "the front faces the camera"
    crowns = teeth.verts[teeth.crown > 0.5]
    assert np.ptp(crowns[np.abs(crowns[:, 0]) < 0.04, 1]) == pytest.approx(
        arch.heights[0], abs=0.02
    )
    assert (teeth.albedo > 0.1).all() and (teeth.albedo < 1).all()


def test_upper_teeth_stay_with_the_skull_and_lower_ones_with_the_jaw(portrait, model):
    inner, shape = portrait.inner, portrait.calm
    jaw = model.actions[model.action_names.index("jawOpen")] @ model.exp_basis.flatten(1)
    both = np.stack([shape, shape + jaw.reshape(-1, 3).numpy()])
    closed, opened = with_inner_mouth(inner, both, shape)
    moved = (opened - closed)[model.n_verts :]
    n = len(inner.rows[0].points)
    np.testing.assert_allclose(moved[:n], 0, atol=2e-3)
    ids, lower = inner.rows[1].ids, closed[model.n_verts :][n:]
    own, new = shape[ids, 2] > 0.1, (lower[:, 2] > 0.1) & (lower[:, 1] > shape[ids, 1].min())
    drop = (both[1] - both[0])[ids[own], 1].mean()
    assert drop < -0.15 and moved[n:][new, 1].mean() == pytest.approx(drop, abs=0.02)
    sides = [
        np.linalg.norm(np.diff(row[model.n_verts + n :], axis=0), axis=1)
        for row in (closed, opened)
    ]
    np.testing.assert_allclose(sides[1], sides[0], rtol=0.1, atol=2e-3, err_msg="rigid")
    tip = np.argmax(inner.tongue)
    assert (opened - closed)[tip, 1] < -0.05, "the tongue follows the jaw"


def test_the_tongue_rises_where_the_lips_are_spread(portrait, model):
    tip = np.argmax(portrait.inner.tongue)
    height = {}
    for name, actions in {
        "calm": {}, "spread": {"mouthSmileLeft": 0.6, "mouthSmileRight": 0.6},
        "round": {"mouthPucker": 0.8},
    }.items():  # fmt: skip
        height[name] = move_head(portrait, motion_of(model, **actions))[0][0, tip, 1]
    assert height["round"] < height["calm"] < height["spread"] < height["calm"] + 0.06


def test_light_in_the_mouth(model):
    """Two rims of lips and points behind their middle: the formula, and what it must obey."""
    inner = inner_mouth(model)
    shape = np.zeros((2, len(inner.within), 3))
    angle = np.pi + np.arange(8) * np.pi / 4
    for k, radius in enumerate((0.05, 0.15)):
        shape[k, inner.lips, 0] = radius * np.cos(angle)
        shape[k, inner.lips, 1] = radius * np.sin(angle)
    ids = np.flatnonzero(inner.within)
    depth = np.linspace(-0.1, 0.6, len(ids))
    shape[:, ids, 2] = -depth
    shape[:, inner.lips, 2] = 0.09  # the teeth begin at z = 0
    area = 8 / 2 * np.sin(np.pi / 4) * np.array([0.05, 0.15]) ** 2
    np.testing.assert_allclose(opening(inner, shape), area)
    share = share_of_light(inner, shape)
    behind = depth.clip(0)
    expected = (area[:, None] / (area[:, None] + np.pi * behind**2)) ** DEPTH
    expected = BETWEEN_WALLS + (1 - BETWEEN_WALLS) * expected
    np.testing.assert_allclose(share[:, ids], expected)
    assert (share[:, ~inner.within] == 1).all()
    assert (share[0] <= share[1]).all(), "a wider mouth is lighter"


@pytest.mark.parametrize(
    "actions",
    [
        {},
        {"mouthPressLeft": 0.7, "mouthPressRight": 0.7},
        {"mouthRollLower": 0.6, "mouthRollUpper": 0.6},
        {"mouthPucker": 0.8},
        {"mouthFrownLeft": 0.6, "mouthFrownRight": 0.6},
    ],
)
def test_closed_lips_hide_the_teeth(portrait, model, actions):
    assert shows_crowns(portrait, motion_of(model, **actions)).sum() <= 2


def test_an_open_mouth_shows_teeth_that_are_neither_black_nor_glaring(portrait, model):
    motion = motion_of(model, jawOpen=0.4, mouthUpperUpLeft=0.4, mouthUpperUpRight=0.4)
    crowns = shows_crowns(portrait, motion)
    frame = drawn(portrait, motion).mean(-1)
    skin = frame[int(SIZE * 0.36), SIZE // 2]
    assert crowns.sum() > 40
    assert 0.6 * skin < frame[crowns].mean() < 1.6 * skin
    tongue = portrait.inner.tongue
    corners = seen(portrait, motion_of(model, jawOpen=0.7))
    inside = (corners[..., 0] >= 0) & (corners[..., 0] < model.n_verts)
    on_tongue = inside & (tongue[corners.clip(0, model.n_verts - 1)].min(-1) > 0.5)
    depth = drawn(portrait, motion_of(model, jawOpen=0.7))[on_tongue]
    assert on_tongue.sum() > 60 and 25 < depth.mean() < 0.8 * skin
    assert depth[:, 0].mean() > 1.2 * depth[:, 1].mean(), "a tongue is red"


@pytest.mark.slow
def test_teeth_follow_the_light(model):
    speaks = motion_of(model, jawOpen=0.4, mouthUpperUpLeft=0.4, mouthUpperUpRight=0.4)
    means = {}
    lamps = {
        "dim": ([0.0, 0.2, 1.0], 0.3, 0.15),
        "bright": ([0.0, 0.2, 1.0], 0.7, 0.3),
        "left": ([-1.0, 0.1, 0.4], 0.7, 0.2),
        "right": ([1.0, 0.1, 0.4], 0.7, 0.2),
    }
    for name, lamp in lamps.items():
        light = lamp_light(torch.tensor(lamp[0]), *lamp[1:])
        lit, _ = portrait_of(model, light)
        crowns, frame = shows_crowns(lit, speaks), drawn(lit, speaks).mean(-1)
        left, right = crowns[:, : SIZE // 2], crowns[:, SIZE // 2 :]
        means[name] = frame[:, : SIZE // 2][left].mean(), frame[:, SIZE // 2 :][right].mean()
    assert np.mean(means["bright"]) > 1.5 * np.mean(means["dim"])
    assert means["left"][0] > 1.05 * means["left"][1]
    assert means["right"][1] > 1.05 * means["right"][0]


def test_the_colour_of_the_teeth_of_a_smile():
    lips = np.array(
        [[20, 50], [40, 62], [50, 64], [60, 62], [80, 50], [60, 38], [50, 36], [40, 38]]
    )
    picture = np.full((100, 100, 3), (190, 110, 105), np.uint8)
    assert tooth_colour(picture, lips.astype(np.float64)) is None, "lips are not teeth"
    picture[38:54] = (228, 220, 200)
    np.testing.assert_allclose(
        255 * tooth_colour(picture, lips.astype(np.float64)), (228, 220, 200), atol=1e-6
    )


def test_lips_that_show_the_inside_of_a_mouth(model):
    """The inner part of the lower lip is as dark as a mouth: it counts as no lip, the rest does."""
    colours = np.tile([0.7, 0.4, 0.38], (model.n_verts, 1))
    line, lower = lip_line(model), model.regions["lower_lip"].numpy()
    dark = lower & (line < np.quantile(line[lower], 0.3))
    assert not_lips(model, colours).max() == 0
    colours[dark] = (0.2, 0.1, 0.1)
    found = not_lips(model, colours)
    assert (found[dark] == 1).all() and (found[~lower] == 0).all()
    assert (found[lower & (line > np.quantile(line[lower], 0.9))] < 0.05).all()


@pytest.mark.parametrize("pixel_px, steepest", [(1.0, 105), (2.5, 66)])
def test_an_edge_is_as_soft_as_the_picture(pixel_px, steepest):
    """White teeth behind a dark lip: a step becomes a slope, and far from it all stays."""
    size, row = 60, 20
    frame, skin, teeth = (np.zeros((size, size, n), np.float32) for n in (3, 4, 4))
    skin[:row], teeth[row:] = (100, 60, 60, 1), (240, 240, 240, 1)
    frame[:row], frame[row:] = skin[0, 0, :3], 240
    hard = np.abs(np.diff(frame[..., 0], axis=0)).max()
    soft = frame.copy()
    soften(soft, skin, teeth, pixel_px, dm_px=60.0)
    slope = np.abs(np.diff(soft[..., 0], axis=0)).max()
    assert hard == 140 and slope < steepest
    assert np.isfinite(soft).all() and soft.min() > 40 and soft.max() < 245
    np.testing.assert_allclose(soft[:6], frame[:6], atol=1)
    np.testing.assert_allclose(soft[-8:], frame[-8:], atol=1)
    same = frame.copy()
    soften(same, skin, teeth, pixel_px, 60.0, amount=0.0)
    np.testing.assert_array_equal(same, frame)


def test_lashes_are_blurred_along_their_line_only():
    frame = np.full((50, 50, 3), 200, np.float32)
    frame[25] = 20
    soft = frame.copy()
    soften_lashes(soft, np.array([[[10.0, 25.5], [40.0, 25.5]]]), 1.0, 60.0, 1.0)
    assert soft[25, 25].mean() > 60 and soft[24, 25].mean() < 190
    np.testing.assert_array_equal(soft[:18], frame[:18])
    soften_lashes(soft, np.array([[[-90.0, -90.0], [-60.0, -90.0]]]), 1.0, 60.0, 1.0)


def green(frame):
    """Pixels of the irises."""
    return frame[..., 1] > 1.25 * np.maximum(frame[..., 0], frame[..., 2])


@pytest.mark.slow
@pytest.mark.parametrize(
    "actions",
    [{}, {"eyeSquintLeft": 0.6, "eyeSquintRight": 0.6}, {"eyeWideLeft": 0.7, "eyeWideRight": 0.7}],
)
def test_closed_lids_cover_the_irises(model, actions):
    person, _ = portrait_of(model, **actions)
    at_rest = green(drawn(person, motion_of(model, rest=1.0)))
    strength = {f"eyeBlink{side}": shut_strength(person, side) for side in ("Left", "Right")}
    blink = drawn(person, motion_of(model, rest=1.0, **strength))
    assert at_rest.sum() > 60 and green(blink).sum() == 0
    cheek = person.image[int(SIZE * 0.55), int(SIZE * 0.36)]
    rows, columns = np.nonzero(at_rest)
    lids = blink[rows.min() : rows.max(), columns]
    assert np.abs(np.median(lids, (0, 1)) - cheek).max() < 60, "lids have the colour of skin"


def test_narrowed_eyes_need_a_weaker_blink(model):
    squint = {"eyeSquintLeft": 0.6, "eyeSquintRight": 0.6}
    strength = [
        shut_strength(portrait_of(model, **actions)[0], "Left")
        for actions in (
            {"eyeWideLeft": 0.7, "eyeWideRight": 0.7},
            {},
            squint,
            {"eyeBlinkLeft": 1.0},
        )
    ]
    assert (np.diff(strength) < 0).all()
    assert strength[1] == pytest.approx(1, abs=1e-5) and strength[3] == pytest.approx(0, abs=1e-5)


def test_each_blink_is_complete_in_one_frame(portrait):
    times = np.arange(40) / 25
    actions = complete_blinks(np.zeros((40, 52)), np.array([0.31, 1.1, 9.0]), times, portrait)
    column = actions[:, ACTIONS.index("eyeBlinkLeft")]
    closed = np.flatnonzero(column > 0)
    np.testing.assert_array_equal(closed, np.rint((np.array([0.31, 1.1]) + SHUT_S) * 25))
    np.testing.assert_allclose(column[closed], shut_strength(portrait, "Left"))


def test_irises_follow_the_gaze(portrait, model):
    def centre(**actions):
        rows, columns = np.nonzero(green(drawn(portrait, motion_of(model, rest=1.0, **actions))))
        return np.array([columns.mean(), rows.mean()])

    ahead = centre()
    right = centre(eyeLookOutLeft=0.5, eyeLookInRight=0.5) - ahead
    up = centre(eyeLookUpLeft=0.5, eyeLookUpRight=0.5) - ahead
    assert right[0] > 1 and abs(right[1]) < 0.5 * right[0]
    assert up[1] < -0.2


@pytest.fixture(scope="module")
def head(model):
    person, fit = portrait_of(model)
    return head_refiner(person, fit, general_refiner())


def test_the_refiner_changes_only_what_the_model_painted(head):
    frame = np.random.default_rng(0).integers(60, 200, (SIZE, SIZE, 3), dtype=np.uint8)
    none, part = np.zeros((2, SIZE, SIZE), np.float32)
    part[100:130, 70:120] = 1
    first, second = head.refine([(frame, none), (frame, part)])
    np.testing.assert_array_equal(first, frame)
    changed = (second != frame).any(-1)
    assert changed[105:125, 75:115].mean() > 0.5 and not changed[part == 0].any()


@pytest.mark.slow
def test_refining_in_parts_changes_nothing(portrait, model, head, monkeypatch):
    jaw = actions_to_exp(model, {"jawOpen": 1.0}).numpy() * np.linspace(0, 0.6, 7)[:, None]
    still = np.zeros((7, 3))
    motion = PortraitMotion(still, still, jaw.astype(np.float32), 0 * jaw, np.zeros(7))
    whole = np.stack(list(draw_portrait(portrait, motion, head=head))).astype(int)
    monkeypatch.setattr(refined, "BATCH", 3)
    parts = np.stack(list(draw_portrait(portrait, motion, head=head))).astype(int)
    plain = np.stack(list(draw_portrait(portrait, motion))).astype(int)
    assert np.abs(whole - parts).max() <= 1
    assert np.abs(whole - plain).max() > 2
    assert isinstance(head, HeadRefiner)


def test_the_refiners_crop_is_that_of_the_fit(model):
    person, fit = portrait_of(model)
    crop = head_refiner(person, fit, general_refiner()).crop
    points = np.array([[10.0, 20.0], [150.0, 90.0]])
    in_picture = person.crop.to_frame(points * CROP_PX / SIZE)
    np.testing.assert_allclose(crop.to_crop(points), fit.crop.to_crop(in_picture))
