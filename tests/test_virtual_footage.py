"""Footage of virtual speakers: a real clip that shows a face where its truth says."""

from dataclasses import replace

import dlib
import numpy as np
import pytest

from tfhkit.errors import InputError, ParameterError
from tfhkit.face import load_model
from tfhkit.media import open_clip
from tfhkit.virtual.corpus import make_motion_corpus
from tfhkit.virtual.footage import make_footage, render_footage, truth_of
from tfhkit.virtual.lrw import make_lrw_corpus
from tfhkit.virtual.scenery import make_bust, random_scene, with_hair
from tfhkit.virtual.speaker import action_matrix, perform, random_speaker
from tfhkit.virtual.variety import Variety
from tfhkit.virtual.visemes import ACTIONS, mouth_actions, segments
from tfhkit.virtual.voice import join, speak


@pytest.fixture(scope="module")
def model():
    return load_model()


def lip_gaps(model, actions):
    import torch

    exp = torch.as_tensor(actions @ action_matrix(model))
    points = model.landmark_points(torch.zeros(len(exp), 80), exp)
    return (points[:, [61, 62, 63], 1] - points[:, [67, 66, 65], 1]).mean(1).numpy()


def test_lips_of_the_model_close_on_bilabials_and_open_on_a(model):
    sound = join([speak("Mama bought papa a big map.")], [0.2, 0.2])
    grid = np.arange(0, sound.duration_s, 0.01)
    gap_dm = lip_gaps(model, mouth_actions(sound, grid))
    mean_gap_dm = {"closed": [], "open": []}
    for letter, start_s, end_s, _ in segments(sound.phonemes):
        part = gap_dm[int(start_s * 100) : int(end_s * 100) + 1]
        if letter in "mpb":
            mean_gap_dm["closed"].append(part.min())
        elif letter in "ɑ":
            mean_gap_dm["open"].append(part.max())
    assert max(mean_gap_dm["closed"]) < 0.01
    assert max(mean_gap_dm["open"]) > 0.10


def test_action_names_are_the_models(model):
    assert set(ACTIONS) == set(model.action_names)
    row = ACTIONS.index("jawOpen")
    expected = model.actions[model.action_names.index("jawOpen")].numpy()
    assert np.allclose(action_matrix(model)[row], expected)


def test_hair_moves_the_scalp_only(model):
    haired = with_hair(model, 0.2, seed=0)
    moved = (haired.mean_shape - model.mean_shape).norm(dim=1)
    assert moved[~model.regions["scalp"]].max() == 0
    assert 0.1 < moved.max() < 0.4


def test_a_face_is_seen_where_the_truth_says(model):
    speaker = replace(random_speaker(model, 1, "en-us"), seed=1)
    scene = random_scene(1, 240, 320)
    performance = perform(speaker, "Ah, movies.", times=np.array([0.3, 0.6, 0.9]), model=model)
    frames = list(render_footage(performance, scene, model, supersample=2))
    landmarks_px = truth_of(performance, speaker, scene, model)["landmarks_px"]
    detect = dlib.get_frontal_face_detector()
    for frame, points in zip(frames, landmarks_px):
        assert frame.shape == (240, 320, 3) and frame.dtype == np.uint8
        boxes = detect(frame, 1)
        assert len(boxes) == 1
        centre = np.array([boxes[0].center().x, boxes[0].center().y])
        assert np.linalg.norm(centre - points[27:].mean(0)) < 0.3 * np.ptp(points[:, 0])
    assert np.abs(frames[0].astype(int) - frames[2]).mean() > 0.5
    again = next(iter(render_footage(performance, scene, model, supersample=2)))
    assert np.array_equal(again, frames[0])


def test_truth_holds_in_the_crop(model):
    """Landmarks in the frame, taken to the 224 px crop, are those of the crop's own camera."""
    import torch

    from tfhkit.camera import Camera, project, to_world

    speaker, scene = random_speaker(model, 2), random_scene(2, 200, 300)
    performance = perform(speaker, "Ah.", times=np.array([0.3]), model=model)
    truth = truth_of(performance, speaker, scene, model)
    c = performance.coefficients.map(torch.as_tensor)
    world = to_world(model.shape(c.id, c.exp)[:, model.landmark_ids], c.angles, c.trans)
    expected = project(world, Camera())[0].numpy()
    scale, offset = truth["crop"][0], truth["crop"][1:]
    assert np.allclose(truth["landmarks_px"] * scale + offset, expected, atol=0.01)


def test_bust_has_no_holes_and_is_clothed_below(model):
    scene = random_scene(3)
    bust, shown = make_bust(model, model.mean_shape, model.mean_tex, scene)
    edges = np.sort(bust.faces.numpy()[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), 1)
    _, count = np.unique(edges, axis=0, return_counts=True)
    assert set(count) == {1, 2} and (count == 1).sum() == 2 * 120  # its two rims
    assert 0.9 < shown.float().mean() < 1
    low = bust.verts[:, 1] < -3
    assert (bust.albedo[low].mean(0).numpy() - scene.shirt).max() < 0.05
    assert bust.held[low].max() == 0


@pytest.mark.slow
def test_a_clip_with_sound_and_truth(tmp_path, model):
    speaker = random_speaker(model, 1, "en-us")
    path, truth_path = make_footage(
        tmp_path / "clip.mp4", speaker, ["Movies are about people.", "Maybe more than that."],
        random_scene(speaker.seed, 180, 240), model=model, supersample=1,
    )  # fmt: skip
    clip = open_clip(path, min_seconds=2)
    truth = dict(np.load(truth_path))
    assert len(clip) == len(truth["times"]) == len(truth["coefficients"])
    assert np.allclose(clip.times, truth["times"], atol=1e-3)
    assert truth["coefficients"].shape[1] == 257
    with pytest.raises(InputError, match="no phonemes"):
        make_footage(tmp_path / "none.mp4", speaker, "?!", model=model)
    assert not (tmp_path / "none.mp4").exists()


@pytest.mark.slow
def test_words_in_the_layout_of_lrw(tmp_path, model):
    made = []
    arguments = {"words": ("MOVE",), "n_clips": (1, 0, 1), "supersample": 1}
    paths = make_lrw_corpus(tmp_path, **arguments)
    assert [str(p.relative_to(tmp_path)) for p in paths] == [
        "lipread_mp4/MOVE/train/MOVE_00001.mp4",
        "lipread_mp4/MOVE/test/MOVE_00001.mp4",
    ]
    clip = open_clip(paths[0], min_seconds=1)
    assert len(clip) == 29 and (clip.height, clip.width) == (256, 256)
    stamps = [path.stat().st_mtime_ns for path in paths]
    paths[1].unlink()  # as if it had been stopped before the second
    again = make_lrw_corpus(tmp_path, **arguments, progress=lambda *n: made.append(n))
    assert again == paths and made == [(2, 2, "MOVE_00001.mp4")]
    assert paths[0].stat().st_mtime_ns == stamps[0] and paths[1].is_file()
    assert not [p for p in tmp_path.rglob("*") if p.name.startswith(".")]


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"words": ("TWO WORDS",)}, "'TWO WORDS' is not one English word; give words of the let"),
        ({"words": ("",)}, "'' is not one English word"),
        ({"words": ("MÜDE",)}, "'MÜDE' is not one English word"),
        ({"words": ()}, "words: there are none"),
        ({"words": ("Move", "MOVE")}, "MOVE is there twice"),
        ({"words": ("A",)}, "'A' is not said as a word of its own"),
        ({"n_clips": (-1, 1, 1)}, "n_clips of 'train': is -1; give a whole number from 0 on"),
        ({"n_clips": (4, -2, 1)}, "n_clips of 'val': is -2"),
        ({"n_clips": (0, 0, 0)}, "there would be no clip"),
        ({"seed": -1}, "seed: is -1"),
        ({"supersample": 0}, "supersample: is 0; give a whole number from 1 on"),
        ({"workers": 0}, "workers: is 0"),
    ],
)
def test_wrong_words_and_numbers_are_refused(tmp_path, arguments, match):
    with pytest.raises(ParameterError, match=match):
        make_lrw_corpus(tmp_path, **arguments)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_known_at_once(tmp_path, model):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="cannot be written"):
        make_lrw_corpus(tmp_path / "file", ("MOVE",))
    with pytest.raises(InputError, match="cannot be written"):
        make_motion_corpus(1, 4.0, path=tmp_path / "file" / "c.npz", model=model)


@pytest.mark.slow
def test_two_workers_make_the_same_corpus(model):
    one = make_motion_corpus(3, 4.0, seed=5, workers=1, model=model)
    two = make_motion_corpus(3, 4.0, seed=5, workers=2, model=model)
    assert all(np.array_equal(a.rows, b.rows) for a, b in zip(one, two))
    assert all(np.array_equal(a.exp, b.exp) for a, b in zip(one, two))
    with pytest.raises(ParameterError, match="no voice"):
        make_motion_corpus(1, 4.0, variety=Variety(language="xx-yy"), model=model)
