"""Which frames are usable, whose face it is, how late the sound is, and small faces."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import skimage.data

from tfhkit import landmarks
from tfhkit.landmarks import footage, speaking, tracking, usable
from tfhkit.landmarks.dlib_backend import DlibFaces, probe_scales, tile_starts
from tfhkit.landmarks.search import faces_of, find_near, where_to_look

T, FPS = 200, 25
TIMES = np.arange(T) / FPS


def looks(light=1.0, face_light=1.0, sharp=1.0, contrast=1.0, change=30.0):
    """Of a clip with some natural variation; each argument is a factor, (T,) or one."""
    rng = np.random.default_rng(0)
    ones = np.ones(T)
    light = light * ones
    face = np.stack([120 * light * face_light, 40 * contrast * light, 0.15 * sharp * ones], 1)
    frame = np.stack([100 * light, 50 * light], 1)
    face *= rng.normal(1, 0.02, face.shape)
    points = np.zeros((T, 68, 2)) + np.arange(68)[:, None]
    return usable.FrameLooks(face, frame * rng.normal(1, 0.01, frame.shape), change * ones, points)


def course(start, values):
    """(T,) ones with values from a frame on."""
    out = np.ones(T)
    out[start : start + len(values)] = values
    return out


def found(some_looks):
    ranges = usable.find_unusable(some_looks, TIMES)
    return [(part.reason, part.first, part.stop) for part in ranges]


def test_a_clip_without_faults_loses_no_frame():
    assert found(looks()) == []
    drift = np.linspace(0.8, 1.25, T)  # the sun comes out
    assert found(looks(light=drift)) == []
    turning = 1 + 0.25 * np.sin(TIMES * 3)  # a head in light from the side
    assert found(looks(face_light=turning)) == []


@pytest.mark.parametrize("n", [8, 20, 50])
def test_fades_are_left_out(n):
    ramp = np.linspace(0, 1, n)
    fade = course(0, ramp) * course(T - n, ramp[::-1])
    assert [part[0] for part in found(looks(light=fade))] == ["dark", "dark"]
    mask = usable.mask_of(usable.find_unusable(looks(light=fade), TIMES), T)
    assert mask[fade < 0.9].all() and not mask[fade == 1].any()


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"light": course(90, [2.0])}, "bright"),
        ({"light": course(90, [1.6] * 30)}, "bright"),
        ({"light": course(90, [0.6] * 30)}, "dark"),
        ({"face_light": course(90, [1.9] * 3)}, "bright"),
        ({"sharp": course(90, [0.3] * 12)}, "blurred"),
        ({"contrast": course(90, [0.2] * 12)}, "blank"),
        ({"change": 30 * course(90, [0.0] * 12)}, "frozen"),
    ],
)  # fmt: skip
def test_disturbances_are_found(change, reason):
    (values,) = change.values()
    assert found(looks(**change)) == [(reason, 90, 90 + (values != np.median(values)).sum())]


def test_blank_frames_without_a_face():
    some = looks()
    some.frame[50:60] = 0, 0
    some.frame[100:105] = 255, 1
    some.face[50:60] = some.face[100:105] = np.nan
    assert found(some) == [("dark", 50, 60), ("blank", 100, 105)]


def test_a_lasting_exposure_and_a_slow_frame_rate_are_how_the_clip_is():
    step = looks(light=course(110, [1.5] * 90))
    assert found(step) == [] and usable.exposure_steps(step, TIMES) == [110]
    assert usable.exposure_steps(looks(), TIMES) == []
    slow = np.where(np.arange(T) % 10, 0.0, 30.0)  # 2.5 pictures a second
    assert found(looks(change=slow)) == []


def test_frozen_for_long_and_a_small_face_that_moves():
    stuck = looks(change=30 * course(60, [0.0] * 100))
    assert found(stuck) == [("frozen", 60, 160)]
    small = looks(change=30 * course(60, [0.0] * 12))  # only its pixels are too few to show
    small.points[:] += 2 * np.sin(TIMES * 9)[:, None, None]
    assert found(small) == []


def test_another_exposure_and_black_frames_are_no_cuts():
    rng = np.random.default_rng(0)
    scenes = rng.uniform(20, 140, (2, 27, 48, 3)).astype(np.float32)
    still = np.stack([scenes[0]] * 40) + rng.normal(0, 1, (40, 27, 48, 3))
    jump, black, blue, cut = still.copy(), still.copy(), still.copy(), still.copy()
    jump[20:] *= 1.7
    black[20:24] = 0
    blue[20:24] = 0, 0, 255
    cut[20:] = scenes[1]
    both = cut.copy()
    both[16:20] = 0
    for thumbs, cuts in ((jump, []), (black, []), (blue, []), (cut, [20]), (both, [20])):
        assert footage.cuts_of(thumbs.clip(0, 255).astype(np.uint8)).tolist() == cuts


def voice(seed, seconds=T / FPS, sr_hz=16_000):
    """Syllables of noise and when the mouth is open: sound, opening at TIMES."""
    rng = np.random.default_rng(seed)
    edges = np.cumsum(rng.uniform(0.08, 0.35, 200))
    level = rng.uniform(0, 1, 200) * (rng.random(200) < 0.7)
    grid = np.arange(int(seconds * sr_hz)) / sr_hz
    track = np.interp(grid, edges, level)
    sound = (0.3 * track**2 * rng.normal(size=len(grid))).astype(np.float32)
    return sound, np.interp(TIMES, edges, level)


def points_with(opening, noise=0.0, seed=0):
    """(T, 68, 2): a face 100 px high whose inner lips part by so many tens of px."""
    points = np.zeros((len(opening), 68, 2)) + (200, 200)
    points[:, 8, 1] += 100
    points[:, 66, 1] += 10 * opening
    points += np.random.default_rng(seed).normal(0, noise, points.shape)
    return points.astype(np.float32)


def seen(*how):
    """A lip opening as it is read off landmarks, see `points_with`."""
    return speaking.mouth_opening(points_with(*how))


@pytest.mark.parametrize("lag_s", [-0.2, 0.0, 0.1, 0.2, 0.4])
def test_a_known_lag_is_measured(lag_s):
    sound, opening = voice(1)
    later = np.roll(sound, round(16_000 * lag_s))
    lag = speaking.measure_lag(seen(opening, 0.2), TIMES, later, 16_000)
    assert lag.sure and lag.lag_s == pytest.approx(lag_s, abs=0.03)
    assert lag.low_s <= lag.lag_s <= lag.high_s and lag.r > lag.rest_r + 0.2


@pytest.mark.parametrize("seed", range(2, 8))
def test_another_voice_has_no_sure_lag(seed):
    lag = speaking.measure_lag(seen(voice(1)[1], 0.2), TIMES, voice(seed)[0], 16_000)
    assert not lag.sure


def test_lag_with_gaps_and_without_anything_to_measure():
    sound, opening = voice(1)
    opening, gap = seen(opening), np.zeros(T, bool)
    gap[30:60], opening[30:60] = True, 0
    lag = speaking.measure_lag(opening, TIMES, sound, 16_000, gap)
    assert lag.lag_s == pytest.approx(0, abs=0.03)
    for nothing in (np.zeros_like(sound), sound[:0]):
        assert not speaking.measure_lag(opening, TIMES, nothing, 16_000, gap).sure
    assert not speaking.measure_lag(seen(np.ones(T)), TIMES, sound, 16_000).sure
    assert not speaking.measure_lag(opening, TIMES, sound, 16_000, np.ones(T, bool)).sure


def person(x, side, opening):
    box = np.array([x, 0.0, x + side, side])
    points = points_with(opening).astype(np.float64)
    return tracking.Track(list(range(T)), [tracking.Face(box, 1.0, p) for p in points])


def choose(tracks, sound):
    heard = [
        speaking.speech_agreement(
            speaking.mouth_opening(np.array([f.points for f in t.faces])), TIMES, sound, 16_000,
            speaking.CHOICE_LAGS_S,
        ).max()
        for t in tracks
    ]  # fmt: skip
    best = tracking.main_track(tracks, T, "clip.mp4", heard, T / FPS)
    return [t is best for t in tracks].index(True), tracking.faces_seen(tracks, best, T, heard)


def test_a_still_face_is_never_chosen_over_a_moving_one():
    sound, opening = voice(1)
    for moving in (opening, voice(2)[1]):  # even where the sound is another's
        tracks = [person(0, 400, 0.02 * voice(3)[1]), person(600, 80, moving)]
        number, (faces, why) = choose(tracks, sound)
        assert number == 1 and why == "the only face whose lips move"
        assert [face.chosen for face in faces] == [False, True]
    assert choose([person(0, 400, np.zeros(T)), person(600, 80, np.zeros(T))], sound)[0] == 0


def test_the_lips_that_follow_the_sound_are_chosen():
    sound, opening = voice(1)
    other = voice(2)[1]  # a TV, or somebody who chews
    number, (_, why) = choose([person(0, 300, other), person(600, 100, opening)], sound)
    assert number == 1 and why == "the face whose lips move with the sound"
    assert choose([person(0, 300, opening), person(600, 100, other)], sound)[0] == 0


def test_size_decides_where_nobody_in_the_picture_speaks():
    """As a rule: by chance the wrong lips follow a voice for 8 s now and then."""
    tracks = [person(0, 300, voice(2)[1]), person(600, 100, voice(1)[1])]
    chosen = [choose(tracks, voice(seed)[0]) for seed in range(10, 20)]
    assert sum(number == 0 for number, _ in chosen) >= 8
    assert all(why == "the largest face" for number, (_, why) in chosen if number == 0)


def test_scales_reach_faces_of_40_px_at_every_size():
    for width in (320, 640, 1280, 1920, 3840, 7680):
        scales = probe_scales(width)
        assert scales[-1] * 40 >= 80 and scales == sorted(scales)
        assert scales[:2] == [min(2.0, 960 / width), min(3.0, 1920 / width)], "as they always were"
        for scale in scales:
            starts, side = tile_starts(width, scale), 4000 / scale
            assert starts[0] == 0 and starts[-1] + side >= width
            assert all(b - a <= side - 300 / scale for a, b in zip(starts, starts[1:]))


def wide_picture(width, side_px, x, y):
    head = skimage.data.astronaut()[0:200, 125:325]
    size = round(200 * side_px / 90)  # its face is 90 px wide
    image = np.full((width * 9 // 16, width, 3), 120, np.uint8)
    image[y : y + size, x : x + size] = cv2.resize(head, (size, size), interpolation=cv2.INTER_AREA)
    return image


def test_a_small_face_in_a_large_frame_is_found_and_followed():
    image = wide_picture(3000, 62, 2100, 900)  # 40 px at the scale that is tried last at first
    faces = DlibFaces([image])
    assert faces.slow(3000)
    near = [np.array([2140.0, 920, 2210, 990])]
    boxes, margins = find_near(image, faces, near)
    assert (margins > 0).sum() == 1
    points = faces.points(image, boxes[0])
    assert 2100 < points[:, 0].mean() < 2240 and np.ptp(points[:, 0]) < 90
    seen = faces_of(image, faces, near)
    assert seen[0].points is not None and np.isfinite(seen[0].look).all()


def test_where_to_look_next():
    face = tracking.Face(np.array([0.0, 0, 80, 80]), 1.0)
    weak = replace(face, margin=-0.3)
    assert where_to_look([], TIMES, 0) is None
    assert where_to_look([[face]] * 5, TIMES, 5)[0] is face.box
    assert where_to_look([[face], [weak], []], TIMES, 3)[0] is face.box
    lost = [[face], *([[]] * 30)]
    places = [where_to_look(lost[:k], TIMES, k) for k in range(14, 31)]
    assert places.count(None) in (1, 2) and all(p in (None, []) for p in places)


def test_a_smaller_face_than_the_poster_is_found_too():
    image = wide_picture(1280, 300, 20, 20)
    image[300:478, 900:1078] = wide_picture(640, 80, 0, 0)[:178, :178]
    faces = DlibFaces([image] * 3)
    boxes, margins = faces.find(image)
    assert sorted(((boxes[:, 2] - boxes[:, 0])[margins > 0] / 40).round()) == [2, 8]


def test_facts_say_who_was_chosen_and_what_was_left_out():
    found_ = landmarks.Landmarks(
        points_with(voice(1)[1]), np.ones(T, np.float32), np.zeros(T, bool), "dlib",
        unusable=(usable.Unusable("dark", 0, 10, 0.0, 0.36),),
    )  # fmt: skip
    assert found_.left_out().sum() == 10 and found_.left_out()[:10].all()
