"""Naturalness: every measure sees an injected error, whatever the frame rate and size of face."""

from dataclasses import replace

import numpy as np
import pytest
from mesh_toys import SECONDS, SR_HZ, loudness, track, turns, voice

from tfhkit.errors import InputError, ShapeError
from tfhkit.landmarks import Landmarks
from tfhkit.metrics import FaceTrack, face_motion, naturalness
from tfhkit.metrics.face_motion import (
    BROWS,
    LOWER_LIP,
    head_angles,
    rigid_points,
    silent_frames,
    volume,
)
from tfhkit.metrics.naturalness import MEASURES, DrawSettings

FAST = DrawSettings(n_draws=40)
PARTS = ("lips", "head", "brows", "silence", "sync")


@pytest.fixture(scope="module")
def real():
    return face_motion(track())


def close(real, generated):
    """Closeness by part, without intervals."""
    report = naturalness(real, face_motion(generated), settings=DrawSettings(n_draws=2))
    return {name: part.closeness for name, part in report.parts.items()}


def test_the_same_video_is_close_in_everything(real):
    report = naturalness(real, real, settings=FAST)
    assert tuple(report.parts) == PARTS == tuple(MEASURES)
    for part in report.parts.values():
        assert part.closeness == 1 and part.interval == (1.0, 1.0) and part.real == part.generated
        assert 0 < part.spread < 1 and part.why == ""
    assert report.mean == 1 and report.interval == (1.0, 1.0) and 0.3 < report.spread < 1


@pytest.mark.parametrize(
    "error, part, most",
    [
        ({"mouth": 0.7}, "lips", 0.6),  # variance: the gain squared
        ({"mouth": 0.0}, "lips", 0.15),
        ({"mouth": 1.3}, "lips", 0.5),
        ({"head": 0.5}, "head", 0.55),
        ({"head": 0.0}, "head", 0.01),
        ({"brow": 0.5}, "brows", 0.6),
        ({"brow": 0.0}, "brows", 0.1),
        ({"restless": 0.1}, "silence", 0.5),
        ({"later_s": 0.16}, "sync", 0.4),
    ],
)
def test_each_measure_sees_its_error(real, error, part, most):
    found = close(real, track(**error))
    assert found[part] < most
    blind = {"lips": ("head", "brows"), "head": ("lips", "sync"), "brows": ("lips", "head"),
             "silence": ("head", "brows"), "sync": ("head", "brows")}  # fmt: skip
    assert all(found[other] > 0.85 for other in blind[part])


def test_another_sound_is_seen(real):
    wrong = replace(track(), audio=np.roll(voice(), SR_HZ))
    assert close(real, wrong)["sync"] < 0.5


@pytest.mark.parametrize("change", [{"fps": 50.0}, {"fps": 12.5}, {"px": 25.0}])
def test_frame_rate_and_size_do_not_matter(real, change):
    found = close(real, track(**change))
    assert min(found.values()) > 0.88, found


def test_gaps_are_skipped(real):
    clean = track()
    gap = np.zeros(len(clean.times), bool)
    gap[[20, 21, 22, 90, 151]] = True
    wild = clean.mesh_px.copy()
    wild[gap] = np.nan
    found = face_motion(replace(clean, mesh_px=wild, gap=gap))
    assert len(found) == len(real) - 5 and np.isfinite(found.lips).all()
    assert np.isnan(found.brow_speed).all(1).sum() == 4  # the first frame, and after each gap
    assert min(close(real, replace(clean, mesh_px=wild, gap=gap)).values()) > 0.9


def test_angles_are_those_of_the_head():
    times = track().times
    mesh = track().mesh_px
    assert np.abs(head_angles(mesh) - turns(times)).max() < np.radians(0.1)
    assert len(rigid_points()[0]) > 50
    assert not set(rigid_points()[0]) & {*BROWS[0], *BROWS[1], *LOWER_LIP, 152}  # 152: the chin


def test_pauses_are_found():
    times = np.arange(0, SECONDS, 0.04)
    pause = silent_frames(voice(), times)
    truth = loudness(times) == 0
    assert (pause == truth).mean() > 0.97 and (pause & ~truth).sum() < 5
    noisy = voice() + 0.004 * np.random.default_rng(1).standard_normal(len(voice()))
    assert (silent_frames(noisy.astype(np.float32), times) == truth).mean() > 0.95
    hum = np.sin(np.arange(int(SECONDS * SR_HZ)) / 5).astype(np.float32)
    assert not silent_frames(hum, times).any()
    assert volume(hum, times[10:-10]) == pytest.approx(np.sqrt(0.5), rel=0.02)


def test_what_is_undefined_is_none_and_says_why(real):
    hum = np.sin(np.arange(int(SECONDS * SR_HZ)) / 5).astype(np.float32)
    still = face_motion(replace(track(mouth=0, head=0, brow=0), audio=hum))
    report = naturalness(still, real, settings=FAST)
    silence = report.parts["silence"]
    assert silence.closeness is None and silence.interval is None and silence.real is None
    assert silence.why == "no pause of 0.3 s or more"
    assert report.parts["head"].why == "the real head does not move"
    assert report.parts["sync"].closeness is not None and report.mean is not None
    assert report.summary()["silence"]["generated"] > 0 and report.summary()["mean"] == report.mean


def test_short_videos_are_unsure():
    long, short = (face_motion(track())[:n] for n in (200, 75))
    other = face_motion(track(mouth=0.9))
    widths = []
    for rows in (long, short):
        part = naturalness(rows, other[len(rows) // 3 :], settings=FAST).parts["lips"]
        assert part.interval[0] <= part.closeness <= part.interval[1]
        widths.append(part.interval[1] - part.interval[0])
    assert widths[1] > widths[0] > 0


def test_the_longer_video_gives_the_spread(real):
    held = real[:100]
    with_whole = naturalness(held, held, whole=real, settings=FAST)
    assert (
        with_whole.parts["head"].spread
        == naturalness(real, real, settings=FAST).parts["head"].spread
    )
    assert (
        with_whole.parts["head"].spread
        != naturalness(held, held, settings=FAST).parts["head"].spread
    )


@pytest.mark.parametrize(
    "change, words",
    [
        ({"mesh_px": np.ones((200, 68, 2))}, "mesh_px: has 68 points, the face mesh 468"),
        ({"gap": np.ones(200, bool)}, "has 0 frames with a face; give 1 s or more"),
        ({"mesh_px": np.full((200, 468, 2), np.nan)}, "points that are not numbers; mark them"),
        ({"times": np.arange(7.0)}, "times"),
    ],
)
def test_bad_input_is_refused(change, words):
    with pytest.raises((InputError, ShapeError), match=words):
        replace(track(), **change)


def test_landmarks_without_a_mesh_are_refused():
    found = Landmarks(np.zeros((200, 68, 2)), np.ones(200), np.zeros(200, bool), "dlib")
    with pytest.raises(InputError, match="no face mesh .backend dlib.; detect with the .* mesh"):
        FaceTrack.of(found, track().times, voice())
    with pytest.raises(InputError, match="both eyes on one point"):
        face_motion(FaceTrack(np.ones((200, 468, 2)), track().times, voice()))
    seen = replace(found, dense_px=np.zeros((200, 510, 2), np.float32))
    assert len(FaceTrack.of(seen, track().times, voice(), slice(100, 200)).times) == 100
