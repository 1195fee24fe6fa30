"""Landmarks: sub-pixel following, the main speaker, gaps, and footage that must be refused."""

import dataclasses
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data

from tfhkit import assets, landmarks, media
from tfhkit.errors import AssetError, InputError, MissingBackend, ParameterError
from tfhkit.landmarks import fan_backend, footage, smoothing, tracking

PORTRAIT = skimage.data.astronaut()[0:220, 125:325]  # a face of about 90 px, in its hair
N, FPS, SIZE = 20, 12.5, (224, 360)


def backdrop(seed=0):
    coarse = np.random.default_rng(seed).integers(60, 200, (6, 10, 3), dtype=np.uint8)
    return cv2.resize(coarse, SIZE[::-1], interpolation=cv2.INTER_CUBIC)


def put(image, scale, x, y):
    """Draw the portrait at a place given in sub-pixels: its corner lies at (x, y)."""
    offset = (scale - 1) / 2
    warp = np.array([[scale, 0, x + offset], [0, scale, y + offset]])
    mask = np.full(PORTRAIT.shape[:2], 255, np.uint8)
    drawn = cv2.warpAffine(PORTRAIT, warp, SIZE[::-1], flags=cv2.INTER_AREA)
    mask = cv2.warpAffine(mask, warp, SIZE[::-1])[..., None] / 255.0
    return np.round(image * (1 - mask) + drawn * mask).astype(np.uint8)


def record(path, places, seeds=None, covered=()):
    """A clip of N frames; places(i) gives the (scale, x, y) of every portrait in frame i."""
    frames = []
    for index in range(N):
        image = backdrop(seeds(index) if seeds else 0)
        for place in places(index):
            image = put(image, *place)
            if index in covered:
                x, y = (round(place[0] * c + o) for c, o in zip((100, 120), place[1:]))
                image[y - 40 : y + 40, x - 28 : x + 28] = (150, 110, 90)
        frames.append(image)
    sound = np.random.default_rng(0).normal(0, 0.1, 16_000 * 3)
    media.write_video(path, frames, FPS, sound, visible_mark=False, quality=8)
    return media.open_clip(path, min_seconds=1)


def drift(index):
    """A smooth path of the portrait: scale, x, y."""
    return 0.8 + 0.004 * index, 90 + 12 * np.sin(index / 4), 20 + 6 * np.cos(index / 5)


@pytest.fixture(scope="module")
def reference():
    """Landmarks on the still portrait, in its own pixels."""
    framed = np.pad(PORTRAIT, ((20, 20), (60, 60), (0, 0)))
    return landmarks.detect_image(framed, "dlib")[0] - (60, 20)


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    clip = record(tmp_path_factory.mktemp("faces") / "drift.mp4", lambda i: [drift(i)])
    return clip, landmarks.detect(clip, "dlib")


@pytest.mark.slow
def test_points_of_one_picture(reference):
    left_eye, right_eye = reference[42:48].mean(0), reference[36:42].mean(0)
    assert 35 < left_eye[0] - right_eye[0] < 55  # the subject's left is on the image's right
    assert (np.diff(reference[[27, 33, 51, 57, 8], 1]) > 0).all()
    assert (np.diff(reference[:17, 0]) > 0).all()
    assert landmarks.detect_image(backdrop(), "dlib").shape == (0, 68, 2)


@pytest.mark.slow
def test_landmarks_follow_with_subpixel_error(drifting, reference):
    clip, found = drifting
    assert found.points_px.shape == (N, 68, 2) and found.points_px.dtype == np.float32
    assert found.backend == "dlib" and not found.gap.any() and found.score.min() > 0.5
    assert found.faces_per_frame == pytest.approx(1, abs=0.1)
    places = np.array([drift(i) for i in range(N)])
    own = (found.points_px - places[:, None, 1:]) / places[:, None, :1]
    jitter = np.sqrt(((own - own.mean(0)) ** 2).mean())
    assert jitter < 0.35  # px, of 60 px between the eyes
    assert np.abs((own - reference).mean((0, 1))).max() < 0.5  # no offset: centres at +0.5


@pytest.mark.slow
def test_the_larger_face_is_the_speaker(tmp_path):
    clip = record(tmp_path / "two.mp4", lambda i: [(0.7, 5 + i, 60), (1.0, 155, i / 2)])
    found = landmarks.detect(clip, "dlib")
    assert found.points_px[:, :, 0].mean(1).min() > 180
    assert found.faces_per_frame == pytest.approx(2, abs=0.2)


@pytest.mark.slow
def test_equal_faces_that_swap_are_refused(tmp_path):
    def crossing(i):
        return [(0.75, 10 + 10 * i, 40), (0.75, 200 - 10 * i, 40)]

    clip = record(tmp_path / "swap.mp4", crossing)
    with pytest.raises(InputError, match=r"swap\.mp4, frame \d+: two faces of about equal size"):
        landmarks.detect(clip, "dlib")


@pytest.mark.slow
def test_a_hard_cut_is_refused(tmp_path):
    clip = record(tmp_path / "cut.mp4", lambda i: [drift(i)], seeds=lambda i: 1 + (i >= 12))
    with pytest.raises(InputError, match=r"frame 12 \(0\.96 s\): a hard cut in mid-clip; .*trim"):
        landmarks.detect(clip, "dlib")
    assert landmarks.footage_facts(clip)["cuts"] == [12]


@pytest.mark.slow
def test_a_leap_of_the_face_is_refused(tmp_path):
    clip = record(tmp_path / "leap.mp4", lambda i: [(0.9, 80 + i / 3 + 42 * (i >= 10), 20)])
    with pytest.raises(InputError, match="frame 10 .*a hard cut"):
        landmarks.detect(clip, "dlib")


@pytest.mark.slow
def test_no_face_and_too_few_faces(tmp_path):
    clip = record(tmp_path / "none.mp4", lambda i: [])
    with pytest.raises(InputError, match=r"none\.mp4: no face was found in any of its 20 frames"):
        landmarks.detect(clip, "dlib")
    clip = record(tmp_path / "few.mp4", lambda i: [drift(i)], covered=range(8, N))
    with pytest.raises(InputError, match="in 40% of the 20 frames only, 60% are needed"):
        landmarks.detect(clip, "dlib")


@pytest.mark.slow
def test_short_gaps_are_bridged_and_flagged(tmp_path, drifting):
    clip = record(tmp_path / "gap.mp4", lambda i: [drift(i)], covered=(9, 10, 11))
    found, whole = landmarks.detect(clip, "dlib"), drifting[1]
    np.testing.assert_array_equal(np.flatnonzero(found.gap), [9, 10, 11])
    assert not found.long_gap.any() and (found.score[9:12] == 0).all()
    assert np.abs(found.points_px[9:12] - whole.points_px[9:12]).max() < 4
    assert np.abs(found.points_px[14:] - whole.points_px[14:]).max() < 1


def test_long_gaps_are_told_apart():
    times = np.arange(30) / 10
    known = np.ones(30, bool)
    known[[5, 6, 12, 13, 14, 15, 16, 27, 28, 29]] = False
    expected = [12, 13, 14, 15, 16]
    np.testing.assert_array_equal(np.flatnonzero(landmarks._long_gaps(known, times)), expected)


def face(x, side=80.0, margin=1.0, opening=None):
    points = None
    if opening is not None:
        points = np.zeros((68, 2))
        points[66, 1], points[8, 1] = opening, 100
    return tracking.Face(np.array([x, 0, x + side, side]), margin, points)


def test_tracks_keep_people_apart():
    found = [[face(100 + i), face(300 - i, 60)] for i in range(20)]
    found[7] = [face(107, margin=-0.3), face(500, margin=-0.3)]  # weak boxes only go on
    tracks = tracking.track_faces(found, np.arange(20) / 25)
    assert [len(track.frames) for track in tracks] == [20, 19]
    doubles = tracking.without_doubles(np.array([[0, 0, 80, 80], [5, 0, 90, 85]]), [0.5, 1.0])
    assert len(doubles) == 1 and doubles[0].margin == 1.0


def test_moving_lips_decide_between_equals():
    for speaker in (0, 1):
        found = [
            [face(400 * k, opening=10 * (i % 2) * (k == speaker)) for k in (0, 1)]
            for i in range(20)
        ]
        tracks = tracking.track_faces(found, np.arange(20) / 25)
        assert tracking.main_track(tracks, 20, "clip.mp4").faces[0].box[0] == 400 * speaker


def test_equals_that_touch_are_told_from_pieces_of_one_track():
    def tracks(other):
        ours = tracking.Track(list(range(40)), [face(100) for _ in range(40)])
        return [ours, tracking.Track(list(other), [face(150) for _ in other])]

    with pytest.raises(InputError, match=r"clip\.mp4, frame 20: two faces .*swap"):
        tracking.main_track(tracks(range(20, 30)), 40, "clip.mp4")
    pieces = tracks(range(40, 60))
    assert tracking.main_track(pieces, 60, "clip.mp4") is pieces[0]


def test_another_person_in_the_same_place_is_refused():
    rng = np.random.default_rng(0)
    people = rng.normal(size=(2, 128))
    people *= 0.45 / np.linalg.norm(people, axis=1, keepdims=True)
    times = np.arange(12) / 5
    noise = rng.normal(size=(12, 128)) * 0.25 / np.sqrt(128)

    def track(who):
        faces = [dataclasses.replace(face(100), portrait=people[w] + n) for w, n in zip(who, noise)]
        return tracking.Track(list(range(12)), faces)

    tracking.refuse_other_person(track([0] * 12), times, "clip.mp4", 2)
    with pytest.raises(InputError, match=r"clip\.mp4, 0\.8 to 1\.0 s: two faces swap places"):
        tracking.refuse_other_person(track([0] * 5 + [1] * 7), times, "clip.mp4", 2)


@pytest.mark.parametrize("n_frames", [4, 16, 29, 49])
def test_a_short_clip_is_compared_at_its_ends(n_frames):
    people, times = np.eye(2, 128) * 0.9, np.arange(n_frames) / 25
    noise = np.random.default_rng(0).normal(size=(n_frames, 128)) * 0.02
    chosen = landmarks._portraits(times)
    assert len(chosen) == 4 and chosen[0] == 0 and chosen[-1] == n_frames - 1
    for switch in range(chosen[1] + 1, chosen[2] + 1):  # any frame between the ends
        faces = [
            dataclasses.replace(face(100), portrait=people[int(k >= switch)] + noise[k])
            for k in chosen
        ]
        with pytest.raises(InputError, match="another person's"):
            tracking.refuse_other_person(tracking.Track(chosen, faces), times, "clip.mp4", 1)
    assert len(landmarks._portraits(np.arange(60) / 25)) == landmarks.N_PORTRAITS


def test_smoothing_removes_noise_and_keeps_parabolas_and_lips():
    times = np.cumsum(np.random.default_rng(0).uniform(0.03, 0.05, 60))
    path = np.broadcast_to((3 + 40 * times - 20 * times**2)[:, None, None], (60, 68, 2))
    np.testing.assert_allclose(smoothing.smooth(path, times), path, atol=1e-6)
    noise = np.random.default_rng(1).normal(size=(60, 68, 2))
    kept = smoothing.smooth(noise, times)[5:-5].std((0, 2)) / noise[5:-5].std((0, 2))
    assert kept[:36].max() < 0.9 and kept[48:].min() > 0.95
    closure = np.zeros((60, 68, 2))
    closure[30] = 1
    assert smoothing.smooth(closure, times)[30, 48:].min() > 0.95


def test_bridge_is_linear_in_time():
    times = np.array([0, 0.1, 0.3, 0.4, 0.5])
    points = np.broadcast_to(times[:, None, None] * 100, (5, 68, 2)).copy()
    points[[1, 4]] = np.nan
    filled = smoothing.bridge(points, np.array([1, 0, 1, 1, 0], bool), times)
    np.testing.assert_allclose(filled[:, 0, 0], [0, 10, 30, 40, 40])


def test_flashes_pans_and_fades_are_no_cuts():
    rng = np.random.default_rng(0)
    scenes = rng.uniform(0, 255, (2, 27, 200, 3)).astype(np.float32)
    still = np.stack([scenes[0, :, :48]] * 40) + rng.normal(0, 1, (40, 27, 48, 3))
    flash, cut = still.copy(), still.copy()
    flash[20] = 255
    cut[25:] = scenes[1, :, :48] + rng.normal(0, 1, (15, 27, 48, 3))
    pan = np.stack([scenes[0, :, 3 * i : 3 * i + 48] for i in range(40)])
    ramp = np.linspace(0, 1, 12)[:, None, None, None]
    fade = np.concatenate(
        [still[:14], still[14:26] * (1 - ramp) + scenes[1, :, :48] * ramp, cut[26:]]
    )
    for thumbs, cuts in ((still, []), (flash, []), (pan, []), (fade, []), (cut, [25])):
        assert footage.cuts_of(thumbs).tolist() == cuts
    still[[7, 8]] = still[6]
    assert np.flatnonzero(footage.duplicates_of(still)).tolist() == [7, 8]


def test_sound_facts():
    sound = np.sin(np.arange(32_000)) * 0.5
    sound[16_000:24_000] = 0
    facts = footage.sound_facts(sound.astype(np.float32), 16_000)
    assert facts["sound_peak_db"] == pytest.approx(-6.0, abs=0.1)
    assert facts["silence_share"] == pytest.approx(0.25, abs=0.01)
    assert facts["sound_rms_db"] == pytest.approx(-10.3, abs=0.1)


@pytest.mark.slow
def test_footage_facts_are_plain_numbers(drifting):
    clip, found = drifting
    facts = json.loads(json.dumps(landmarks.footage_facts(clip, found)))
    assert (facts["frames"], facts["width"], facts["height"]) == (N, 360, 224)
    assert facts["fps"] == 12.5 and facts["fps_steady"] and facts["cuts"] == []
    assert facts["duplicate_frames"] == 0 and facts["face_share"] == 1
    assert 60 < facts["face_px"] < 110 and facts["backend"] == "dlib"
    assert "face_px" not in landmarks.footage_facts(clip)


def test_backends_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("TFHKIT_CACHE", str(tmp_path))
    monkeypatch.setenv("TFHKIT_OFFLINE", "1")
    with pytest.warns(UserWarning, match="mesh.*another backend finds the landmarks"):
        assert landmarks.choose_backend("auto") == "dlib"
    with pytest.raises(ParameterError, match="no backend 'mediapipe'"):
        landmarks.detect_image(PORTRAIT, "mediapipe")
    with pytest.raises(MissingBackend, match="face-alignment.*2DFAN4.*save it as .*or use dlib"):
        landmarks.detect_image(PORTRAIT, "face-alignment")
    for name in fan_backend.WEIGHTS:
        assets.path_of(name).write_bytes(b"cos\nsystem\n(S'false'\ntR.")  # a pickle with a call
    with pytest.warns(UserWarning, match="mesh"):
        assert landmarks.choose_backend("auto") == "face-alignment"
    with pytest.raises(AssetError, match="2DFAN4.*has SHA-256"):
        landmarks.detect_image(PORTRAIT, "face-alignment")


def test_face_alignment_behind_the_seam(monkeypatch):
    """With a stand-in for the networks (their weights are not part of the suite)."""

    class Networks:
        class face_detector:
            @staticmethod
            def detect_from_image(image):
                return [np.array([20, 30, 80, 90, 0.9]), np.array([0, 0, 20, 20, 0.3])]

        @staticmethod
        def get_landmarks_from_image(image, detected_faces):
            (x0, y0, x1, y1) = detected_faces[0]
            return [np.linspace((x0, y0), (x1, y1), 68)]

    monkeypatch.setattr(fan_backend, "_weights", lambda name: name)
    monkeypatch.setattr(fan_backend, "_open", lambda paths, device: Networks)
    points = landmarks.detect_image(PORTRAIT, "face-alignment")
    assert points.shape == (1, 68, 2) and points[0, 0].tolist() == [20, 30]


@pytest.mark.slow
def test_sample_clip_follows_the_nearer_man():
    try:
        clip = media.open_clip(assets.fetch("sample_clip"))
    except AssetError as error:
        pytest.skip(str(error))
    assert (len(clip), clip.height, clip.width) == (105, 240, 320)
    assert clip.fps == pytest.approx(12, abs=0.1)
    found = landmarks.detect(clip, "dlib")
    centre = found.points_px.mean(1)
    assert not found.gap.any() and found.faces_per_frame == pytest.approx(2, abs=0.1)
    assert (centre[:, 0] > 140).all() and (centre[:, 1] < 100).all()


@pytest.mark.slow
@pytest.mark.skipif("TFHKIT_CLIPS" not in os.environ, reason="TFHKIT_CLIPS is not set")
def test_a_clip_of_720p():
    clip = media.open_clip(Path(os.environ["TFHKIT_CLIPS"]) / "talker_a.mp4")
    found = landmarks.detect(clip, "dlib")
    assert len(clip) == 607 and found.gap.mean() < 0.01
